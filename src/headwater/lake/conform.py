"""Rows of any earlier model -> rows of the table as it is now, column by column, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def conform(batches: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """Return the rows of *batches* in order under *schema*: columns by name, missing ones null, narrower types widened.

    Raises `pyarrow.ArrowInvalid` if a value does not fit; columns the schema does not have are refused with `KeyError`.
    """
    return pa.concat_tables([_table(batch, schema) for batch in batches])


def _table(batch: pa.Table, schema: pa.Schema) -> pa.Table:
    if unknown := set(batch.schema.names) - set(schema.names):
        raise KeyError(f"the table has no column {', '.join(sorted(unknown))}")
    columns = []
    for field in schema:
        if field.name in batch.schema.names:
            chunks = [_array(chunk, field.type) for chunk in batch.column(field.name).chunks]
            columns.append(pa.chunked_array(chunks, field.type))
        else:
            columns.append(pa.chunked_array([pa.nulls(len(batch), field.type)]))
    return pa.Table.from_arrays(columns, schema=schema)


def _array(array: Any, kind: Any) -> Any:  # PyArrow's stubs know no array of a type that is looked at only here
    """Return *array* as *kind*; only nested types need our own walk, because Arrow casts structs by position."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_struct(kind):
        names = [field.name for field in array.type]
        children = [
            _array(array.field(names.index(field.name)), field.type) if field.name in names else pa.nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    if pa.types.is_list(kind) and pa.types.is_list(array.type):
        array = _unsliced(array)
        return pa.ListArray.from_arrays(array.offsets, _array(array.values, kind.value_type), type=kind, mask=array.is_null())
    if pa.types.is_map(kind) and pa.types.is_map(array.type):
        array = _unsliced(array)
        keys, items = _array(array.keys, kind.key_type), _array(array.items, kind.item_type)
        return pa.MapArray.from_arrays(array.offsets, keys, items, type=kind, mask=array.is_null())  # type: ignore[call-overload]
    return array if array.type.equals(kind, check_metadata=True) else array.cast(kind)


def _unsliced(array: Any) -> Any:
    # A validity mask cannot be given together with offsets that start in the middle of a buffer.
    return pa.concat_arrays([array]) if array.offset == 0 else array.take(pa.array(range(len(array))))
