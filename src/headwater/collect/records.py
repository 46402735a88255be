"""Accepted events and endpoint changes into record bodies: Pinpoint's event-stream JSON and one object of our own.

What all events of an endpoint share is encoded once per request and copied into each record as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from headwater.collect.shapes import Caller, Event, Refusal, Session
from headwater.endpoint import Profile
from headwater.endpoint.profile import EPOCH, MILLISECOND, Demographic, epoch_ms
from headwater.record import Record

ENDPOINT_EVENT_TYPE = "_headwater.endpoint"
EVENT_VERSION = "3.1"

_encode = msgspec.json.Encoder().encode
_SDK = re.compile(r"([A-Za-z0-9_.-]{1,64})/([A-Za-z0-9_.+-]{1,64})")
_LOCALE = re.compile(r"([A-Za-z]{2,8})(?:[_-][A-Za-z]{4})?(?:[_-]([A-Za-z]{2}|\d{3}))?(?:[.@_-].*)?")
_EMPTY = Raw(b"{}")
_Named = tuple[str | None, str | None, str | None, str | None, str | None]
_UNNAMED: _Named = (None, None, None, None, None)


class _Headwater(msgspec.Struct, gc=False):
    v: int
    event_id: str
    door: str
    trace_id: str


class _Body(msgspec.Struct, gc=False):
    event_type: str
    event_timestamp: int
    arrival_timestamp: int
    event_version: str
    application: Raw
    client: Raw
    device: Raw
    session: Raw
    attributes: Any
    metrics: Any
    endpoint: Raw
    awsAccountId: str  # noqa: N815  (spelled so on Pinpoint's stream)
    headwater: _Headwater


class _ProfileParts(msgspec.Struct, rename="pascal", gc=False):
    demographic: Demographic


_decode_parts = msgspec.json.Decoder(_ProfileParts).decode


class RecordMaker:
    """Makes the records of one endpoint for one caller; it may be kept for as long as the endpoint's profile stays the same."""

    def __init__(self, profile: Profile, caller: Caller, *, account_id: str, identity_pool_id: str | None, door: str) -> None:
        demographic = _decode_parts(profile.body).demographic
        client = {"client_id": profile.endpoint_id}
        if caller.identity_id is not None:
            client["cognito_id"] = caller.identity_id
        self.profile, self.caller, self.door = profile, caller, door
        self._account_id = account_id
        self._pool_id = caller.identity_pool_id or identity_pool_id
        self._app_version = demographic.app_version
        self._sdk = _SDK.match(caller.user_agent)
        self._client = Raw(_encode(client))
        self._device = Raw(_encode(_device(demographic)))
        self._plain_application = self._application(_UNNAMED)
        #: how many bytes of each record are not the event's own, roughly
        self.shared_bytes = len(profile.body) + len(self._plain_application) + len(self._client) + len(self._device) + 256

    def events(self, events: Mapping[str, Event | Refusal], arrival_ms: int, trace_id: str, refused: dict[str | None, str]) -> list[Record]:
        """Return the records of the accepted events, in order, and put the messages of the others into *refused*."""
        records = []
        application, session = _UNNAMED, None
        body = self._body(arrival_ms, trace_id)
        headwater, endpoint_id = body.headwater, self.profile.endpoint_id
        for event_id, event in events.items():
            if isinstance(event, Refusal):
                refused[event_id] = event.message
                continue
            body.event_type = event.event_type
            body.event_timestamp = (event.timestamp - EPOCH) // MILLISECOND
            named = (event.app_package_name, event.app_title, event.app_version_code, event.sdk_name, event.client_sdk_version)
            if named != application:
                application, body.application = named, self._application(named)
            if event.session != session:
                session, body.session = event.session, _session(event.session)
            body.attributes = event.attributes or _EMPTY
            body.metrics = event.metrics or _EMPTY
            headwater.event_id = event_id
            records.append(Record(_encode(body), endpoint_id, arrival_ms))
        return records

    def change(self, operation: str, event_id: str, arrival_ms: int, trace_id: str) -> Record:
        """Return the record of the endpoint itself having been changed by *operation* (`update` or `delete`)."""
        body = self._body(arrival_ms, trace_id)
        body.attributes = {"operation": operation}
        body.headwater.event_id = event_id
        return Record(_encode(body), self.profile.endpoint_id, arrival_ms)

    def _body(self, arrival_ms: int, trace_id: str) -> _Body:
        return _Body(
            ENDPOINT_EVENT_TYPE,
            arrival_ms,
            arrival_ms,
            EVENT_VERSION,
            self._plain_application,
            self._client,
            self._device,
            _EMPTY,
            _EMPTY,
            _EMPTY,
            Raw(self.profile.body),
            self._account_id,
            _Headwater(1, "", self.door, trace_id),
        )

    def _application(self, named: _Named) -> Raw:
        package, title, version_code, sdk_name, sdk_version = named
        if sdk_name is None and sdk_version is None and self._sdk:  # Amplify for JavaScript says it in a header only
            sdk_name, sdk_version = self._sdk.groups()
        application = _present(
            app_id=self.profile.app_id,
            cognito_identity_pool_id=self._pool_id,
            package_name=package,
            title=title,
            version_name=self._app_version,
            version_code=version_code,
            sdk=_present(name=sdk_name, version=sdk_version),
        )
        return Raw(_encode(application))


def _device(demographic: Demographic) -> dict[str, Any]:
    platform = demographic.platform.lower() if demographic.platform is not None else None
    return _present(
        locale=_locale(demographic.locale),
        make=demographic.make,
        model=demographic.model,
        platform=_present(name=platform, version=demographic.platform_version),
    )


def _locale(code: str | None) -> dict[str, Any] | None:
    if not code:
        return None
    match = _LOCALE.fullmatch(code)
    language, country = match.groups() if match else (None, None)
    return _present(code=code, country=country.upper() if country else None, language=language.lower() if language else None)


def _session(session: Session | None) -> Raw:
    if session is None:
        return _EMPTY
    fields = _present(
        session_id=session.id,
        start_timestamp=epoch_ms(session.start_timestamp) if session.start_timestamp else None,
        stop_timestamp=epoch_ms(session.stop_timestamp) if session.stop_timestamp else None,
        duration=session.duration,
    )
    return Raw(_encode(fields))


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
