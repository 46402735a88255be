"""The long form: `make crash ARGS="--minutes 10 --seed 1"`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.crash.chaos import SETTINGS, run_chaos
from tests.served import Served


def main() -> None:
    options = argparse.ArgumentParser(prog="make crash")
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--seed", type=int, default=int(time.time()))
    given = options.parse_args()
    end, seed = time.monotonic() + given.minutes * 60, given.seed
    kills: Counter[str] = Counter()
    acked = failures = 0
    while (left := end - time.monotonic()) > 0:
        with tempfile.TemporaryDirectory(prefix="headwater-crash-") as folder:
            served = Served(Path(folder) / "project", SETTINGS).start(ready_s=120)
            try:
                outcome = run_chaos(served, min(left, 60), seed)
            finally:
                if served.process is not None:
                    served.kill()
        kills += outcome.kills
        acked += outcome.acked
        failures += bool(outcome.wrong)
        sys.stdout.write(f"seed {seed}: {outcome}\n")
        sys.stdout.flush()
        seed += 1
    sys.stdout.write(f"{kills.total()} kills ({dict(kills)}), {acked:,} acknowledged events, {failures} rounds with a failure\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
