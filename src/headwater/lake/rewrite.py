"""What statements change of the lake's tables: tables made, rows added, days written anew, small files put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
from pyiceberg.table import Table
from pyiceberg.types import NestedField

from headwater.catalog.made import Partitioning
from headwater.catalog.names import NAME
from headwater.catalog.partition import day_position
from headwater.catalog.schema import canonical, iceberg_schema
from headwater.clock import Clock
from headwater.errors import HeadwaterError, ModelError, NotFound, Refused, Unavailable
from headwater.lake.change import MADE, Change, changes_of
from headwater.lake.compact import pieces, read_rows
from headwater.lake.iceberg import live_entries, live_files
from headwater.lake.output import FILE_BYTES, TableOutput
from headwater.lake.parquet import WrittenFile
from headwater.lake.plan import DataFile
from headwater.lake.properties import MAX_AGE, MIN_COUNT, checked, sizes
from headwater.lake.snapshots import Keep
from headwater.lake.writer import Lake

PIN_S = 3_600.0
"""For how long the snapshot that a statement reads is kept for it."""

Rows = Iterable[pa.Table]


class PinnedState(NamedTuple):
    """The state of a table that a statement reads, None for one without rows, and whether its files are of one day each."""

    snapshot_id: int | None
    by_day: bool


class TableChanges:
    """Changes the tables of *lake*, each change once: asked again with the id of one that is done, it answers what that was.

    *fed*: the tables that events come into. *scratch*: a folder for files that are being written. Safe to share between threads; only
    the last step of a change keeps others waiting.
    """

    def __init__(
        self,
        lake: Lake,
        fed: Collection[str],
        scratch: Path,
        clock: Clock,
        *,
        file_bytes: int = FILE_BYTES,
        step: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._lake, self._fed, self._scratch, self._clock = lake, frozenset(fed), scratch, clock
        self._file_bytes, self._step = file_bytes, step
        scratch.mkdir(parents=True, exist_ok=True)

    def create(
        self,
        change_id: str,
        table: str,
        schema: pa.Schema,
        *,
        partitioning: Partitioning = (),
        properties: Mapping[str, str] | None = None,
        rows: Rows = (),
        if_not_exists: bool = False,
    ) -> Change:
        """Make a table, with *rows* in it. Raises `Refused` with ALREADY_EXISTS, or NOT_SUPPORTED for what no table can hold."""
        if not all(NAME.fullmatch(part) for part in table.split(".", 1)):
            raise Refused("INVALID_TABLE_NAME", f"{table!r} cannot be the name of a table")
        if (there := self._find(table)) is not None:
            if (done := changes_of(there).get(change_id)) is not None:
                return done
            if if_not_exists:
                return self._change(change_id, "CREATE")
            raise Refused("ALREADY_EXISTS", f"Table '{table}' already exists")
        kept = checked(properties or {})
        with self._lake.writing(table):
            new = self._lake.stage(table, schema, partitioning, {**kept, MADE: "sql"})
            files, count = self._write(table, new.table, rows)
            change = self._change(change_id, "CREATE", rows=count)
            self._lake.create(new, table, change, files)
        return change

    def insert(self, change_id: str, table: str, rows: Rows) -> Change:
        """Add rows to a table that people made. Raises `Refused` for one that events come into."""
        if table in self._fed:
            raise Refused("NOT_SUPPORTED", f"rows of {table} come in as events: send events, or INSERT INTO a table of your own")
        loaded = self._table(table)
        if (done := changes_of(loaded).get(change_id)) is not None:
            return done
        with self._lake.writing(table):
            files, count = self._write(table, loaded, rows)
            change = self._change(change_id, "INSERT", rows=count)
            return self._commit(table, change, files, ())

    def pin(self, table: str) -> PinnedState:
        """Put what waits of the table into files and return the state that has it all; it is kept for an hour."""
        for _ in self._lake.fold_waiting(table):
            pass
        self._table(table)
        with self._lake.held(table) as loaded:
            snapshot = loaded.metadata.current_snapshot()
            if snapshot is not None and snapshot.schema_id != loaded.metadata.current_schema_id:
                # Who reads a snapshot sees the columns of its time.
                self._lake.renew(table)
                snapshot = loaded.metadata.current_snapshot()
        if snapshot is not None:
            self._lake.pin(snapshot.snapshot_id, PIN_S)
        return PinnedState(snapshot.snapshot_id if snapshot else None, day_position(loaded.spec(), loaded.schema()) is not None)

    def replace(
        self,
        change_id: str,
        kind: str,
        table: str,
        snapshot_id: int | None,
        days: Sequence[int | None] | None,
        rows: Rows,
        *,
        changed: int = 0,
        inserted: int = 0,
        deleted: int | None = None,
    ) -> Change:
        """Put *rows* in the place of all rows of *days* (None: of all days) that the snapshot has; what came since stays.

        The counts are what the statement says of its rows: where what it gave does not add up to what the snapshot had, nothing is
        changed. *deleted* None: as many as are missing. Raises `Refused`: ICEBERG_COMMIT_ERROR if other rows were changed meanwhile, so
        that the statement may be tried again.
        """
        if inserted and table in self._fed:
            raise Refused("NOT_SUPPORTED", f"rows of {table} come in as events: a MERGE may update and delete them, not insert any")
        loaded = self._table(table)
        if (done := changes_of(loaded).get(change_id)) is not None:
            return done
        old = _files_of(loaded, table, snapshot_id, days)
        with self._lake.writing(table):
            files, count = self._write(table, loaded, rows)
            had = sum(file.rows for file in old)
            gone = had + inserted - count if deleted is None else deleted
            if gone < 0 or had + inserted - gone != count:
                self._forget(files)
                raise Refused("GENERIC_INTERNAL_ERROR", f"{kind} of {table} gave {count} rows for {had}, {inserted} new, {gone} gone")
            about = gone if kind == "DELETE" else changed
            change = self._change(change_id, kind, rows=about, removed=gone)
            return self._commit(table, change, files, [file.path for file in old])

    def compact(
        self, change_id: str, table: str, days: Sequence[int | None] | None = None, told: Callable[[int], None] = lambda rows: None
    ) -> Change:
        """Write the small files of *days* (None: of all days) anew as fewer, each partition by itself. Rows stay what they are.

        *told* hears before each part of the work how many rows are written anew; where it raises, the work ends there.
        """
        change = self._change(change_id, "OPTIMIZE")
        for piece in pieces(self._table(table), days, self._file_bytes):
            told(change.rows)
            with self._lake.writing(table):
                loaded = self._table(table)
                files, count = self._write(table, loaded, read_rows(loaded, self._lake.store, piece))
                had = sum(file.rows for file in piece)
                if count != had:
                    self._forget(files)
                    raise Refused("GENERIC_INTERNAL_ERROR", f"OPTIMIZE of {table} read {count} rows of {had}")
                change = msgspec.structs.replace(change, rows=change.rows + count)
                self._commit(table, change, files, [file.path for file in piece])
        return change

    def vacuum(self, table: str) -> tuple[int, int]:
        """Expire old snapshots and remove files that none names any more; return how many of each.

        How long snapshots are kept, a table's properties may say, as Athena calls them: `vacuum_max_snapshot_age_seconds` and
        `vacuum_min_snapshots_to_keep`.
        """
        told = self._table(table).properties
        age_s, count = told.get(MAX_AGE), told.get(MIN_COUNT, "1")
        return self._lake.tidy(table, keep=None if age_s is None else Keep(int(age_s) * 1_000, int(count)))

    def add_columns(self, table: str, schema: pa.Schema) -> None:
        """Add columns to a table that people made; rows there are have NULL in them. Raises `Refused`."""
        with self._lake.held(table) as loaded:
            if MADE not in loaded.properties:
                raise Refused("NOT_SUPPORTED", f"the columns of {table} are the fields of its event class: add them there")
            try:
                new = iceberg_schema(canonical(schema, exact=True)).fields
            except ModelError as error:
                raise Refused("NOT_SUPPORTED", str(error)) from error
            known = {field.name.lower() for field in loaded.schema().fields}
            if twice := [field.name for field in new if field.name.lower() in known]:
                raise Refused("COLUMN_ALREADY_EXISTS", f"Column '{twice[0]}' already exists")
            self._grow(loaded, new)
            self._lake.reload(table)

    def _find(self, table: str) -> Table | None:
        try:
            with self._lake.held(table) as loaded:
                return loaded
        except NotFound:
            return None

    def _table(self, table: str) -> Table:
        if (found := self._find(table)) is None:
            raise Refused("TABLE_NOT_FOUND", f"there is no table {table} in the lake")
        return found

    def _grow(self, table: Table, fields: Sequence[NestedField]) -> None:
        with table.update_schema() as update:
            for field in fields:
                update.add_column(field.name, field.field_type)

    def _write(self, table: str, loaded: Table, rows: Rows) -> tuple[list[WrittenFile], int]:
        output = TableOutput(
            loaded, self._lake.store, self._lake.data_folder(table), self._scratch, sizes(loaded.properties, self._file_bytes).target
        )
        try:
            with _readable(table):
                for part in rows:
                    output.write(part)
                    self._step("taken")
                files = output.finish()
        except Exception:
            output.discard()
            raise
        finally:
            output.close()
        self._step("written")
        return files, output.rows

    def _commit(self, table: str, change: Change, files: Sequence[WrittenFile], old: Collection[str]) -> Change:
        with self._lake.held(table) as loaded:
            if (done := changes_of(loaded).get(change.id)) is not None and change.kind != "OPTIMIZE":
                self._forget(files)
                return done
            live = live_entries(loaded) if old else {}
            if missing := [path for path in old if path not in live]:
                self._forget(files)
                raise Refused("ICEBERG_COMMIT_ERROR", f"Failed to commit: {len(missing)} files of {table} were changed meanwhile")
            self._lake.change(table, change, files, {path: live[path] for path in old})
        return change

    def _forget(self, files: Sequence[WrittenFile]) -> None:
        self._lake.store.delete(written.file.path for written in files)

    def _change(self, change_id: str, kind: str, *, rows: int = 0, removed: int = 0) -> Change:
        return Change(change_id, kind, rows, removed, self._clock.now_ms())


def _files_of(loaded: Table, name: str, snapshot_id: int | None, days: Sequence[int | None] | None) -> list[DataFile]:
    if snapshot_id is None:
        return []
    if (snapshot := loaded.metadata.snapshot_by_id(snapshot_id)) is None:
        raise Refused("ICEBERG_COMMIT_ERROR", f"Failed to commit: snapshot {snapshot_id} of {name} is not kept any more")
    return [file for file in live_files(loaded, snapshot) if days is None or file.day in days]


@contextmanager
def _readable(table: str) -> Iterator[None]:
    try:
        yield
    except HeadwaterError:
        raise
    except pa.ArrowException as error:
        raise Refused("ICEBERG_WRITER_DATA_ERROR", f"a value does not fit into {table}: {error}") from error
    except OSError as error:
        raise Unavailable(f"cannot write {table} now: {error}; nothing of it was changed") from error
