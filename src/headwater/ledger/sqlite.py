"""The ledger in one SQLite file: a batch is one transaction, synced before `commit` returns."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from headwater.errors import HeadwaterError, LedgerBroken, LedgerError, NoLedger, ProjectError, Unavailable
from headwater.integrity import suspect
from headwater.ledger import Account, Backlog, FateCount, FateTotal, LedgerBatch, Removal, Rows, TailRows
from headwater.ledger.checkpoint import Checkpoint
from headwater.sqlite import DAMAGED, UNSYNCED, SyncedConnection, connect, file_of, transaction

FORMAT = 1

# Sequence numbers reach 2**128 and SQLite's integers 2**63, so they are kept as 39 digits, whose text order is their order.
SCHEMA = """
CREATE TABLE positions (pipe TEXT, shard TEXT, upto TEXT NOT NULL, PRIMARY KEY (pipe, shard)) WITHOUT ROWID;
CREATE TABLE batches (
  number INTEGER PRIMARY KEY AUTOINCREMENT, pipe TEXT NOT NULL, shard TEXT NOT NULL,
  after TEXT NOT NULL, upto TEXT NOT NULL, at_ms INTEGER NOT NULL
);
CREATE TABLE tail (
  table_name TEXT, batch INTEGER, count INTEGER NOT NULL, last_ms INTEGER NOT NULL, size INTEGER NOT NULL, arrow BLOB NOT NULL,
  PRIMARY KEY (table_name, batch)
);
CREATE TABLE fate_counts (
  batch INTEGER, pipe TEXT, target TEXT, fate TEXT, rule TEXT, count INTEGER NOT NULL, PRIMARY KEY (batch, pipe, target, fate, rule)
) WITHOUT ROWID;
CREATE TABLE keys (minute INTEGER, batch INTEGER, at_ms INTEGER NOT NULL, keys BLOB NOT NULL, PRIMARY KEY (minute, batch)) WITHOUT ROWID;
CREATE INDEX keys_by_arrival ON keys (at_ms);
"""

# Made also where a ledger of before has none: nothing that reads the others is touched by them.
LAKE_TABLES = "CREATE TABLE IF NOT EXISTS lake_tables (name TEXT PRIMARY KEY, state TEXT) WITHOUT ROWID"
REMOVALS = """
CREATE TABLE IF NOT EXISTS removals (
  job TEXT, table_name TEXT, kind TEXT NOT NULL, rows INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (job, table_name)
) WITHOUT ROWID
"""

# Where the counts of forgotten batches add up; real batches start at 1.
FORGOTTEN = 0

# A sync that failed may have lost pages the kernel now calls clean: nothing this connection says later can be believed.
_FINAL = UNSYNCED | DAMAGED


class SqliteLedger:
    """`LedgerDatabase` on `sqlite:///file`; safe to share between threads.

    A busy or full disk raises `Unavailable` and leaves nothing of the batch. A failed sync and every call after it raise
    `LedgerBroken` until the ledger is opened again: then, and only then, is it known whether that batch was written.
    """

    def __init__(self, url: str, *, read_only: bool = False, busy_s: float = 10.0) -> None:
        self._path = file_of(url, "a ledger").absolute()
        self._broken: str | None = None
        if read_only and not self._path.exists():
            raise NoLedger(f"no ledger at {self._path}; it is written by the worker: start `headwater serve` first")
        self._lock, self._read_lock = threading.Lock(), threading.Lock()
        with self._failures("open"):
            self._reader = self._connect(read_only=read_only, busy_s=busy_s)
            self._writer = self._reader if read_only else self._connect(read_only=False, busy_s=busy_s, check=True)
            if read_only:
                self._lock = self._read_lock
                self._check_format()
                self._checkpoint = None
                return
            self._create()
        self._checkpoint = Checkpoint(self._path, self._lock)

    def commit(self, batch: LedgerBatch) -> int:
        """Write the whole batch in one durable transaction and return its number.

        Raises `LedgerError` if the shard's position is not `batch.after`, `Unavailable` if it cannot be written now.
        """
        with self._transaction("commit a batch") as sql:
            found = sql.execute("SELECT upto FROM positions WHERE pipe = ? AND shard = ?", (batch.pipe, batch.shard_id)).fetchone()
            stands = int(found[0]) if found else 0
            if stands != batch.after or batch.upto < batch.after:
                raise LedgerError(
                    f"pipe {batch.pipe!r} stands at {stands} in {batch.shard_id}; "
                    f"a batch of ({batch.after}, {batch.upto}] does not continue there"
                )
            sql.execute("REPLACE INTO positions VALUES (?, ?, ?)", (batch.pipe, batch.shard_id, _digits(batch.upto)))
            return _insert(sql, batch)

    def positions(self) -> dict[tuple[str, str], int]:
        """Return (pipe, shard id) -> the last sequence number consumed."""
        with self._snapshot() as sql:
            return _positions(sql)

    def tail(
        self,
        after: Mapping[str, int] | None = None,
        tables: Sequence[str] | None = None,
        limit_rows: int | None = None,
        limit_bytes: int | None = None,
    ) -> list[TailRows]:
        """Return unfolded rows in batch order from ONE read transaction.

        *limit_rows* and *limit_bytes* stop each table at the first batch that reaches one of them, so that a backlog is taken in pieces.
        """
        found: list[TailRows] = []
        with self._snapshot() as sql:
            if tables is None:
                tables = [name for (name,) in sql.execute("SELECT DISTINCT table_name FROM tail")]
            for table in set(tables):
                rows = size = 0
                for number, count, last_ms, arrow, pipe, shard, upto in sql.execute(
                    "SELECT t.batch, t.count, t.last_ms, t.arrow, b.pipe, b.shard, b.upto FROM tail t JOIN batches b ON b.number = t.batch"
                    " WHERE t.table_name = ? AND t.batch > ? ORDER BY t.batch",
                    (table, (after or {}).get(table, 0)),
                ):
                    found.append(TailRows(number, table, Rows(count, arrow, last_ms), pipe, shard, int(upto)))
                    rows, size = rows + count, size + len(arrow)
                    if (limit_rows is not None and rows >= limit_rows) or (limit_bytes is not None and size >= limit_bytes):
                        break
        return sorted(found, key=lambda t: (t.batch, t.table))

    def backlog(self) -> list[Backlog]:
        """Return what the tail holds of each table, without reading the rows."""
        with self._snapshot() as sql:
            return [
                Backlog(*row)
                for row in sql.execute(
                    "SELECT t.table_name, SUM(t.count), SUM(t.size), MIN(b.at_ms), MAX(t.batch)"
                    " FROM tail t JOIN batches b ON b.number = t.batch GROUP BY t.table_name"
                )
            ]

    def fold(self, table: str, upto_batch: int, state: str | None = None) -> None:
        """Forget the tail rows of *table* up to that batch: they are in the lake now, in that *state* of it."""
        with self._transaction("fold") as sql:
            sql.execute("DELETE FROM tail WHERE table_name = ? AND batch <= ?", (table, upto_batch))
            if state is not None:
                sql.execute("REPLACE INTO lake_tables VALUES (?, ?)", (table, state))

    def withdraw(self, part: TailRows, kept: Rows, letters: Mapping[str, Rows], fates: Sequence[FateCount], at_ms: int) -> None:
        """Leave only the rows *kept* of a batch in a table's tail, in one transaction with the letters and fates of the others."""
        with self._transaction("take rows out of the tail") as sql:
            changed = sql.execute(
                "UPDATE tail SET count = ?, last_ms = ?, size = ?, arrow = ? WHERE table_name = ? AND batch = ?",
                (kept.count, kept.last_ms, len(kept.arrow), kept.arrow, part.table, part.batch),
            ).rowcount
            if changed:
                stands = _positions(sql).get((part.pipe, part.shard_id), part.upto)
                _insert(sql, LedgerBatch(part.pipe, part.shard_id, stands, stands, letters, fates, {}, at_ms))

    def settled(self, folding: tuple[str, int] | None = None) -> dict[tuple[str, str], int]:
        """Return (pipe, shard id) -> the number up to which every row of every table is in the lake.

        *folding* (table, batch): answer as if that fold had been done already.
        """
        table, upto = folding or ("", -1)
        with self._snapshot() as sql:
            floors = _positions(sql)
            for pipe, shard, after in sql.execute(
                "SELECT b.pipe, b.shard, MIN(b.after) FROM (SELECT DISTINCT batch FROM tail WHERE NOT (table_name = ? AND batch <= ?)) t"
                " JOIN batches b ON b.number = t.batch GROUP BY b.pipe, b.shard",
                (table, upto),
            ):
                floors[pipe, shard] = int(after)
        return floors

    def last_batch(self) -> int:
        """Return the highest number a batch ever had here, 0 if there was none."""
        with self._snapshot() as sql:
            return _last_batch(sql)

    def seed(self, first_batch: int, positions: Mapping[tuple[str, str], int]) -> None:
        """Continue where a lost ledger ended: number batches from *first_batch* and start no lower than *positions*.

        Raises `LedgerError` and changes nothing if a batch here already has that number or a higher one.
        """
        with self._transaction("seed") as sql:
            if (last := _last_batch(sql)) >= first_batch:
                raise LedgerError(f"cannot number batches from {first_batch}: this ledger has batch {last} already")
            sql.execute("DELETE FROM sqlite_sequence WHERE name = 'batches'")
            sql.execute("INSERT INTO sqlite_sequence VALUES ('batches', ?)", (first_batch - 1,))
            sql.executemany(
                "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET upto = MAX(upto, excluded.upto)",
                [(pipe, shard, _digits(n)) for (pipe, shard), n in positions.items()],
            )

    def fate_counts(self, last_batches: int | None = None) -> list[FateTotal]:
        """Return the counts summed over all batches ever, or over the newest *last_batches* only."""
        with self._snapshot() as sql:
            return _fates(sql, FORGOTTEN if last_batches is None else _last_batch(sql) - last_batches + 1)

    def account(self) -> Account:
        """Return all fates and the positions they account for, from one read transaction."""
        with self._snapshot() as sql:
            return Account(_positions(sql), _fates(sql, FORGOTTEN))

    def forget(self, before_ms: int) -> int:
        """Add up the fates of batches committed before *before_ms* into one row each, drop those batches, return how many.

        Totals stay exact. A batch with rows still in the tail stays.
        """
        old = "number IN (SELECT number FROM batches WHERE at_ms < ? AND number NOT IN (SELECT batch FROM tail))"
        with self._transaction("forget old batches") as sql:
            sql.execute(
                "INSERT INTO fate_counts SELECT ?, f.pipe, f.target, f.fate, f.rule, SUM(f.count)"
                f" FROM fate_counts f JOIN batches b ON b.number = f.batch WHERE b.{old}"
                " GROUP BY f.pipe, f.target, f.fate, f.rule ON CONFLICT DO UPDATE SET count = count + excluded.count",
                (FORGOTTEN, before_ms),
            )
            sql.execute(f"DELETE FROM fate_counts WHERE batch IN (SELECT number FROM batches WHERE {old})", (before_ms,))
            return sql.execute(f"DELETE FROM batches WHERE {old}", (before_ms,)).rowcount

    def remove(self, removals: Sequence[Removal]) -> None:
        """Remember removals durably; one that is known by its job and table is not counted again."""
        with self._transaction("note what was removed") as sql:
            sql.executemany("INSERT INTO removals VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", removals)

    def removals(self) -> list[Removal]:
        """Return all removals there ever were, oldest first."""
        with self._snapshot() as sql:
            if sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'removals'").fetchone() is None:
                return []  # no worker has opened this ledger since there are any
            query = "SELECT job, table_name, kind, rows, at_ms FROM removals ORDER BY at_ms, job, table_name"
            return [Removal(*row) for row in sql.execute(query)]

    def note_tables(self, states: Mapping[str, str | None]) -> None:
        """Remember the newest state of tables; None = what lies in its folders may be deleted."""
        with self._transaction("note the state of tables") as sql:
            sql.executemany("REPLACE INTO lake_tables VALUES (?, ?)", states.items())

    def noted_tables(self) -> dict[str, str | None]:
        """Return what was remembered."""
        with self._snapshot() as sql:
            if sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'lake_tables'").fetchone() is None:
                return {}  # no worker has opened this ledger since tables are noted
            return dict(sql.execute("SELECT name, state FROM lake_tables").fetchall())

    def forget_tables(self, names: Iterable[str]) -> None:
        """Forget tables of which nothing is left."""
        with self._transaction("forget tables") as sql:
            sql.executemany("DELETE FROM lake_tables WHERE name = ?", [(name,) for name in names])

    def keys(self, minute: int) -> bytes:
        """Return all keys of that client-timestamp minute, joined, 16 bytes each, in any order."""
        with self._snapshot() as sql:
            return b"".join(blob for (blob,) in sql.execute("SELECT keys FROM keys WHERE minute = ?", (minute,)))

    def forget_keys(self, before_ms: int) -> int:
        """Drop keys that last arrived before *before_ms*; return how many."""
        with self._transaction("forget old keys") as sql:
            dropped = sql.execute("SELECT COALESCE(SUM(LENGTH(keys)), 0) FROM keys WHERE at_ms < ?", (before_ms,)).fetchone()[0]
            sql.execute("DELETE FROM keys WHERE at_ms < ?", (before_ms,))
        return int(dropped) // 16

    def close(self) -> None:
        """Let go of the files."""
        if self._checkpoint:
            self._checkpoint.stop()
        self._writer.close()
        self._reader.close()

    def _connect(self, *, read_only: bool, busy_s: float, check: bool = False) -> SyncedConnection:
        sql = connect(self._path, read_only=read_only, busy_s=busy_s, check=check)
        if not read_only:
            # Some builds of SQLite overwrite what is deleted with zeros: every row would go through log and database twice.
            sql.execute("PRAGMA secure_delete = OFF")
            # The checkpoint thread keeps the log short; this is the net for a disk on which it cannot keep up (256 MB).
            sql.execute("PRAGMA wal_autocheckpoint = 65536")
        return sql

    def _create(self) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        if not self._writer.execute("PRAGMA user_version").fetchone()[0]:
            for statement in SCHEMA.split(";\n"):
                self._writer.execute(statement)
            self._writer.execute(f"PRAGMA user_version = {FORMAT}")
        self._writer.execute("COMMIT")
        self._check_format()
        self._writer.execute(REMOVALS)
        self._writer.execute(LAKE_TABLES)

    def _check_format(self) -> None:
        found = self._reader.execute("PRAGMA user_version").fetchone()[0]
        if not 0 < found <= FORMAT:
            self._writer.close()
            self._reader.close()
            if not found:
                raise NoLedger(f"no ledger at {self._path}, only its empty file; the worker makes its tables when it next starts")
            raise ProjectError(
                f"{self._path} has ledger format {found} and this Headwater reads {FORMAT}; use the version that wrote it, or a newer one"
            )

    @contextmanager
    def _transaction(self, doing: str) -> Iterator[sqlite3.Connection]:
        if self._checkpoint is None:
            raise LedgerError(f"cannot {doing}: this ledger is open for reading only")
        with self._lock, self._failures(doing), transaction(self._writer):
            yield self._writer
        self._checkpoint.wake()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        with self._read_lock, self._failures("read"), transaction(self._reader, "BEGIN"):
            yield self._reader

    @contextmanager
    def _failures(self, doing: str) -> Iterator[None]:
        if self._broken:
            raise LedgerBroken(f"cannot {doing}: the ledger {self._path} must be opened again after: {self._broken}")
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            if name in _FINAL:
                self._broken = f"{error} ({name})"
            if name in DAMAGED and self._path.exists():
                suspect(self._path)
            raise _refusal(doing, self._path, error, name) from error


