"""The program of one role, as the supervisor starts it: `python -m headwater.process collect -C DIR …`.

`headwater collect` does the same for people. This one does without the command line's libraries, for a role that died is to be back soon.
"""

import gc
import sys
from argparse import ArgumentParser
from pathlib import Path

from headwater.process.lean import keep_pandas_from_arrow, keep_rich_from_structlog


def main() -> None:
    """Run the role that the command line names until it is told to end."""
    # Imports leave no garbage, and looking for it takes a tenth of their time; `run_role` goes on looking.
    gc.disable()
    keep_pandas_from_arrow()
    keep_rich_from_structlog()
    from headwater.errors import HeadwaterError
    from headwater.process.roles import NAMES, run_named_role

    parser = ArgumentParser(prog="headwater.process", allow_abbrev=False)
    parser.add_argument("command", choices=sorted(NAMES))
    parser.add_argument("-C", dest="project", type=Path, required=True)
    for option in ("--listen-fd", "--life-line-fd"):
        parser.add_argument(option, type=int)
    for option in ("--tls-cert", "--tls-key"):
        parser.add_argument(option, type=Path)
    try:
        run_named_role(**vars(parser.parse_args()))
    except HeadwaterError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
