"""Creates a table for an Arrow schema and lets it grow: columns are added, never changed, never dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

from headwater.catalog.durable import local_path
from headwater.errors import ModelError

TIME_COLUMN = "datetime"
DAY_KEYS = frozenset({"year", "month", "day"})
UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")

PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "3",
    "commit.manifest-merge.enabled": "true",
    # A commit copies the manifest list, so a long one makes every commit dearer; a merge reads all its entries.
    "commit.manifest.min-count-to-merge": "20",
    # A merged manifest of this size (about 600 files) is left alone by later merges.
    "commit.manifest.target-size-bytes": str(256 << 10),
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


def ensure_table(catalog: Catalog, database: str, name: str, schema: pa.Schema, properties: Mapping[str, str] | None = None) -> Table:
    """Return the table *database*.*name*, created or grown so that it holds every column of *schema*.

    All columns are optional; integers become `long`, floats `double`, timestamps microseconds. A column the schema no
    longer has stays. Raises `ModelError` if a column exists with another type, and then changes nothing.
    """
    wanted = canonical(schema)
    try:
        table = catalog.load_table((database, name))
    except NoSuchTableError:
        return _create(catalog, database, name, wanted, properties or {})
    if grown := new_columns(table, wanted):
        with table.update_schema() as update:
            update.union_by_name(pa.schema(grown))
    return table


def new_columns(table: Table, schema: pa.Schema) -> list[pa.Field[pa.DataType]]:
    """Return the columns of *schema* that *table* lacks, wholly or in part. Raises `ModelError` for one that it has with another type."""
    before = {field.name: field.type for field in arrow_schema(table)}
    name = ".".join(table.name())
    return [field for field in canonical(schema) if _grows(name, field.name, before.get(field.name), field.type)]


def canonical(schema: pa.Schema, *, exact: bool = False) -> pa.Schema:
    """Return *schema* in the types a table has: see `ensure_table`. Raises `ModelError` for a type no table can hold.

    *exact*: numbers of 32 bits stay what they are, as in tables that people make by SQL.
    """
    scalars = _EXACT_SCALARS if exact else _SCALARS
    return pa.schema([pa.field(field.name, _canonical_type(field.name, field.type, scalars)) for field in schema])


def iceberg_schema(schema: pa.Schema) -> Schema:
    """Return the Iceberg schema of a canonical one; every column is optional."""
    ids = count(len(schema) + 1)
    return Schema(*[NestedField(n, f.name, _iceberg_type(f.type, ids), required=False) for n, f in enumerate(schema, start=1)])


def place(catalog: Catalog, database: str, name: str) -> tuple[str, dict[str, str]]:
    """Return the location of a table's metadata, and the properties that say where its files go."""
    warehouse = local_path(catalog.properties["warehouse"])
    metadata = f"{warehouse}/metadata/{database}/{name}"
    # Iceberg readers take data from anywhere; PyIceberg derives both paths from the location unless told otherwise.
    return metadata, {**PROPERTIES, "write.data.path": f"{warehouse}/data/{database}/{name}", "write.metadata.path": metadata}


def arrow_schema(table: Table) -> pa.Schema:
    """Return the table's columns as Arrow fields that carry their Iceberg field ids, nested ones too."""
    with_ids = schema_to_pyarrow(table.schema(), include_field_ids=True)
    return pa.schema([_small(field) for field in with_ids])


def _create(catalog: Catalog, database: str, name: str, schema: pa.Schema, properties: Mapping[str, str]) -> Table:
    if TIME_COLUMN not in schema.names or schema.field(TIME_COLUMN).type != UTC_MICROSECONDS:
        raise ModelError(f"table {database}.{name} needs a UTC timestamp column `{TIME_COLUMN}`; it decides the day a row belongs to")
    location, where = place(catalog, database, name)
    day = PartitionField(schema.names.index(TIME_COLUMN) + 1, 1000, DayTransform(), f"{TIME_COLUMN}_day")
    with suppress(NamespaceAlreadyExistsError):  # another process made it between the look and the insert
        catalog.create_namespace_if_not_exists(database)
    return catalog.create_table(
        (database, name),
        schema=iceberg_schema(schema),
        location=location,
        partition_spec=PartitionSpec(day),
        properties={**where, **properties},
    )


