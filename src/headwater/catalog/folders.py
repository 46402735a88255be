"""How Hive names the folder of a partition: `key=value/`."""

from __future__ import annotations

NULL_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""The value in the folder's name where the partition key is NULL."""


def escaped(value: str) -> str:
    """Return a partition's value as a folder's name."""
    return "".join(f"%{ord(char):02X}" if char in "\"#%'*/:=?\\{[]^" or ord(char) < 32 else char for char in value)
