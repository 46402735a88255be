"""Who a request is from, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headwater.errors import AccessDenied

# What asks only who the caller is needs a signature and no permission, as at AWS.
EVERYBODY_MAY = frozenset({"sts:GetCallerIdentity"})


class Rights(msgspec.Struct, frozen=True):
    """What a key was made to allow, and *all_of*: what each permission that a key can have allows (`admin` allows everything)."""

    allow: tuple[str, ...]
    all_of: Mapping[str, frozenset[str]]

    def lacking(self, action: str) -> str:
        """Return what the key allows, what it would have to allow for *action*, and how to make such a key."""
        needed = [name for name, actions in self.all_of.items() if action in actions]
        told = " or ".join(f"`{name}`" for name in (*needed, "admin"))
        has = " and ".join(f"`{name}`" for name in self.allow) or "nothing"
        return f"the key allows {has}, and this takes {told}: headwater keys create NAME --allow {needed[0] if needed else 'admin'}"


class Principal(msgspec.Struct, frozen=True):
    """A caller whose secret we know (empty: one who signs nothing). `actions`, `app_id`, `streams` None = every action, app, stream.

    `identity_id` and `identity_pool_id` are set where the credentials were lent to an identity of a pool.
    """

    name: str
    secret_access_key: str
    actions: frozenset[str] | None
    app_id: str | None = None
    identity_id: str | None = None
    identity_pool_id: str | None = None
    streams: frozenset[str] | None = None
    rights: Rights | None = None

    def may(self, action: str, app_id: str | None) -> bool:
        """Return whether this principal may do *action* (`mobiletargeting:PutEvents`) on that app, None = on what is no one app's.

        For a stream this is the first of two questions; `may_stream` is the other.
        """
        if self.actions is None or action in self.actions:
            return self.app_id in (None, app_id) or (app_id is None and action.startswith("kinesis:"))
        return action in EVERYBODY_MAY and bool(self.secret_access_key)

    def may_stream(self, action: str, name: str) -> bool:
        """Return whether this principal may do *action* (`kinesis:PutRecords`) with the stream of that name."""
        return self.may(action, None) and (self.streams is None or name in self.streams)

    def __repr__(self) -> str:  # a secret must not reach a log
        return f"Principal(name={self.name!r})"


def denied(principal: Principal, action: str, resource: str) -> AccessDenied:
    """Return the error for a caller who may not do *action*; the holder of a key is told which right it lacks."""
    why = "" if principal.rights is None else f" because {principal.rights.lacking(action)}"
    return AccessDenied(f"User: {principal.name} is not authorized to perform: {action} on resource: {resource}{why}")
