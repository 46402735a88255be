"""`headwater.connect`: a project's tables, asked on the server that has them."""

from __future__ import annotations

import base64
import http.client
import json
import os
import select
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from io import BufferedReader, RawIOBase
from typing import Any, Literal, Self, cast

import pyarrow as pa

from headwater.client.connection import HttpAnswer, RequestSignature, ServerAddress
from headwater.control.signer import Signer
from headwater.errors import AccessDenied, BadRequest, HeadwaterError, QueryError, SettingsError, Unauthenticated, Unavailable
from headwater.query.reading import Reading

PATH = "/v1/sql"
ERROR = b"headwater.error"
"""Under which an Arrow stream says why it breaks off."""

_READ_BYTES = 1 << 20
_KEPT = 8
_BROKEN = (OSError, http.client.HTTPException, pa.ArrowException)

Parameters = Sequence[Any] | Mapping[str, Any] | None


def connect(
    url: str | None = None,
    key: str | None = None,
    secret: str | None = None,
    *,
    dialect: Literal["duckdb", "athena"] = "duckdb",
    region: str = "us-east-1",
    timeout_s: float = 300.0,
    ssl_context: ssl.SSLContext | None = None,
) -> Remote:
    """Return the lake behind the private listener at *url*, to be asked as `headwater.open()` is.

    *key* and *secret*: an access key that may `query` and its secret, or both in *key* as `ACCESS_KEY_ID:SECRET`. What is left out is
    taken from HEADWATER_URL and HEADWATER_KEY. *dialect*: of the statements, "duckdb" as `headwater.open()` has it, or "athena".
    *timeout_s*: how long the server may be silent. Nothing is sent before the first question. Raises `SettingsError`.
    """
    url = url or os.environ.get("HEADWATER_URL", "")
    key = key or os.environ.get("HEADWATER_KEY", "")
    if secret is None:
        key, _, secret = key.partition(":")
    if not key or not secret:
        raise SettingsError("a key is ACCESS_KEY_ID:SECRET, here or in HEADWATER_KEY; `headwater keys create NAME --allow query` makes one")
    return Remote(url, key, secret, dialect=dialect, region=region, timeout_s=timeout_s, ssl_context=ssl_context)