def _grows(table: str, column: str, was: pa.DataType | None, now: pa.DataType) -> bool:
    """Say whether *now* adds something to *was*; raise `ModelError` if it is something else."""
    if was is None:
        return True
    if pa.types.is_struct(was) and pa.types.is_struct(now):
        before = {field.name: field.type for field in was}
        grown = [field.name for field in now if _grows(table, f"{column}.{field.name}", before.get(field.name), field.type)]
        return bool(grown)
    if pa.types.is_list(was) and pa.types.is_list(now):
        return _grows(table, f"{column}[]", was.value_type, now.value_type)
    if pa.types.is_map(was) and pa.types.is_map(now) and was.key_type.equals(now.key_type):
        return _grows(table, f"{column}[]", was.item_type, now.item_type)
    if was.equals(now):
        return False
    raise ModelError(
        f"column `{column}` of table {table} was {was} and is now {now}; files already written keep their type, "
        f"so give the new one a name of its own (say `{column.partition('.')[0].partition('[')[0]}_2`) and keep the old one optional"
    )


def _canonical_type(column: str, kind: pa.DataType, scalars: _Scalars) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _canonical_type(column, kind.value_type, scalars)
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _canonical_type(f"{column}.{field.name}", field.type, scalars)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(pa.field("element", _canonical_type(f"{column}[]", kind.value_type, scalars)))
    if pa.types.is_map(kind):
        return pa.map_(_canonical_type(column, kind.key_type, scalars), _canonical_type(f"{column}[]", kind.item_type, scalars))
    for is_kind, canonical_type in scalars:
        if is_kind(kind):
            return canonical_type
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC") if kind.tz else pa.timestamp("us")
    if pa.types.is_decimal(kind) and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale)
    raise ModelError(
        f"column `{column}` has Arrow type {kind}, which no table can hold; use a string, a number, a boolean, a time or a list of those"
    )


_Scalars = tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...]
_SCALARS: _Scalars = (
    (pa.types.is_boolean, pa.bool_()),
    (lambda kind: pa.types.is_integer(kind) and kind != pa.uint64(), pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind), pa.string()),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind), pa.binary()),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_time, pa.time64("us")),
)


_EXACT_SCALARS: _Scalars = (
    (lambda kind: pa.types.is_integer(kind) and kind.bit_width <= 32 and kind != pa.uint32(), pa.int32()),
    (lambda kind: pa.types.is_floating(kind) and kind.bit_width <= 32, pa.float32()),
    *_SCALARS,
)


def _iceberg_type(kind: pa.DataType, ids: Iterator[int]) -> IcebergType:
    """Return the Iceberg type of a canonical Arrow type."""
    if pa.types.is_struct(kind):
        numbers = [next(ids) for _ in kind]
        return StructType(*[NestedField(n, f.name, _iceberg_type(f.type, ids), required=False) for n, f in zip(numbers, kind, strict=True)])
    if pa.types.is_list(kind):
        return ListType(next(ids), _iceberg_type(kind.value_type, ids), element_required=False)
    if pa.types.is_map(kind):
        key, value = next(ids), next(ids)
        return MapType(key, _iceberg_type(kind.key_type, ids), value, _iceberg_type(kind.item_type, ids), value_required=False)
    if pa.types.is_decimal(kind):
        return DecimalType(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        return TimestamptzType() if kind.tz else TimestampType()
    return _ICEBERG_SCALARS[kind]


_ICEBERG_SCALARS: dict[pa.DataType, IcebergType] = {
    pa.bool_(): BooleanType(),
    pa.int32(): IntegerType(),
    pa.int64(): LongType(),
    pa.float32(): FloatType(),
    pa.float64(): DoubleType(),
    pa.string(): StringType(),
    pa.binary(): BinaryType(),
    pa.date32(): DateType(),
    pa.time64("us"): TimeType(),
}


def _small(field: pa.Field[pa.DataType]) -> pa.Field[pa.DataType]:
    """Return the field with 32-bit offsets, as rows arrive: PyIceberg names the large types and a cast would copy every string."""
    kind = field.type
    if pa.types.is_large_string(kind):
        kind = pa.string()
    elif pa.types.is_large_binary(kind):
        kind = pa.binary()
    elif pa.types.is_struct(kind):
        kind = pa.struct([_small(child) for child in kind])
    elif pa.types.is_large_list(kind) or pa.types.is_list(kind):
        kind = pa.list_(_small(kind.value_field))
    elif pa.types.is_map(kind):
        kind = pa.map_(_small(kind.key_field), _small(kind.item_field))  # type: ignore[call-overload]  # its stubs know types only
    return field.with_type(kind)
