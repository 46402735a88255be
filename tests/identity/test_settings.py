from __future__ import annotations

from pathlib import Path

import pytest

from headwater.errors import SettingsError
from headwater.places import declared_pool
from headwater.settings import load_settings, settings_file

APP = {"id": "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504", "identity_pool_id": "us-east-1:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10"}


def write(folder: Path, *issuers: str) -> Path:
    tables = "".join(f"\n[[identity.issuers]]\n{issuer}\n" for issuer in issuers)
    (folder / "headwater.toml").write_text(settings_file(**APP) + tables)
    return folder


def test_issuers_are_tables_of_the_file(tmp_path: Path) -> None:
    pool, google = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Ab", "https://accounts.google.com"

    settings = load_settings(write(tmp_path, f'issuer = "{pool}"\nclient_ids = ["a", "b"]', f'issuer = "{google}"\nclient_ids = ["c"]'))

    declared = declared_pool(settings)
    assert [issuer.issuer for issuer in settings.identity.issuers] == [pool, google]
    assert [(entry.provider_name, entry.client_id) for entry in declared.providers] == [(pool[8:], "a"), (pool[8:], "b")]
    assert declared.open_id_connect_provider_arns == ("arn:aws:iam::000000000000:oidc-provider/accounts.google.com",)
    assert (declared.allow_guests, declared.allow_classic_flow, declared.declared) == (True, True, True)


@pytest.mark.parametrize(
    ("issuer", "says"),
    [
        ('issuer = "https://a.example"', "identity.issuers.0.client_ids: missing; The `aud` its id tokens must have"),
        ('issuer = "https://a.example"\nclient_ids = []', "identity.issuers.0.client_ids"),
        ('issuer = "a.example"\nclient_ids = ["c"]', "identity.issuers.0.issuer"),
        ('issuer = "https://a.example"\nclient_ids = ["c"]\njwk = "x"', "identity.issuers.0.jwk: no such setting; did you mean jwks?"),
        ('issuer = "http://a.example"\nclient_ids = ["c"]', "keys are read over https"),
        ('issuer = "https://a.example"\nclient_ids = ["c"]\njwks = "http://a.example/k"', "keys are read over https"),
    ],
)
def test_a_wrong_issuer_is_explained(tmp_path: Path, issuer: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(write(tmp_path, issuer))

    assert says in str(refused.value)


def test_a_proxy_is_an_address_or_a_network(tmp_path: Path) -> None:
    def proxies(value: str) -> tuple[str, ...]:
        text = settings_file(**APP).replace("# trusted_proxies = []", f"trusted_proxies = {value}")
        (tmp_path / "headwater.toml").write_text(text)
        return load_settings(tmp_path).public.trusted_proxies

    assert proxies('["127.0.0.1", "10.0.0.0/8", "fd00::/8"]') == ("127.0.0.1", "10.0.0.0/8", "fd00::/8")
    with pytest.raises(SettingsError, match="proxy"):
        proxies('["proxy.example"]')


def test_an_issuer_on_this_machine_and_keys_in_a_file_need_no_https(tmp_path: Path) -> None:
    local, filed = (
        'issuer = "http://localhost:9000"\nclient_ids = ["c"]',
        'issuer = "http://a.example"\nclient_ids = ["c"]\njwks = "k.json"',
    )

    assert len(load_settings(write(tmp_path, local, filed)).identity.issuers) == 2
