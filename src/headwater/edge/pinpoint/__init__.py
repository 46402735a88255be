"""Pinpoint's operations: events, endpoints, apps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from headwater.collect import BatchVerdict, Caller, Collector, decode_endpoint_update, decode_put_events
from headwater.collect.decode import decode_endpoint_updates
from headwater.control import App, Apps
from headwater.control.tags import check_tags
from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.routing import Route
from headwater.endpoint import Profile
from headwater.endpoint.profile import iso_ms
from headwater.errors import BadRequest, NotFound

SEND_ACTIONS = frozenset(
    f"mobiletargeting:{operation}"
    for operation in (
        "PutEvents",
        "UpdateEndpoint",
        "UpdateEndpointsBatch",
        "GetEndpoint",
        "DeleteEndpoint",
        "GetUserEndpoints",
        "DeleteUserEndpoints",
        "GetApp",
        "GetApps",
    )
)
DOOR = "pinpoint"
EVENTS_BODY_LIMIT = 4 * 1024 * 1024
_PAGE_LIMIT = 100

_encode = msgspec.json.encode
_ACCEPTED = b'":{"StatusCode":202,"Message":"Accepted"}'
_ALL_ACCEPTED = b'{"EndpointItemResponse":{"StatusCode":202,"Message":"Accepted"},"EventsItemResponse":{"'


class CreateApplicationRequest(msgspec.Struct, rename={"name": "Name"}):
    """The body of CreateApp."""

    name: str
    tags: dict[str, str] | None = None


class Pinpoint:
    """The operations, each about one call of a room."""

    def __init__(self, collector: Collector, apps: Apps, *, region: str, account_id: str) -> None:
        self._collector, self._apps = collector, apps
        self._arn = f"arn:aws:mobiletargeting:{region}:{account_id}:apps/"

    def routes(self) -> list[Route]:
        """Return the table: method, path, operation, action, resource."""
        arn = self._arn
        app, endpoint, user = "/v1/apps/{app}", "/v1/apps/{app}/endpoints/{endpoint}", "/v1/apps/{app}/users/{user}"
        one, any_app = f"{arn}{{app}}", f"{arn}*"
        return [
            Route("POST", f"{app}/events", self.put_events, "mobiletargeting:PutEvents", f"{one}/events", EVENTS_BODY_LIMIT),
            Route(
                "POST",
                f"{app}/events/legacy",
                self.put_events,
                "mobiletargeting:PutEvents",
                f"{one}/events",
                EVENTS_BODY_LIMIT,
                beacon=True,
            ),
            Route("PUT", endpoint, self.update_endpoint, "mobiletargeting:UpdateEndpoint", f"{one}/endpoints"),
            Route("PUT", f"{app}/endpoints", self.update_endpoints_batch, "mobiletargeting:UpdateEndpointsBatch", f"{one}/endpoints"),
            Route("GET", endpoint, self.get_endpoint, "mobiletargeting:GetEndpoint", f"{one}/endpoints"),
            Route("DELETE", endpoint, self.delete_endpoint, "mobiletargeting:DeleteEndpoint", f"{one}/endpoints"),
            Route("GET", user, self.get_user_endpoints, "mobiletargeting:GetUserEndpoints", f"{one}/users"),
            Route("DELETE", user, self.delete_user_endpoints, "mobiletargeting:DeleteUserEndpoints", f"{one}/users"),
            Route("POST", "/v1/apps", self.create_app, "mobiletargeting:CreateApp", any_app),
            Route("GET", "/v1/apps", self.get_apps, "mobiletargeting:GetApps", any_app),
            Route("GET", app, self.get_app, "mobiletargeting:GetApp", one),
            Route("DELETE", app, self.delete_app, "mobiletargeting:DeleteApp", one),
        ]

    async def put_events(self, request: Request) -> Answer:
        """Accept or refuse each event by itself; what is accepted is durable when the answer leaves."""
        app_id = self._app_id(request)
        # Not given a name here: the collector lets go of the events before it waits.
        verdicts = await self._collector.put_events(
            app_id, decode_put_events(request.body), _caller(request), door=DOOR, trace_id=request.trace_id
        )
        return Answer(202, events_response(verdicts))

    async def update_endpoint(self, request: Request) -> Answer:
        """Merge what was sent into one endpoint."""
        app_id, endpoint_id = self._app_id(request), request.segment(1)
        update = decode_endpoint_update(request.body)
        await self._collector.update_endpoints(app_id, [(endpoint_id, update)], _caller(request), door=DOOR, trace_id=request.trace_id)
        return _accepted(request)

    async def update_endpoints_batch(self, request: Request) -> Answer:
        """Merge what was sent into several endpoints, all or none."""
        app_id = self._app_id(request)
        updates = decode_endpoint_updates(request.body)
        await self._collector.update_endpoints(app_id, updates, _caller(request), door=DOOR, trace_id=request.trace_id)
        return _accepted(request)

    async def get_endpoint(self, request: Request) -> Answer:
        """Return the current profile."""
        return Answer(200, self._collector.endpoint(self._app_id(request), request.segment(1)).body)

    async def delete_endpoint(self, request: Request) -> Answer:
        """Delete the endpoint and return what it was."""
        app_id, endpoint_id = self._app_id(request), request.segment(1)
        profile = await self._collector.delete_endpoint(app_id, endpoint_id, _caller(request), door=DOOR, trace_id=request.trace_id)
        return Answer(202, profile.body)

    async def get_user_endpoints(self, request: Request) -> Answer:
        """Return the profiles of the user's endpoints."""
        return Answer(200, _endpoints_response(self._collector.user_endpoints(self._app_id(request), request.segment(1))))

    async def delete_user_endpoints(self, request: Request) -> Answer:
        """Delete the user's endpoints and return what they were."""
        app_id, user_id = self._app_id(request), request.segment(1)
        profiles = await self._collector.delete_user_endpoints(app_id, user_id, _caller(request), door=DOOR, trace_id=request.trace_id)
        return Answer(202, _endpoints_response(profiles))

    async def create_app(self, request: Request) -> Answer:
        """Make an app."""
        try:
            wanted = msgspec.json.decode(request.body, type=CreateApplicationRequest)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise BadRequest("the body must be an object with Name, text, and tags, a map of text to text") from None
        check_tags(wanted.tags or {})
        return Answer(201, _encode(self._app_response(self._apps.create_app(wanted.name, wanted.tags or {}))))

    async def get_app(self, request: Request) -> Answer:
        """Return the app."""
        return Answer(200, _encode(self._app_response(self._app(request))))

    async def get_apps(self, request: Request) -> Answer:
        """Return a page of the apps, by id; the token is the last id of the page before."""
        asked = parse_qs(request.query.decode("latin-1"))
        size_text, token = asked.get("page-size", [str(_PAGE_LIMIT)])[0], asked.get("token", [""])[0]
        if not (size_text.isascii() and size_text.isdigit() and len(size_text) < 10 and int(size_text) > 0):
            raise BadRequest("page-size must be a number of 1 or more")
        size = min(int(size_text), _PAGE_LIMIT)
        apps = [app for app in self._apps.apps() if app.app_id > token]
        response: dict[str, Any] = {"Item": [self._app_response(app) for app in apps[:size]]}
        if len(apps) > size:
            response["NextToken"] = apps[size - 1].app_id
        return Answer(200, _encode(response))

    async def delete_app(self, request: Request) -> Answer:
        """Forget the app and return what it was; its events stay."""
        return Answer(200, _encode(self._app_response(self._apps.delete_app(request.segment(0)))))

    def _app(self, request: Request) -> App:
        app_id = request.segment(0)
        app = self._apps.find_app(app_id)
        if app is None:
            raise NotFound("app", app_id[:256])
        return app

    def _app_id(self, request: Request) -> str:
        return self._app(request).app_id

    def _app_response(self, app: App) -> dict[str, Any]:
        return {
            "Id": app.app_id,
            "Arn": self._arn + app.app_id,
            "Name": app.name,
            "tags": dict(app.tags),
            "CreationDate": iso_ms(app.created_ms),
        }


