"""`headwater`, also as `python -m headwater`."""

from headwater.cli import main
from headwater.process.lean import keep_pandas_from_arrow


def run() -> None:
    """Run the command line as a program of its own."""
    keep_pandas_from_arrow()
    main()


if __name__ == "__main__":
    run()
