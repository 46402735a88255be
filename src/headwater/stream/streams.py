"""The streams of a project by name: the app stream, and those that callers made for bytes of their own."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import shutil
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from headwater.clock import Clock, SystemClock
from headwater.errors import BadRequest, Conflict, NotFound
from headwater.store.durable import sync_folder
from headwater.stream import FIRST_SHARD
from headwater.stream.file import SEGMENT_BYTES, FileStream
from headwater.stream.named import STATE_FILE, Mode, NamedStream, ShardMetric, ShardStream, StreamState, read_state, write_state
from headwater.stream.writer import make_folder

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}", re.ASCII)
_STREAM_ID = re.compile(r"[a-z0-9]{20}-[a-z0-9]{3}", re.ASCII)
_DELETED = "deleted"
_LETTERS = string.ascii_lowercase + string.digits
_HOUR_MS = 3_600_000
_EVERY_NUMBER = 1 << 128
STREAMS_LIMIT = 50

_log = logging.getLogger(__name__)


class TooManyStreams(BadRequest):
    """There are as many streams as there may be."""

    code = "LimitExceededException"


class ShardCount(NamedTuple):
    """One shard-level metric of one shard."""

    stream: str
    shard_id: str
    metric: ShardMetric
    value: int


class Streams:
    """All streams, in one process, which is the only one that writes to them.

    A stream that is made is a folder beneath *root*, named by its id (never by its name, which a caller chose), with its state in
    `stream.json`. The app stream lies elsewhere and is opened by others; only its state, in `<root>/app.json`, is ours.
    Not for two event loops, nor for two processes, at the same time.
    """

    def __init__(
        self,
        root: Path,
        app: ShardStream,
        app_name: str,
        *,
        app_retention_hours: float = 48,
        max_bytes: int | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        limit: int = STREAMS_LIMIT,
        clock: Clock | None = None,
    ) -> None:
        """*max_bytes* and *segment_bytes* are for each stream by itself; *limit*: how many may be made besides the app stream."""
        self._root, self._app_file = root, root / "app.json"
        self._max_bytes, self._segment_bytes, self._limit = max_bytes, segment_bytes, limit
        self._clock = clock or SystemClock()
        self._changing = asyncio.Lock()
        _check_name(app_name)
        make_folder(root)
        self.app = NamedStream(self._app_state(app_name, app_retention_hours), app)
        self._streams: dict[str, NamedStream] = {app_name: self.app}
        for state in self._states():
            if state.name in self._streams:
                _log.error("two streams are named %s; the one in folder %s is left alone", state.name, state.stream_id)
            else:
                self._streams[state.name] = self._open(state)

    def names(self) -> list[str]:
        """Return the names of all streams, sorted."""
        return sorted(self._streams)

    def get(self, name: str) -> NamedStream:
        """Return the stream of that name; `NotFound` if there is none."""
        found = self._streams.get(name)
        if found is None:
            raise NotFound("stream", name[:128])
        return found

    def with_id(self, stream_id: str) -> NamedStream:
        """Return the stream of that id, which no two streams ever share; `NotFound` if it is gone."""
        for stream in self._streams.values():
            if stream.state.stream_id == stream_id:
                return stream
        raise NotFound("stream", stream_id[:128])

    async def create(self, name: str, *, mode: Mode, max_record_kib: int, tags: Mapping[str, str]) -> NamedStream:
        """Return a new, empty stream; `Conflict` if there is one of that name, `TooManyStreams` if there are as many as may be."""
        _check_name(name)
        async with self._changing:
            if name in self._streams:
                raise Conflict(f"there is a stream named {name!r} already")
            if len(self._streams) > self._limit:
                raise TooManyStreams(f"there are {self._limit} streams already; delete one first")
            state = StreamState(name, _new_id(), self._clock.now_ms(), mode, max_record_kib=max_record_kib, tags=dict(tags))
            await asyncio.to_thread(self._make, state)
            stream = self._streams[name] = await asyncio.to_thread(self._open, state)
        return stream

    async def delete(self, name: str) -> None:
        """Forget the stream and all its records; `Conflict` for the app stream, which is the project's own."""
        async with self._changing:
            stream = self.get(name)
            if stream is self.app:
                raise Conflict(f"{name!r} is the app stream of this project and cannot be deleted")
            await stream.close()
            del self._streams[name]
            await asyncio.to_thread(self._remove, self._root / stream.state.stream_id)

    async def change(self, name: str, **changes: Any) -> StreamState:
        """Put *changes* (fields of `StreamState`) into the stream's state and return it, once that is durable."""
        async with self._changing:
            stream = self.get(name)
            state = msgspec.structs.replace(stream.state, **changes)
            path = self._app_file if stream is self.app else self._root / state.stream_id / STATE_FILE
            await asyncio.to_thread(write_state, path, state)
            stream.state = state
        return state

    async def trim(self) -> int:
        """Drop what is older than each made stream keeps, in whole segments, and return the bytes freed.

        The app stream is trimmed by who knows what its readers have passed.
        """
        freed, now_ms = 0, self._clock.now_ms()
        for stream in [stream for stream in self._streams.values() if stream is not self.app]:
            freed += await stream.trim(FIRST_SHARD, _EVERY_NUMBER, now_ms - round(stream.state.retention_hours * _HOUR_MS))
        return freed

    def counters(self) -> list[ShardCount]:
        """Return the shard-level metrics that are shown, by stream name; counts since this process began."""
        return [
            ShardCount(name, FIRST_SHARD, metric, counts[metric])
            for name, stream in sorted(self._streams.items())
            for counts in [stream.counts()]
            for metric in stream.state.metrics
        ]

    async def close(self) -> None:
        """Close the streams that were made; who opened the app stream closes it."""
        for stream in self._streams.values():
            if stream is not self.app:
                await stream.close()

    def _app_state(self, name: str, retention_hours: float) -> StreamState:
        """Return what was kept of the app stream, under the name and with the retention that the settings say."""
        try:
            kept = read_state(self._app_file)
        except FileNotFoundError:
            kept = StreamState(name, _new_id(), self._clock.now_ms(), "ON_DEMAND", retention_hours, max_record_kib=10_240)
            write_state(self._app_file, kept)
        return msgspec.structs.replace(kept, name=name, retention_hours=retention_hours)

    def _states(self) -> Iterator[StreamState]:
        for folder in sorted(self._root.iterdir()):
            if not _STREAM_ID.fullmatch(folder.name):
                continue
            names = {path.name for path in folder.iterdir()}
            if _DELETED in names or names <= {f"{STATE_FILE}.tmp"}:
                _clear(folder)  # a crash came between
                continue
            try:
                yield read_state(folder / STATE_FILE)
            except (OSError, msgspec.MsgspecError) as error:
                _log.error("stream folder %s is left alone, its %s cannot be read: %s", folder, STATE_FILE, error)

    def _open(self, state: StreamState) -> NamedStream:
        url = (self._root.absolute() / state.stream_id).as_uri()
        return NamedStream(state, FileStream(url, mode="write", max_bytes=self._max_bytes, segment_bytes=self._segment_bytes))

    def _make(self, state: StreamState) -> None:
        folder = self._root / state.stream_id
        folder.mkdir(mode=0o700)
        write_state(folder / STATE_FILE, state)
        sync_folder(self._root)

    def _remove(self, folder: Path) -> None:
        (folder / STATE_FILE).rename(folder / _DELETED)
        sync_folder(folder)
        _clear(folder)


def _clear(folder: Path) -> None:
    """Remove the folder; the mark that it is to go is the last thing to go."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _DELETED:
            path.unlink()
    sync_folder(folder)
    shutil.rmtree(folder)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadRequest("a stream's name has 1 to 128 of the characters a-z A-Z 0-9 _ . -")


def _new_id() -> str:
    letters = "".join(secrets.choice(_LETTERS) for _ in range(23))
    return f"{letters[:20]}-{letters[20:]}"
