from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest

from headwater.clock import ManualClock
from headwater.control.masterkey import KeyRing, rotate_master_keys
from headwater.errors import Unauthenticated
from headwater.identity import Grant, Seal

GRANT = Grant("us-east-1:id", "us-east-1:pool", authenticated=False, app_id="a" * 32)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_795_403_182_544)


@pytest.fixture
def ring(tmp_path: Path, clock: ManualClock) -> KeyRing:
    return KeyRing(tmp_path / "keys.json", clock)


def test_what_was_lent_is_found_again_without_any_table(ring: KeyRing, clock: ManualClock) -> None:
    lent = Seal(ring, clock).lend(GRANT, 3_600)

    opened = Seal(ring, clock).open(lent.access_key_id, lent.session_token)

    assert opened is not None
    assert (opened.grant, opened.secret_access_key, opened.expires_s) == (GRANT, lent.secret_access_key, lent.expires_s)
    assert lent.expires_s == clock.now_ms() // 1000 + 3_600


def test_lent_credentials_look_like_those_of_aws(ring: KeyRing, clock: ManualClock) -> None:
    lent = Seal(ring, clock).lend(GRANT, 900)

    assert (lent.access_key_id[:4], len(lent.access_key_id), len(lent.secret_access_key)) == ("ASIA", 20, 40)
    assert len(lent.session_token) < 400


def test_a_token_opens_only_with_its_own_key_id(ring: KeyRing, clock: ManualClock) -> None:
    seal = Seal(ring, clock)
    one, two = seal.lend(GRANT, 900), seal.lend(GRANT, 900)

    assert seal.open(one.access_key_id, two.session_token) is None


def test_a_token_with_any_bit_changed_opens_nothing(ring: KeyRing, clock: ManualClock) -> None:
    seal = Seal(ring, clock)
    lent = seal.lend(GRANT, 900)
    token = base64.b64decode(lent.session_token)

    for bit in range(len(token) * 8):
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        assert seal.open(lent.access_key_id, base64.b64encode(changed).decode()) is None


def test_what_is_no_token_opens_nothing(ring: KeyRing, clock: ManualClock) -> None:
    seal, draw = Seal(ring, clock), random.Random(7)
    lent = seal.lend(GRANT, 900)
    cut = [lent.session_token[:length] for length in range(0, len(lent.session_token), 3)]
    noise = [base64.b64encode(draw.randbytes(length)).decode() for length in range(120)]

    for token in [*cut, *noise, "é", "x" * 5_000, lent.session_token + "=", " " + lent.session_token]:
        assert seal.open(lent.access_key_id, token) is None


def test_a_token_expires_at_its_second(ring: KeyRing, clock: ManualClock) -> None:
    seal = Seal(ring, clock)
    lent = seal.lend(GRANT, 900)

    clock.advance(899.0)
    before = seal.open(lent.access_key_id, lent.session_token)
    clock.advance(1.0)
    with pytest.raises(Unauthenticated) as refused:
        seal.open(lent.access_key_id, lent.session_token)

    assert before is not None
    assert refused.value.code == "ExpiredTokenException"


def test_after_a_rotation_old_tokens_open_and_new_ones_come_from_the_new_key(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "keys.json"
    running = Seal(KeyRing(path, clock), clock)
    before = running.lend(GRANT, 900)

    rotated = rotate_master_keys(path)
    started_later = Seal(KeyRing(path, clock), clock).lend(GRANT, 900)
    opened_by_the_running = running.open(started_later.access_key_id, started_later.session_token)
    clock.advance(1.0)
    after = running.lend(GRANT, 900)

    assert opened_by_the_running is not None
    assert running.open(before.access_key_id, before.session_token) is not None
    assert [base64.b64decode(lent.session_token)[1:5].hex() for lent in (started_later, after)] == [rotated.current] * 2
    assert base64.b64decode(before.session_token)[1:5].hex() != rotated.current


def test_another_project_opens_nothing(tmp_path: Path, clock: ManualClock) -> None:
    lent = Seal(KeyRing(tmp_path / "one.json", clock), clock).lend(GRANT, 900)

    assert Seal(KeyRing(tmp_path / "two.json", clock), clock).open(lent.access_key_id, lent.session_token) is None


def test_nothing_that_is_printed_holds_a_secret(ring: KeyRing, clock: ManualClock) -> None:
    seal = Seal(ring, clock)
    lent = seal.lend(GRANT, 900)

    printed = repr(lent) + repr(seal.open(lent.access_key_id, lent.session_token)) + repr(ring.keys())

    assert lent.secret_access_key not in printed
