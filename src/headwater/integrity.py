"""Damage inside a SQLite file, found when it is opened: SQLite itself only meets it when it comes to the page."""

from __future__ import annotations

import sqlite3
from pathlib import Path

CHECKED_BYTES = 64 << 20
"""Files up to here are looked through at every start, which takes about a tenth of a second; larger ones once they are suspected."""


def check_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Look through all pages of the database at *path* if it is small, or `suspect` was said of it.

    Raises SQLite's own error of a damaged file. One that turns out to be whole is suspected no more.
    """
    suspected = _mark(path)
    if not suspected.exists() and path.stat().st_size > CHECKED_BYTES:
        return
    [(found,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        error = sqlite3.DatabaseError(f"{found.splitlines()[-1]}, found by looking through it")
        error.sqlite_errorname = "SQLITE_CORRUPT"
        raise error
    suspected.unlink(missing_ok=True)


def suspect(path: Path) -> None:
    """Remember that damage was met in the file at *path*, so that who opens it next looks through all of it, however large it is."""
    _mark(path).touch()


def _mark(path: Path) -> Path:
    return path.with_name(path.name + ".suspected")
