"""What an endpoint profile holds, and how an update changes it."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import UNSET, UnsetType

from headwater.endpoint import Profile
from headwater.errors import BadRequest

PROFILE_LIMIT_BYTES = 64 * 1024
_ATTRIBUTE_LIMIT = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class Demographic(msgspec.Struct, rename="pascal", omit_defaults=True, gc=False):
    """The device and the app on it; None = never sent."""

    app_version: str | None = None
    locale: str | None = None
    make: str | None = None
    model: str | None = None
    model_version: str | None = None
    platform: str | None = None
    platform_version: str | None = None
    timezone: str | None = None


class Location(msgspec.Struct, rename="pascal", omit_defaults=True, gc=False):
    """Where the endpoint is; None = never sent."""

    city: str | None = None
    country: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    postal_code: str | None = None
    region: str | None = None


class UserUpdate(msgspec.Struct, rename="pascal", gc=False):
    """What an update says of the endpoint's user; None = not sent."""

    user_id: str | None = None
    user_attributes: dict[str, list[str] | None] | None = None


class ProfileUpdate(msgspec.Struct, rename="pascal", gc=False):
    """An EndpointRequest: what is None was not sent and stays as it is. EndpointStatus is not read: an update always makes it ACTIVE."""

    address: str | None = None
    attributes: dict[str, list[str] | None] | None = None
    channel_type: str | None = None
    demographic: Demographic | None = None
    effective_date: str | None = None
    location: Location | None = None
    metrics: dict[str, float | None] | None = None
    opt_out: str | None = None
    request_id: str | None = None
    user: UserUpdate | None = None


class User(msgspec.Struct, rename="pascal", gc=False):
    """The user of the endpoint."""

    user_id: str | UnsetType = UNSET
    user_attributes: dict[str, list[str]] = {}


class EndpointProfile(msgspec.Struct, rename="pascal", gc=False):
    """An EndpointResponse. The dates are ISO 8601 with milliseconds and Z."""

    id: str
    application_id: str
    endpoint_status: str
    opt_out: str
    request_id: str
    effective_date: str
    creation_date: str
    cohort_id: str
    demographic: Demographic
    location: Location
    attributes: dict[str, list[str]]
    metrics: dict[str, float]
    address: str | UnsetType = UNSET
    channel_type: str | UnsetType = UNSET
    user: User | UnsetType = UNSET


_decode = msgspec.json.Decoder(EndpointProfile).decode
_encode = msgspec.json.Encoder(order="deterministic").encode


def merge(
    app_id: str, endpoint_id: str, current: Profile | None, update: ProfileUpdate, now_ms: int, request_id: str
) -> tuple[Profile, bool]:
    """Return the profile after *update*, and whether more than its EffectiveDate and RequestId differ from *current*.

    A new endpoint always counts as different. Raises `BadRequest` if the merged profile would be too large.
    """
    now = iso_ms(now_ms)
    profile = _new(app_id, endpoint_id, now) if current is None else _decode(current.body)
    before = profile.effective_date, profile.request_id

    _merge_into(profile, update)
    profile.endpoint_status = "ACTIVE"
    profile.effective_date, profile.request_id = before
    changed = current is None or _encode(profile) != current.body
    profile.effective_date = _effective_date(update.effective_date) or now
    profile.request_id = update.request_id or request_id

    user_attributes = profile.user.user_attributes if profile.user is not UNSET else {}
    count = len(profile.attributes) + len(profile.metrics) + len(user_attributes)
    body = _encode(profile)
    if count > _ATTRIBUTE_LIMIT or len(body) > PROFILE_LIMIT_BYTES:
        raise BadRequest(
            f"an endpoint may have {_ATTRIBUTE_LIMIT} attributes, metrics and user attributes in {PROFILE_LIMIT_BYTES:,} bytes;"
            f" with this update it would have {count} in {len(body):,}"
        )
    user_id = profile.user.user_id if profile.user is not UNSET else UNSET
    return Profile(app_id, endpoint_id, None if user_id is UNSET else user_id, body), changed


def _new(app_id: str, endpoint_id: str, now: str) -> EndpointProfile:
    return EndpointProfile(
        id=endpoint_id,
        application_id=app_id,
        endpoint_status="ACTIVE",
        opt_out="NONE",
        request_id="",
        effective_date=now,
        creation_date=now,
        cohort_id=str(zlib.crc32(endpoint_id.encode()) % 100),
        demographic=Demographic(),
        location=Location(),
        attributes={},
        metrics={},
    )


def iso_ms(time_ms: int) -> str:
    """Return the time as the wire writes it: `2026-11-23T03:06:21.154Z`."""
    return (EPOCH + timedelta(milliseconds=time_ms)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_moment(text: str) -> datetime | None:
    """Return the ISO 8601 time with its offset, UTC where none is given; None if it is no time."""
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def epoch_ms(moment: datetime) -> int:
    """Return the time in milliseconds since 1970, cut off and not rounded."""
    return (moment - EPOCH) // MILLISECOND


def _merge_into(profile: EndpointProfile, update: ProfileUpdate) -> None:
    if update.address is not None:
        profile.address = update.address
    if update.channel_type is not None:
        profile.channel_type = update.channel_type
    if update.opt_out is not None:
        profile.opt_out = update.opt_out
    _merge_fields(profile.demographic, update.demographic)
    _merge_fields(profile.location, update.location)
    profile.attributes.update(_sent(update.attributes))
    profile.metrics.update({name: value for name, value in (update.metrics or {}).items() if value is not None})
    if update.user is not None and (update.user.user_id is not None or update.user.user_attributes is not None):
        if profile.user is UNSET:
            profile.user = User()
        if update.user.user_id is not None:
            profile.user.user_id = update.user.user_id
        profile.user.user_attributes.update(_sent(update.user.user_attributes))


def _merge_fields(kept: msgspec.Struct, sent: msgspec.Struct | None) -> None:
    if sent is not None:
        for field in sent.__struct_fields__:
            value = getattr(sent, field)
            if value is not None:
                setattr(kept, field, value)


def _sent(attributes: dict[str, list[str] | None] | None) -> dict[str, list[str]]:
    return {name: values for name, values in (attributes or {}).items() if values is not None}


def _effective_date(sent: str | None) -> str | None:
    moment = parse_moment(sent) if sent is not None else None
    try:
        return iso_ms(epoch_ms(moment)) if moment is not None else None
    except OverflowError:  # the year 1 somewhere east of Greenwich
        return None
