"""@headwater/client in a real browser."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.conftest import Browser, Built, Page, options
from tests.clients.standin import APP_ID, WRITE_KEY, Sent, StandIn

pytestmark = pytest.mark.external_service

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def open_client(browser: Browser, site: StandIn, collector: StandIn, **more: Any) -> Page:
    """Open a page with the client's script in it, made with *more* options."""
    given = options(collector, **{"flushInterval": 50, **more})
    site.pages["/client"] = (
        "text/html; charset=utf-8",
        f"""<!doctype html><meta charset="utf-8"><script src="/client/headwater.iife.js"></script>
        <script>globalThis.client = headwater.init({given})</script><body>
        <button id="play" data-amplify-analytics-on="click" data-amplify-analytics-name="Play"
            data-amplify-analytics-attrs="level: 3,piece:Für Elise"><b>play</b></button>
        <button id="other">other</button></body>""".encode(),
    )
    return browser.open(f"{site.url}/client")


def named(collector: StandIn, name: str) -> list[Any]:
    return [event for event in collector.events() if event.type == name]


def test_an_event_is_sent_without_a_preflight_by_the_write_key(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)

    returned = page.run("client.record('SignUpEvent', {email: 'é@example.com', score: 1.5})")
    [event] = collector.wait_events(1)

    assert [sent.method for sent in collector.requests] == ["POST"]
    assert event.request.path == f"/v1/apps/{APP_ID}/events"
    assert event.request.query == {"key": [WRITE_KEY]}
    assert event.request.headers["content-type"] == "text/plain;charset=UTF-8"
    assert (event.type, event.attributes, event.metrics) == ("SignUpEvent", {"email": "é@example.com"}, {"score": 1.5})
    assert event.id == returned
    assert UUID.fullmatch(event.id)
    assert UUID.fullmatch(event.endpoint)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.body["Timestamp"])


def test_values_go_where_the_models_look_for_them(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)

    page.run("""client.record("E", {
        text: "x", no: null, left: undefined, yes: true, when: new Date(0), list: [1, "a"], object: {a: 1}, big: 12345678901234567890n,
        int: 5, float: -0.5, nan: NaN, empty: "", moment: {toJSON: () => "2026-11-23"}, wrong: new Date(NaN),
    })""")
    page.run("client.record({name: 'Amplify', attributes: {a: 'x', n: 2}, metrics: {m: 1, a: 7}})")
    page.run("client.record('Three', {a: 'x'}, {m: 1})")
    first, amplify, three = collector.wait_events(3)

    assert first.attributes == {
        "text": "x",
        "no": None,
        "yes": "true",
        "when": "1970-01-01T00:00:00.000Z",
        "list": '[1,"a"]',
        "object": '{"a":1}',
        "big": "12345678901234567890",
        "nan": "NaN",
        "empty": "",
        "moment": "2026-11-23",
        "wrong": None,
    }
    assert first.metrics == {"int": 5, "float": -0.5}
    assert (amplify.attributes, amplify.metrics) == ({"a": "x"}, {"m": 1, "n": 2})
    assert (three.attributes, three.metrics) == ({"a": "x"}, {"m": 1})


def test_the_endpoint_stays_the_same_and_a_new_visit_renews_it(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector, appVersion="7")
    page.run("client.record('A')")
    page.run("client.flushEvents()")  # its answer was read, so the next visit does not send it again

    page.go(f"{site.url}/client")
    page.run("client.record('B')")
    first, second = collector.wait_events(2)

    assert first.endpoint == second.endpoint
    assert first.body["Session"] == second.body["Session"]
    profiles = [next(iter(sent.json["BatchItem"].values()))["Endpoint"] for sent in collector.put_events()]
    assert profiles[1] == {}  # one session, one profile
    assert set(profiles[0]) == {"EffectiveDate", "Demographic"}
    assert profiles[0]["Demographic"]["AppVersion"] == "7"


def test_a_session_ends_after_a_pause(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)
    key = f"hw:{APP_ID}:session"

    for minutes in (29, 31, 0):
        page.run(f"""client.record("E"); const [id, start, last] = JSON.parse(localStorage["{key}"]);
            localStorage["{key}"] = JSON.stringify([id, start, last - {minutes} * 60 * 1000])""")
    first, second, third = (event.body["Session"]["Id"] for event in collector.wait_events(3))

    assert first == second != third


