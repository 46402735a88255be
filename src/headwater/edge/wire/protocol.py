"""The one place that knows HTTP, JSON and error envelopes: raw ASGI in, verified requests to operations, answers out.

Order of answers: size, signature, authorization, body.
"""

from __future__ import annotations

import itertools
import logging
import traceback
import uuid
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from email.utils import formatdate
from time import perf_counter
from typing import Any, Protocol

import msgspec

from headwater.clock import Clock
from headwater.edge.auth.credentials import WriteKeys
from headwater.edge.auth.sigv4 import Verifier
from headwater.edge.http.asgi import Receive, Scope, Send
from headwater.edge.http.bodies import Bodies
from headwater.edge.http.disconnects import attended, pour
from headwater.edge.http.hosts import Hosts, check_one_host
from headwater.edge.http.limits import Limits
from headwater.edge.http.ratelimit import Networks
from headwater.edge.http.request import Answer, Header, Request, joined_headers
from headwater.edge.principal import denied
from headwater.edge.wire.failures import JSON_11, REST_JSON, Dialect, MethodNotAllowed, UnsupportedMedia
from headwater.edge.wire.routing import Route, Router, UnknownOperation
from headwater.errors import (
    BadRequest,
    HeadwaterError,
    NotFound,
    PayloadTooLarge,
    StreamFull,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from headwater.telemetry.metrics import Requests

_log = logging.getLogger(__name__)

Metrics = Callable[[], Awaitable[tuple[bytes, str]]]
Health = Callable[[], tuple[bool, dict[str, Any]] | Awaitable[tuple[bool, dict[str, Any]]]]

LOGGED_TEXT_LIMIT = 256
_PREFLIGHT_MAX_AGE = b"172800"
_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_EXPOSED = (b"access-control-expose-headers", b"x-amzn-RequestId,x-amzn-ErrorType,Date")
_METHODS = b"GET, POST, PUT, DELETE"
_GZIP = 16 + zlib.MAX_WBITS  # what zlib calls that format
_FORM = b"application/x-www-form-urlencoded"
_encode = msgspec.json.encode


class Span(Protocol):
    """One request in a trace; `traceparent` is empty if nobody will see the trace."""

    @property
    def traceparent(self) -> str:
        """The W3C header that names it."""

    def end(self, status: int) -> None:
        """Say how it was answered."""


class Tracer(Protocol):
    """Where traces of requests are begun."""

    def begin(self, operation: str, traceparent: bytes | None, request_id: str) -> Span:
        """Begin a request's span, in the trace that the client's *traceparent* names if it sent one."""


class Listener:
    """An ASGI application: routes, checks and answers. It holds at most *in_flight_limit* bytes of bodies at a time.

    A request is handled in this order, and ends at the first step that refuses it:

    1. one Host, and a preflight is answered (`http/request.py`);
    2. its route, by target, form or path (`wire/routing.py`);
    3. how often its address may ask (`http/limits.py`);
    4. a span, where it is traced;
    5. its body: what was announced, what there is room for, what arrives in time, unzipped (`http/backpressure.py`, `http/bodies.py`);
    6. who asks: a write key or a signature, and whether they may (`auth/`); what is unsigned must name a host of ours (`http/hosts.py`);
    7. how often they, and in what amounts, may ask (`http/limits.py`);
    8. the operation: its shape is read, and it is done (the service's folder);
    9. the answer, or the refusal as the service words it (`wire/failures.py`), its headers, CORS among them;
    10. counts and the span's end.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        verifier: Verifier | None,
        write_keys: WriteKeys | None = None,
        clock: Clock,
        allowed_origins: Sequence[str] | None,
        trusted_proxies: Sequence[str] = (),
        limits: Limits | None = None,
        requests: Requests | None = None,
        tracer: Tracer | None = None,
        hosts: Hosts | None = None,
        in_flight_limit: int = 64 * 1024 * 1024,
    ) -> None:
        """*allowed_origins*: None = no CORS, `["*"]` = any. *trusted_proxies*: addresses or networks whose X-Forwarded-Host we believe.

        *hosts*: the names under which what is unsigned may be asked for, None = any.
        """
        self._router, self._hosts = Router(routes), hosts
        if verifier is None and any(route.action for route in self._router.routes):
            raise ValueError("a route asks for an action and there is no verifier to find out who asks")
        self._verifier, self._write_keys, self._clock = verifier, write_keys, clock
        self._origins = None if allowed_origins is None else frozenset(origin.encode("latin-1") for origin in allowed_origins)
        self._any_origin = self._origins is not None and b"*" in self._origins
        self._proxies = Networks(*trusted_proxies)
        self._bodies, self._limits = Bodies(in_flight_limit), limits
        self._requests, self._tracer = requests, tracer
        self._request_ids = _request_ids()
        self._date: tuple[int, bytes] = (-1, b"")

    @property
    def routes(self) -> tuple[Route, ...]:
        """Return every operation there is."""
        return self._router.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing is raised for whatever it contains."""
        if scope["type"] != "http":
            await _refuse_scope(scope, receive, send)
            return
        began, request_id = perf_counter(), next(self._request_ids)
        operation, span = "OPTIONS" if scope["method"] == "OPTIONS" else "unknown", None
        given, repeated = joined_headers(scope["headers"])
        host = given.get(b"host")
        if scope["method"] == "OPTIONS" and host and not repeated:
            answer = Answer(204, b"")
        else:
            dialect: Dialect = REST_JSON
            try:
                if not host or repeated:
                    check_one_host(host, repeated, scope.get("http_version", "1.1"))
                route, segments = self._find(scope, given)
                dialect, operation = route.dialect, self._router.names[id(route)]
                request = Request(scope["method"], scope["raw_path"], scope["query_string"], given, b"", request_id, segments, repeated)
                request.address = self._address(scope, given)
                if self._limits is not None:
                    self._limits.arrive(request.address)
                if self._tracer is not None:
                    span = self._tracer.begin(operation, given.get(b"traceparent"), request_id)
                    request.traceparent = span.traceparent
                answer = await self._answer(route, request, scope, receive)
            except HeadwaterError as error:
                in_json_11 = dialect is REST_JSON and isinstance(error, UnknownOperation)
                answer = _error(error, request_id, JSON_11 if in_json_11 else dialect)
            except ConnectionResetError:
                return  # nobody is left to answer
            except Exception as error:  # noqa: BLE001  (the last line of defence: logged, answered, never a stack trace on the wire)
                _log.error("request %s failed: %s", request_id, _trace(error))
                answer = _error(HeadwaterError("an error of ours; it is in the log"), request_id, dialect)
        headers = self._headers(scope, answer, request_id)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if answer.stream is None:
            await send({"type": "http.response.body", "body": answer.body})
        else:
            await pour(answer.stream, receive, send, request_id)
        if self._requests is not None:
            self._requests.answered(operation, answer.status, perf_counter() - began)
        if span is not None:
            span.end(answer.status)

    def _find(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[Route, tuple[bytes, ...]]:
        raw_path, method = scope["raw_path"], scope["method"]
        if method == "POST":
            target = headers.get(b"x-amz-target")
            if target is not None:
                return self._router.by_target(target), ()
            form = self._router.form(raw_path)
            if form is not None and headers.get(b"content-type", b"").strip().lower().startswith(_FORM):
                return form, ()
        match = self._router.find(method, raw_path)
        if isinstance(match, list):
            if match:
                raise MethodNotAllowed(f"{method} is not allowed here; allowed: {', '.join(match)}")
            raise NotFound("operation", f"{method} {printable(raw_path.decode('latin-1'))}")
        return match

    async def _answer(self, route: Route, request: Request, scope: Scope, receive: Receive) -> Answer:
        headers, held = request.headers, 0
        try:
            zipped = route.gzip and headers.get(b"content-encoding", b"").strip().lower() == b"gzip"
            declared = _declared_length(headers, route.body_limit, zipped)
            self._bodies.expect(declared)
            message = await receive()
            body = message.get("body", b"")
            if message.get("more_body") or len(body) > route.body_limit or message["type"] == "http.disconnect":
                body = await self._bodies.read(receive, route.body_limit, message)
            else:
                self._bodies.hold(len(body))
            held = len(body)
            if zipped:
                body = _unzipped(body, route.body_limit)
                self._bodies.hold(len(body))
                held += len(body)
            request.body = body
            if route.target is not None and route.path != "*":
                route = self._router.by_action(request)
            if route.action is not None:
                self._authorize(request, route, scope)
            elif self._hosts is not None:
                self._hosts.check(headers)
            return await (attended(route.operation(request), receive) if route.attended else route.operation(request))
        finally:
            self._bodies.release(held)

    def _authorize(self, request: Request, route: Route, scope: Scope) -> None:
        assert self._verifier is not None and route.action is not None
        headers = request.headers
        principal = None
        if self._write_keys is not None:
            keyed_body = request.body if route.keyed else b""
            principal = self._write_keys.find(headers.get(b"authorization"), request.query, keyed_body)
        if route.keyed and principal is None:
            raise Unauthenticated("MissingAuthenticationTokenException", "the app's write key must come as the user of Basic authorization")
        if principal is None:
            forwarded = headers.get(b"x-forwarded-host") if self._proxies and self._is_proxy(scope) else None
            principal = self._verifier.verify(request, route.service, forwarded, beacon=route.beacon)
        app_id = principal.app_id if route.keyed else request.segment(0) if request.segments else None
        if not principal.may(route.action, app_id):
            raise denied(principal, route.action, printable(route.resource.replace("{app}", app_id or "*")))
        request.principal = principal
        if self._limits is not None:
            self._limits.allow(principal, request.address, len(request.body))

    def _is_proxy(self, scope: Scope) -> bool:
        client = scope.get("client")
        return client is not None and client[0] in self._proxies

    def _address(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        """Return the address that the request came from: of those a trusted proxy vouches for, the last that is no proxy itself."""
        client = scope.get("client")
        address = str(client[0]) if client else ""
        if self._proxies and self._is_proxy(scope):
            for hop in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
                address = hop.strip() or address
                if address not in self._proxies:
                    break
        return address

    def _headers(self, scope: Scope, answer: Answer, request_id: str) -> list[Header]:
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(answer.body)) if answer.stream is None else (b"transfer-encoding", b"chunked"),
            (b"x-amzn-requestid", request_id.encode()),
            (b"date", self._date_now()),
            *answer.headers,
        ]
        if scope["method"] != "OPTIONS" and self._any_origin:
            headers.append(_ANY_ORIGIN)
            headers.append(_EXPOSED)
            return headers
        if scope["method"] == "OPTIONS":
            headers = headers[2:]  # a 204 has no body to describe
        if self._any_origin:
            headers += (_ANY_ORIGIN, _EXPOSED)
        elif self._origins is not None:
            headers.append((b"vary", b"origin"))
            origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
            if origin in self._origins:
                headers += ((b"access-control-allow-origin", origin), _EXPOSED)
        if self._origins is not None and scope["method"] == "OPTIONS":
            headers += ((b"access-control-allow-methods", _METHODS), (b"access-control-max-age", _PREFLIGHT_MAX_AGE))
            asked = next((value for name, value in scope["headers"] if name == b"access-control-request-headers"), None)
            if asked is not None and len(asked) <= 4_096:
                headers.append((b"access-control-allow-headers", asked))
        return headers

    def _date_now(self) -> bytes:
        now_s = self._clock.now_ms() // 1000
        if now_s != self._date[0]:
            self._date = (now_s, _http_date(now_s))
        return self._date[1]


def health_route(health: Health) -> Route:
    """Return `GET /healthz`: 200 and the state when ready, else 503; nobody needs to sign it."""

    async def healthz(request: Request) -> Answer:
        said = health()
        ready, state = said if isinstance(said, tuple) else await said
        return Answer(200 if ready else 503, _encode(state))

    return Route("GET", "/healthz", healthz, unsigned=True)


def metrics_route(metrics: Metrics) -> Route:
    """Return `GET /metrics`, in the text format that Prometheus reads."""

    async def show(request: Request) -> Answer:
        text, content_type = await metrics()
        return Answer(200, text, content_type=content_type.encode())

    return Route("GET", "/metrics", show, unsigned=True)


def printable(text: str) -> str:
    """Return client text as a message or a log line may hold it: capped, control characters escaped."""
    cut = text[:LOGGED_TEXT_LIMIT]
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode()[:LOGGED_TEXT_LIMIT]


def _error(error: HeadwaterError, request_id: str, dialect: Dialect) -> Answer:
    failure = dialect.failure(error, request_id)
    headers: tuple[Header, ...] = ((b"x-amzn-errortype", failure.code.encode()),)
    if isinstance(error, Unavailable):
        headers += ((b"retry-after", b"%d" % _retry_after_s(error)),)
    if failure.status >= 500 and not isinstance(error, TooManyRequests):
        _log.warning("request %s answered %d: %s", request_id, failure.status, printable(str(error)))
    if isinstance(error, PayloadTooLarge):
        headers += ((b"connection", b"close"),)  # the rest of the body is not read
    return Answer(failure.status, failure.body, headers, failure.content_type)


def _retry_after_s(error: Unavailable) -> int:
    if isinstance(error, TooManyRequests):
        return error.retry_after_s
    return 60 if isinstance(error, StreamFull) else 1


def _declared_length(headers: dict[bytes, bytes], limit: int, zipped: bool) -> int:
    encoding = headers.get(b"content-encoding")
    if encoding is not None and not zipped and encoding.strip().lower() not in (b"", b"identity"):
        raise UnsupportedMedia(f"Content-Encoding {printable(encoding.decode('latin-1'))!r} is not accepted; send the body as it is")
    value = headers.get(b"content-length")
    if value is None:
        return limit if b"transfer-encoding" in headers else 0  # nobody knows how much will come
    value = value.strip()
    declared = int(value) if value.isdigit() and len(value) < 20 else limit + 1
    if declared > limit:
        raise PayloadTooLarge(f"the body may have {limit:,} bytes here, given {printable(value.decode('latin-1'))}")
    return declared


def _unzipped(body: bytes, limit: int) -> bytes:
    try:
        stream = zlib.decompressobj(_GZIP)
        content = stream.decompress(body, limit + 1)
    except zlib.error:
        raise BadRequest("the body is not what Content-Encoding says, gzip") from None
    if len(content) > limit:
        raise PayloadTooLarge(f"the body may have {limit:,} bytes here once it is unpacked")
    if not stream.eof:
        raise BadRequest("the body ends before what is packed in it does")
    return content


async def _refuse_scope(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":  # there is nothing to start or stop here: whoever made the rooms does
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "websocket.close", "code": 1003})


def _request_ids() -> Iterator[str]:
    """Yield ids that look like a UUID: random in front, so that no two processes share them, and counted at the end."""
    front = str(uuid.uuid4())[:24]
    for number in itertools.count():
        yield f"{front}{number & 0xFFFF_FFFF_FFFF:012x}"


def _http_date(epoch_s: int) -> bytes:
    return formatdate(epoch_s, usegmt=True).encode()


def _trace(error: BaseException) -> str:
    """Return the error's type and where it came from, without its text: that may repeat what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at " + " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-8:]))
