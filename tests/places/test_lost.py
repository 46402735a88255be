"""Each place is taken away from a project with data: the start says so, deletes nothing, and gives a way out that keeps every row."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headwater.places.identity import read_identity
from headwater.process.doctor import examine
from tests.flow.trouble import wait_for
from tests.places.conftest import Copy, ask, remove
from tests.served import Served, invoke, run

PLACES = {
    "stream": "data/stream/app",
    "catalog": "data/catalog.db",
    "lake": "data/lake",
    "control": "data/control.db",
    "master_keys": "data/master-keys.json",
    "queries": "data/queries.db",
    "results": "data/results",
}
REBUILT = {"ledger": "data/ledger.db", "endpoints": "data/endpoints.db"}


def files(copy: Copy, without: str = "data/run") -> dict[Path, int]:
    found = (path for path in copy.data.rglob("*") if path.is_file() and copy.folder / without not in path.parents)
    return {path: path.stat().st_size for path in found if not path.name.endswith(("-shm", "-wal"))}


@pytest.mark.parametrize("emptied", [False, True], ids=["removed", "emptied"])
@pytest.mark.parametrize("name", PLACES)
def test_a_lost_place_is_named_with_a_way_out_and_nothing_is_deleted(copy: Copy, name: str, emptied: bool) -> None:
    path = copy.folder / PLACES[name]
    is_folder = path.is_dir()
    remove(path)
    if emptied:
        path.mkdir() if is_folder else path.touch()
    before = files(copy)

    if (name, emptied) == ("results", True):
        assert "All places" in examine(copy.folder).says  # results come and go: an empty folder of them is none that was lost
        return
    said = [copy.refusal(), copy.refusal("fold"), copy.refusal("sql", "SELECT 1"), copy.refusal("keys", "list")]

    assert all(str(path) in each for each in said), said
    assert all(("headwater catalog rebuild" if name == "catalog" else f"headwater doctor --give-up {name}") in each for each in said)
    assert files(copy) == before
    assert [each["state"] for each in examine(copy.folder).places if each["place"] == name] == ["LOST"]


def test_an_identity_that_is_lost_is_made_again_from_what_the_lake_says(copy: Copy) -> None:
    was = read_identity(copy.folder)
    remove(copy.data / "identity.json")

    served = copy.serve()
    served.kill()

    made = read_identity(copy.folder)
    assert was is not None and made is not None
    assert (made.id, made.folder, made.places) == (was.id, was.folder, was.places)
    assert copy.rows() == copy.all_rows()


def test_a_copy_without_an_identity_is_told_from_the_project(copy: Copy, tmp_path: Path) -> None:
    shutil.copytree(copy.folder, tmp_path / "other", ignore=shutil.ignore_patterns("*.sock", "identity.json"))

    done = invoke("sql", "SELECT 1", "-C", tmp_path / "other", check=False)

    assert done.returncode == 1
    assert "headwater move" in done.stderr


@pytest.mark.parametrize("name", REBUILT)
def test_a_place_that_the_others_know_is_made_again_by_the_start(copy: Copy, name: str) -> None:
    remove(copy.folder / REBUILT[name])

    served = copy.serve()
    served.settle()
    found = copy.rows()
    served.kill()

    assert found == copy.all_rows()


def test_a_rebuilt_catalog_has_every_row_and_says_what_it_cannot_have(copy: Copy) -> None:
    remove(copy.data / "catalog.db")

    said = invoke("catalog", "rebuild", "-C", copy.folder).stdout
    offline = copy.rows()
    served = copy.serve()
    served.settle()
    rows, kept = copy.rows(), served.sql("SELECT count(*) AS n FROM kept")
    for statement in ("CREATE EXTERNAL TABLE plays", "CREATE VIEW latest"):
        assert statement in said
    ask(served, "CREATE VIEW latest AS SELECT event_id FROM sign_up_events")
    served.kill()

    assert offline == rows == copy.all_rows()
    assert kept == [{"n": 6}]


def test_an_emptied_catalog_keeps_what_only_it_knew_when_it_is_rebuilt(copy: Copy) -> None:
    with closing(sqlite3.connect(copy.data / "catalog.db")) as sql, sql:
        sql.execute("DELETE FROM iceberg_tables")
        sql.execute("DELETE FROM headwater_files")

    said = copy.refusal("fold")
    rebuilt = invoke("catalog", "rebuild", "-C", copy.folder).stdout
    with closing(sqlite3.connect(copy.data / "catalog.db")) as sql:
        names = {name for (name,) in sql.execute("SELECT name FROM headwater_tables")}

    assert "the ledger knows of table" in said
    assert "headwater catalog rebuild" in said
    assert "were taken over" in rebuilt
    assert names == {"plays", "latest"}
    assert copy.rows() == copy.all_rows()


def test_an_older_catalog_put_back_is_recognised_and_rebuilt(copy: Copy) -> None:
    older = (copy.data / "catalog.db").read_bytes()  # what lies in its log is newer
    remove(copy.data / "catalog.db")
    (copy.data / "catalog.db").write_bytes(older)

    said = copy.refusal("fold")
    invoke("catalog", "rebuild", "-C", copy.folder)

    assert "older" in said or "does not" in said
    assert copy.rows() == copy.all_rows()


@pytest.mark.parametrize("names", [("stream", "queries", "results"), ("control",), ("master_keys",)], ids="+".join)
def test_a_place_given_up_is_made_anew_and_the_rows_stay(copy: Copy, names: tuple[str, ...]) -> None:
    for name in names:
        remove(copy.folder / PLACES[name])

    said = [invoke("doctor", "--give-up", name, "-C", copy.folder).stdout for name in names]
    served = copy.serve()
    if names[0] in ("control", "master_keys"):
        refused = client_status(served)
        assert refused == 403
    else:
        assert client_status(served) == 202
        served.settle()
    rows = copy.rows()
    served.kill()

    assert all("Lost are" in each for each in said)
    assert rows.keys() >= copy.sent
    assert all(rows[each] == 1 for each in copy.sent)


def test_a_lake_given_up_has_again_what_the_stream_still_has(copy: Copy) -> None:
    remove(copy.data / "lake")

    invoke("doctor", "--give-up", "lake", "-C", copy.folder)
    served = copy.serve()
    served.settle()
    rows = copy.rows()
    served.kill()

    assert rows == copy.all_rows()


def test_profiles_lost_together_with_the_stream_come_back_from_the_lake(copy: Copy) -> None:
    remove(copy.data / "stream")
    remove(copy.data / "endpoints.db")

    invoke("doctor", "--give-up", "stream", "-C", copy.folder)
    served = copy.serve()
    served.eventually("SELECT client_id FROM endpoints", [{"client_id": "device"}])
    served.kill()

    assert copy.rows() == copy.all_rows()


def test_what_is_there_is_not_given_up(copy: Copy) -> None:
    assert "is there" in copy.refusal("doctor", "--give-up", "control")
    assert "catalog" in copy.refusal("doctor", "--give-up", "catalog")
    assert "there are: stream" in copy.refusal("doctor", "--give-up", "nothing")


def client_status(served: Served) -> int:
    from botocore.exceptions import ClientError

    event = {"EventType": "Other", "Timestamp": "2026-11-30T00:00:00Z"}
    try:
        answer = served.client().put_events(
            ApplicationId=served.app_id, EventsRequest={"BatchItem": {"device": {"Endpoint": {}, "Events": {"one": event}}}}
        )
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return int(answer["EventsResponse"]["Results"]["device"]["EventsItemResponse"]["one"]["StatusCode"])


def test_a_ledger_damaged_in_its_middle_ends_the_start_with_the_way_out_and_is_rebuilt(copy: Copy) -> None:
    served = copy.serve()
    served.settle()
    assert served.stop() == 0
    damage_middle(copy.data / "ledger.db")

    ports = ("--public-port", str(copy.ports[0]), "--private-port", str(copy.ports[1]))
    done = run("serve", *ports, "-C", copy.folder, check=False)
    for path in copy.data.glob("ledger.db*"):
        path.rename(path.with_name(f"damaged-{path.name}"))
    served = copy.serve()
    served.settle()
    rows = copy.rows()
    served.kill()

    assert done.returncode == 1
    assert f"{copy.data}/ledger.db is damaged" in done.stderr
    assert "move it away to rebuild it from the lake" in done.stderr
    assert rows == copy.all_rows()


def test_damage_met_while_it_is_served_stops_the_worker_until_it_is_mended_and_status_says_so(copy: Copy) -> None:
    served = copy.serve()
    served.settle()
    pid = served.roles()["worker"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    with closing(sqlite3.connect(copy.data / "ledger.db")) as sql:
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    damage_middle(copy.data / "ledger.db")
    os.kill(pid, signal.SIGKILL)

    wait_for("the worker says what is damaged", lambda: "is damaged" in str(served.roles()["worker"].get("reason")), 60)
    restarts = served.roles()["worker"]["restarts"]
    shown = " ".join(invoke("status", "-C", copy.folder).stdout.split())
    accepted = client_status(served)
    for path in copy.data.glob("ledger.db*"):
        path.unlink()
    wait_for("the worker is back", lambda: served.roles()["worker"]["state"] == "ready", 60)
    served.settle()
    rows = copy.rows()
    served.kill()

    assert restarts < 10
    assert "move it away to rebuild it from the lake" in shown
    assert accepted == 202
    assert all(rows[each] == 1 for each in copy.sent)


def damage_middle(path: Path) -> None:
    """Overwrite all but the first pages of a database."""
    content = path.read_bytes()
    assert len(content) > 4096 * 6
    path.write_bytes(content[: 4096 * 2] + b"\xa5" * (len(content) - 4096 * 2))
