import os
import time

from benchmarks.measure import difference, in_turns, percentile, process_cpu_s, process_memory


def test_both_sides_take_turns_after_one_uncounted_call_each() -> None:
    calls: list[str] = []

    def side(name: str, cost: float) -> float:
        calls.append(name)
        return cost

    paired = in_turns(3, lambda: side("ours", 2.0), lambda: side("limit", 4.0))

    assert calls == ["ours", "limit", "ours", "limit", "limit", "ours", "ours", "limit"]
    assert paired == (2.0, 4.0, 0.5)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]

    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1.0) == 100
    assert percentile([7.0], 0.99) == 7


def test_the_cpu_of_a_process_is_what_it_says_of_itself() -> None:
    before = time.process_time()
    told = process_cpu_s(os.getpid())
    after = time.process_time()

    assert before <= told <= after


def test_a_process_that_is_gone_has_no_memory() -> None:
    assert process_memory(os.getpid()) > 1_000_000
    assert process_memory(2**22 + 1) == 0


def test_a_difference_is_taken_turn_by_turn_so_that_a_slow_minute_counts_once() -> None:
    dearer, cheaper = iter([15.0, 95.0, 16.0]), iter([10.0, 70.0, 10.0])

    assert difference(3, lambda: next(dearer), lambda: next(cheaper)) == 6.0
