"""The configurations of docs/tls.md, as they stand there, run by real proxies with a served project behind them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, SSLError

from tests.certificates import Authority, Pair
from tests.npm import install
from tests.processes import ending_with_us
from tests.served import Served, free_port
from tests.tools import find_tool
from tests.waiting import until

pytestmark = pytest.mark.external_service

PAGE = (Path(__file__).parents[2] / "docs/tls.md").read_text()
NAME = "events.example.org"
SDK = Path(__file__).parents[1] / "edge/node"
ODD_IDS = ["boto:1/é x", "a//b", "a/../b", "100%25", "~!'()*+&=;,@$", "..%2f", "#?"]
COGNITO = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSCognitoIdentityService.GetId"}


def configuration(language: str) -> str:
    """Return the one block of the page in that language."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return str(block)


def fitted(text: str, **places: str) -> str:
    """Put the places of a test where the page has those of a machine; each must be there."""
    for theirs, ours in places.items():
        assert theirs in text, theirs
        text = text.replace(theirs, ours)
    return text


class Proxy:
    """A proxy on a free port of loopback, under the name of the page."""

    def __init__(self, command: list[str], folder: Path, port: int, authority: Authority) -> None:
        self.port, self.authority, self._folder = port, authority, folder
        environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(ending_with_us(*command), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        until(lambda: self._process.poll() is not None or self._listens())
        if self._process.poll() is not None or not self._listens():
            self._process.kill()
            self._process.wait()
            raise AssertionError((folder / "log").read_text())

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"

    def ask(self, method: str, target: str, body: bytes = b"", source: str = "127.0.0.1", **headers: str) -> tuple[int, Any, bytes]:
        """Send a request from the address *source*; return status, headers and body."""
        context = ssl.create_default_context(cafile=str(self.authority.root))
        connection = http.client.HTTPSConnection(NAME, self.port, timeout=30, context=context, source_address=(source, 0))
        try:
            connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        finally:
            self._process.kill()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def start_nginx(path: str, folder: Path, pair: Pair, authority: Authority, upstream: int, change: Callable[[str], str]) -> Proxy:
    port = free_port()
    certificates = f"/etc/letsencrypt/live/{NAME}"
    places = {
        "127.0.0.1:8700": f"127.0.0.1:{upstream}",
        "listen 443": f"listen 127.0.0.1:{port}",
        f"{certificates}/fullchain.pem": str(pair.certificate),
        f"{certificates}/privkey.pem": str(pair.key),
    }
    text = fitted(configuration("nginx"), **places)
    (folder / "headwater.conf").write_text(change(text))
    kept = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers may not write into our folder
    (folder / "nginx.conf").write_text(
        f"daemon off; {user} pid {folder}/pid; error_log {folder}/errors; events {{}} "
        f"http {{ access_log {folder}/access; {kept} include {folder}/headwater.conf; }}"
    )
    return Proxy([path, "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors")], folder, port, authority)


