"""The public listener over TLS: real certificates, real clients, and those that do not keep to the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from headwater.edge import http1
from headwater.edge.http1 import Server
from headwater.edge.protocol import Receive, Scope, Send
from headwater.errors import SettingsError
from headwater.process.collector import RENEWED_WITHIN_S
from headwater.process.tls import ServerTls, TlsFiles, load_context, tls_files
from headwater.settings import PublicSettings
from tests.certificates import Authority, Pair
from tests.served import HEADWATER, Served, free_port, run

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pair(authority: Authority, tmp_path: Path) -> Pair:
    return authority.issue(tmp_path / "tls", "127.0.0.1", "localhost")


class SecureServed(Served):
    """`headwater serve`, with the certificate of its settings."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.ports[0]}"


@pytest.fixture(scope="module")
def served(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureServed]:
    folder = tmp_path_factory.mktemp("tls") / "p"
    project = SecureServed(folder, 'public.tls_cert = "tls/fullchain.pem"\npublic.tls_key = "tls/privkey.pem"')
    authority.issue(folder / "tls", "127.0.0.1", "localhost")
    project.start()
    yield project
    assert project.stop() == 0


def client_context(authority: Authority, **versions: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.root))
    for name, version in versions.items():
        setattr(context, name, version)
    return context


def connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5), server_hostname="127.0.0.1")


def serial(port: int, authority: Authority) -> str:
    with connect(port, client_context(authority)) as client:
        return str((client.getpeercert() or {})["serialNumber"])


def test_boto3_puts_events_over_https(served: SecureServed, authority: Authority) -> None:
    client = served.client(verify=str(authority.root))
    event = {"EventType": "SignUpEvent", "Timestamp": "2020-01-01T00:00:00Z", "Attributes": {"email": "a@example.org"}}
    batch = {"boto:1/é x": {"Endpoint": {}, "Events": {"e1": event}}}

    answers = [
        client.put_events(ApplicationId=served.app_id, EventsRequest={"BatchItem": batch}),
        client.update_endpoint(ApplicationId=served.app_id, EndpointId="boto:1/é x", EndpointRequest={"Address": "x" * 60_000}),
    ]
    endpoint = client.get_endpoint(ApplicationId=served.app_id, EndpointId="boto:1/é x")["EndpointResponse"]

    assert [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in answers] == [202, 202]
    assert len(endpoint["Address"]) == 60_000


def test_status_and_snippets_name_the_https_address(served: SecureServed) -> None:
    status = served.status()

    assert status["public_url"] == served.url
    assert status["roles"]["collector"]["url"] == served.url
    assert f"{served.url}/client/headwater-redirect.js" in run("snippet", "amplify-v6", "-C", served.folder).stdout


def test_the_client_of_this_package_sends_over_https(served: SecureServed, authority: Authority) -> None:
    import headwater

    with headwater.Client(
        served.url,
        served.app_id,
        access_key_id=served.owner["access_key_id"],
        secret_access_key=served.owner["secret_access_key"],
        ssl_context=client_context(authority),
    ) as client:
        client.record("OverTls", {"n": 1})
        client.flush()

    served.eventually("SELECT count(*) AS n FROM other_events WHERE event_type = 'OverTls'", [{"n": 1}])


def test_plain_http_is_closed_at_once(served: SecureServed) -> None:
    with socket.create_connection(("127.0.0.1", served.ports[0]), 5) as client:
        client.sendall(GET)

        assert not received(client).startswith(b"HTTP")


@pytest.mark.slow
def test_a_renewed_certificate_is_served_without_a_restart_and_a_wrong_one_is_not(
    served: SecureServed, authority: Authority, tmp_path: Path
) -> None:
    pair, first = Pair(served.folder / "tls"), authority.issue(tmp_path / "renewed", "127.0.0.1")
    kept = connect(served.ports[0], client_context(authority))
    kept.sendall(HEALTH)
    answer(kept)
    collector = served.roles()["collector"]["pid"]

    pair.take(first)
    deadline = time.monotonic() + RENEWED_WITHIN_S + 5
    while serial(served.ports[0], authority) != first.serial and time.monotonic() < deadline:
        time.sleep(0.2)
    pair.key.write_bytes(authority.issue(tmp_path / "other", "127.0.0.1").key.read_bytes())
    while "cannot be used" not in served.log.read_text() and time.monotonic() < deadline + RENEWED_WITHIN_S:
        time.sleep(0.2)
    after = serial(served.ports[0], authority)
    pair.take(first)
    kept.sendall(HEALTH)

    assert after == first.serial
    assert "privkey.pem is not the key of the first certificate" in served.log.read_text()
    assert json.loads(answer(kept))["ready"]
    assert served.roles()["collector"]["pid"] == collector
    kept.close()


