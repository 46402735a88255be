"""Events in, records out: each event is accepted or refused by itself, and all that is accepted is appended at once."""

from headwater.collect.collector import Collector
from headwater.collect.decode import decode_endpoint_update, decode_put_events
from headwater.collect.shapes import BatchVerdict, Caller, EventInput, EventsBatch, PutEvents, Refusal

__all__ = [
    "BatchVerdict",
    "Caller",
    "Collector",
    "EventInput",
    "EventsBatch",
    "PutEvents",
    "Refusal",
    "decode_endpoint_update",
    "decode_put_events",
]

SUBMODULES = ("decode", "eventstreams", "frames", "kinesis", "links", "restore", "segment")
"""What other rooms may import from beside this module, which would load more than they need."""
