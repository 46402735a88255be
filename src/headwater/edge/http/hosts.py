"""Who may ask the private listener without a signature: this machine's own programs, by its own names, and no web page of elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from headwater.errors import AccessDenied, BadRequest

_LOCAL = "localhost"
_HOST = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)


class Hosts:
    """The names by which a listener is asked: those of loopback, and *names*.

    A page can have its own name point here (DNS rebinding) and then read what needs no signature; the name in `Host` tells.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower() for name in names)

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise `AccessDenied` for a request to another name, or from a page of another origin."""
        host = _text(headers.get(b"host", b""))
        # Only HTTP/1.0 gets here without one: health checks speak it, browsers do not.
        if b"host" in headers and not self._knows(_name_in(host)):
            raise AccessDenied(
                f"this listener is asked as localhost, 127.0.0.1 or [::1], or by a name in private.hosts; given Host {host[:256]!r}"
            )
        origin = headers.get(b"origin")
        if origin is not None and _text(origin).lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            raise AccessDenied(f"pages of other origins may not ask this; given Origin {_text(origin)[:256]!r}")

    def _knows(self, name: str) -> bool:
        if name in self._names or name == _LOCAL or name.endswith(f".{_LOCAL}"):
            return True
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return False


def check_one_host(host: bytes | None, repeated: frozenset[bytes], http_version: str) -> None:
    """Raise `BadRequest` unless a request says once where it goes; HTTP/1.0, which health checks speak, need not say it."""
    if b"host" in repeated:
        raise BadRequest("there must be one Host header, given more")
    if (host is None and http_version != "1.0") or (host is not None and not host.strip()):
        raise BadRequest("the Host header is missing; HTTP/1.1 needs it")


def _name_in(host: str) -> str:
    match = _HOST.fullmatch(host)
    return "" if match is None else match[1].strip("[]").lower().rstrip(".")


def _text(value: bytes) -> str:
    return value.strip().decode("latin-1")
