from __future__ import annotations

import json
from pathlib import Path

import pytest

from headwater.errors import ProjectError, SettingsError
from headwater.model import load_models
from headwater.process.project import check_formats, make_project
from headwater.settings import load_settings

KEPT = ("9f2c4b7a1e6d4c0f8a53b1d2e7c6f504", "us-west-2:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10", "us-west-2", "123456789012")


def test_ids_of_shipped_apps_are_kept(tmp_path: Path) -> None:
    made = make_project(tmp_path / "p", "piano", *KEPT)

    app = load_settings(made.folder).app
    assert (app.id, app.identity_pool_id, app.region, app.account_id) == KEPT


def test_made_up_ids_have_the_form_of_aws(tmp_path: Path) -> None:
    made = make_project(tmp_path / "p", "piano", None, None, "eu-central-1", "000000000000")

    assert len(made.app_id) == 32
    assert made.identity_pool_id.startswith("eu-central-1:")
    assert made.owner.allow == {"send", "query", "admin"}
    assert set(load_models(made.folder / "events.py").event_types) == {"SignUpEvent", "SignInEvent", "PracticeEvent"}


@pytest.mark.parametrize("name", ["headwater.toml", "events.py", "project.json"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")

    with pytest.raises(ProjectError, match=f"already has {name}"):
        make_project(tmp_path, "piano", *KEPT)

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_malformed_id_is_refused_and_leaves_no_project(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"app\.id"):
        make_project(tmp_path / "p", "piano", "not hex", *KEPT[1:])

    assert not (tmp_path / "p").exists()


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    made = make_project(tmp_path / "p", "piano", *KEPT)
    path = made.folder / "project.json"
    said = json.loads(path.read_text())
    said["formats"]["ledger"] = 99
    path.write_text(json.dumps(said))

    with pytest.raises(ProjectError, match="ledger of this project has format 99"):
        check_formats(made.folder)


def test_a_damaged_format_file_is_said(tmp_path: Path) -> None:
    made = make_project(tmp_path / "p", "piano", *KEPT)
    (made.folder / "project.json").write_text("{")

    with pytest.raises(ProjectError, match="is damaged"):
        check_formats(made.folder)
