"""`headwater serve`: take the project's lock, bind the listeners, and supervise the three roles."""

from __future__ import annotations

import asyncio
from pathlib import Path

from headwater.places import Paths
from headwater.process import listen
from headwater.process.lock import FileLock
from headwater.process.project import check_formats, check_openable
from headwater.process.supervisor import Role, Supervisor, role_command
from headwater.process.tls import TlsFiles, load_context, tls_files
from headwater.settings import Settings, load_settings
from headwater.telemetry import configure_logs


def serve_project(
    project: Path,
    public_port: int | None = None,
    private_port: int | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises `ProjectLocked` if the project is served already, `SettingsError` if a role can never start."""
    settings = load_settings(project)
    tls = tls_files(settings.public, project, tls_cert, tls_key)
    check_formats(project)
    configure_logs(settings.log.level, settings.log.format, role="supervisor")
    with FileLock(Paths(project).project_lock, "headwater serve").acquire():
        Paths(project).status.unlink(missing_ok=True)  # of a server that was killed: it is not where this one will be
        check_openable(project, settings, begin=True)
        asyncio.run(build_supervisor(settings, project, public_port, private_port, tls=tls).run())


def build_supervisor(
    settings: Settings,
    project: Path,
    public_port: int | None = None,
    private_port: int | None = None,
    log_path: Path | None = None,
    tls: TlsFiles | None = None,
) -> Supervisor:
    """Bind both listeners and return the supervisor of the three roles, in the order in which they are to end.

    *tls*: what the public listener is secured with, whatever settings say. Raises `SettingsError` if it cannot be used.
    """
    if tls is not None:
        load_context(tls)
    public = listen.bind(settings.public.host, settings.public.port if public_port is None else public_port, "public")
    private = listen.bind(settings.private.host, settings.private.port if private_port is None else private_port, "private")
    roles = [
        Role("collector", [*role_command("collect", project), *(tls.options() if tls else ())], listener=public),
        Role("worker", role_command("work", project)),
        Role("query", role_command("query", project), listener=private),
    ]
    bound = listen.url(public, secure=tls is not None)
    facts = {
        "app_id": settings.app.id,
        "identity_pool_id": settings.app.identity_pool_id,
        "region": settings.app.region,
        "public_url": settings.public.url or bound,
        # A proxy need not be reachable from here; a certificate of ours names the public URL, not a loopback address.
        "local_url": (settings.public.url or bound) if tls else bound,
        "private_url": listen.url(private),
    }
    return Supervisor(roles, Paths(project).status, facts, log_path)
