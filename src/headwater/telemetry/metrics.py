"""What the rooms count, as plain numbers, and families of them as they go from a role to whoever shows them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

# From a warm answer without a disk (0.5 ms) to a client that gave up long ago (10 s).
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """How often a value fell between two of *bounds* (growing; the last is open upwards). For one thread."""

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count *value*."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Requests:
    """What a listener answered, and how long that took; by operation, of which there are as many as routes."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, Histogram] = {}

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Count one answer."""
        key = (operation, status)
        self.answers[key] = self.answers.get(key, 0) + 1
        taken = self.seconds.get(operation)
        if taken is None:
            taken = self.seconds[operation] = Histogram()
        taken.observe(seconds)

    def families(self) -> list[Family]:
        """Return requests by operation and status, and the time they took by operation."""
        answers = [({"operation": name, "status": str(status)}, count) for (name, status), count in self.answers.items()]
        return [
            counter("headwater_requests", "HTTP requests answered by the public listener.", answers),
            histogram(
                "headwater_request_seconds",
                "Time from the whole head of a request to its answer.",
                [({"operation": name}, taken) for name, taken in self.seconds.items()],
            ),
        ]


class Sample(msgspec.Struct):
    """One value; of a histogram `value` is the sum of all that was observed, and `buckets` how many each bound holds, added up."""

    labels: dict[str, str]
    value: float
    buckets: list[tuple[str, int]] = []


class Family(msgspec.Struct):
    """Samples of one name, told apart by their labels."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: list[Sample]


def counter(name: str, help_text: str, values: Iterable[tuple[dict[str, str], float]]) -> Family:
    """Return a family that only grows (its name gets `_total` where it is shown)."""
    return Family(name, "counter", help_text, [Sample(labels, value) for labels, value in values])


def gauge(name: str, help_text: str, values: Iterable[tuple[dict[str, str], float]]) -> Family:
    """Return a family that goes up and down."""
    return Family(name, "gauge", help_text, [Sample(labels, value) for labels, value in values])


def histogram(name: str, help_text: str, values: Iterable[tuple[dict[str, str], Histogram]]) -> Family:
    """Return a family of distributions."""
    samples = []
    for labels, observed in values:
        buckets, total = [], 0
        for bound, count in zip((*map(str, observed.bounds), "+Inf"), observed.counts, strict=True):
            total += count
            buckets.append((bound, total))
        samples.append(Sample(labels, observed.sum, buckets))
    return Family(name, "histogram", help_text, samples)
