"""What the catalog says of databases, tables that are not Iceberg's, views and partitions: the shapes of AWS Glue, whose JSON they are."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

EXTERNAL, VIEW = "EXTERNAL_TABLE", "VIRTUAL_VIEW"

_BEFORE, _AFTER = "/* Presto View: ", " */"


class Column(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """A column; its type in Hive's words."""

    name: str
    type: str = "string"
    comment: str | None = None
    parameters: dict[str, str] | None = None


class SerDe(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """Which Java class would read the files; its name says the format."""

    name: str | None = None
    serialization_library: str | None = None
    parameters: dict[str, str] = {}


class SortColumn(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """A column by which the files are sorted: 1 upwards, 0 downwards."""

    column: str
    sort_order: int


class SkewedInfo(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """Values that are so frequent that they lie in folders of their own."""

    skewed_column_names: list[str] = []
    skewed_column_values: list[str] = []
    skewed_column_value_location_maps: dict[str, str] = {}


class LinkTarget(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """The database or table of another catalog that one of ours stands for."""

    catalog_id: str | None = None
    database_name: str | None = None
    name: str | None = None
    region: str | None = None


class Storage(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """Where the files of a table or partition lie, and what is in them."""

    columns: list[Column] = []
    location: str | None = None
    input_format: str | None = None
    output_format: str | None = None
    compressed: bool = False
    number_of_buckets: int = 0
    serde_info: SerDe = SerDe()
    bucket_columns: list[str] = []
    sort_columns: list[SortColumn] = []
    parameters: dict[str, str] = {}
    skewed_info: SkewedInfo | None = None
    stored_as_sub_directories: bool = False


class Table(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """An external table or a view; times are epoch seconds."""

    name: str
    description: str | None = None
    owner: str | None = None
    create_time: float | None = None
    update_time: float | None = None
    last_access_time: float | None = None
    last_analyzed_time: float | None = None
    retention: int = 0
    storage_descriptor: Storage = Storage()
    partition_keys: list[Column] = []
    view_original_text: str | None = None
    view_expanded_text: str | None = None
    table_type: str | None = None
    parameters: dict[str, str] = {}
    target_table: LinkTarget | None = None

    @property
    def is_view(self) -> bool:
        """Whether it is a view."""
        return self.table_type == VIEW


class Partition(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """A partition: its values in the order of the table's keys; what its storage leaves out is the table's."""

    values: list[str]
    storage_descriptor: Storage = Storage()
    parameters: dict[str, str] = {}
    creation_time: float | None = None
    last_access_time: float | None = None
    last_analyzed_time: float | None = None


class Database(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """A database; its time is epoch seconds."""

    name: str
    description: str | None = None
    location_uri: str | None = None
    parameters: dict[str, str] = {}
    create_time: float | None = None
    create_table_default_permissions: list[dict[str, Any]] = []
    target_database: LinkTarget | None = None


def told(shape: msgspec.Struct) -> dict[str, Any]:
    """Return a shape as Glue tells it: lists, numbers and switches always, also those nobody has set; nothing that is null."""
    found: dict[str, Any] = _without_null(msgspec.to_builtins(shape))
    return found


def _without_null(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _without_null(value) for name, value in part.items() if value is not None}
    return [_without_null(each) for each in part] if isinstance(part, list) else part


class View(NamedTuple):
    """A view: its SELECT as it was written, and the names and Athena types of its columns."""

    text: str
    columns: tuple[tuple[str, str], ...]


def view_table(name: str, database: str, view: View, hive_types: Sequence[str]) -> Table:
    """Return a view as Athena keeps it; *hive_types* are those of its columns."""
    kept = {
        "originalSql": view.text,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": column, "type": kind} for column, kind in view.columns],
    }
    return Table(
        name,
        storage_descriptor=Storage([Column(column, kind) for (column, _), kind in zip(view.columns, hive_types, strict=True)]),
        view_original_text=_BEFORE + base64.b64encode(json.dumps(kept).encode()).decode() + _AFTER,
        view_expanded_text="/* Presto View */",
        table_type=VIEW,
        parameters={"presto_view": "true", "comment": "Presto View"},
    )


def view_of(table: Table) -> View | None:
    """Return the view that *table* is, None if it is a table, or a view whose text is not Athena's."""
    kept = table.view_original_text or ""
    if not table.is_view or not kept.startswith(_BEFORE):
        return None
    try:
        found = json.loads(base64.b64decode(kept.removeprefix(_BEFORE).removesuffix(_AFTER), validate=True))
        return View(found["originalSql"], tuple((column["name"], column["type"]) for column in found["columns"]))
    except (ValueError, LookupError, TypeError):
        return None