def test_the_options_win_over_the_settings(tmp_path: Path) -> None:
    public = PublicSettings(tls_cert="a.pem", tls_key="b.pem")

    assert tls_files(public, tmp_path) == (tmp_path / "a.pem", tmp_path / "b.pem")
    assert tls_files(public, tmp_path, Path("c.pem"), Path("d.pem")) == (Path("c.pem"), Path("d.pem"))
    assert tls_files(PublicSettings(), tmp_path) is None


@pytest.mark.parametrize(("given", "missing"), [("tls_cert", "tls_key"), ("tls_key", "tls_cert")])
def test_half_a_pair_is_refused(tmp_path: Path, given: str, missing: str) -> None:
    with pytest.raises(SettingsError, match=rf"a\.pem needs its other half.*public\.{missing}"):
        tls_files(PublicSettings(**{given: "a.pem"}), tmp_path)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda pair, other: pair.key.unlink(), r"cannot read .*privkey\.pem: No such file or directory"),
        (lambda pair, other: pair.certificate.unlink(), r"cannot read .*fullchain\.pem: No such file or directory"),
        (lambda pair, other: pair.key.write_bytes(other.key.read_bytes()), r"privkey\.pem is not the key of .*fullchain\.pem"),
        (lambda pair, other: pair.key.write_bytes(pair.encrypted_key()), r"privkey\.pem is encrypted; write it without a password"),
        (lambda pair, other: pair.key.write_bytes(pair.certificate.read_bytes()), r"privkey\.pem holds no private key in PEM form"),
        (lambda pair, other: pair.certificate.write_bytes(pair.key.read_bytes()), r"fullchain\.pem holds no certificate in PEM form"),
        (lambda pair, other: pair.certificate.write_bytes(b""), r"fullchain\.pem holds no certificate in PEM form"),
        (lambda pair, other: pair.key.write_text("-----BEGIN PRIVATE KEY-----\nx\n"), r"privkey\.pem cannot be used"),
        (lambda pair, other: pair.certificate.write_bytes(pair.certificate.read_bytes()[:-100]), r"fullchain\.pem .*cannot be used"),
    ],
    ids=["no key", "no certificate", "other key", "encrypted", "not a key", "not a certificate", "empty", "torn key", "torn chain"],
)
def test_files_that_cannot_be_used_are_named_with_the_reason(
    authority: Authority, pair: Pair, tmp_path: Path, harm: Callable[[Pair, Pair], object], said: str
) -> None:
    harm(pair, authority.issue(tmp_path / "other", "127.0.0.1"))

    with pytest.raises(SettingsError, match=said):
        load_context(TlsFiles(pair.certificate, pair.key))


