"""The doors: what AWS SDKs speak on the outside, plain calls of the rooms on the inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headwater.clock import Clock, SystemClock
from headwater.collect import Collector
from headwater.collect.segment import SegmentMessages
from headwater.control import Control
from headwater.edge import athena, glue, kinesis, sql
from headwater.edge.auth.credentials import Credentials, KeyCredentials, WriteKeys
from headwater.edge.auth.sigv4 import Verifier
from headwater.edge.auth.temporary_credentials import LentCredentials
from headwater.edge.client_files import ClientFiles
from headwater.edge.cognito import CognitoIdentity
from headwater.edge.http.asgi import ASGIApp
from headwater.edge.http.hosts import Hosts
from headwater.edge.http.limits import Limits, Rate, Rates
from headwater.edge.http.ratelimit import TokenBuckets
from headwater.edge.pinpoint import SEND_ACTIONS, Pinpoint
from headwater.edge.pinpoint import rest as pinpoint_rest
from headwater.edge.principal import Principal
from headwater.edge.segment import SegmentService
from headwater.edge.stream_routes import StreamRooms, stream_routes
from headwater.edge.sts import Sts
from headwater.edge.wire.protocol import Health, Listener, Metrics, Tracer, health_route, metrics_route
from headwater.edge.wire.routing import Route
from headwater.identity import GUEST_ACTIONS, IdentityRoom
from headwater.telemetry.metrics import Requests

__all__ = [
    "SERVER_OPTIONS",
    "ASGIApp",
    "Credentials",
    "Health",
    "Metrics",
    "Principal",
    "Rate",
    "Rates",
    "StreamRooms",
    "Tracer",
    "private_app",
    "public_app",
]

SUBMODULES = ("athena.service", "glue.service", "http.connections", "http.http1", "sql.service")
"""What other rooms may import from beside this module, which would load more than they need."""

SERVER_OPTIONS = {
    "http": "httptools",
    "ws": "none",
    "lifespan": "off",
    "access_log": False,
    "date_header": False,
    "server_header": False,
    "proxy_headers": False,
}
"""What `uvicorn.Config(app, **SERVER_OPTIONS)` must be told: the apps write Date themselves, and read raw paths and addresses."""

KEY_ACTIONS = {
    "send": SEND_ACTIONS | pinpoint_rest.SEND_ACTIONS | kinesis.SEND_ACTIONS,
    "query": kinesis.QUERY_ACTIONS | athena.QUERY_ACTIONS | glue.QUERY_ACTIONS | sql.QUERY_ACTIONS,
}
"""What a key's permissions allow; `admin` allows everything."""

RUN_ACTIONS = athena.RUN_ACTIONS | sql.RUN_ACTIONS
"""What takes `admin` where statements cannot be confined."""


def public_app(
    *,
    collector: Collector,
    control: Control,
    health: Health,
    region: str,
    account_id: str,
    streams: StreamRooms | None = None,
    credentials: Credentials | None = None,
    allowed_origins: Sequence[str] = ("*",),
    trusted_proxies: Sequence[str] = (),
    max_skew_s: int = 300,
    clock: Clock | None = None,
    identity: IdentityRoom | None = None,
    write_keys: Mapping[str, str] | None = None,
    requests: Requests | None = None,
    tracer: Tracer | None = None,
    rates: Rates | None = None,
) -> ASGIApp:
    """Return the ASGI application of the public listener.

    *streams*: what the Kinesis door stands on, None for no such door. *credentials*: who may call, the keys of *control* unless given.
    *allowed_origins*: web origins that may call, `*` for any.
    *trusted_proxies*: addresses or networks whose X-Forwarded-Host is believed. *max_skew_s*: how far a request's clock may be off.
    *identity*: the room that lends credentials, None = nobody borrows any. *write_keys*: public key -> the app it writes to.
    *requests*: counts what is answered. *tracer*: follows some of it.
    *rates*: how often each may ask, None = as often as they like.
    """
    clock = clock or SystemClock()
    credentials = credentials or KeyCredentials(control, KEY_ACTIONS)
    lending: list[Route] = []
    if identity is not None:
        credentials = LentCredentials(credentials, identity.seal, identity.roles, clock, account_id=account_id)
        identity_calls = TokenBuckets(identity.rate_per_s, identity.rate_burst, clock)
        lending += CognitoIdentity(identity.pools, identity.admin, identity_calls, region=region, account_id=account_id).routes()
        lending += Sts(identity.pools, identity_calls, account_id=account_id).routes()
    pinpoint = Pinpoint(collector, control, region=region, account_id=account_id)
    return Listener(
        [
            *pinpoint.routes(),
            *(SegmentService(SegmentMessages(collector, clock)).routes() if write_keys else ()),
            *(stream_routes(streams, control, region=region, account_id=account_id, clock=clock) if streams is not None else ()),
            *lending,
            *ClientFiles().routes(),
            health_route(health),
        ],
        write_keys=WriteKeys(write_keys, GUEST_ACTIONS) if write_keys else None,
        verifier=Verifier(credentials, region=region, clock=clock, max_skew_s=max_skew_s),
        clock=clock,
        allowed_origins=allowed_origins,
        trusted_proxies=trusted_proxies,
        requests=requests,
        tracer=tracer,
        limits=None if rates is None else Limits(rates, clock),
    )


def private_app(
    *,
    health: Health,
    metrics: Metrics | None = None,
    control: Control | None = None,
    region: str = "",
    doors: Sequence[Route] = (),
    confined: bool = True,
    hosts: Sequence[str] = (),
    max_skew_s: int = 300,
    clock: Clock | None = None,
) -> ASGIApp:
    """Return the ASGI application of the private listener: `/healthz`, `/metrics`, *doors*, and a JSON 404 for the rest. No CORS.

    *control*: whose keys may call the doors, signed for *region*; what is unsigned needs none.
    *confined*: whether the system holds statements to the lake's files; where it cannot, only `admin` keys may run them.
    *hosts*: names besides this machine's own under which what is unsigned may be asked for.
    *doors*: routes, made by whoever loads the rooms behind them: this module must not, for the collector loads it, too.
    """
    clock = clock or SystemClock()
    routes = [health_route(health), *([metrics_route(metrics)] if metrics is not None else []), *doors]
    verifier = None
    if control is not None:
        actions = KEY_ACTIONS if confined else KEY_ACTIONS | {"query": KEY_ACTIONS["query"] - RUN_ACTIONS}
        verifier = Verifier(KeyCredentials(control, actions), region=region, clock=clock, max_skew_s=max_skew_s)
    return Listener(routes, verifier=verifier, clock=clock, allowed_origins=None, hosts=Hosts(hosts))
