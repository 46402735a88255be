"""A class's validator that gathers few reasons, so that refusing a large event costs no more than accepting it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticCustomError, SchemaValidator

# So many unknown members of an object are named one by one, more are only counted.
MOST_UNKNOWN = 20

_COLLECTIONS = ("list", "tuple", "set", "frozenset", "dict")
# What is no schema, but may look like one: people's own values.
_NOT_SCHEMAS = ("metadata", "default", "cls", "config", "serialization")


def brief_validator(cls: type[BaseModel]) -> Callable[[Any], Any]:
    """Return what gives an instance of *cls* or raises `ValidationError`: the class's own verdict and value, with fewer of the reasons.

    A list, a set or a map is refused for its first wrong item, an object for all of its unknown members together where these are many.
    Pydantic makes a Python object of each: a list of 20,000 wrong numbers takes it two hundred times as long as right ones.
    """
    # Without the last argument Pydantic takes the validators that the classes have already.
    return SchemaValidator(_brief(cls.__pydantic_core_schema__), _use_prebuilt=False).validate_python


def _brief(schema: Any) -> Any:
    if type(schema) in (list, tuple):
        return type(schema)(map(_brief, schema))
    if not isinstance(schema, dict):
        return schema
    kept = {key: part if key in _NOT_SCHEMAS else _brief(part) for key, part in schema.items()}
    if kept.get("type") in _COLLECTIONS:
        kept["fail_fast"] = True
    if kept.get("type") == "model" and kept.get("config", {}).get("extra_fields_behavior") == "forbid":
        known = frozenset(_known(schema["schema"]))
        kept["schema"] = {
            "type": "function-before",
            "function": {"type": "no-info", "function": partial(_few_unknown, known=known)},
            "schema": kept["schema"],
        }
    return kept


def _known(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield every name that a field of the model may be read from."""
    while "fields" not in schema and "schema" in schema:
        schema = schema["schema"]
    for name, field in schema.get("fields", {}).items():
        yield name
        yield from _texts(field.get("validation_alias"))


def _texts(alias: Any) -> Iterator[str]:
    if isinstance(alias, str):
        yield alias
    elif isinstance(alias, list | tuple):
        for part in alias:
            yield from _texts(part)


def _few_unknown(given: Any, known: frozenset[str]) -> Any:
    if isinstance(given, dict) and len(given) > MOST_UNKNOWN and len(unknown := given.keys() - known) > MOST_UNKNOWN:
        first = next(name for name in given if name in unknown)
        said = "none but its own fields, and {count} others are given, the first {first}"
        raise PydanticCustomError("many_unknown", said, {"count": len(unknown), "first": repr(first[:100])})
    return given
