"""A question that is answered while somebody waits obeys its workgroup, and says which limit ended it."""

from __future__ import annotations

import threading

import pytest

from headwater.errors import HeadwaterError
from headwater.executions import InvalidRequest
from headwater.executions.direct import Question, QuestionFailed
from tests.executions.conftest import SLOW, Room
from tests.executions.test_writes import write


class Outlet:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.error: HeadwaterError | None = None
        self.ended = threading.Event()

    def write(self, data: bytes, /) -> int:
        return len(data)

    def end(self, error: HeadwaterError | None = None) -> None:
        self.error = error
        self.ended.set()


def ended(room: Room, sql: str) -> HeadwaterError | None:
    out = Outlet()
    room.queries.direct.ask(Question(sql), out, "ada", may_change=False).begin()
    assert out.ended.wait(20)
    return out.error


def test_a_workgroup_that_is_disabled_answers_nothing(room: Room) -> None:
    room.queries.workgroups.update("primary", {"state": "DISABLED"})

    with pytest.raises(InvalidRequest, match="WorkGroup primary is disabled"):
        ended(room, "SELECT 1 AS n")


def test_the_time_limit_is_told(room: Room) -> None:
    room.queries.workgroups.update("primary", {"time_limit_s": 0.3})

    error = ended(room, SLOW)

    assert isinstance(error, QuestionFailed)
    assert (error.code, str(error)) == ("EXCEEDED_TIME_LIMIT", "the query was stopped after 0.3 s, the limit of its workgroup")


def test_the_limit_of_what_is_read_is_told(room: Room) -> None:
    room.queries.workgroups.update("primary", {"cutoff_bytes": 10_000_000})
    folder = room.folder / "results" / "results" / "big"
    folder.mkdir(parents=True)
    (folder / "lines.csv").write_bytes(b"0123456789\n" * 1_000_000)
    write(room, "CREATE EXTERNAL TABLE big (line string) ROW FORMAT DELIMITED LOCATION 's3://results/big/'")

    error = ended(room, "SELECT count(*) FROM big")

    assert isinstance(error, QuestionFailed)
    assert error.code == "EXCEEDED_SCAN_LIMIT"
    assert str(error) == "the query would read 11,000,000 bytes; its workgroup lets it read 10,000,000"
