"""How many connections there may be, in all and of each address: one of them must not take them all."""

from __future__ import annotations

import resource

from headwater.edge.http.ratelimit import Networks, network_of

CONNECTIONS_LIMIT = 8_192
# File descriptors that are not connections: the stream's segments, databases, and what else a process opens.
OTHER_DESCRIPTORS = 512


class Places:
    """At most *per_address* connections of one address (of one /64 in IPv6), 0 = any number; those in *exempt* are not counted."""

    def __init__(self, per_address: int = 0, exempt: tuple[str, ...] = ()) -> None:
        self._per_address, self._exempt = per_address, Networks(*exempt)
        self._taken: dict[str, int] = {}

    def enter(self, peer: object) -> str | None:
        """Take a place for the socket address *peer*; return what `leave` is to be told, None if there is no place."""
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        if not (self._per_address and address) or address in self._exempt:
            return ""
        network = network_of(address)
        taken = self._taken.get(network, 0)
        if taken >= self._per_address:
            return None
        self._taken[network] = taken + 1
        return network

    def leave(self, network: str) -> None:
        """Give a place back."""
        taken = self._taken.pop(network, 0) - 1
        if taken > 0:
            self._taken[network] = taken

    def __len__(self) -> int:
        return len(self._taken)


def places_in_all() -> int:
    """Return how many connections this process may have: as many file descriptors as it needs for them, if the system lets it."""
    return min(CONNECTIONS_LIMIT, max(1, _descriptors(CONNECTIONS_LIMIT + OTHER_DESCRIPTORS) - OTHER_DESCRIPTORS))


def _descriptors(wanted: int) -> int:
    """Return how many file descriptors this process may have, *wanted* if the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
