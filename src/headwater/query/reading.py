"""How the rows of a query are read, wherever it runs: as they come, or all at once as Arrow, pandas, Polars or Python values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Self

import pyarrow as pa

from headwater.errors import QueryError


class Reading(ABC):
    """Rows in the order the query gives them; use it in a `with`, or read it to its end, so that what it holds is free again.

    Every method raises `QueryError` where the query fails on the way. One is for one thread at a time.
    """

    schema: pa.Schema

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they come, once; no more than a few batches are in memory at a time."""

    @abstractmethod
    def close(self) -> None:
        """Stop the query, if it is still running; rows not read are dropped."""

    def arrow(self) -> pa.Table:
        """Return all rows as one Arrow table."""
        return pa.Table.from_batches(self.batches(), schema=self.schema)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return all rows as tuples of Python values."""
        table = self.arrow()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table.num_columns else []

    def df(self) -> Any:
        """Return all rows as a pandas DataFrame."""
        _require("pandas")
        return self.arrow().to_pandas()

    def pl(self) -> Any:
        """Return all rows as a Polars DataFrame."""
        return _require("polars").from_arrow(self.arrow())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RowsInMemory(Reading):
    """Rows that are in memory already."""

    def __init__(self, table: pa.Table) -> None:
        self.schema, self._table = table.schema, table

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        yield from self._table.to_batches()

    def close(self) -> None:
        """There is nothing to let go of."""


def _require(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise QueryError(f"{module} is not installed; pip install {module}") from error
