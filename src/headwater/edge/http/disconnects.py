"""Operations that somebody waits for: they end when the caller goes away, and their answers may be sent while they are made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from headwater.edge.http.asgi import Receive
from headwater.edge.http.request import BodyStream
from headwater.errors import HeadwaterError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


async def attended(work: Awaitable[_T], receive: Receive) -> _T:
    """Return what *work* gives; if the caller goes away first, cancel it and raise `ConnectionResetError`."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ConnectionResetError
        return working.result()
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError, HeadwaterError):
                await working


async def pour(stream: BodyStream, receive: Receive, send: Callable[[dict[str, Any]], Awaitable[None]], request_id: str) -> None:
    """Send the body of an answer as it comes; one that breaks off is left without its end, by which clients know."""

    async def sent() -> None:
        async for part in stream.parts():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    try:
        await attended(sent(), receive)
    except ConnectionResetError:
        return  # nobody is left to read it
    except HeadwaterError as error:
        _log.warning("the answer to request %s broke off: %s", request_id, error.code)
    finally:
        stream.close()


async def _left(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        await asyncio.sleep(0)  # what is sent after the body is not looked at, and must not keep the loop busy
