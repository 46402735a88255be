"""The service worker: what it said 202 to arrives, once and in order, whatever happens to the network, the page and the browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.conftest import COUNT_ANSWERED, IDS, Browser, Page, options, wait_answered
from tests.clients.standin import APP_ID, IDENTITY_ID, POOL_ID, WRITE_KEY, Sent, StandIn

pytestmark = pytest.mark.external_service

Bundle = Callable[[str], bytes]
AWS = f"https://pinpoint.us-west-2.amazonaws.com/v1/apps/{APP_ID}"


def serve_app(site: StandIn, app: bytes = b"") -> str:
    """Put a page on *site* whose origin has the worker's file, and return its address."""
    body = f"""<!doctype html><meta charset="utf-8"><title>app</title><script src="/client/headwater-redirect.js" data-manual></script>
        <script>globalThis.ids = {json.dumps(IDS)}</script><script src="/app.js"></script><body>"""
    site.pages["/app"] = ("text/html; charset=utf-8", body.encode())
    site.pages["/app.js"] = ("text/javascript", app)
    site.pages["/plain"] = ("text/html", b'<!doctype html><script src="/client/headwater-redirect.js" data-manual></script><body>')
    # As the documentation says: one line, on the app's own origin.
    site.pages["/headwater-sw.js"] = ("text/javascript", f'importScripts("{site.url}/client/headwater-sw.js");'.encode())
    return f"{site.url}/app"


def open_registered(browser: Browser, url: str, collector: StandIn, **more: Any) -> Page:
    """Open the page and wait until the worker is in charge of it."""
    page = browser.open(url, COUNT_ANSWERED)
    page.run(f"""registerHeadwater({options(collector, **more)}).then(async () => {{
        if (!navigator.serviceWorker.controller) await new Promise((seen) => (navigator.serviceWorker.oncontrollerchange = seen));
    }})""")
    return page


def put_events(*names: str, endpoint: str = "e1") -> str:
    """Return JavaScript that sends one PutEvents to AWS and gives the answer."""
    events = {f"id-{name}": {"EventType": name, "Timestamp": "2026-11-23T03:06:22.544Z", "Attributes": {"naïve": "é"}} for name in names}
    body = json.dumps({"BatchItem": {endpoint: {"Endpoint": {}, "Events": events}}})
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=ASIAGUEST/x, SignedHeaders=host, Signature=f",
        "X-Amz-Date": "20261123T030622Z",
        "content-type": "application/json",
        "x-amz-user-agent": "aws-amplify/6.22.1",
    }
    return (
        f"fetch('{AWS}/events', {{method: 'POST', headers: {json.dumps(headers)}, body: {json.dumps(body)}}})"
        ".then(async (answer) => [answer.status, await answer.json()])"
    )


def waiting(page: Page) -> int:
    """Return how many requests wait in the worker."""
    return int(
        page.run("""new Promise((resolve) => {
            const {port1, port2} = new MessageChannel();
            port1.onmessage = (event) => resolve(event.data.requests);
            navigator.serviceWorker.controller.postMessage("headwater:size", [port2]);
        })""")
    )


def test_nothing_is_lost_when_the_collector_is_away_while_the_page_records_and_closes(
    browser: Browser, site: StandIn, collector: StandIn, bundle: Bundle
) -> None:
    page = open_registered(browser, serve_app(site, bundle("amplify6")), collector)
    page.run("app.record({name: 'First'})")
    collector.wait_events(1)

    collector.stop()
    away_since = time.monotonic()
    for ten in range(23):
        page.run(f"for (let n = 0; n < 10; n++) app.record({{name: `Event{ten:02}${{n}}`, attributes: {{n: String(n)}}}})")
        page.run("new Promise((resolve) => setTimeout(resolve, 20))")
    page.run("app.identifyUser({userId: 'ada', userProfile: {plan: 'pro'}})")
    wait_answered(page, 231)  # Amplify has a buffer of its own, which would go with the page
    page.close()
    time.sleep(max(0.0, 5 - (time.monotonic() - away_since)))  # away for 5 s: the worker tries again, at first after 0.5, 1, 2 and 4 s
    collector.start()
    events = collector.wait_events(231)
    collector.wait(lambda: [sent for sent in collector.requests if sent.method == "PUT" and b'"ada"' in sent.body])

    assert [event.type for event in events] == ["First", *(f"Event{number:03}" for number in range(230))]


