"""Partitions of external tables: PARTITION (...) as a statement writes it, and MSCK REPAIR TABLE, which finds them in the store."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from headwater.catalog.shapes import Partition, Storage, Table
from headwater.dialect import QueryFailed
from headwater.dialect.commands import PartitionSpec
from headwater.query.external import partition_folder
from headwater.store import Stores


def values_of(table: Table, spec: PartitionSpec) -> list[str]:
    """Return the values that PARTITION (...) gives all keys of the table, in their order. Raises `QueryFailed`."""
    given = dict(spec.values)
    _check(table, spec)
    if missing := [key.name for key in table.partition_keys if key.name not in given]:
        raise _failed(f"partition spec {{{_told(spec)}}} doesn't contain all ({len(table.partition_keys)}) partition columns: {missing}")
    return [given[key.name] for key in table.partition_keys]


def meets(table: Table, spec: PartitionSpec, values: Sequence[str]) -> bool:
    """Return whether the partition of *values* is among those that PARTITION (...) names, maybe by some of the keys only."""
    _check(table, spec)
    found = dict(zip((key.name for key in table.partition_keys), values, strict=True))
    return all(found[key] == value for key, value in spec.values)


def partition_of(table: Table, spec: PartitionSpec) -> Partition:
    """Return the partition that ADD PARTITION asks for; its place is the one that its values name unless it says another."""
    values = values_of(table, spec)
    return Partition(values, Storage(location=spec.location or partition_folder(table, values)))


def found_partitions(table: Table, stores: Stores) -> list[Partition]:
    """Return the partitions that have a folder `k=v/` for each key beneath the table, by values.

    Raises `QueryFailed` for a folder with a key in upper case.
    """
    keys = [key.name for key in table.partition_keys]
    base = (table.storage_descriptor.location or "").rstrip("/") + "/"
    found: dict[tuple[str, ...], str] = {}
    for each in stores.find(base).list(base):
        folders = each.url.removeprefix(base).split("/")[:-1]
        if len(folders) < len(keys) or any(part.startswith(("_", ".")) for part in folders):
            continue
        parts = [folder.partition("=") for folder in folders[: len(keys)]]
        if [key.lower() for key, sign, _ in parts if sign] != keys:
            continue
        below = "/".join(folders[: len(keys)])
        if strange := [key for key, _, _ in parts if key not in keys]:
            raise _failed(
                f"the path {base}{below} has the partition key {strange[0]} in upper case; names of keys are lower-case: "
                f"rename the folders, or use ALTER TABLE ADD PARTITION ... LOCATION"
            )
        found.setdefault(tuple(unquote(value) for _, _, value in parts), f"{base}{below}/")
    return [Partition(list(values), Storage(location=location)) for values, location in sorted(found.items())]


def _check(table: Table, spec: PartitionSpec) -> None:
    keys = [key.name for key in table.partition_keys]
    if not keys:
        raise _failed(f"Table {table.name} is not a partitioned table")
    if strange := [key for key, _ in spec.values if key not in keys]:
        raise _failed(f"{strange[0]} is no partition column of {table.name}; there are: {', '.join(keys)}")


def _told(spec: PartitionSpec) -> str:
    return ", ".join(f"{key}={value}" for key, value in spec.values)


def _failed(message: str) -> QueryFailed:
    return QueryFailed("FAILED", f"SemanticException {message}", type=1003)
