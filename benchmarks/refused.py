"""What a refused event costs beside a good one of its class and size: large ones, each wrong in as many places as it has room for."""

from __future__ import annotations

import gc
import json
import time
from functools import partial
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from benchmarks.measure import Scale, cpu_s, in_turns
from benchmarks.report import Row, at_most
from headwater.event import Event
from headwater.model import Models, compile_models
from headwater.record import Record
from headwater.stream import FIRST_SHARD

ITEMS = 10_000
NAMES = [f"{number:06d}" for number in range(ITEMS)]


class Point(BaseModel):
    """What a list has many of."""

    model_config = ConfigDict(extra="forbid")
    x: int = 0


class Large(Event):
    """An event with room for much."""

    numbers: list[int] | None = None
    scores: dict[str, int] | None = None
    points: list[Point] | None = None
    point: Point | None = None
    text: str | None = None


class Shape(NamedTuple):
    """Attributes that are wrong, and right ones of about the same size."""

    wrong: dict[str, str]
    right: dict[str, str]


def _named(value: Any, count: int = ITEMS) -> str:
    return json.dumps(dict.fromkeys(NAMES[:count], value))


SHAPES = {
    "a list of wrong items": Shape({"numbers": json.dumps([[]] * ITEMS)}, {"numbers": json.dumps([10] * ITEMS)}),
    "a map of wrong values": Shape({"scores": _named([])}, {"scores": _named(10)}),
    "a list of wrong objects": Shape({"points": json.dumps([{"x": []}] * ITEMS)}, {"points": json.dumps([{"x": 10}] * ITEMS)}),
    "unknown members": Shape({"point": _named(1)}, {"scores": _named(1)}),
    "unknown attributes": Shape(dict.fromkeys(NAMES[:500], "x" * 100), {"text": "x" * 54_000, "scores": _named(1, 500)}),
    "not what it should be": Shape({"text": "x" * 50_000, "scores": "x" * 50_000}, {"text": "x" * 50_000, "scores": _named(1, 4_000)}),
}


def record_of(attributes: dict[str, str]) -> Record:
    """Return the record of an event of class `Large`."""
    now_ms = time.time_ns() // 1_000_000
    body = {"event_type": "Large", "event_timestamp": now_ms, "attributes": attributes, "headwater": {"v": 1, "event_id": "e"}}
    return Record(json.dumps(body).encode(), "key", now_ms)


def refused_rows(scale: Scale) -> list[Row]:
    """Measure all shapes; the worst is what counts."""
    models, ratios = compile_models([Large]), {}
    gc.collect()
    gc.freeze()  # as the worker does: else each of ten thousand lists has all that is loaded looked at
    for name, shape in SHAPES.items():
        wrong, right = (partial(_judge, models, [record_of(attributes)] * 10) for attributes in shape)
        ratios[name] = in_turns(scale.of(9, 5), partial(cpu_s, wrong), partial(cpu_s, right))
    gc.unfreeze()
    worst = max(ratios, key=lambda name: ratios[name].ratio)
    note = ", ".join(f"{name} {paired.ratio:.2f}" for name, paired in ratios.items())
    ours, limit = (f"{seconds / 10 * 1e3:.2f} ms/event" for seconds in (ratios[worst].ours, ratios[worst].limit))
    return [at_most("worst refused event / a good one of its size", ratios[worst].ratio, 3, 1.5, ours, limit, note=note)]


def _judge(models: Models, records: list[Record]) -> None:
    models.decode(records, FIRST_SHARD, range(1, len(records) + 1))
