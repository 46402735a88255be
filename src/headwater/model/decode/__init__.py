"""From records to rows: many at a time, each with its own verdict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from headwater.model import letter as letters
from headwater.model.column import TIMESTAMP, Array, to_array
from headwater.model.decode.bodies import Decoder
from headwater.model.decode.verdicts import Chunk, Decoded, Times, Window
from headwater.model.endpoint import EndpointUpdate, decode_update, endpoint_columns
from headwater.model.eventtype import EXTRA_COLUMN, EventTable, EventType
from headwater.model.fast import FastType
from headwater.model.identity import IdentityUpdate, decode_identity, identity_columns
from headwater.model.judge import Accepted, judge
from headwater.model.letter import Fault, Letter
from headwater.model.naming import ENDPOINT_EVENT, IDENTITY_EVENT, OUR_PREFIX
from headwater.model.other import ATTRIBUTES, EXTRA, METRICS, with_exact
from headwater.model.system import ENDPOINT_UPDATES, IDENTITY_LOG, OTHER_EVENTS, milliseconds, partition_columns
from headwater.model.wire import FIRST_MS, LAST_MS, MALFORMED, Stray, decode_envelope, settle, stray, substitute_id
from headwater.record import Record

_OURS: Mapping[str, Callable[[bytes], object]] = {ENDPOINT_EVENT: decode_update, IDENTITY_EVENT: decode_identity}


def decode_records(
    decoder: Decoder,
    records: Sequence[Record],
    shard_id: str,
    sequence_numbers: Sequence[int],
    window: Window,
    rejected: Mapping[int, Letter],
) -> Decoded:
    """Decode a batch; what a record contains never raises. Those *rejected* have their letters already, and nobody looks at them."""
    return _Batch(decoder, records, shard_id, sequence_numbers, window, rejected).decoded()


def identify_records(
    decoder: Decoder, records: Sequence[Record], shard_id: str, sequence_numbers: Sequence[int], window: Window
) -> Decoded:
    """Decode a batch as far as is needed to say who each record is; it has no rows and letters."""
    batch = _Batch(decoder, records, shard_id, sequence_numbers, window, {})
    for index, source in enumerate(batch.sources):
        if source is None:
            batch.open(index)
    return Decoded(batch, {})


class _Rows(NamedTuple):
    """Rows of one table: their records, their fields' columns, and the system columns for which the class has its own values."""

    indices: Sequence[int]
    sources: Sequence[Any]
    arrays: list[Array]
    datetimes: Sequence[dt.datetime | None] | None = None
    session_ids: Sequence[str | None] | None = None

    def without(self, positions: Collection[int]) -> _Rows:
        """Return the rows but those at *positions*."""
        if not positions:
            return self
        keep = [position for position in range(len(self.indices)) if position not in positions]
        taken = pa.array(keep, pa.int64())
        return _Rows(
            [self.indices[position] for position in keep],
            [self.sources[position] for position in keep],
            [array.take(taken) for array in self.arrays],
            None if self.datetimes is None else [self.datetimes[position] for position in keep],
            None if self.session_ids is None else [self.session_ids[position] for position in keep],
        )


