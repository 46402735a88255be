from __future__ import annotations

import json
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.clock import ManualClock
from headwater.control import App, Control, open_control
from headwater.errors import BadRequest, Conflict, NotFound, ProjectError, SettingsError

SEND = frozenset({"send"})
DECLARED = App("0123456789abcdef0123456789abcdef", "declared", created_ms=5)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def control(tmp_path: Path, clock: ManualClock) -> Iterator[Control]:
    opened = open_control(f"sqlite:///{tmp_path}/control.sqlite", apps=[DECLARED], clock=clock)
    yield opened
    opened.close()


def test_a_new_key_looks_like_one_of_aws_and_is_found_with_its_secret(control: Control) -> None:
    key = control.create_key("phone", SEND)

    found = control.find_key(key.access_key_id)

    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", key.access_key_id)
    assert key.secret_access_key is not None
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", key.secret_access_key)
    assert found == key


def test_the_secret_survives_a_restart_and_is_in_no_file(control: Control, tmp_path: Path) -> None:
    key = control.create_key("phone", SEND)
    assert key.secret_access_key is not None

    again = open_control(f"sqlite:///{tmp_path}/control.sqlite")
    found = again.find_key(key.access_key_id)
    again.close()

    assert found == key
    assert not any(key.secret_access_key.encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_listed_keys_and_their_printed_form_hold_no_secret(control: Control) -> None:
    key = control.create_key("phone", SEND)

    [listed] = control.keys()

    assert listed.secret_access_key is None
    assert str(key.secret_access_key) not in repr(key)


def test_a_key_name_is_taken_for_ever(control: Control) -> None:
    control.create_key("phone", SEND)
    control.revoke_key("phone")

    with pytest.raises(Conflict, match="phone"):
        control.create_key("phone", SEND)


@pytest.mark.parametrize(
    ("name", "allow"), [("", SEND), ("a\nb", SEND), ("x" * 257, SEND), ("ok", frozenset()), ("ok", frozenset({"root"}))]
)
def test_a_key_with_a_wrong_name_or_permission_is_refused(control: Control, name: str, allow: frozenset[str]) -> None:
    with pytest.raises(BadRequest):
        control.create_key(name, allow)

    assert control.keys() == []


def test_revoking_an_unknown_key_says_so(control: Control) -> None:
    with pytest.raises(NotFound, match="nobody"):
        control.revoke_key("nobody")


def test_revoking_twice_keeps_the_first_time(control: Control, clock: ManualClock) -> None:
    control.create_key("phone", SEND)
    first = control.revoke_key("phone")

    clock.advance(60)
    second = control.revoke_key("phone")

    assert second.revoked_ms == first.revoked_ms == ManualClock().now_ms()


def test_a_revocation_by_another_process_arrives_within_a_second(control: Control, clock: ManualClock, tmp_path: Path) -> None:
    key = control.create_key("phone", SEND)
    assert control.find_key(key.access_key_id) is not None
    program = f"from headwater.control import open_control; open_control('sqlite:///{tmp_path}/control.sqlite').revoke_key('phone')"

    subprocess.run([sys.executable, "-c", program], check=True)
    clock.advance(1)

    assert control.find_key(key.access_key_id) is None


def test_a_key_made_by_another_process_is_found_even_if_it_was_asked_for_before(
    control: Control, clock: ManualClock, tmp_path: Path
) -> None:
    other = open_control(f"sqlite:///{tmp_path}/control.sqlite")
    assert control.find_key("AKIA" + "A" * 16) is None

    key = other.create_key("phone", SEND)
    other.close()
    clock.advance(1)

    assert control.find_key(key.access_key_id) == key


def test_the_master_keys_are_readable_by_their_owner_only(control: Control, tmp_path: Path) -> None:
    mode = stat.S_IMODE((tmp_path / "master-keys.json").stat().st_mode)

    assert mode == 0o600
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


def test_master_keys_that_others_may_read_are_refused(control: Control, tmp_path: Path) -> None:
    (tmp_path / "master-keys.json").chmod(0o640)

    with pytest.raises(ProjectError, match="chmod 600"):
        open_control(f"sqlite:///{tmp_path}/control.sqlite")


def test_a_new_master_key_leaves_the_secrets_of_older_keys_alone(control: Control, tmp_path: Path) -> None:
    old = control.create_key("old", SEND)
    path = tmp_path / "master-keys.json"
    masters = json.loads(path.read_bytes())
    masters["keys"]["second"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    masters["current"] = "second"
    path.write_text(json.dumps(masters))

    again = open_control(f"sqlite:///{tmp_path}/control.sqlite")
    new = again.create_key("new", SEND)
    found = again.find_key(old.access_key_id), again.find_key(new.access_key_id)
    again.close()

    assert found == (old, new)


def test_a_newer_format_is_refused(control: Control, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "control.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(ProjectError, match="format 99"):
        open_control(f"sqlite:///{tmp_path}/control.sqlite")


def test_an_unknown_backend_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match="sqlite"):
        open_control("oracle://x")


def test_an_app_can_be_made_found_tagged_and_deleted(control: Control) -> None:
    made = control.create_app("piano", {"team": "a"})
    tagged = control.tag_app(made.app_id, {"team": "b"})

    found = control.find_app(made.app_id)
    deleted = control.delete_app(made.app_id)

    assert re.fullmatch(r"[0-9a-f]{32}", made.app_id)
    assert found == tagged == deleted
    assert dict(tagged.tags) == {"team": "b"}
    assert control.find_app(made.app_id) is None


def test_declared_apps_are_listed_and_cannot_be_changed(control: Control) -> None:
    made = control.create_app("piano", {})

    for change in (lambda: control.delete_app(DECLARED.app_id), lambda: control.tag_app(DECLARED.app_id, {})):
        with pytest.raises(Conflict, match=r"headwater\.toml"):
            change()

    assert {app.app_id for app in control.apps()} == {DECLARED.app_id, made.app_id}
    found = control.find_app(DECLARED.app_id)
    assert found is not None
    assert found.declared


def test_deleting_an_unknown_app_says_so(control: Control) -> None:
    with pytest.raises(NotFound, match="nothing"):
        control.delete_app("nothing")
