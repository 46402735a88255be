"""The shape of a record on the app stream, and what every record can say of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
import xxhash
from msgspec import Meta, Raw, Struct

# Years 1 to 9999: what a datetime can hold.
FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999

# Whether it is a sensible time is for the window to say.
Timestamp = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Application(Struct, frozen=True, gc=False):
    """`application`, as far as we keep it."""

    app_id: str | None = None


class ClientPart(Struct, frozen=True, gc=False):
    """`client`: the endpoint, and the identity of who sent the event."""

    client_id: str | None = None
    cognito_id: str | None = None


class SessionPart(Struct, frozen=True, gc=False):
    """`session`, `{}` for plain API calls."""

    session_id: str | None = None


class Provenance(Struct, frozen=True, gc=False):
    """`headwater`: what our own doors add; absent from records that others wrote."""

    v: Literal[1] = 1
    event_id: str | None = None
    letter_id: str | None = None


class Effective(Struct, frozen=True, gc=False, rename="pascal"):
    """`endpoint`, for classes whose `datetime` is the endpoint's last update."""

    effective_date: str | None = None


UntypedT = TypeVar("UntypedT", bound="Untyped")

NO_APPLICATION, NO_CLIENT, NO_SESSION, NO_PROVENANCE = Application(), ClientPart(), SessionPart(), Provenance()


class Untyped(Struct, gc=False, kw_only=True):
    """A record whose attributes and metrics nobody has looked at yet."""

    event_timestamp: Timestamp
    application: Application | None = NO_APPLICATION
    client: ClientPart | None = NO_CLIENT
    session: SessionPart | None = NO_SESSION
    attributes: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    endpoint: Raw = Raw()
    headwater: Provenance | None = NO_PROVENANCE


class Envelope(Untyped, gc=False, kw_only=True):
    """The same for an event type that is not known beforehand."""

    event_type: str


class RecordIdentity(NamedTuple):
    """Who and what a record is, as far as it says; times in epoch ms. `datetime_ms` is the arrival where the record has no usable time."""

    event_id: str
    event_type: str | None
    app_id: str | None
    client_id: str | None
    cognito_id: str | None
    session_id: str | None
    datetime_ms: int
    arrival_ms: int


class Stray(NamedTuple):
    """What is known of a malformed record: its client's timestamp if it has a usable one, and whether it brought an event id."""

    identity: RecordIdentity
    timestamp_ms: int | None
    has_event_id: bool


# Stands where a record is malformed and no one is asked who it is.
NOBODY = Envelope(event_type="", event_timestamp=0)

decode_envelope: Callable[[bytes], Envelope] = msgspec.json.Decoder(Envelope).decode
_decode_effective = msgspec.json.Decoder(Effective).decode
_decode_any = msgspec.json.Decoder().decode
pack = msgspec.msgpack.Encoder().encode
digest = xxhash.xxh3_128_digest


def settle(record: UntypedT) -> UntypedT:
    """Put the empty object where a record says null, so that nobody has to ask."""
    record.application = record.application or NO_APPLICATION
    record.client = record.client or NO_CLIENT
    record.session = record.session or NO_SESSION
    record.headwater = record.headwater or NO_PROVENANCE
    return record


def effective_date(endpoint: Raw) -> str | None:
    """Return `endpoint.EffectiveDate`, None if it is missing or no text."""
    try:
        return _decode_effective(endpoint).effective_date
    except MALFORMED:
        return None


def stray(body: bytes, substitute_id: str, arrival_ms: int) -> Stray:
    """Return what a malformed record says of itself all the same."""
    try:
        record = _decode_any(body)
    except MALFORMED:
        record = None

    def text(*path: str) -> str | None:
        value: Any = record
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) else None

    stamp = record.get("event_timestamp") if isinstance(record, dict) else None
    event_id = text("headwater", "event_id")
    identity = RecordIdentity(
        event_id=substitute_id if event_id is None else event_id,
        event_type=text("event_type"),
        app_id=text("application", "app_id"),
        client_id=text("client", "client_id"),
        cognito_id=text("client", "cognito_id"),
        session_id=text("session", "session_id"),
        datetime_ms=arrival_ms,
        arrival_ms=arrival_ms,
    )
    return Stray(identity, stamp if type(stamp) is int and FIRST_MS <= stamp <= LAST_MS else None, event_id is not None)


def substitute_id(shard_id: str, sequence_number: int) -> str:
    """Return the event id of a record that has none: where it lies."""
    return f"{shard_id}:{sequence_number}"


def key_of(app_id: str | None, client_id: str | None, event_id: str | None, event_type: str | None, timestamp_ms: int | None) -> bytes:
    """Return the 16-byte de-duplication key; MessagePack writes the length before each part, so no two quintuples share their bytes."""
    return digest(pack((client_id, event_id, timestamp_ms, app_id, event_type)))


def place_key(shard_id: str, sequence_number: int) -> bytes:
    """Return the key of a record that has no event id; a pair is never a quintuple."""
    return digest(pack((shard_id, str(sequence_number))))
