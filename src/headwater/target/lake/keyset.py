"""A set of 128-bit keys packed in two NumPy arrays: a Python set takes 100 bytes a key, this 26 to 52."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Halves = npt.NDArray[np.uint64]  # shape (n, 2): the two halves of n keys

# There is a set per minute of client time, and most minutes are quiet: the smallest takes half a kilobyte.
SMALLEST, FULLEST = 32, 0.66


class KeySet:
    """Open addressing with linear probing; all keys of a batch take each step together."""

    def __init__(self) -> None:
        self._low = np.zeros(SMALLEST, np.uint64)
        self._high = np.zeros(SMALLEST, np.uint64)
        self._used = np.zeros(SMALLEST, bool)
        self._count = 0

    def __len__(self) -> int:
        """Return how many keys it holds, or slightly more where one stood twice in what was added."""
        return self._count

    @property
    def nbytes(self) -> int:
        """How much memory its arrays take."""
        return self._low.nbytes + self._high.nbytes + self._used.nbytes

    def contains(self, keys: Halves) -> npt.NDArray[np.bool_]:
        """Return for each of *keys* whether it is in the set."""
        low, high = keys[:, 0], keys[:, 1]
        found = np.zeros(len(keys), bool)
        if not self._count:
            return found
        mask = np.intp(len(self._low) - 1)
        open_ = np.arange(len(keys))
        slot = low.astype(np.intp) & mask
        while len(open_):
            used = self._used[slot]
            hit = used & (self._low[slot] == low[open_]) & (self._high[slot] == high[open_])
            found[open_[hit]] = True
            on = used & ~hit
            open_, slot = open_[on], (slot[on] + 1) & mask
        return found

    def add(self, keys: Halves) -> None:
        """Put *keys* in; one that is in already changes nothing."""
        if not len(keys):
            return
        while self._count + len(keys) > FULLEST * len(self._low):
            self._grow()
        self._insert(keys[:, 0], keys[:, 1])

    def _insert(self, low: Halves, high: Halves) -> None:
        mask = np.intp(len(self._low) - 1)
        open_ = np.arange(len(low))
        slot = low.astype(np.intp) & mask
        while len(open_):
            free = ~self._used[slot]
            # Several keys may want one free slot: all write, the last stays, and the others see that and go on.
            self._low[slot[free]] = low[open_[free]]
            self._high[slot[free]] = high[open_[free]]
            self._used[slot[free]] = True
            mine = (self._low[slot] == low[open_]) & (self._high[slot] == high[open_])
            self._count += int(np.count_nonzero(free & mine))
            open_, slot = open_[~mine], (slot[~mine] + 1) & mask

    def _grow(self) -> None:
        low, high, used = self._low, self._high, self._used
        self._used = np.zeros(2 * len(low), bool)
        self._low = np.zeros(2 * len(low), np.uint64)
        self._high = np.zeros(2 * len(low), np.uint64)
        self._count = 0
        self._insert(low[used], high[used])
