"""A public listener with every door open: an identity room behind it, and an issuer whose keys lie in a file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from headwater.collect.links import IdentityLog
from headwater.control.identities import Pool, open_identity_store
from headwater.identity import Grants, Issuer, open_identity_room
from tests.edge.conftest import ACCOUNT, DECLARED, REGION, Answer, Served
from tests.identity.conftest import CLIENT, ISSUER, PROVIDER, ROLES, RSA_KEY, public_jwk, sign, write_jwks

POOL_ID = f"{REGION}:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10"
WRITE_KEY = "hw" + "0a" * 16
TARGET = "AWSCognitoIdentityService."


class Open(Served):
    """As `Served`, with identities. *knobs* go to `open_identity_room`, `guests` and `classic` to the declared pool."""

    def __init__(
        self, folder: Path, *, guests: bool = True, classic: bool = True, knobs: dict[str, Any] | None = None, **rest: Any
    ) -> None:
        self.pool = Pool(POOL_ID, "piano", guests, classic, roles=ROLES)
        self.store = open_identity_store(f"sqlite:///{folder}/control.sqlite", [self.pool])
        self._knobs = knobs or {}
        self._master_keys = folder / "master-keys.json"
        self._jwks = write_jwks(folder / "jwks.json", public_jwk(RSA_KEY, "rsa-1"))
        super().__init__(folder, **rest)

    def _rooms(self) -> dict[str, Any]:
        log = IdentityLog(self.stream, self.endpoints, self.store, app_id=DECLARED.app_id, account_id=ACCOUNT)
        room = open_identity_room(
            self.store,
            log,
            self.control,
            [Issuer(ISSUER, frozenset({CLIENT}), self._jwks)],
            master_key_file=self._master_keys,
            pool_id=POOL_ID,
            app_id=DECLARED.app_id,
            **{"grants": {"authenticated": Grants(streams=frozenset({"clicks"}))}, **self._knobs},
        )
        self.room = room
        return super()._rooms() | {"identity": room, "write_keys": {WRITE_KEY: DECLARED.app_id}}

    def stop(self) -> None:
        super().stop()
        self.store.close()

    def boto(self, service: str, key: str | None = None, lent: dict[str, Any] | None = None, attempts: int = 1) -> Any:
        """A client with one of our keys, with credentials as GetCredentialsForIdentity answered them, or with none at all."""
        if lent is not None:
            given = (lent["AccessKeyId"], lent.get("SecretKey") or lent["SecretAccessKey"], lent["SessionToken"])
        else:
            given = (self.keys[key].access_key_id, self.keys[key].secret_access_key, None) if key else ("AKIANOBODY", "none", None)
        made = boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id=given[0],
            aws_secret_access_key=given[1],
            aws_session_token=given[2],
            config=Config(retries={"total_max_attempts": attempts}),
        )
        self._clients.append(made)
        return made

    def token(self, subject: str = "ada", **claims: Any) -> str:
        now_s = int(time.time())
        return sign({"iss": ISSUER, "aud": CLIENT, "sub": subject, "token_use": "id", "iat": now_s, "exp": now_s + 600, **claims})

    def logins(self, subject: str = "ada") -> dict[str, str]:
        return {PROVIDER: self.token(subject)}

    def borrow(self, subject: str | None = None) -> tuple[str, dict[str, Any]]:
        """Return an identity and credentials, a guest's unless *subject* signs in."""
        cognito = self.boto("cognito-identity")
        logins = {} if subject is None else {"Logins": self.logins(subject)}
        identity_id = cognito.get_id(IdentityPoolId=POOL_ID, **logins)["IdentityId"]
        answer = cognito.get_credentials_for_identity(IdentityId=identity_id, **logins)
        return answer["IdentityId"], answer["Credentials"]

    def call(self, operation: str, body: Any = None, path: str = "/", **headers: str) -> Answer:
        """Call Cognito as a browser does: unsigned, with the bare body."""
        sent = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        given = {"X-Amz-Target": TARGET + operation, "Content-Type": "application/x-amz-json-1.1", **headers}
        return self.ask("POST", path, sent, given)