def test_serve_says_so_and_ends(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    run("init", tmp_path / "p")
    pair.key.write_bytes(pair.encrypted_key())

    done = run("serve", "-C", tmp_path / "p", *pair.options, check=False, stdin=subprocess.DEVNULL)

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {pair.key} is encrypted; write it without a password")


def test_the_url_of_the_settings_is_the_one_that_is_told(tmp_path: Path) -> None:
    project = Served(tmp_path / "p", 'public.url = "https://events.example.org"')

    assert "https://events.example.org/client/" in run("snippet", "amplify-v6", "-C", project.folder).stdout
    with pytest.raises(AssertionError, match=r"public\.url"):
        Served(tmp_path / "q", 'public.url = "https://events.example.org/path"').status()


def test_the_collector_alone_speaks_tls_by_its_settings(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    port = free_port()
    project = Served(tmp_path / "p", f'public.tls_cert = "{pair.certificate}"\npublic.tls_key = "{pair.key}"\npublic.port = {port}')
    with project.log.open("wb") as log:
        collector = subprocess.Popen([*HEADWATER, "collect", "-C", str(project.folder)], stderr=log, stdin=subprocess.DEVNULL)

    try:
        assert eventually(lambda: _connects(port, authority), within_s=30)
    finally:
        collector.terminate()
        collector.wait(15)


def test_the_settings_of_the_page_are_settings() -> None:
    page = (Path(__file__).parents[2] / "docs/tls.md").read_text()

    blocks = [tomllib.loads(block) for block in re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)]

    assert [list(block) for block in blocks] == [["public"]] * 2
    assert [PublicSettings(**block["public"]).url for block in blocks] == ["https://events.example.org"] * 2


async def test_a_pair_is_taken_once_both_halves_are_there(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    tls = ServerTls(TlsFiles(pair.certificate, pair.key))
    before, renewed = tls.context(), authority.issue(tmp_path / "renewed", "127.0.0.1")

    await tls.refresh()
    unchanged = tls.context()
    pair.certificate.write_bytes(renewed.certificate.read_bytes())
    await tls.refresh()
    half = tls.context()
    pair.key.write_bytes(renewed.key.read_bytes())
    await tls.refresh()

    assert unchanged is before
    assert half is before
    assert tls.context() is not before


async def test_links_that_are_set_anew_are_seen(authority: Authority, tmp_path: Path) -> None:
    # as certbot keeps them; the times of its files may be older than those of the former ones
    for number in (1, 2):
        authority.issue(tmp_path / f"archive{number}", "127.0.0.1")
    live = Pair(tmp_path / "live")
    (tmp_path / "live").symlink_to(tmp_path / "archive2")
    tls = ServerTls(TlsFiles(live.certificate, live.key))
    before = tls.context()

    (tmp_path / "live").unlink()
    (tmp_path / "live").symlink_to(tmp_path / "archive1")
    await tls.refresh()

    assert tls.context() is not before


async def test_the_end_of_a_certificate_is_announced_once_a_day(
    authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = authority.issue(tmp_path / "old", "127.0.0.1", days=3)

    tls = ServerTls(TlsFiles(pair.certificate, pair.key))
    await tls.refresh()

    said = capsys.readouterr()
    assert (said.out + said.err).count("the certificate expires") == 1


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body; `/early` before it came."""
    size = 0
    while scope["raw_path"] != b"/early":
        message = await receive()
        size += len(message["body"])
        if not message["more_body"]:
            break
    text = b"x" * 3_000_000 if scope["raw_path"] == b"/large" else b"%d %s" % (size, scope["client"][0].encode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


class Listening:
    """A server in a thread of its own, on one of the two loops."""

    def __init__(self, loop_factory: Any, pair: Pair) -> None:
        self.tls = ServerTls(TlsFiles(pair.certificate, pair.key))
        self._started, self._loop_factory = threading.Event(), loop_factory
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._started.wait(5)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        self.port, self._ending, self._loop = sock.getsockname()[1], asyncio.Event(), asyncio.get_running_loop()
        self.server = Server(echo, sock, self.tls.context)
        await self.server.start()
        self._started.set()
        await self._ending.wait()
        await self.server.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def listening(request: pytest.FixtureRequest, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    monkeypatch.setattr(http1, "HEAD_WITHIN_S", 1.0)
    monkeypatch.setattr(http1, "LINGER_S", 0.2)
    monkeypatch.setattr(http1, "FAREWELL_WITHIN_S", 0.2)
    made = Listening(request.param, pair)
    yield made
    made.stop()


def received(client: socket.socket) -> bytes:
    """Return all that comes until the other side closes; a TimeoutError if it does not."""
    parts = []
    try:
        while part := client.recv(65_536):
            parts.append(part)
    except ConnectionError:
        pass  # closed, with bytes of ours unread
    return b"".join(parts)


def answer(client: socket.socket) -> bytes:
    """Return the body of the next answer."""
    with client.makefile("rb") as file:
        while (line := file.readline()) not in (b"\r\n", b""):
            if line.startswith(b"content-length: "):
                length = int(line[16:])
        return file.read(length)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_follow_each_other_on_one_connection(listening: Listening, authority: Authority, version: ssl.TLSVersion) -> None:
    context = client_context(authority, minimum_version=version, maximum_version=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(listening.port, context) as client:
        client.sendall(GET)
        first = answer(client)
        client.sendall(b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + b"y" * 4_000_000)
        second = answer(client)
        client.sendall(GET + GET)
        third = answer(client)

        assert client.selected_alpn_protocol() == "http/1.1"
        assert (first, len(second), third) == (b"0 127.0.0.1", 3_000_000, b"0 127.0.0.1")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_versions_before_1_2_are_refused(authority: Authority, pair: Pair, version: ssl.TLSVersion) -> None:
    old = client_context(authority, minimum_version=version, maximum_version=version)
    old.set_ciphers("ALL:@SECLEVEL=0")
    lenient = load_context(TlsFiles(pair.certificate, pair.key))
    lenient.minimum_version = version
    lenient.set_ciphers("ALL:@SECLEVEL=0")

    assert agreed_version(old, lenient) == version.name.replace("_", ".")
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        agreed_version(old, load_context(TlsFiles(pair.certificate, pair.key)))


def agreed_version(client: ssl.SSLContext, server: ssl.SSLContext) -> str | None:
    """Let the two shake hands in memory."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking, answering = client.wrap_bio(down, up, server_hostname="127.0.0.1"), server.wrap_bio(up, down, server_side=True)
    for side in (asking, answering) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return asking.version()


def test_an_early_answer_is_read_to_its_end(listening: Listening, authority: Authority) -> None:
    with connect(listening.port, client_context(authority)) as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"y" * 50_000)

        assert received(client).endswith(b"\r\n\r\n0 127.0.0.1")


def test_a_client_that_ends_tls_leaves_nothing_behind(listening: Listening, authority: Authority) -> None:
    client = connect(listening.port, client_context(authority))
    client.sendall(GET)
    answer(client)

    client.unwrap().close()

    assert eventually(lambda: not listening.server.connections)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", GET, b"\x00" * 1_000, b"\x16\x03\x01\xff\xff" + b"\x01" * 500])
def test_whoever_does_not_finish_a_handshake_is_closed_in_time(listening: Listening, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", listening.port), 5) as client:
        client.sendall(said)
        started = time.monotonic()

        assert not received(client).startswith(b"HTTP")
        assert time.monotonic() - started < 2.5


def test_a_slow_head_within_tls_is_closed_in_time(listening: Listening, authority: Authority) -> None:
    with connect(listening.port, client_context(authority)) as client:
        client.sendall(GET[:10])

        assert received(client) == b""


def test_unfinished_handshakes_count_as_connections(listening: Listening, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    listening.server.most = 3
    idle = [socket.create_connection(("127.0.0.1", listening.port), 5) for _ in range(3)]
    time.sleep(0.2)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(listening.port, client_context(authority))
    for each in idle:
        each.close()

    assert eventually(lambda: _answers(listening, authority))


def test_a_certificate_that_was_renewed_is_for_the_connections_to_come(
    listening: Listening, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    renewed = authority.issue(tmp_path / "renewed", "127.0.0.1")
    with connect(listening.port, client_context(authority)) as client:
        pair.take(renewed)
        asyncio.run(listening.tls.refresh())
        client.sendall(GET)

        assert serial(listening.port, authority) == renewed.serial
        assert answer(client) == b"0 127.0.0.1"


def test_stopping_waits_for_no_handshake(listening: Listening, authority: Authority) -> None:
    with socket.create_connection(("127.0.0.1", listening.port), 5), connect(listening.port, client_context(authority)) as idle:
        idle.sendall(GET)
        answer(idle)
        started = time.monotonic()

        listening.stop()

        assert time.monotonic() - started < 0.9


def _answers(listening: Listening, authority: Authority) -> bool:
    try:
        with connect(listening.port, client_context(authority)) as client:
            client.sendall(GET)
            return answer(client) == b"0 127.0.0.1"
    except OSError:
        return False


def _connects(port: int, authority: Authority) -> bool:
    try:
        return bool(serial(port, authority))
    except OSError:
        return False


def eventually(holds: Callable[[], bool], within_s: float = 3) -> bool:
    deadline = time.monotonic() + within_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()
