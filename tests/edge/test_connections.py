"""How many connections there may be and how long: places, clients that stop or do not read, the end of the server."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from headwater.edge.http import http1
from headwater.edge.http.connections import Places
from tests.edge.listening import GET, Listening, listening, until
from tests.edge.listening import served as served
from tests.edge.listening import short_linger as short_linger


async def test_a_client_that_goes_away_in_its_body_is_forgotten(served: Listening) -> None:
    client = await served.connect()
    await client.say(b"POST /g HTTP/1.1\r\nContent-Length: 3\r\n\r\na")
    await until(lambda: served.echo.seen)

    client.writer.transport.abort()

    await until(lambda: not served.server.connections)


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na"])
async def test_a_client_that_stops_is_cut_off(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(http1, "HEAD_WITHIN_S", 0.1)
    monkeypatch.setattr(http1, "STALLED_AFTER_S", 0.1)
    async with listening() as served:
        client = await served.connect()
        await client.say(start)

        assert await client.rest() == b""


async def test_an_idle_connection_is_closed_in_the_end_and_a_request_under_way_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_WITHIN_S", "STALLED_AFTER_S", "IDLE_AFTER_S"):
        monkeypatch.setattr(http1, name, 0.1)
    async with listening() as served:
        idle, busy = await served.connect(), await served.connect()
        await idle.say(GET % b"a")
        await idle.answer()
        await busy.say(GET % b"slow")

        closed = await idle.rest()
        served.echo.go.set()

        assert closed == b""
        assert await busy.answer() == b"GET /slow  0 "


async def test_a_connection_too_many_is_turned_away(served: Listening) -> None:
    served.server.most = 1
    kept = await served.connect()
    await kept.say(GET % b"a")
    await kept.answer()

    turned_away = await served.exchange()
    await kept.say(GET % b"b")

    assert turned_away.startswith(b"HTTP/1.1 500 ")
    assert await kept.answer() == b"GET /b  0 "


async def test_one_address_cannot_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(Places(2)) as served:
        kept = [await served.connect(), await served.connect()]
        for client in kept:
            await client.say(GET % b"a")
            await client.answer()

        turned_away = await served.exchange()
        other = await served.connect(("127.0.0.2", 0))
        await other.say(GET % b"other")
        answer = await other.answer()
        kept[0].writer.close()
        await until(lambda: len(served.server.connections) == 2)
        again = await served.connect()
        await again.say(GET % b"again")

        assert turned_away.startswith(b"HTTP/1.1 500 ")
        assert b"retry-after: 1\r\n" in turned_away
        assert (answer, await again.answer()) == (b"GET /other  0 ", b"GET /again  0 ")
    assert len(served.server.places) == 0


async def test_a_proxy_may_have_as_many_connections_as_there_are() -> None:
    async with listening(Places(1, exempt=("127.0.0.0/8",))) as served:
        clients = [await served.connect() for _ in range(5)]
        for client in clients:
            await client.say(GET % b"a")

        assert [await client.answer() for client in clients] == [b"GET /a  0 "] * 5


async def test_a_handshake_takes_a_place_and_one_that_fails_gives_it_back() -> None:
    places = Places(1)
    async with listening(places, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as served:
        begun = await served.connect()
        await until(lambda: len(places) == 1)

        assert await served.exchange() == b""
        await begun.say(GET % b"a")
        await begun.rest()
        await until(lambda: len(places) == 0)
        again = await served.connect()
        await until(lambda: len(places) == 1)
        again.writer.close()
        await until(lambda: len(places) == 0)


def test_the_addresses_of_one_ipv6_customer_have_their_places_together() -> None:
    places = Places(2)

    told = [places.enter((address, 1, 0, 0)) for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")]
    places.leave("2001:db8::/64")

    assert told == ["2001:db8::/64", "2001:db8::/64", None, "2001:db8:0:1::/64"]
    assert places.enter(("2001:db8::9", 1, 0, 0)) == "2001:db8::/64"
    assert places.enter(None) == places.enter("") == ""


async def test_a_client_that_reads_slowly_is_cut_off_even_if_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "STALLED_AFTER_S", 0.3)
    async with listening() as served:
        client = await served.connect()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.transport.set_write_buffer_limits(high=1 << 30)
        for _ in range(300):
            client.writer.write(b"GET /" + b"p" * 20_000 + b" HTTP/1.1\r\n\r\n")

        await until(lambda: len(served.server.connections) == 1)
        await until(lambda: not served.server.connections)


async def test_a_client_that_does_not_read_its_answers_gets_no_more_of_them(served: Listening) -> None:
    client = await served.connect()
    client.writer.transport.set_write_buffer_limits(high=1 << 30)
    request = b"GET /" + b"p" * 20_000 + b" HTTP/1.1\r\n\r\n"

    for _ in range(1_500):  # 30 MB of requests and as much of answers: more than the sockets' buffers hold
        client.writer.write(request)
    await asyncio.sleep(0.5)  # time enough for all the answers that must not be made

    assert len(served.echo.seen) < 1_500


async def test_stopping_lets_requests_finish_and_closes_idle_connections(served: Listening) -> None:
    idle, busy = await served.connect(), await served.connect()
    await idle.say(GET % b"a")
    await idle.answer()
    await busy.say(GET % b"slow")
    await until(lambda: len(served.echo.seen) == 2)

    stopping = asyncio.create_task(served.server.stop())
    closed = await idle.rest()
    served.echo.go.set()
    answer = await busy.rest()
    await stopping

    assert closed == b""
    assert answer.endswith(b"GET /slow  0 ")
    assert b"connection: close" in answer
    with pytest.raises(ConnectionRefusedError):
        await served.connect()


async def test_stopping_does_not_wait_for_ever(served: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "STOP_WITHIN_S", 0.05)
    client = await served.connect()
    await client.say(GET % b"slow")
    await until(lambda: len(served.echo.seen) == 1)

    await served.server.stop()

    assert await client.rest() == b""
