"""One call of an Athena operation, and what the tables of operations are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from headwater.edge.principal import Principal
from headwater.edge.wire.service import Output


class AthenaOperation(NamedTuple):
    """An operation: what it takes and what it does, in a thread of its own."""

    shape: type
    run: Callable[[Any, Principal], Output]


def epoch_s(moment_ms: int) -> float:
    """Return a moment as the wire has it: seconds since 1970 with a fraction."""
    return moment_ms / 1000


def page(name: str, items: object, next_token: str | None) -> Output:
    """Return a page of a list; at the end there is no token at all, since some clients ask until the key is gone."""
    return {name: items} if next_token is None else {name: items, "NextToken": next_token}
