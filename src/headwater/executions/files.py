"""Statements that write plain files: what WITH (...) says of them, and the external table they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from headwater.catalog.entries import Entries
from headwater.catalog.formats import format_of, storage_of
from headwater.catalog.shapes import EXTERNAL, Column, Partition, Storage, Table
from headwater.dialect import QueryFailed
from headwater.dialect import TypedColumn as ResultColumn
from headwater.dialect.commands import CreateTableAs, TableName, Unload
from headwater.executions.catalog import hive_type
from headwater.executions.execution import Execution
from headwater.jobs.catalog import CreatePartitions
from headwater.jobs.tables import FileForm
from headwater.query.external import partition_folder
from headwater.query.external.projection import is_projected, projected_location
from headwater.query.external.properties import Properties as TableProperties
from headwater.query.external.properties import char, text_signs

Properties = Mapping[str, str | Sequence[str]]

_FORMATS = {"PARQUET": "parquet", "ORC": "orc", "JSON": "json", "TEXTFILE": "text"}
_SERDES = {"json": "org.openx.data.jsonserde.JsonSerDe"}
_HIVE_DELIMITER = "\x01"
_AT_ONCE = 100
_KNOWN = {
    "table_type", "format", "external_location", "location", "partitioned_by", "partitioning", "write_compression", "parquet_compression",
    "orc_compression", "compression", "compression_level", "is_external", "field_delimiter", "format_version", "bucketed_by",
    "bucket_count",
}  # fmt: skip


class FilePlan(NamedTuple):
    """Where and how rows become files; *columns* are all of them in order, *entry* the table to make, None where there is one or none.

    *escape* is the sign before one that is meant, '' for none, *null* what stands for NULL, *header* whether the first line of a file names
    the columns, *members* by which name a column's values are found in a line of JSON, where that is another than its own.
    *places* are of partitions that lie elsewhere than their values say, *template* says where all of them lie, None = beneath *location*.
    """

    location: str
    format: str
    compression: str | None
    partitioned_by: tuple[str, ...]
    delimiter: str
    columns: tuple[str, ...]
    entry: Table | None = None
    places: tuple[tuple[Sequence[str], str], ...] = ()
    template: str | None = None
    escape: str = ""
    null: str = "\\N"
    header: bool = False
    members: Mapping[str, str] = {}

    def form(self) -> FileForm:
        """Return what the job needs to know of it."""
        return FileForm(
            location=self.location,
            format=self.format,
            compression=self.compression,
            partitioned_by=list(self.partitioned_by),
            delimiter=self.delimiter,
            places=[(list(values), location) for values, location in self.places],
            template=self.template,
            escape=self.escape,
            null=self.null,
            header=self.header,
            members=self.members,
        )


class Files:
    """Makes out what a statement says of files, and what the catalog does. Raises `QueryFailed` for what is not possible."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    def plan(self, execution: Execution, command: CreateTableAs, columns: Sequence[ResultColumn]) -> FilePlan | None:
        """Return what a CREATE TABLE AS asks for, None where that is a table of the lake."""
        given = command.properties
        check_properties(given)
        if not is_hive(given):
            return None
        if "partitioning" in given:
            raise QueryFailed("INVALID_TABLE_PROPERTY", "partitioning is for table_type 'ICEBERG'; files have partitioned_by")
        if given.get("bucketed_by"):
            raise QueryFailed("NOT_SUPPORTED", "bucketed_by is not supported for files; partitioned_by, or table_type 'ICEBERG', is")
        location = str(given.get("external_location") or given.get("location") or f"{execution.location}/")
        plan = _plan(given, location, [each.name for each in columns], default="PARQUET")
        if plan.format == "orc":
            raise QueryFailed("NOT_SUPPORTED", "a table of ORC files cannot be read here; use PARQUET or JSON, or UNLOAD to ORC")
        kinds = [Column(each.name, hive_type(each.type)) for each in columns]
        delimited = {} if plan.delimiter == _HIVE_DELIMITER else {"field.delim": plan.delimiter, "serialization.format": plan.delimiter}
        stored = "PARQUET" if plan.format == "parquet" else "TEXTFILE"
        _, storage = storage_of(stored, _SERDES.get(plan.format), None, None, delimited)
        keys = [each for each in kinds if each.name in plan.partitioned_by]
        table = Table(
            command.table.name,
            storage_descriptor=replace(storage, columns=[each for each in kinds if each not in keys], location=location),
            partition_keys=keys,
            table_type=EXTERNAL,
            parameters={"EXTERNAL": "TRUE"},
        )
        return plan._replace(entry=table)

    def plan_of(self, name: TableName) -> FilePlan | None:
        """Return how rows are added to an external table, None for one that is none."""
        found = self._entries.table(*name)
        if found is None or found.table.is_view:
            return None
        table = found.table
        form = format_of(table)
        if form == "csv":
            raise QueryFailed("NOT_SUPPORTED", f"rows cannot be inserted into {name.name}: its SerDe reads files only; use PARQUET or JSON")
        storage = table.storage_descriptor
        keys = tuple(each.name for each in table.partition_keys)
        columns = (*(each.name for each in storage.columns), *keys)
        plan = FilePlan(storage.location or "", form, None if form == "parquet" else "none", keys, _HIVE_DELIMITER, columns)
        if form != "parquet":
            plan = _as_read(plan, table)
        if is_projected(table):
            return plan._replace(template=projected_location(table, {key: f"${{{key}}}" for key in keys}))
        return plan._replace(places=tuple(self._elsewhere(name, table)))

    def _elsewhere(self, name: TableName, table: Table) -> Iterator[tuple[Sequence[str], str]]:
        for values, location in self._entries.places(*name):
            if location is not None and location.rstrip("/") != partition_folder(table, values).rstrip("/"):
                yield values, location

    def unload(self, command: Unload, columns: Sequence[ResultColumn]) -> FilePlan:
        """Return what an UNLOAD asks for."""
        check_properties(command.properties)
        if "format" not in command.properties:
            raise QueryFailed("INVALID_TABLE_PROPERTY", "UNLOAD needs WITH (format = 'PARQUET'), or ORC, JSON or TEXTFILE")
        return _plan(command.properties, command.location, [each.name for each in columns], default="")

    def add_partitions(self, ask: Callable[[CreatePartitions, str], object], name: TableName, values: Sequence[Sequence[str]]) -> None:
        """Put the partitions that have files into the catalog; those that are there stay as they are."""
        found = self._entries.table(*name)
        if found is None or not values or is_projected(found.table):
            return
        made = [Partition(list(each), Storage(location=partition_folder(found.table, each))) for each in values]
        for at in range(0, len(made), _AT_ONCE):
            job = CreatePartitions(database=name.database, name=name.name, partitions=made[at : at + _AT_ONCE])
            ask(job, f" {at}")


