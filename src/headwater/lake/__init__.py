"""Tables at rest: tail rows become Parquet files and one Iceberg commit; `open_index` plans what a query must read."""

from headwater.lake.index import LakeIndex, open_index
from headwater.lake.plan import DataFile, TableField, TablePlan

__all__ = ["DataFile", "LakeIndex", "TableField", "TablePlan", "open_index"]

SUBMODULES = (
    "agreement",
    "alter",
    "caution",
    "change",
    "failures",
    "hive",
    "index",
    "last_state",
    "maintain",
    "rebuild",
    "relocate",
    "rewrite",
    "writer",
)
"""What other rooms may import from beside this module, which would load more than they need."""
