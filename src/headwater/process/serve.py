"""`headwater serve`: take the project's lock, bind the listeners, and supervise the three roles."""

from __future__ import annotations

import asyncio
from pathlib import Path

from headwater.pipeline import Paths
from headwater.process import listen
from headwater.process.lock import FileLock
from headwater.process.project import check_formats
from headwater.process.supervisor import Role, Supervisor, role_command
from headwater.settings import Settings, load_settings
from headwater.telemetry import configure_logs


def serve_project(project: Path, public_port: int | None = None, private_port: int | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises `ProjectLocked` if the project is served already, `SettingsError` if a role can never start."""
    settings = load_settings(project)
    check_formats(project)
    configure_logs(settings.log.level, settings.log.format, role="supervisor")
    with FileLock(Paths(project).project_lock, "headwater serve").acquire():
        asyncio.run(build_supervisor(settings, project, public_port, private_port).run())


def build_supervisor(
    settings: Settings, project: Path, public_port: int | None = None, private_port: int | None = None, log_path: Path | None = None
) -> Supervisor:
    """Bind both listeners and return the supervisor of the three roles, in the order in which they are to end."""
    public = listen.bind(settings.public.host, settings.public.port if public_port is None else public_port, "public")
    private = listen.bind(settings.private.host, settings.private.port if private_port is None else private_port, "private")
    roles = [
        Role("collector", role_command("collect", project), listener=public),
        Role("worker", role_command("work", project)),
        Role("query", role_command("query", project), listener=private),
    ]
    facts = {
        "app_id": settings.app.id,
        "identity_pool_id": settings.app.identity_pool_id,
        "region": settings.app.region,
        "public_url": listen.url(public),
        "private_url": listen.url(private),
    }
    return Supervisor(roles, Paths(project).status, facts, log_path)
