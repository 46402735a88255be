"""Pinpoint's operations beside events and endpoints: an app's settings, its event stream, tags, in-app messages."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec

from headwater.clock import Clock
from headwater.collect.eventstreams import EventStream, EventStreams
from headwater.control import App, Apps
from headwater.control.documents import Documents
from headwater.control.tags import check_tags
from headwater.edge.http.request import Answer, Request
from headwater.edge.kinesis.names import StreamNames
from headwater.edge.wire.routing import Route
from headwater.endpoint.profile import iso_ms
from headwater.errors import BadRequest, NotFound

SEND_ACTIONS = frozenset({"mobiletargeting:GetInAppMessages"})
KIND = "settings"
_ROLE_LIMIT = 2_048
_LIMITS = {"Daily": 0, "MaximumDuration": 60, "MessagesPerSecond": 50, "Total": 0}
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.encode


class WriteApplicationSettings(msgspec.Struct, rename="pascal", omit_defaults=True):
    """The body of UpdateApplicationSettings; what is None stays as it was, and what is not named here means nothing to us."""

    campaign_hook: dict[str, Any] | None = None
    limits: dict[str, Any] | None = None
    quiet_time: dict[str, Any] | None = None
    journey_limits: dict[str, Any] | None = None


class WriteEventStream(msgspec.Struct, rename="pascal"):
    """The body of PutEventStream."""

    destination_stream_arn: str
    role_arn: str


class _Settings(WriteApplicationSettings, omit_defaults=True):
    last_modified_date: str = ""


class TagsModel(msgspec.Struct):
    """The body of TagResource."""

    tags: dict[str, str]


class PinpointRest:
    """What Terraform's `aws_pinpoint_app` and `aws_pinpoint_event_stream`, and Amplify, call besides."""

    def __init__(
        self,
        apps: Apps,
        documents: Documents,
        event_streams: EventStreams,
        names: StreamNames,
        *,
        region: str,
        account_id: str,
        clock: Clock,
    ) -> None:
        self._apps, self._documents, self._event_streams, self._names, self._clock = apps, documents, event_streams, names, clock
        self._arn = f"arn:aws:mobiletargeting:{region}:{account_id}:apps/"

    def routes(self) -> list[Route]:
        """Return the table: method, path, operation, action, resource."""
        app, tags, one = "/v1/apps/{app}", "/v1/tags/{arn}", f"{self._arn}{{app}}"
        messages = f"{app}/endpoints/{{endpoint}}/inappmessages"
        return [
            Route("GET", f"{app}/settings", self.get_settings, "mobiletargeting:GetApplicationSettings", one),
            Route("PUT", f"{app}/settings", self.update_settings, "mobiletargeting:UpdateApplicationSettings", one),
            Route("POST", f"{app}/eventstream", self.put_event_stream, "mobiletargeting:PutEventStream", one),
            Route("GET", f"{app}/eventstream", self.get_event_stream, "mobiletargeting:GetEventStream", one),
            Route("DELETE", f"{app}/eventstream", self.delete_event_stream, "mobiletargeting:DeleteEventStream", one),
            Route("POST", tags, self.tag_resource, "mobiletargeting:TagResource", "{app}"),
            Route("DELETE", tags, self.untag_resource, "mobiletargeting:UntagResource", "{app}"),
            Route("GET", tags, self.list_tags_for_resource, "mobiletargeting:ListTagsForResource", "{app}"),
            Route("GET", messages, self.get_in_app_messages, "mobiletargeting:GetInAppMessages", f"{one}/endpoints"),
        ]

    async def get_settings(self, request: Request) -> Answer:
        """Return the settings that were put; they are kept for who reads them back, and change nothing here."""
        return self._settings_answer(self._app(request).app_id)

    async def update_settings(self, request: Request) -> Answer:
        """Keep what is sent; what is not sent stays."""
        app_id = self._app(request).app_id
        sent = _decode(request.body, WriteApplicationSettings, "an object whose members are objects")
        kept = self._settings(app_id)
        changes = {name: value for name, value in msgspec.structs.asdict(sent).items() if value is not None}
        settings = msgspec.structs.replace(kept, **changes, last_modified_date=iso_ms(self._clock.now_ms()))
        self._documents.put(app_id, KIND, _encode(settings))
        return self._settings_answer(app_id)

    async def put_event_stream(self, request: Request) -> Answer:
        """Send the app's events to a stream of this project from now on."""
        app_id = self._app(request).app_id
        wanted = _decode(request.body, WriteEventStream, "an object with DestinationStreamArn and RoleArn, both text")
        if not 0 < len(wanted.role_arn) <= _ROLE_LIMIT:
            raise BadRequest(f"RoleArn has 1 to {_ROLE_LIMIT:,} characters; it is kept, and no role is needed here")
        try:
            stream = self._names.get(self._names.name_in(wanted.destination_stream_arn)).name
        except (BadRequest, NotFound):
            raise BadRequest(self._elsewhere(wanted.destination_stream_arn[:256])) from None
        made = await self._event_streams.put(app_id, stream, wanted.role_arn, request.caller().name)
        return Answer(200, _encode(self._event_stream(made)))

    async def get_event_stream(self, request: Request) -> Answer:
        """Return where the app's events go."""
        app_id = self._app(request).app_id
        found = self._event_streams.find(app_id)
        if found is None:
            raise NotFound("event stream of app", app_id)
        return Answer(200, _encode(self._event_stream(found)))

    async def delete_event_stream(self, request: Request) -> Answer:
        """Send the app's events nowhere else, and return where they went."""
        return Answer(200, _encode(self._event_stream(await self._event_streams.delete(self._app(request).app_id))))

    async def tag_resource(self, request: Request) -> Answer:
        """Put tags on an app; those of the same keys are replaced."""
        app = self._tagged(request)
        added = _decode(request.body, TagsModel, "an object with tags, a map of text to text").tags
        check_tags(added)
        self._apps.tag_app(app.app_id, {**app.tags, **added})
        return Answer(204, b"")

    async def untag_resource(self, request: Request) -> Answer:
        """Take tags from an app; those it does not have do not matter."""
        app = self._tagged(request)
        keys = parse_qs(request.query.decode("latin-1"), keep_blank_values=True).get("tagKeys", [])
        if not keys:
            raise BadRequest("say which tags: ?tagKeys=KEY, once for each")
        self._apps.tag_app(app.app_id, {key: value for key, value in app.tags.items() if key not in keys})
        return Answer(204, b"")

    async def list_tags_for_resource(self, request: Request) -> Answer:
        """Return the tags of an app."""
        return Answer(200, _encode({"tags": dict(self._tagged(request).tags)}))

    async def get_in_app_messages(self, request: Request) -> Answer:
        """Return none: there are no campaigns here."""
        self._app(request)
        return Answer(200, b'{"InAppMessageCampaigns":[]}')

    def _app(self, request: Request) -> App:
        return self._find(request.segment(0))

    def _tagged(self, request: Request) -> App:
        arn = request.segment(0)
        if not arn.startswith(self._arn):
            raise NotFound("resource", arn[:256])
        return self._find(arn.removeprefix(self._arn))

    def _find(self, app_id: str) -> App:
        app = self._apps.find_app(app_id)
        if app is None:
            raise NotFound("app", app_id[:256])
        return app

    def _settings(self, app_id: str) -> _Settings:
        kept = self._documents.get(app_id, KIND)
        return msgspec.json.decode(kept, type=_Settings) if kept is not None else _Settings()

    def _settings_answer(self, app_id: str) -> Answer:
        settings = self._settings(app_id)
        resource: dict[str, Any] = {
            "ApplicationId": app_id,
            # Terraform takes these three for granted.
            "CampaignHook": settings.campaign_hook or {},
            "Limits": {**_LIMITS, **(settings.limits or {})},
            "QuietTime": settings.quiet_time or {},
        }
        if settings.journey_limits:
            resource["JourneyLimits"] = settings.journey_limits
        if settings.last_modified_date:
            resource["LastModifiedDate"] = settings.last_modified_date
        return Answer(200, _encode(resource))

    def _event_stream(self, found: EventStream) -> dict[str, Any]:
        return {
            "ApplicationId": found.app_id,
            "DestinationStreamArn": self._names.arn(found.stream),
            "RoleArn": found.role_arn,
            "LastModifiedDate": iso_ms(found.changed_ms),
            "LastUpdatedBy": found.changed_by,
        }

    def _elsewhere(self, arn: str) -> str:
        streams = ", ".join(self._names.arn(name) for name in self._names.streams.names())
        return (
            f"{arn} is not a stream of this project, and Headwater does not write to streams elsewhere. Name one of: {streams};"
            " or make one with CreateStream. For a stream at AWS, let a Kinesis consumer read one of these and forward it."
        )


def _decode(body: bytes, shape: type[Any], expected: str) -> Any:
    try:
        return msgspec.json.decode(body, type=shape)
    except _MALFORMED:
        raise BadRequest(f"the body must be {expected}") from None
