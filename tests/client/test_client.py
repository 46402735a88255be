"""Against the real thing: what is recorded becomes rows, each once, through outages, forks and the end of the program."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import headwater
from headwater.client import NotDelivered
from headwater.client import connection as connection_module
from headwater.model.load import load_classes
from tests.served import Served

Connect = Callable[..., headwater.Client]


def ids(served: Served, table: str, client_id: str) -> list[str]:
    return [
        row["event_id"] for row in served.sql(f"SELECT event_id FROM {table} WHERE client_id = '{client_id}' ORDER BY datetime, event_id")
    ]


def classes(served: Served) -> dict[str, Any]:
    return {cls.__name__: cls for cls in load_classes(served.folder / "events.py")}


def test_an_event_is_a_row_with_its_user_session_and_time(served: Served, connect: Connect) -> None:
    moment = dt.datetime.now(dt.UTC).replace(microsecond=123_000)
    with connect() as client:
        event_id = client.record(
            "SignUpEvent", {"email": "Zoë@example.org"}, endpoint_id="tab/1 é", user_id="zoë", session="s-1", timestamp=moment
        )
        client.update_endpoint("tab/1 é", attributes={"plan": "gold"}, demographic={"AppVersion": "3.1"})

    served.settle()
    assert served.sql(f"SELECT email, client_id, session_id, datetime FROM sign_up_events WHERE event_id = '{event_id}'") == [
        {"email": "Zoë@example.org", "client_id": "tab/1 é", "session_id": "s-1", "datetime": moment}
    ]
    served.eventually(
        "SELECT user_id, attributes FROM endpoints WHERE client_id = 'tab/1 é'", [{"user_id": "zoë", "attributes": '{"plan":["gold"]}'}]
    )


def test_what_nobody_modelled_keeps_its_values(served: Served, connect: Connect) -> None:
    values = {"text": "a", "yes": True, "n": 7, "f": 0.5, "nothing": None, "list": [1, "é"], "map": {"a": None}, "day": dt.date(2026, 1, 2)}
    with connect() as client:
        event_id = client.record("quiz/Done", values, {"score": 2**60 + 1, "share": 0.1}, endpoint_id="other")

    served.settle()
    [row] = served.sql(f"SELECT attributes, metrics FROM other_events WHERE event_id = '{event_id}'")
    assert dict(row["attributes"]) == {
        "text": "a", "yes": "true", "n": "7", "f": "0.5", "nothing": None, "list": '[1,"é"]', "map": '{"a":null}', "day": "2026-01-02",
        "score": str(2**60 + 1),  # exact, where a double is not
    }  # fmt: skip
    assert dict(row["metrics"]) == {"score": float(2**60), "share": 0.1}


def test_an_instance_of_a_model_comes_back_as_it_was(served: Served, connect: Connect) -> None:
    models = classes(served)
    lesson = models["LessonEvent"](
        price="12.345678901", began_at="2026-11-23T03:06:22.544321+02:00", due="2026-11-30", teacher=UUID(int=7), page="https://x.org/ä?b=1",
        paid=True, grade=-(2**53) - 1, share=0.1 + 0.2, hand="left", kind=None, plan=None,
        bars=[{"no": 1, "hand": "right"}, {"no": 2, "hand": None}],
        scores={"ada": 0.5, "bob": None}, remark="null and void", weather="fine",
    )  # fmt: skip
    with connect() as client:
        event_id = client.record_model(lesson)

    served.settle()
    [row] = served.sql(f"SELECT * FROM lesson_events WHERE event_id = '{event_id}'")
    assert (row["price"], row["began_at"], row["due"]) == (lesson.price, lesson.began_at, lesson.due)
    assert (row["teacher"], row["page"], row["paid"]) == (str(lesson.teacher), str(lesson.page), True)
    assert (row["grade"], row["share"], row["hand"], row["kind"], row["plan"]) == (lesson.grade, lesson.share, "left", None, None)
    assert row["bars"] == [{"number": 1, "hand": "right"}, {"number": 2, "hand": None}]
    assert (dict(row["scores"]), row["note"], dict(row["extra"])) == (lesson.scores, "null and void", {"weather": "fine"})


def test_a_model_that_declares_time_and_session_says_them(served: Served, connect: Connect) -> None:
    moment = dt.datetime.now(dt.UTC).replace(microsecond=5_000) - dt.timedelta(hours=3)
    with connect() as client:
        event_id = client.record_model(classes(served)["VisitEvent"](event_type="app/visit", datetime=moment, session_id="s-9", page="/"))

    served.settle()
    assert served.sql(f"SELECT event_type, datetime, session_id, page FROM visit_events WHERE event_id = '{event_id}'") == [
        {"event_type": "app/visit", "datetime": moment, "session_id": "s-9", "page": "/"}
    ]


def test_a_key_nobody_knows_is_said_and_nothing_arrives(served: Served, connect: Connect) -> None:
    client = connect(access_key_id="AKIA" + "X" * 16, secret_access_key="no")
    client.record("SignUpEvent", {"email": "a@example.org"}, endpoint_id="unknown-key")

    with pytest.raises(NotDelivered, match="security token included in the request is invalid"):
        client.flush(60)

    assert ids(served, "sign_up_events", "unknown-key") == []


def test_one_refused_event_harms_no_other(served: Served, connect: Connect) -> None:
    client = connect()
    sent = [client.record(name, {"email": "a@example.org"}, endpoint_id="mixed") for name in ("SignUpEvent", "_headwater.x", "SignUpEvent")]

    with pytest.raises(NotDelivered, match="_headwater") as refused:
        client.flush(60)

    served.settle()
    assert [line["event_id"] for line in refused.value.events] == [sent[1]]
    assert sorted(ids(served, "sign_up_events", "mixed")) == sorted([sent[0], sent[2]])


def test_the_write_key_of_the_app_is_enough(served: Served, connect: Connect) -> None:
    [key] = [line.split('"')[1] for line in (served.folder / "headwater.toml").read_text().splitlines() if line.startswith("write_key = ")]
    with connect(write_key=key) as client:
        event_id = client.record("SignUpEvent", {"email": "a@example.org"}, endpoint_id="by-write-key", user_id="ada")

    served.settle()
    assert ids(served, "sign_up_events", "by-write-key") == [event_id]


def test_a_clock_that_is_off_is_corrected_by_the_servers(served: Served, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    class Off(dt.datetime):
        by = dt.timedelta()

        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime.now(tz) + cls.by

    monkeypatch.setattr(connection_module, "datetime", Off)
    client = connect()
    sent = []
    for hours in (-2, -2, 0, 1):  # it is set right while the client runs, and then wrong again
        Off.by = dt.timedelta(hours=hours)
        sent.append(client.record("SignUpEvent", {"email": "a@example.org"}, endpoint_id="late"))
        client.flush(60)

    served.settle()
    assert sorted(ids(served, "sign_up_events", "late")) == sorted(sent)


class Cutting:
    """A proxy that passes requests on, and hangs up in the place of the first *cuts* answers."""

    def __init__(self, port: int, cuts: int) -> None:
        self._port, self.cuts = port, cuts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            with inner, socket.create_connection(("127.0.0.1", self._port)) as outer:
                while request := self._request(inner):
                    outer.sendall(request)
                    answer = outer.recv(1 << 20)
                    if self.cuts > 0:
                        self.cuts -= 1
                        break
                    inner.sendall(answer)

    def _request(self, inner: socket.socket) -> bytes:
        """Read one whole request, in however many pieces it comes."""
        data = b""
        while (part := inner.recv(1 << 20)) != b"":
            data += part
            head, end, body = data.partition(b"\r\n\r\n")
            if end:
                [length] = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
                if len(body) >= length:
                    break
        return data

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def test_an_answer_that_is_lost_makes_no_second_row(served: Served, connect: Connect) -> None:
    [key] = [line.split('"')[1] for line in (served.folder / "headwater.toml").read_text().splitlines() if line.startswith("write_key = ")]
    proxy = Cutting(served.ports[0], cuts=2)
    try:
        with connect(proxy.url, write_key=key) as client:
            event_id = client.record("SignUpEvent", {"email": "a@example.org"}, endpoint_id="cut")
            client.flush(60)
    finally:
        proxy.stop()

    served.settle()
    assert ids(served, "sign_up_events", "cut") == [event_id]
    assert served.sql(f"SELECT fate FROM fates WHERE event_id = '{event_id}'") == [{"fate": "duplicate"}] * 2


def test_an_outage_is_waited_out_and_nothing_is_lost_or_doubled(served: Served, connect: Connect) -> None:
    client = connect(linger_s=0.01)
    sent = []
    for number in range(300):
        sent.append(client.record("SignUpEvent", {"email": f"u{number}@example.org"}, endpoint_id="outage"))
        if number == 100:
            client.flush(60)
            served.kill()
        if number == 200:
            served.start(ready_s=120)
        time.sleep(0.001)  # events that come one by one, not as one batch
    client.flush(60)

    served.settle()
    assert sorted(ids(served, "sign_up_events", "outage")) == sorted(sent)


SCRIPT = """
import os, sys, headwater
url, app_id, key_id, secret, how = sys.argv[1:]
client = headwater.Client(url, app_id, access_key_id=key_id, secret_access_key=secret, linger_s=60)
client.record("SignUpEvent", {"email": "a@example.org"}, endpoint_id=f"parent-{how}")
if how == "fork":
    client.flush(60)
    client.record("SignUpEvent", {"email": "b@example.org"}, endpoint_id="parent-fork")
    child = os.fork()
    if child == 0:
        for _ in range(2):
            client.record("SignUpEvent", {"email": "c@example.org"}, endpoint_id="child-fork")
        client.flush(60)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