def test_identify_user_is_kept_in_order_with_the_events(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)

    page.run("""client.record("Before");
        client.identifyUser({
            userId: "ada",
            userProfile: {
                email: "ada@example.org", plan: "pro", customProperties: {hobby: ["piano"]}, metrics: {level: 3},
                demographic: {appVersion: "1"}, location: {city: "Wien", latitude: 48.2},
            },
            options: {optOut: "NONE", channelType: "IN_APP", address: "x", userAttributes: {grade: ["5"]}},
        });
        client.record("After")""")
    collector.wait_events(2)

    batches = [next(iter(sent.json["BatchItem"].values())) for sent in collector.put_events()]
    assert [[event["EventType"] for event in batch["Events"].values()] for batch in batches] == [["Before"], ["After"]]
    profile = batches[1]["Endpoint"]
    del profile["EffectiveDate"]
    assert profile == {
        "OptOut": "NONE",
        "ChannelType": "IN_APP",
        "Address": "x",
        "Attributes": {"hobby": ["piano"], "email": ["ada@example.org"], "plan": ["pro"]},
        "Demographic": {"AppVersion": "1"},
        "Location": {"City": "Wien", "Latitude": 48.2},
        "Metrics": {"level": 3},
        "User": {"UserId": "ada", "UserAttributes": {"grade": ["5"]}},
    }


def test_many_events_go_in_requests_of_a_hundred_in_order(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector, flushInterval=5000)

    page.run("for (let n = 0; n < 250; n++) client.record(`E${n}`)")
    page.run("client.flushEvents()")

    assert [event.type for event in collector.events()] == [f"E{n}" for n in range(250)]
    assert max(len(next(iter(sent.json["BatchItem"].values()))["Events"]) for sent in collector.put_events()) <= 100


def test_what_was_recorded_offline_survives_a_closed_page_and_arrives_in_order(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)
    collector.stop()
    page.run("for (let n = 0; n < 20; n++) client.record(`E${n}`, {n})")
    page.run("new Promise((r) => setTimeout(r, 300))")
    page.close()

    collector.start()
    page = browser.open(f"{site.url}/client")
    page.run("client.record('Later')")
    # The closing page may get its last request away after all; the collector knows the second one by its ids.
    events = list({event.id: event for event in collector.wait_events(21)}.values())

    assert [event.type for event in events] == [*(f"E{n}" for n in range(20)), "Later"]
    assert [event.metrics for event in events[:20]] == [{"n": n} for n in range(20)]
    page.run("client.flushEvents()")
    assert page.run("Object.keys(localStorage).filter((key) => key.includes(':q'))") == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_event_is_sent_again_with_the_same_id_time_and_session(browser: Browser, site: StandIn, collector: StandIn, status: int) -> None:
    page = open_client(browser, site, collector)
    refusals = iter([(status, {"Message": "later"})])
    collector.verdict = lambda sent: next(refusals, None)

    page.run("client.record('A', {n: 1})")
    collector.wait(lambda: len(collector.events()) == 2)

    first, again = collector.events()
    assert (first.id, first.endpoint, first.body) == (again.id, again.endpoint, again.body)


def test_refused_events_are_dropped_and_those_that_must_wait_are_sent_again(browser: Browser, site: StandIn, collector: StandIn) -> None:
    def once(sent: Sent) -> tuple[int, dict[str, Any]]:
        collector.verdict = lambda sent: None
        [(endpoint, batch)] = sent.json["BatchItem"].items()
        verdicts = {"Good": {"StatusCode": 202}, "Bad": {"StatusCode": 400, "Message": "no"}, "Busy": {"StatusCode": 500}}
        answers = {event_id: verdicts[event["EventType"]] for event_id, event in batch["Events"].items()}
        return 202, {"Results": {endpoint: {"EventsItemResponse": answers}}}

    page = open_client(browser, site, collector)
    collector.verdict = once
    page.run("['Good', 'Bad', 'Busy'].map((name) => client.record(name))")
    collector.wait(lambda: len(collector.events()) == 4)

    assert [event.type for event in collector.events()] == ["Good", "Bad", "Busy", "Busy"]
    assert "headwater: refused and dropped: 400 no" in page.said()


def test_a_request_that_is_too_large_is_sent_in_parts(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector, flushInterval=5000)
    collector.verdict = lambda sent: (413, {"Message": "too large"}) if sent.body.count(b"EventType") > 3 else None

    page.run("for (let n = 0; n < 8; n++) client.record(`E${n}`); client.flushEvents()")
    taken = [sent for sent in collector.put_events() if sent.body.count(b"EventType") <= 3]

    names = [event["EventType"] for sent in taken for batch in sent.json["BatchItem"].values() for event in batch["Events"].values()]
    assert names == [f"E{n}" for n in range(8)]