def _as_read(plan: FilePlan, table: Table) -> FilePlan:
    """Return the plan whose lines the table's readers read back as the values they were."""
    given = TableProperties(table)
    if given.skipped > 1 or (given.skipped and plan.format == "json"):
        raise QueryFailed(
            "NOT_SUPPORTED",
            f"rows cannot be inserted into {table.name}: its readers skip {given.skipped} lines of each file; at most 1 of text",
        )
    if given.text("timestamp.formats", ""):
        raise QueryFailed(
            "NOT_SUPPORTED", f"rows cannot be inserted into {table.name}: it has timestamp.formats, by which files are only read"
        )
    signs = text_signs(given)
    return plan._replace(
        delimiter=signs.delimiter, escape=signs.escape, null=signs.null, header=bool(given.skipped), members=given.below("mapping.")
    )


def is_hive(properties: Properties) -> bool:
    """Return whether WITH (...) asks for plain files rather than for a table of the lake."""
    kind = str(properties.get("table_type", "")).upper()
    if kind not in ("", "HIVE", "ICEBERG"):
        raise QueryFailed("INVALID_TABLE_PROPERTY", f"table_type is 'ICEBERG' or 'HIVE', not '{kind}'")
    form = str(properties.get("format", "PARQUET")).upper()
    if kind == "ICEBERG":
        if form != "PARQUET":
            raise QueryFailed("NOT_SUPPORTED", f"the files of an Iceberg table are PARQUET here, not {form}")
        return False
    return kind == "HIVE" or "external_location" in properties or form != "PARQUET"


def check_properties(properties: Properties) -> None:
    """Raise `QueryFailed` for a name that there is none of."""
    for name in properties:
        if name not in _KNOWN and not name.startswith(("vacuum_", "optimize_")):
            raise QueryFailed("INVALID_TABLE_PROPERTY", f"Table property '{name}' does not exist; there are: {', '.join(sorted(_KNOWN))}")


def _plan(given: Properties, location: str, names: Sequence[str], *, default: str) -> FilePlan:
    form = str(given.get("format", default)).upper()
    if form not in _FORMATS:
        raise QueryFailed("NOT_SUPPORTED", f"format '{form}' cannot be written here; there are: {', '.join(_FORMATS)}")
    asked = given.get("partitioned_by", ())
    keys = tuple(each.lower() for each in ([asked] if isinstance(asked, str) else asked))
    if keys and tuple(names[-len(keys) :]) != keys:
        raise QueryFailed(
            "HIVE_COLUMN_ORDER_MISMATCH",
            "Partition keys must be the last columns in the table and in the same order as the table properties: [" + ", ".join(keys) + "]",
        )
    if len(keys) == len(names):
        raise QueryFailed("INVALID_TABLE_PROPERTY", "Table contains only partition columns")
    told = given.get("write_compression") or given.get("compression") or given.get(f"{_FORMATS[form]}_compression")
    delimiter = char(str(given.get("field_delimiter", _HIVE_DELIMITER)))
    if len(delimiter) != 1:
        raise QueryFailed("INVALID_TABLE_PROPERTY", "field_delimiter is one character")
    return FilePlan(location, _FORMATS[form], None if told is None else str(told).lower(), keys, delimiter, tuple(names))
