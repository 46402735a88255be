"""`python -m benchmarks`, in the folder of the checkout: measure, and print."""

from __future__ import annotations

import os
import sys

import click

from benchmarks import run_benchmarks
from headwater import memory
from headwater.cli.group import json_option
from headwater.errors import HeadwaterError


@click.command()
@click.option("--quick", is_flag=True, help="Smaller runs: rougher figures in a fifth of the time.")
@click.option("--only", multiple=True, help="Only these parts; `--only list` names them.")
@json_option
def main(quick: bool, only: tuple[str, ...], as_json: bool) -> None:
    """Measure this machine's limits and Headwater beside them, as ratios."""
    try:
        run_benchmarks(quick=quick, only=only, as_json=as_json)
    except HeadwaterError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    if not memory.ENVIRONMENT.keys() <= os.environ.keys():
        # Some of what is measured runs in this very process, which is to be like a role's.
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], memory.ENVIRONMENT | os.environ)
    main()
