"""What Iceberg's own metadata says of a table, in the index's nouns; the only reader of manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.manifest import ManifestContent, ManifestEntry
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import StaticTable, Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import DecimalType, IcebergType, ListType, MapType, StructType, TimestamptzType

from headwater.catalog import FILE_IO
from headwater.catalog.durable import local_path
from headwater.catalog.partition import day_position
from headwater.catalog.schema import DAY_KEYS, TIME_COLUMN
from headwater.errors import Unavailable
from headwater.lake.plan import DAY_MS, DataFile, Head, TableField, TablePlan

# Table properties, because they outlive snapshots: the last batch in the lake, how far that is in each shard, and how far
# every table was at that commit.
FOLDED, POSITIONS, SETTLED = "headwater.folded", "headwater.positions", "headwater.settled"

DUCKDB_TYPES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "string": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
}


def load_static(metadata_location: str, access: Mapping[str, str]) -> StaticTable:
    """Return the table whose metadata lies there, to read; *access*: how buckets are reached, as PyIceberg's properties."""
    return StaticTable.from_metadata(metadata_location, {"py-io-impl": FILE_IO, **access})


def read_plan(
    name: str, metadata_location: str, access: Mapping[str, str], first_day: int | None = None, last_day: int | None = None
) -> TablePlan:
    """Return the plan of the table whose metadata lies there, with the files of these days only."""
    table = load_static(metadata_location, access)
    state = describe(table)
    return TablePlan(
        name, state.fields, in_order(live_files(table), first_day, last_day), state.folded, state.snapshot_id, metadata_location
    )


def in_order(files: Iterable[DataFile], first_day: int | None = None, last_day: int | None = None) -> list[DataFile]:
    """Return the files of these days in day order; with a bound, those of rows without `datetime` are left out."""
    wanted = [file for file in files if _within(file.day, first_day, last_day)]
    return sorted(wanted, key=lambda f: (f.day is not None, f.day, f.lower_ms or 0, f.path))


def describe(table: Table) -> Head:
    """Return the state of a loaded table."""
    snapshot = table.metadata.current_snapshot()
    return Head(
        table.metadata_location,
        snapshot.snapshot_id if snapshot else None,
        (snapshot.sequence_number or 0) if snapshot else 0,
        int(table.properties.get(FOLDED, 0)),
        fields_of(table.schema()),
    )


def fields_of(schema: Schema) -> tuple[TableField, ...]:
    """Return the columns of a schema."""
    return tuple(TableField(f.field_id, f.name, str(f.field_type), duckdb_type(f.field_type)) for f in schema.fields)


def live_files(table: Table, snapshot: Snapshot | None = None) -> dict[DataFile, int]:
    """Return each data file that is live in *snapshot* (None: the newest) with the sequence number of the commit that added it.

    Raises `Unavailable` for what another engine may write and a list of files cannot say: row-level deletes, and files
    that are not of one day.
    """
    specs, schema, head = table.specs(), table.schema(), snapshot or table.metadata.current_snapshot()
    entries = _entries(table, [head] if head else [], live=True)
    return {_data_file(entry.data_file, specs[spec_id], schema): entry.sequence_number or 0 for spec_id, entry in entries}


def live_entries(table: Table) -> dict[str, IcebergFile]:
    """Return each data file of the newest snapshot, by its path, as Iceberg's manifests have it. Raises as `live_files` does."""
    head = table.metadata.current_snapshot()
    entries = _entries(table, [head] if head else [], live=True)
    return {local_path(entry.data_file.file_path): entry.data_file for _, entry in entries}


def named_files(table: Table) -> set[str]:
    """Return the paths of all data files that any kept snapshot names. Reads every manifest: for rare checks only."""
    return {local_path(entry.data_file.file_path) for _, entry in _entries(table, table.metadata.snapshots, live=False)}


def metadata_files(table: Table, manifest_lists: dict[str, frozenset[str]]) -> set[str]:
    """Return the paths of all metadata files the table still needs; *manifest_lists* keeps what was read, for the next call."""
    metadata = table.metadata
    needed = {table.metadata_location, *(log.metadata_file for log in metadata.metadata_log)}
    needed.update(statistics.statistics_path for statistics in [*metadata.statistics, *metadata.partition_statistics])
    known = {}
    for snapshot in metadata.snapshots:
        location = snapshot.manifest_list
        known[location] = manifest_lists.get(location) or frozenset(m.manifest_path for m in snapshot.manifests(table.io))
        needed.add(location)
        needed.update(known[location])
    manifest_lists.clear()
    manifest_lists.update(known)
    return {local_path(path) for path in needed}


def duckdb_type(kind: IcebergType) -> str:
    """Return the DuckDB type that holds every value of the Iceberg type."""
    if isinstance(kind, StructType):
        return "STRUCT(" + ", ".join(f'"{f.name.replace(chr(34), chr(34) * 2)}" {duckdb_type(f.field_type)}' for f in kind.fields) + ")"
    if isinstance(kind, ListType):
        return duckdb_type(kind.element_type) + "[]"
    if isinstance(kind, MapType):
        return f"MAP({duckdb_type(kind.key_type)}, {duckdb_type(kind.value_type)})"
    if isinstance(kind, DecimalType):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    return DUCKDB_TYPES.get(str(kind), "BLOB")


def _within(day: int | None, first_day: int | None, last_day: int | None) -> bool:
    if day is None:
        return first_day is None and last_day is None
    return (first_day is None or day >= first_day) and (last_day is None or day <= last_day)


def _entries(table: Table, snapshots: Iterable[Snapshot], *, live: bool) -> Iterator[tuple[int, ManifestEntry]]:
    """Yield (partition spec id, entry) of *snapshots*, each manifest once; *live*: where deletes are not to be overlooked."""
    seen: set[str] = set()
    for snapshot in snapshots:
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                if live and manifest.content != ManifestContent.DATA:
                    raise Unavailable(
                        f"table {'.'.join(table.name())} has row-level deletes of another engine; rewrite its data files there"
                    )
                yield manifest.partition_spec_id, entry


def _data_file(file: IcebergFile, spec: PartitionSpec, schema: Schema) -> DataFile:
    times = {field.name: field for field in schema.fields}
    time = times.get(TIME_COLUMN)
    if time is None or not isinstance(time.field_type, TimestamptzType):
        return DataFile(local_path(file.file_path), None, file.record_count, file.file_size_in_bytes, None, None)
    bounds = [(found or {}).get(time.field_id) for found in (file.lower_bounds, file.upper_bounds)]
    # A timestamp's bound is its microseconds.
    lower, upper = (int(from_bytes(time.field_type, bound)) if bound is not None else None for bound in bounds)
    lower_ms, upper_ms = (lower // 1_000 if lower is not None else None), (-(-upper // 1_000) if upper is not None else None)
    day: int | None = None
    if (position := day_position(spec, schema)) is not None:
        day = file.partition[position]
    elif times.keys() >= DAY_KEYS:
        # Queries of such a table leave out files by their day, so each must have one.
        if lower is None or upper is None or lower // (DAY_MS * 1_000) != upper // (DAY_MS * 1_000):
            raise Unavailable(f"data file {file.file_path} is not of one day; rewrite it with the table's partition spec")
        day = lower // (DAY_MS * 1_000)
    return DataFile(local_path(file.file_path), day, file.record_count, file.file_size_in_bytes, lower_ms, upper_ms)
