"""After a process died at a batch: the batches of the next one are tried in other processes first, or taken in smaller pieces."""

from __future__ import annotations

import faulthandler
import time

import structlog

from headwater.attempt import Attempts
from headwater.model import Window
from headwater.stream import Batch
from headwater.target.lake.judging import request_for
from headwater.trial import Trial

# Whoever sends one event that ends a process mostly sends more.
CAREFUL_S = 600.0
# Judging a batch may take so much longer than a trial of it, which is halved some ten times to find one record.
BATCH_TO_TRIAL = 6
# Whoever ends the worker for reasons of their own, such as a machine short of memory, does not hit the same lone record that often.
MOST_DEATHS = 4


class Caution:
    """Notes which batch is under way, and finds the records that ended the process before; one pipe's.

    Until a death there is nothing to do but a note a batch. A death that no trial explains, such as one for want of memory, halves the
    batch at every further one, and a record that is alone at it again and again is at fault.

    A part of a batch that is judged for longer than *within_s* seconds ends the process, with a traceback in its log: what has no end would
    let nothing else of the stream through. One pipe of a process has such a limit.
    """

    def __init__(self, attempts: Attempts, trial: Trial, window: Window, within_s: float) -> None:
        self._attempts, self._trial, self._window, self._within_s = attempts, trial, window, within_s
        self._careful_until = 0.0
        self._shard_id, self._upto = "", 0  # of the batch under way
        self._log = structlog.get_logger("pipe")

    def cut(self, batch: Batch, after: int) -> Batch:
        """Return what of the batch to take now."""
        left = self._attempts.left
        if left is None or (left.name, left.after) != (batch.shard_id, after) or not left.deaths:
            return batch
        most = max(1, (left.upto - left.after) // 2)
        return batch if len(batch.records) <= most else batch.until(batch.sequence_numbers[most - 1])

    def begin(self, batch: Batch, after: int) -> dict[int, str]:
        """Note that the batch is under way; return index -> how it ends a process, for records that do, packed ones as a whole."""
        left, now = self._attempts.left, time.monotonic()
        here = left is not None and (left.name, left.after) == (batch.shard_id, after)
        found: dict[int, str] = {}
        if (here or now < self._careful_until) and batch.records:
            try:
                found = self._trial.deadly(request_for(batch, self._window))
            except OSError as error:  # no process to be had: the batch is tried all the same
                self._log.warning("a batch cannot be tried in another process", reason=str(error))
        if not found and here and left is not None and left.deaths >= MOST_DEATHS and batch.upto - after == left.upto - left.after == 1:
            found = dict.fromkeys(range(len(batch.records)), f"{left.deaths + 1} times, though not in a trial")
        if found:
            self._careful_until = now + CAREFUL_S
            for index, how in found.items():
                number = batch.sequence_numbers[index]
                self._log.error(
                    "a record ends the process that judges it; it is a dead letter", shard=batch.shard_id, number=number, how=how
                )
        elif now >= self._careful_until:
            self._trial.close()
        self._shard_id, self._upto = batch.shard_id, batch.upto
        self.go_on(after)
        return found

    def go_on(self, after: int) -> None:
        """Note that what lies behind *after* of the batch is under way: what came before is stored."""
        self._attempts.begin(self._shard_id, after, self._upto)
        # Needs no turn of Python's: not even a regular expression without an end holds it up.
        faulthandler.dump_traceback_later(self._within_s, exit=True)

    def judged(self) -> None:
        """Note that records have their verdicts: what is left is the ledger's, and no record's fault where it is slow."""
        faulthandler.cancel_dump_traceback_later()

    def end(self) -> None:
        """Note that the batch is stored, or failed: this process did not die at it."""
        self.judged()
        self._attempts.end()

    def close(self) -> None:
        """Let go of the file, and end the other process."""
        self._trial.close()
        self._attempts.close()
