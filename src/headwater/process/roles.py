"""Running a role by its command, and running a job with or without the worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from headwater.jobs import Answer, Handlers, Job, JobRun, Progress
from headwater.jobs.socket import SocketAsk
from headwater.places import Paths
from headwater.process import listen
from headwater.process.lock import FileLock, is_held
from headwater.process.project import check_openable
from headwater.process.role import Service, run_role
from headwater.process.tls import TlsFiles, tls_files
from headwater.settings import ListenerSettings, load_settings
from headwater.telemetry import configure_logs

NAMES = {"collect": "collector", "work": "worker", "query": "query"}


def run_named_role(
    command: str,
    project: Path,
    listen_fd: int | None,
    life_line_fd: int | None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Run the role behind `headwater collect`, `work` or `query`; without a supervisor's socket it binds its own.

    *tls_cert*, *tls_key*: for the collector; a supervisor, whose socket it is, says both or means plain HTTP.
    """
    settings = load_settings(project)
    check_openable(project, settings, begin=True)
    name = NAMES[command]
    configure_logs(settings.log.level, settings.log.format, role=name)

    def build() -> Service:
        # Imported here: a role loads only what it needs, and the collector needs no PyArrow.
        if name == "worker":
            from headwater.process.worker import WorkerRole

            return WorkerRole(settings, project)
        public = name == "collector"
        where: ListenerSettings = settings.public if public else settings.private
        bound = listen.bind(where.host, where.port, "public" if public else "private") if listen_fd is None else None
        sock = bound or socket.socket(fileno=listen_fd)
        if public:
            from headwater.process.collector import CollectorRole

            files = TlsFiles(tls_cert, tls_key) if tls_cert and tls_key else None
            return CollectorRole(
                settings, project, sock, files if bound is None else tls_files(settings.public, project, tls_cert, tls_key)
            )
        from headwater.process.query import QueryRole

        return QueryRole(settings, project, sock)

    run_role(name, Paths(project).run, build, life_line_fd)


def run_job(project: Path, job: Job[Answer], told: Callable[[Progress], None] = lambda progress: None) -> Answer:
    """Have a job on the lake done: by the worker if it runs, else here, with the worker's lock. *told* hears how far it is."""
    settings, paths = load_settings(project), Paths(project)
    lock_path = paths.run / "worker.lock"
    if is_held(lock_path):
        return SocketAsk(paths.worker_socket)(job, told=told)
    check_openable(project, settings, begin=True)
    from headwater.process.worker import WorkerRole

    async def do() -> Answer:
        worker, run = WorkerRole(settings, project), JobRun(told=told)
        await worker.open()
        doing = asyncio.ensure_future(Handlers(worker.handlers()).do(job, run))
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:  # Ctrl-C: the thread that is at it needs what would be closed
            run.cancel()
            await asyncio.wait([doing])
            raise
        finally:
            worker.close()

    with FileLock(lock_path, "the worker").acquire():
        return asyncio.run(do())
