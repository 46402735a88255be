"""Memory over time: what all roles grow by while events come in steadily."""

from __future__ import annotations

import time
from itertools import combinations
from statistics import median

from benchmarks.events import now_ms
from benchmarks.measure import MEBIBYTE, Scale, process_memory
from benchmarks.processes import LoadGenerator, temporary_project
from benchmarks.report import Row, at_most

PER_S, EVENTS = 2_000, 100
KEYS = 100_000
SAMPLE_EVERY_S = 5.0


def slope_rows(scale: Scale) -> list[Row]:
    """Measure the growth of all roles at 2,000 events/s once as many de-duplication keys are held as may be: after a minute, here."""
    seconds, settling = scale.of(1_500, 90), scale.of(300, 60)
    samples: list[tuple[float, dict[str, float]]] = []
    env = {"HEADWATER_PIPE__DUPLICATES_IN_MEMORY": str(KEYS)}
    with temporary_project() as project, LoadGenerator() as load, project.serve(env) as serving:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            # Prepared in parts: a request is signed for five minutes only.
            load.prepare(project.order(serving.url, int(PER_S / EVENTS * min(left + 1, 60)), EVENTS, now_ms(), rate=PER_S / EVENTS))
            load.start()
            until = time.monotonic() + min(left, 60)
            while time.monotonic() < until:
                time.sleep(SAMPLE_EVERY_S)
                used = {name: process_memory(pid, family=name.startswith("sandboxes")) / MEBIBYTE for name, pid in serving.pids.items()}
                samples.append((time.monotonic(), used))
            load.finish()
        serving.server.check()
    settled = [(at, used) for at, used in samples if at > end - seconds + settling]
    slopes = {name: _slope([(at, used[name]) for at, used in settled]) for name in settled[0][1]}
    slope = _slope([(at, sum(used.values())) for at, used in settled])
    note = (
        f"the median of all slopes between {len(settled)} samples of the last {seconds - settling} s; {sum(settled[0][1].values()):,.0f} MB"
        f" then, {sum(settled[-1][1].values()):,.0f} MB at the end; each:"
        f" {', '.join(f'{name} {each:,.1f}' for name, each in slopes.items())}; room for {KEYS:,} keys, so that it is full from the start"
    )
    name = f"growth of all roles at {PER_S:,} events/s, once keys are full"
    return [at_most(name, slope, 1, 0, f"{slope:,.1f} MB/h", unit=" MB/h", note=note)]


def _slope(samples: list[tuple[float, float]]) -> float:
    """Return the median of the slopes between all samples of (seconds, value), an hour: a single step up or down does not bend it."""
    return 3_600 * median((b - a) / (later - at) for (at, a), (later, b) in combinations(samples, 2))
