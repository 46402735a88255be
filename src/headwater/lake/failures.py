"""What goes wrong between the tail, the catalog and the files, told as our own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, ValidationException
from sqlalchemy.exc import SQLAlchemyError

from headwater.errors import LedgerError, Unavailable


@contextmanager
def failing(doing: str) -> Iterator[None]:
    """Raise `LedgerError` for rows that cannot be read and `Unavailable` for what may go better later; *doing*: "fold table t"."""
    try:
        yield
    except pa.ArrowException as error:
        raise LedgerError(f"cannot {doing}: rows in the tail cannot be read as the table's: {error}; they stay there") from error
    except (SQLAlchemyError, OSError, CommitFailedException, ValidationException) as error:
        what = getattr(error, "orig", None) or error  # SQLAlchemy's own text has the whole statement, and a link
        raise Unavailable(f"cannot {doing} now: {what}; nothing is lost, it will be tried again") from error