def test_the_page_is_answered_in_the_shape_of_the_service_also_while_the_collector_is_away(
    browser: Browser, site: StandIn, collector: StandIn
) -> None:
    page = open_registered(browser, serve_app(site), collector)
    collector.stop()

    status, body = page.run(put_events("A", "B"))
    endpoint = page.run(
        f"fetch('{AWS}/endpoints/e1', {{method: 'PUT', body: '{{}}'}}).then(async (r) => [r.status, (await r.json()).Message])"
    )
    empty = page.run(
        f"fetch('{AWS}/events', {{method: 'POST', body: '{{\"BatchItem\":{{}}}}'}}).then(async (r) => [r.status, await r.json()])"
    )

    accepted = {"StatusCode": 202, "Message": "Accepted"}
    assert status == 202
    assert body == {"Results": {"e1": {"EndpointItemResponse": accepted, "EventsItemResponse": {"id-A": accepted, "id-B": accepted}}}}
    assert endpoint == [202, "Accepted"]
    assert empty == [202, {"Results": {}}]


def test_a_fresh_signature_is_kept_and_a_refused_one_gives_way_to_the_key(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_registered(browser, serve_app(site), collector)
    page.run(put_events("Fresh"))
    collector.wait_events(1)
    collector.verdict = lambda sent: (403, {"Message": "Signature expired"}) if sent.signed else None

    page.run(put_events("Late"))
    collector.wait(lambda: waiting(page) == 0)

    fresh, refused, late = collector.put_events()
    assert fresh.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASIAGUEST")
    assert refused.signed
    assert late.by_key
    assert late.headers["x-amz-user-agent"] == "aws-amplify/6.22.1"
    assert refused.body == late.body


def test_without_cognito_the_key_is_used_from_the_start_and_aws_keeps_the_credentials(
    browser: Browser, site: StandIn, collector: StandIn
) -> None:
    page = open_registered(browser, serve_app(site), collector, mode="eventsOnly")

    page.run(put_events("A"))
    collector.wait_events(1)
    cognito = page.run("fetch('https://cognito-identity.us-west-2.amazonaws.com/', {method: 'POST', body: '{}'}).catch(() => 'at AWS')")

    assert [sent.by_key for sent in collector.requests] == [True]
    assert cognito == "at AWS"


def test_the_beacon_of_a_closing_page_waits_too(browser: Browser, site: StandIn, collector: StandIn, bundle: Bundle) -> None:
    url = serve_app(site, bundle("amplify5"))
    page = open_registered(browser, f"{site.url}/plain", collector)
    page.go(url)  # v5 sends from the start, so the worker must be there before
    page.run("app.record({name: 'First'})")
    collector.wait(lambda: [event for event in collector.events() if event.type == "First"])
    collector.stop()

    page.go(f"{site.url}/")
    page.run("new Promise((resolve) => setTimeout(resolve, 300))")
    collector.start()
    stop = collector.wait(lambda: [event for event in collector.events() if event.type == "_session.stop"])

    assert stop[-1].request.path == f"/v1/apps/{APP_ID}/events"
    assert stop[-1].request.by_key  # the beacon's signature is of another path


def test_what_waits_survives_the_end_of_the_browser(browser: Browser, site: StandIn, collector: StandIn) -> None:
    url = serve_app(site)
    page = open_registered(browser, url, collector)
    collector.stop()
    for name in ("A", "B", "C"):
        page.run(put_events(name))
    browser.call("kill")

    collector.start()
    browser.open(url)  # the next visit, which does not even register
    events = collector.wait_events(3)

    assert [event.type for event in events] == ["A", "B", "C"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_answer_that_asks_for_patience_is_tried_again(browser: Browser, site: StandIn, collector: StandIn, status: int) -> None:
    page = open_registered(browser, serve_app(site), collector)
    refusals = iter([(status, {"Message": "later"})] * 2)
    collector.verdict = lambda sent: next(refusals, None)

    page.run(put_events("A"))
    page.run(put_events("B"))
    collector.wait_events(2)

    assert [event.type for event in collector.events()] == ["A", "A", "A", "B"]


@pytest.mark.parametrize("status", [400, 413])
def test_a_request_that_cannot_be_taken_is_dropped_with_a_warning_and_the_next_follows(
    browser: Browser, site: StandIn, collector: StandIn, status: int
) -> None:
    page = open_registered(browser, serve_app(site), collector)
    collector.verdict = lambda sent: (status, {"Message": "no"}) if b"Wrong" in sent.body else None

    page.run(put_events("Wrong"))
    page.run(put_events("Right"))
    collector.wait(lambda: waiting(page) == 0)

    assert [event.type for event in collector.events()] == ["Wrong", "Right"]


def test_refused_events_are_dropped_and_those_that_must_wait_are_sent_again(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_registered(browser, serve_app(site), collector)

    def once(sent: Sent) -> tuple[int, dict[str, Any]] | None:
        collector.verdict = lambda sent: None
        verdicts = {"id-A": {"StatusCode": 202}, "id-B": {"StatusCode": 400, "Message": "bad"}, "id-C": {"StatusCode": 500}}
        return 202, {"Results": {"e1": {"EventsItemResponse": verdicts}}}

    collector.verdict = once
    page.run(put_events("A", "B", "C"))
    collector.wait(lambda: waiting(page) == 0)

    assert [event.type for event in collector.events()] == ["A", "B", "C", "C"]


def test_when_the_queue_is_full_what_was_promised_stays_and_the_page_learns_of_the_rest(
    browser: Browser, site: StandIn, collector: StandIn
) -> None:
    page = open_registered(browser, serve_app(site), collector, maxRequests=2)
    collector.stop()

    first, second = page.run(put_events("A")), page.run(put_events("B"))
    third = page.run(put_events("C") + ".catch((error) => error.name)")
    collector.start()
    events = collector.wait_events(2)

    assert (first[0], second[0], third) == (202, 202, "TypeError")
    assert [event.type for event in events] == ["A", "B"]


def test_what_is_no_put_events_is_answered_by_the_collector(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_registered(browser, serve_app(site), collector)
    collector.verdict = lambda sent: (400, {"Message": "no JSON"})

    status = page.run(f"fetch('{AWS}/events', {{method: 'POST', body: 'oops'}}).then((answer) => answer.status)")

    assert status == 400
    assert waiting(page) == 0


def test_a_page_can_start_while_the_collector_is_away(browser: Browser, site: StandIn, collector: StandIn, bundle: Bundle) -> None:
    url = serve_app(site, bundle("amplify6"))
    page = open_registered(browser, url, collector)
    page.run("app.record({name: 'First'})")
    collector.wait_events(1)
    page.close()
    collector.stop()

    page = browser.open(url, COUNT_ANSWERED)  # its credentials are gone with the page before
    page.run("app.record({name: 'Second'})")
    wait_answered(page, 1)
    collector.start()
    first, second = collector.wait_events(2)

    assert (first.request.signed, second.request.by_key) == (True, True)
    assert first.endpoint == second.endpoint


def test_a_guest_keeps_the_identity_it_had(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_registered(browser, serve_app(site), collector)
    ask = f"""fetch('https://cognito-identity.us-west-2.amazonaws.com/', {{
        method: 'POST',
        body: JSON.stringify({{IdentityPoolId: '{POOL_ID}'}}),
        headers: {{'x-amz-target': 'AWSCognitoIdentityService.GetId', 'content-type': 'application/x-amz-json-1.1'}},
    }}).then((answer) => answer.json())"""
    here = page.run(ask)
    collector.stop()

    away = page.run(ask)
    stranger = page.run(ask.replace("us-west-2:", "eu-west-1:"))

    assert here == away == {"IdentityId": IDENTITY_ID}
    assert stranger["IdentityId"].startswith("eu-west-1:")


def test_a_worker_of_the_app_can_import_it_and_stays_master_of_its_life_cycle(browser: Browser, site: StandIn, collector: StandIn) -> None:
    url = serve_app(site)
    site.pages["/own.js"] = (
        "text/javascript",
        f"""self.headwater = {options(collector)}; importScripts("/client/headwater-sw.js");
            addEventListener("activate", (event) => event.waitUntil(clients.claim()));""".encode(),
    )
    page = browser.open(url)
    page.run("""navigator.serviceWorker.register("/own.js").then(async () => {
        if (!navigator.serviceWorker.controller) await new Promise((seen) => (navigator.serviceWorker.oncontrollerchange = seen));
    })""")

    status, _ = page.run(put_events("A"))
    events = collector.wait_events(1)

    assert (status, events[0].type) == (202, "A")


def test_other_requests_of_the_page_are_left_alone(browser: Browser, site: StandIn, collector: StandIn) -> None:
    site.pages["/data"] = ("text/plain", b"data")
    page = open_registered(browser, serve_app(site), collector)

    text = page.run("fetch('/data').then((answer) => answer.text())")

    assert text == "data"
    assert collector.requests == []


def test_it_does_not_register_without_a_write_key(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = browser.open(serve_app(site))

    said = page.run(f"registerHeadwater({{url: '{collector.url}', appId: '{APP_ID}'}}).catch((error) => String(error))")

    assert said == "TypeError: headwater: the service worker needs appId and writeKey"


def test_one_script_tag_redirects_and_registers(browser: Browser, site: StandIn, collector: StandIn) -> None:
    serve_app(site)
    tag = f'data-url="{collector.url}" data-app-id="{APP_ID}" data-write-key="{WRITE_KEY}" data-worker="/headwater-sw.js"'
    site.pages["/one"] = ("text/html", f'<!doctype html><script src="/client/headwater-redirect.js" {tag}></script><body>'.encode())
    page = browser.open(f"{site.url}/one")

    page.run("navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller || new Promise((r) => setTimeout(r, 500)))")
    collector.stop()
    status, _ = page.run(put_events("A"))
    collector.start()
    events = collector.wait_events(1)

    assert status == 202
    assert events[0].type == "A"
