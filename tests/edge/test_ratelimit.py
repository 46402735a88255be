from __future__ import annotations

import random

import pytest

from headwater.clock import ManualClock
from headwater.edge.http.ratelimit import TokenBuckets, network_of


def test_a_burst_is_let_through_and_then_the_steady_rate() -> None:
    clock = ManualClock()
    buckets = TokenBuckets(2, 5, clock)

    burst = [buckets.take("a") for _ in range(7)]
    clock.advance(0.5)
    one = [buckets.take("a") for _ in range(2)]
    clock.advance(3_600)
    full = [buckets.take("a") for _ in range(6)]

    assert burst == [True] * 5 + [False] * 2
    assert one == [True, False]
    assert full == [True] * 5 + [False]


def test_each_has_a_bucket_of_their_own() -> None:
    buckets = TokenBuckets(1, 1, ManualClock())

    assert [buckets.take(key) for key in ("a", "b", "a", ("a", "b"), ("a", "b"))] == [True, True, False, True, False]


def test_a_refusal_takes_nothing_and_several_tokens_come_together_or_not_at_all() -> None:
    buckets = TokenBuckets(1, 10, ManualClock())

    assert [buckets.take("a", 8), buckets.take("a", 3), buckets.take("a", 2), buckets.take("a")] == [True, False, True, False]


def test_over_any_time_no_more_is_taken_than_burst_and_rate_allow() -> None:
    draw, clock = random.Random(11), ManualClock()
    buckets, taken, begun = TokenBuckets(3, 10, clock), 0, clock.monotonic()

    for _ in range(5_000):
        clock.advance(draw.choice([0, 0.001, 0.1, 0.4]))
        taken += buckets.take("a")
        assert taken <= 10 + 3 * (clock.monotonic() - begun) + 1e-6

    assert taken >= 3 * (clock.monotonic() - begun) * 0.9


def test_memory_is_bounded_and_the_longest_unused_is_forgotten() -> None:
    buckets = TokenBuckets(1, 1, ManualClock(), most=100)

    for number in range(10_000):
        buckets.take(number)

    assert len(buckets) == 100
    assert [buckets.take(9_999), buckets.take(0)] == [False, True]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_a_customers_addresses_count_as_one(address: str, network: str) -> None:
    assert network_of(address) == network
