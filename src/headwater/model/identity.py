"""Rows of `identity_log`, straight from the records of the collector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import pyarrow as pa
from msgspec import Struct

from headwater.model.column import Array
from headwater.model.naming import IDENTITY_EVENT
from headwater.model.wire import NO_CLIENT, NO_PROVENANCE, NO_SESSION, ClientPart, Provenance, SessionPart, Timestamp


class ApplicationPart(Struct, frozen=True, gc=False):
    """`application`: the app, and the pool that the identity is of."""

    app_id: str | None = None
    cognito_identity_pool_id: str | None = None


class What(Struct, frozen=True, gc=False):
    """`attributes`: what happened to the identity."""

    operation: Literal["link", "unlink", "merge", "delete"]
    provider: str | None = None
    subject: str | None = None
    merged_into: str | None = None


class IdentityUpdate(Struct, gc=False, kw_only=True, tag_field="event_type", tag=IDENTITY_EVENT):
    """A record of one change of an identity."""

    event_timestamp: Timestamp
    application: ApplicationPart = ApplicationPart()
    client: ClientPart = NO_CLIENT
    session: SessionPart = NO_SESSION
    attributes: What
    headwater: Provenance = NO_PROVENANCE


decode_identity: Callable[[bytes], IdentityUpdate] = msgspec.json.Decoder(IdentityUpdate).decode


def identity_columns(rows: Sequence[IdentityUpdate]) -> list[Array]:
    """Return the columns after the system columns."""
    columns: list[Any] = [
        [row.attributes.operation for row in rows],
        [row.application.cognito_identity_pool_id for row in rows],
        [row.attributes.provider for row in rows],
        [row.attributes.subject for row in rows],
        [row.attributes.merged_into for row in rows],
    ]
    return [pa.array(column, pa.string()) for column in columns]
