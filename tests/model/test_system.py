"""The tables of our own: dead letters and fates."""

from __future__ import annotations

import datetime as dt

from headwater.model import DeadLetter, Fate, Letter, RecordIdentity, compile_models, fates_table, letters_table
from tests.model.bodies import ARRIVAL, AT

WHO = RecordIdentity("event", "SignUpEvent", "app", "client", None, "session", AT, ARRIVAL)
ARRIVED = dt.datetime(2026, 11, 23, 3, 6, 23, 120000, tzinfo=dt.UTC)


def test_a_dead_letter_keeps_the_body_byte_for_byte_and_lies_on_the_day_it_arrived() -> None:
    letter = Letter("field", "email", "nope", "a valid address", "SignUpEvent: email: …")

    table = letters_table([DeadLetter("l-1", "open", ARRIVAL + 5, "lake", "shard", 2**100, WHO, letter, b"\xff\x00")])

    [row] = table.to_pylist()
    assert table.schema == compile_models([]).tables["dead_letter_log"].schema
    assert row == {
        "event_id": "event",
        "event_type": "SignUpEvent",
        "datetime": ARRIVED,
        "session_id": "session",
        "app_id": "app",
        "client_id": "client",
        "cognito_id": None,
        "arrival_datetime": ARRIVED,
        "year": "2026",
        "month": "11",
        "day": "23",
        "letter_id": "l-1",
        "status": "open",
        "changed_at": ARRIVED + dt.timedelta(milliseconds=5),
        "pipe": "lake",
        "shard_id": "shard",
        "sequence_number": str(2**100),
        "reason": "field",
        "message": "SignUpEvent: email: …",
        "field": "email",
        "given": "nope",
        "expected": "a valid address",
        "body": b"\xff\x00",
    }


def test_a_fate_names_rule_pipe_and_target() -> None:
    table = fates_table([Fate("filtered", "sign-ups", "lake", "postgres", "shard", 7, WHO)])

    [row] = table.to_pylist()
    assert table.schema == compile_models([]).tables["fates"].schema
    assert [row[name] for name in ("fate", "rule", "pipe", "target", "shard_id", "sequence_number")] == [
        *("filtered", "sign-ups", "lake", "postgres", "shard", "7")
    ]
    assert row["datetime"] == row["arrival_datetime"] == ARRIVED


def test_no_rows_make_an_empty_table_of_the_same_schema() -> None:
    tables = compile_models([]).tables

    assert letters_table([]).schema == tables["dead_letter_log"].schema
    assert fates_table([]).schema == tables["fates"].schema


def test_a_project_without_models_has_our_own_tables() -> None:
    assert set(compile_models([]).tables) == {"other_events", "endpoint_updates", "identity_log", "dead_letter_log", "fates"}
