"""Makes .venv and installs a requirements file into it, saying how far it is: `install.py .venv requirements/base.txt`."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

# ruff: noqa: S603, T201 - a script that installs, and says so

PIP = ["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--progress-bar", "off"]


def install(venv: Path, pinned: Path) -> None:
    """Make *venv* if it is not there, then install *pinned* and this checkout into it; show one line that counts the packages."""
    began = time.monotonic()
    packages = len(re.findall(r"^[a-z][^\n]*==", pinned.read_text(), re.MULTILINE))
    print(
        f"installing {pinned.name.removesuffix('.txt')} packages into {venv} (up to {packages}; about a minute the first time)", flush=True
    )
    python = venv / "bin/python"
    if not (venv / "bin/pip").exists():  # also where making it was broken off
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    seen = 0
    with subprocess.Popen(
        [python, *PIP, "--require-hashes", "--only-binary", ":all:", "-r", pinned], stdout=subprocess.PIPE, text=True
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            if found := re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)", line):
                seen += 1
                _show(f"{seen:>3} of {packages}  {found[1]}")
            elif found := re.match(r"\s*(?:Downloading|Using cached) (\S+) \((.+)\)", line):
                _show(f"{seen:>3} of {packages}  {found[1].split('-')[0]}, {found[2]}")
            elif line.startswith("Installing collected packages"):
                _show("all are here; unpacking them (half a minute)")
    if pip.returncode:
        sys.exit(
            f"\npip ended with {pip.returncode}; what it said is above. Nothing else is needed to try again: the same make command goes on."
        )
    subprocess.run([python, *PIP, "-q", "--no-deps", "--no-build-isolation", "-e", "."], check=True)
    _show(f"installed in {time.monotonic() - began:.0f} s\n")


def _show(text: str) -> None:
    """Write over the line before on a terminal; elsewhere a line of its own, and only where a step begins or ends."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K  {text}", end="", flush=True)
    elif " of " not in text:
        print(f"  {text.rstrip()}", flush=True)


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - it runs before anything is installed, by whatever Python there is
        sys.exit(f"Headwater needs Python 3.11 or newer, this is {sys.version.split()[0]}; try: make PYTHON=python3.12 (the command again)")
    try:
        install(Path(sys.argv[1]), Path(sys.argv[2]))
    except subprocess.CalledProcessError as failed:
        sys.exit(f"this failed: {' '.join(map(str, failed.cmd))}")
    except KeyboardInterrupt:
        sys.exit("\nended by Ctrl-C; the same make command goes on where this stopped")
