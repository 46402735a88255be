"""The way to the server: one HTTP connection that is kept alive, and what proves who sends."""

from __future__ import annotations

import base64
import encodings.idna  # noqa: F401  # loaded at the first connection, it is not found where the process forks or ends meanwhile
import http.client
import json
import os
import re
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol, Self
from urllib.parse import quote, urlsplit

from headwater.control.signer import Signer
from headwater.errors import SettingsError

_ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
_REGION = re.compile(r"valid region: '([a-z0-9-]{1,64})'")
_CLOCK_IS_OFF = re.compile(r"Signature (expired|not yet current)")


_ABANDONED: list[object] = []


class HttpAnswer(NamedTuple):
    """An HTTP answer; `date` is the server's clock, where it says so."""

    status: int
    body: bytes
    date: datetime | None

    def said(self) -> str:
        """Return what it says of an error, for people."""
        try:
            error = json.loads(self.body)
            message = str(error.get("message") or error.get("Message") or "")
        except (ValueError, AttributeError):
            message = self.body[:200].decode(errors="replace")
        return f"HTTP {self.status}" + (f": {message}" if message else "")


class ServerAddress(NamedTuple):
    """Where a server is; *path*, without a `/` at its end, goes before the paths of its routes, *host* into the header of that name."""

    scheme: str
    name: str
    port: int | None
    path: str

    @classmethod
    def at(cls, url: str) -> Self:
        """Return the server at *url*; raises `SettingsError` for what is no address of one."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError as error:
            raise SettingsError(f"{url!r}: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise SettingsError(f"a server is named http://host:port or https://host, given {url!r}")
        return cls(parts.scheme, parts.hostname, port, quote(parts.path.rstrip("/"), safe="/%"))

    @property
    def host(self) -> str:
        """Return what the header Host says."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port in (None, 443 if self.scheme == "https" else 80) else f"{name}:{self.port}"

    def connect(self, timeout_s: float, ssl_context: ssl.SSLContext | None) -> http.client.HTTPConnection:
        """Return a connection, which is made by its first request."""
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.name, self.port, timeout=timeout_s, context=ssl_context)
        return http.client.HTTPConnection(self.name, self.port, timeout=timeout_s)


class Proof(Protocol):
    """What shows the server who sends."""

    def headers(self, path: str, body: bytes) -> dict[str, str]:
        """Return the headers of a POST."""

    def learn(self, answer: HttpAnswer) -> bool:
        """Return whether the same request may do better now, after this answer."""


class RequestSignature:
    """An access key. A clock that is off is corrected by the server's, and so is a region that nobody chose (*any_region*)."""

    def __init__(self, signer: Signer, any_region: bool = False) -> None:
        self._signer, self._offset, self._any_region = signer, timedelta(), any_region

    def headers(self, path: str, body: bytes) -> dict[str, str]:
        """Return the headers, signed now."""
        return self._signer.headers(path, body, datetime.now(UTC) + self._offset)

    def learn(self, answer: HttpAnswer) -> bool:
        """Take over the server's clock if it says that ours is off, as often as it says so: ours may be set right meanwhile."""
        if self._any_region and (named := _REGION.search(answer.said())) and named[1] != self._signer.region:
            self._signer = self._signer._replace(region=named[1])
            return True
        if answer.date is None or not _CLOCK_IS_OFF.search(answer.said()):
            return False
        self._offset = answer.date - datetime.now(UTC)
        return True


class WriteKey:
    """The app's public key."""

    def __init__(self, write_key: str, host: str) -> None:
        credentials = base64.b64encode(f"{write_key}:".encode()).decode()
        self._headers = {"Host": host, "Content-Type": "application/json", "Authorization": f"Basic {credentials}"}

    def headers(self, path: str, body: bytes) -> dict[str, str]:
        """Return the headers."""
        return self._headers

    def learn(self, answer: HttpAnswer) -> bool:
        """There is nothing to learn."""
        return False


class Connection:
    """Posts events of one app to the server at *url*; for one thread, but for `abort`."""

    def __init__(self, url: str, app_id: str, timeout_s: float, ssl_context: ssl.SSLContext | None) -> None:
        self._server = ServerAddress.at(url)
        if not app_id:
            raise SettingsError("the app id is missing; `headwater status` prints it")
        self.timeout_s, self._ssl_context = timeout_s, ssl_context
        self._path = f"{self._server.path}/v1/apps/{quote(app_id, safe='')}/events"
        self.host = self._server.host
        self.proof: Proof | None = None
        self._open: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> HttpAnswer:
        """Return the server's answer; OSError or http.client.HTTPException if there was none."""
        answer = self._post(body)
        if self.proof is not None and answer.status in (400, 403) and self.proof.learn(answer):
            answer = self._post(body)
        return answer

    def _post(self, body: bytes) -> HttpAnswer:
        kept = self._open is not None
        try:
            return self._exchange(body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if not kept:
                raise
            return self._exchange(body)  # a server may hang up on a connection nobody used for a while; the ids make sending twice harmless

    def _exchange(self, body: bytes) -> HttpAnswer:
        connection = self._open or self._server.connect(self.timeout_s, self._ssl_context)
        try:
            self._open = connection
            connection.request("POST", self._path, body, self.proof.headers(self._path, body) if self.proof else {})
            response = connection.getresponse()
            answered = response.read(_ANSWER_LIMIT_BYTES)
            if response.will_close or not response.isclosed():
                self.close()
        except BaseException:
            self.close()
            raise
        date = response.headers.get("Date")
        try:
            moment = None if date is None else parsedate_to_datetime(date)
        except ValueError:
            moment = None
        return HttpAnswer(response.status, answered, moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC))

    def abort(self) -> None:
        """End the exchange under way, if there is one, from another thread; it raises there."""
        connection = self._open
        held = None if connection is None else connection.sock
        if held is not None:
            try:
                held.shutdown(2)
            except OSError:
                return  # it ended by itself

    def abandon(self) -> None:
        """Let go of the connection in a forked child, where another thread's locks on it stay held for ever."""
        connection, self._open = self._open, None
        held = None if connection is None else connection.sock
        if held is not None:
            _ABANDONED.append(connection)  # to end it would wait for one of those locks
            os.close(held.detach())

    def close(self) -> None:
        """Hang up; the next post connects again."""
        connection, self._open = self._open, None
        if connection is not None:
            connection.close()
