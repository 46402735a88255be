from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import headwater
from tests.served import Served

EVENTS = '''
import datetime as dt
import uuid
from decimal import Decimal
from enum import Enum
from typing import Literal

from pydantic import AnyUrl, BaseModel, Field

from headwater import Email, Event


class SignUpEvent(Event):
    email: Email


class Hand(Enum):
    LEFT = "left"
    RIGHT = "right"


class Bar(BaseModel):
    number: int = Field(alias="no")
    hand: Hand | None


class LessonEvent(Event, extra="allow"):
    """One of everything."""

    price: Decimal
    began_at: dt.datetime
    due: dt.date
    teacher: uuid.UUID
    page: AnyUrl
    paid: bool
    grade: int
    share: float
    hand: Hand
    kind: Literal["solo", "group"] | None
    plan: str | None = "free"
    bars: list[Bar]
    scores: dict[str, float | None]
    note: str = Field(alias="remark")


class VisitEvent(BaseModel):
    event_type: Literal["app/visit"]
    datetime: dt.datetime
    session_id: str
    page: str
'''


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("client") / "school") as served:
        (served.folder / "events.py").write_text(EVENTS)
        yield served.start()


@pytest.fixture
def connect(served: Served) -> Iterator[Callable[..., headwater.Client]]:
    """Return a function that makes a client of the served project; what a test leaves open is closed."""
    made: list[headwater.Client] = []

    def make(url: str | None = None, **options: Any) -> headwater.Client:
        if "write_key" not in options:
            options = {name: served.owner[name] for name in ("access_key_id", "secret_access_key")} | options
        client = headwater.Client(url or served.url, served.app_id, **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close(0.1)


class Scripted:
    """A server that answers as it is told, and remembers the requests: for what the real one rarely does."""

    def __init__(self) -> None:
        self.script: list[Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]] = []
        self.bodies: list[dict[str, Any]] = []
        self.hangs_up = False
        scripted = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                scripted.bodies.append(body)
                status, answer = (scripted.script.pop(0) if scripted.script else accept)(body)
                written = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)
                self.close_connection = scripted.hangs_up

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def event_ids(self) -> list[list[str]]:
        """The ids of the events of each request."""
        return [[event_id for batch in body["BatchItem"].values() for event_id in batch["Events"]] for body in self.bodies]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def accept(body: dict[str, Any], **statuses: int) -> tuple[int, dict[str, Any]]:
    """Accept all events but those whose ids are given another status."""
    results = {}
    for endpoint_id, batch in body["BatchItem"].items():
        verdicts = {event_id: {"StatusCode": statuses.get(event_id, 202), "Message": "so it is"} for event_id in batch["Events"]}
        results[endpoint_id] = {"EndpointItemResponse": {"StatusCode": 202, "Message": "Accepted"}, "EventsItemResponse": verdicts}
    return 202, {"Results": results}


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.stop()