if how == "raise":
    raise SystemExit(3)
assert not {"pyarrow", "duckdb", "pydantic", "pyiceberg"} & sys.modules.keys()
"""


@pytest.mark.parametrize(("how", "code", "expected"), [("end", 0, 1), ("raise", 3, 1), ("fork", 0, 2)])
def test_what_is_queued_at_the_end_of_a_program_is_delivered(served: Served, tmp_path: Path, how: str, code: int, expected: int) -> None:
    key = (served.owner["access_key_id"], served.owner["secret_access_key"])
    before = len(ids(served, "sign_up_events", "child-fork"))

    done = subprocess.run([sys.executable, "-c", SCRIPT, served.url, served.app_id, *key, how], capture_output=True, text=True, timeout=240)

    assert (done.returncode, done.stderr) == (code, "")
    served.settle()
    assert len(ids(served, "sign_up_events", f"parent-{how}")) == expected
    assert len(ids(served, "sign_up_events", "child-fork")) - before == (2 if how == "fork" else 0)


# A program of its own: DuckDB's and Arrow's threads, which this one has, do not survive a fork.
FORKING_SERVER = """
import os, sys, threading, time, headwater
url, app_id, key_id, secret = sys.argv[1:]
client = headwater.Client(url, app_id, access_key_id=key_id, secret_access_key=secret, linger_s=0.001)
stop = threading.Event()

def record():
    while not stop.is_set():
        client.record("SignUpEvent", {"email": "p@example.org"}, endpoint_id="busy-parent")
        time.sleep(0.001)  # the forks need the interpreter, too

thread = threading.Thread(target=record)
thread.start()
for number in range(10):  # while the parent's threads are in the middle of things
    child = os.fork()
    if child == 0:
        code = 1
        try:
            client.record("SignUpEvent", {"email": "c@example.org"}, endpoint_id=f"busy-child-{number}")
            client.flush(60)
            code = 0
        finally:
            os._exit(code)
    print(os.waitpid(child, 0)[1])
stop.set()
thread.join()
client.close()
"""


def test_the_children_of_a_forking_server_send_their_own_events(served: Served) -> None:
    key = (served.owner["access_key_id"], served.owner["secret_access_key"])

    done = subprocess.run(
        [sys.executable, "-c", FORKING_SERVER, served.url, served.app_id, *key], capture_output=True, text=True, timeout=240
    )

    served.settle()
    assert (done.returncode, done.stdout.split()) == (0, ["0"] * 10), done.stderr
    assert served.sql("SELECT count(*) AS n FROM sign_up_events WHERE client_id LIKE 'busy-child-%'") == [{"n": 10}]
