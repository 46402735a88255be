"""One segment of a shard on disk: a header, then one checksummed blob for each group commit.

    segment   magic "HWSG" · format · base sequence number · marker · checksum
    blob      magic "HWBL" · format · marker · length · first number · count · newest arrival ms · checksum · payload

The payload is MessagePack: `[0, records]`, or `[1, runs]` if they came as runs, whose records end alike. Checksums are XXH3, 64 bits;
a blob's covers its header and its payload. The marker is drawn anew for each segment and never leaves it: bytes that a client sent, or
that a disk block held before, cannot pass for a blob of this segment.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from xxhash import xxh3_64, xxh3_64_intdigest

from headwater.errors import ProjectError
from headwater.record import Record, Run, Runs

FORMAT = 1
SUFFIX = ".seg"

_SEGMENT = struct.Struct("<4sHHQ8sQ")
_BLOB = struct.Struct("<4sHH8sIQIqQ")
_PREFIX = struct.Struct("<4sHH8s")
_CHECKSUM = struct.Struct("<Q")
_SEGMENT_MAGIC = b"HWSG"
_BLOB_MAGIC = b"HWBL"
HEADER_BYTES = _SEGMENT.size

_PAGE = 4096
_FIRST_WINDOW = 64 * 1024
_LAST_WINDOW = 1024 * 1024


class _Plain(msgspec.Struct, array_like=True, tag=0, gc=False):
    records: list[Record]


class _Shared(msgspec.Struct, array_like=True, tag=1, gc=False):
    runs: list[Run]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Plain | _Shared)


def segment_path(folder: Path, base: int) -> Path:
    """Return where the segment that starts with number *base* lies."""
    return folder / f"{base:020d}{SUFFIX}"


def list_bases(folder: Path) -> list[int]:
    """Return the first numbers of all segments in *folder*, sorted."""
    names = (entry.removesuffix(SUFFIX) for entry in os.listdir(folder) if entry.endswith(SUFFIX))  # noqa: PTH208 - names are all we need
    return sorted(int(name) for name in names if len(name) == 20 and name.isdecimal())


def new_marker() -> bytes:
    """Draw the eight bytes that bind blobs to their segment."""
    return os.urandom(8)


def segment_header(base: int, marker: bytes) -> bytes:
    """Return the bytes a segment begins with."""
    return with_checksum(_SEGMENT.pack(_SEGMENT_MAGIC, FORMAT, 0, base, marker, 0)[: -_CHECKSUM.size])


def encode_payload(records: Sequence[Record], into: bytearray) -> None:
    """Write the payload of *records* to the buffer, leaving room for the blob's header before it."""
    _encoder.encode_into(_Shared(records.runs) if isinstance(records, Runs) else _Plain(list(records)), into, _BLOB.size)


def decode_payload(payload: bytes | memoryview) -> tuple[list[Record], int]:
    """Return the records of a payload and the bytes they take in memory, roughly; raises `msgspec.MsgspecError` if it is none."""
    decoded = _decoder.decode(payload)
    if isinstance(decoded, _Plain):
        return decoded.records, len(payload)
    return [record for run in decoded.runs for record in run.records()], sum([run.size() for run in decoded.runs])


def newest_arrival(records: Sequence[Record]) -> int:
    """Return the latest arrival among *records*, epoch ms."""
    return max([part.arrival_ms for part in (records.runs if isinstance(records, Runs) else records)])


def seal_blob(blob: bytearray, marker: bytes, first: int, count: int, newest_ms: int) -> None:
    """Fill in the header before a payload that lies in *blob* already."""
    _BLOB.pack_into(blob, 0, _BLOB_MAGIC, FORMAT, 0, marker, len(blob) - _BLOB.size, first, count, newest_ms, 0)
    with memoryview(blob) as view:
        checksum = _checksum(view)
    _CHECKSUM.pack_into(blob, _BLOB.size - _CHECKSUM.size, checksum)


def rehome_blob(blob: Blob, marker: bytes) -> bytearray:
    """Return the bytes of *blob* as they have to be in the segment with that marker."""
    header = blob.header
    data = bytearray(_BLOB.size) + blob.payload
    seal_blob(data, marker, header.first, header.after - header.first, header.newest_ms)
    return data


def with_checksum(data: bytes) -> bytes:
    """Return *data* with eight bytes added by which `is_whole` knows it."""
    return data + _CHECKSUM.pack(xxh3_64_intdigest(data))


def is_whole(data: bytes) -> bool:
    """Tell whether *data* is what `with_checksum` returned."""
    return with_checksum(data[: -_CHECKSUM.size]) == data


def _checksum(blob: memoryview) -> int:
    digest = xxh3_64(blob[: _BLOB.size - _CHECKSUM.size])
    digest.update(blob[_BLOB.size :])
    return digest.intdigest()


class BlobHeader(NamedTuple):
    """Where a blob lies in its file and which numbers it holds; *end* and *after* are the first offset and number beyond it."""

    offset: int
    end: int
    first: int
    after: int
    newest_ms: int


