"""Properties that people give tables of their own, by Athena's names: each is checked, and any other name is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headwater.catalog.schema import PROPERTIES
from headwater.errors import Refused

MAX_AGE, MIN_COUNT = "vacuum_max_snapshot_age_seconds", "vacuum_min_snapshots_to_keep"
COMPRESSION = "write_compression"
CODECS = {"zstd": "zstd", "snappy": "snappy", "gzip": "gzip", "none": "none", "uncompressed": "none"}
_TARGET, _SMALL = "write_target_data_file_size_bytes", "optimize_rewrite_min_data_file_size_bytes"
_LARGE, _FEWEST = "optimize_rewrite_max_data_file_size_bytes", "optimize_rewrite_data_file_threshold"
_METADATA_FILES = "vacuum_max_metadata_files_to_keep"
# The last one counts files of deleted rows; there never are any, for changed rows are written anew.
_NUMBERS = (MAX_AGE, MIN_COUNT, _METADATA_FILES, _TARGET, _SMALL, _LARGE, _FEWEST, "optimize_rewrite_delete_file_threshold")
_PREVIOUS_VERSIONS = "write.metadata.previous-versions-max"
_SETTLED = {"table_type": "iceberg", "format": "parquet"}


def checked(given: Mapping[str, str]) -> dict[str, str]:
    """Return the properties to keep, under lower-case names. Raises `Refused`: INVALID_TABLE_PROPERTY, NOT_SUPPORTED."""
    kept = {name.lower(): str(value) for name, value in given.items()}
    check_names(list(kept))
    for name, value in kept.items():
        low = value.lower()
        if name in _SETTLED and low != _SETTLED[name]:
            raise Refused("NOT_SUPPORTED", f"the {name} of an Iceberg table is {_SETTLED[name].upper()} here, not '{value}'")
        if name in _NUMBERS and not (value.isascii() and value.isdigit() and len(value) < 19):
            raise Refused("INVALID_TABLE_PROPERTY", f"{name} is a whole number, not '{value}'")
        if name == _METADATA_FILES and not int(value):
            raise Refused("INVALID_TABLE_PROPERTY", f"{name} is 1 or more: the newest metadata file is the table")
        if name == COMPRESSION and low not in CODECS:
            raise Refused("INVALID_TABLE_PROPERTY", f"{name} is one of {', '.join(CODECS)}, not '{value}'")
    kept = {name: value for name, value in kept.items() if name not in _SETTLED}
    if _METADATA_FILES in kept:
        kept[_PREVIOUS_VERSIONS] = kept[_METADATA_FILES]
    return kept


def check_names(names: Sequence[str]) -> None:
    """Raise `Refused` INVALID_TABLE_PROPERTY for a name that no property of an Iceberg table has."""
    known = sorted({*_SETTLED, *_NUMBERS, COMPRESSION})
    if unknown := [name for name in names if name.lower() not in known]:
        raise Refused("INVALID_TABLE_PROPERTY", f"Unsupported table property key: {unknown[0]}; there are: {', '.join(known)}")


def given(properties: Mapping[str, str]) -> dict[str, str]:
    """Return those of a table's properties that people gave it, or could."""
    return {name: value for name, value in properties.items() if name in (*_NUMBERS, COMPRESSION)}


def unset(names: Sequence[str]) -> dict[str, str]:
    """Return what Iceberg's own properties are again once those of *names* are taken away."""
    return {_PREVIOUS_VERSIONS: PROPERTIES[_PREVIOUS_VERSIONS]} if _METADATA_FILES in map(str.lower, names) else {}


class Sizes(NamedTuple):
    """Bytes of the files to write; OPTIMIZE writes smaller and larger ones anew, where there are *fewest* of them or more."""

    target: int
    smallest: int
    largest: int
    fewest: int


def sizes(properties: Mapping[str, str], file_bytes: int) -> Sizes:
    """Return what the table's properties say of the size of its files; *file_bytes* where they say nothing, and Athena's shares of that."""
    target = max(1, int(properties.get(_TARGET, file_bytes)))
    smallest = int(properties.get(_SMALL, target * 3 // 4))
    return Sizes(target, smallest, int(properties.get(_LARGE, target * 9 // 5)), int(properties.get(_FEWEST, 2)))


def codec(properties: Mapping[str, str]) -> str:
    """Return how the table's files are to be compressed, as Parquet writers call it."""
    return CODECS.get(properties.get(COMPRESSION, "").lower(), "zstd")
