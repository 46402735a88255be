"""What a class's serializers make of its fields: a table keeps what `model_dump()` gives, and must know its type beforehand."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, PlainSerializer, WrapSerializer
from pydantic_core import PydanticUndefined

from headwater.errors import ModelError

# The serializer does not say what it returns.
UNSAID = PydanticUndefined


def returned_by_field(model: type[BaseModel], name: str, where: str) -> list[Any]:
    """Return what the `field_serializer` of a field, or of a computed one, says that it returns: one annotation, `UNSAID`, or none at all.

    Raises `ModelError` for one that is not always used: what it hides would be stored.
    """
    found = [each for each in model.__pydantic_decorators__.field_serializers.values() if {name, "*"} & set(each.info.fields)]
    return [_returned(found[-1].func, found[-1].info.return_type, found[-1].info.when_used, where)] if found else []


def returned_by_notes(metadata: Iterable[Any], where: str) -> list[Any]:
    """Return the same for `PlainSerializer` and `WrapSerializer` in an annotation."""
    notes = [note for note in metadata if isinstance(note, PlainSerializer | WrapSerializer)]
    return [_returned(notes[-1].func, notes[-1].return_type, notes[-1].when_used, where)] if notes else []


def returned_by_model(model: type[BaseModel], where: str) -> list[Any]:
    """Return the same for the class's `model_serializer`; one that returns a dictionary says nothing more than the fields do."""
    found = list(model.__pydantic_decorators__.model_serializers.values())
    if not found:
        return []
    returned = _returned(found[-1].func, found[-1].info.return_type, found[-1].info.when_used, where)
    origin = typing.get_origin(returned) or returned
    is_dict = isinstance(origin, type) and issubclass(origin, Mapping)
    return [] if is_dict or returned is UNSAID or returned is Any else [returned]


def computed(model: type[BaseModel], where: str) -> Iterator[tuple[str, Any]]:
    """Yield name and annotation of each `computed_field`. Raises `ModelError` for one that does not say what it returns."""
    for name, info in model.model_computed_fields.items():
        if info.return_type in (UNSAID, Any):
            raise ModelError(
                f"{where}, computed field {name}: it does not say what it returns; write def {name}(self) -> int, or what it is"
            )
        yield name, info.return_type


def rewrites(schema: Any) -> bool:
    """Return whether something with this core schema may be dumped as another value than it holds, or not at all, or with more."""
    if isinstance(schema, Mapping):
        if schema.get("computed_fields") or any(value for key, value in schema.items() if str(key).startswith("serialization_exclude")):
            return True
        if str(schema.get("serialization", {}).get("type", "")).startswith("function"):
            return True
        return any(rewrites(value) for key, value in schema.items() if key not in ("metadata", "default", "serialization"))
    return isinstance(schema, list | tuple) and any(map(rewrites, schema))


def _returned(function: Callable[..., Any], said: Any, when_used: str, where: str) -> Any:
    if when_used not in ("always", "unless-none"):
        raise ModelError(
            f"{where}: its serializer is used for JSON alone (when_used={when_used!r}), and a table is no JSON; write when_used='always'"
        )
    if said is not UNSAID:
        return said
    plain = getattr(function, "func", function)  # of a functools.partial
    try:
        return typing.get_type_hints(getattr(plain, "__func__", plain), include_extras=True).get("return", UNSAID)
    except NameError as error:
        raise ModelError(f"{where}: what its serializer returns is not known when the file is read ({error}); import that name") from error
    except TypeError:  # a class or a built-in function
        return function if isinstance(function, type) else UNSAID
