"""ALTER TABLE of the lake's tables that people made: columns renamed, widened, moved and dropped, properties, another name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import pyarrow as pa
from pyiceberg.table import Table
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import DecimalType, DoubleType, FloatType, IcebergType, IntegerType, LongType

from headwater.catalog.schema import arrow_schema, canonical, iceberg_schema
from headwater.clock import Clock
from headwater.errors import ModelError, NotFound, Refused
from headwater.lake.change import CHANGES, MADE, Change, changes_of, noted
from headwater.lake.compact import read_rows
from headwater.lake.iceberg import live_files
from headwater.lake.properties import check_names, checked, unset
from headwater.lake.rewrite import TableChanges
from headwater.lake.transaction import SteadyTransaction
from headwater.lake.writer import Lake

_TRANSFORM = re.compile(r"(\w+)(?:\[(\d+)\])?")
_KEPT = ("vacuum_", "optimize_", "write_")


class Alterations:
    """Changes what tables are, each change once: asked again with the id of one that is done, it does nothing.

    Every method raises `Refused`: TABLE_NOT_FOUND, COLUMN_NOT_FOUND, and NOT_SUPPORTED for a table of events, which is as its class says.
    """

    def __init__(self, lake: Lake, tables: TableChanges, clock: Clock) -> None:
        self._lake, self._tables, self._clock = lake, tables, clock

    def drop_column(self, change_id: str, table: str, column: str) -> None:
        """Take a column away; its values stay in the files, and in older states of the table."""

        def edit(loaded: Table, update: UpdateSchema) -> None:
            name = _column(loaded, column)
            _check_free(loaded, name)
            if len(loaded.schema().fields) == 1:
                raise Refused("NOT_SUPPORTED", f"{name} is the only column of {table}")
            update.delete_column(name)

        self._edit(change_id, table, edit)

    def change_column(
        self,
        change_id: str,
        table: str,
        column: str,
        schema: pa.Schema,
        *,
        comment: str = "",
        first: bool = False,
        after: str | None = None,
    ) -> None:
        """Give a column the name and the type of the one in *schema*, and a comment and another place where those are said.

        A type becomes one that holds all its values: int bigint, float double, a decimal one of more digits. Raises `Refused`:
        TYPE_MISMATCH for any other, COLUMN_ALREADY_EXISTS.
        """
        new, wanted = schema.names[0].lower(), _canonical(schema)

        def edit(loaded: Table, update: UpdateSchema) -> None:
            name = _column(loaded, column)
            same = _plain(arrow_schema(loaded).field(name)).type == wanted.field(0).type
            if new != name.lower() and new in {field.name.lower() for field in loaded.schema().fields}:
                raise Refused("COLUMN_ALREADY_EXISTS", f"Column '{new}' already exists")
            if new != name.lower() or not same:
                _check_free(loaded, name)
            if not same:
                was, now = loaded.schema().find_field(name).field_type, iceberg_schema(wanted).fields[0].field_type
                if not _holds(now, was):
                    raise Refused(
                        "TYPE_MISMATCH",
                        f"column '{name}' of {table} is {was} and cannot become {now}: int becomes bigint, float double, "
                        "and a decimal one of more digits with the same scale; add a column for anything else",
                    )
                update.update_column(name, field_type=now)
            if comment:
                update.update_column(name, doc=comment)
            if new != name:
                update.rename_column(name, new)
            if after is not None:
                update.move_after(name, _column(loaded, after))
            elif first:
                update.move_first(name)

        self._edit(change_id, table, edit)

    def set_properties(self, change_id: str, table: str, properties: Mapping[str, str], removed: Sequence[str] = ()) -> None:
        """Set properties as Athena calls them, and take others away. Raises `Refused`: INVALID_TABLE_PROPERTY, NOT_SUPPORTED."""
        check_names(removed)
        kept = unset(removed) | checked(properties)
        with self._lake.held(table) as loaded:
            self._check(loaded, table)
            if change_id in changes_of(loaded):
                return
            gone = [name.lower() for name in removed if name.lower() in loaded.properties]
            with SteadyTransaction(loaded) as transaction:
                if gone:
                    transaction.remove_properties(*gone)
                transaction.set_properties({**kept, CHANGES: self._noted(loaded, change_id)})
            self._lake.reload(table)

    def rename(self, change_id: str, table: str, to: str) -> None:
        """Give the table another name: a copy under it takes the place of the table, whose older states are gone.

        Folders of the lake have the names of their tables, so the rows are written anew. Raises `Refused`: ALREADY_EXISTS, and
        ICEBERG_COMMIT_ERROR where rows were changed meanwhile.
        """
        loaded, made = self._find(table), self._find(to)
        if made is not None and change_id not in changes_of(made):
            raise Refused("ALREADY_EXISTS", f"Table '{to}' already exists")
        if loaded is None:
            if made is not None:
                return  # asked again, and done
            raise Refused("TABLE_NOT_FOUND", f"there is no table {table} in the lake")
        self._check(loaded, table)
        names = {field.field_id: field.name for field in loaded.schema().fields}
        self._tables.create(
            change_id,
            to,
            pa.schema([_plain(field) for field in arrow_schema(loaded)]),
            partitioning=[_partitioned(str(field.transform), names[field.source_id]) for field in loaded.spec().fields],
            properties={name: value for name, value in loaded.properties.items() if name.startswith(_KEPT)},
            rows=read_rows(loaded, self._lake.store, list(live_files(loaded))),
        )
        with self._lake.held(table) as now:
            if now.metadata.current_snapshot_id != loaded.metadata.current_snapshot_id:
                self._lake.drop(to)
                raise Refused("ICEBERG_COMMIT_ERROR", f"Failed to commit: rows of {table} were changed while it was renamed")
            self._lake.drop(table)

    def _edit(self, change_id: str, table: str, edit: Callable[[Table, UpdateSchema], None]) -> None:
        with self._lake.held(table) as loaded:
            self._check(loaded, table)
            if change_id in changes_of(loaded):
                return
            with SteadyTransaction(loaded) as transaction:
                with transaction.update_schema(case_sensitive=False) as update:
                    edit(loaded, update)
                transaction.set_properties({CHANGES: self._noted(loaded, change_id)})
            self._lake.reload(table)

    def _find(self, table: str) -> Table | None:
        with suppress(NotFound), self._lake.held(table) as loaded:
            return loaded
        return None

    def _check(self, loaded: Table, table: str) -> None:
        if MADE not in loaded.properties:
            raise Refused(
                "NOT_SUPPORTED",
                f"{table} is a table of events: its columns are the fields of its event class, which is where they are added; a column of "
                "another type or name is a new field, or a new class with a table of its own. ALTER TABLE changes tables of your own",
            )

    def _noted(self, loaded: Table, change_id: str) -> str:
        return noted(loaded, Change(change_id, "ALTER", 0, 0, self._clock.now_ms()))


def _column(loaded: Table, name: str) -> str:
    """Return a column's name as the table has it."""
    found = next((field.name for field in loaded.schema().fields if field.name.lower() == name.lower()), None)
    if found is None:
        raise Refused(
            "COLUMN_NOT_FOUND", f"Column '{name}' does not exist; there are: {', '.join(field.name for field in loaded.schema().fields)}"
        )
    return found


