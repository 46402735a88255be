"""The example as `make example` runs it: a guest plays, signs up, signs in, plays on, and SQL knows that it is one person."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headwater
from tests.clients.conftest import Browser, Page
from tests.clients.conftest import browser as browser
from tests.clients.conftest import chromium as chromium
from tests.clients.conftest import node as node
from tests.clients.conftest import node_modules as node_modules
from tests.npm import install
from tests.processes import ending_with_us
from tests.served import alive, run
from tests.tools import find_tool
from tests.waiting import until

EXAMPLE = Path(__file__).parents[2] / "examples/react-piano"
PASSWORD = "correct horse"
ODE_TO_JOY = "DDFGGFDSAASDDSSDDFGGFDSAASDSAA"  # computer keys, by place
ODE_BEATS = 30  # from its first note to its last
HOT_CROSS_BUNS = [64, 62, 60, 64, 62, 60, *[60] * 4, *[62] * 4, 64, 62, 60]
PEOPLE = """
    SELECT coalesce(i.person, e.cognito_id) AS person, count(*) AS pieces
    FROM practice_events AS e LEFT JOIN identities AS i ON i.identity_id = e.cognito_id GROUP BY 1"""


class Example:
    """`run.py` in a copy of the example, with its own project; `said` is what it has printed."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data = folder, data
        self._log = data.with_suffix(".log")
        with self._log.open("wb") as log:
            command = ending_with_us(sys.executable, str(folder / "run.py"), "--data", str(data))
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(lambda: "Ctrl-C ends it all" in self.said or self._process.poll() is not None, within_s=60)
            assert "Ctrl-C ends it all" in self.said and self._process.poll() is None, self.said
        except BaseException:  # nobody else would end it, and it would start its roles again for ever
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            raise

    @property
    def said(self) -> str:
        return self._log.read_text()

    def url(self, of: str) -> str:
        """Return an address that was printed."""
        return re.findall(rf"{of} +(http://127\.0\.0\.1:\d+)", self.said)[0]

    def sql(self, query: str) -> list[dict[str, Any]]:
        with headwater.open(self.data) as lake:
            return list(lake.sql(query).arrow().to_pylist())

    def eventually(self, query: str, count: int) -> list[dict[str, Any]]:
        """Ask until there are *count* rows, for ten seconds, and return what is there."""
        return until(lambda: self.sql(query), lambda rows: len(rows) >= count)

    def end(self) -> tuple[int, list[int]]:
        """Do what Ctrl-C does; return the exit code, and which of its processes are still there."""
        started = descendants(self._process.pid)
        assert len(started) >= 6  # serve and its three roles, the issuer, the app
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(30)
        return code, [pid for pid in started if alive(pid)]


def descendants(pid: int) -> list[int]:
    children = [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]
    return [*children, *(further for child in children for further in descendants(child))]


