"""The Athena door on a real listener, over a lake with two sign-ups, for callers of every kind."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import boto3
import uvicorn
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from headwater.clock import SystemClock
from headwater.control import Key, open_control
from headwater.edge import SERVER_OPTIONS, private_app
from headwater.edge.athena.service import Athena
from headwater.edge.glue.service import Glue
from headwater.executions import QueryRooms, open_queries
from headwater.query.external import ExternalTables
from tests.query.conftest import START_MS, Project, events
from tests.query.worker import Jobs
from tests.waiting import until

REGION, ACCOUNT = "us-east-1", "000000000000"
LOCATION = "s3://results/here/"


class AthenaServed:
    """The door on a free port of 127.0.0.1, between making it and `stop`; *options* are those of the room."""

    def __init__(self, folder: Path, confined: bool = True, **options: Any) -> None:
        self._project = Project(folder / "lake")
        self._project.fold("sign_up_events", events([START_MS, START_MS + 1000], email=["ada@example.org", None]))
        self._jobs = Jobs(self._project, folder / "results")
        self.stores = self._jobs.stores
        external = ExternalTables(self._project.entries(), self.stores, "analytics", SystemClock())
        self.engine = self._project.engine(external=external, stores=self.stores)
        given = {
            "stores": self.stores,
            "scratch": folder / "scratch",
            "entries": self._project.entries(),
            "ask": self._jobs.ask,
            "database": "analytics",
            "location": LOCATION,
        }
        self.queries: QueryRooms = open_queries(f"sqlite:///{folder}/queries.db", self.engine, **(given | options))
        self.control = open_control(f"sqlite:///{folder}/control.sqlite")
        self.keys: dict[str, Key] = {name: self.control.create_key(name, frozenset({name})) for name in ("send", "query", "admin")}
        routes = [
            *Athena(self.queries, region=REGION, account_id=ACCOUNT).routes(),
            *Glue(self.queries, self._jobs.ask, self.engine.metadata, own="analytics", account_id=ACCOUNT).routes(),
        ]
        app = private_app(health=lambda: (True, {}), control=self.control, region=REGION, doors=routes, confined=confined)
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", **SERVER_OPTIONS))  # type: ignore[arg-type]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server._serve()))
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)  # uvicorn tells nobody when it has started
        self.port = int(self._server.servers[0].sockets[0].getsockname()[1])
        self._clients: list[Any] = []

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self._server.should_exit = True
        self._thread.join()
        self.queries.close(2)
        self.engine.close()
        self._jobs.close()
        self.control.close()
        self._project.index.close()
        self._project.ledger.close()

    def client(self, key: str = "admin", service: str = "athena") -> Any:
        """A client that also checks that answers hold nothing AWS's own would not."""
        made = boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id=self.keys[key].access_key_id,
            aws_secret_access_key=self.keys[key].secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
        )
        made.meta.events.register(f"after-call.{service}", _check_members)
        self._clients.append(made)
        return made

    def raw(self, operation: str, body: Any, key: str = "admin", secret: str | None = None) -> tuple[int, Any]:
        """Send exactly this and return status and body."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"AmazonAthena.{operation}"}
        request = AWSRequest("POST", f"http://127.0.0.1:{self.port}/", headers=headers, data=sent)
        credentials = Credentials(self.keys[key].access_key_id, secret or self.keys[key].secret_access_key or "")
        SigV4Auth(credentials, "athena", REGION).add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/", sent, dict(request.headers.items()))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def run(self, query: str, key: str = "admin", **asked: Any) -> dict[str, Any]:
        """Run a query to its end and return the execution."""
        client = self.client(key)
        execution_id = client.start_query_execution(QueryString=query, **asked)["QueryExecutionId"]
        return self.ended(client, execution_id)

    @staticmethod
    def ended(client: Any, execution_id: str, within_s: float = 60) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            return dict(client.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"])

        execution = until(ask, lambda execution: execution["Status"]["State"] not in ("QUEUED", "RUNNING"), within_s)
        assert execution["Status"]["State"] not in ("QUEUED", "RUNNING"), execution
        return execution


def token() -> str:
    return str(uuid.uuid4())


def _check_members(http_response: Any, parsed: Any, model: Any, **_: Any) -> None:
    if http_response.status_code == 200:
        _check(json.loads(http_response.content), model.output_shape, model.name)


def _check(value: Any, shape: Any, path: str) -> None:
    if shape.type_name == "structure":
        unknown = value.keys() - shape.members.keys()
        assert not unknown, f"{path} has {sorted(unknown)}"
        for name, member in value.items():
            _check(member, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        assert isinstance(value, list), path
        for item in value:
            _check(item, shape.member, f"{path}[]")
    elif shape.type_name == "string":
        assert isinstance(value, str), path
        assert not shape.enum or value in shape.enum, f"{path} is {value}"
    elif shape.type_name in ("integer", "long"):
        assert isinstance(value, int), path
