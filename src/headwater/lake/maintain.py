"""When the lake's tables are folded and tidied: by the rows that wait, by their age, every hour; what fails now is tried again later."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from headwater.clock import Clock
from headwater.errors import HeadwaterError, LedgerError
from headwater.lake.folds import FoldResult, UpkeepDone
from headwater.lake.index import LakeIndex
from headwater.lake.retries import Retries
from headwater.lake.writer import Lake
from headwater.ledger import Backlog, Tail

SOON_ROWS = 5_000
SOON_S, LATE_S = 60.0, 600.0
TIDY_EVERY_MS = 3_600_000
ROUND_S = 5.0
LEFTOVERS = "(no table)"


class Maintenance:
    """Keeps the tail short and the tables of *lake* small; one per lake.

    A table is folded when `lake.fold_rows` rows wait, *soon_rows* for *soon_s* seconds, or any for *late_s*.
    """

    def __init__(
        self,
        lake: Lake,
        ledger: Tail,
        index: LakeIndex,
        clock: Clock,
        *,
        soon_rows: int = SOON_ROWS,
        soon_s: float = SOON_S,
        late_s: float = LATE_S,
    ) -> None:
        self._lake, self._ledger, self._index, self._clock = lake, ledger, index, clock
        self._soon_rows, self._soon_ms, self._late_ms = soon_rows, round(soon_s * 1_000), round(late_s * 1_000)
        self._retries = Retries(clock)
        self._tidied_ms: int | None = None
        self._to_search: set[str] = set()

    def due(self, now_ms: int) -> list[Backlog]:
        """Return what waits of the tables to fold now, the largest first."""
        due = [
            waiting
            for waiting in self._ledger.backlog()
            if waiting.rows >= self._lake.fold_rows
            or (waiting.rows >= self._soon_rows and now_ms - waiting.oldest_ms >= self._soon_ms)
            or now_ms - waiting.oldest_ms >= self._late_ms
        ]
        return sorted(due, key=lambda waiting: -waiting.rows)

    def failing(self) -> dict[str, str]:
        """Return table -> why, of the tables that could not be served when it was last tried."""
        return {name: f"{type(error).__name__}: {error}" for name, error in list(self._retries.failing.items())}

    def fold_all(self, told: Callable[[int, int], None] = lambda done, total: None) -> list[FoldResult]:
        """Fold everything that is in the tail now. Raises a `HeadwaterError` where a fold failed, after all tables were tried.

        *told* hears after each table how many rows are done, of how many; where it raises, the work ends there.
        """
        folds: list[FoldResult] = []
        failures: dict[str, Exception] = {}
        backlog = self._ledger.backlog()
        total = sum(waiting.rows for waiting in backlog)
        for waiting in backlog:
            told(sum(fold.rows for fold in folds), total)
            self._retries.attempt(waiting.table, failures, partial(self._fold, waiting, folds))
        for table, failure in failures.items():
            if isinstance(failure, HeadwaterError):
                raise failure
            said = f"{type(failure).__name__}: {failure}"
            raise LedgerError(f"cannot fold table {table}: {said}; its rows stay in the ledger, where SQL sees them") from failure
        return folds

    def maintain(self) -> UpkeepDone:
        """Do what is due: folds, snapshot expiry, deletion of files nothing names. Call it every second or so.

        A table that fails, for whatever reason, is left for later, at growing intervals up to a minute, and does not keep the others
        from their turn. What is not tidied after a while is in the next call: where each table waits for a catalog that another process
        holds, who calls this is to be told of the first ones, and folds are due again.
        """
        now_ms, began = self._clock.now_ms(), self._clock.monotonic()
        folds: list[FoldResult] = []
        failures: dict[str, Exception] = {}
        tidied: list[tuple[int, int]] = []
        for waiting in self.due(now_ms):
            if self._retries.due(waiting.table):
                self._retries.attempt(waiting.table, failures, partial(self._fold, waiting, folds))
        if self._tidied_ms is None or now_ms - self._tidied_ms >= TIDY_EVERY_MS:
            self._tidied_ms = now_ms
            self._to_search.update(self._index.tables())
        if self._to_search:
            self._to_search.intersection_update(self._index.tables())  # some were dropped since
        for table in sorted(self._to_search | self._lake.untidy()):
            if self._clock.monotonic() - began > ROUND_S:
                break
            if not self._retries.due(table):  # else one that fails slowly, again and again, would take the others' time
                continue
            self._retries.attempt(table, failures, partial(self._tidy, table, table in self._to_search, tidied))
            self._to_search.discard(table)
        if self._retries.due(LEFTOVERS):
            self._retries.attempt(LEFTOVERS, failures, self._lake.sweep_leftovers)
        return UpkeepDone(folds, sum(snapshots for snapshots, _ in tidied), sum(files for _, files in tidied), failures)

    def _fold(self, waiting: Backlog, folds: list[FoldResult]) -> None:
        # Where one fails, those before it stay in the list.
        folds.extend(self._lake.fold_waiting(waiting.table, waiting.last_batch))

    def _tidy(self, table: str, search: bool, tidied: list[tuple[int, int]]) -> None:
        tidied.append(self._lake.tidy(table, search=search))