def start_caddy(path: str, folder: Path, pair: Pair, authority: Authority, upstream: int, change: Callable[[str], str]) -> Proxy:
    port = free_port()
    places = {
        "127.0.0.1:8700": f"127.0.0.1:{upstream}",
        f"{NAME} {{": f"{NAME}:{port} {{",
        "# tls /etc/headwater/fullchain.pem /etc/headwater/privkey.pem": f"bind 127.0.0.1\n\ttls {pair.certificate} {pair.key}",
        "{\n\tservers {": "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {",
    }
    (folder / "Caddyfile").write_text(change(fitted(configuration("caddyfile"), **places)))
    return Proxy([path, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"], folder, port, authority)


STARTS = {"nginx": start_nginx, "caddy": start_caddy}


@pytest.fixture(scope="module", autouse=True)
def names() -> Iterator[None]:
    """The name of the page leads to this machine."""
    resolve = socket.getaddrinfo

    def here(host: Any, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host == NAME else host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", here)
        yield


class Behind(Served):
    """`headwater serve` behind a proxy."""

    def client_by(self, proxy: Proxy, service: str = "pinpoint", **options: Any) -> Any:
        self._proxy_url = proxy.url
        return self.client(service, verify=str(proxy.authority.root), **options)

    @property
    def url(self) -> str:
        return getattr(self, "_proxy_url", super().url)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    settings = f"""
        public.url = "https://{NAME}"
        public.trusted_proxies = ["127.0.0.1", "::1"]
        identity.rate_per_second = 0.001
        identity.rate_burst = 5
    """
    with Behind(tmp_path_factory.mktemp("proxies") / "p", settings).start() as project:
        yield project


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def start(served: Behind, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Proxy]]:
    made: list[Proxy] = []

    def start(kind: str, change: Callable[[str], str] = lambda text: text) -> Proxy:
        path, folder = find_tool(kind), tmp_path_factory.mktemp(kind)
        pair = authority.issue(folder / "tls", NAME)
        made.append(STARTS[kind](path, folder, pair, authority, served.ports[0], change))
        return made[-1]

    yield start
    for proxy in made:
        proxy.stop()


@pytest.fixture(scope="module", params=sorted(STARTS))
def proxy(request: pytest.FixtureRequest, start: Callable[..., Proxy]) -> Proxy:
    return start(request.param)


def batch(event_type: str, event_id: str | None = None, **attributes: str) -> dict[str, Any]:
    event = {"EventType": event_type, "Timestamp": datetime.now(UTC).isoformat(), "Attributes": attributes}
    return {"BatchItem": {"device": {"Endpoint": {}, "Events": {event_id or str(uuid.uuid4()): event}}}}


def test_what_boto3_signs_for_the_name_of_the_proxy_is_accepted_and_stored(served: Behind, proxy: Proxy) -> None:
    event_id = str(uuid.uuid4())

    answer = served.client_by(proxy).put_events(ApplicationId=served.app_id, EventsRequest=batch("ByProxy", event_id, text="é"))

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    served.eventually(f"SELECT event_type FROM other_events WHERE event_id = '{event_id}'", [{"event_type": "ByProxy"}])


@pytest.mark.parametrize("endpoint_id", ODD_IDS)
def test_encoded_paths_come_as_they_were_signed(served: Behind, proxy: Proxy, endpoint_id: str) -> None:
    client = served.client_by(proxy)

    client.update_endpoint(ApplicationId=served.app_id, EndpointId=endpoint_id, EndpointRequest={"Address": endpoint_id})
    endpoint = client.get_endpoint(ApplicationId=served.app_id, EndpointId=endpoint_id)["EndpointResponse"]

    assert (endpoint["Id"], endpoint["Address"]) == (endpoint_id, endpoint_id)


def test_kinesis_goes_through_too(served: Behind, proxy: Proxy) -> None:
    client, name = served.client_by(proxy, "kinesis"), f"s-{uuid.uuid4()}"
    client.create_stream(StreamName=name, ShardCount=1)

    put = client.put_records(StreamName=name, Records=[{"Data": b"x" * 1_000_000, "PartitionKey": "p"}] * 8)

    assert put["FailedRecordCount"] == 0


def test_the_kinesis_client_of_node_needs_http_1_here_too(
    served: Behind, proxy: Proxy, require_tool: Callable[..., str], tmp_path: Path
) -> None:
    node, modules = require_tool("node", "nodejs"), install(SDK, require_tool("npm"))
    name = f"s-{uuid.uuid4()}"
    served.client_by(proxy, "kinesis").create_stream(StreamName=name, ShardCount=1)
    (tmp_path / "node_modules").symlink_to(modules / "node_modules")
    (tmp_path / "kinesis.mjs").write_bytes((SDK / "kinesis.mjs").read_bytes())
    (tmp_path / "names.mjs").write_text(
        "import dns from 'node:dns'; const { lookup } = dns;"
        f"dns.lookup = (host, ...rest) => lookup(host === '{NAME}' ? '127.0.0.1' : host, ...rest);"
    )
    credentials = {"accessKeyId": served.owner["access_key_id"], "secretAccessKey": served.owner["secret_access_key"]}

    def run(**given: str) -> dict[str, Any]:
        asked = {"endpoint": proxy.url, "region": "us-east-1", "credentials": credentials, "stream": name, **given}
        done = subprocess.run(
            [node, "--import", "./names.mjs", "kinesis.mjs", json.dumps(asked)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(proxy.authority.root)},
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    by_itself, told = run(), run(handler="http/1.1")

    # Over HTTP/2 it signs `:authority` in place of `host`, and no proxy passes that on.
    assert by_itself["error"] == "InvalidSignatureException"
    assert told["data"] == ["é", "\0"]


def test_a_preflight_is_answered_by_the_collector(proxy: Proxy, served: Behind) -> None:
    status, headers, _ = proxy.ask(
        "OPTIONS",
        f"/v1/apps/{served.app_id}/events",
        Origin="https://app.example.org",
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization,content-type,x-amz-date",
    )

    assert status == 204
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-headers"] == "authorization,content-type,x-amz-date"
    assert headers["access-control-max-age"] == "172800"


def test_bodies_up_to_the_collectors_limit_pass_and_beyond_it_the_collector_says_so(served: Behind, proxy: Proxy) -> None:
    client = served.client_by(proxy)
    large = batch("Large")
    events = large["BatchItem"]["device"]["Events"]
    [template] = events.values()
    for _ in range(66):
        events[str(uuid.uuid4())] = {**template, "Attributes": {"text": "x" * 60_000}}

    accepted = client.put_events(ApplicationId=served.app_id, EventsRequest=large)
    events |= {str(uuid.uuid4()): {**template, "Attributes": {"text": "x" * 60_000}} for _ in range(6)}
    with pytest.raises(ClientError) as refused:
        # A proxy that has its answer closes the connection, which may reach a client that still sends before the answer does.
        for _ in range(10):
            with contextlib.suppress(SSLError, ConnectionClosedError):
                client.put_events(ApplicationId=served.app_id, EventsRequest=large)

    answers = accepted["EventsResponse"]["Results"]["device"]["EventsItemResponse"].values()
    assert [answer["StatusCode"] for answer in answers] == [202] * 67
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert refused.value.response["Error"]["Code"] == "PayloadTooLargeException"


def test_limits_count_each_client_by_its_own_address(served: Behind, proxy: Proxy) -> None:
    # each proxy has addresses of its own, since what one used is not given back
    first, second = (f"127.{proxy.port // 256}.{proxy.port % 256}.{last}" for last in (2, 3))
    pool = json.dumps({"IdentityPoolId": served.status()["identity_pool_id"]}).encode()
    names = {name.replace("-", "_"): value for name, value in COGNITO.items()}

    def get_id(source: str, **more: str) -> int:
        return proxy.ask("POST", "/", pool, source, **names, **more)[0]

    used = [get_id(first) for _ in range(6)]
    pretended = get_id(first, X_Forwarded_For="127.200.0.1")
    other = get_id(second)

    assert used == [200] * 5 + [400]
    assert pretended == 400
    assert other == 200


def test_connections_to_the_collector_are_kept(served: Behind, proxy: Proxy) -> None:
    for _ in range(3):
        assert proxy.ask("GET", "/healthz")[0] == 200

    kept = [line for line in Path("/proc/net/tcp").read_text().splitlines() if f":{served.ports[0]:04X} 01 " in line]
    assert 1 <= len(kept) <= 20  # 01: established; both proxies keep some


def test_requests_wait_while_the_collector_is_started_again(served: Behind, proxy: Proxy) -> None:
    client = served.client_by(proxy)
    client.put_events(ApplicationId=served.app_id, EventsRequest=batch("Before"))

    os.kill(served.roles()["collector"]["pid"], signal.SIGKILL)
    time.sleep(0.1)  # the request has to come when nobody listens, neither the old collector nor a new one
    answer = client.put_events(ApplicationId=served.app_id, EventsRequest=batch("During"))

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["ResponseMetadata"]["RetryAttempts"] == 0
    served.wait_ready()


def test_while_nobody_serves_the_answer_is_one_that_amplify_keeps_its_events_for(served: Behind, proxy: Proxy) -> None:
    path = f"/v1/apps/{served.app_id}/events"
    served.stop()
    try:
        status, headers, body = proxy.ask("POST", path, b"{}", Origin="https://app.example.org")
        preflight, allowed, _ = proxy.ask("OPTIONS", path, Access_Control_Request_Headers="authorization,x-amz-date")
    finally:
        served.start()

    assert status == 500
    assert headers["x-amzn-errortype"] == "InternalServerErrorException"
    assert headers["access-control-allow-origin"] == "*"
    assert "x-amzn-ErrorType" in headers["access-control-expose-headers"]
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"Message": "the collector is away; try again"}
    assert preflight == 204
    assert allowed["access-control-allow-headers"] == "authorization,x-amz-date"
    assert proxy.ask("GET", "/healthz")[0] == 200


def test_a_host_of_the_proxys_own_is_made_good_by_x_forwarded_host(served: Behind, start: Callable[..., Proxy]) -> None:
    [lines] = re.findall(r"^```text\n(proxy_set_header Host .*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    host_line = "proxy_set_header Host $http_host;"

    def put(change: str) -> int:
        client = served.client_by(start("nginx", lambda text: fitted(text, **{host_line: change})))
        try:
            return int(client.put_events(ApplicationId=served.app_id, EventsRequest=batch("X"))["ResponseMetadata"]["HTTPStatusCode"])
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])

    assert put(lines) == 202
    assert put(lines.splitlines()[0]) == 403


def test_a_path_that_nginx_decodes_fits_no_signature(served: Behind, start: Callable[..., Proxy]) -> None:
    client = served.client_by(start("nginx", lambda text: fitted(text, **{"http://headwater;": "http://headwater/;"})))

    with pytest.raises(ClientError, match="signature"):
        client.update_endpoint(ApplicationId=served.app_id, EndpointId="boto:1 x", EndpointRequest={})
