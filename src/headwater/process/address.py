"""Where a project's public listener is, for those who send to it."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from headwater.errors import ProjectError
from headwater.process.starting import served_facts
from headwater.settings import Settings


def local_url(project: Path) -> str | None:
    """Return the URL by which programs on this machine reach the public listener of the `serve` that runs, or None."""
    return _running(project, "local_url")


def _running(project: Path, fact: str) -> str | None:
    url = served_facts(project).get(fact)
    return None if url is None else str(url)


def public_url(settings: Settings, project: Path) -> str:
    """Return the URL of the public listener: as it runs, else as the settings say; `ProjectError` if neither knows the port."""
    running = _running(project, "public_url")
    if running is not None:
        return running
    if settings.public.url:
        return settings.public.url
    host, port = settings.public.host, settings.public.port
    if port == 0:
        raise ProjectError("public.port is 0, a free port is picked at the start: run `headwater serve` first, or give --url")
    return f"{'https' if settings.public.tls_cert else 'http'}://{_reachable(host)}:{port}"


def _reachable(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "[::1]" if address.version == 6 else "127.0.0.1"
    return f"[{host}]" if address.version == 6 else host
