"""Accepted events and endpoint changes into record bodies: Pinpoint's event-stream JSON and one object of our own.

A record is a head, the event's own, and a tail that all events of an endpoint in one request share and that is encoded once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from headwater.collect.shapes import Caller, EventInput, Refusal, SessionInput
from headwater.endpoint import Profile
from headwater.endpoint.profile import EPOCH, Demographic, epoch_ms
from headwater.record import Run

ENDPOINT_EVENT_TYPE = "_headwater.endpoint"
EVENT_VERSION = "3.1"
DAY_MS = 86_400_000

_encode = msgspec.json.Encoder().encode
_SDK = re.compile(r"([A-Za-z0-9_.-]{1,64})/([A-Za-z0-9_.+-]{1,64})")
_LOCALE = re.compile(r"([A-Za-z]{2,8})(?:[_-][A-Za-z]{4})?(?:[_-]([A-Za-z]{2}|\d{3}))?(?:[.@_-].*)?")
_EMPTY = Raw(b"{}")
_CLOSED_BY_TAIL = len(b"}}")  # a head ends within `headwater`
_Named = tuple[str | None, str | None, str | None, str | None, str | None]
_UNNAMED: _Named = (None, None, None, None, None)


class _Headwater(msgspec.Struct, gc=False):
    v: int
    event_id: str


class _Head(msgspec.Struct, gc=False):
    event_type: str
    event_timestamp: int
    attributes: Any
    metrics: Any
    headwater: _Headwater


class _SessionBody(msgspec.Struct, omit_defaults=True, gc=False):
    session_id: str
    start_timestamp: int | None = None
    stop_timestamp: int | None = None
    duration: int | None = None


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
        self._pool_id = caller.identity_pool_id or identity_pool_id
        self._app_version = demographic.app_version
        self._sdk = _SDK.match(caller.user_agent)
        self._door = b',"door":%s,"trace_id":' % _encode(door)
        self._client = b',"client":%s,"device":%s,"session":' % (_encode(client), _encode(_device(demographic)))
        self._endpoint = b',"endpoint":%s,"awsAccountId":%s}' % (profile.body, _encode(account_id))
        self._plain_application = self._application(_UNNAMED)
        #: how many bytes of each record are not the event's own, roughly
        self.shared_bytes = len(self._plain_application) + len(self._client) + len(self._endpoint) + 256

    def events(
        self,
        events: Mapping[str, EventInput | Refusal],
        arrival_ms: int,
        trace_id: str,
        refused: dict[str | None, str],
        sent_at: str | None = None,
    ) -> list[Run]:
        """Return the records of the accepted events, in order, and put the messages of the others into *refused*."""
        runs: list[Run] = []
        heads: list[bytes] = []
        application, session = None, None
        headwater = _Headwater(1, "")
        head = _Head("", 0, _EMPTY, _EMPTY, headwater)
        for event_id, event in events.items():
            if isinstance(event, Refusal):
                refused[event_id] = event.message
                continue
            named = (event.app_package_name, event.app_title, event.app_version_code, event.sdk_name, event.client_sdk_version)
            if named != application or event.session != session:
                application, session, heads = named, event.session, []
                runs.append(Run(self.profile.endpoint_id, arrival_ms, self._tail(named, session, arrival_ms, trace_id, sent_at), heads))
            head.event_type = event.event_type
            age = event.timestamp - EPOCH  # part by part: dividing one timedelta by another takes twice as long
            head.event_timestamp = age.days * DAY_MS + age.seconds * 1_000 + age.microseconds // 1_000
            head.attributes = event.attributes or _EMPTY
            head.metrics = event.metrics or _EMPTY
            headwater.event_id = event_id
            heads.append(_encode(head)[:-_CLOSED_BY_TAIL])
        return runs

    def change(self, operation: str, event_id: str, arrival_ms: int, trace_id: str) -> Run:
        """Return the record of the endpoint itself having been changed by *operation* (`update` or `delete`)."""
        head = _Head(ENDPOINT_EVENT_TYPE, arrival_ms, {"operation": operation}, _EMPTY, _Headwater(1, event_id))
        tail = self._tail(_UNNAMED, None, arrival_ms, trace_id)
        return Run(self.profile.endpoint_id, arrival_ms, tail, [_encode(head)[:-_CLOSED_BY_TAIL]])

    def _tail(self, named: _Named, session: SessionInput | None, arrival_ms: int, trace_id: str, sent_at: str | None = None) -> bytes:
        """Return what ends all records of this endpoint in this request that come from this app and session."""
        return b'%s%s%s},"arrival_timestamp":%d,"event_version":"%s","application":%s%s%s%s' % (
            self._door,
            _encode(trace_id),
            b"" if sent_at is None else b',"sent_at":%s' % _encode(sent_at),
            arrival_ms,
            EVENT_VERSION.encode(),
            self._plain_application if named == _UNNAMED else self._application(named),
            self._client,
            _session(session),
            self._endpoint,
        )

    def _application(self, named: _Named) -> bytes:
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
        return _encode(application)


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


def _session(session: SessionInput | None) -> bytes:
    if session is None:
        return b"{}"
    start, stop = session.start_timestamp, session.stop_timestamp
    times = epoch_ms(start) if start else None, epoch_ms(stop) if stop else None
    return _encode(_SessionBody(session.id, *times, session.duration))


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
