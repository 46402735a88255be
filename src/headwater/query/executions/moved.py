"""Views that an older Headwater kept among the queries: moved into the catalog, once, when the worker first opens it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from headwater.catalog.entries import Entries
from headwater.catalog.shapes import View, view_table
from headwater.query.executions.catalog import hive_type


def move_views(entries: Entries, queries: Path) -> None:
    """Keep the views of the store at *queries* in the catalog; those that are there already stay as they are."""
    store = sqlite3.connect(f"{queries.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        rows = store.execute("SELECT body FROM saved WHERE kind = 'view'").fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        rows = []  # the query role has only just made the file
    finally:
        store.close()
    for (body,) in rows:
        kept = json.loads(body)
        if entries.table(kept["database"], kept["name"]) is None:
            view = View(kept["text"], tuple((name, kind) for name, kind in kept["columns"]))
            table = view_table(kept["name"], kept["database"], view, [hive_type(kind) for _, kind in view.columns])
            entries.create(kept["database"], table)
