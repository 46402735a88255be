"""Waiting in tests for what they are about, instead of for a time that is hoped to be enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(ask: Callable[[], T], enough: Callable[[T], object] = bool, within_s: float = 60.0) -> T:
    """Ask again and again until the answer is *enough*, and return it; once the time is over, whatever the answer is."""
    deadline = time.monotonic() + within_s
    while not enough(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.02)  # what is waited for happens in another thread or process, which needs the processor
    return answer
