"""External tables: what the catalog and the stores say of one -> the files a query needs, and the SELECT that reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import product
from typing import NamedTuple

from headwater.catalog.entries import Entries
from headwater.catalog.folders import NULL_VALUE, escaped
from headwater.catalog.formats import format_of
from headwater.catalog.names import join_name, split_name
from headwater.catalog.shapes import Table
from headwater.clock import Clock
from headwater.dialect.errors import QueryFailed
from headwater.dialect.quoting import literal, quote
from headwater.dialect.types import parse_type
from headwater.query.copies import HeldFiles
from headwater.query.external.conditions import conditions
from headwater.query.external.hidden import hidden_columns
from headwater.query.external.judge import Judge
from headwater.query.external.parquet import Footers, ParquetFile
from headwater.query.external.projection import is_projected, projected_keys, projected_location
from headwater.query.external.scan import Member, scan_sql
from headwater.query.names import name_of
from headwater.query.predicate import Node
from headwater.query.session import Session
from headwater.store import StoredObject, Stores

__all__ = ["External", "ExternalTables", "partition_folder", "partition_name"]

MOST_PARTITIONS = 100_000
"""How many partitions one query may look at."""

# Of more partitions than this, and not a small part of all, the files are listed together.
_ASKED_ONE_BY_ONE = 32
_LISTED_AT_ONCE = 16
_UNREADABLE = ("bz2", "lzo", "lz4", "snappy", "deflate", "zip", "xz")


class External(NamedTuple):
    """An external table as one query sees it: a SELECT of its rows, the files that it opens with their URLs, and their bytes together."""

    sql: str
    files: dict[str, str]
    size: int


class _Places(NamedTuple):
    """Partitions that may have rows: the values of each, and where it lies; *total* is how many the table has in all."""

    values: list[tuple[str | None, ...]]
    locations: list[str]
    total: int = 1


class ExternalTables:
    """Plans queries on external tables; safe to share between threads. *own* is the database that need not be named."""

    def __init__(self, entries: Entries, stores: Stores, own: str, clock: Clock) -> None:
        self._entries, self._stores, self._own, self._clock = entries, stores, own, clock
        self._footers = Footers()

    def names(self) -> list[str]:
        """Return the names of all external tables."""
        found = [(database, name) for database in self._entries.databases() for name in self._entries.tables(database)]
        return [join_name(database, name, self._own) for database, name in found if self._table(database, name) is not None]

    def plan(
        self, name: str, statement: Callable[[], Node], session: Session, check_size: Callable[[int], None], held: HeldFiles
    ) -> External | None:
        """Return what a statement needs of the table *name*; None if there is none of that name. *statement* gives its syntax tree.

        *check_size* is told how many bytes will be read, before *held* fetches any file. Raises `QueryFailed`, and what *held* raises once
        the query is not wanted any more.
        """
        table = self._table(*split_name(name, self._own))
        if table is None:
            return None
        form, tree = format_of(table), statement()
        hidden = hidden_columns(table, tree)
        keys = [*((key.name, parse_type(key.type)) for key in table.partition_keys), *hidden]
        asked = conditions(tree, lambda node: name_of(node["qualified_name"]["path"], self._own) == name, [key for key, _ in keys])
        judge = Judge(keys, asked, session)
        places = self._places(name, table, judge, held.check)
        found = self._found(places, table.storage_descriptor.location or "", held.check)
        found = [(each, (*values, *(column.of(each) for column in hidden))) for each, values in found]
        if judge.asks([column.name for column in hidden]):
            found = [found[at] for at in judge.kept(range(len(keys)), [values for _, values in found])]
        check_size(sum(each.size for each, _ in found))
        paths = list(map(str, held.objects([each for each, _ in found])))
        files = [ParquetFile(each.url, path, (each.size, each.modified_ms)) for (each, _), path in zip(found, paths, strict=True)]
        if form == "parquet":
            columns = {column.name: parse_type(column.type) for column in table.storage_descriptor.columns}
            kinds = self._footers.check(files, columns, session.evaluate)
            members = [Member(file.path, values, kind) for file, (_, values), kind in zip(files, found, kinds, strict=True)]
        else:
            members = [Member(path, values, _compression(each.url)) for (each, values), path in zip(found, paths, strict=True)]
        sql = scan_sql(table, form, members, keys)
        return External(sql, {file.path: file.url for file in files}, sum(each.size for each, _ in found))

    def partitions(self, name: str) -> External | None:
        """Return the partitions that the catalog has of the table *name*, a column for each key; None if it has no keys, or is none."""
        table = self._table(*split_name(name, self._own))
        if table is None or not table.partition_keys:
            return None
        known = [] if is_projected(table) else [place.values for place in self._entries.places(*split_name(name, self._own))]
        told = []
        for at, key in enumerate(table.partition_keys):
            texts = ", ".join("NULL" if values[at] == NULL_VALUE else literal(values[at]) for values in known)
            told.append(f"TRY_CAST(unnest(CAST([{texts}] AS VARCHAR[])) AS {parse_type(key.type).duckdb}) AS {quote(key.name)}")
        return External(f"SELECT {', '.join(told)}", {}, 0)

    def close(self) -> None:
        """Let go of the catalog."""
        self._entries.close()

    def _table(self, database: str, name: str) -> Table | None:
        entry = self._entries.table(database, name)
        return None if entry is None or entry.table.is_view else entry.table

    def _found(self, places: _Places, base: str, check: Callable[[], None]) -> list[tuple[StoredObject, tuple[str | None, ...]]]:
        """Return the files of the partitions, each with the values of its partition; *check* is called again and again meanwhile."""
        many = len(places.locations) > _ASKED_ONE_BY_ONE and len(places.locations) * 4 > places.total
        below = self._objects(base) if many else []
        urls = [each.url for each in below]
        known = {
            folder: below[bisect_left(urls, folder) : bisect_left(urls, folder[:-1] + chr(ord("/") + 1))]
            for folder in map(_folder, places.locations if many else ())
            if folder.startswith(_folder(base))
        }
        known |= self._listed([location for location in places.locations if _folder(location) not in known], check)
        found = []
        for values, folder in zip(places.values, map(_folder, places.locations), strict=True):
            found += [(each, values) for each in known[folder] if _is_data(each, folder)]
        return found

    def _listed(self, locations: Sequence[str], check: Callable[[], None]) -> dict[str, list[StoredObject]]:
        """Return the objects at each location, by its folder: some at a time, for each asks a server."""
        if len(locations) <= 1:
            return {_folder(location): self._objects(location) for location in locations}
        found: dict[str, list[StoredObject]] = {}
        with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
            for at in range(0, len(locations), _LISTED_AT_ONCE):
                check()
                some = locations[at : at + _LISTED_AT_ONCE]
                found |= zip(map(_folder, some), pool.map(self._objects, some), strict=True)
        return found

    def _objects(self, location: str) -> list[StoredObject]:
        return self._stores.find(location).list(_folder(location))

    def _places(self, name: str, table: Table, judge: Judge, check: Callable[[], None]) -> _Places:
        base = table.storage_descriptor.location or ""
        if not table.partition_keys:
            return _Places([()], [base])
        if is_projected(table):
            return self._projected(table, judge, check)
        known = self._entries.places(*split_name(name, self._own))
        values = [tuple(None if value == NULL_VALUE else value for value in place.values) for place in known]
        kept = judge.kept(list(range(len(table.partition_keys))), values)
        locations = [known[at].location or partition_folder(table, known[at].values) for at in kept]
        return _Places([values[at] for at in kept], locations, len(known))

    def _projected(self, table: Table, judge: Judge, check: Callable[[], None]) -> _Places:
        keys = projected_keys(table, datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC), check)
        choices: list[Sequence[str]] = []
        total = 1
        for at, key in enumerate(keys):
            given = judge.injected(key.name) if key.values is None else key.values
            kept = judge.kept([at], [(value,) for value in given])
            choices.append([given[number] for number in kept])
            total *= len(given)
        count = 1
        for choice in choices:
            count *= len(choice)
        if count > MOST_PARTITIONS:
            raise QueryFailed(
                "EXCEEDED_PARTITION_LIMIT",
                f"the query would look at {count:,} projected partitions of {table.name}, more than {MOST_PARTITIONS:,}: "
                f"say more in WHERE of {', '.join(key.name for key in keys)}",
            )
        combined = list(product(*choices))
        kept = judge.kept(list(range(len(keys))), combined) if len(keys) > 1 else range(len(combined))
        values: list[tuple[str | None, ...]] = [combined[at] for at in kept]
        names = [key.name for key in keys]
        locations = [projected_location(table, dict(zip(names, combined[at], strict=True))) for at in kept]
        return _Places(values, locations, total)


def partition_folder(table: Table, values: Sequence[str]) -> str:
    """Return where a partition lies that says nothing else: `k=v/` for each of its keys beneath the table."""
    return f"{(table.storage_descriptor.location or '').rstrip('/')}/{partition_name(table, values)}/"


def partition_name(table: Table, values: Sequence[str]) -> str:
    """Return a partition as SHOW PARTITIONS tells it: `year=2026/month=11`."""
    return "/".join(f"{key.name}={escaped(value)}" for key, value in zip(table.partition_keys, values, strict=True))


def _compression(url: str) -> str:
    suffix = url.rpartition(".")[2].lower()
    if suffix in _UNREADABLE:
        raise QueryFailed("NOT_SUPPORTED", f"{url} cannot be read here: compress with gzip or zstd, or not at all")
    return {"gz": "gzip", "zst": "zstd", "zstd": "zstd"}.get(suffix, "none")


def _folder(location: str) -> str:
    return location.rstrip("/") + "/"


def _is_data(each: StoredObject, folder: str) -> bool:
    parts = each.url.removeprefix(folder).split("/")
    return each.size > 0 and not any(part.startswith(("_", ".")) for part in parts)
