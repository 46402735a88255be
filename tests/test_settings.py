from __future__ import annotations

from pathlib import Path
from typing import get_args, get_origin

import pytest

from headwater.errors import ProjectError, SettingsError
from headwater.settings import Settings, load_settings, sentences, settings_file

APP = {
    "id": "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504",
    "name": "piano",
    "identity_pool_id": "us-west-2:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10",
    "region": "us-west-2",
    "account_id": "123456789012",
}


def write(folder: Path, text: str) -> Path:
    (folder / "headwater.toml").write_text(text)
    return folder


def test_the_written_file_reads_back_as_the_defaults_and_the_given_ids(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, settings_file(**APP)))

    assert settings == Settings(app=APP)  # type: ignore[arg-type]
    assert settings.app.region == "us-west-2"


def test_every_setting_has_a_sentence() -> None:
    for section, field in Settings.model_fields.items():
        model = get_args(field.annotation)[0] if get_origin(field.annotation) is tuple else field.annotation
        for name in model.model_fields:  # type: ignore[union-attr]
            assert sentences(model).get(name, "").endswith("."), f"{section}.{name}"  # type: ignore[arg-type]


def test_a_default_may_be_uncommented(tmp_path: Path) -> None:
    text = settings_file(**APP).replace("# port = 8700", "port = 9000").replace("# guests = true", "guests = true")

    settings = load_settings(write(tmp_path, text))

    assert (settings.public.port, settings.identity.guests) == (9000, True)
    assert "\nguests = true\n" in text


def test_workgroups_are_tables_of_their_own(tmp_path: Path) -> None:
    text = settings_file(**APP).replace("# [[workgroups]]", "[[workgroups]]").replace('# name = "…"', 'name = "team"')

    [team] = load_settings(write(tmp_path, text + '\n[[workgroups]]\nname = "other"\n')).workgroups[:1]

    assert (team.name, team.enforce, team.concurrency) == ("team", True, 0)


@pytest.mark.parametrize("wrong", ["scan_cutoff_bytes = 9_999_999", 'output_location = "nowhere"', "size = 1"])
def test_a_wrong_workgroup_is_named(tmp_path: Path, wrong: str) -> None:
    text = settings_file(**APP) + f'\n[[workgroups]]\nname = "team"\n{wrong}\n'

    with pytest.raises(SettingsError, match=r"workgroups\.0"):
        load_settings(write(tmp_path, text))


def test_a_variable_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_PUBLIC__PORT", "9001")

    settings = load_settings(write(tmp_path, settings_file(**APP).replace('# host = "127.0.0.1"', 'host = "0.0.0.0"', 1)))

    assert (settings.public.host, settings.public.port) == ("0.0.0.0", 9001)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# port = 8700", "prt = 8700", "public.prt: no such setting; did you mean port?"),
        ("# port = 8700", "port = 70000", r"public.port: .*less than or equal to 65535 \(given: 70000\)"),
        (APP["id"], "my app", r"app.id: String should match pattern .* \(given: 'my app'\)"),
        ("[pipe]", "[pipe", "is not TOML"),
        ('id = "' + APP["id"] + '"', "", "app.id: missing; Pinpoint application id"),
    ],
)
def test_a_wrong_file_is_refused_with_what_would_have_worked(tmp_path: Path, old: str, new: str, message: str) -> None:
    write(tmp_path, settings_file(**APP).replace(old, new, 1))

    with pytest.raises(SettingsError, match=message):
        load_settings(tmp_path)


def test_no_project_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="headwater init"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('access_key = "AKIA"', "access_key and secret_key go together"),
        ('secret_key = "hush-hush"', "access_key and secret_key go together"),
        ('access_key = "AKIA"\nsecret_key = "hush-hush"\nendpoint = "http://10.0.0.1:9000"', "over http on this machine"),
        ('access_key = "AKIA"\nsecret_key = ["hush-hush"]', "s3.secret_key"),
        ('buckets = ["Not A Bucket"]', "s3.buckets"),
        ('[lake]\nfolder = "gs://bucket/x"', "lake.folder"),
    ],
)  # fmt: skip
def test_wrong_settings_of_buckets_are_told_without_the_secret(tmp_path: Path, lines: str, message: str) -> None:
    app = "".join(f'{key} = "{value}"\n' for key, value in APP.items())

    with pytest.raises(SettingsError, match=message) as error:
        load_settings(write(tmp_path, f"[app]\n{app}[s3]\n{lines}\n"))

    assert "hush-hush" not in str(error.value)


def test_a_secret_is_not_shown_and_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_S3__SECRET_KEY", "hush-hush")
    app = "".join(f'{key} = "{value}"\n' for key, value in APP.items())

    settings = load_settings(write(tmp_path, f'[app]\n{app}[s3]\naccess_key = "AKIA"\nendpoint = "http://127.0.0.1:9000"\n'))

    assert settings.s3.secret_key == "hush-hush"
    assert "hush-hush" not in repr(settings)
    assert "hush-hush" not in str(settings.s3)
