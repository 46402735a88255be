"""The redirect: unmodified apps of Amplify v6 and v5, and other code that calls fetch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import IDS, Browser, Built, options
from tests.clients.standin import APP_ID, IDENTITY_ID, WRITE_KEY, StandIn

pytestmark = pytest.mark.external_service

Bundle = Callable[[str], bytes]


def serve_app(site: StandIn, collector: StandIn, app: bytes, attributes: str = "") -> str:
    """Put a page with the redirect's tag before the app on *site*, and return its address."""
    page = f"""<!doctype html><meta charset="utf-8"><title>app</title>
        <script src="/client/headwater-redirect.js" data-url="{collector.url}" {attributes}></script>
        <script>globalThis.ids = {json.dumps(IDS)}</script>
        <script src="/app.js"></script><body><p>an app</p></body>"""
    site.pages["/app"] = ("text/html; charset=utf-8", page.encode())
    site.pages["/app.js"] = ("text/javascript", app)
    return f"{site.url}/app"


KEYED = f'data-mode="eventsOnly" data-app-id="{APP_ID}" data-write-key="{WRITE_KEY}"'


def test_amplify_6_gets_its_credentials_and_sends_its_events_here(
    browser: Browser, site: StandIn, collector: StandIn, bundle: Bundle
) -> None:
    page = browser.open(serve_app(site, collector, bundle("amplify6")))

    page.run("app.record({name: 'SignUpEvent', attributes: {email: 'é@example.com'}, metrics: {score: 1.5}})")
    [event] = collector.wait_events(1)

    assert (event.type, event.attributes, event.metrics) == ("SignUpEvent", {"email": "é@example.com"}, {"score": 1.5})
    assert event.request.signed
    assert "SignedHeaders=" in event.request.headers["authorization"]
    targets = [sent.headers["x-amz-target"].partition(".")[2] for sent in collector.requests if "x-amz-target" in sent.headers]
    assert targets == ["GetId", "GetCredentialsForIdentity"]
    [endpoint] = [sent for sent in collector.requests if sent.method == "PUT"]
    assert endpoint.json["User"]["UserId"] == IDENTITY_ID


def test_amplify_6_sends_its_kinesis_records_here(browser: Browser, site: StandIn, collector: StandIn, bundle: Bundle) -> None:
    page = browser.open(serve_app(site, collector, bundle("amplify6")))

    page.run("app.recordKinesis({streamName: 's', partitionKey: 'p', data: {a: 'ü'}})")
    sent = collector.wait(lambda: [sent for sent in collector.requests if sent.headers.get("x-amz-target", "").startswith("Kinesis")])

    # The provider passes a Request, whose body is a stream to whoever does not copy it.
    assert sent[0].json["Records"] == [{"Data": "eyJhIjoiw7wifQ==", "PartitionKey": "p"}]
    assert sent[0].headers["content-type"] == "application/x-amz-json-1.1"
    assert sent[0].signed


def test_amplify_5_sends_its_events_and_its_beacon_here(browser: Browser, site: StandIn, collector: StandIn, bundle: Bundle) -> None:
    page = browser.open(serve_app(site, collector, bundle("amplify5")))
    page.run("app.record({name: 'SignUpEvent', attributes: {email: 'a@example.com'}})")
    collector.wait(lambda: {"SignUpEvent", "_session.start"} <= {event.type for event in collector.events()})

    page.go(f"{site.url}/")
    stop = collector.wait(lambda: [event for event in collector.events() if event.request.path.endswith("/legacy")])

    assert [event.type for event in stop] == ["_session.stop"]
    assert stop[0].request.signed
    assert stop[0].request.query["X-Amz-SignedHeaders"] == ["host"]


@pytest.mark.parametrize("app", ["amplify6", "amplify5"])
def test_events_alone_come_by_the_write_key_and_without_what_aws_signed(
    browser: Browser, site: StandIn, collector: StandIn, bundle: Bundle, app: str
) -> None:
    cognito = StandIn()  # AWS, as far as the page can tell
    page = browser.open(serve_app(site, collector, _with_aws(bundle(app), cognito), KEYED))

    page.run("app.record({name: 'SignUpEvent', attributes: {email: 'a@example.com'}})")
    event = collector.wait(lambda: [event for event in collector.events() if event.type == "SignUpEvent"])[0]

    cognito.stop()
    assert event.request.by_key
    assert event.request.headers["x-amz-user-agent"].startswith("aws-amplify/")
    assert all(sent.by_key for sent in collector.requests)
    assert [sent.headers["x-amz-target"].partition(".")[2] for sent in cognito.requests] == ["GetId", "GetCredentialsForIdentity"]