def events_response(verdicts: Sequence[BatchVerdict]) -> bytes:
    """Return the EventsResponse of PutEvents."""
    return b'{"Results":{' + b",".join([_item_response(verdict) for verdict in verdicts]) + b"}}"


def _item_response(verdict: BatchVerdict) -> bytes:
    refused, ids = verdict.refused, _encode(verdict.event_ids)
    if refused or not verdict.event_ids or b'\\"' in ids:
        events = {event_id: _verdict(refused.get(event_id)) for event_id in verdict.event_ids}
        item = {"EndpointItemResponse": _verdict(refused.get(None)), "EventsItemResponse": events}
        return _encode({verdict.endpoint_id: item})[1:-1]
    # With no escaped quote in `["a","b"]`, all that lies between the outer ones and reads `","` parts two ids.
    accepted = ids[2:-2].replace(b'","', _ACCEPTED + b',"')
    return b"%s:%s%s%s" % (_encode(verdict.endpoint_id), _ALL_ACCEPTED, accepted, _ACCEPTED + b"}}")


def _verdict(message: str | None) -> dict[str, Any]:
    return {"StatusCode": 202, "Message": "Accepted"} if message is None else {"StatusCode": 400, "Message": message}


def _accepted(request: Request) -> Answer:
    return Answer(202, b'{"Message":"Accepted","RequestID":"%s"}' % request.request_id.encode())


def _endpoints_response(profiles: Sequence[Profile]) -> bytes:
    return b'{"Item":[' + b",".join([profile.body for profile in profiles]) + b"]}"


def _caller(request: Request) -> Caller:
    principal = request.caller()
    return Caller(principal.name, principal.identity_id, principal.identity_pool_id, request.text(b"x-amz-user-agent"))
