"""Metadata of a lake whose files now lie elsewhere: every location in it, from `metadata.json` down to manifests, written anew."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from headwater.catalog.avro import Change, changed
from headwater.catalog.durable import local_path
from headwater.lake.iceberg import load_static, metadata_files, named_files
from headwater.store import Store, join_url

_SCHEMES = ("file://", "file:", "")
_GZIP = b"\x1f\x8b"
_IN_LISTS = b'"manifest_path"'


class Relocation:
    """Turns locations beneath the lakes *old* into those beneath *new*; what lies elsewhere, or is right already, stays."""

    def __init__(self, old: Collection[str], new: str) -> None:
        self.new = new.rstrip("/")
        # The longest first: a lake may have lain within the folder of another.
        self._roots = sorted({*(root.rstrip("/") for root in old), self.new}, key=len, reverse=True)

    def __call__(self, location: str) -> str:
        """Return where it is now."""
        for scheme in _SCHEMES:
            for root in self._roots:
                beneath = location.removeprefix(scheme + root)
                if location.startswith(scheme + root) and beneath[:1] in ("", "/"):
                    return location if root == self.new else scheme * (not self.new.startswith("s3:")) + self.new + beneath
        return location


class Relocated(NamedTuple):
    """How many metadata files there are, and those that could not be read."""

    files: int
    unreadable: list[str]


def relocate(store: Store, moved: Relocation, step: Callable[[str], None] = lambda name: None) -> Relocated:
    """Write all metadata of the lake anew in which a location changes, each file whole; done twice it is as done once.

    What is named comes before what names it: lists say how long their manifests are. *step* is called after each file.
    """
    urls = [each.url for each in store.list(join_url(moved.new, "metadata", ""))]
    unreadable: list[str] = []
    avro = [url for url in urls if url.endswith(".avro")]
    lists = {url for url in avro if _IN_LISTS in store.read(url)[:65_536]}

    def length(was: int, record: Any) -> int:
        found = sizes.get(local_path(moved(str(record.get("manifest_path", "")))))
        return was if found is None else found

    changes: dict[str, Change] = {"file_path": lambda was, _: moved(was), "referenced_data_file": lambda was, _: moved(was)}
    in_lists: dict[str, Change] = {"manifest_path": lambda was, _: moved(was), "manifest_length": length}
    sizes: dict[str, int] = {}
    for url in [*(each for each in avro if each not in lists), *sorted(lists)]:
        content = store.read(url)
        try:
            new = changed(content, in_lists if url in lists else changes)
        except (ValueError, KeyError, IndexError, EOFError):
            unreadable.append(url)
            continue
        if new != content:
            store.write(url, new)
        sizes[url] = len(new)
        step("avro")
    for url in (each for each in urls if each.endswith(".metadata.json")):
        content = store.read(url)
        try:
            new = _changed_json(content, moved)
        except ValueError:
            unreadable.append(url)
            continue
        if new != content:
            store.write(url, new)
        step("json")
    return Relocated(len(urls), unreadable)


def missing_files(store: Store, root: str, locations: Collection[str], access: dict[str, str]) -> tuple[int, list[str]]:
    """Return how many data files the tables at these *locations* name, and which files that they need are not in the lake."""
    there = {each.url for kind in ("data", "metadata") for each in store.list(join_url(root, kind, ""))}
    named: set[str] = set()
    needed: set[str] = set()
    for location in locations:
        try:
            table = load_static(location, access)
            named |= named_files(table)
            needed |= set(_required(metadata_files(table, {}), table.metadata.metadata_log))
        except FileNotFoundError as error:
            needed.add(str(error.filename or location))
    return len(named), sorted((named | needed) - there)


def _required(paths: set[str], log: Collection[Any]) -> Iterator[str]:
    # Of older states the table only remembers the names: they are removed after a while.
    older = {local_path(each.metadata_file) for each in log}
    yield from paths - older


def _changed_json(content: bytes, moved: Relocation) -> bytes:
    packed = content.startswith(_GZIP)
    was = json.loads(gzip.decompress(content) if packed else content)
    now = _mapped(was, moved)
    if now == was:
        return content
    text = json.dumps(now, separators=(",", ":"), ensure_ascii=False).encode()
    return gzip.compress(text) if packed else text


def _mapped(value: Any, moved: Relocation) -> Any:
    if isinstance(value, str):
        return moved(value)
    if isinstance(value, list):
        return [_mapped(each, moved) for each in value]
    if isinstance(value, dict):
        return {key: _mapped(each, moved) for key, each in value.items()}
    return value
