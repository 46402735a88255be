"""What a statement asks of the worker: again while the worker starts anew, and no longer than anybody waits for the statement."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait

from headwater.dialect import QueryFailed
from headwater.errors import Unavailable
from headwater.executions.live import Live
from headwater.jobs import Answer, Ask, Job

_AGAIN_FOR_S, _PAUSE_S, _LOOK_EVERY_S = 60.0, 0.5, 0.05


class Jobs:
    """Asks for jobs with the id of the statement, so that each is done once however often it is asked for."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def ask(self, live: Live, job: Job[Answer], part: str = "") -> Answer:
        """Return the worker's answer. *part*: tells jobs of one kind apart that one statement asks for.

        Raises `Refused` with its code, `Unavailable` if it is away for a minute, `QueryFailed` once the statement was stopped.
        """
        away_since: float | None = None
        while True:
            try:
                return self._answer(live, job, live.execution.id + part)
            except Unavailable:
                # From when it went away, and not from when it was asked: a job may take long.
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > _AGAIN_FOR_S or live.stop is not None:
                    raise
                time.sleep(_PAUSE_S)  # the supervisor starts it in less than a second

    def of(self, live: Live) -> StatementJobs:
        """Return what asks for one job after the other for a statement."""
        return StatementJobs(self, live)

    def _answer(self, live: Live, job: Job[Answer], job_id: str) -> Answer:
        """Wait in a thread of its own, so that a statement that was stopped keeps nobody else from running."""
        answer: Future[Answer] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._ask(job, id=job_id, wanted=lambda: not live.ended))
            except BaseException as error:  # noqa: BLE001  # it is raised where somebody waits for it
                answer.set_exception(error)

        threading.Thread(target=ask, name=f"job {type(job).__name__}", daemon=True).start()
        while not wait([answer], _LOOK_EVERY_S).done:
            if live.ended:
                raise QueryFailed("USER_CANCELED", "Query cancelled by user")
        return answer.result()


class StatementJobs:
    """Asks for the jobs of one statement, each with an id of its own."""

    def __init__(self, jobs: Jobs, live: Live) -> None:
        self._jobs, self._live, self._asked = jobs, live, 0

    def __call__(self, job: Job[Answer]) -> Answer:
        """Return the worker's answer; raises as `Jobs.ask` does."""
        self._asked += 1
        return self._jobs.ask(self._live, job, f" {self._asked}")
