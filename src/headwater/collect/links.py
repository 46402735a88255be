"""Identity changes as records: put on the stream first, into the store after, and read back from the stream at a start."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from headwater.control.identities import Identities, IdentityChange, Login
from headwater.endpoint import Endpoints
from headwater.errors import StreamFull
from headwater.record import Record
from headwater.stream import Stream

IDENTITY_EVENT_TYPE = "_headwater.identity"
EVENT_VERSION = "3.1"
DOOR = "cognito-identity"


class _Application(msgspec.Struct, gc=False):
    app_id: str
    cognito_identity_pool_id: str


class _Client(msgspec.Struct, gc=False):
    cognito_id: str


class _What(msgspec.Struct, gc=False, omit_defaults=True):
    operation: Literal["link", "unlink", "merge", "delete"]
    provider: str | None = None
    subject: str | None = None
    merged_into: str | None = None


class _IdentityRecord(msgspec.Struct, gc=False):
    event_type: str
    event_timestamp: int
    application: _Application
    client: _Client
    attributes: _What


class IdentityLog:
    """The only writer of identity changes, in the process that appends to *stream*.

    It announces its appends to *endpoints*, whose stored position thereby never passes a change that the store does not have yet.
    *app_id* and *account_id* are written into every record.
    """

    def __init__(self, stream: Stream, endpoints: Endpoints, store: Identities, *, app_id: str, account_id: str) -> None:
        self._stream, self._endpoints, self._store = stream, endpoints, store
        self._app_id, self._account_id = app_id, account_id
        self._last_ms = 0

    async def append(self, changes: Sequence[IdentityChange], trace_id: str) -> None:
        """Put the changes on the stream and then into the store; both are durable on return. No two get the same time."""
        timed = []
        for change in changes:
            self._last_ms = max(change.at_ms, self._last_ms + 1)
            timed.append(change._replace(at_ms=self._last_ms))
        ticket = self._endpoints.begin()
        try:
            positions = await self._stream.append([self._record(change, trace_id) for change in timed])
        except StreamFull:
            self._endpoints.abandon(ticket)
            raise
        # If this fails, the ticket stays announced and the next start reads the records again.
        await asyncio.to_thread(self._store.apply, timed)
        self._endpoints.apply(ticket, dict(positions), [])

    def _record(self, change: IdentityChange, trace_id: str) -> Record:
        provider, subject = change.login or (None, None)
        body: dict[str, Any] = {
            "event_type": IDENTITY_EVENT_TYPE,
            "event_timestamp": change.at_ms,
            "arrival_timestamp": change.at_ms,
            "event_version": EVENT_VERSION,
            "application": _Application(self._app_id, change.pool_id),
            "client": _Client(change.identity_id),
            "device": {},
            "session": {},
            "attributes": _What(change.operation, provider, subject, change.merged_into),
            "metrics": {},
            "endpoint": {},
            "awsAccountId": self._account_id,
            "headwater": {"v": 1, "event_id": str(uuid.uuid4()), "door": DOOR, "trace_id": trace_id},
        }
        return Record(msgspec.json.encode(body), change.identity_id, change.at_ms)


_decode = msgspec.json.Decoder(_IdentityRecord).decode
_MARK = b'"' + IDENTITY_EVENT_TYPE.encode() + b'"'


def identity_change(record: Record) -> IdentityChange | None:
    """Return the change that the record is, None for any other record."""
    if _MARK not in record.body:  # spares decoding nearly all records
        return None
    try:
        said = _decode(record.body)
    except msgspec.DecodeError:
        return None  # an event whose attributes hold the mark as text
    if said.event_type != IDENTITY_EVENT_TYPE:
        return None
    what = said.attributes
    login = Login(what.provider, what.subject) if what.provider is not None and what.subject is not None else None
    return IdentityChange(
        what.operation, said.client.cognito_id, said.application.cognito_identity_pool_id, said.event_timestamp, login, what.merged_into
    )
