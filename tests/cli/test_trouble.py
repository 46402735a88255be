"""Whatever a person can bring about is said in words: no command ends with a trace."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from headwater.cli import main
from tests.served import HEADWATER, invoke, run
from tests.test_docs import commands
from tests.waiting import until

pytestmark = pytest.mark.proof  # each command is a process of its own

# Something for each command to do, by the words it is called with.
CALLS: dict[str, tuple[str, ...]] = {
    "headwater check": (), "headwater collect": (), "headwater fold": (), "headwater identity logins": (), "headwater identity pools": (),
    "headwater init": (), "headwater keys create": ("someone",), "headwater keys list": (), "headwater keys revoke": ("owner",),
    "headwater keys rotate-master": (), "headwater query": (), "headwater send": ("SignUpEvent",), "headwater serve": (),
    "headwater snippet": ("curl",), "headwater sql": ("SELECT 1",), "headwater status": (), "headwater tables": (), "headwater tail": (),
    "headwater types": ("--typescript",), "headwater views": (), "headwater work": (),
}  # fmt: skip
STOPPED = {"headwater catalog rebuild", "headwater doctor", "headwater move"}  # have tests of their own
WITHOUT_PROJECT = {"headwater init", "headwater demo"}  # they make one


def missing(folder: Path) -> Path:
    return folder / "nowhere"


def no_project(folder: Path) -> Path:
    return folder


def malformed(folder: Path) -> Path:
    (folder / "headwater.toml").write_text("[app\nid = ")
    return folder


def not_text(folder: Path) -> Path:
    (folder / "headwater.toml").write_bytes(b"\xff\xfe\x00")
    return folder


def a_wrong_setting(folder: Path) -> Path:
    invoke("init", folder / "p")
    path = folder / "p/headwater.toml"
    path.write_text(path.read_text().replace("[public]\n", "[public]\nport = 99999999\n"))
    return folder / "p"


def a_file_in_the_way(folder: Path) -> Path:
    invoke("init", folder / "p")
    (folder / "p/data").rename(folder / "p/kept")
    (folder / "p/data").write_text("a file where the data folder should be")
    return folder / "p"


CAUSES: list[Callable[[Path], Path]] = [missing, no_project, malformed, not_text, a_wrong_setting, a_file_in_the_way]


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Return what was said, once it is sure that it was said in words."""
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert done.returncode != 0, done.stdout
    assert done.stderr.strip(), "it ended without a word"
    return done.stderr


