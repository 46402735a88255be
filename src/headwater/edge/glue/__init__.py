"""The operations of Glue's catalog: which a `query` key may call, and which take `admin`."""

from __future__ import annotations

SERVICE = "AWSGlue"

READ = (
    "GetDatabase", "GetDatabases", "GetPartition", "GetPartitions", "GetTable", "GetTableVersion", "GetTableVersions", "GetTables",
    "GetUserDefinedFunctions",
)  # fmt: skip

QUERY_ACTIONS = frozenset(f"glue:{operation}" for operation in READ)
"""What a key with the permission `query` may ask for; what changes the catalog takes `admin`."""
