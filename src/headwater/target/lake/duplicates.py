"""De-duplication: which events of a batch were seen before, by 128-bit keys in buckets of one client-timestamp minute."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headwater.ledger import KeyLog
from headwater.target.lake.keyset import KeySet


class Seen(NamedTuple):
    """What a batch brought: the indexes of its duplicates, and per minute the keys to remember (a duplicate's again: it arrived again)."""

    duplicates: set[int]
    keys: dict[int, bytes]


class SeenKeys:
    """Knows every key of the last days: recent minutes packed in memory, others read from the key log when a batch needs them.

    keys, nbytes: how many are in memory, and what they take up there: 26 to 52 bytes each, and half a kilobyte for a minute of few.

    The caller commits a batch's keys to the log and then calls `remember`; if the commit failed it must not.
    """

    def __init__(self, log: KeyLog, most_in_memory: int = 2_000_000) -> None:
        self._log = log
        self._most = most_in_memory
        self._buckets: OrderedDict[int, KeySet] = OrderedDict()
        self.keys = self.nbytes = 0

    def check(self, keys: Sequence[bytes], minutes: Sequence[int]) -> Seen:
        """Return which of *keys* (16 bytes each) were seen before, in earlier batches or earlier in this one."""
        if not keys:
            return Seen(set(), {})
        again = _repeats(keys)
        packed = np.frombuffer(b"".join(keys), dtype=np.uint64).reshape(-1, 2)
        minute_of = np.asarray(minutes, dtype=np.int64)
        duplicates, to_keep = set(again), {}
        for minute in np.unique(minute_of).tolist():
            here: npt.NDArray[np.intp] = np.flatnonzero(minute_of == minute)
            known = self._bucket(minute).contains(packed[here])
            duplicates.update(here[known].tolist())
            once = [i for i in here.tolist() if i not in again] if again else here
            to_keep[minute] = packed[once].tobytes()
        return Seen(duplicates, to_keep)

    def remember(self, keys: Mapping[int, bytes]) -> None:
        """Take in the keys of a batch that is committed."""
        for minute, packed in keys.items():
            self._add(self._bucket(minute), packed)
        while len(self._buckets) > 1 and self.keys > self._most:
            _, oldest = self._buckets.popitem(last=False)
            self.keys, self.nbytes = self.keys - len(oldest), self.nbytes - oldest.nbytes

    def _bucket(self, minute: int) -> KeySet:
        bucket = self._buckets.get(minute)
        if bucket is None:
            bucket = self._buckets[minute] = KeySet()
            self.nbytes += bucket.nbytes
            self._add(bucket, self._log.keys(minute))
        self._buckets.move_to_end(minute)
        return bucket

    def _add(self, bucket: KeySet, packed: bytes) -> None:
        keys, nbytes = len(bucket), bucket.nbytes
        bucket.add(np.frombuffer(packed, dtype=np.uint64).reshape(-1, 2))
        self.keys, self.nbytes = self.keys + len(bucket) - keys, self.nbytes + bucket.nbytes - nbytes


def _repeats(keys: Sequence[bytes]) -> set[int]:
    """Return the indexes at which a key stands that stood before."""
    if len(set(keys)) == len(keys):
        return set()
    met: set[bytes] = set()
    return {i for i, key in enumerate(keys) if key in met or met.add(key)}  # type: ignore[func-returns-value]
