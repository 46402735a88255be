"""The collector: which settings are which arguments of what accepts events, streams and sign-ins."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from headwater.control import Control
from headwater.control.documents import open_documents
from headwater.control.identities import IdentityStore
from headwater.endpoint import open_endpoints
from headwater.errors import Unavailable
from headwater.pipeline import AppIds, join_collect
from headwater.places import ledger_positions, ledger_settled, open_project_control, open_project_identities, path_of, resolve
from headwater.settings import Settings
from headwater.stream import Stream, open_stream

if TYPE_CHECKING:
    from headwater.collect import Collector
    from headwater.edge import ASGIApp, Health, StreamRooms, Tracer
    from headwater.identity import IdentityRoom
    from headwater.stream.named import ShardStream
    from headwater.telemetry.metrics import Requests


class CollectorParts(NamedTuple):
    """What the collector role runs: `app` answers, `stream` holds, `settled` says what may be trimmed."""

    app: ASGIApp
    collector: Collector
    stream: Stream
    endpoints: Any
    control: Control
    identities: IdentityStore
    rooms: StreamRooms
    settled: Callable[[], dict[tuple[str, str], int]]


async def build_collector(
    settings: Settings, project: Path, health: Health, requests: Requests | None = None, tracer: Tracer | None = None
) -> CollectorParts:
    """apps -> edge -> collect -> [stream]. *requests* counts what is answered, *tracer* follows some of it."""
    from headwater.collect.restore import restore_profiles
    from headwater.edge import Rate, Rates, public_app

    where, knobs = settings.stream, settings.app
    endpoints = open_endpoints(resolve(settings.stores.endpoints, project))
    # Whatever anybody has consumed was acknowledged: a stream that lost its files must not give these numbers to other records.
    taken = dict(endpoints.applied())
    for (_, shard_id), upto in ledger_positions(settings, project).items():
        taken[shard_id] = max(upto, taken.get(shard_id, 0))
    stream = open_stream(
        resolve(where.url, project),
        mode="write",
        max_bytes=where.max_bytes,
        segment_bytes=where.segment_bytes,
        after=taken,
    )
    control, identities = open_project_control(project, settings), open_project_identities(project, settings)
    rooms = build_streams(settings, project, cast("ShardStream", stream))
    app_stream = rooms.streams.app
    app = AppIds(knobs.id, knobs.account_id, knobs.identity_pool_id)
    collector, links = join_collect(app_stream, endpoints, identities, app)
    await restore_profiles(stream, endpoints, lambda query: ask_elsewhere(query, project), consumed=any(taken.values()))
    await collector.start()
    limits = settings.limits
    door = public_app(
        collector=collector,
        control=control,
        health=health,
        region=knobs.region,
        account_id=knobs.account_id,
        streams=rooms,
        allowed_origins=settings.public.cors_origins,
        trusted_proxies=settings.public.trusted_proxies,
        max_skew_s=settings.public.max_clock_skew_s,
        identity=build_identity(settings, project, identities, links, control),
        write_keys={knobs.write_key: knobs.id} if knobs.write_key else None,
        requests=requests,
        tracer=tracer,
        rates=Rates(
            address=Rate(limits.address_per_second, limits.address_burst),
            identity=Rate(limits.identity_per_second, limits.identity_burst),
            key=Rate(limits.key_per_second, limits.key_burst),
            # The proxies' own requests, health checks, are nobody's.
            exempt=(*limits.exempt, *settings.public.trusted_proxies),
        ),
    )
    return CollectorParts(door, collector, stream, endpoints, control, identities, rooms, lambda: ledger_settled(settings, project))


def build_streams(settings: Settings, project: Path, app_stream: ShardStream) -> StreamRooms:
    """Other bytes -> the streams callers make; an app's events -> its event stream."""
    from headwater.collect.eventstreams import EventStreams
    from headwater.collect.kinesis import KinesisRecords
    from headwater.control.masterkey import open_master_keys
    from headwater.edge import StreamRooms
    from headwater.stream.streams import Streams

    where, app = settings.stream, settings.app
    streams = Streams(
        path_of(where.url, project).parent,
        app_stream,
        where.name,
        app_retention_hours=where.retention_hours,
        max_bytes=where.max_bytes,
        segment_bytes=where.segment_bytes,
    )
    documents = open_documents(resolve(settings.stores.control, project))
    masters = open_master_keys(project.absolute() / settings.stores.master_keys)
    return StreamRooms(
        streams,
        KinesisRecords(app_id=app.id, account_id=app.account_id, identity_pool_id=app.identity_pool_id),
        EventStreams(streams, documents),
        documents,
        masters.subkey(masters.current, "shard iterator"),
    )


def build_identity(settings: Settings, project: Path, store: IdentityStore, log: Any, control: Control) -> IdentityRoom:
    """people -> identities, which borrow credentials; what happens to an identity goes to *log*, and so onto the stream."""
    from headwater.identity import Grants, Issuer, open_identity_room

    knobs = settings.identity
    guest, user = frozenset(knobs.guest_streams), frozenset((*knobs.guest_streams, *knobs.user_streams))
    return open_identity_room(
        store,
        log,
        control,
        [Issuer(i.issuer, frozenset(i.client_ids), _keys_of(i.jwks, project), i.es256) for i in knobs.issuers],
        master_key_file=project.absolute() / settings.stores.master_keys,
        pool_id=settings.app.identity_pool_id,
        app_id=settings.app.id,
        adopt=knobs.adopt,
        grants={"unauthenticated": Grants(streams=guest), "authenticated": Grants(frozenset(knobs.user_actions), user)},
        lifetime_s=knobs.lifetime_minutes * 60,
        rate_per_s=knobs.rate_per_second,
        rate_burst=knobs.rate_burst,
    )


def _keys_of(jwks: str, project: Path) -> str | Path | None:
    if not jwks:
        return None
    return jwks if jwks.startswith(("https://", "http://")) else project.absolute() / jwks


async def ask_elsewhere(query: str, project: Path) -> list[dict[str, Any]]:
    """Return the rows of a question that is asked in a process of its own, for one that must not load what SQL needs."""
    command = [sys.executable, "-m", "headwater", "sql", query, "--format", "json", "-C", str(project)]
    asked = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await asked.communicate()
    if asked.returncode:
        raise Unavailable(f"a question about the lake failed: {err.decode(errors='replace').strip()} (asked: {query.strip()})")
    rows: list[dict[str, Any]] = json.loads(out)
    return rows