def test_the_beacon_of_amplify_5_carries_the_write_key_in_its_address(
    browser: Browser, site: StandIn, collector: StandIn, bundle: Bundle
) -> None:
    cognito = StandIn()
    page = browser.open(serve_app(site, collector, _with_aws(bundle("amplify5"), cognito), KEYED))
    collector.wait(lambda: [event for event in collector.events() if event.type == "_session.start"])

    page.go(f"{site.url}/")
    stop = collector.wait(lambda: [event for event in collector.events() if event.type == "_session.stop"])

    cognito.stop()
    assert stop[-1].request.by_key


CASES = """
const out = [];
globalThis.fetch = async (...call) => {
  const [input, init = {}] = call;
  const isRequest = input instanceof Request;
  const body = isRequest ? await input.text() : init.body instanceof ArrayBuffer ? Buffer.from(init.body).toString() : init.body;
  out.push({url: isRequest ? input.url : String(input), same: call[0] === given && call[1] === givenInit,
    method: init.method ?? input.method, body, headers: Object.fromEntries(new Headers(init.headers ?? input.headers))});
  return new Response("{}");
};
const real = globalThis.fetch;
let given, givenInit;
const {redirect} = await import(process.argv[1]);
const call = (input, init) => { given = input; givenInit = init; return fetch(input, init); };
const spec = JSON.parse(process.argv[2]);
const restore = redirect(spec.options);
for (const {url, kind, init} of spec.calls)
  await call(kind === "Request" ? new Request(url, init) : kind === "URL" ? new URL(url) : url, kind === "Request" ? undefined : init);
restore();
console.log(JSON.stringify({out, restored: fetch === real}));
"""


def redirected(node: str, built: Built, options: dict[str, object], *calls: object) -> list[dict[str, object]]:
    """Return what reaches the real fetch of a Node process for each call."""
    spec = json.dumps({"options": options, "calls": [call if isinstance(call, dict) else {"url": call} for call in calls]})
    command = [node, "--input-type=module", "-e", CASES, str(built.folder / "redirect/dist/index.js"), spec]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["restored"]
    return list(result["out"])


OURS = {
    "https://pinpoint.us-west-2.amazonaws.com/v1/apps/a/events": "/v1/apps/a/events",
    "https://PINPOINT.us-west-2.amazonaws.com:443/v1/apps/a/endpoints/b%3A1%2F%C3%A9!'()*": "/v1/apps/a/endpoints/b%3A1%2F%C3%A9!'()*",
    "https://pinpoint.cn-north-1.amazonaws.com.cn/v1/apps/a?x=1&y": "/v1/apps/a?x=1&y",
    "https://cognito-identity.eu-central-1.amazonaws.com/": "/",
    "https://cognito-identity.us-gov-west-1.amazonaws.com": "/",
    "https://kinesis.ap-southeast-2.amazonaws.com/": "/",
}
NOT_OURS = [
    "https://example.org/?u=https://pinpoint.us-west-2.amazonaws.com/v1/apps/a/events",
    "https://pinpoint.us-west-2.amazonaws.com.example.org/v1/apps/a/events",
    "https://pinpoint.us-west-2.amazonaws.com@example.org/",
    "https://example.org/#.amazonaws.com",
    "https://cognito-idp.us-west-2.amazonaws.com/",
    "https://s3.us-west-2.amazonaws.com/bucket/key",
    "https://my-pinpoint.us-west-2.amazonaws.com/",
    "https://bucket.s3.amazonaws.com/pinpoint.us-west-2.amazonaws.com",
    "https://pinpoint.us-west-2.amazonaws.com:8443/",
    "http://pinpoint.us-west-2.amazonaws.com/",
    "https://sts.us-west-2.amazonaws.com/",
    "https://sts.amazonaws.com/",
    "data:text/plain,pinpoint.us-west-2.amazonaws.com",
]


@pytest.mark.parametrize("kind", ["text", "URL", "Request"])
def test_the_services_of_every_region_are_found(node: str, built: Built, kind: str) -> None:
    base, init = "https://events.example.org/hw", {"method": "POST", "body": "é"}

    out = redirected(node, built, {"url": base + "/"}, *({"url": url, "kind": kind, "init": init} for url in OURS))

    assert [call["url"] for call in out] == [base + path for path in OURS.values()]
    assert {(call["method"], call["body"]) for call in out} == {("POST", "é")}


