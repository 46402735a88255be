"""Properties that people give tables of their own, by Athena's names: each is checked, and any other name is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headwater.errors import Refused

MAX_AGE, MIN_COUNT = "vacuum_max_snapshot_age_seconds", "vacuum_min_snapshots_to_keep"
COMPRESSION = "write_compression"
CODECS = {"zstd": "zstd", "snappy": "snappy", "gzip": "gzip", "none": "none", "uncompressed": "none"}
_NUMBERS = (MAX_AGE, MIN_COUNT)
# How Athena goes about OPTIMIZE and metadata: kept and told, and nothing here depends on them.
_HINTS = (
    "vacuum_max_metadata_files_to_keep", "optimize_rewrite_min_data_file_size_bytes", "optimize_rewrite_max_data_file_size_bytes",
    "optimize_rewrite_data_file_threshold", "optimize_rewrite_delete_file_threshold", "write_target_data_file_size_bytes",
)  # fmt: skip
_SETTLED = {"table_type": "iceberg", "format": "parquet"}


def checked(given: Mapping[str, str]) -> dict[str, str]:
    """Return the properties to keep, under lower-case names. Raises `Refused`: INVALID_TABLE_PROPERTY, NOT_SUPPORTED."""
    kept = {name.lower(): str(value) for name, value in given.items()}
    check_names(list(kept))
    for name, value in kept.items():
        low = value.lower()
        if name in _SETTLED and low != _SETTLED[name]:
            raise Refused("NOT_SUPPORTED", f"the {name} of an Iceberg table is {_SETTLED[name].upper()} here, not '{value}'")
        if name in (*_NUMBERS, *_HINTS) and not (value.isascii() and value.isdigit() and len(value) < 19):
            raise Refused("INVALID_TABLE_PROPERTY", f"{name} is a whole number, not '{value}'")
        if name == COMPRESSION and low not in CODECS:
            raise Refused("INVALID_TABLE_PROPERTY", f"{name} is one of {', '.join(CODECS)}, not '{value}'")
    return {name: value for name, value in kept.items() if name not in _SETTLED}


def check_names(names: Sequence[str]) -> None:
    """Raise `Refused` INVALID_TABLE_PROPERTY for a name that no property of an Iceberg table has."""
    known = sorted({*_SETTLED, *_NUMBERS, *_HINTS, COMPRESSION})
    if unknown := [name for name in names if name.lower() not in known]:
        raise Refused("INVALID_TABLE_PROPERTY", f"Unsupported table property key: {unknown[0]}; there are: {', '.join(known)}")


def codec(properties: Mapping[str, str]) -> str:
    """Return how the table's files are to be compressed, as Parquet writers call it."""
    return CODECS.get(properties.get(COMPRESSION, "").lower(), "zstd")
