"""Which id tokens prove a login, and which do not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headwater.clock import ManualClock
from headwater.control.identities import Pool
from headwater.errors import HeadwaterError
from headwater.identity import Issuer, Issuers, Login
from tests.identity.conftest import CLIENT, EC_KEY, ISSUER, PROVIDER, RSA_KEY, part, public_jwk, sign, write_jwks

NOW_S = 1_795_403_182
POOL = Pool("us-east-1:aaaa", "p", True, declared=True)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
SHORT_KEY = rsa.generate_private_key(65537, 1024)
PUBLIC_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
NO_TOKEN = "Not a valid OpenId Connect identity token."


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_S * 1000)


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    keys = [public_jwk(RSA_KEY, "rsa-1"), public_jwk(EC_KEY, "ec-1"), public_jwk(SHORT_KEY, "short")]
    return write_jwks(
        tmp_path / "jwks.json", *keys, {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}, {"kty": "RSA", "kid": "broken", "n": "x"}
    )


def issuers(jwks: Path | str | None, clock: ManualClock, **options: Any) -> Issuers:
    return Issuers([Issuer(ISSUER, frozenset({CLIENT}), jwks, **options)], clock)


def claims(**changed: Any) -> dict[str, Any]:
    made = {"iss": ISSUER, "aud": CLIENT, "sub": "ada", "token_use": "id", "iat": NOW_S, "exp": NOW_S + 3_600, **changed}
    return {name: value for name, value in made.items() if value != "gone"}


async def refused(found: Issuers, token: str, provider: str = PROVIDER) -> str:
    with pytest.raises(HeadwaterError) as error:
        await found.logins(POOL, {provider: token})
    return f"{error.value.code}: {error.value}"


async def test_an_honest_token_says_who_signs_in(jwks: Path, clock: ManualClock) -> None:
    assert await issuers(jwks, clock).logins(POOL, {PROVIDER: sign(claims())}) == [Login(PROVIDER, "ada")]


@pytest.mark.parametrize(
    "honest",
    [
        claims(token_use="gone"),
        claims(aud=[CLIENT]),
        claims(aud=[CLIENT, "other"], azp=CLIENT),
        claims(exp=NOW_S - 60),
        claims(iat=NOW_S + 60),
        claims(nbf=NOW_S + 60),
        claims(iat=NOW_S + 0.5, exp=NOW_S + 10.5),
        claims(sub="é" * 255),
    ],
)
async def test_what_an_honest_issuer_may_write(jwks: Path, clock: ManualClock, honest: dict[str, Any]) -> None:
    [login] = await issuers(jwks, clock).logins(POOL, {PROVIDER: sign(honest)})

    assert login.subject == honest["sub"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"iss": ISSUER + "/"}, "Issuer doesn't match providerName"),
        ({"iss": "gone"}, "Issuer doesn't match providerName"),
        ({"aud": "other"}, "Incorrect token audience"),
        ({"aud": "gone"}, "Incorrect token audience"),
        ({"aud": []}, "Incorrect token audience"),
        ({"aud": [CLIENT, "other"]}, "Incorrect token audience"),
        ({"aud": [CLIENT, "other"], "azp": "other"}, "Incorrect token audience"),
        ({"aud": {CLIENT: 1}}, "Incorrect token audience"),
        ({"token_use": "access"}, NO_TOKEN),
        ({"exp": NOW_S - 61}, f"Token expired: {NOW_S} >= {NOW_S - 61}"),
        ({"exp": "gone"}, NO_TOKEN),
        ({"exp": "2100-01-01"}, NO_TOKEN),
        ({"exp": True}, NO_TOKEN),
        ({"exp": 1e300}, NO_TOKEN),
        ({"iat": "gone"}, NO_TOKEN),
        ({"iat": NOW_S + 61}, "not valid yet"),
        ({"nbf": NOW_S + 61}, "not valid yet"),
        ({"nbf": "now"}, NO_TOKEN),
        ({"sub": "gone"}, NO_TOKEN),
        ({"sub": ""}, NO_TOKEN),
        ({"sub": 7}, NO_TOKEN),
        ({"sub": "a\x00b"}, NO_TOKEN),
        ({"sub": "x" * 256}, NO_TOKEN),
    ],
)
async def test_a_claim_that_is_wrong_is_refused(jwks: Path, clock: ManualClock, changed: dict[str, Any], says: str) -> None:
    said = await refused(issuers(jwks, clock), sign(claims(**changed)))

    assert said.startswith("NotAuthorizedException: Invalid login token. ")
    assert says in said


def hs256_with_the_public_key() -> str:
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa-1'})}.{part(claims())}"
    mac = hmac.new(PUBLIC_PEM, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


HONEST = sign(claims())
FRONT, PAYLOAD, SIGNATURE = HONEST.split(".")
FORGED = {
    "none": f"{part({'alg': 'none', 'kid': 'rsa-1'})}.{part(claims())}.",
    "None": f"{part({'alg': 'None', 'kid': 'rsa-1'})}.{part(claims())}.",
    "HS256 with the public key": hs256_with_the_public_key(),
    "RS512": sign(claims(), algorithm="RS512"),
    "PS256": sign(claims(), algorithm="PS256"),
    "ES256 that is not switched on": sign(claims(), key=EC_KEY, algorithm="ES256", kid="ec-1"),
    "another key": sign(claims(), key=OTHER_KEY),
    "a key that is too short": sign(claims(), key=SHORT_KEY, kid="short"),
    "a key that is not there": sign(claims(), key=OTHER_KEY, kid="other"),
    "a key of the token's own": sign(claims(), key=OTHER_KEY, kid="own", jwk=public_jwk(OTHER_KEY, "own")),
    "a key elsewhere": sign(claims(), key=OTHER_KEY, kid="own", jku="https://evil.example/jwks.json"),
    "a secret for RSA": sign(claims(), kid="oct"),
    "a broken key": sign(claims(), kid="broken"),
    "no key id": sign(claims(), kid=None),
    "a key id that is a number": f"{part({'alg': 'RS256', 'kid': 7})}.{PAYLOAD}.{SIGNATURE}",
    "nested": sign(claims(), cty="JWT"),
    "an extension": sign(claims(), crit=["b64"], b64=False),
    "no object": sign([claims()]),
    "other claims": f"{FRONT}.{part(claims(sub='eve'))}.{SIGNATURE}",
    "no signature": f"{FRONT}.{PAYLOAD}.",
    "two parts": f"{FRONT}.{PAYLOAD}",
    "four parts": f"{HONEST}.{SIGNATURE}",
    "JSON serialised": json.dumps({"payload": PAYLOAD, "signatures": [{"protected": FRONT, "signature": SIGNATURE}]}),
    "too long": sign(claims(padding="x" * 16_384)),
    "empty": "",
    "not ASCII": HONEST + "é",
    "a lone surrogate": HONEST + "\udc80",
}


@pytest.mark.parametrize("kind", FORGED)
async def test_a_token_that_proves_nothing_is_refused(jwks: Path, clock: ManualClock, kind: str) -> None:
    said = await refused(issuers(jwks, clock), FORGED[kind])

    assert said.startswith("NotAuthorizedException: Invalid login token. ")


async def test_es256_is_taken_where_it_is_switched_on(jwks: Path, clock: ManualClock) -> None:
    token = sign(claims(), key=EC_KEY, algorithm="ES256", kid="ec-1")

    assert await issuers(jwks, clock, es256=True).logins(POOL, {PROVIDER: token}) == [Login(PROVIDER, "ada")]
    assert "Can't find public key" in await refused(issuers(jwks, clock, es256=True), sign(claims(), kid="ec-1"))


@pytest.mark.parametrize("provider", ["accounts.example", "https://" + PROVIDER, ""])
async def test_a_provider_that_settings_do_not_name_is_refused(jwks: Path, clock: ManualClock, provider: str) -> None:
    said = await refused(issuers(jwks, clock), HONEST, provider)

    assert said == "NotAuthorizedException: Token is not from a supported provider of this identity pool."


async def test_saml_is_refused_and_says_what_works(jwks: Path, clock: ManualClock) -> None:
    said = await refused(issuers(jwks, clock), "PHNhbWw+", "arn:aws:iam::000000000000:saml-provider/corp")

    assert said.startswith("InvalidParameterException: SAML providers are not supported; sign in through an OpenID Connect issuer")


class Keys:
    """An issuer's web server: counts how often it is asked."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.asked: list[str] = []
        keys = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keys.asked.append(self.path)
                body = keys.documents.get(self.path)
                self.send_response(302 if body is None and self.path == "/moved" else 200 if body is not None else 500)
                self.send_header("Location", "/jwks")
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def publish(self, *keys: dict[str, Any], issuer: str = ISSUER) -> None:
        self.documents["/jwks"] = json.dumps({"keys": keys}).encode()
        configuration = json.dumps({"issuer": issuer, "jwks_uri": f"{self.url}/jwks"}).encode()
        self.documents["/.well-known/openid-configuration"] = configuration

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[Keys]:
    made = Keys()
    yield made
    made.stop()


