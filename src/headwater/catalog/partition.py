"""By what a table's files are kept apart: the partition spec of tables that people make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    YearTransform,
)

from headwater.catalog.schema import DAY_KEYS, TIME_COLUMN
from headwater.errors import Refused

FIRST_ID = 1000
_TRANSFORMS: dict[str, Callable[[int], Transform[Any, Any]]] = {
    "identity": lambda _: IdentityTransform(),
    "year": lambda _: YearTransform(),
    "month": lambda _: MonthTransform(),
    "day": lambda _: DayTransform(),
    "hour": lambda _: HourTransform(),
    "bucket": BucketTransform,
    "truncate": TruncateTransform,
}


def partition_spec(schema: Schema, asked: Sequence[tuple[str, str, int | None]]) -> PartitionSpec:
    """Return the spec for (transform, column, number) as *asked*; nothing asked: by day where the table has a `datetime` with a zone.

    A table with `datetime`, `year`, `month` and `day`, as tables of events have them, is kept by day in any case: queries rely on it.
    Raises `Refused` for what there is none of.
    """
    fields: list[PartitionField] = []
    for transform, column, number in asked:
        try:
            source = schema.find_field(column, case_sensitive=False)
        except ValueError:
            raise Refused("COLUMN_NOT_FOUND", f"Partition column '{column}' does not exist") from None
        if transform not in _TRANSFORMS or (transform in ("bucket", "truncate") and not number):
            raise Refused("NOT_SUPPORTED", f"a table cannot be partitioned by {transform}({column}); there are: {', '.join(_TRANSFORMS)}")
        made = _TRANSFORMS[transform](number or 0)
        if not made.can_transform(source.field_type):
            raise Refused("NOT_SUPPORTED", f"column '{column}' of type {source.field_type} cannot be partitioned by {transform}")
        name = source.name if transform == "identity" else f"{source.name}_{'trunc' if transform == 'truncate' else transform}"
        fields.append(PartitionField(source.field_id, FIRST_ID + len(fields), made, name))
    names = {field.name: str(field.field_type) for field in schema.fields}
    if (
        names.get(TIME_COLUMN) == "timestamptz"
        and (not asked or all(names.get(key) == "string" for key in DAY_KEYS))
        and day_position(PartitionSpec(*fields), schema) is None
    ):
        time = schema.find_field(TIME_COLUMN)
        fields.append(PartitionField(time.field_id, FIRST_ID + len(fields), DayTransform(), f"{TIME_COLUMN}_day"))
    return PartitionSpec(*fields)


def day_position(spec: PartitionSpec, schema: Schema) -> int | None:
    """Return which field of the spec is the day of `datetime`, None where files are not kept by day."""
    for position, field in enumerate(spec.fields):
        if isinstance(field.transform, DayTransform) and schema.find_column_name(field.source_id) == TIME_COLUMN:
            # The zone decides where a day ends: only an instant has one day for all readers.
            return position if str(schema.find_field(TIME_COLUMN).field_type) == "timestamptz" else None
    return None


def partition_values(spec: PartitionSpec, schema: Schema, rows: pa.Table) -> list[pa.Array[Any]]:
    """Return what each field of the spec makes of *rows*, as the physical values that manifests hold."""
    made = []
    for field in spec.fields:
        source = schema.find_field(field.source_id)
        column = rows.column(rows.schema.get_field_index(source.name)).combine_chunks()
        array = column if not isinstance(column, pa.ChunkedArray) else pa.concat_arrays(column.chunks)
        values = field.transform.pyarrow_transform(source.field_type)(array)
        made.append(_physical(values))
    return made


def _physical(values: Any) -> Any:
    if pa.types.is_date32(values.type):
        return values.cast(pa.int32())
    if pa.types.is_timestamp(values.type) or pa.types.is_time64(values.type):
        return values.cast(pa.int64())
    return values
