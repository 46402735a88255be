"""Who practises: students with a level, a piece, and an accuracy that grows with practice. Seeded, so two demos tell one story."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

PIECES = ("minuet-in-g", "ode-to-joy", "fuer-elise", "prelude-in-c", "gymnopedie-1", "the-entertainer", "arabesque", "clair-de-lune")
FIRST_NAMES = ("ada", "bela", "chen", "dana", "emre", "femi", "gita", "hugo", "ines", "jun", "kaya", "lena", "milo", "noor", "otto", "zoë")
PASS_ACCURACY = 0.95
# One event in fifty is wrong, in the ways that real apps are wrong: they must end as dead letters, each with its reason.
BAD_SHARE = 0.02

Event = dict[str, Any]


class Student:
    """One student with one device; `events` is what their app records, in order, for ever."""

    def __init__(self, number: int, seed: int) -> None:
        self._random = random.Random(f"{seed}/{number}")  # noqa: S311 - a simulation, nothing secret
        name = self._random.choice(FIRST_NAMES)
        self.endpoint_id = str(self._uuid())
        self.email = f"{name}.{number}@piano.example.com".replace("ë", "e")
        self.user_id = str(self._uuid())
        self.level = self._random.randint(1, 5)
        self._accuracy = self._random.uniform(0.6, 0.85)
        self._session = self._new_session()

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield (event id, event) in the shape of PutEvents: a sign-up, then sessions of a sign-in and some practice."""
        yield self._event("SignUpEvent", {"email": self.email})
        while True:
            self._session = self._new_session()
            yield self._event(
                "SignInEvent",
                {
                    "email": self.email,
                    "id": self.user_id,
                    "is_test_user": "true" if self._random.random() < 0.03 else "false",
                    "user_type": self._random.choice(("student", "student", "teacher", "null")),
                },
            )
            for _ in range(self._random.randint(3, 12)):
                yield self._practice()

    def _practice(self) -> tuple[str, Event]:
        self._accuracy = min(self._accuracy + self._random.uniform(-0.01, 0.03), 1.0)
        piece = PIECES[(self.level + self._random.randrange(3)) % len(PIECES)]
        metrics = {
            "level": float(self.level),
            "accuracy": round(self._accuracy, 4),
            "tempo": float(self._random.randrange(60, 140, 4)),
            "duration_s": round(self._random.uniform(20, 300), 1),
        }
        if self._accuracy >= PASS_ACCURACY:
            self.level, self._accuracy = min(self.level + 1, 12), 0.7
        if self._random.random() < BAD_SHARE:
            self._random.choice(
                (lambda: metrics.pop("accuracy"), lambda: metrics.update(accuracy=1.7), lambda: metrics.update(stars=5.0))
            )()
        return self._event("PracticeEvent", {"piece_id": piece}, metrics)

    def _event(self, event_type: str, attributes: dict[str, str], metrics: dict[str, float] | None = None) -> tuple[str, Event]:
        event: Event = {
            "EventType": event_type,
            "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "Attributes": attributes,
            "Session": self._session,
        }
        if metrics:
            event["Metrics"] = metrics
        return str(self._uuid()), event

    def _new_session(self) -> dict[str, str]:
        return {"Id": str(self._uuid()), "StartTimestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}

    def _uuid(self) -> uuid.UUID:
        # Not from the seed: a second demo in the same project brings new events, not duplicates of the first one's.
        return uuid.uuid4()
