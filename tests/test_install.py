"""A checkout on a machine that has Python, pip and make: the first command of the README, into an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOR_DEVELOPERS = ("pandas", "polars", "pytest", "mypy", "ipykernel", "matplotlib", "hypothesis")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "headwater"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("src", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.external_service
def test_make_demo_installs_the_base_alone_says_what_it_does_and_runs(checkout: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    done = subprocess.run(
        ["make", "demo", f"PYTHON={sys.executable}", "ARGS=--seconds 3 --students 20"],
        cwd=checkout, env=clean, capture_output=True, text=True, timeout=900,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "installing base packages" in done.stdout
    assert "installed in" in done.stdout
    assert "events acknowledged" in done.stdout
    installed = subprocess.run(
        [checkout / ".venv/bin/python", "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    ).stdout
    assert "boto3" in installed
    assert [name for name in FOR_DEVELOPERS if f"\n{name}==" in installed] == []


def test_every_version_of_the_base_is_the_one_that_is_tested() -> None:
    def pins(name: str) -> set[str]:
        return {line.partition(" ")[0] for line in (ROOT / "requirements" / name).read_text().splitlines() if "==" in line}

    assert len(pins("base.txt")) > 30
    assert pins("base.txt") <= pins("dev.txt")


def test_no_requirements_file_names_an_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in path.read_text(), path.name
