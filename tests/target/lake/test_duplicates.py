from __future__ import annotations

import random

import numpy as np
import pytest

from headwater.target.lake.duplicates import SeenKeys
from headwater.target.lake.keyset import KeySet


class Log:
    """The key log of a ledger, in memory."""

    def __init__(self) -> None:
        self.stored: dict[int, bytes] = {}

    def keys(self, minute: int) -> bytes:
        return self.stored.get(minute, b"")

    def forget_keys(self, before_ms: int) -> int:
        raise AssertionError("nobody asks for this here")

    def commit(self, keys: dict[int, bytes]) -> None:
        for minute, packed in keys.items():
            self.stored[minute] = self.keys(minute) + packed


def key(chance: random.Random) -> bytes:
    # few distinct halves, so that collisions in a slot and zero halves happen all the time
    return chance.choice([bytes(8), chance.randbytes(8), (1).to_bytes(8, "little")]) + chance.choice([bytes(8), chance.randbytes(8)])


def test_a_key_is_new_once_and_a_duplicate_ever_after() -> None:
    log = Log()
    seen = SeenKeys(log)

    first = seen.check([b"a" * 16, b"b" * 16], [7, 7])
    log.commit(first.keys)
    seen.remember(first.keys)
    second = seen.check([b"b" * 16, b"c" * 16], [7, 7])

    assert first.duplicates == set()
    assert second.duplicates == {0}


def test_the_second_of_two_in_one_batch_is_the_duplicate() -> None:
    seen = SeenKeys(Log()).check([b"a" * 16, b"b" * 16, b"a" * 16], [7, 7, 7])

    assert seen.duplicates == {2}
    assert len(seen.keys[7]) == 32


def test_a_batch_that_was_not_committed_leaves_no_trace() -> None:
    seen = SeenKeys(Log())
    seen.check([b"a" * 16], [7])

    again = seen.check([b"a" * 16], [7])

    assert again.duplicates == set()


def test_a_duplicate_is_remembered_anew_because_it_arrived_again() -> None:
    log = Log()
    seen = SeenKeys(log)
    first = seen.check([b"a" * 16], [7])
    log.commit(first.keys)
    seen.remember(first.keys)

    again = seen.check([b"a" * 16], [7])

    assert again.keys == {7: b"a" * 16}


def test_an_empty_batch_has_no_duplicates() -> None:
    assert SeenKeys(Log()).check([], []).duplicates == set()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("most_in_memory", [1, 50, 1_000_000])
def test_random_histories_agree_with_a_plain_set(seed: int, most_in_memory: int) -> None:
    chance = random.Random(seed)
    log, plain = Log(), set[tuple[int, bytes]]()
    seen = SeenKeys(log, most_in_memory)
    for _ in range(60):
        if chance.random() < 0.1:
            seen = SeenKeys(log, most_in_memory)  # a restart: only what was committed is known
        keys = [key(chance) for _ in range(chance.randrange(0, 40))]
        minutes = [sum(k) % 5 for k in keys]  # a key holds the timestamp, so equal keys have one minute
        expected = set()
        in_batch = set(plain)
        for i, pair in enumerate(zip(minutes, keys, strict=True)):
            if pair in in_batch:
                expected.add(i)
            in_batch.add(pair)

        found = seen.check(keys, minutes)

        assert found.duplicates == expected
        if chance.random() < 0.8:
            log.commit(found.keys)
            seen.remember(found.keys)
            plain = in_batch


def test_a_hundred_thousand_keys_are_all_found_and_no_other() -> None:
    chance = np.random.default_rng(3)
    inside = chance.integers(0, 2**63, (100_000, 2)).astype(np.uint64)
    outside = chance.integers(0, 2**63, (100_000, 2)).astype(np.uint64)
    keys = KeySet()

    for part in np.split(inside, 100):
        keys.add(part)

    assert keys.contains(inside).all()
    assert not keys.contains(outside).any()
    assert len(keys) == 100_000


def test_the_keys_in_memory_are_counted_and_bounded_and_what_was_let_go_is_still_known() -> None:
    log, chance = Log(), random.Random(5)
    seen = SeenKeys(log, most_in_memory=500)
    sent = [([chance.randbytes(16) for _ in range(100)], minute) for minute in range(20) for _ in range(2)]

    for keys, minute in sent:
        found = seen.check(keys, [minute] * len(keys))
        log.commit(found.keys)
        seen.remember(found.keys)
        assert found.duplicates == set()
        assert seen.keys == sum(map(len, seen._buckets.values())) <= 500
        assert seen.nbytes == sum(bucket.nbytes for bucket in seen._buckets.values())

    assert seen.nbytes < 500 * 60
    assert all(len(seen.check(keys, [minute] * len(keys)).duplicates) == 100 for keys, minute in sent)