async def test_keys_are_read_once_and_again_for_a_new_key_at_most_once_a_minute(web: Keys, clock: ManualClock) -> None:
    web.publish(public_jwk(RSA_KEY, "rsa-1"))
    found = issuers(f"{web.url}/jwks", clock)
    new = sign(claims(), key=OTHER_KEY, kid="rsa-2")

    for _ in range(3):
        await found.logins(POOL, {PROVIDER: HONEST})
    for number in range(20):
        await refused(found, sign(claims(), key=OTHER_KEY, kid=f"made-up-{number}"))
    web.publish(public_jwk(RSA_KEY, "rsa-1"), public_jwk(OTHER_KEY, "rsa-2"))
    too_soon = await refused(found, new)
    clock.advance(60)
    logins = await found.logins(POOL, {PROVIDER: new})

    assert "Can't find public key" in too_soon
    assert logins == [Login(PROVIDER, "ada")]
    assert web.asked == ["/jwks"] * 2


async def test_a_key_that_was_withdrawn_is_refused_within_the_hour(web: Keys, clock: ManualClock) -> None:
    web.publish(public_jwk(RSA_KEY, "rsa-1"))
    found = issuers(f"{web.url}/jwks", clock)
    await found.logins(POOL, {PROVIDER: HONEST})

    web.publish(public_jwk(OTHER_KEY, "rsa-2"))
    clock.advance(3_600)

    assert "Can't find public key" in await refused(found, sign(claims(exp=NOW_S + 9_999)))


