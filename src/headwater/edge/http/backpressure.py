"""A body that a thread writes and the event loop sends; the writer waits while much of it is not sent yet."""

from __future__ import annotations

import asyncio
import io
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from headwater.errors import HeadwaterError, Unavailable
from headwater.executions import OutletClosed

PART_BYTES = 256 * 1024
_UNSENT_BYTES = 4 * 1024 * 1024
_STALLED_S = 60.0


class Outflow(io.RawIOBase):
    """Made in the event loop. `write` and `end` are for the thread, the rest is for the loop."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._changed, self._come = threading.Condition(), asyncio.Event()
        self._gathered: list[bytes] = []
        self._gathered_bytes = self._written_bytes = self._unsent_bytes = 0
        self._parts: deque[bytes] = deque()
        self._ended = self._left = False
        self._error: HeadwaterError | None = None

    def write(self, data: Any, /) -> int:
        """Take some bytes; raises `OutletClosed` when nobody wants them, or nobody has taken any for a minute."""
        part = bytes(data)
        self._gathered.append(part)
        self._gathered_bytes += len(part)
        self._written_bytes += len(part)
        if self._gathered_bytes >= PART_BYTES:
            self._hand_over()
        return len(part)

    def end(self, error: HeadwaterError | None = None) -> None:
        """There is no more; *error* says why there is not all of it."""
        with suppress(OutletClosed):
            self._hand_over(waits=False)
        with self._changed:
            self._ended, self._error = True, error
        self._tell()

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._written_bytes

    def writable(self) -> bool:
        """It is."""
        return True

    async def first(self) -> bytes | None:
        """Wait until there is enough to send, or all: return all, if that is so, None if there may be more.

        Raises the error where nothing has to be sent before it.
        """
        await self._come.wait()
        with self._changed:
            if not self._ended or len(self._parts) > 1:
                return None
            if self._error is not None and self._written_bytes < PART_BYTES:
                raise self._error
            return None if self._error is not None else b"".join(self._parts)

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield what is written, as it comes; raises the error that it ends with."""
        while True:
            await self._come.wait()
            with self._changed:
                self._come.clear()
                found, ended = list(self._parts), self._ended
                self._parts.clear()
            for part in found:
                yield part
                with self._changed:
                    self._unsent_bytes -= len(part)
                    self._changed.notify_all()
            if ended:
                if self._error is not None:
                    raise self._error
                return

    def leave(self) -> None:
        """Want no more."""
        with self._changed:
            self._left = True
            self._parts.clear()
            self._changed.notify_all()

    def _hand_over(self, *, waits: bool = True) -> None:
        part, self._gathered, self._gathered_bytes = b"".join(self._gathered), [], 0
        with self._changed:
            room = self._changed.wait_for(lambda: self._left or self._unsent_bytes < _UNSENT_BYTES, _STALLED_S if waits else 0)
            if self._left or (waits and not room):
                self._ended, self._error = True, Unavailable("the answer was not read")
                self._tell()
                raise OutletClosed
            if part:
                self._parts.append(part)
                self._unsent_bytes += len(part)
        self._tell()

    def _tell(self) -> None:
        with suppress(RuntimeError):  # a loop that is closed has nobody to tell
            self._loop.call_soon_threadsafe(self._come.set)
