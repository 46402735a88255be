"""The collector: one request in, one append to the stream, one verdict per event out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence

from headwater.clock import Clock, SystemClock
from headwater.collect.catchup import catch_up
from headwater.collect.locks import KeyedLocks
from headwater.collect.records import RecordMaker
from headwater.collect.shapes import NAME_LIMIT, BatchVerdict, Caller, EventsBatch, PutEvents, Refusal
from headwater.control.identities import Identities
from headwater.endpoint import Endpoints, Profile, ProfileChange
from headwater.endpoint.profile import ProfileUpdate, merge
from headwater.errors import BadRequest, NotFound, StreamFull, Unavailable
from headwater.record import Run, Runs
from headwater.stream import Stream

# A record carries its endpoint's whole profile, so many tiny events could grow far beyond the body they came in.
RECORDS_LIMIT_BYTES = 64 * 1024 * 1024
# A new endpoint is the dearest thing that a few bytes can ask for, and nobody else is served while a request is judged.
ENDPOINTS_LIMIT = 2_000
REFUSED_KEY = "refused"
_NOTHING = ProfileUpdate()
_MAKERS_KEPT = 4_096


class Collector:
    """Appends what it accepts to *stream* and keeps *endpoints* at what the stream says. One per stream, in one event loop.

    *account_id* and *identity_pool_id* (for callers without a pool of their own) are written into every record.
    """

    def __init__(
        self,
        stream: Stream,
        endpoints: Endpoints,
        *,
        account_id: str,
        identity_pool_id: str | None = None,
        clock: Clock | None = None,
        identities: Identities | None = None,
    ) -> None:
        self._stream, self._endpoints, self._identities = stream, endpoints, identities
        self._account_id, self._identity_pool_id = account_id, identity_pool_id
        self._clock = clock or SystemClock()
        self._locks = KeyedLocks()
        self._makers: dict[tuple[str, str], RecordMaker] = {}
        self.ready = False

    async def start(self) -> int:
        """Bring the endpoint store up to the end of the stream and return how many changes that took; before it, nothing is accepted."""
        count = await catch_up(self._stream, self._endpoints, self._identities)
        self.ready = True
        return count

    async def put_events(
        self, app_id: str, request: PutEvents, caller: Caller, *, door: str, trace_id: str, sent_at: str | None = None
    ) -> list[BatchVerdict]:
        """Return one verdict per endpoint, in order, once all that is accepted is durable.

        The whole request is one append: if that fails, `Unavailable` is raised and nothing was accepted. *sent_at*: when the
        client says it sent the request; it is written into the records, and nothing else comes of it.
        """
        self._refuse_before_start()
        if not request:
            return []
        _refuse_many(len(request))
        get = self._endpoints.get
        known = {endpoint_id: get(app_id, endpoint_id) for endpoint_id in request}
        changing = [endpoint_id for endpoint_id, batch in request.items() if batch.endpoint is not None or known[endpoint_id] is None]
        if changing:
            async with self._locks.hold([(app_id, endpoint_id) for endpoint_id in changing]):
                known = {endpoint_id: get(app_id, endpoint_id) for endpoint_id in request}
                verdicts, runs, changes = self._judge(app_id, request, known, caller, door, trace_id, sent_at)
                await self._append(runs, changes)
        else:
            verdicts, runs, changes = self._judge(app_id, request, known, caller, door, trace_id, sent_at)
            # While this request waits for the disk, the memory its events took serves the next one, still warm in the processor's cache.
            del request, known
            await self._append(runs, changes)
        return verdicts

    async def update_endpoints(
        self, app_id: str, updates: Sequence[tuple[str, ProfileUpdate]], caller: Caller, *, door: str, trace_id: str
    ) -> None:
        """Merge each update into its endpoint, which is created if it is new; all in one append, or `BadRequest` and none."""
        self._refuse_before_start()
        _refuse_many(len(updates))
        for endpoint_id, _ in updates:
            if (refusal := _wrong_id(endpoint_id)) is not None:
                raise BadRequest(refusal)
        async with self._locks.hold([(app_id, endpoint_id) for endpoint_id, _ in updates]):
            arrival_ms = self._clock.now_ms()
            merged: dict[str, Profile] = {}
            records = []
            for endpoint_id, update in updates:
                current = merged.get(endpoint_id) or self._endpoints.get(app_id, endpoint_id)
                merged[endpoint_id], _ = merge(app_id, endpoint_id, current, update, arrival_ms, trace_id)
                maker = self._maker(merged[endpoint_id], caller, door)
                records.append(maker.change("update", str(uuid.uuid4()), arrival_ms, trace_id))
            await self._append(records, [ProfileChange(app_id, endpoint_id, profile) for endpoint_id, profile in merged.items()])

    async def keep_refused(self, bodies: Sequence[bytes]) -> None:
        """Append bodies that are no events, for callers who would not look at a refusal: the pipe makes dead letters of them."""
        self._refuse_before_start()
        if bodies:
            await self._append([Run(REFUSED_KEY, self._clock.now_ms(), b"", list(bodies))], [])

    async def delete_endpoint(self, app_id: str, endpoint_id: str, caller: Caller, *, door: str, trace_id: str) -> Profile:
        """Delete the endpoint and return what it was; `NotFound` if there is none."""
        self._refuse_before_start()
        async with self._locks.hold([(app_id, endpoint_id)]):
            profile = self._endpoints.get(app_id, endpoint_id)
            if profile is None:
                raise NotFound("endpoint", endpoint_id)
            await self._delete([profile], caller, door, trace_id)
        return profile

    async def delete_user_endpoints(self, app_id: str, user_id: str, caller: Caller, *, door: str, trace_id: str) -> list[Profile]:
        """Delete all endpoints of the user and return what they were; `NotFound` if there are none."""
        self._refuse_before_start()
        endpoint_ids = [profile.endpoint_id for profile in self._endpoints.of_user(app_id, user_id)]
        async with self._locks.hold([(app_id, endpoint_id) for endpoint_id in endpoint_ids]):
            # One may have gone to another user while we waited for its lock; one that came meanwhile is not ours to delete.
            profiles = [profile for profile in self._endpoints.of_user(app_id, user_id) if profile.endpoint_id in set(endpoint_ids)]
            if not profiles:
                raise NotFound("user", user_id)
            await self._delete(profiles, caller, door, trace_id)
        return profiles

    def endpoint(self, app_id: str, endpoint_id: str) -> Profile:
        """Return the endpoint's current profile; `NotFound` if there is none."""
        self._refuse_before_start()
        profile = self._endpoints.get(app_id, endpoint_id)
        if profile is None:
            raise NotFound("endpoint", endpoint_id)
        return profile

    def user_endpoints(self, app_id: str, user_id: str) -> list[Profile]:
        """Return the profiles of the user's endpoints; `NotFound` if there are none."""
        self._refuse_before_start()
        profiles = self._endpoints.of_user(app_id, user_id)
        if not profiles:
            raise NotFound("user", user_id)
        return profiles

    def _judge(
        self,
        app_id: str,
        request: PutEvents,
        known: Mapping[str, Profile | None],
        caller: Caller,
        door: str,
        trace_id: str,
        sent_at: str | None,
    ) -> tuple[list[BatchVerdict], list[Run], list[ProfileChange]]:
        """Return one verdict per endpoint, and what has to be appended and changed for that."""
        arrival_ms = self._clock.now_ms()
        verdicts: list[BatchVerdict] = []
        changes: list[ProfileChange] = []
        endpoint_records: list[Run] = []
        event_records: list[Run] = []
        room = RECORDS_LIMIT_BYTES
        for endpoint_id, batch in request.items():
            events = batch.events
            refused: dict[str | None, str] = {}
            verdicts.append(BatchVerdict(endpoint_id, tuple(events), refused))
            if (refusal := _wrong_id(endpoint_id)) is not None:
                refused[None] = refusal
                refused.update(dict.fromkeys(events, refusal))
                continue
            current, changed = known[endpoint_id], False
            if current is None or batch.endpoint is not None:
                current, changed = self._profile(app_id, endpoint_id, batch, current, arrival_ms, trace_id, refused)
            maker = self._maker(current, caller, door)
            if changed:
                changes.append(ProfileChange(app_id, endpoint_id, current))
                endpoint_records.append(maker.change("update", str(uuid.uuid4()), arrival_ms, trace_id))
            needed = maker.shared_bytes * len(events)
            if needed > room:
                refusal = f"the events of this request, each with its endpoint's profile, are over {RECORDS_LIMIT_BYTES:,} bytes"
                refused.update(dict.fromkeys(events, refusal))
                continue
            room -= needed
            event_records += maker.events(events, arrival_ms, trace_id, refused, sent_at)
        return verdicts, endpoint_records + event_records, changes

    def _profile(
        self,
        app_id: str,
        endpoint_id: str,
        batch: EventsBatch,
        current: Profile | None,
        arrival_ms: int,
        trace_id: str,
        refused: dict[str | None, str],
    ) -> tuple[Profile, bool]:
        update = batch.endpoint
        if isinstance(update, Refusal):
            refused[None], update = update.message, None
        if current is not None and update is None:
            return current, False
        try:
            profile, changed = merge(app_id, endpoint_id, current, update or _NOTHING, arrival_ms, trace_id)
        except BadRequest as error:
            refused[None] = str(error)
            if current is not None:
                return current, False
            profile, changed = merge(app_id, endpoint_id, None, _NOTHING, arrival_ms, trace_id)
        return (profile, True) if changed or current is None else (current, False)

    def _maker(self, profile: Profile, caller: Caller, door: str) -> RecordMaker:
        key = (profile.app_id, profile.endpoint_id)
        maker = self._makers.get(key)
        if maker is not None and maker.profile is profile and maker.caller == caller and maker.door == door:
            return maker
        maker = RecordMaker(profile, caller, account_id=self._account_id, identity_pool_id=self._identity_pool_id, door=door)
        if len(self._makers) >= _MAKERS_KEPT:
            self._makers.clear()
        self._makers[key] = maker
        return maker

    async def _delete(self, profiles: Iterable[Profile], caller: Caller, door: str, trace_id: str) -> None:
        arrival_ms = self._clock.now_ms()
        records = [self._maker(p, caller, door).change("delete", str(uuid.uuid4()), arrival_ms, trace_id) for p in profiles]
        await self._append(records, [ProfileChange(p.app_id, p.endpoint_id, None) for p in profiles])

    async def _append(self, runs: list[Run], changes: list[ProfileChange]) -> None:
        if not runs:
            return
        ticket = self._endpoints.begin()
        try:
            positions = await self._stream.append(Runs(runs))
        except StreamFull:
            self._endpoints.abandon(ticket)
            raise
        # After any other failure the records may lie in the stream or not. The ticket stays announced,
        # so that the stored position never passes them, and the next start reads what came of it.
        self._endpoints.apply(ticket, dict(positions), changes)

    def _refuse_before_start(self) -> None:
        if not self.ready:
            raise Unavailable("the collector is reading what it missed; try again in a moment")


def _refuse_many(endpoints: int) -> None:
    if endpoints > ENDPOINTS_LIMIT:
        raise BadRequest(f"a request may name {ENDPOINTS_LIMIT:,} endpoints, given {endpoints:,}")


def _wrong_id(endpoint_id: str) -> str | None:
    if 0 < len(endpoint_id) <= NAME_LIMIT and "\0" not in endpoint_id:
        return None
    return f"an endpoint id has 1 to {NAME_LIMIT} characters and no NUL, given {len(endpoint_id)} characters"
