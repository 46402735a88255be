"""The real servers in a thread, with a collector on a stream in memory behind it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from headwater.collect import Collector
from headwater.control import App, Control, Key, open_control
from headwater.edge import SERVER_OPTIONS, ASGIApp, private_app, public_app
from headwater.edge.http.http1 import Server
from headwater.endpoint import open_endpoints
from headwater.stream import Stream, open_stream

REGION, ACCOUNT = "us-east-1", "000000000000"
DECLARED = App("9f2c4b7a1e6d4c0f8a53b1d2e7c6f504", "declared")


class Answer:
    """What came back over the wire."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error_type(self) -> str | None:
        return self.headers["x-amzn-ErrorType"]


class Served:
    """A public listener on a free port of 127.0.0.1."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.control: Control = open_control(f"sqlite:///{folder}/control.sqlite", apps=[DECLARED])
        self.keys: dict[str, Key] = {name: self.control.create_key(name, frozenset({name})) for name in ("send", "query", "admin")}
        self.app_id = self.control.create_app("piano", {}).app_id
        self.ready = True
        self._folder, self._options = folder, options
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._started.wait(60)
        self._clients: list[Any] = []

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.stream: Stream = open_stream("memory:")
        self.endpoints = endpoints = open_endpoints(f"sqlite:///{self._folder}/endpoints.sqlite")
        self.collector = Collector(self.stream, endpoints, account_id=ACCOUNT, identity_pool_id="us-east-1:pool")
        await self.collector.start()
        self.app: ASGIApp = public_app(
            collector=self.collector,
            control=self.control,
            health=lambda: (self.ready, {"collector": "ready" if self.ready else "starting"}),
            region=REGION,
            account_id=ACCOUNT,
            **self._rooms(),
            **self._options,
        )
        private = uvicorn.Server(uvicorn.Config(private_app(health=lambda: (True, {})), port=0, log_level="critical", **SERVER_OPTIONS))
        self._private = private
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        self.public = public = Server(self.app, sock)
        await public.start()
        running = asyncio.create_task(private._serve())
        while not private.started:
            await asyncio.sleep(0.005)  # uvicorn tells nobody when it has started
        self.private_port = private.servers[0].sockets[0].getsockname()[1]
        self._started.set()
        await running
        await public.stop()
        endpoints.close()
        await self.stream.close()

    def _rooms(self) -> dict[str, Any]:
        """What other doors stand on."""
        return {}

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self._private.should_exit = True
        self._thread.join()
        self.control.close()

    def run(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(60)

    def records(self) -> list[dict[str, Any]]:
        async def read() -> list[dict[str, Any]]:
            [shard] = await self.stream.shards()
            return [json.loads(r.body) for r in (await self.stream.read(shard, 0, 10_000, 0)).records]

        return list(self.run(read))

    def client(self, key: str = "send", **options: Any) -> Any:
        made = boto3.client(
            "pinpoint",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id=self.keys[key].access_key_id,
            aws_secret_access_key=self.keys[key].secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
            **options,
        )
        self._clients.append(made)
        return made

    def ask(self, method: str, target: str, body: bytes = b"", headers: Any = (), port: int | None = None) -> Answer:
        """Send exactly this: target and header list as they are."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            given = list(headers.items() if isinstance(headers, dict) else headers)
            if not any(name.lower() == "host" for name, _ in given):
                given.append(("Host", f"127.0.0.1:{self.port}"))
            if body and not any(name.lower() == "content-length" for name, _ in given):
                given.append(("Content-Length", str(len(body))))
            for name, value in given:
                connection.putheader(name, value)
            connection.endheaders(body or None)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def sign(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        key: str = "send",
        service: str = "mobiletargeting",
        region: str = REGION,
        host: str | None = None,
        headers: dict[str, str] | None = None,
        token: str | None = None,
        secret: str | None = None,
    ) -> dict[str, str]:
        """Return the headers botocore signs a request with."""
        request = AWSRequest(method, f"http://{host or f'127.0.0.1:{self.port}'}{target}", headers=headers or {}, data=body)
        credentials = Credentials(self.keys[key].access_key_id, secret or self.keys[key].secret_access_key, token)
        SigV4Auth(credentials, service, region).add_auth(request)
        return dict(request.headers.items())

    def signed(self, method: str, target: str, body: bytes = b"", **options: Any) -> Answer:
        """Sign and send."""
        return self.ask(method, target, body, self.sign(method, target, body, **options))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("edge"))
    yield made
    made.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """A server of one's own, with the options given to `public_app`."""
    made: list[Served] = []

    def start(**options: Any) -> Served:
        made.append(Served(tmp_path, **options))
        return made[-1]

    yield start
    for one in made:
        one.stop()
