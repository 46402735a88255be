"""The app's traffic: each student's buffer is flushed every few seconds, as Amplify does it, by real boto3 clients."""

from __future__ import annotations

import heapq
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from headwater.demo.students import Student
from headwater.errors import HeadwaterError


@dataclass
class Sent:
    """What the app has sent so far; `acked` counts events answered 202 for the first time, `resent` those sent again on purpose."""

    acked: int = 0
    resent: int = 0
    refused: int = 0
    failed_requests: int = 0
    last_error: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


class SimulatedApp:
    """*students* people who record about *events_per_second* together, from *threads* boto3 clients; `start`, then `stop`."""

    def __init__(
        self, client: Any, app_id: str, students: int = 300, events_per_second: float = 150, threads: int = 2, seed: int = 7
    ) -> None:
        self._client, self._app_id = client, app_id
        self._pause_s = 5.0
        self._per_flush = max(events_per_second * self._pause_s / students, 0.2)
        self.sent = Sent()
        self._ending = threading.Event()
        everyone = [Student(number, seed) for number in range(students)]
        self._threads = [
            threading.Thread(target=self._play, args=(everyone[part::threads], seed + part), name=f"app-{part}", daemon=True)
            for part in range(threads)
        ]

    def start(self) -> None:
        """Begin to send, in the background."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop sending; returns when the requests under way are answered."""
        self._ending.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _play(self, students: list[Student], seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a simulation, nothing secret
        begin = time.monotonic()
        recorders = [student.events() for student in students]
        due = [(begin + chance.uniform(0, self._pause_s), number) for number in range(len(students))]
        heapq.heapify(due)
        while not self._ending.is_set():
            at, number = due[0]
            if self._ending.wait(max(at - time.monotonic(), 0)):
                break
            count = int(self._per_flush) + (chance.random() < self._per_flush % 1)
            events = dict(next(recorders[number]) for _ in range(max(count, 1)))
            again = chance.random() < 0.01
            self._put(students[number], events, again=False)
            if again:  # an answer that got lost on the way: the client sends the same ids once more
                self._put(students[number], events, again=True)
            heapq.heapreplace(due, (max(at, time.monotonic() - 1) + chance.uniform(0.8, 1.2) * self._pause_s, number))

    def _put(self, student: Student, events: dict[str, Any], again: bool) -> None:
        endpoint = {"ChannelType": "EMAIL", "Address": student.email, "User": {"UserId": student.user_id}} if not again else {}
        try:
            answer = self._client.put_events(
                ApplicationId=self._app_id, EventsRequest={"BatchItem": {student.endpoint_id: {"Endpoint": endpoint, "Events": events}}}
            )
        except Exception as error:  # noqa: BLE001 - whatever boto3 raises: the screen shows it, the students go on
            with self.sent.lock:
                self.sent.failed_requests += 1
                self.sent.last_error = f"{type(error).__name__}: {error}"
            return
        results = answer["EventsResponse"]["Results"][student.endpoint_id]["EventsItemResponse"]
        accepted = sum(result["StatusCode"] == 202 for result in results.values())
        with self.sent.lock:
            if again:
                self.sent.resent += accepted
            else:
                self.sent.acked += accepted
                self.sent.refused += len(results) - accepted


def boto3_client(url: str, region: str, access_key_id: str, secret_access_key: str) -> Any:
    """Return boto3's own `pinpoint` client for Headwater at *url*; raises `HeadwaterError` if boto3 is not installed."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise HeadwaterError("the simulated app sends with boto3: pip install boto3") from None
    return boto3.client(
        "pinpoint",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=8),
    )
