from urllib.parse import urlsplit

import pytest

from benchmarks.load import Order
from benchmarks.processes import BenchError, LoadGenerator, bare_server
from benchmarks.sigv4 import Signer
from tests.signatures import ACCESS_KEY_ID, HOST, REGION, SECRET_ACCESS_KEY, by_botocore


def test_a_signature_is_the_one_that_botocore_makes() -> None:
    path, body = "/v1/apps/0123456789abcdef0123456789abcdef/events", b'{"BatchItem":{}}'

    headers = Signer(ACCESS_KEY_ID, SECRET_ACCESS_KEY, REGION, HOST).headers(path, body)

    assert headers["Authorization"].endswith(f"Signature={by_botocore(path, body, headers)}")


def test_every_prepared_request_is_sent_and_answered_once() -> None:
    with bare_server() as server, LoadGenerator() as load:
        load.prepare(Order("prepare", server.url, "ab" * 16, "us-east-1", "AK", "SK", 300, 3, 1))
        outcome = load.run()

    assert outcome.requests == 300
    assert outcome.failed == 0
    assert 0 < outcome.p50_ms <= outcome.p99_ms


def test_a_paced_load_takes_its_time() -> None:
    with bare_server() as server, LoadGenerator() as load:
        load.prepare(Order("prepare", server.url, "ab" * 16, "us-east-1", "AK", "SK", 100, 1, 1, rate=200.0))
        outcome = load.run()

    assert outcome.wall_s >= 0.45


def test_a_server_that_is_not_there_is_an_error_and_not_a_figure() -> None:
    with bare_server() as server:
        url = server.url
    assert urlsplit(url).port

    with LoadGenerator() as load, pytest.raises(BenchError, match="load generator"):
        load.prepare(Order("prepare", url, "ab" * 16, "us-east-1", "AK", "SK", 1, 1, 1))
        load.run()
