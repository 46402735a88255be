"""Rows that no file can hold: they become dead letters, and the rows around them go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from headwater.attempt import Attempts
from headwater.errors import LedgerError
from headwater.lake.caution import FoldCaution
from headwater.lake.writer import Lake
from headwater.model.system import DEAD_LETTER_LOG
from headwater.trial import Trial
from tests.lake.conftest import Crash, Project, visits

MOMENT = pa.timestamp("us", tz="UTC")
YEAR_0, YEAR_10000 = -62_135_596_800_000_001, 253_402_300_800_000_000


def paid(ids: Sequence[str], **unfit: int) -> pa.Table:
    """Return visits paid for at a moment that Python knows, but for those named."""
    moments = pa.array([unfit.get(name, 0) for name in ids], pa.int64()).cast(MOMENT)
    return visits(ids).append_column("paid_at", moments).append_column("event_type", pa.array(["Visit"] * len(ids)))


def letters(project: Project) -> list[dict[str, object]]:
    tail = project.ledger.tail(tables=[DEAD_LETTER_LOG.name])
    return [row for part in tail for row in pa.ipc.open_stream(part.rows.arrow).read_all().to_pylist()]


def fates(project: Project) -> dict[tuple[str, str], int]:
    return {(total.fate, total.rule): total.records for total in project.ledger.fate_counts()}


def fold_all(project: Project, table: str = "visits") -> None:
    while project.lake.fold(table):
        pass


def test_rows_outside_the_calendar_become_letters_and_the_others_are_folded(project: Project) -> None:
    names = [f"v{number}" for number in range(50)]
    project.commit({"visits": paid(names, v7=YEAR_0, v8=YEAR_10000, v49=YEAR_0)})

    fold_all(project)
    project.commit({"visits": paid(["later"])})
    fold_all(project)

    good = [name for name in [*names, "later"] if name not in ("v7", "v8", "v49")]
    assert sorted(project.in_lake("visits")) == sorted(good)
    assert project.in_tail("visits") == []
    found = {row["event_id"]: row for row in letters(project)}
    assert sorted(found) == ["v49", "v7", "v8"]
    assert {row["reason"] for row in found.values()} == {"fold"}
    assert "table visits" in str(found["v7"]["message"])
    body = json.loads(found["v8"]["body"])  # type: ignore[arg-type]
    assert body["event_type"] == "Visit"
    assert body["attributes"]["paid_at"].startswith("10000-01-01")
    assert fates(project) == {("delivered", ""): 48, ("dead-lettered", "fold"): 3}


def test_a_batch_of_nothing_else_is_passed_over(project: Project) -> None:
    project.commit({"visits": paid(["a"], a=YEAR_0)})
    project.commit({"visits": paid(["b"])})

    fold_all(project)

    assert project.in_lake("visits") == ["b"]
    assert [row["event_id"] for row in letters(project)] == ["a"]
    assert project.ledger.tail(tables=["visits"]) == []


@pytest.mark.parametrize("step", ["withdrawn", "written", "committed", "indexed"])
def test_a_crash_at_any_step_makes_neither_a_second_letter_nor_loses_a_row(project: Project, step: str) -> None:
    project.commit({"visits": paid(["a", "b", "c"], b=YEAR_0)})
    crashes = iter([Crash()])

    def at(name: str) -> None:
        if name == step:
            for crash in crashes:
                raise crash

    project.step = at
    with pytest.raises(Crash):
        fold_all(project)
    project.step = lambda name: None
    project.reopen()
    fold_all(project)

    assert sorted(project.in_lake("visits")) == ["a", "c"]
    assert [row["event_id"] for row in letters(project)] == ["b"]
    assert fates(project) == {("delivered", ""): 2, ("dead-lettered", "fold"): 1}


def test_letters_that_no_file_can_hold_do_not_stop_the_log_of_letters(project: Project) -> None:
    schema = DEAD_LETTER_LOG.schema
    row = {"letter_id": "l", "event_id": "x", "reason": "field", "datetime": 0, "arrival_datetime": 0, "changed_at": YEAR_0, "body": b"{}"}
    bad = pa.Table.from_arrays([pa.array([row.get(field.name)], field.type) for field in schema], schema=schema)
    project.commit({DEAD_LETTER_LOG.name: bad})

    fold_all(project, DEAD_LETTER_LOG.name)

    assert project.in_lake(DEAD_LETTER_LOG.name, "reason") == ["fold"]
    assert fates(project) == {("delivered", ""): 1}  # as the commit above counted it: a letter is no event


@pytest.mark.parametrize("text", ["\ud7ff" * 17, "a" * 15 + "\ud7ff" + "tail", "\U0010ffff" * 40, "\x00" * 40, ""])
def test_text_of_which_the_statistics_have_no_upper_bound_is_folded(project: Project, text: str) -> None:
    project.commit({"visits": visits(["a", text])})

    fold_all(project)

    assert sorted(project.in_lake("visits")) == sorted(["a", text])
    assert letters(project) == []


def test_what_fails_without_rows_too_makes_no_letters(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise ValueError("nothing can be written")

    monkeypatch.setattr("headwater.lake.fold.write_days", broken)
    project.commit({"visits": paid(["a", "b"])})

    with pytest.raises(LedgerError, match="cannot fold table visits: ValueError: nothing can be written"):
        project.maintenance.fold_all()
    monkeypatch.undo()
    fold_all(project)

    assert sorted(project.in_lake("visits")) == ["a", "b"]
    assert letters(project) == []


def cautious(project: Project, trial: str) -> FoldCaution:
    caution = FoldCaution(Attempts(project.folder / "fold"), Trial(trial))
    project.lake = Lake(
        project.ledger,
        project.catalog,
        project.index,
        project.folder / "lake",
        "analytics",
        project.clock,
        step=lambda name: project.step(name),
        caution=caution,
    )
    return caution


def test_rows_at_which_the_process_dies_become_letters_when_the_next_one_folds(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    names = [f"v{number}" for number in range(10)]
    project.commit({"visits": paid([*names[:4], "deadly 1", *names[4:], "deadly 2"])})
    # What a process leaves that is gone within a fold: no Python code of its own runs any more.
    before = Attempts(project.folder / "fold")
    before.begin("visits", 1, 1)
    before.close()
    project.lake.ensure("visits", paid(["x"]).schema)

    caution = cautious(project, "tests.lake.deadly:trial")
    fold_all(project)
    caution.close()

    assert sorted(project.in_lake("visits")) == names
    found = {row["event_id"]: str(row["message"]) for row in letters(project)}
    assert sorted(found) == ["deadly 1", "deadly 2"]
    assert "SIGSEGV" in found["deadly 1"]
    assert Attempts(project.folder / "fold").left is None


def test_a_fold_at_which_every_process_dies_takes_half_as_many_batches_each_time(project: Project) -> None:
    for number in range(9):
        project.commit({"visits": paid([f"v{number}"])})
    project.lake.ensure("visits", paid(["x"]).schema)
    sizes = []
    for _ in range(6):
        caution = FoldCaution(Attempts(project.folder / "fold"), Trial("headwater.lake.caution:trial"))
        tail = caution.limit("visits", project.ledger.tail())
        assert caution.begin("visits", tail, paid(["x"]).schema) == {}
        sizes.append(len(tail))  # and here it dies
    project.commit({"visits": paid(["later"])})

    caution = cautious(project, "headwater.lake.caution:trial")
    first = project.lake.fold("visits")
    fold_all(project)
    caution.close()

    assert sizes == [9, 9, 4, 2, 1, 1]
    assert first is not None
    assert first.rows == 1
    assert sorted(project.in_lake("visits")) == sorted([f"v{number}" for number in range(9)] + ["later"])
    assert letters(project) == []


def test_a_fold_that_was_killed_by_others_is_done_again_whole(project: Project) -> None:
    project.commit({"visits": paid(["a", "b"])})
    project.lake.ensure("visits", paid(["x"]).schema)
    before = Attempts(project.folder / "fold")
    before.begin("visits", 1, 1)
    before.close()

    caution = cautious(project, "headwater.lake.caution:trial")
    fold_all(project)
    caution.close()

    assert sorted(project.in_lake("visits")) == ["a", "b"]
    assert letters(project) == []
