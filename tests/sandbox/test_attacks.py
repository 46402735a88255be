"""263 statements that must not do what they try, with all layers on, with each one off, and with one alone."""

from __future__ import annotations

import hashlib
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pytest

from headwater.errors import HeadwaterError, QueryError
from headwater.query import Engine
from headwater.query.statement import parse
from headwater.sandbox import Sandboxes
from headwater.sandbox.gate import check
from tests.query.conftest import START_MS, Project, events

from .attacks import ATTACKS
from .bare import CANARY, run_bare
from .conftest import open_sandboxes


class Ground(NamedTuple):
    """A project with something to protect, and somebody who listens at a port."""

    project: Project
    out: Path
    reached: list[str]
    statements: list[str]
    listed: str

    @property
    def lake(self) -> Path:
        return self.project.root / "lake"

    @property
    def view(self) -> str:
        return f"SELECT n FROM read_parquet(['{self.listed}'])"


@pytest.fixture
def ground(project: Project, tmp_path: Path) -> Iterator[Ground]:
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    project.fold("sign_ins", events([START_MS, START_MS + 1], n=[1, 2]))
    project.lake.ensure("others", events([START_MS], n=["x"]).schema)
    project.fold("others", events([START_MS], n=[CANARY]))
    [listed] = project.index.plan("sign_ins").files
    [other] = project.index.plan("others").files
    secret, out = project.root / "master-keys.json", tmp_path / "out"
    secret.write_text(json.dumps({"key": CANARY}))
    out.mkdir()
    reached: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                reached.append(str(listener.accept()[1]))
            except OSError:
                return

    threading.Thread(target=listen, daemon=True).start()
    names = {"secret": secret, "out": out, "listed": listed.path, "other": other.path, "lake": project.root / "lake"}
    quoted = {name: str(path).replace("'", "''") for name, path in names.items()}
    quoted["port"] = str(listener.getsockname()[1])
    statements = []
    for attack in ATTACKS:
        for name, value in quoted.items():
            attack = attack.replace("{" + name + "}", value)
        statements.append(attack)
    for database in project.root.glob("*.db"):
        with closing(sqlite3.connect(database)) as sql:
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # it would happen sooner or later
    made = Ground(project, out, reached, statements, str(Path(listed.path).relative_to(project.root / "lake")))
    before = fingerprints(made)
    yield made
    assert fingerprints(made) == before
    assert list(out.iterdir()) == []
    assert reached == []
    listener.close()


def fingerprints(ground: Ground) -> dict[str, str]:
    """Hash every file of the project but the databases' own side files, which reading makes."""
    paths = [path for path in ground.project.root.rglob("*") if path.is_file() and path.suffix not in (".db-wal", ".db-shm")]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def past_the_gate(statements: list[str]) -> list[str]:
    """Return those that the gate, alone, would let through where `sign_ins` may be read."""
    with duckdb.connect() as engine:

        def ask(text: str, given: object = None) -> object:
            return engine.execute(text, given).fetchall()[0][0]

        def passes(statement: str) -> bool:
            try:
                found = parse(statement, "analytics", ask, frozenset(), check)
            except (QueryError, duckdb.Error, UnicodeEncodeError):
                return False
            return all(reference.path[-1].lower() == "sign_ins" for reference in found.references)

        return [statement for statement in statements if passes(statement)]


def test_all_layers_refuse_every_attack(ground: Ground, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_CANARY", CANARY)
    said = {}

    for statement in ground.statements:
        with pytest.raises(QueryError) as refused:
            said[statement] = str(engine.sql(statement).rows())
        assert CANARY not in str(refused.value)

    assert said == {}
    assert engine.sql("SELECT n FROM sign_ins ORDER BY n").rows() == [(1,), (2,)]


def test_the_gate_alone_stops_every_attack_that_does_anything(ground: Ground) -> None:
    passed = past_the_gate(ground.statements)

    answers = run_bare(passed, ground.lake, ground.view, [], process=False, settings=False)

    assert len(passed) < 10
    assert not any(CANARY in answer for answer in answers)


@pytest.mark.proof
def test_without_the_gate_settings_and_process_hold(ground: Ground) -> None:
    with closing(open_sandboxes(ground.project, most=2)) as sandboxes:
        fields = tuple(field for field in ground.project.index.plan("sign_ins").fields if field.name == "n")

        answers = [answer_of(sandboxes, statement, ground, fields) for statement in ground.statements]

        assert not any(CANARY in answer for answer in answers)
        assert answer_of(sandboxes, "SELECT sum(n)::BIGINT AS n FROM sign_ins", ground, fields) == "[{'n': 3}]"


def answer_of(sandboxes: Sandboxes, statement: str, ground: Ground, fields: tuple[object, ...]) -> str:
    """Run a statement in a sandbox as if it had passed the gate."""
    session = sandboxes.take()
    try:
        session.put_files("sign_ins", fields, ground.project.index.plan("sign_ins").files, None)  # type: ignore[arg-type]
        rows = session.run(statement, None)
        found: list[pa.RecordBatch] = []
        while True:
            try:
                found.append(rows.read_next_batch())
            except StopIteration:
                return str(pa.Table.from_batches(found, schema=rows.schema).to_pylist())
    except (HeadwaterError, duckdb.Error) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        sandboxes.give_back(session)


@pytest.mark.parametrize("layer", ["process", "settings"])
def test_without_one_layer_the_gate_and_the_other_hold(ground: Ground, layer: str) -> None:
    passed = past_the_gate(ground.statements)

    answers = run_bare(passed, ground.lake, ground.view, [ground.listed], process=layer == "process", settings=layer == "settings")

    assert not any(CANARY in answer for answer in answers)


@pytest.mark.proof
def test_the_process_alone_lets_nothing_be_written_or_read_outside_the_lake(ground: Ground) -> None:
    answers = run_bare(ground.statements, ground.lake, ground.view, [], process=True, settings=False)

    leaks = [said for said in zip(ground.statements, answers, strict=True) if CANARY in said[1]]
    assert len(answers) == len(ground.statements)
    assert all("others/" in statement or "/**" in statement for statement, _ in leaks), leaks
    assert run_bare(["SELECT sum(n)::BIGINT FROM sign_ins"], ground.lake, ground.view, [], process=True, settings=False) == ["[(3,)]"]


@pytest.mark.proof
def test_the_settings_alone_let_nothing_be_read_that_is_not_listed(ground: Ground) -> None:
    # What they do let through is writing to the files that are listed.
    reading = [statement for statement in ground.statements if "COPY" not in statement]

    answers = run_bare(reading, ground.lake, ground.view, [ground.listed], process=False, settings=True)

    assert not any(CANARY in answer for answer in answers)