class _Batch:
    """One batch on its way: `sources[i]` is what record i was decoded to, None if nothing could be made of it."""

    def __init__(
        self,
        decoder: Decoder,
        records: Sequence[Record],
        shard_id: str,
        sequence_numbers: Sequence[int],
        window: Window,
        rejected: Mapping[int, Letter],
    ) -> None:
        self.decoder, self.records, self.window = decoder, records, window
        self.tags: Mapping[type, str] = decoder.tags
        self.shard_id, self.sequence_numbers = shard_id, sequence_numbers
        self.sources = decoder.decode([record.body for record in records])
        self.arrivals: Times = np.clip(_int64([record.arrival_ms for record in records]), FIRST_MS, LAST_MS)
        self.stamps: Times = self.arrivals.copy()
        self.letters: dict[int, Letter] = dict(rejected)
        self.strays: dict[int, Stray] = {}
        self.chunks: dict[str, list[Chunk]] = {}
        for index in rejected:
            self.sources[index] = None
            self._is_stray(index)

    def decoded(self) -> Decoded:
        by_struct: dict[type, list[int]] = {}
        for index, struct in enumerate(map(type, self.sources)):
            if struct in by_struct:
                by_struct[struct].append(index)
            else:
                by_struct[struct] = [index]
        refused = [index for index in by_struct.pop(type(None), []) if index not in self.letters]
        untyped: list[int] = []
        for struct, indices in by_struct.items():
            fast_type = self.decoder.fast.get(struct)
            if fast_type is not None:
                refused += self._fast(fast_type, indices)
            elif struct is EndpointUpdate:
                self._endpoints(indices)
            elif struct is IdentityUpdate:
                self._identities(indices)
            else:
                untyped += indices
        untyped += [index for index in refused if self.open(index)]
        self._judge_all(sorted(untyped))
        letters_in_order = {index: self.letters[index] for index in sorted(self.letters)}
        return Decoded(self, letters_in_order)

    def event_type(self, source: Any) -> str:
        """Return the event type of what a record was decoded to."""
        return self.tags.get(type(source)) or source.event_type

    def substitute_id(self, index: int) -> str:
        """Return the event id of a record that brings none."""
        return substitute_id(self.shard_id, self.sequence_numbers[index])

    def _fast(self, fast_type: FastType, indices: list[int]) -> list[int]:
        """Make rows of typed records; return the numbers of those Pydantic must see."""
        sources = [self.sources[index] for index in indices]
        arrays, datetimes, ask = fast_type.columns(sources)
        late = self._judge_clocks(indices, sources)
        self._add(fast_type.event.table, _Rows(indices, sources, arrays, datetimes).without(ask | late), fast_type.tag)
        return [indices[position] for position in ask - late]

    def _endpoints(self, indices: list[int]) -> None:
        sources = [self.sources[index] for index in indices]
        arrays, wrong = endpoint_columns(sources)
        late = self._judge_clocks(indices, sources)
        for position, error in wrong.items():
            index = indices[position]
            self.letters.setdefault(index, letters.envelope(error, self.records[index].body, "endpoint"))
        self._add(ENDPOINT_UPDATES, _Rows(indices, sources, arrays).without(late | wrong.keys()), ENDPOINT_EVENT)

    def _identities(self, indices: list[int]) -> None:
        sources = [self.sources[index] for index in indices]
        late = self._judge_clocks(indices, sources)
        self._add(IDENTITY_LOG, _Rows(indices, sources, identity_columns(sources)).without(late), IDENTITY_EVENT)

    def _judge_clocks(self, indices: list[int], sources: list[Any]) -> set[int]:
        """Note the clients' times; give a letter to each outside the window and return their positions."""
        chosen = self._chosen(indices)
        stamps, arrivals = _int64([source.event_timestamp for source in sources]), self.arrivals[chosen]
        earliest, latest = np.maximum(arrivals - self.window.past_ms, FIRST_MS), np.minimum(arrivals + self.window.ahead_ms, LAST_MS)
        off = (stamps < earliest) | (stamps > latest)
        if not off.any():
            self.stamps[chosen] = stamps
            return set()
        self.stamps[chosen] = np.where(off, arrivals, stamps)
        late = set(np.flatnonzero(off).tolist())
        for position in late:
            self._is_late(indices[position], int(stamps[position]))
        return late

    def _chosen(self, indices: Sequence[int]) -> Any:
        return slice(None) if len(indices) == len(self.records) else np.array(indices)

    def _is_late(self, index: int, stamp: int) -> bool:
        arrival = int(self.arrivals[index])
        if arrival - self.window.past_ms <= stamp <= arrival + self.window.ahead_ms and FIRST_MS <= stamp <= LAST_MS:
            return False
        self.letters[index] = letters.clock(stamp, arrival, *self.window)
        return True

    def open(self, index: int) -> bool:
        """Read the envelope of a record no struct fits; False if it is no event, which then has its letter."""
        body = self.records[index].body
        try:
            envelope = decode_envelope(body)
            if (decode_ours := _OURS.get(envelope.event_type)) is not None:
                decode_ours(body)  # refused before; now it says why
            self.sources[index] = envelope
        except MALFORMED as error:
            self.letters[index] = letters.envelope(error, body)
            self._is_stray(index)
            self.sources[index] = None
            return False
        settle(self.sources[index])
        return True

    def _is_stray(self, index: int) -> None:
        self.strays[index] = stray(self.records[index].body, self.substitute_id(index), int(self.arrivals[index]))

    def _judge_all(self, indices: list[int]) -> None:
        """Give each record that has an envelope to its class; what has no class goes to `other_events`."""
        accepted: dict[str, list[tuple[int, Accepted]]] = {}
        others: list[int] = []
        for index in indices:
            record = settle(self.sources[index])
            if self._is_late(index, record.event_timestamp):
                continue
            self.stamps[index] = record.event_timestamp
            name = self.event_type(record)
            event = self.decoder.events.get(name)
            if event is None and name.startswith(OUR_PREFIX):
                self.letters[index] = letters.unknown_kind(name)
            elif event is None:
                others.append(index)
            else:
                verdict = judge(event, name, record)
                if isinstance(verdict, Letter):
                    self.letters[index] = verdict
                else:
                    accepted.setdefault(event.table.name, []).append((index, verdict))
        for verdicts in accepted.values():
            event = self.decoder.events[self.event_type(self.sources[verdicts[0][0]])]
            self._judged(event, [index for index, _ in verdicts], [verdict for _, verdict in verdicts])
        if others:
            self._others(others)

    def _judged(self, event: EventType, indices: list[int], verdicts: list[Accepted]) -> None:
        named = [(name, column, [verdict.values.get(name) for verdict in verdicts]) for name, column in event.stored.items()]
        if event.extra == "allow":
            named.append((EXTRA_COLUMN, EXTRA, [verdict.extra for verdict in verdicts]))
        if "session_id" in event.declared:
            named.append(("session_id", event.declared["session_id"].column, [verdict.values.get("session_id") for verdict in verdicts]))
        arrays: list[Array] = []
        misfits: set[int] = set()
        for name, column, values in named:
            array, wrong = to_array(values, column)
            arrays.append(array)
            for position, reason in wrong.items():
                fault = Fault(
                    name, letters.text_of(values[position]), letters.shorten(f"a value for a column of type {column.type} ({reason})")
                )
                self.letters.setdefault(indices[position], letters.field_letter(event.cls.__name__, [fault]))
            misfits |= wrong.keys()
        sources = [self.sources[index] for index in indices]
        moments = [verdict.datetime for verdict in verdicts]
        session_ids = arrays.pop().to_pylist() if "session_id" in event.declared else None
        rows = _Rows(indices, sources, arrays, None if moments[0] is None else moments, session_ids)
        self._add(event.table, rows.without(misfits))

    def _others(self, indices: list[int]) -> None:
        sources = [self.sources[index] for index in indices]
        attributes, no_text = to_array([with_exact(source.attributes or {}, source.metrics or {}) for source in sources], ATTRIBUTES)
        metrics, no_number = to_array([source.metrics or {} for source in sources], METRICS)
        for name, wrong in (("attributes", no_text), ("metrics", no_number)):
            for position, reason in wrong.items():
                fault = Fault(name, None, f"what the table other_events can keep: {reason}")
                self.letters.setdefault(indices[position], letters.field_letter(self.event_type(sources[position]), [fault]))
        self._add(OTHER_EVENTS, _Rows(indices, sources, [attributes, metrics]).without(no_text.keys() | no_number.keys()))

    def _add(self, table: EventTable, rows: _Rows, event_type: str | None = None) -> None:
        """Put the system columns before the fields; *event_type* if all rows share one."""
        if not rows.indices:
            return
        indices, sources = rows.indices, rows.sources
        chosen = self._chosen(indices)
        if rows.datetimes is None:
            stamps = self.stamps[chosen]
            datetimes = milliseconds(stamps)
        else:
            datetimes = pa.array(rows.datetimes, TIMESTAMP)
            stamps = datetimes.view(pa.int64()).to_numpy() // 1000
        event_ids = _texts([source.headwater.event_id for source in sources])
        if event_ids.null_count:
            found = zip(indices, event_ids.to_pylist(), strict=True)
            event_ids = _texts([self.substitute_id(index) if given is None else given for index, given in found])
        arrays = [
            event_ids,
            _texts([self.event_type(source) for source in sources]) if event_type is None else pa.repeat(event_type, len(sources)),
            datetimes,
            _texts([source.session.session_id for source in sources] if rows.session_ids is None else rows.session_ids),
            _mostly_one([source.application.app_id for source in sources]),
            _texts([source.client.client_id for source in sources]),
            _texts([source.client.cognito_id for source in sources]),
            milliseconds(self.arrivals[chosen]),
            *partition_columns(stamps),
            *rows.arrays,
        ]
        chunk = Chunk(indices, pa.Table.from_arrays(arrays, schema=table.schema))
        self.chunks.setdefault(table.name, []).append(chunk)


def _texts(values: Sequence[str | None]) -> Array:
    return pa.array(values, pa.string())


def _mostly_one(values: list[str | None]) -> Array:
    """Return the same, cheaper where all are one text."""
    first = values[0]
    return pa.repeat(first, len(values)) if first is not None and values.count(first) == len(values) else _texts(values)


def _int64(values: list[int]) -> Times:
    array: Times = pa.array(values, pa.int64()).to_numpy()
    return array
