"""Keeps what our own processes do not need out of them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import cast


class _RefuseArrow:
    """PyArrow imports pandas, where it is installed, for its first array and for `pyarrow.dataset`: a second and 45 MB for nothing.

    It asks once each, and remembers that there is none. A user's own models may import pandas: they come after the first array.
    """

    def __init__(self) -> None:
        self._first = True

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if name == "pandas" and (self._first or _asked_by("pyarrow.dataset")):
            self._first = False
            raise ModuleNotFoundError("no pandas for PyArrow in this process", name="pandas")


def _asked_by(module: str) -> bool:
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == module:
            return True
        frame = frame.f_back
    return False


def keep_pandas_from_arrow() -> None:
    """Call it at the start of a process whose first Arrow array is ours, and that never makes a DataFrame."""
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _RefuseArrow())


def keep_rich_from_structlog() -> None:
    """Call it at the start of a process that needs no rich itself: structlog imports it, for traces that we format in another way."""
    if "structlog" not in sys.modules and "rich" not in sys.modules:
        sys.modules["rich"] = cast(ModuleType, None)  # by which an import of it fails
        import structlog  # noqa: F401

        del sys.modules["rich"]
