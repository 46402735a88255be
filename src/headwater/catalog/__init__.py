"""Which tables there are: a PyIceberg catalog whose every write is synced before it counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from headwater.backend import find_backend

if TYPE_CHECKING:
    # PyIceberg takes half a second to import; who only plans queries from the file index never needs it.
    from pyiceberg.catalog import Catalog

SUBMODULES = ("avro", "durable", "entries", "file", "folders", "formats", "made", "names", "partition", "schema", "shapes")
"""What other rooms may import from beside this module, which would load more than they need."""

BACKENDS = {"sqlite": "headwater.catalog.sql:DurableSqlCatalog"}

# Given to PyIceberg as the name of the catalog; rows of `iceberg_tables` carry it.
CATALOG_NAME = "headwater"
FILE_IO = "headwater.catalog.durable.DurableFileIO"


def open_catalog(url: str, warehouse: str, access: Mapping[str, str] | None = None) -> Catalog:
    """Open the catalog at *url* (`sqlite:///file`) for tables that lie under the folder, or the place in a bucket, *warehouse*.

    *access*: how buckets are reached, as PyIceberg's properties.

    Data files go to `<warehouse>/data/<database>/<table>`, Iceberg metadata to `<warehouse>/metadata/<database>/<table>`.
    """
    properties = {"uri": url, "warehouse": warehouse, "py-io-impl": FILE_IO, **(access or {})}
    return cast("Catalog", find_backend("catalog", BACKENDS, url)(CATALOG_NAME, **properties))