def test_a_full_queue_keeps_what_it_has_and_says_so(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector, queueLimit=4, flushInterval=5000)
    collector.stop()

    kept = page.run("['A', 'B', 'C', 'D', 'E'].map((name) => !!client.record(name))")
    collector.start()
    page.run("client.flushEvents()")

    assert kept == [True, True, True, False, False]  # the profile of the new session is the fourth
    assert [event.type for event in collector.events()] == ["A", "B", "C"]
    assert "headwater: too many events wait, not kept: D" in page.said()


def test_a_closing_page_gives_its_events_to_the_browser(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector, flushInterval=60_000)

    page.run("client.record('Last'); location.href = '/'")
    [event] = collector.wait_events(1)

    assert event.type == "Last"
    assert event.request.query == {"key": [WRITE_KEY]}


def test_a_browser_whose_fetch_ends_with_the_page_uses_its_beacon(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector, flushInterval=60_000)

    page.run("delete Request.prototype.keepalive; client.record('Last'); location.href = '/'")
    [event] = collector.wait_events(1)

    assert event.type == "Last"
    assert event.request.headers["sec-fetch-mode"] == "no-cors"


def test_what_left_unconfirmed_is_sent_again_soon_but_not_when_it_would_be_counted_twice(
    browser: Browser, site: StandIn, collector: StandIn
) -> None:
    page = open_client(browser, site, collector, flushInterval=60_000)
    page.run("client.record('Last')")
    page.go(f"{site.url}/")
    collector.wait_events(1)

    page.go(f"{site.url}/client")
    collector.wait(lambda: len(collector.events()) == 2)
    page.run("client.flushEvents()")
    days = 3 * 24 * 3600 * 1000
    page.run("client.record('Old')")
    page.go(f"{site.url}/")
    collector.wait(lambda: named(collector, "Old"))
    page.run(f"""for (const key of Object.keys(localStorage)) if (key.endsWith("unloaded")) {{
        const [at, last] = JSON.parse(localStorage[key]);
        localStorage[key] = JSON.stringify([at - {days}, last]);
    }}""")
    page.go(f"{site.url}/client")
    page.run("client.record('New'); client.flushEvents()")

    assert len({event.id for event in named(collector, "Last")}) == 1
    assert [event.type for event in collector.events()] == ["Last", "Last", "Old", "New"]


def test_two_tabs_share_the_queue_and_an_event_keeps_its_id(browser: Browser, site: StandIn, collector: StandIn) -> None:
    first = open_client(browser, site, collector)
    second = browser.open(f"{site.url}/client")
    collector.stop()
    first.run("client.record('First')")
    second.run("client.record('Second')")

    collector.start()
    first.run("client.flushEvents()")
    second.run("client.flushEvents()")

    # Sent at least once: on a slow machine a tab may not have read an answer yet. The server knows an event by its id.
    assert list({event.id: event.type for event in collector.events()}.values()) == ["First", "Second"]


def test_tabs_that_record_in_the_same_millisecond_keep_both_events(browser: Browser, site: StandIn, collector: StandIn) -> None:
    first = open_client(browser, site, collector, flushInterval=5000)
    second = browser.open(f"{site.url}/client")

    first.run("Date.now = () => 1795403182544; client.record('First')")
    second.run("Date.now = () => 1795403182544; client.record('Second'); client.flushEvents()")

    assert {event.type for event in collector.events()} == {"First", "Second"}


def test_without_storage_events_wait_in_memory(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector, flushInterval=5000)

    page.run("localStorage.filler = 'x'.repeat(5 * 1024 * 1024 - 'filler'.length - 200 - JSON.stringify(localStorage).length)")
    page.run("client.record('Big', {text: 'y'.repeat(3000)}); client.flushEvents()")

    assert [event.type for event in collector.events()] == ["Big"]


