"""What the HTTP server makes of whatever bytes come."""

from __future__ import annotations

import asyncio

import pytest

from headwater.edge.http import http1
from tests.edge.listening import GET, Listening
from tests.edge.listening import served as served
from tests.edge.listening import short_linger as short_linger

HEAD_LIMIT = http1.HEAD_LIMIT_BYTES


async def test_a_connection_serves_one_request_after_the_other(served: Listening) -> None:
    client = await served.connect()

    await client.say(GET % b"a?x=%20y#z")
    first = await client.answer()
    await client.say(b"POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
    second = await client.answer()

    assert (first, second) == (b"GET /a x=%20y 0 ", b"POST /b  3 abc")


async def test_a_request_that_comes_byte_by_byte_is_read_whole(served: Listening) -> None:
    request = b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Long:  some value \r\n\r\nabc"
    client = await served.connect()

    await client.say(*[request[i : i + 1] for i in range(len(request))])

    assert await client.answer() == b"POST /b  3 abc"
    assert dict(served.echo.seen[0]["headers"])[b"x-long"].strip() == b"some value"


async def test_requests_sent_ahead_are_answered_in_order(served: Listening) -> None:
    client = await served.connect()

    await client.say(GET % b"slow" + b"".join(GET % b"%d" % number for number in range(30)))
    await asyncio.sleep(0.02)  # time enough to begin with a second one, which must not be
    waiting = len(served.echo.seen)
    served.echo.go.set()
    answers = [await client.answer() for _ in range(31)]

    assert waiting == 1
    assert answers == [b"GET /slow  0 ", *[b"GET /%d  0 " % number for number in range(30)]]


async def test_of_too_many_requests_sent_ahead_the_first_are_answered_and_the_connection_ends(served: Listening) -> None:
    answers = await served.exchange(b"".join(GET % b"%d" % number for number in range(10_000)))

    assert answers.count(b"HTTP/1.1 200 ") == http1.AHEAD_LIMIT + 1
    assert answers.endswith(b"GET /%d  0 " % http1.AHEAD_LIMIT)


async def test_a_chunked_body_is_read_and_its_trailers_are_no_headers(served: Listening) -> None:
    client = await served.connect()

    await client.say(b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\nHost: evil\r\n\r\n")

    assert await client.answer() == b"POST /c  5 abcde"
    assert [name for name, _ in served.echo.seen[0]["headers"]] == [b"transfer-encoding"]


async def test_a_large_body_arrives_whole(served: Listening) -> None:
    client = await served.connect()
    body = bytes(3_000_000)

    await client.say(b"POST /big HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    assert (await client.answer()).startswith(b"POST /big  3000000 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_framing_that_can_be_read_in_two_ways_is_refused(served: Listening, request_bytes: bytes) -> None:
    answer = await served.exchange(request_bytes)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer
    assert served.echo.seen == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"x" * HEAD_LIMIT + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * HEAD_LIMIT + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 3 * HEAD_LIMIT, b"431"),
        (b"GET / HTTP/1.1\r\n" + b"z" * 3 * HEAD_LIMIT, b"431"),
    ],
)
async def test_a_head_over_its_limits_is_refused(served: Listening, request_bytes: bytes, status: bytes) -> None:
    at_once = await served.exchange(request_bytes)
    in_parts = await served.exchange(*[request_bytes[i : i + 9_000] for i in range(0, len(request_bytes), 9_000)])

    assert at_once.startswith(b"HTTP/1.1 %s " % status)
    assert in_parts.startswith(b"HTTP/1.1 %s " % status)
    assert served.echo.seen == []


async def test_a_head_at_its_limits_is_taken(served: Listening) -> None:
    client = await served.connect()

    await client.say(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 99 + b"Z: " + b"z" * (HEAD_LIMIT - 300) + b"\r\n\r\n")

    assert await client.answer() == b"GET /  0 "


async def test_a_refusal_comes_after_the_answers_that_are_due(served: Listening) -> None:
    answers = await served.exchange((GET % b"a") + b"nonsense\r\n\r\n")

    assert answers.count(b"HTTP/1.1 ") == 1
    assert answers.endswith(b"GET /a  0 ")


async def test_a_client_that_asks_first_is_told_to_go_on(served: Listening) -> None:
    client = await served.connect()

    await client.say(b"POST /e HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    told = await client.head()
    await client.say(b"abc")

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert await client.answer() == b"POST /e  3 abc"


async def test_an_answer_that_comes_before_the_body_ends_the_connection(served: Listening) -> None:
    answer = await served.exchange(b"POST /early HTTP/1.1\r\nContent-Length: 900000\r\n\r\n", bytes(100_000), bytes(100_000))

    assert b"connection: close" in answer
    assert answer.endswith(b"POST /early  0 ")


@pytest.mark.parametrize(
    "line", [b"GET /o HTTP/1.0\r\n", b"GET /o HTTP/1.0\r\nConnection: keep-alive\r\n", b"GET /o HTTP/1.1\r\nConnection: close\r\n"]
)
async def test_a_connection_that_is_not_to_be_kept_is_closed(served: Listening, line: bytes) -> None:
    answer = await served.exchange(line + b"\r\n")

    assert b"connection: close" in answer
    assert answer.endswith(b"GET /o  0 ")


async def test_head_has_the_length_and_no_body(served: Listening) -> None:
    answer = await served.exchange(b"HEAD /h HTTP/1.1\r\nConnection: close\r\n\r\n")

    assert b"content-length: 11\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_an_upgrade_is_answered_as_a_plain_request_and_ends(served: Listening) -> None:
    answer = await served.exchange(b"GET /u HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x00\x01\x02")

    assert answer.endswith(b"GET /u  0 ")


async def test_a_target_with_a_host_is_reduced_to_its_path(served: Listening) -> None:
    client = await served.connect()

    await client.say(b"GET http://other.example/p/a?b=c HTTP/1.1\r\n\r\nOPTIONS * HTTP/1.1\r\n\r\n")

    assert [await client.answer(), await client.answer()] == [b"GET /p/a b=c 0 ", b"OPTIONS *  0 "]


async def test_a_client_that_only_stops_sending_still_gets_its_answer(served: Listening) -> None:
    client = await served.connect()
    await client.say(GET % b"slow")
    client.writer.write_eof()
    await asyncio.sleep(0.02)  # the end has to come before the answer, and nothing shows that it came

    served.echo.go.set()

    assert (await client.rest()).endswith(b"GET /slow  0 ")


async def test_an_application_that_breaks_closes_only_its_connection(served: Listening) -> None:
    kept = await served.connect()

    broken = await served.exchange(GET % b"broken")
    await kept.say(GET % b"a")

    assert broken == b""
    assert await kept.answer() == b"GET /a  0 "
