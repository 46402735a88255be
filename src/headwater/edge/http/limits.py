"""How often one address, one identity and one key may ask: what the public listener takes at most from each."""

from __future__ import annotations

import logging
from typing import NamedTuple

from headwater.clock import Clock
from headwater.edge.http.ratelimit import Networks, TokenBuckets, network_of
from headwater.edge.principal import Principal
from headwater.errors import TooManyRequests

_LOGGED_EVERY_S = 60.0
_TOLD_APART = 1_000
# A body of 4 MiB is more work than a small one, though not by as much as it is larger.
_BYTES_AS_A_REQUEST = 64 * 1024

_log = logging.getLogger(__name__)


class Rate(NamedTuple):
    """So many requests a second on average, and so many at once; 0 a second is no limit at all."""

    per_s: float
    burst: int


class Rates(NamedTuple):
    """What there is a limit for. *exempt*: addresses and networks that no limit per address holds for."""

    address: Rate = Rate(0, 1)
    identity: Rate = Rate(0, 1)
    key: Rate = Rate(0, 1)
    exempt: tuple[str, ...] = ()


class Limits:
    """Counts requests twice: by address before anything of theirs is read, by caller once it is known who that is."""

    def __init__(self, rates: Rates, clock: Clock) -> None:
        self._addresses, self._identities, self._keys = (
            TokenBuckets(*rate, clock) if rate.per_s else None for rate in (rates.address, rates.identity, rates.key)
        )
        self._bursts = rates.identity.burst, rates.key.burst
        self._exempt, self._clock = Networks(*rates.exempt), clock
        self._refused: dict[str, int] = {}
        self._logged_at = clock.monotonic() - _LOGGED_EVERY_S

    def arrive(self, address: str) -> None:
        """Count a request from *address*, empty if nobody knows that; raise `TooManyRequests` if it may not be read."""
        if self._addresses is not None and address and address not in self._exempt:
            network = network_of(address)
            if not self._addresses.take(network):
                self._refuse(self._addresses, network, 1, f"address {network}")

    def allow(self, principal: Principal, address: str, size: int) -> None:
        """Count a request of *principal*, whose right to make it is proven; raise `TooManyRequests` if it makes too many.

        Each whole 64 KiB of its body, which has *size* bytes, count as one more, up to a burst.
        What a long-term key signed does not count against its address: servers send more from one than any number of people.
        """
        identity_burst, key_burst = self._bursts
        tokens = 1 + size // _BYTES_AS_A_REQUEST
        if principal.identity_id is not None:
            if self._identities is not None and not self._identities.take(principal.identity_id, min(tokens, identity_burst)):
                self._refuse(self._identities, principal.identity_id, tokens, "one identity")
            return
        if principal.secret_access_key and self._addresses is not None:
            self._addresses.give_back(network_of(address))
        if self._keys is not None and not self._keys.take(principal.name, min(tokens, key_burst)):
            self._refuse(self._keys, principal.name, tokens, f"key {principal.name!r}")

    def _refuse(self, buckets: TokenBuckets, key: str, tokens: int, who: str) -> None:
        # A line for each would let whoever floods us fill the disk.
        now = self._clock.monotonic()
        who = who if who in self._refused or len(self._refused) < _TOLD_APART else "many others"
        self._refused[who] = self._refused.get(who, 0) + 1
        if now - self._logged_at >= _LOGGED_EVERY_S:
            most = max(self._refused, key=self._refused.__getitem__)
            _log.warning("%d requests were refused by [limits], most of them of %s", sum(self._refused.values()), most)
            self._logged_at = now
            self._refused.clear()
        raise TooManyRequests(buckets.wait_s(key, tokens))
