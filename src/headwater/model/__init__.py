"""Event classes in, a decoder and tables out: how a record becomes a row, or a letter that says why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel

from headwater.errors import ModelError
from headwater.model.decode import decode_records, identify_records
from headwater.model.decode.bodies import Decoder
from headwater.model.decode.verdicts import Decoded, Window
from headwater.model.eventtype import EventTable, EventType, read_class
from headwater.model.letter import Letter, Reason
from headwater.model.load import load_classes
from headwater.model.system import SYSTEM_TABLES, DeadLetter, Fate, fates_table, letters_table
from headwater.model.wire import RecordIdentity
from headwater.record import Record

__all__ = [
    "DeadLetter",
    "Decoded",
    "EventTable",
    "Fate",
    "Letter",
    "Models",
    "Reason",
    "RecordIdentity",
    "Window",
    "compile_models",
    "example_events",
    "fates_table",
    "letters_table",
    "load_models",
]

SUBMODULES = ("eventtype", "letter", "naming", "system", "typescript")
"""What other rooms may import from beside this module, which would load more than they need."""

WINDOW = Window()
NONE: Mapping[int, Letter] = MappingProxyType({})


class Models:
    """The event types of a project, compiled.

    tables: name -> table, the event types' and our own. event_types: event type -> its class, as read.
    """

    def __init__(self, events: Sequence[EventType], fast: bool = True) -> None:
        self._decoder = Decoder(events, fast)
        self.tables: Mapping[str, EventTable] = MappingProxyType(
            {table.name: table for table in (*(e.table for e in events), *SYSTEM_TABLES)}
        )
        self.event_types: Mapping[str, EventType] = MappingProxyType(self._decoder.events)

    def decode(
        self,
        records: Sequence[Record],
        shard_id: str,
        sequence_numbers: Sequence[int],
        window: Window = WINDOW,
        rejected: Mapping[int, Letter] = NONE,
    ) -> Decoded:
        """Decode a batch of records of one shard; `sequence_numbers[i]` is where `records[i]` lies.

        Each record becomes a row of one table or has a letter; what a record contains never raises, and never touches another record.
        *rejected*: number -> letter of records that are to be left alone.
        """
        return decode_records(self._decoder, records, shard_id, sequence_numbers, window, rejected)

    def identify(self, records: Sequence[Record], shard_id: str, sequence_numbers: Sequence[int], window: Window = WINDOW) -> Decoded:
        """Decode a batch for the keys of its records alone; nothing is judged, and there are no rows."""
        return identify_records(self._decoder, records, shard_id, sequence_numbers, window)


def compile_models(classes: Iterable[type[BaseModel]], *, fast: bool = True) -> Models:
    """Compile event classes. Raises `ModelError` that names class and field, and what to write instead.

    `fast=False` gives every event to Pydantic: the same verdicts and rows, slower.
    """
    events = [read_class(cls) for cls in classes]
    tables: dict[str, EventType] = {}
    names: dict[str, EventType] = {}
    for event in events:
        other = tables.setdefault(event.table.name, event)
        name = event.cls.__name__
        if other is not event:
            raise ModelError(
                f"class {name}: the table {event.table.name!r} is that of class {other.cls.__name__} already; "
                f'write class {name}(Event, table="another_name")'
            )
        for event_type in event.event_types:
            other = names.setdefault(event_type, event)
            if other is not event:
                raise ModelError(
                    f"class {name}, field event_type: {event_type!r} is that of class {other.cls.__name__} already; write another"
                )
    return Models(events, fast)


def load_models(path: Path) -> Models:
    """Import the events file at *path* and compile the event types in it: subclasses of `Event`, and models with a Literal `event_type`.

    The file's folder is importable while it is imported. Raises `ModelError` that names file, class and field, and what to write instead.
    """
    classes = load_classes(path)
    try:
        return compile_models(classes)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def example_events() -> str:
    """Return the events file a new project begins with."""
    return files("headwater.model").joinpath("template_events.py.txt").read_text(encoding="utf-8")