async def test_an_issuer_says_itself_where_its_keys_are(web: Keys, clock: ManualClock) -> None:
    web.publish(public_jwk(RSA_KEY, "rsa-1"), issuer=web.url)
    found = Issuers([Issuer(web.url, frozenset({CLIENT}))], clock)

    [login] = await found.logins(POOL, {web.url.partition("://")[2]: sign(claims(iss=web.url))})

    assert login.subject == "ada"


@pytest.mark.parametrize("source", ["/missing", "/moved", "/noise", "/huge"])
async def test_an_issuer_that_cannot_be_asked_is_no_ones_fault_and_asked_once_a_minute(
    web: Keys, clock: ManualClock, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    web.publish(public_jwk(RSA_KEY, "rsa-1"))
    web.documents |= {"/noise": b"<html>", "/huge": b" " * 300_000}
    found = issuers(web.url + source, clock)

    with caplog.at_level(logging.WARNING):
        said = [await refused(found, HONEST) for _ in range(3)]

    assert said[0].startswith(f"ExternalServiceException: the keys of {ISSUER} cannot be read")
    assert len(web.asked) == 1
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://login.example/jwks", "http://login.example/jwks", "data:,{}", "/jwks"])
async def test_an_issuer_cannot_send_us_elsewhere_for_its_keys(
    web: Keys, clock: ManualClock, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    configuration = json.dumps({"issuer": web.url, "jwks_uri": where}).encode()
    web.documents["/.well-known/openid-configuration"] = configuration
    found = Issuers([Issuer(web.url, frozenset({CLIENT}))], clock)

    with caplog.at_level(logging.WARNING):
        said = await refused(found, sign(claims(iss=web.url)), web.url.partition("://")[2])

    assert said.startswith("ExternalServiceException")
    assert "keys are read over https" in caplog.text


async def test_keys_outlive_an_outage_of_their_issuer(web: Keys, clock: ManualClock) -> None:
    web.publish(public_jwk(RSA_KEY, "rsa-1"))
    found = issuers(f"{web.url}/jwks", clock)
    await found.logins(POOL, {PROVIDER: HONEST})

    web.documents.clear()
    clock.advance(3_600)

    assert await found.logins(POOL, {PROVIDER: sign(claims(exp=NOW_S + 9_999))}) == [Login(PROVIDER, "ada")]


@pytest.mark.parametrize("key_ops", [["sign"], [], "verify", None, ["encrypt", "wrapKey"]])
async def test_a_key_that_is_not_for_verifying_is_passed_over(tmp_path: Path, clock: ManualClock, key_ops: Any) -> None:
    other = {**public_jwk(RSA_KEY, "rsa-1"), "key_ops": key_ops}
    keys = write_jwks(tmp_path / "keys.json", other, public_jwk(OTHER_KEY, "rsa-2"))

    assert (await refused(issuers(keys, clock), sign(claims()))).startswith("NotAuthorizedException: Invalid login token.")


async def test_a_key_that_says_it_is_for_verifying_is_used(tmp_path: Path, clock: ManualClock) -> None:
    keys = write_jwks(tmp_path / "keys.json", {**public_jwk(RSA_KEY, "rsa-1"), "key_ops": ["sign", "verify"]})

    assert await issuers(keys, clock).logins(POOL, {PROVIDER: sign(claims())}) == [Login(PROVIDER, "ada")]