@pytest.fixture(scope="module")
def copied(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example in which the packages of its lock file are installed, as `npm ci` does it."""
    folder = tmp_path_factory.mktemp("example") / "react-piano"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "node_modules").symlink_to(install(EXAMPLE, find_tool("npm")) / "node_modules")
    os.utime(folder / "package-lock.json", (0, 0))  # older than what is installed: not installed again
    return folder


@pytest.fixture(scope="module")
def example(copied: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    started = Example(copied, tmp_path_factory.mktemp("data") / "my-piano")
    yield started
    assert started.end() == (0, [])


@pytest.fixture
def page(browser: Browser, example: Example) -> Page:
    opened = browser.open(example.url("The piano"), "localStorage.clear()")
    opened.run("new Promise((done) => { const look = () => document.querySelector('.hint') ? done() : setTimeout(look, 20); look() })")
    return opened


def sent(page: Page, count: int) -> list[dict[str, str]]:
    """Wait until the strip shows *count* events that were stored, and return them, oldest first."""
    page.run(f"""new Promise((done, late) => {{
        setTimeout(() => late(new Error(document.body.innerText)), 55000);
        const look = () => document.querySelectorAll('.sent [data-state=stored]').length >= {count} ? done() : setTimeout(look, 20);
        look();
    }})""")
    return list(page.run("[...document.querySelectorAll('.sent li')].reverse().map((line) => ({...line.dataset}))"))


def ask_account(page: Page, button: str, email: str) -> None:
    page.click(f".who button:text-is('{button}')")
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    page.click("dialog [type=submit]")


def play_by_mouse(page: Page, notes: list[int]) -> None:
    page.click("button:has-text('Hot Cross Buns')")
    for note in notes:
        page.click(f"[data-note='{note}']")


@pytest.mark.external_service
def test_what_a_guest_and_then_a_person_does_is_in_sql_once_and_is_one_persons(example: Example, page: Page) -> None:
    began = time.monotonic()
    for number, key in enumerate(ODE_TO_JOY):
        if number == 4:
            page.press("KeyJ")  # a wrong one
        page.press(f"Key{key}")
    took_s = time.monotonic() - began
    sent(page, 1)
    ask_account(page, "Sign up", "ada@example.org")
    sent(page, 2)
    page.click("dialog [type=submit]")  # it has turned to signing in, with what was given
    sent(page, 3)
    play_by_mouse(page, HOT_CROSS_BUNS)
    sent(page, 4)
    page.click("text=Sign out")
    play_by_mouse(page, HOT_CROSS_BUNS)
    sent(page, 5)
    ask_account(page, "Sign in", "ada@example.org")
    shown = sent(page, 6)

    columns = "event_id, event_type, cognito_id, datetime"
    events = example.eventually(
        f"""SELECT {columns} FROM practice_events UNION ALL SELECT {columns} FROM sign_up_events
            UNION ALL SELECT {columns} FROM sign_in_events ORDER BY datetime""",
        6,
    )
    names = ["PracticeEvent", "SignUpEvent", "SignInEvent", "PracticeEvent", "PracticeEvent", "SignInEvent"]
    assert [event["event_type"] for event in events] == names
    assert [(e["event_id"], e["event_type"], e["cognito_id"]) for e in events] == [(s["eventId"], s["event"], s["identity"]) for s in shown]

    # The first guest's identity has become the person's; that of the guest after the sign-out gave way to it.
    person, other_guest = events[0]["cognito_id"], events[4]["cognito_id"]
    assert [event["cognito_id"] for event in events] == [person] * 4 + [other_guest, person]
    [first_sign_in, second_sign_in] = example.sql("SELECT id, email, is_test_user, user_type FROM sign_in_events ORDER BY datetime")
    assert first_sign_in == second_sign_in == {**first_sign_in, "email": "ada@example.org", "is_test_user": True, "user_type": "student"}
    login = {"provider": example.url("Issuer").removeprefix("http://"), "subject": first_sign_in["id"]}
    assert example.sql("SELECT identity_id, merged_into, logins FROM identities ORDER BY merged_into NULLS FIRST") == [
        {"identity_id": person, "merged_into": None, "logins": [login]},
        {"identity_id": other_guest, "merged_into": person, "logins": None},
    ]
    assert example.sql(PEOPLE) == [{"person": person, "pieces": 3}]

    ode, buns, buns_again = example.sql("SELECT piece_id, level, accuracy, tempo, duration_s FROM practice_events ORDER BY datetime")
    assert (ode["piece_id"], ode["level"], ode["accuracy"]) == ("ode-to-joy", 2, round(29 / 30, 4))
    assert 0 < ode["duration_s"] <= took_s
    assert ode["tempo"] == pytest.approx(ODE_BEATS / ode["duration_s"] * 60, rel=0.02)  # the duration is rounded to 10 ms
    assert [(e["piece_id"], e["level"], e["accuracy"]) for e in (buns, buns_again)] == [("hot-cross-buns", 1, 1.0)] * 2
    assert [line for line in page.said() if line.startswith("error:")] == []


@pytest.mark.external_service
def test_a_sign_up_with_an_address_that_cannot_be_is_a_dead_letter_that_says_so(example: Example, page: Page) -> None:
    ask_account(page, "Sign up", "ada@piano.test")
    sent(page, 1)

    [letter] = example.eventually("SELECT event_type, field, given FROM dead_letters", 1)

    assert (letter["event_type"], letter["field"]) == ("SignUpEvent", "email")
    assert "ada@piano.test" in letter["given"]


@pytest.mark.external_service
def test_each_question_it_prints_is_answered(example: Example) -> None:
    questions = [line.strip() for line in example.said.splitlines() if " sql " in line]

    answers = [subprocess.run(question, shell=True, capture_output=True, text=True, timeout=240) for question in questions]

    assert len(questions) == 3
    assert [answer.returncode for answer in answers] == [0] * 3, [answer.stderr for answer in answers]


@pytest.mark.external_service
def test_the_compiler_refuses_an_event_that_is_not_of_the_project(copied: Path, node: str, tmp_path: Path) -> None:
    right = '{ level: 1, piece_id: "a", accuracy: 1, duration_s: 2 }'
    wrong = [right.replace("piece_id", "peice_id"), right.replace("level: 1, ", ""), right.replace("accuracy: 1", 'accuracy: "1"')]
    calls = [f"record(practiceEvent({fields}));" for fields in (right, *wrong)]
    folder = tmp_path / "app"
    shutil.copytree(copied, folder, symlinks=True)
    imports = 'import { record } from "aws-amplify/analytics"; import { practiceEvent } from "./events";'
    (folder / "src/calls.ts").write_text("\n".join([imports, *calls]) + "\n")

    done = subprocess.run(
        [node, "node_modules/typescript/bin/tsc", "--pretty", "false"], cwd=folder, capture_output=True, text=True, timeout=240
    )

    refused = re.findall(r"^([\w/.]+)\((\d+)", done.stdout, re.MULTILINE)
    assert refused == [("src/calls.ts", "3"), ("src/calls.ts", "4"), ("src/calls.ts", "5")], done.stdout


def test_its_event_types_are_those_of_a_new_project(tmp_path: Path) -> None:
    run("init", tmp_path / "p")

    run("types", "--typescript", "--check", EXAMPLE / "src/events.ts", "-C", tmp_path / "p")


def test_without_node_it_says_in_one_line_how_to_get_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "run.py")], capture_output=True, text=True, timeout=240, env={**os.environ, "PATH": str(tmp_path)}
    )

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "https://nodejs.org" in done.stderr and "apt-get install nodejs npm" in done.stderr


def test_its_lock_file_pins_every_package_and_names_no_registry() -> None:
    lock = json.loads((EXAMPLE / "package-lock.json").read_text())

    packages = {name: package for name, package in lock["packages"].items() if name}

    assert [name for name, package in packages.items() if "resolved" in package or not package["integrity"].startswith("sha512-")] == []
    named = json.loads((EXAMPLE / "package.json").read_text())
    assert all(re.fullmatch(r"[\d.]+", version) for version in {**named["dependencies"], **named["devDependencies"]}.values())