def _check_free(loaded: Table, name: str) -> None:
    """Raise `Refused` for a column by which the table's files are kept apart."""
    if loaded.schema().find_field(name).field_id in {field.source_id for spec in loaded.specs().values() for field in spec.fields}:
        raise Refused("NOT_SUPPORTED", f"the table is partitioned by '{name}', which stays as it is; CREATE TABLE AS makes another table")


def _holds(wide: IcebergType, narrow: IcebergType) -> bool:
    """Return whether every value of one type is one of another that Iceberg widens it to."""
    match narrow, wide:
        case (IntegerType(), LongType()) | (FloatType(), DoubleType()):
            return True
        case DecimalType(), DecimalType():
            return narrow.scale == wide.scale and narrow.precision < wide.precision
    return False


def _canonical(schema: pa.Schema) -> pa.Schema:
    try:
        return canonical(schema, exact=True)
    except ModelError as error:
        raise Refused("NOT_SUPPORTED", str(error)) from error


def _plain(field: pa.Field[pa.DataType]) -> pa.Field[pa.DataType]:
    """Return a column without the ids that its parts have in one table."""
    return pa.field(field.name, _canonical(pa.schema([pa.field(field.name, _bare(field.type))])).field(0).type)


def _bare(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(each.name, _bare(each.type)) for each in kind])
    if pa.types.is_map(kind):
        return pa.map_(_bare(kind.key_type), _bare(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_bare(kind.value_type))
    return kind


def _partitioned(transform: str, column: str) -> tuple[str, str, int | None]:
    """Return transform, column and number of `bucket[16]`."""
    found = _TRANSFORM.fullmatch(transform)
    assert found is not None
    return found[1], column, int(found[2]) if found[2] else None
