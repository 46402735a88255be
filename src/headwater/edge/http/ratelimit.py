"""How often somebody may do something: a bucket of tokens for each, that fills at a steady rate."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache

from headwater.clock import Clock

_MOST = 100_000
_ROUNDING_S = 1e-5


class TokenBuckets:
    """A bucket per key: *burst* tokens when full, *rate_per_s* more each second. Memory is bounded: the longest unused is forgotten."""

    def __init__(self, rate_per_s: float, burst: int, clock: Clock, most: int = _MOST) -> None:
        self._token_s, self._burst_s, self._most = 1 / rate_per_s, burst / rate_per_s + _ROUNDING_S, most
        self._now = clock.monotonic
        # All there is to know of a bucket is when it will be full again. One that is not here is full.
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, key: Hashable, tokens: int = 1) -> bool:
        """Take *tokens* from the key's bucket; False, and nothing taken, if it does not hold as many."""
        buckets, now = self._full_at, self._now()
        full_at = buckets.get(key)
        if full_at is not None:
            buckets.move_to_end(key)
        if full_at is None or full_at < now:
            full_at = now
        full_at += tokens * self._token_s
        if full_at - now > self._burst_s:
            return False
        buckets[key] = full_at
        if len(buckets) > self._most:
            buckets.popitem(last=False)
        return True

    def give_back(self, key: Hashable) -> None:
        """Put one token back that was taken."""
        full_at = self._full_at.get(key)
        if full_at is not None:
            self._full_at[key] = full_at - self._token_s

    def wait_s(self, key: Hashable, tokens: int = 1) -> int:
        """Return the whole seconds, at least 1, after which the key's bucket will hold *tokens* of them."""
        full_at = self._full_at.get(key, 0.0)
        return max(1, math.ceil(full_at + tokens * self._token_s - self._burst_s - self._now()))

    def __len__(self) -> int:
        return len(self._full_at)


@lru_cache(maxsize=4_096)
def network_of(address: str) -> str:
    """Return what one customer of a provider has: an IPv4 address, the /64 of an IPv6 one; other text (a Unix socket) as it is."""
    parsed = parsed_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return address if parsed is None else str(parsed)


def parsed_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address, the IPv4 one where that is what an IPv6 one stands for; None if the text is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if isinstance(parsed, ipaddress.IPv6Address) else parsed


class Networks:
    """Addresses and networks: `address in networks`. It knows by heart whom it was asked about."""

    def __init__(self, *networks: str) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self._known = lru_cache(maxsize=4_096)(self._holds)

    def __contains__(self, address: str) -> bool:
        return self._known(address)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def _holds(self, address: str) -> bool:
        parsed = parsed_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)
