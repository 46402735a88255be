"""The newest whole state of each table, found in the lake's own metadata: what a lost catalog knew."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
from pyiceberg.exceptions import ValidationError

from headwater.catalog.durable import local_path
from headwater.errors import Unavailable
from headwater.lake.agreement import metadata_of_tables, state_of
from headwater.lake.iceberg import live_files, load_static
from headwater.store import Store, join_url

_NUMBER = re.compile(r"\d+")


class LastState(NamedTuple):
    """The newest state of a table: where its metadata lies, its rows, and live data files that are not there any more.

    *passed*: newer metadata files that are not whole, left by a commit that died.
    """

    table: str
    location: str
    rows: int
    missing: list[str]
    passed: list[str]


class _Metadata(msgspec.Struct):
    updated_ms: int = msgspec.field(name="last-updated-ms")


def last_states(store: Store, root: str, database: str, noted: Mapping[str, str | None], access: Mapping[str, str]) -> list[LastState]:
    """Return the newest state of every table in the lake at *root*, but of those that were dropped.

    *noted*: what the ledger remembers of tables: a state that it knows of was committed, and none older is taken.
    """
    there = {found.url for found in store.list(join_url(root, "data", ""))}
    tables = metadata_of_tables(store, root, database)
    dropped = {table for table, state in noted.items() if state is None}
    return [_last(table, urls, noted.get(table), store, there, access) for table, urls in sorted(tables.items()) if table not in dropped]


def _last(table: str, urls: Sequence[str], noted: str | None, store: Store, there: Collection[str], access: Mapping[str, str]) -> LastState:
    newest_first = sorted(urls, key=lambda url: (_updated_ms(store, url), int((_NUMBER.match(state_of(url)) or "0")[0])), reverse=True)
    found: list[LastState] = []
    passed: list[str] = []
    for url in newest_first:
        if (state := _read(table, url, there, access)) is None:
            passed.append(url)
            continue
        found.append(state)
        # Of a commit that died, something is missing; what was committed may miss a file, too, but the ones before it miss it as well.
        if not state.missing or state_of(url) == noted or len(found) == 2:
            break
    if not found:
        raise Unavailable(f"no metadata file of table {table} can be read, of {len(urls)}; restore its folder from a backup: {urls[0]}")
    best = found[0] if len(found[0].missing) <= len(found[-1].missing) else found[-1]
    return best._replace(
        passed=[*passed, *(state.location for state in found if state.location != best.location and state is not found[-1])]
    )


def _updated_ms(store: Store, url: str) -> int:
    try:
        return msgspec.json.decode(store.read(url), type=_Metadata).updated_ms
    except (OSError, msgspec.MsgspecError):
        return -1


def _read(table: str, url: str, there: Collection[str], access: Mapping[str, str]) -> LastState | None:
    try:
        loaded = load_static(url, access)
        files = live_files(loaded)
    except Unavailable:  # row-level deletes of another engine: its files cannot be told, and nothing speaks against it
        return LastState(table, url, 0, [], [])
    except (OSError, ValueError, ValidationError):
        return None
    missing = sorted(local_path(file.path) for file in files if local_path(file.path) not in there)
    return LastState(table, url, sum(file.rows for file in files), missing, [])
