"""Events that end the worker which judges them: each is one dead letter, and everything else is stored once."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.flow.trouble import FOLD_SOON, log_of, once, stored
from tests.served import Served, invoke

EVENTS = """
import os
import re
import signal
import sys

from pydantic import field_validator

from headwater import Event


class Order(Event):
    how: str

    @field_validator("how")
    @classmethod
    def end(cls, how: str) -> str:
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "aborted":
            os.abort()
        if how == "left":
            os._exit(0)
        if how == "raised":
            sys.exit(3)
        if how == "memory":  # says nothing about the record, and so is no verdict
            raise MemoryError
        while how == "endless":
            pass
        if how == "tried":
            re.match("(a+)+$", "a" * 64 + "b")
        return how


class Visit(Event):
    how: str
"""


def send(served: Served, hows: list[str], event_type: str = "Order") -> dict[str, str]:
    at = datetime.now(UTC).isoformat()
    ids = {str(uuid.uuid4()): how for how in hows}
    events = {name: {"EventType": event_type, "Timestamp": at, "Attributes": {"how": how}} for name, how in ids.items()}
    served.client().put_events(ApplicationId=served.app_id, EventsRequest={"BatchItem": {"device": {"Endpoint": {}, "Events": events}}})
    return ids


def test_each_event_that_ends_the_worker_is_one_letter_and_the_others_are_rows(tmp_path: Path) -> None:
    served = Served(tmp_path / "shop", FOLD_SOON)
    (served.folder / "events.py").write_text(EVENTS)
    try:
        served.start()
        hows = ["memory"] + ["fine"] * 30 + ["killed", "memory"] + ["fine"] * 17 + ["aborted", "left"] + ["fine"] * 20 + ["raised"]
        sent = send(served, hows) | send(served, ["killed"] * 5, "Visit")
        served.settle()
        restarts = served.roles()["worker"]["restarts"]
        sent |= send(served, ["fine", "aborted", "fine"])
        served.settle()
        sent |= send(served, ["fine"])
        served.settle()
        after = served.roles()["worker"]["restarts"]

        deadly = {name for name, how in sent.items() if how != "fine"} - visits(served)
        letters = served.sql("SELECT event_id, reason, message FROM dead_letters")
        assert stored(served, ["orders", "visits", "dead_letters"]) == once(sent)
        assert {row["event_id"] for row in letters} == deadly
        by_how = {sent[row["event_id"]]: (row["reason"], row["message"]) for row in letters}
        assert by_how["killed"][0] == "judge" and "SIGKILL" in by_how["killed"][1]
        assert by_how["aborted"][0] == "judge" and "SIGABRT" in by_how["aborted"][1]
        assert by_how["left"][0] == "judge" and "exit code 0" in by_how["left"][1]
        assert by_how["raised"][0] == "validator"
        assert by_how["memory"][0] == "judge" and "MemoryError" in by_how["memory"][1]
        # The first batch ends the worker once, however many such events are in it, and the later one not at all.
        assert restarts == 1, log_of(served)
        assert after == restarts
    finally:
        served.kill()
    invoke("fold", "-C", served.folder)
    assert stored(served, ["orders", "visits", "dead_letters"]) == once(sent)


@pytest.mark.proof  # takes as long as is waited for what has no end
def test_each_event_whose_validator_has_no_end_is_one_letter_and_the_others_are_rows(tmp_path: Path) -> None:
    served = Served(tmp_path / "shop", FOLD_SOON + "pipe.batch_seconds = 9\n")
    (served.folder / "events.py").write_text(EVENTS)
    try:
        served.start()
        sent = send(served, ["fine"] * 5 + ["endless"] + ["fine"] * 7 + ["tried"] + ["fine"] * 3)
        sent |= send(served, ["fine"], "Visit")
        served.settle(120)

        letters = served.sql("SELECT event_id, reason, message FROM dead_letters")
        assert stored(served, ["orders", "visits", "dead_letters"]) == once(sent)
        assert {row["event_id"] for row in letters} == {name for name, how in sent.items() if how in ("endless", "tried")}
        assert {(row["reason"], "stopped after 1.5 s without an end" in row["message"]) for row in letters} == {("judge", True)}
        assert "field_validator" in log_of(served) or "in end" in log_of(served)  # the traceback says where it was
    finally:
        served.kill()


@pytest.mark.proof  # takes as long as the ledger is held
def test_a_ledger_that_is_slow_is_no_records_fault(tmp_path: Path) -> None:
    served = Served(tmp_path / "shop", FOLD_SOON + "pipe.batch_seconds = 4\n")
    (served.folder / "events.py").write_text(EVENTS)
    try:
        served.start()
        with closing(sqlite3.connect(served.folder / "data/ledger.db", timeout=60, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            sent = send(served, ["fine"])
            time.sleep(8)  # twice as long as judging may take
        served.settle()

        assert stored(served, ["orders", "dead_letters"]) == once(sent)
        assert served.sql("SELECT event_id FROM dead_letters") == []
        assert served.roles()["worker"]["restarts"] == 0, log_of(served)
    finally:
        served.kill()


def visits(served: Served) -> set[str]:
    return set(Counter(row["event_id"] for row in served.sql("SELECT event_id FROM visits")))
