"""Keeps what our own processes do not need out of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType


class _RefuseOnce:
    """PyArrow imports pandas, where it is installed, at the first array it makes: a second of start-up and 35 MB for nothing.

    It asks once and remembers the answer, so only that first import is refused; a user's own models may import pandas after it.
    """

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if name == "pandas":
            sys.meta_path.remove(self)
            raise ModuleNotFoundError("no pandas for PyArrow in this process", name="pandas")


def keep_pandas_from_arrow() -> None:
    """Call it at the start of a process whose first Arrow array is ours, and that never makes a DataFrame."""
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _RefuseOnce())