class Blob(NamedTuple):
    """A blob whose checksum was right."""

    header: BlobHeader
    payload: bytes | memoryview


class SegmentFile:
    """A segment open for reading. Pages that the disk cannot give back read as zeros; the checksums tell."""

    def __init__(self, folder: Path, base: int) -> None:
        """Open it; raises FileNotFoundError if it is gone, `ProjectError` if its format is newer than this code."""
        self.base = base
        self._fd = os.open(segment_path(folder, base), os.O_RDONLY | os.O_CLOEXEC)
        self._window = b""
        self._window_start = 0
        self._window_bytes = _FIRST_WINDOW
        try:
            self._prefix = _PREFIX.pack(_BLOB_MAGIC, FORMAT, 0, self._marker())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def size(self) -> int:
        """Return the bytes in the file now."""
        return os.fstat(self._fd).st_size

    def forget(self) -> None:
        """Drop what was read ahead: it may hold bytes that were still being written."""
        self._window, self._window_bytes = b"", _FIRST_WINDOW

    def peek(self, offset: int) -> BlobHeader | None:
        """Return the header at *offset*, believed because of its marker only; None if there is none."""
        head = self._bytes(offset, _BLOB.size)
        if len(head) < _BLOB.size or not head.startswith(self._prefix):
            return None
        _, _, _, _, length, first, count, newest_ms, _ = _BLOB.unpack(head)
        return BlobHeader(offset, offset + _BLOB.size + length, first, first + count, newest_ms)

    def load(self, offset: int) -> Blob | None:
        """Return the blob at *offset* if all of it is there and its checksum is right."""
        header = self.peek(offset)
        if header is None or header.end > self.size():
            return None
        blob = self._bytes(offset, header.end - offset)
        with memoryview(blob) as view:
            if len(blob) < header.end - offset or _CHECKSUM.unpack_from(blob, _BLOB.size - _CHECKSUM.size)[0] != _checksum(view):
                return None
        return Blob(header, memoryview(blob)[_BLOB.size :])

    def blobs(self, offset: int = HEADER_BYTES) -> Iterator[Blob]:
        """Give every good blob that starts at *offset* or later, stepping over what is bad."""
        while True:
            blob = self.load(offset)
            if blob is None:
                blob = self._search(offset)
            if blob is None:
                return
            yield blob
            offset = blob.header.end

    def _search(self, offset: int) -> Blob | None:
        while chunk := self._pread(offset, _LAST_WINDOW):
            at = chunk.find(self._prefix)
            if at >= 0:
                blob = self.load(offset + at)
                if blob is not None:
                    return blob
                offset += at + 1
            elif len(chunk) < _LAST_WINDOW:
                return None
            else:
                offset += len(chunk) - len(self._prefix) + 1
        return None

    def _marker(self) -> bytes:
        head = self._pread(0, _SEGMENT.size + _PREFIX.size)
        if len(head) >= _SEGMENT.size:
            magic, version, _, _, marker, _ = _SEGMENT.unpack_from(head)
            if magic == _SEGMENT_MAGIC and is_whole(head[: _SEGMENT.size]):
                if version > FORMAT:
                    raise ProjectError(f"segment {self.base} has format {version}; this code reads up to {FORMAT}")
                return bytes(marker)
        # the header is bad: the first blob carries the marker, too
        return head[_SEGMENT.size + _PREFIX.size - 8 :].ljust(8, b"\0")

    def _bytes(self, offset: int, length: int) -> bytes:
        at = offset - self._window_start
        if at < 0 or at + length > len(self._window):
            self._window = self._pread(offset, max(length, self._window_bytes))
            self._window_start, at = offset, 0
            self._window_bytes = min(self._window_bytes * 2, _LAST_WINDOW)
        return self._window[at : at + length]

    def _pread(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size())
        parts: list[bytes] = []
        while offset < end:
            try:
                part = os.pread(self._fd, end - offset, offset)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                part = bytes(min(_PAGE - offset % _PAGE, end - offset))
            if not part:
                break
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class OpenSegment:
    """A segment that is being written. After any error it must be given up: its pages may be marked clean and yet be lost."""

    def __init__(self, path: Path, base: int) -> None:
        """Create the file, still empty; raises FileExistsError if there is one."""
        self.path, self.base, self.marker = path, base, new_marker()
        self.size = 0
        self.newest_ms = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, blob: bytearray, newest_ms: int) -> None:
        """Write the sealed blob; it is durable after the next `sync`."""
        if not self.size:
            self._write(segment_header(self.base, self.marker))
        self._write(blob)
        self.newest_ms = max(self.newest_ms, newest_ms)

    def sync(self) -> None:
        """Return once all that was written is durable."""
        sync_data(self._fd)

    def _write(self, data: bytes | bytearray) -> None:
        with memoryview(data) as view:
            done = os.write(self._fd, view)
            while done < len(view):
                done += os.write(self._fd, view[done:])
        self.size += len(data)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def sync_data(fd: int) -> None:
    """Return once the file's content and length are on the disk itself."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync there stops at the drive's cache
    else:
        os.fdatasync(fd)
