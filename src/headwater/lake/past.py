"""Older states of a table, and tables about it, from Iceberg's own metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pyarrow as pa
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from headwater.errors import NotFound
from headwater.lake.iceberg import fields_of, in_order, live_files, load_static
from headwater.lake.plan import Past, TablePlan
from headwater.lake.properties import given

_MOMENT = pa.timestamp("ms", "UTC")


def read_past(
    name: str, metadata_location: str, access: Mapping[str, str], state: Past, first_day: int | None = None, last_day: int | None = None
) -> TablePlan:
    """Return the plan of the table as it was; nothing of the tail belongs to it. Raises `NotFound` for a state that is not kept."""
    table = load_static(metadata_location, access)
    snapshot = _snapshot(table, name, state)
    schema = table.schemas()[snapshot.schema_id] if snapshot.schema_id is not None else table.schema()
    files = in_order(live_files(table, snapshot), first_day, last_day)
    return TablePlan(name, fields_of(schema), files, 0, snapshot.snapshot_id, metadata_location)


def read_about(metadata_location: str, access: Mapping[str, str], kind: str) -> pa.Table:
    """Return the rows of a table about the table; columns as Trino's Iceberg connector has them.

    kind: "history", "snapshots", "files", "partitions" or "properties", those people gave it; `NotFound` for another.
    """
    if kind not in _ABOUT:
        raise NotFound("table about a table", kind)
    return _ABOUT[kind](load_static(metadata_location, access))


def _snapshot(table: Table, name: str, state: Past) -> Snapshot:
    if state.snapshot_id is not None:
        if (found := table.metadata.snapshot_by_id(state.snapshot_id)) is None:
            raise NotFound(f"kept snapshot of table {name}", str(state.snapshot_id))
        return found
    assert state.as_of_us is not None
    # The log says which snapshot was current when; a snapshot that was expired since is not there any more.
    for entry in sorted(table.metadata.snapshot_log, key=lambda entry: -entry.timestamp_ms):
        if entry.timestamp_ms * 1000 <= state.as_of_us and (found := table.metadata.snapshot_by_id(entry.snapshot_id)) is not None:
            return found
    moment = datetime.fromtimestamp(state.as_of_us / 1e6, UTC).isoformat()
    raise NotFound(f"kept snapshot of table {name}", f"at or before {moment}")


def _history(table: Table) -> pa.Table:
    current = table.metadata.current_snapshot()
    ancestors = {each.snapshot_id for each in ancestors_of(current, table.metadata)} if current else set()
    log = table.metadata.snapshot_log
    parents = {each.snapshot_id: each.parent_snapshot_id for each in table.metadata.snapshots}
    return pa.table(
        {
            "made_current_at": pa.array([entry.timestamp_ms for entry in log], _MOMENT),
            "snapshot_id": pa.array([entry.snapshot_id for entry in log], pa.int64()),
            "parent_id": pa.array([parents.get(entry.snapshot_id) for entry in log], pa.int64()),
            "is_current_ancestor": pa.array([entry.snapshot_id in ancestors for entry in log], pa.bool_()),
        }
    )


def _snapshots(table: Table) -> pa.Table:
    kept = table.metadata.snapshots
    summaries = [each.summary.additional_properties if each.summary else {} for each in kept]
    return pa.table(
        {
            "committed_at": pa.array([each.timestamp_ms for each in kept], _MOMENT),
            "snapshot_id": pa.array([each.snapshot_id for each in kept], pa.int64()),
            "parent_id": pa.array([each.parent_snapshot_id for each in kept], pa.int64()),
            "operation": pa.array([each.summary.operation.value if each.summary else None for each in kept], pa.string()),
            "manifest_list": pa.array([each.manifest_list for each in kept], pa.string()),
            "summary": pa.array([list(summary.items()) for summary in summaries], pa.map_(pa.string(), pa.string())),
        }
    )


def _files(table: Table) -> pa.Table:
    files = in_order(live_files(table))
    return pa.table(
        {
            "content": pa.array([0] * len(files), pa.int32()),
            "file_path": pa.array([file.path for file in files], pa.string()),
            "file_format": pa.array(["PARQUET"] * len(files), pa.string()),
            "record_count": pa.array([file.rows for file in files], pa.int64()),
            "file_size_in_bytes": pa.array([file.size for file in files], pa.int64()),
        }
    )


def _partitions(table: Table) -> pa.Table:
    days: dict[int | None, list[int]] = {}
    for file in live_files(table):
        count = days.setdefault(file.day, [0, 0, 0])
        for at, number in enumerate((file.rows, 1, file.size)):
            count[at] += number
    ordered = sorted(days, key=lambda day: (day is None, day))
    names = [None if day is None else datetime.fromtimestamp(day * 86_400, UTC).date().isoformat() for day in ordered]
    return pa.table(
        {
            "partition": pa.array([None if name is None else f"{{{table.spec().fields[0].name}={name}}}" for name in names], pa.string()),
            "record_count": pa.array([days[day][0] for day in ordered], pa.int64()),
            "file_count": pa.array([days[day][1] for day in ordered], pa.int64()),
            "total_size": pa.array([days[day][2] for day in ordered], pa.int64()),
        }
    )


def _properties(table: Table) -> pa.Table:
    found = sorted(given(table.properties).items())
    return pa.table({"key": pa.array([key for key, _ in found], pa.string()), "value": pa.array([each for _, each in found], pa.string())})


_ABOUT: dict[str, Callable[[Table], pa.Table]] = {
    "history": _history,
    "snapshots": _snapshots,
    "files": _files,
    "partitions": _partitions,
    "properties": _properties,
}
