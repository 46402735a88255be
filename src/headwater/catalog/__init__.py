"""Which tables there are: a PyIceberg catalog whose every write is synced before it counts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from headwater.errors import SettingsError

if TYPE_CHECKING:
    # PyIceberg takes half a second to import; who only plans queries from the file index never needs it.
    from pyiceberg.catalog import Catalog

BACKENDS = {"sqlite": "headwater.catalog.sql:DurableSqlCatalog"}

# Given to PyIceberg as the name of the catalog; rows of `iceberg_tables` carry it.
CATALOG_NAME = "headwater"
FILE_IO = "headwater.catalog.durable.DurableFileIO"


def open_catalog(url: str, warehouse: str) -> Catalog:
    """Open the catalog at *url* (`sqlite:///file`) for tables that lie under the folder *warehouse*.

    Data files go to `<warehouse>/data/<database>/<table>`, Iceberg metadata to `<warehouse>/metadata/<database>/<table>`.
    """
    scheme = url.partition(":")[0]
    try:
        module, _, name = BACKENDS[scheme].partition(":")
    except KeyError:
        raise SettingsError(f"no catalog backend {scheme!r} (in {url!r}); there are: {', '.join(BACKENDS)}") from None
    return cast("Catalog", getattr(import_module(module), name)(CATALOG_NAME, uri=url, warehouse=warehouse, **{"py-io-impl": FILE_IO}))
