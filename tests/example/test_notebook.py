"""The notebook runs from its first cell to its last, against a server and against a folder, and draws what it says."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import headwater
from tests.served import Served

pytestmark = pytest.mark.proof

NOTEBOOK = Path(__file__).parents[2] / "examples/notebook/product.ipynb"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two weeks of an app: sixty people sign up, most of them practise, some of them often."""
    with Served(tmp_path_factory.mktemp("notebook") / "my-app").start() as made:
        chance, now = random.Random(7), datetime.now(UTC)
        with headwater.Client(
            made.url, made.app_id,
            access_key_id=made.owner["access_key_id"], secret_access_key=made.owner["secret_access_key"],
        ) as client:  # fmt: skip
            for number in range(60):
                came = now - timedelta(days=chance.randrange(1, 14), minutes=chance.randrange(600))
                client.record("SignUpEvent", {"email": f"{number}@example.org"}, user_id=str(number), timestamp=came)
                for visit in range(chance.randrange(6)):
                    began = min(came + timedelta(days=visit, minutes=chance.randrange(1, 90)), now)
                    for piece in range(chance.randrange(1, 4)):
                        at = min(began + timedelta(minutes=7 * piece), now)
                        client.record("PracticeEvent", {"piece_id": "waltz"}, {"level": visit + 1, "accuracy": 0.9, "duration_s": 60},
                                      user_id=str(number), timestamp=at, session=f"{number}-{visit}")  # fmt: skip
        made.settle()
        yield made


def executed(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[Any]:
    """Run the notebook in a kernel with that environment and return its cells."""
    for name in ("HEADWATER_URL", "HEADWATER_KEY", "HEADWATER_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return list(notebook.cells)


def pictures(cells: list[Any]) -> int:
    return sum("image/png" in output.get("data", {}) for cell in cells for output in cell.get("outputs", ()))


def test_it_is_committed_without_what_it_gave() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]

    assert [cell["outputs"] for cell in cells if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"])] == []


def test_it_draws_what_the_server_knows(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    key = f"{served.owner['access_key_id']}:{served.owner['secret_access_key']}"

    cells = executed(monkeypatch, HEADWATER_URL=f"http://127.0.0.1:{served.ports[1]}", HEADWATER_KEY=key)

    assert pictures(cells) == 4
    assert "PracticeEvent" in str(cells[1]["outputs"])


def test_it_draws_what_a_folder_holds(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pictures(executed(monkeypatch, HEADWATER_PROJECT=str(served.folder))) == 4
