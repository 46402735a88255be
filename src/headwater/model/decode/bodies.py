"""All event types of a project in one decoder: a body becomes the struct of its type, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Union

import msgspec
from msgspec import Struct

from headwater.model.endpoint import EndpointUpdate
from headwater.model.eventtype import EventType
from headwater.model.fast import FastType, fast_types
from headwater.model.identity import IdentityUpdate
from headwater.model.naming import ENDPOINT_EVENT, IDENTITY_EVENT
from headwater.model.other import AUTOMATIC_EVENTS
from headwater.model.wire import MALFORMED, Untyped


class Decoder:
    """What a body becomes, and what is known of each struct it may become.

    tags: struct -> event type. fast: struct -> how to make columns of it, for the types msgspec may read. events: event type -> its class.
    """

    def __init__(self, events: Iterable[EventType], fast: bool = True) -> None:
        self.events: dict[str, EventType] = {}
        self.fast: dict[type[Struct], FastType] = {}
        self.tags: dict[type[Struct], str] = {EndpointUpdate: ENDPOINT_EVENT, IdentityUpdate: IDENTITY_EVENT}
        for event in events:
            self.events.update(dict.fromkeys(event.event_types, event))
            for fast_type in fast_types(event) if fast else ():
                self.fast[fast_type.struct] = fast_type
                self.tags[fast_type.struct] = fast_type.tag
        for name in sorted({*self.events, *AUTOMATIC_EVENTS} - set(self.tags.values())):
            self.tags[_untyped(name)] = name
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(Union[tuple(self.tags)]).decode  # noqa: UP007

    def decode(self, bodies: Sequence[bytes]) -> list[Any]:
        """Return for each body its struct, None where it is none of the known ones."""
        decoded: list[Any] = []
        rest = map(self._decode, bodies)
        while len(decoded) < len(bodies):
            try:
                decoded.extend(rest)  # keeps what came before an exception, and the map goes on after it
            except MALFORMED:
                decoded.append(None)
        return decoded


def _untyped(name: str) -> type[Struct]:
    return msgspec.defstruct("UntypedEvent", [], bases=(Untyped,), gc=False, kw_only=True, tag_field="event_type", tag=name)