@pytest.mark.parametrize("kind", ["text", "URL", "Request"])
def test_other_requests_are_passed_on_untouched(node: str, built: Built, kind: str) -> None:
    urls = [url for url in NOT_OURS if kind != "Request" or "@" not in url]  # a Request refuses names of users
    init = {"method": "POST", "body": "x"}

    out = redirected(node, built, {"url": "https://events.example.org"}, *({"url": url, "kind": kind, "init": init} for url in urls))

    assert [url for url, call in zip(urls, out, strict=True) if not call["same"]] == []


def test_services_are_chosen(node: str, built: Built) -> None:
    hosts = [f"https://{name}.us-east-1.amazonaws.com/" for name in ("pinpoint", "cognito-identity", "kinesis", "sts")]
    hosts.append("https://sts.amazonaws.com/")

    out = redirected(node, built, {"url": "https://hw.test", "services": ["sts", "pinpoint"]}, *hosts)

    assert [call["url"] == "https://hw.test/" for call in out] == [True, False, False, True, True]


def test_with_an_app_id_other_apps_stay_where_they_are(node: str, built: Built) -> None:
    aws = "https://pinpoint.us-east-1.amazonaws.com/v1/apps/"

    out = redirected(
        node, built, {"url": "https://hw.test", "appId": "mine"}, f"{aws}mine/events", f"{aws}other/events", f"{aws}mine2/events"
    )

    assert [call["same"] for call in out] == [False, True, True]


def test_without_cognito_only_pinpoint_moves_and_the_rest_of_the_address_stays(node: str, built: Built) -> None:
    pinpoint = "https://pinpoint.us-east-1.amazonaws.com/v1/apps/a"
    signed = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=x",
        "X-Amz-Date": "20261123T000000Z",
        "X-Amz-Security-Token": "t",
        "x-amz-content-sha256": "0",
        "amz-sdk-request": "attempt=1",
        "amz-sdk-invocation-id": "1",
        "x-amz-user-agent": "aws-amplify/6",
        "content-type": "application/json",
    }

    put, query, cognito = redirected(
        node,
        built,
        {"url": "https://hw.test", "mode": "eventsOnly", "writeKey": "hw:u"},
        {"url": f"{pinpoint}/events", "init": {"method": "POST", "body": "{}", "headers": signed}},
        {"url": f"{pinpoint}/endpoints/b?a=1&X-Amz-Signature=f&X-Amz-Date=d&b=%20", "kind": "Request"},
        "https://cognito-identity.us-east-1.amazonaws.com/",
    )

    expected = {"authorization": "Basic aHc6dTo=", "content-type": "application/json", "x-amz-user-agent": "aws-amplify/6"}
    assert put["headers"] == expected
    assert query["url"] == "https://hw.test/v1/apps/a/endpoints/b?a=1&b=%20"
    assert cognito["same"]


@pytest.mark.parametrize(
    "bad", [{}, {"url": "events.example.org"}, {"url": "https://h", "mode": "events"}, {"url": "https://h", "mode": "eventsOnly"}]
)
def test_options_that_cannot_work_are_refused_at_once(node: str, built: Built, bad: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="TypeError"):
        redirected(node, built, bad)


def test_amplify_6_in_node_sends_here(node: str, node_modules: Path, built: Built, collector: StandIn, tmp_path: Path) -> None:
    app = tmp_path / "app.mjs"
    (tmp_path / "node_modules").symlink_to(node_modules)
    (tmp_path / "redirect.mjs").write_text(
        f"import {{ redirect }} from {json.dumps(str(built.folder / 'redirect/dist/index.js'))};\nredirect({options(collector)});\n"
    )
    app.write_text(f"""
        import "./redirect.mjs";
        import {{ Amplify }} from "aws-amplify";
        import {{ record, flushEvents }} from "aws-amplify/analytics";
        Amplify.configure({{
          Auth: {{ Cognito: {{ identityPoolId: {json.dumps(IDS["identityPoolId"])}, allowGuestAccess: true }} }},
          Analytics: {{ Pinpoint: {{ appId: "{APP_ID}", region: "us-west-2", flushInterval: 100 }} }},
        }});
        record({{ name: "ServerEvent", attributes: {{ a: "1" }} }});
        setTimeout(() => process.exit(0), 60000).unref();
    """)

    process = subprocess.Popen([node, str(app)])
    try:
        [event] = collector.wait_events(1)
    finally:
        process.kill()
        process.wait()

    assert event.type == "ServerEvent"
    assert event.request.signed


def _with_aws(app: bytes, standin: StandIn) -> bytes:
    """Let the app reach *standin* where it means Cognito at AWS, outside of the redirect: the network ends at this machine."""
    detour = f"fetch = ((f) => (i, o) => f(String(i).replace(/^https:..cognito-identity[^/]*/, '{standin.url}'), o))(fetch);\n"
    return detour.encode() + app