def _insert(sql: sqlite3.Connection, batch: LedgerBatch) -> int:
    number: int = sql.execute(
        "INSERT INTO batches (pipe, shard, after, upto, at_ms) VALUES (?, ?, ?, ?, ?) RETURNING number",
        (batch.pipe, batch.shard_id, _digits(batch.after), _digits(batch.upto), batch.at_ms),
    ).fetchone()[0]
    sql.executemany(
        "INSERT INTO tail VALUES (?, ?, ?, ?, ?, ?)",
        [(table, number, rows.count, rows.last_ms, len(rows.arrow), rows.arrow) for table, rows in batch.rows.items()],
    )
    sql.executemany(
        "INSERT INTO fate_counts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(number, batch.pipe, f.target, f.fate, f.rule, f.count) for f in batch.fates],
    )
    sql.executemany("INSERT INTO keys VALUES (?, ?, ?, ?)", [(minute, number, batch.at_ms, blob) for minute, blob in batch.keys.items()])
    return number


def _digits(number: int) -> str:
    return f"{number:039d}"


def _positions(sql: sqlite3.Connection) -> dict[tuple[str, str], int]:
    return {(pipe, shard): int(upto) for pipe, shard, upto in sql.execute("SELECT pipe, shard, upto FROM positions")}


def _last_batch(sql: sqlite3.Connection) -> int:
    found = sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batches'").fetchone()
    return int(found[0]) if found else 0


