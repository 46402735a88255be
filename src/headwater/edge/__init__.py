"""The doors: what AWS SDKs speak on the outside, plain calls of the rooms on the inside."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.clock import Clock, SystemClock
from headwater.collect import Collector
from headwater.control import Control
from headwater.edge.credentials import Credentials, KeyCredentials, Principal
from headwater.edge.pinpoint import SEND_ACTIONS, Pinpoint
from headwater.edge.protocol import ASGIApp, Health, Listener, health_route
from headwater.edge.sigv4 import Verifier

__all__ = ["SERVER_OPTIONS", "ASGIApp", "Credentials", "Health", "Principal", "private_app", "public_app"]

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


def public_app(
    *,
    collector: Collector,
    control: Control,
    health: Health,
    region: str,
    account_id: str,
    credentials: Credentials | None = None,
    allowed_origins: Sequence[str] = ("*",),
    trusted_proxies: Sequence[str] = (),
    max_skew_s: int = 300,
    clock: Clock | None = None,
) -> ASGIApp:
    """Return the ASGI application of the public listener.

    *credentials*: who may call, the keys of *control* unless given. *allowed_origins*: web origins that may call, `*` for any.
    *trusted_proxies*: addresses or networks whose X-Forwarded-Host is believed. *max_skew_s*: how far a request's clock may be off.
    """
    clock = clock or SystemClock()
    credentials = credentials or KeyCredentials(control, {"send": SEND_ACTIONS})
    pinpoint = Pinpoint(collector, control, region=region, account_id=account_id)
    return Listener(
        [*pinpoint.routes(), health_route(health)],
        verifier=Verifier(credentials, region=region, clock=clock, max_skew_s=max_skew_s),
        clock=clock,
        allowed_origins=allowed_origins,
        trusted_proxies=trusted_proxies,
    )


def private_app(*, health: Health, clock: Clock | None = None) -> ASGIApp:
    """Return the ASGI application of the private listener: `/healthz`, and a JSON 404 for the rest. No CORS."""
    return Listener([health_route(health)], verifier=None, clock=clock or SystemClock(), allowed_origins=None)
