"""What `headwater snippet` prints for web pages, pasted into one as it stands, sends its event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headwater.process.snippet import make_snippet
from tests.clients.conftest import Browser
from tests.clients.standin import StandIn
from tests.served import Served, run
from tests.waiting import until

pytestmark = pytest.mark.external_service


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("project") / "p").start() as project:
        yield project


@pytest.mark.parametrize("kind", ["amplify-v6", "amplify-v5", "client"])
def test_a_snippet_pasted_into_a_page(
    browser: Browser, site: StandIn, served: Served, bundle_file: Callable[..., bytes], tmp_path: Path, kind: str
) -> None:
    before = people(served)
    snippet = make_snippet(kind, served.folder)
    tag, code = snippet.split("\n\n", 1) if snippet.startswith("<!--") else ("", snippet)
    (tmp_path / "app.ts").write_text(code)
    run("types", "--typescript", "-o", tmp_path / "events.ts", "-C", served.folder)
    alias = ["--alias:aws-amplify=amplify5"] if kind == "amplify-v5" else []
    app = bundle_file(tmp_path / "app.ts", *alias)

    site.pages["/"] = ("text/html; charset=utf-8", f"<!doctype html><title>app</title>{tag}<script src=/app.js></script><body>".encode())
    site.pages["/app.js"] = ("text/javascript", app)
    page = browser.open(site.url)

    after = until(lambda: people(served), lambda found: len(found) != len(before))
    assert after == [*before, "ada@example.org"], page.said()


def people(served: Served) -> list[str]:
    return [row["email"] for row in served.sql("SELECT email FROM sign_up_events")]
