"""Current endpoint profiles: what the endpoint records of the stream add up to, at a known position of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from headwater.backend import find_backend

SUBMODULES = ("profile",)
"""What other rooms may import from beside this module, which would load more than they need."""

BACKENDS = {"sqlite": "headwater.endpoint.sqlite:SqliteEndpoints"}


class Profile(msgspec.Struct, frozen=True, gc=False):
    """One endpoint as it is now; `body` is its EndpointResponse, UTF-8 JSON."""

    app_id: str
    endpoint_id: str
    user_id: str | None
    body: bytes


class ProfileChange(NamedTuple):
    """What an endpoint became: its new profile, or None if it was deleted."""

    app_id: str
    endpoint_id: str
    profile: Profile | None


class Profiles(Protocol):
    """Reading, from any process."""

    def get(self, app_id: str, endpoint_id: str) -> Profile | None:
        """Return the profile as of the last change that was applied, or None."""

    def of_user(self, app_id: str, user_id: str) -> list[Profile]:
        """Return the profiles whose User.UserId is *user_id*, sorted by endpoint id."""

    def profiles(self) -> Iterator[Profile]:
        """Yield every profile that is on disk, in no order; what was applied less than a second ago may be missing."""

    def close(self) -> None:
        """Write what was applied, and let go of the files."""


class Endpoints(Profiles, Protocol):
    """Writing, by the one process that appends to the stream, always in the order: begin, append to the stream, apply.

    The records between `applied()` and the end of the stream, applied in order, give the very state that a crash cut off.
    """

    def begin(self) -> int:
        """Announce an append; `applied()` stays behind it until `apply` or `abandon`. `Unavailable` if too much waits to be written."""

    def apply(self, ticket: int, upto: Mapping[str, int], changes: Sequence[ProfileChange]) -> None:
        """Make *changes*, now durable in the stream, visible to readers; *upto*: shard id -> last sequence number of the append."""

    def abandon(self, ticket: int) -> None:
        """Forget an announced append that surely left nothing in the stream. When that is not sure, say nothing: a restart finds out."""

    def applied(self) -> dict[str, int]:
        """Return shard id -> sequence number up to which the profiles on disk hold every endpoint record."""


def open_endpoints(url: str, read_only: bool = False, **options: Any) -> Endpoints:
    """Open the endpoint store at *url* (`sqlite:///file`); *read_only* gives a store whose writing methods raise."""
    return cast(Endpoints, find_backend("endpoints", BACKENDS, url)(url, read_only=read_only, **options))
