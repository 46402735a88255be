"""Work that is done again and again beside a role's main work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from headwater.errors import mistake


async def repeat(every_s: float, work: Callable[[], Awaitable[Any]], what: str) -> None:
    """Do *work* every so many seconds until cancelled; a failure is logged and the next turn tries anew."""
    log = structlog.get_logger("repeat")
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except Exception as error:
            log.error("failed, and is tried again", what=what, every_s=every_s, reason=str(error), exc_info=mistake(error))
