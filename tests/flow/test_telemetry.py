"""What a served project says of itself: metrics that Prometheus can read, and traces that an OpenTelemetry collector gets."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.served import Served
from tests.waiting import until


class Receiver:
    """An OTLP/HTTP receiver that keeps the spans it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                for of_role in ExportTraceServiceRequest.FromString(body).resource_spans:
                    spans.extend(span for scope in of_role.scope_spans for span in scope.spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def named(self, name: str, count: int, within_s: float = 60) -> list[Any]:
        return until(lambda: [span for span in self.spans if span.name == name], lambda found: len(found) >= count, within_s)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("flow") / "piano", "telemetry.sample_ratio = 0.0") as served:
        yield served.start(HEADWATER_TELEMETRY__OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="200")


def metrics(served: Served) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{served.ports[1]}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(served: Served, name: str, **labels: str) -> float:
    return metrics(served).get((name, frozenset(labels.items())), 0.0)


def put(served: Served, *attributes: dict[str, str], **headers: str) -> None:
    pinpoint = served.client()

    def add(request: Any, **_: Any) -> None:
        for name, given in headers.items():
            request.headers[name] = given

    pinpoint.meta.events.register("before-send.pinpoint.PutEvents", add)
    now = datetime.now(UTC).isoformat()
    events = {
        f"v{time.monotonic_ns()}{n}": {"EventType": "SignUpEvent", "Timestamp": now, "Attributes": a} for n, a in enumerate(attributes)
    }
    pinpoint.put_events(ApplicationId=served.app_id, EventsRequest={"BatchItem": {"device": {"Endpoint": {}, "Events": events}}})


def test_what_happens_is_counted(served: Served) -> None:
    put(served, {"email": "warm@example.org"})
    served.settle()
    before = metrics(served)
    good, bad = {"email": "ada@example.org"}, {"email": "no address"}

    put(served, good, good, bad)
    with pytest.raises(ClientError):
        served.client().put_events(ApplicationId="0" * 32, EventsRequest={"BatchItem": {}})
    with urllib.request.urlopen(f"{served.url}/healthz") as answer:
        assert answer.status == 200
    served.settle()

    after = metrics(served)
    grown = {(name, *sorted(labels)): after[name, labels] - before.get((name, labels), 0.0) for name, labels in after}
    events, pipe = ("operation", "POST /v1/apps/{app}/events"), ("pipe", "lake")
    assert grown["headwater_requests_total", events, ("status", "202")] == 1
    assert grown["headwater_requests_total", events, ("status", "404")] == 1
    assert grown["headwater_requests_total", ("operation", "GET /healthz"), ("status", "200")] == 1
    assert grown["headwater_request_seconds_count", events] == 2
    assert grown["headwater_append_seconds_count",] == 1
    assert 0 < grown["headwater_append_seconds_sum",] < 5
    assert grown["headwater_append_seconds_bucket", ("le", "+Inf")] == 1
    fate = {name: ("fate", name) for name in ("delivered", "dead-lettered")}
    assert grown["headwater_events_total", fate["delivered"], pipe, ("rule", ""), ("target", "lake")] == 2
    assert grown["headwater_events_total", fate["dead-lettered"], pipe, ("rule", "field"), ("target", "lake")] == 1
    assert grown["headwater_batch_records_total", pipe] == 3
    assert after["headwater_lag_records", frozenset()] == 0
    assert after["headwater_tail_rows", frozenset({("table", "sign_up_events")})] == 3
    assert after["headwater_appends_waiting", frozenset()] == 0
    for role in ("collector", "worker", "query"):
        assert after["headwater_role_up", frozenset({("role", role)})] == 1
        assert 10e6 < after["headwater_role_memory_bytes", frozenset({("role", role)})] < 1e9
        assert after["headwater_role_cpu_seconds_total", frozenset({("role", role)})] > 0


