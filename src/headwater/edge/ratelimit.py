"""How often somebody may do something: a bucket of tokens for each, that fills at a steady rate."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable

from headwater.clock import Clock

_MOST = 100_000


class TokenBuckets:
    """A bucket per key: *burst* tokens when full, *rate_per_s* more each second. Memory is bounded: the longest unused is forgotten."""

    def __init__(self, rate_per_s: float, burst: int, clock: Clock, most: int = _MOST) -> None:
        self._rate, self._burst, self._clock, self._most = rate_per_s, float(burst), clock, most
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # tokens, and when that was

    def take(self, key: Hashable, tokens: int = 1) -> bool:
        """Take *tokens* from the key's bucket; False, and nothing taken, if it does not hold as many."""
        now = self._clock.monotonic()
        held, since = self._buckets.pop(key, (self._burst, now))
        held = min(self._burst, held + (now - since) * self._rate)
        enough = held >= tokens
        self._buckets[key] = (held - tokens if enough else held, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return enough

    def __len__(self) -> int:
        return len(self._buckets)


def network_of(address: str) -> str:
    """Return what one customer of a provider has: an IPv4 address, the /64 of an IPv6 one; other text (a Unix socket) as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return address