def test_every_command_is_tried() -> None:
    assert {path for path, _ in commands(main, "headwater")} == CALLS.keys() | WITHOUT_PROJECT | STOPPED


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
@pytest.mark.parametrize("command", sorted(CALLS.keys() - WITHOUT_PROJECT))
def test_a_project_that_cannot_be_used(
    tmp_path: Path, command: str, cause: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if cause is a_file_in_the_way and command in {"headwater check", "headwater snippet", "headwater types"}:
        pytest.skip("it reads nothing below data/")
    monkeypatch.setattr("headwater.process.starting.BEGINS_WITHIN_S", 0.0)
    project = cause(tmp_path)

    # A role of its own sets up the process for itself.
    call = run if command in {"headwater collect", "headwater work", "headwater query", "headwater serve"} else invoke
    done = call(*command.split()[1:], *CALLS[command], "-C", project, check=False)

    if cause is a_file_in_the_way and command == "headwater status":
        assert "Traceback" not in done.stderr
    else:
        told(done)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was served once: it has tables."""
    from tests.served import Served

    with Served(tmp_path_factory.mktemp("trouble") / "app").start() as served:
        return served.folder


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sql", "SELECT 1", "-o", "{tmp}/missing/out.csv"), "make the folder first"),
        (("sql", "SELECT 1", "-o", "{tmp}/file/out.csv"), "is a file"),
        (("sql", "SELECT * FROM range(200000)", "--format", "csv", "-o", "/dev/full"), "make room"),
        (("sql", "SELECT * FROM range(200000)", "--format", "parquet", "-o", "/dev/full"), "make room"),
        (("sql", "SELEC 1"), "syntax error"),
        (("sql", "SELECT * FROM read_csv('{tmp}/none.csv')"), "none.csv"),
        (("sql", "SELECT emial FROM sign_up_events"), 'did you mean "email"?'),
        (("sql", "--dialect", "athena", "SELECT emial FROM sign_up_events"), "did you mean 'email'?"),
        (("sql", "SELECT s.emial FROM sign_up_events AS s"), 'did you mean "email"?'),
        (("sql", "SELECT messsage FROM dead_letters"), 'did you mean "message"?'),
        (("sql", 'SELECT * FROM sign_up_events WHERE email = "ada lovelace"'), "single quotes: 'ada lovelace'"),
        (("types", "--typescript", "-o", "{tmp}/missing/events.ts"), "cannot write"),
        (("views", "funnel", "--set", "x"), "NAME=VALUE"),
        (("views", "funnel"), "--set steps=…"),
        (("views", "breakdown"), "--set event_type=…"),
        (("views", "nothing"), "nothing"),
        (("keys", "revoke", "nobody"), "there are: owner"),
        (("keys", "revoke", "ownr"), "did you mean owner?"),
        (("keys", "create", "owner"), "take another name, such as owner-2"),
        (("init", "{tmp}/new", "--app-id", "123"), "app.id"),
        (("send", "SignUpEvent", "email=ada@example.org"), "not served"),
    ],
)  # fmt: skip
def test_what_was_asked_for_cannot_be(project: Path, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    (tmp_path / "file").write_text("")

    done = run(*(part.format(tmp=tmp_path) for part in arguments), "-C", project, check=False)

    assert says in told(done)


def test_who_is_in_the_wrong_folder_is_told_of_the_projects_nearby(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(folder: Path, *arguments: str) -> str:
        monkeypatch.chdir(folder)
        return told(invoke("status", *arguments, check=False))

    assert "there is one in app: -C app; " in said(project.parent)
    assert "there is one in ..: -C ..; " in said(project / "data")
    assert "there is one in app: -C app; " in said(project.parent, "-C", "apps")
    assert "there is one in" not in said(project.parent, "-C", "something-else")


def test_help_says_of_each_command_its_whole_sentence_also_in_a_narrow_terminal() -> None:
    said = run("--help", env={**os.environ, "COLUMNS": "60"}).stdout

    assert said.count("...") == 1  # [ARGS]...
    assert "print the event types and their own columns" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 60


@pytest.mark.parametrize("command", ["fold", "keys create", "serve", "check"])
@pytest.mark.parametrize("allowed", ["a-w", "a-rwx"])
def test_a_folder_that_this_user_may_not_use(project: Path, command: str, allowed: str) -> None:
    # Who runs tests as root is asked by permission bits as well, without these two rights.
    plain = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if plain and shutil.which("setpriv") is None:
        pytest.skip("root may do anything here: setpriv is not installed; on Debian: apt-get install util-linux")
    subprocess.run(["chmod", "-R", allowed, project / "data"], check=True)
    try:
        call = [*plain, *HEADWATER, *command.split(), *CALLS[f"headwater {command}"], "-C", project]
        done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", project / "data"], check=True)

    assert str(project / "data") in told(done) or "may this user write" in done.stderr
    assert "backup" not in done.stderr


def test_an_id_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    told(invoke("init", tmp_path / "made/up", "--app-id", "123", check=False))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HEADWATER_PUBLIC_PORT", "9000", "did you mean HEADWATER_PUBLIC__PORT?"),
        ("HEADWATER_PUBLIC__PROT", "9000", "did you mean HEADWATER_PUBLIC__PORT?"),
        ("HEADWATER_PUBLIC__PORT", "many", "variable HEADWATER_PUBLIC__PORT: public.port"),
        ("HEADWATER_NOWHERE__AT_ALL", "1", "variable HEADWATER_NOWHERE__AT_ALL: no such setting"),
        ("HEADWATER_PUBLIC", "{", "HEADWATER_SECTION__KEY"),
    ],
)
def test_a_wrong_variable_is_named(project: Path, name: str, value: str, says: str) -> None:
    assert says in told(invoke("status", "-C", project, env={name: value}, check=False))


def test_a_port_in_use_is_named_by_serve_and_by_check(project: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        env = {"HEADWATER_PUBLIC__PORT": str(taken.getsockname()[1]), "HEADWATER_PRIVATE__PORT": "0"}
        served = run("serve", "-C", project, check=False, env={**os.environ, **env})
        checked = invoke("check", "-C", project, env=env, check=False)

    assert "--public-port" in told(served)
    assert "--public-port" in told(checked)


def test_check_refuses_a_column_that_changed_its_type_as_serve_would(project: Path) -> None:
    events = project / "events.py"
    before = events.read_text()
    events.write_text(before.replace("level: int = Field(ge=1)", "level: str"))
    try:
        checked = invoke("check", "-C", project, env={"HEADWATER_PUBLIC__PORT": "0", "HEADWATER_PRIVATE__PORT": "0"}, check=False)
    finally:
        events.write_text(before)

    assert "column `level`" in told(checked)
    good = invoke("check", "-C", project, env={"HEADWATER_PUBLIC__PORT": "0", "HEADWATER_PRIVATE__PORT": "0"}).stdout
    assert good.splitlines()[-1] == "ok"
    assert "level bigint" in good
    assert "arrival_datetime" not in good


def test_check_says_what_a_new_field_without_a_default_means_to_apps_that_do_not_send_it(project: Path) -> None:
    events = project / "events.py"
    before = events.read_text()
    level = "level: int = Field(ge=1)"
    events.write_text(before.replace(level, f"{level}\n    hand: str\n    room: str | None = None"))
    try:
        checked = invoke("check", "-C", project, env={"HEADWATER_PUBLIC__PORT": "0", "HEADWATER_PRIVATE__PORT": "0"})
    finally:
        events.write_text(before)

    assert [line for line in checked.stderr.splitlines() if line] == [
        "note: PracticeEvent.hand is new and has no default: events of apps that do not send it yet become dead letters"
    ]
    assert checked.stdout.splitlines()[-1] == "ok"


def test_sql_that_is_not_even_text(project: Path) -> None:
    done = subprocess.run([*HEADWATER, "sql", "-", "-C", str(project)], input=b"\xff\xfe\x00SELECT", capture_output=True, timeout=60)

    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"not even text" in done.stderr


def test_a_reader_that_has_enough_ends_a_command_without_a_word(project: Path) -> None:
    command = [*HEADWATER, "sql", "SELECT * FROM range(3000000)", "--format", "csv", "-C", str(project)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert b"Traceback" not in said


@pytest.mark.parametrize("command", [("tail",), ("sql", "-")])
def test_ctrl_c_ends_a_command_without_a_trace(project: Path, command: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [*HEADWATER, *command, "-C", str(project)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    if command == ("tail",):
        assert b"not served" in process.stderr.readline()
    else:
        assert until(lambda: b"headwater" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        until(lambda: "pipe_read" in Path(f"/proc/{process.pid}/wchan").read_text(), within_s=30)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode != 0
    assert b"Traceback" not in said
