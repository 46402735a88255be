"""The bodies of requests while they arrive and while they are worked on: together they may take so many bytes."""

from __future__ import annotations

import asyncio
from typing import Any

from headwater.edge.http.asgi import Receive
from headwater.errors import BadRequest, PayloadTooLarge, Unavailable

_SLOW_AFTER_S = 10.0
_SLOWEST_BYTES_PER_S = 1024


class _Arrival:
    """A body of which more is to come."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.waiting: asyncio.Timeout | None = None


class Bodies:
    """Holds at most *limit* bytes.

    What a client says it will send costs nothing until it comes. Where there is no room left, bodies that are still arriving give way,
    those first that have been at it longest: so no number of slow clients keeps the quick ones out.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._arriving_bytes, self._held = limit, 0, 0
        self._arriving: dict[_Arrival, None] = {}

    def expect(self, size: int) -> None:
        """Raise `Unavailable` if what is worked on leaves no room for a body of *size* bytes, however many others gave way."""
        if self._held + size > self._limit:
            raise _full()

    def hold(self, size: int) -> None:
        """Count *size* bytes until they are released; raise `Unavailable` if there is no room."""
        self._make_room(size)
        self._held += size

    def release(self, size: int) -> None:
        """Count *size* bytes no more."""
        self._held -= size

    async def read(self, receive: Receive, limit: int, message: dict[str, Any]) -> bytes:
        """Return, held, a body of which *message* is the first part.

        Raises `PayloadTooLarge` at the first byte over *limit*, `BadRequest` if it comes too slowly, `Unavailable` if it had to give way,
        `ConnectionResetError` if the client is gone.
        """
        arrival = _Arrival()
        self._arriving[arrival] = None
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise ConnectionResetError
                part = message.get("body", b"")
                if arrival.size + len(part) > limit:
                    raise PayloadTooLarge(f"the body may have {limit:,} bytes here")
                self._make_room(len(part))
                self._check_kept(arrival)
                arrival.parts.append(part)
                arrival.size += len(part)
                self._arriving_bytes += len(part)
                if not message.get("more_body"):
                    self._held += arrival.size
                    return b"".join(arrival.parts)
                try:
                    async with asyncio.timeout_at(started + _SLOW_AFTER_S + arrival.size / _SLOWEST_BYTES_PER_S) as arrival.waiting:
                        message = await receive()
                except TimeoutError:
                    self._check_kept(arrival)
                    raise BadRequest("the body comes too slowly") from None
                arrival.waiting = None
                self._check_kept(arrival)
        finally:
            if arrival in self._arriving:
                self._forget(arrival)

    def _make_room(self, size: int) -> None:
        while self._held + self._arriving_bytes + size > self._limit:
            oldest = next(iter(self._arriving), None)
            if oldest is None:
                raise _full()
            self._forget(oldest)
            oldest.parts.clear()
            if oldest.waiting is not None and not oldest.waiting.expired():
                oldest.waiting.reschedule(0)

    def _forget(self, arrival: _Arrival) -> None:
        del self._arriving[arrival]
        self._arriving_bytes -= arrival.size

    def _check_kept(self, arrival: _Arrival) -> None:
        if arrival not in self._arriving:
            raise _full()


def _full() -> Unavailable:
    return Unavailable("too many requests are being worked on; try again in a moment")
