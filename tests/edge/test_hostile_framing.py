"""Requests that two readers could read differently, or that stop half-way: each has exactly one status, or a closed connection."""

from __future__ import annotations

import re
import socket
import struct

import pytest

from headwater.edge.http import http1
from headwater.edge.http.http1 import HEAD_LIMIT_BYTES, HEADERS_LIMIT
from tests.edge.conftest import Served
from tests.waiting import until

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /v1/apps/x/events HTTP/1.1\r\nHost: a\r\n"
# An unsigned PutEvents that could be read: it is refused, and the connection goes on.
UNSIGNED = 403


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "LINGER_S", 0.05)


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d\d\d) [A-Z]", received)]


def said(served: Served, *parts: bytes) -> list[int]:
    """Send the parts, then say that nothing more comes, and return the statuses of all answers until the server closes."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass  # it was answered already, and closed
        received = b""
        try:
            while data := connection.recv(65_536):
                received += data
        except ConnectionResetError:
            pass
    return statuses(received)


# Each is followed by a good request on the same connection. After a refusal it must not be answered: what follows could be anything.
REFUSED = {
    # both ways of saying how long a body is
    "CL and TE": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE and CL": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "CL and TE, the smuggled request as body": POST + b"Content-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HEALTH,
    "CL 0 and TE": POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE in a header of HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "the same length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths in one": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "two different lengths in one": POST + b"Content-Length: 3,4\r\n\r\nabc",
    # lengths
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length with a plus": POST + b"Content-Length: +3\r\n\r\nabc",
    "a hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "a length with a point": POST + b"Content-Length: 3.0\r\n\r\nabc",
    "a length with an exponent": POST + b"Content-Length: 1e1\r\n\r\nabc",
    "a length in two words": POST + b"Content-Length: 1 0\r\n\r\n0123456789",
    "an empty length": POST + b"Content-Length: \r\n\r\n",
    "a length in other digits": POST + b"Content-Length: \xd9\xa3\r\n\r\nabc",
    "a length over 64 bits": POST + b"Content-Length: 18446744073709551616\r\n\r\n",
    "a length of 300 digits": POST + b"Content-Length: " + b"9" * 300 + b"\r\n\r\n",
    # codings
    "an unknown coding last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked and identity": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    # lines and names of headers
    "obs-fold": b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    "obs-fold with a tab": b"GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n",
    "a fold before the first header": b"GET / HTTP/1.1\r\n X: a\r\n\r\n",
    "obs-fold in a length": POST + b"Content-Length:\r\n 3\r\n\r\nabc",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "a space before the colon of TE": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tab before the colon": b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    "a space in a name": b"GET / HTTP/1.1\r\nX Y: a\r\n\r\n",
    "a NUL in a name": b"GET / HTTP/1.1\r\nX\0: a\r\n\r\n",
    "a NUL in a value": b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
    "a byte over 127 in a name": b"GET / HTTP/1.1\r\nX\xe9: a\r\n\r\n",
    "a control character in a value": b"GET / HTTP/1.1\r\nX: a\x01b\r\n\r\n",
    "DEL in a value": b"GET / HTTP/1.1\r\nX: a\x7fb\r\n\r\n",
    "a bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LFs": b"GET / HTTP/1.1\nHost: a\n\n",
    "a bare LF between headers": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "a bare LF at the end of the head": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "a bare CR after the request line": b"GET / HTTP/1.1\rHost: a\r\n\r\n",
    "a bare CR in a value": b"GET / HTTP/1.1\r\nX: a\rY: b\r\n\r\n",
    "a bare CR at the end of the head": b"GET / HTTP/1.1\r\nHost: a\r\n\rX",
    # request lines
    "no version": b"GET /\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/0.9 in one line": b"GET /healthz\r\n",
    "HTTP/2 by its preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "HTTP/1.2": b"GET / HTTP/1.2\r\n\r\n",
    "HTTP/3.0": b"GET / HTTP/3.0\r\n\r\n",
    "HTTP/11.1": b"GET / HTTP/11.1\r\n\r\n",
    "http/1.1": b"GET / http/1.1\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\n\r\n",
    "two spaces before the version": b"GET /  HTTP/1.1 x\r\n\r\n",
    "a space in the path": b"GET /a b HTTP/1.1\r\n\r\n",
    "a NUL in the path": b"GET /\0 HTTP/1.1\r\n\r\n",
    "a control character in the path": b"GET /\x01 HTTP/1.1\r\n\r\n",
    "an unknown method": b"FETCH / HTTP/1.1\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\n\r\n",
    "a method of 10,000 letters": b"G" * 10_000 + b" / HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "SOCKS": b"\x05\x01\x00",
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "noise": bytes(range(256)) * 10,
    # limits
    "a long path": b"GET /" + b"a" * HEAD_LIMIT_BYTES + b" HTTP/1.1\r\n\r\n",
    "a long query": b"GET /?" + b"a" * HEAD_LIMIT_BYTES + b" HTTP/1.1\r\n\r\n",
    "a long value": b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_LIMIT_BYTES + b"\r\n\r\n",
    "a long name": b"GET / HTTP/1.1\r\n" + b"a" * HEAD_LIMIT_BYTES + b": x\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * (HEADERS_LIMIT + 1) + b"\r\n",
    "many empty headers": b"GET / HTTP/1.1\r\n" + b"X:\r\n" * 10_000 + b"\r\n",
}
LIMITED = {"a long path": 414, "a long query": 414, "a long value": 431, "a long name": 431, "many headers": 431, "many empty headers": 431}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_ends(served: Served, name: str) -> None:
    assert said(served, REFUSED[name] + HEALTH) == [LIMITED.get(name, 400)]
    assert said(served, REFUSED[name], HEALTH) == [LIMITED.get(name, 400)]


CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
# The head was good and so the request is at work: there is no answer that could be sent for it, the connection just ends.
CUT = {
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "a size that is no number": CHUNKED + b"xyz\r\nabc\r\n0\r\n\r\n",
    "no size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "a negative size": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "a size with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size with a plus": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "a size over 64 bits": CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "a space before the size": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "a space after the size": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "a bare LF after the size": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "a bare CR after the size": CHUNKED + b"3\rabc\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
    "a chunk shorter than its size": CHUNKED + b"5\r\nabc\r\n0\r\n\r\n",
    "a bare LF after the chunk": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "a line feed in an extension": CHUNKED + b"3;a=\nb\r\nabc\r\n0\r\n\r\n",
    "a NUL in an extension": CHUNKED + b"3;a=\0\r\nabc\r\n0\r\n\r\n",
    "a folded trailer": CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n",
    "a trailer without a colon": CHUNKED + b"0\r\nX\r\n\r\n",
    "a length as a trailer": CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n",
    "many trailers": CHUNKED + b"0\r\n" + b"X: a\r\n" * 200 + b"\r\n",
    "a long trailer": CHUNKED + b"0\r\nX: " + b"a" * 3 * HEAD_LIMIT_BYTES + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", CUT)
def test_a_body_that_cannot_be_read_ends_the_connection(served: Served, name: str) -> None:
    assert said(served, CUT[name] + HEALTH) == []


GOOD = {
    "a length": (POST + b"Content-Length: 3\r\n\r\nabc", UNSIGNED),
    "a length with zeros": (POST + b"Content-Length: 0003\r\n\r\nabc", UNSIGNED),
    "spaces around a length": (POST + b"Content-Length: \t 3 \t\r\n\r\nabc", UNSIGNED),
    "no body": (POST + b"\r\n", UNSIGNED),
    "chunks": (CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", UNSIGNED),
    "chunked in capitals": (POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", UNSIGNED),
    "a size in capitals": (CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", UNSIGNED),
    "a size with zeros": (CHUNKED + b"003\r\nabc\r\n000\r\n\r\n", UNSIGNED),
    "an extension": (CHUNKED + b'3;a=b;c="d"\r\nabc\r\n0\r\n\r\n', UNSIGNED),
    "a trailer": (CHUNKED + b"3\r\nabc\r\n0\r\nAuthorization: x\r\nHost: evil\r\n\r\n", UNSIGNED),
    "empty lines before the request": (b"\r\n\r\n" + HEALTH, 200),
    "absolute-form": (b"GET http://other.example/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    "absolute-form with a user": (b"GET http://a:b@other.example/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    "asterisk-form": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204),
    "a path with two slashes": (b"GET //healthz HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "a path with dots": (b"GET /v1/../healthz HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "an encoded path": (b"GET /%68ealthz HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "bytes over 127 in a value": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\n\r\n", 200),
    "an empty value": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", 200),
    "a method that no route has": (b"PATCH /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "TRACE": (b"TRACE /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: secret\r\n\r\n", 405),
    "a body with GET": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_can_be_read_in_one_way_is_answered_and_the_connection_goes_on(served: Served, name: str) -> None:
    request, status = GOOD[name]

    assert said(served, request + HEALTH) == [status, 200]
    assert said(served, *[request[i : i + 7] for i in range(0, len(request), 7)], HEALTH) == [status, 200]


LAST = {
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "HTTP/1.0 that wants to stay": (b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200),
    "RTSP, which looks like HTTP/1.0": (b"GET /healthz RTSP/1.0\r\n\r\n", 200),
    "Connection: close": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
    "CONNECT": (b"CONNECT other.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "an upgrade to HTTP/2": (
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
        200,
    ),
    "a length over the limit": (POST + b"Content-Length: 99999999\r\n\r\n", 413),
    "the largest length there is": (POST + b"Content-Length: 18446744073709551615\r\n\r\n", 413),
    "a body that comes compressed": (POST + b"Content-Encoding: gzip\r\nContent-Length: 90000\r\n\r\n", 415),
}


@pytest.mark.parametrize("name", LAST)
def test_the_last_request_of_a_connection_is_answered(served: Served, name: str) -> None:
    request, status = LAST[name]

    assert said(served, request, HEALTH) == [status]


def test_a_smuggled_request_is_never_answered(served: Served) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\nX: y"
    for framing in (b"Content-Length: %d\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: %d"):
        for length in (0, 5, 5 + len(smuggled)):
            assert said(served, POST + framing % length + b"\r\n\r\n0\r\n\r\n" + smuggled + b"\r\n\r\n") == [400]


def test_requests_sent_ahead_are_answered_in_order_up_to_the_one_that_is_wrong(served: Served) -> None:
    good = HEALTH + b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" + b"OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n"

    assert said(served, good * 10 + HEALTH) == [200, 404, 204] * 10 + [200]
    assert said(served, good + b"GET / HTTP/1.1\r\nX : y\r\n\r\n" + HEALTH) == [200, 404, 204]


PHASES = {
    "nothing": b"",
    "half a method": b"PO",
    "half a request line": b"POST /v1/apps",
    "half a header": POST + b"Content-Le",
    "a head without its end": POST + b"Content-Length: 10\r\n",
    "a head": POST + b"Content-Length: 10\r\n\r\n",
    "half a body": POST + b"Content-Length: 10\r\n\r\nabc",
    "half a size": CHUNKED + b"1",
    "half a chunk": CHUNKED + b"a\r\nabc",
    "a chunk": CHUNKED + b"3\r\nabc\r\n",
    "half a trailer": CHUNKED + b"0\r\nX: ",
    "half a smaller promise": POST + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
}


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("abruptly", [False, True])
def test_a_client_that_leaves_half_way_is_forgotten_at_once(served: Served, name: str, abruptly: bool) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(PHASES[name])
        if abruptly:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # the close is a reset
        else:
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while data := connection.recv(65_536):
                received += data
            assert statuses(received) in ([], [100])

    assert until(lambda: said(served, HEALTH) == [200])
    assert until(lambda: not served.public.connections)
