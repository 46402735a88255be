"""The browser clients, served to the pages that load them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files

import msgspec

from headwater.edge.http.request import Answer, Header, Request
from headwater.edge.wire.routing import Route
from headwater.errors import NotFound

PATH = "/client/{name}"
"""Where they are; nobody needs to sign for them."""

_JAVASCRIPT = b"text/javascript; charset=utf-8"
_WORKER = "headwater-sw.js"
# Ten minutes bound how long a page runs an old client after an upgrade; a page that names the content may keep it for ever.
_SHORT = b"public, max-age=600, stale-while-revalidate=86400"
_FOR_EVER = b"public, max-age=31536000, immutable"


class ClientFile(msgspec.Struct, frozen=True):
    """One file. *digest* names its content: it is the ETag, and `?v=<digest>` in the address makes it cacheable for ever."""

    body: bytes
    digest: str
    headers: tuple[Header, ...]


class ClientFiles:
    """The built files of this package, read once."""

    def __init__(self) -> None:
        folder = files("headwater.edge") / "client"
        self._files = {entry.name: _file(entry.name, entry.read_bytes()) for entry in folder.iterdir() if entry.name.endswith(".js")}

    def __getitem__(self, name: str) -> ClientFile:
        """Return the file; `NotFound` says which there are."""
        found = self._files.get(name)
        if found is None:
            raise NotFound("client file", f"{name[:64]}; there are {', '.join(self.names)}")
        return found

    @property
    def names(self) -> list[str]:
        """Return the files' names, sorted."""
        return sorted(self._files)

    def routes(self) -> Iterable[Route]:
        """Return GET and HEAD of the files."""
        return [Route(method, PATH, self.get, unsigned=True) for method in ("GET", "HEAD")]

    async def get(self, request: Request) -> Answer:
        """Return the file, or 304 to a client that has it."""
        file = self[request.segment(0)]
        tag = b'"%s"' % file.digest.encode()
        named = request.query == b"v=" + file.digest.encode()
        headers = (*file.headers, (b"etag", tag), (b"cache-control", _FOR_EVER if named else _SHORT))
        if _matches(request.headers.get(b"if-none-match"), tag):
            return Answer(304, b"", headers, _JAVASCRIPT)
        return Answer(200, file.body, headers, _JAVASCRIPT)


def _file(name: str, body: bytes) -> ClientFile:
    # A page with a strict embedder policy may load them; a collector on the origin of the app may give its worker any scope.
    headers: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"cross-origin"))
    if name == _WORKER:
        headers += ((b"service-worker-allowed", b"/"),)
    return ClientFile(body, hashlib.sha256(body).hexdigest()[:32], headers)


def _matches(asked: bytes | None, tag: bytes) -> bool:
    if asked is None:
        return False
    tags = [each.strip().removeprefix(b"W/") for each in asked.split(b",")]
    return tag in tags or b"*" in tags
