"""An identity room of its own: a store in a folder, a stream in memory, and issuers whose keys lie in files."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from headwater.clock import ManualClock
from headwater.collect.links import IdentityLog
from headwater.control.identities import IdentityStore, Pool, Provider, open_identity_store
from headwater.control.masterkey import KeyRing
from headwater.endpoint import open_endpoints
from headwater.identity import Grants, GuestIds, IdentityPools, Issuer, Issuers, OpenIdTokens, Roles, Seal
from headwater.stream import open_stream

APP_ID = "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504"
POOL_ID = "us-east-1:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10"
ISSUER, CLIENT = "https://login.example/pool", "client-1"
PROVIDER = "login.example/pool"
ROLES = {"authenticated": "arn:aws:iam::000000000000:role/user", "unauthenticated": "arn:aws:iam::000000000000:role/guest"}
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def public_jwk(key: Any, key_id: str, **members: str) -> dict[str, Any]:
    algorithm: Any = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", **members}


def write_jwks(path: Path, *keys: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"keys": keys}))
    return path


def sign(claims: Any, *, key: Any = RSA_KEY, algorithm: str = "RS256", **header: Any) -> str:
    """An independent maker of tokens: any header, any claims."""
    head = {name: value for name, value in {"alg": algorithm, "typ": "JWT", "kid": "rsa-1", **header}.items() if value is not None}
    signed = f"{part(head)}.{part(claims)}"
    with warnings.catch_warnings(action="ignore", category=jwt.warnings.InsecureKeyLengthWarning):
        prepared = jwt.get_algorithm_by_name(algorithm).prepare_key(key)
        signature = jwt.get_algorithm_by_name(algorithm).sign(signed.encode(), prepared)
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class World:
    """Everything the room needs. `pools` and what belongs to it may be built again on the same folder with `restart`."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder, self.options = folder, options
        self.clock = ManualClock(1_795_403_182_544)
        write_jwks(folder / "jwks.json", public_jwk(RSA_KEY, "rsa-1"), public_jwk(EC_KEY, "ec-1"))
        self.ring = KeyRing(folder / "master-keys.json", self.clock)
        self.stream = open_stream("memory:")
        self.restart()

    def restart(self) -> None:
        declared = Pool(POOL_ID, "declared", self.options.get("guests", True), True, roles=ROLES)
        other = list(self.options.get("pools", ()))
        self.store: IdentityStore = open_identity_store(f"sqlite:///{self.folder}/control.db", [declared], clock=self.clock)
        for pool in other:
            self.store.put_pool(pool)
        self.endpoints = open_endpoints(f"sqlite:///{self.folder}/endpoints.db")
        self.log = IdentityLog(self.stream, self.endpoints, self.store, app_id=APP_ID, account_id="000000000000")
        self.seal, self.tokens = Seal(self.ring, self.clock), OpenIdTokens(self.ring, self.clock)
        self.guests = GuestIds(self.ring)
        self.roles = Roles(self.store, APP_ID, self.options.get("grants", {"authenticated": Grants(streams=frozenset({"clicks"}))}))
        issuers = [Issuer(ISSUER, frozenset({CLIENT}), self.folder / "jwks.json", self.options.get("es256", False))]
        self.issuers = Issuers([*issuers, *self.options.get("issuers", ())], self.clock)
        self.pools = IdentityPools(
            self.store,
            self.log,
            guests=self.guests,
            issuers=self.issuers,
            roles=self.roles,
            seal=self.seal,
            tokens=self.tokens,
            clock=self.clock,
            adopting=POOL_ID if self.options.get("adopt", True) else None,
        )

    def token(self, subject: str = "ada", **claims: Any) -> str:
        now_s = self.clock.now_ms() // 1000
        made = {"iss": ISSUER, "aud": CLIENT, "sub": subject, "token_use": "id", "iat": now_s, "exp": now_s + 3_600, **claims}
        return sign({name: value for name, value in made.items() if value is not None})

    def logins(self, subject: str = "ada", **claims: Any) -> dict[str, str]:
        return {PROVIDER: self.token(subject, **claims)}

    async def get_id(self, subject: str | None = None, pool_id: str = POOL_ID) -> str:
        return await self.pools.get_id(pool_id, {} if subject is None else self.logins(subject), "trace")

    async def lend(self, identity_id: str, subject: str | None = None) -> str:
        """Borrow; return the identity that the credentials are for."""
        found, _ = await self.pools.get_credentials(identity_id, {} if subject is None else self.logins(subject), "trace")
        return found

    async def records(self) -> list[dict[str, Any]]:
        batch = await self.stream.read("shardId-000000000000", 0, 1_000, 0)
        return [json.loads(record.body) for record in batch.records]

    def close(self) -> None:
        self.store.close()
        self.endpoints.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    made.close()
    await made.stream.close()


def other_pool(**options: Any) -> Pool:
    return Pool("us-east-1:11111111-2222-4333-8444-555555555555", "other", **{"allow_guests": True, "roles": ROLES, **options})


def provider(client: str = CLIENT) -> Provider:
    return Provider(PROVIDER, client)
