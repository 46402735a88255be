"""`headwater`, also as `python -m headwater`."""

import os
import sys

from headwater import memory
from headwater.cli import main
from headwater.process.lean import keep_pandas_from_arrow


def run() -> None:
    """Run the command line as a program of its own."""
    if sys.argv[1:2] == ["bench"] and not memory.ENVIRONMENT.keys() <= os.environ.keys():
        # Some of what is measured runs in this very process, which is to be like a role's.
        os.execve(sys.executable, [sys.executable, "-m", "headwater", *sys.argv[1:]], memory.ENVIRONMENT | os.environ)  # noqa: S606
    keep_pandas_from_arrow()
    main()


if __name__ == "__main__":
    run()
