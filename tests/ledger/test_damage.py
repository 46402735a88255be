"""Damage in the middle of a ledger is found when it is opened, or met once and found at the next opening: never met again and again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headwater import integrity
from headwater.catalog import open_catalog
from headwater.control import open_control
from headwater.endpoint import open_endpoints
from headwater.errors import ProjectError
from headwater.ledger import LedgerBatch, Rows, open_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger with some hundred pages of rows, all in its file."""
    path = tmp_path / "ledger.db"
    with closing(open_ledger(f"sqlite:///{path}")) as opened:
        for number in range(30):
            rows = {"visits": Rows(1, bytes([number]) * 20_000, 0)}
            opened.commit(LedgerBatch("lake", "shard", number, number + 1, rows, [], {number: b"k" * 16 * 100}, 0))
    settle(path)
    return path


def settle(path: Path) -> None:
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def damage(path: Path) -> None:
    """Overwrite what is between the first pages and the last."""
    content = path.read_bytes()
    path.write_bytes(content[: 4096 * 3] + b"\xa5" * (len(content) - 4096 * 6) + content[-4096 * 3 :])


def test_damage_in_the_middle_is_found_at_the_start(ledger: Path) -> None:
    damage(ledger)

    with pytest.raises(ProjectError) as failure:
        open_ledger(f"sqlite:///{ledger}")

    assert f"{ledger} is damaged" in str(failure.value)
    assert "move it away to rebuild it from the lake" in str(failure.value)


def test_damage_met_in_a_large_ledger_is_found_at_the_next_start(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "CHECKED_BYTES", 0)
    damage(ledger)

    with closing(open_ledger(f"sqlite:///{ledger}")) as opened, pytest.raises(ProjectError, match="is damaged"):
        opened.tail()
    for _ in range(2):
        with pytest.raises(ProjectError, match="is damaged"):
            open_ledger(f"sqlite:///{ledger}")


def test_a_whole_ledger_put_in_the_place_of_a_damaged_one_is_opened(ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "CHECKED_BYTES", 0)
    whole = ledger.read_bytes()
    integrity.suspect(ledger)
    damage(ledger)
    with pytest.raises(ProjectError):
        open_ledger(f"sqlite:///{ledger}")

    ledger.write_bytes(whole)
    with closing(open_ledger(f"sqlite:///{ledger}")) as opened:
        rows = sum(part.rows.count for part in opened.tail())

    assert rows == 30
    assert [path.name for path in tmp_path.glob("*suspected")] == []


@pytest.mark.parametrize("store", ["endpoints", "control", "catalog"])
def test_damage_in_the_middle_of_any_other_database_is_found_at_its_start(tmp_path: Path, store: str) -> None:
    path = tmp_path / f"{store}.db"
    openers = {"endpoints": open_endpoints, "control": open_control, "catalog": lambda url: open_catalog(url, str(tmp_path))}
    openers[store](f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as sql, sql:
        sql.execute("CREATE TABLE filler (number INTEGER PRIMARY KEY, content BLOB)")
        sql.executemany("INSERT INTO filler VALUES (?, ?)", [(number, bytes(3_000)) for number in range(200)])
    settle(path)
    damage(path)

    with pytest.raises(ProjectError, match="is damaged"):
        openers[store](f"sqlite:///{path}")
