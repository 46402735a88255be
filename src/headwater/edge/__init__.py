"""The doors: what AWS SDKs speak on the outside, plain calls of the rooms on the inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headwater.clock import Clock, SystemClock
from headwater.collect import Collector
from headwater.control import Control
from headwater.edge import kinesis, pinpoint_rest
from headwater.edge.client_files import ClientFiles
from headwater.edge.cognito import CognitoIdentity
from headwater.edge.credentials import Credentials, KeyCredentials, Principal, WriteKeys
from headwater.edge.lent import LentCredentials
from headwater.edge.pinpoint import SEND_ACTIONS, Pinpoint
from headwater.edge.protocol import ASGIApp, Health, Listener, health_route
from headwater.edge.ratelimit import TokenBuckets
from headwater.edge.routing import Route
from headwater.edge.sigv4 import Verifier
from headwater.edge.stream_routes import StreamRooms, stream_routes
from headwater.edge.sts import Sts
from headwater.identity import GUEST_ACTIONS, IdentityRoom

__all__ = ["SERVER_OPTIONS", "ASGIApp", "Credentials", "Health", "Principal", "StreamRooms", "private_app", "public_app"]

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
    "query": kinesis.QUERY_ACTIONS,
}
"""What a key's permissions allow; `admin` allows everything."""


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
) -> ASGIApp:
    """Return the ASGI application of the public listener.

    *streams*: what the Kinesis door stands on, None for no such door. *credentials*: who may call, the keys of *control* unless given.
    *allowed_origins*: web origins that may call, `*` for any.
    *trusted_proxies*: addresses or networks whose X-Forwarded-Host is believed. *max_skew_s*: how far a request's clock may be off.
    *identity*: the room that lends credentials, None = nobody borrows any. *write_keys*: public key -> the app it writes to.
    """
    clock = clock or SystemClock()
    credentials = credentials or KeyCredentials(control, KEY_ACTIONS)
    lending: list[Route] = []
    if identity is not None:
        credentials = LentCredentials(credentials, identity.seal, identity.roles, clock, account_id=account_id)
        limits = TokenBuckets(identity.rate_per_s, identity.rate_burst, clock)
        lending += CognitoIdentity(identity.pools, identity.admin, limits, region=region, account_id=account_id).routes()
        lending += Sts(identity.pools, limits, account_id=account_id).routes()
    pinpoint = Pinpoint(collector, control, region=region, account_id=account_id)
    return Listener(
        [
            *pinpoint.routes(),
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
    )


def private_app(*, health: Health, clock: Clock | None = None) -> ASGIApp:
    """Return the ASGI application of the private listener: `/healthz`, and a JSON 404 for the rest. No CORS."""
    return Listener([health_route(health)], verifier=None, clock=clock or SystemClock(), allowed_origins=None)