def _fates(sql: sqlite3.Connection, first_batch: int) -> list[FateTotal]:
    query = "SELECT pipe, target, fate, rule, SUM(count) FROM fate_counts WHERE batch >= ? GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    return [FateTotal(*row) for row in sql.execute(query, (first_batch,))]


def _refusal(doing: str, path: Path, error: sqlite3.Error, name: str) -> HeadwaterError:
    if name in UNSYNCED:
        return LedgerBroken(f"cannot {doing}: the disk of {path} did not sync it, so it must be opened again: {error} ({name})")
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        return Unavailable(f"cannot {doing}: no room or no access on the disk of {path}: {error} ({name})")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(f"cannot {doing}: another process holds {path}: {error} ({name})")
    if name == "SQLITE_READONLY_ROLLBACK":  # only a file that is not yet in WAL mode has a journal to roll back
        return NoLedger(f"no ledger at {path}, only one whose worker died while it made it; it is made when the worker next starts")
    if name == "SQLITE_CANTOPEN":
        return ProjectError(f"cannot {doing}: {path} cannot be opened: {error}; is the folder there, and may this process write to it?")
    if name in DAMAGED:
        return ProjectError(f"cannot {doing}: {path} is damaged: {error} ({name}); restore it, or move it away to rebuild it from the lake")
    return LedgerError(f"cannot {doing} in {path}: {error} ({name})")