def test_sessions_are_tracked_under_the_names_of_amplify(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)
    page.run("client.configureAutoTrack({enable: true, type: 'session', options: {attributes: {plan: 'pro'}}})")
    [start] = collector.wait_events(1)

    page.run("""Object.defineProperty(document, "visibilityState", {configurable: true, get: () => "hidden"});
        document.dispatchEvent(new Event("visibilitychange"))""")
    collector.wait_events(2)
    page.run("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
    collector.wait_events(3)
    page.run("location.href = '/'")
    events = collector.wait_events(4)

    assert [event.type for event in events] == ["_session.start", "_session.stop", "_session.start", "_session.stop"]
    assert start.attributes == {"plan": "pro"}
    session, stopped = events[0].body["Session"], events[1].body["Session"]
    assert session["Id"] == stopped["Id"] != events[2].body["Session"]["Id"]
    assert set(stopped) == {"Id", "StartTimestamp", "StopTimestamp", "Duration"}
    assert stopped["Duration"] >= 0


def test_page_views_are_tracked_in_an_app_of_one_page(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)

    page.run("""client.configureAutoTrack({enable: true, type: "pageView", options: {attributes: {plan: "pro"}}});
        history.pushState({}, "", "/one"); history.replaceState({}, "", "/one?x=1"); history.pushState({}, "", "/two");
        new Promise((went) => { addEventListener("popstate", went); history.back() }).then(() => 0)""")
    page.run("client.configureAutoTrack({enable: false, type: 'pageView'}); history.pushState({}, '', '/three'); client.flushEvents()")
    events = collector.wait_events(4)

    assert {event.type for event in events} == {"pageView"}
    assert [event.attributes["url"].removeprefix(site.url) for event in events] == ["/client", "/one", "/two", "/one"]
    assert events[0].attributes["plan"] == "pro"


def test_page_views_are_tracked_over_pages_and_not_for_a_reload(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)
    options = "{appType: 'multiPage', eventName: 'view'}"
    track = f"client.configureAutoTrack({{enable: true, type: 'pageView', options: {options}}}); client.flushEvents()"
    page.run(track)

    page.go(f"{site.url}/client")
    page.run(track)
    site.pages["/second"] = site.pages["/client"]
    page.go(f"{site.url}/second")
    page.run(track)

    assert [(event.type, event.attributes["url"]) for event in collector.events()] == [
        ("view", f"{site.url}/client"),
        ("view", f"{site.url}/second"),
    ]


def test_marked_elements_are_tracked(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)
    page.run("client.configureAutoTrack({enable: true, type: 'event', options: {events: ['click', 'focus'], attributes: {plan: 'pro'}}})")

    page.click("#other")
    page.click("#play b")
    page.run("client.flushEvents()")

    [event] = collector.events()
    assert event.type == "Play"
    assert event.attributes == {"type": "click", "target": "button with id play", "plan": "pro", "level": "3", "piece": "Für Elise"}


def test_it_works_where_there_is_no_https(browser: Browser, site: StandIn, collector: StandIn) -> None:
    page = open_client(browser, site, collector)
    # What a page over http on another host lacks.
    page.run("delete crypto.__proto__.randomUUID; Object.defineProperty(navigator, 'locks', {value: undefined}); client.record('A')")

    [event] = collector.wait_events(1)

    assert UUID.fullmatch(event.id)


def test_it_runs_in_node(node: str, built: Built, collector: StandIn) -> None:
    script = f"""
        import {{ Headwater }} from {json.dumps(str(built.folder / "client/dist/headwater.js"))};
        const client = new Headwater({options(collector)});
        client.configureAutoTrack({{ enable: true, type: "session" }});
        client.record("ServerEvent", {{ n: 1 }});
        await client.flushEvents();
    """

    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, timeout=240)

    assert (done.returncode, done.stderr) == (0, "")
    assert [event.type for event in collector.events()] == ["ServerEvent"]


def test_react_hands_the_client_to_components(browser: Browser, site: StandIn, collector: StandIn, bundle: Callable[..., bytes]) -> None:
    site.pages["/react.js"] = ("text/javascript", bundle("react"))
    site.pages["/react"] = (
        "text/html",
        b"<!doctype html><body><script>globalThis.ids = %s</script><script src=/react.js></script>"
        % options(collector, flushInterval=50).encode(),
    )
    page = browser.open(f"{site.url}/react")

    page.run("show('Etude')")
    collector.wait_events(1)
    page.run("show('Sonata')")
    events = collector.wait_events(2)

    assert [event.attributes for event in events] == [{"name": "Etude"}, {"name": "Sonata"}]
    assert page.run("document.querySelector('h1').textContent === `Sonata ${client.endpointId}`")
    assert page.run("new Set(seen).size") == 1
