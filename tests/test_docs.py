"""What the docs say is so: every snippet runs, every setting, command and public name is documented."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import headwater
from headwater.cli import main
from headwater.dialect.page import dialect_page
from headwater.settings import load_settings, settings_table
from tests.served import Served, free_port, run

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITE = os.environ.get("HEADWATER_WRITE_DOCS") == "1"


def generated(path: Path, text: str) -> None:
    """Compare a generated page with what the code says now; `HEADWATER_WRITE_DOCS=1 make test ARGS=tests/test_docs.py` writes it."""
    if WRITE:
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} is out of date: HEADWATER_WRITE_DOCS=1 make test ARGS=tests/test_docs.py"


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def command_page() -> str:
    lines = ["# Commands", "", "Every command takes `-C DIR` (or `--project DIR`): its project; the default is the folder you are in.", ""]
    for path, command in commands(main, "headwater"):
        arguments = "".join(
            f" [{p.make_metavar(click.Context(command))}]" if not p.required else f" {p.make_metavar(click.Context(command))}"
            for p in command.params
            if isinstance(p, click.Argument)
        )
        lines += [f"## `{path}{arguments}`", "", (command.help or "").strip(), ""]
        options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden and p.name != "project"]
        if options:
            lines += ["| option | what it does |", "|---|---|"]
            for option in options:
                default = option.default if isinstance(option.default, str | int | float) and not isinstance(option.default, bool) else None
                told = " ".join(filter(None, [option.help, f"(default: {default})" if default is not None else None]))
                choices = f" {'/'.join(option.type.choices)}" if isinstance(option.type, click.Choice) else ""
                lines.append(f"| `{', '.join(option.opts)}{choices}` | {told} |")
            lines.append("")
    return "\n".join(lines)


def test_the_settings_page_says_what_the_code_says() -> None:
    intro = (
        "# Settings\n\nThey stand in `headwater.toml`; `headwater init` writes one in which every setting has its sentence.\n"
        "A variable wins over the file: `HEADWATER_PUBLIC__PORT=9000` sets `public.port`. Paths are relative to the project.\n\n"
    )

    generated(ROOT / "docs/settings.md", intro + settings_table())


def test_the_commands_page_says_what_the_code_says() -> None:
    generated(ROOT / "docs/commands.md", command_page())


def test_the_dialect_page_says_what_the_code_says() -> None:
    generated(ROOT / "docs/dialect.md", dialect_page())


def test_every_public_name_is_documented() -> None:
    text = "\n".join(path.read_text() for path in DOCS) + (ROOT / "src/headwater/model/template_events.py.txt").read_text()

    assert sorted(headwater.__all__) == headwater.__all__
    for name in headwater.__all__:
        if not name.startswith("__"):
            assert re.search(rf"\bheadwater\.{name}\b|import .*\b{name}\b", text), name


def test_every_link_between_the_docs_leads_somewhere() -> None:
    for page in [*DOCS, ROOT / "CONTRIBUTING.md", *(ROOT / "docs/decisions").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def snippets(page: Path, *languages: str) -> list[tuple[str, str]]:
    """Return (language, text) of each snippet in those languages, in the order of the page."""
    return re.findall(rf"^```({'|'.join(languages)})\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def test_what_is_not_run_says_why() -> None:
    for page in DOCS:
        text = page.read_text()
        for found in re.finditer(r"^```(text)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            commands_in_it = re.search(r"^(headwater|docker|ssh|systemctl|python3|rsync|pip|make) ", found[2], re.MULTILINE)
            before = text[: found.start()].rstrip().rpartition("\n")[2]
            assert not commands_in_it or before.startswith("<!-- not run: "), f"{page.name}: {found[2]}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("docs") / "my-app").start() as served:
        for _ in range(5):  # what `headwater tail -n 5` waits for
            run("send", "Opened", "-C", served.folder)
        yield served


# The page that sends dead letters once more comes first: those of other pages are bad for good, and would be refused again.
PAGES = sorted((page for page in DOCS if snippets(page, "sh", "python")), key=lambda page: page.name != "when.md")


def test_there_are_snippets_to_run() -> None:
    assert len(PAGES) > 10


@pytest.mark.proof
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_of_the_page_runs_in_its_order(page: Path, served: Served, tmp_path: Path) -> None:
    key = json.loads(run("keys", "create", f"docs-{page.stem}", "--allow", "send,query", "--json", "-C", served.folder).stdout)
    for language, snippet in snippets(page, "sh", "python"):
        if language == "python":
            run_python(page, snippet, key, served)
        else:
            for line in filter(str.strip, snippet.splitlines()):
                run_shell(page, line, served, tmp_path)


def run_shell(page: Path, line: str, served: Served, tmp_path: Path) -> None:
    command = line.split(" # ")[0].strip()
    if command.startswith(("#", ". .venv", "kill %1", "headwater serve")):
        return  # the server runs in the background of all the other lines, in the environment of the tests
    if command == "make demo":
        command = "headwater demo --seconds 2 --students 20"
    if command.startswith("make demo ARGS="):
        command = "headwater demo --seconds 2 --students 20 --data my-demo"
    where = tmp_path if command.startswith(("headwater init", "headwater demo", "ls ")) else served.folder.parent
    if command.startswith("pip "):
        command, where = command.replace("--wheel-dir dist", f"--wheel-dir {tmp_path / 'dist'}"), ROOT
    if command.startswith("headwater keys create"):
        command = command.replace(" backend ", f" backend-{page.stem} ")

    done = subprocess.run(
        command, shell=True, cwd=where, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip

    assert done.returncode == 0, f"{page.name}: {command}\n{done.stdout}\n{done.stderr}"


def run_python(page: Path, snippet: str, key: dict[str, str], served: Served) -> None:
    code = (
        re.sub(r'\bkey="…"', f'key="{key["access_key_id"]}:{key["secret_access_key"]}"', snippet)
        .replace("http://127.0.0.1:8700", served.url)
        .replace("http://127.0.0.1:8701", f"http://127.0.0.1:{served.ports[1]}")
        .replace('aws_access_key_id="…"', f'aws_access_key_id="{key["access_key_id"]}"')
        .replace('aws_secret_access_key="…"', f'aws_secret_access_key="{key["secret_access_key"]}"')
        .replace('write_key="…"', f'write_key="{load_settings(served.folder).app.write_key}"')
        .replace('ApplicationId="…"', f'ApplicationId="{served.app_id}"')
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=served.folder.parent, capture_output=True, text=True, timeout=240)

    assert done.returncode == 0, f"{page.name}:\n{snippet}\n{done.stderr}"


@pytest.mark.proof
def test_the_ten_lines_of_the_readme_run_as_they_stand(tmp_path: Path) -> None:
    [(_, block), *_] = snippets(ROOT / "README.md", "sh")
    lines = [line for line in block.splitlines() if not line.startswith(("make demo", ". .venv"))]
    script = "set -em\n" + "\n".join(lines) + "\nwait\n"
    ports = {"HEADWATER_PUBLIC__PORT": str(free_port()), "HEADWATER_PRIVATE__PORT": str(free_port())}

    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL,
        env={**os.environ, **ports, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip

    assert "ada@example.org" in done.stdout, done.stdout + done.stderr
    assert "an email address" in done.stdout or "email" in done.stdout.partition("expected")[2]
    assert re.search(r"sign_up_events +1 ", done.stdout)
    assert "Traceback" not in done.stderr
