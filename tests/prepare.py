"""`make tools`: installs and builds all that proofs would, so that they find it made."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests import npm, pypi, s3server
from tests.tools import find_tool

TESTS = Path(__file__).parent
# The dearest comes first.
MAKES = {
    "the S3 server": s3server.build,
    **{
        str(folder.relative_to(TESTS.parent)): lambda folder=folder: npm.install(folder, find_tool("npm"))
        for folder in (TESTS / "node", TESTS / "edge/node", TESTS.parent / "examples/react-piano")
    },
    **{path.name: lambda path=path: pypi.install(path) for path in sorted(TESTS.glob("flow/*.txt"))},
}


def main() -> None:
    for name, make in MAKES.items():
        began = time.monotonic()
        try:
            make()
            sys.stdout.write(f"{name} is there after {time.monotonic() - began:.0f} s\n")
        except pytest.skip.Exception as missing:
            sys.stdout.write(f"{name} cannot be made here: {missing}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
