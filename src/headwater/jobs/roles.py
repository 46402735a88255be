"""What a role says of itself when it is asked, and the fold that people ask for."""

from __future__ import annotations

import msgspec

from headwater.jobs import Job
from headwater.telemetry.metrics import Family


class Families(msgspec.Struct, frozen=True):
    """What a role counts."""

    families: list[Family]


class Metrics(Job[Families], frozen=True, kw_only=True):
    """Say what the role counts."""


class Standstill(msgspec.Struct, frozen=True):
    """One thing that stands still, such as `table orders`, why as far as is known, and for how many seconds already."""

    what: str
    reason: str
    seconds: float


class Standing(msgspec.Struct, frozen=True):
    """What of a role stands still."""

    still: list[Standstill]


class Standstills(Job[Standing], frozen=True, kw_only=True):
    """Say what of the role stands still."""


class Fold(msgspec.Struct, frozen=True):
    """What one fold did: rows of a table in so many new files of *size* bytes, batches up to *folded*, in so many seconds."""

    table: str
    rows: int
    files: int
    size: int
    folded: int
    seconds: float


class Folded(msgspec.Struct, frozen=True):
    """The folds that were done."""

    folds: list[Fold]


class FoldAll(Job[Folded], frozen=True, kw_only=True):
    """Take what the stream holds, and put all rows that wait into files."""
