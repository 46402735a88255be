"""The letters for records at which judging, or taking them apart, did not end in a verdict."""

from __future__ import annotations

from headwater.model import Letter
from headwater.model.letter import shorten


def failed(error: Exception) -> Letter:
    """Return the letter for a record at which judging it raised what no verdict is."""
    said = shorten(f"{type(error).__name__}: {error}")
    return Letter("judge", None, None, None, f"judging it failed: {said}; the rest of its batch went on")


def ended(how: str) -> Letter:
    """Return the letter for a record that ended the process that judged it."""
    message = f"judging it ended the process ({how}); the rest of its batch went on"
    return Letter("judge", None, None, None, message)
