"""What a statement asks of the worker: again while the worker starts anew, and no longer than anybody waits for the statement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from headwater.dialect import QueryFailed
from headwater.errors import Unavailable
from headwater.executions.live import Live

_AGAIN_FOR_S, _PAUSE_S, _LOOK_EVERY_S = 60.0, 0.5, 0.05


class Jobs:
    """Asks for jobs that are done once however often they are asked for: they have the id of a change, or ask for a state."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        """*ask* lets the worker do a job, given by its name and arguments, and returns what it answers."""
        self._ask = ask

    def ask(self, live: Live, job: str, **arguments: Any) -> Any:
        """Return the worker's answer.

        Raises `Refused` with its code, `Unavailable` if it is away for a minute, `QueryFailed` once the statement was stopped.
        """
        away_since: float | None = None
        while True:
            try:
                return self._answer(live, job, arguments)
            except Unavailable:
                # From when it went away, and not from when it was asked: a job may take long.
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > _AGAIN_FOR_S or live.stop is not None:
                    raise
                time.sleep(_PAUSE_S)  # the supervisor starts it in less than a second

    def _answer(self, live: Live, job: str, arguments: dict[str, Any]) -> Any:
        """Wait in a thread of its own, so that a statement that was stopped keeps nobody else from running."""
        answer: Future[Any] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._ask(job, **arguments))
            except BaseException as error:  # noqa: BLE001  # it is raised where somebody waits for it
                answer.set_exception(error)

        threading.Thread(target=ask, name=f"job {job}", daemon=True).start()
        while not wait([answer], _LOOK_EVERY_S).done:
            if live.ended:
                raise QueryFailed("USER_CANCELED", "Query cancelled by user")
        return answer.result()