def test_the_metrics_of_shards_are_shown_once_they_are_enabled(served: Served) -> None:
    kinesis = served.client("kinesis")
    labels = {"stream": "app", "shard": "shardId-000000000000"}
    assert ("headwater_kinesis_incoming_records_total", frozenset(labels.items())) not in metrics(served)

    kinesis.enable_enhanced_monitoring(StreamName="app", ShardLevelMetrics=["ALL"])
    before = value(served, "headwater_kinesis_incoming_records_total", **labels)
    kinesis.put_record(StreamName="app", Data=b'{"event_type": "x"}', PartitionKey="p")

    assert value(served, "headwater_kinesis_incoming_records_total", **labels) == before + 1
    shown = {name for name, _ in metrics(served) if name.startswith("headwater_kinesis_")}
    assert len(shown) == 7


def test_a_fold_is_counted(served: Served) -> None:
    put(served, {"email": "fold@example.org"})
    served.settle()
    subprocess.run([sys.executable, "-m", "headwater", "fold", "-C", served.folder], check=True, capture_output=True)

    assert value(served, "headwater_tail_rows", table="sign_up_events") == 0
    assert value(served, "headwater_folds_total", table="sign_up_events") >= 1
    assert value(served, "headwater_fold_rows_total", table="sign_up_events") >= 1


def test_a_role_that_does_not_answer_is_down_and_all_else_is_shown(served: Served) -> None:
    worker = served.roles()["worker"]["pid"]
    os.kill(worker, signal.SIGSTOP)
    try:
        found = metrics(served)
    finally:
        os.kill(worker, signal.SIGCONT)

    assert found["headwater_role_up", frozenset({("role", "worker")})] == 0
    assert found["headwater_role_up", frozenset({("role", "collector")})] == 1
    assert any(name == "headwater_events_total" for name, _ in found)


def test_one_trace_leads_from_the_request_to_the_commit(served: Served, receiver: Receiver) -> None:
    put(served, {"email": "first@example.org"})  # which makes the endpoint
    trace_id, parent_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

    put(served, {"email": "traced@example.org"}, {"email": "twice@example.org"}, traceparent=f"00-{trace_id}-{parent_id}-01")

    [request] = receiver.named("POST /v1/apps/{app}/events", 1)
    [pipe] = receiver.named("pipe lake", 1)
    assert request.trace_id.hex() == pipe.trace_id.hex() == trace_id
    assert request.parent_span_id.hex() == parent_id
    assert pipe.parent_span_id == request.span_id
    assert request.start_time_unix_nano < pipe.start_time_unix_nano < pipe.end_time_unix_nano
    said = {attribute.key: attribute.value for attribute in [*request.attributes, *pipe.attributes]}
    assert said["http.response.status_code"].int_value == 202
    assert said["headwater.records"].int_value == 2
    email = served.sql("SELECT email FROM sign_up_events WHERE email LIKE 't%' ORDER BY 1")
    assert email == [{"email": "traced@example.org"}, {"email": "twice@example.org"}]


def test_a_client_that_says_it_is_not_sampled_is_not(served: Served, receiver: Receiver) -> None:
    before = len(receiver.spans)

    put(served, {"email": "untraced@example.org"}, traceparent="00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00")
    put(served, {"email": "garbage@example.org"}, traceparent="00-not-a-traceparent\xff")
    put(served, {"email": "ours@example.org"})  # sample_ratio is 0
    served.settle()
    time.sleep(1)  # spans are sent every 0.2 s

    assert len(receiver.spans) == before


def test_a_receiver_that_is_away_harms_nothing(tmp_path: Path) -> None:
    settings = 'telemetry.otlp_endpoint = "http://127.0.0.1:9"\ntelemetry.sample_ratio = 1.0'
    with Served(tmp_path / "piano", settings).start() as served:
        put(served, {"email": "ada@example.org"})

        served.eventually("SELECT email FROM sign_up_events", [{"email": "ada@example.org"}])
        assert served.stop() == 0
    assert "export" in served.log.read_text()


def test_the_roles_get_their_memory_as_we_measured_it(served: Served) -> None:
    for role in served.roles().values():
        environment = Path(f"/proc/{role['pid']}/environ").read_bytes().split(b"\0")
        assert b"ARROW_DEFAULT_MEMORY_POOL=system" in environment
        assert b"MALLOC_ARENA_MAX=2" in environment
