"""How costs are taken: CPU seconds, both sides of a ratio in turns, medians."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

MEBIBYTE = 1 << 20


class Scale(NamedTuple):
    """How much is measured: a quick run takes a fifth of the time and gives rougher figures."""

    quick: bool

    def of(self, full: int, quick: int) -> int:
        """Return *full*, or *quick* in a quick run."""
        return quick if self.quick else full


class Paired(NamedTuple):
    """Two sides measured in turns: the medians of both, and the median of the ratios turn by turn."""

    ours: float
    limit: float
    ratio: float


def in_turns(rounds: int, ours: Callable[[], float], limit: Callable[[], float], warm_up: bool = True) -> Paired:
    """Measure both sides *rounds* times, A B B A A B …, so that what slows the machine for a while slows both.

    Each side runs once before, uncounted, unless it did already: first calls import, allocate and fill caches.
    """
    if warm_up:
        ours(), limit()
    costs: list[tuple[float, float]] = []
    for turn in range(rounds):
        if turn % 2:
            second = limit()
            costs.append((ours(), second))
        else:
            first = ours()
            costs.append((first, limit()))
    return Paired(median(a for a, _ in costs), median(b for _, b in costs), median(a / b for a, b in costs))


def difference(rounds: int, dearer: Callable[[], float], cheaper: Callable[[], float]) -> float:
    """Return by how much one cost exceeds the other: the median over many short turns, for a small difference of two large figures."""
    found = []
    for turn in range(rounds):
        first, second = (dearer, cheaper) if turn % 2 else (cheaper, dearer)
        costs = {first: first(), second: second()}
        found.append(costs[dearer] - costs[cheaper])
    return median(found)


def cpu_s(work: Callable[[], object], collect: bool = True) -> float:
    """Return the CPU seconds (user + sys, all threads of this process) that *work* takes; garbage of before is collected first."""
    if collect:
        gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def wall_s(work: Callable[[], object]) -> float:
    """Return the wall seconds that *work* takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least *share* of *values* do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -(-int(len(ordered) * share * 1_000) // 1_000) - 1))]


def process_cpu_s(pid: int) -> float:
    """Return the CPU seconds (user + sys, all its threads) the process *pid* has used so far."""
    # The clock that clock_getcpuclockid(3) would name: what /proc/<pid>/stat says, but in ns instead of ticks of 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


def process_memory(pid: int, *, family: bool = False) -> int:
    """Return the bytes of memory of the process *pid*, of a page that several share its part (PSS, proc(5)); 0 if it is gone.

    *family*: with all processes that it has started and that are still there.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if family else []
    except (FileNotFoundError, ProcessLookupError):
        return 0
    own = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return own + sum(process_memory(int(child), family=True) for child in started)


def fresh_folders(root: Path) -> Iterator[Path]:
    """Yield paths under *root* at which nothing is yet, without end."""
    return (root / str(number) for number in itertools.count())


def stolen_share(before: Sequence[int] | None = None) -> tuple[float, list[int]]:
    """Return the share of CPU time the hypervisor took since *before* (0 without it), and the counters to pass next time."""
    now = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    if before is None:
        return 0.0, now
    spent = [b - a for a, b in zip(before, now, strict=True)]
    return spent[7] / (sum(spent[:8]) or 1), now
