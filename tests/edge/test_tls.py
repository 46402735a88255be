"""The public listener of a project over TLS: its files, its settings, what it tells of itself."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog.testing

from headwater.errors import SettingsError
from headwater.process.collector import RENEWED_WITHIN_S
from headwater.process.tls import ServerTls, TlsFiles, load_context, tls_files
from headwater.settings import PublicSettings
from tests.certificates import Authority, Pair
from tests.edge.tls import GET, answer, client_context, connect, received, serial
from tests.edge.tls import authority as authority
from tests.edge.tls import pair as pair
from tests.processes import ending_with_us
from tests.served import HEADWATER, Served, free_port, invoke, run
from tests.waiting import until

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


class SecureServed(Served):
    """`headwater serve`, with the certificate of its settings."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.ports[0]}"


@pytest.fixture(scope="module")
def served(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureServed]:
    folder = tmp_path_factory.mktemp("tls") / "p"
    with SecureServed(folder, 'public.tls_cert = "tls/fullchain.pem"\npublic.tls_key = "tls/privkey.pem"') as project:
        authority.issue(folder / "tls", "127.0.0.1", "localhost")
        project.start()
        yield project


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
    assert f"{served.url}/client/headwater-redirect.js" in invoke("snippet", "amplify-v6", "-C", served.folder).stdout


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
    with socket.create_connection(("127.0.0.1", served.ports[0]), 60) as client:
        client.sendall(GET)

        assert not received(client).startswith(b"HTTP")


@pytest.mark.proof
def test_a_renewed_certificate_is_served_without_a_restart_and_a_wrong_one_is_not(
    served: SecureServed, authority: Authority, tmp_path: Path
) -> None:
    pair, first = Pair(served.folder / "tls"), authority.issue(tmp_path / "renewed", "127.0.0.1")
    kept = connect(served.ports[0], client_context(authority))
    kept.sendall(HEALTH)
    answer(kept)
    collector = served.roles()["collector"]["pid"]

    pair.take(first)
    until(lambda: serial(served.ports[0], authority), lambda shown: shown == first.serial, RENEWED_WITHIN_S + 60)
    pair.key.write_bytes(authority.issue(tmp_path / "other", "127.0.0.1").key.read_bytes())
    until(lambda: "cannot be used" in served.log.read_text(), within_s=2 * RENEWED_WITHIN_S + 60)
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
    invoke("init", tmp_path / "p")
    pair.key.write_bytes(pair.encrypted_key())

    done = run("serve", "-C", tmp_path / "p", *pair.options, check=False, stdin=subprocess.DEVNULL)

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {pair.key} is encrypted; write it without a password")


def test_the_url_of_the_settings_is_the_one_that_is_told(tmp_path: Path) -> None:
    project = Served(tmp_path / "p", 'public.url = "https://events.example.org"')

    assert "https://events.example.org/client/" in invoke("snippet", "amplify-v6", "-C", project.folder).stdout
    with pytest.raises(AssertionError, match=r"public\.url"):
        Served(tmp_path / "q", 'public.url = "https://events.example.org/path"').status()


def test_the_collector_alone_speaks_tls_by_its_settings(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    port = free_port()
    project = Served(tmp_path / "p", f'public.tls_cert = "{pair.certificate}"\npublic.tls_key = "{pair.key}"\npublic.port = {port}')
    with project.log.open("wb") as log:
        collector = subprocess.Popen(ending_with_us(*HEADWATER, "collect", "-C", str(project.folder)), stderr=log, stdin=subprocess.DEVNULL)

    try:
        assert until(lambda: _connects(port, authority))
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


async def test_the_end_of_a_certificate_is_announced_once_a_day(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue(tmp_path / "old", "127.0.0.1", days=3)

    with structlog.testing.capture_logs() as logs:
        tls = ServerTls(TlsFiles(pair.certificate, pair.key))
        await tls.refresh()

    assert [log["event"].startswith("the certificate expires") for log in logs] == [True]


def _connects(port: int, authority: Authority) -> bool:
    try:
        return bool(serial(port, authority))
    except OSError:
        return False
