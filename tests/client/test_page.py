from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.served import Served

PAGE = Path(__file__).parents[2] / "docs/clients-python.md"
SNIPPETS = re.findall(r"^```py\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(3))
def test_every_snippet_of_the_page_runs_and_its_events_arrive(served: Served, number: int) -> None:
    snippet = SNIPPETS[number].replace("http://127.0.0.1:8700", served.url).replace('"…",', f'"{served.app_id}",', 1)
    snippet = snippet.replace('access_key_id="…"', f'access_key_id="{served.owner["access_key_id"]}"')
    snippet = snippet.replace('secret_access_key="…"', f'secret_access_key="{served.owner["secret_access_key"]}"')
    [before] = served.sql("SELECT count(*) AS n FROM endpoint_updates")

    done = subprocess.run([sys.executable, "-c", snippet], cwd=served.folder, capture_output=True, text=True, timeout=240)

    assert (done.returncode, done.stderr) == (0, "")
    served.settle()
    if number == 0:
        assert len(served.sql("SELECT 1 FROM other_events WHERE event_type = 'PracticeEvent' AND client_id = 'ada'")) == 1
        assert served.sql("SELECT count(*) AS n FROM endpoint_updates")[0]["n"] > before["n"]
    else:
        assert served.sql("SELECT count(*) AS n FROM sign_up_events WHERE email = 'ada@example.org'")[0]["n"] >= 1
    assert not (served.folder / "lost.jsonl").exists()


def test_the_page_has_the_snippets_that_are_run() -> None:
    assert len(SNIPPETS) == 3
