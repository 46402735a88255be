"""The program: `headwater`, which is the same as `python -m headwater`."""

from headwater.cli import main
from headwater.process.lean import keep_pandas_from_arrow


def run() -> None:
    """Run the command line in a process of its own, and end it."""
    keep_pandas_from_arrow()
    main()


if __name__ == "__main__":
    run()