class Remote:
    """A lake on a server. May be shared by threads; each question that is being read has a connection of its own."""

    def __init__(
        self, url: str, key: str, secret: str, *, dialect: str, region: str, timeout_s: float, ssl_context: ssl.SSLContext | None
    ) -> None:
        self._url, self._server = url, ServerAddress.at(url)
        self._path = self._server.path + PATH
        self._proof = RequestSignature(Signer(key, secret, region, self._server.host, "headwater"))
        self._dialect, self._timeout_s, self._ssl_context = dialect, timeout_s, ssl_context
        self._idle: list[http.client.HTTPConnection] = []
        self._closed = False

    def sql(self, query: str, parameters: Parameters = None, *, dialect: Literal["duckdb", "athena"] | None = None) -> Answered:
        """Return the answer to one statement: its rows come while they are read.

        *parameters*: a sequence for `?`, a mapping for `$name` (DuckDB's only); None, bools, numbers, text, dates, datetimes, bytes and
        lists of them. Raises `QueryError` for what cannot be answered, its `code` says why; `Unauthenticated`, `AccessDenied` for a key
        that will not do; `Unavailable` where there is no server, or it cannot answer now.
        """
        if self._closed:
            raise QueryError("this connection is closed; connect again")
        asked = {"sql": query, "parameters": _sent(parameters), "dialect": dialect or self._dialect, "format": "arrow"}
        body = json.dumps(asked).encode()
        connection, response = self._post(body)
        if response.status in (400, 401, 403):
            answer = _whole(response)
            if self._proof.learn(answer):
                connection, response = self._again(connection, body)
            else:
                self._keep(connection, response)
                raise _error(answer)
        if response.status != 200:
            answer = _whole(response)
            self._keep(connection, response)
            raise _error(answer)
        return Answered(self, connection, response)

    def close(self) -> None:
        """Hang up; answers that are being read can be read to their end."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _again(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection.close()
        return self._post(body)

    def _post(self, body: bytes) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self._open()
        try:
            connection.request("POST", self._path, body, self._proof.headers(self._path, body))
            return connection, connection.getresponse()
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError | http.client.HTTPException):
                raise _gone(self._url, error) from error
            raise

    def _open(self) -> http.client.HTTPConnection:
        while self._idle:
            with suppress(IndexError):  # another thread may have taken the last
                kept = self._idle.pop()
                if kept.sock is not None and not _is_ended(kept.sock):
                    return kept
                kept.close()
        return self._server.connect(self._timeout_s, self._ssl_context)

    def _keep(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        if response.isclosed() and not response.will_close and not self._closed and len(self._idle) < _KEPT:
            self._idle.append(connection)
        else:
            connection.close()


class Answered(Reading):
    """The answer to a question, read from the server as it comes. To close it before its end ends the query there."""

    def __init__(self, remote: Remote, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._remote, self._connection, self._response = remote, connection, response
        self._claimed = self._done = False
        self._table: pa.Table | None = None
        try:
            self._reader: Any = pa.ipc.open_stream(BufferedReader(_Body(response), _READ_BYTES))
        except _BROKEN as error:
            self.close()
            raise Unavailable(f"the server broke off before the answer began: {error}") from error
        self.schema = self._reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they come, once."""
        if self._table is not None:
            yield from self._table.to_batches()
            return
        if self._claimed or self._done:
            raise QueryError("this result has been read or closed already; ask the query again")
        self._claimed = True
        while (batch := self._next()) is not None:
            yield batch

    def arrow(self) -> pa.Table:
        """Return all rows as one Arrow table."""
        if self._table is None:
            self._table = super().arrow()
        return self._table

    def close(self) -> None:
        """Hang up, if not all was read; the server ends the query then."""
        if not self._done:
            self._done = True
            self._connection.close()
            self._response.close()

    def __del__(self) -> None:
        if hasattr(self, "_done"):
            self.close()

    def _next(self) -> pa.RecordBatch | None:
        if self._done:
            return None
        try:
            batch, about = self._reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            self._finish()
            return None
        except _BROKEN as error:
            self.close()
            raise Unavailable(f"the server broke off in the middle of the answer: {error}") from error
        if about is not None and ERROR in about:
            self.close()
            raise _failed(*json.loads(about[ERROR]))
        return cast("pa.RecordBatch", batch)

    def _finish(self) -> None:
        try:
            rest = self._response.read()
        except _BROKEN as error:
            self.close()
            raise Unavailable(f"the server broke off at the end of the answer: {error}") from error
        if rest or not self._response.isclosed():
            self.close()
            raise Unavailable("the answer goes on after its end")
        self._done = True
        self._remote._keep(self._connection, self._response)


class _Body(RawIOBase):
    """The body of a response as it comes: one that breaks off has been read up to there, which `HTTPResponse.readinto` does not do."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._response.read1(len(buffer))
        buffer[: len(part)] = part
        return len(part)


def _is_ended(connection: socket.socket) -> bool:
    # Where something is to be read, and nothing was asked, the server has hung up. Unlike select, poll takes descriptors above 1,023.
    ready = select.poll()
    ready.register(connection, select.POLLIN)
    return bool(ready.poll(0))


def _sent(value: Any) -> Any:
    """Return parameters as the request has them."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return {"timestamp": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case Decimal():
            return {"decimal": f"{value:f}"}
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case Mapping():
            return {str(name): _sent(each) for name, each in value.items()}
        case Sequence():
            return [_sent(each) for each in value]
    raise QueryError(f"a {type(value).__name__} is no parameter")


def _whole(response: http.client.HTTPResponse) -> HttpAnswer:
    try:
        body = response.read()
        moment = parsedate_to_datetime(response.headers["Date"]) if "Date" in response.headers else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"the server broke off: {error}") from error
    return HttpAnswer(response.status, body, moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC))


def _error(answer: HttpAnswer) -> HeadwaterError:
    try:
        told = json.loads(answer.body)
        code, message = str(told["code"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"the server's answer is none of Headwater's: {answer.said()}")
    match answer.status:
        case 401:
            return Unauthenticated(code, message)
        case 403:
            return AccessDenied(message)
        case 429:
            return Unavailable(message)
        case 400:
            return BadRequest(message) if code == BadRequest.code else _failed(code, message)
    return Unavailable(f"HTTP {answer.status}: {message}")


def _failed(code: str, message: str) -> QueryError:
    error = QueryError(message)
    error.code = code
    return error


def _gone(url: str, error: Exception) -> Unavailable:
    return Unavailable(f"no answer from {url}: {type(error).__name__}: {error}")
