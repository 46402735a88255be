"""STS for the classic flow: a role for a token of GetOpenIdToken, and who a caller is."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from headwater.edge.http.ratelimit import TokenBuckets, network_of
from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.failures import STS, STS_XMLNS, xml_text
from headwater.edge.wire.routing import Route
from headwater.errors import BadRequest, TooManyRequests
from headwater.identity import IdentityPools, assumed_role_arn

VERSION = "2011-06-15"
BODY_LIMIT = 64 * 1024
DURATION_S = range(900, 43_201)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


class Sts:
    """The two operations that apps which came from Cognito's classic flow call."""

    def __init__(self, identities: IdentityPools, limits: TokenBuckets, *, account_id: str) -> None:
        """*limits*: how often one address may ask without a signature."""
        self._identities, self._limits, self._account_id = identities, limits, account_id

    def routes(self) -> list[Route]:
        """Return the table; what the query protocol names in `Action` is the target."""
        return [
            Route("POST", "/", self.assume_role, None, "*", BODY_LIMIT, target="AssumeRoleWithWebIdentity", dialect=STS, unsigned=True),
            Route("POST", "/", self.get_caller_identity, "sts:GetCallerIdentity", "*", BODY_LIMIT, target="GetCallerIdentity", dialect=STS),
        ]

    async def assume_role(self, request: Request) -> Answer:
        """Lend the credentials of the role that the token's holder has."""
        if not self._limits.take((network_of(request.address), "")):
            raise TooManyRequests
        asked = request.form()
        role_arn, session, token = (_required(asked, name) for name in ("RoleArn", "RoleSessionName", "WebIdentityToken"))
        if not _SESSION_NAME.fullmatch(session):
            raise BadRequest("RoleSessionName has 2 to 64 letters, digits and + = , . @ -")
        if any(name.startswith("Policy") for name in asked):
            raise BadRequest("session policies are not supported; the role allows what it allows")
        holder, lent = self._identities.assume_role(role_arn, session, token, _duration(asked.get("DurationSeconds")))
        ends = datetime.fromtimestamp(lent.expires_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        role_name = role_arn.rpartition("/")[2]
        return self._answer(
            request,
            "AssumeRoleWithWebIdentity",
            f"<SubjectFromWebIdentityToken>{xml_text(holder.sub)}</SubjectFromWebIdentityToken>"
            f"<Audience>{xml_text(holder.aud)}</Audience>"
            "<AssumedRoleUser>"
            f"<Arn>{xml_text(assumed_role_arn(self._account_id, role_name, session))}</Arn>"
            f"<AssumedRoleId>{_stable_id('AROA', role_name)}:{xml_text(session)}</AssumedRoleId>"
            "</AssumedRoleUser>"
            "<Credentials>"
            f"<AccessKeyId>{lent.access_key_id}</AccessKeyId>"
            f"<SecretAccessKey>{xml_text(lent.secret_access_key)}</SecretAccessKey>"
            f"<SessionToken>{xml_text(lent.session_token)}</SessionToken>"
            f"<Expiration>{ends}</Expiration>"
            "</Credentials>"
            "<Provider>cognito-identity.amazonaws.com</Provider>",
        )

    async def get_caller_identity(self, request: Request) -> Answer:
        """Say who signed the request."""
        principal = request.caller()
        if principal.identity_id is not None:
            role_name, _, session = principal.name.partition("/")[2].partition("/")
            arn, user_id = principal.name, f"{_stable_id('AROA', role_name)}:{session}"
        else:
            arn, user_id = f"arn:aws:iam::{self._account_id}:user/{principal.name}", _stable_id("AIDA", principal.name)
        return self._answer(
            request,
            "GetCallerIdentity",
            f"<Arn>{xml_text(arn)}</Arn><UserId>{xml_text(user_id)}</UserId><Account>{self._account_id}</Account>",
        )

    def _answer(self, request: Request, operation: str, result: str) -> Answer:
        body = (
            f'<{operation}Response xmlns="{STS_XMLNS}"><{operation}Result>{result}</{operation}Result>'
            f"<ResponseMetadata><RequestId>{request.request_id}</RequestId></ResponseMetadata></{operation}Response>"
        )
        return Answer(200, body.encode(), content_type=b"text/xml")


def _required(asked: dict[str, str], name: str) -> str:
    value = asked.get(name)
    if not value:
        raise BadRequest(f"{name} is required")
    return value


def _duration(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6) or int(text) not in DURATION_S:
        raise BadRequest(f"DurationSeconds is a number from {DURATION_S.start} to {DURATION_S.stop - 1}")
    return int(text)


def _stable_id(prefix: str, name: str) -> str:
    """Return an id of AWS's shape that is always the same for one name."""
    return prefix + hashlib.sha256(name.encode()).hexdigest()[:17].upper()
