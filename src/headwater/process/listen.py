"""Listening sockets. The supervisor holds them, so a role that is started again finds its clients still queued, not refused."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from headwater.errors import SettingsError


def bind(host: str, port: int, what: str) -> socket.socket:
    """Bind and listen; port 0 picks a free one. Raises `SettingsError` that names the setting when the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on {host}:{port} for the {what} listener ({error}); choose another with --{what}-port, or 0 for a free one"
        ) from error
    listener.listen(2048)
    return listener


def url(listener: socket.socket, secure: bool = False) -> str:
    """Return the URL at which the listener answers; for a wildcard address, the one that works on this machine."""
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{host}:{port}"
