"""Requests into the shapes of their operations; what does not fit is said as AWS says it, all of it at once.

A JSON type that a member cannot have is a `SerializationException`; a value outside the constraints of the service's model is a
`ValidationException` that lists every violation.
"""

from __future__ import annotations

import base64
import binascii
import functools
import itertools
import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from msgspec import inspect

from headwater.errors import BadRequest

_Shape = TypeVar("_Shape")
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
SHOWN, VIOLATIONS_SHOWN = 256, 10


class Unreadable(BadRequest):
    """The body is not in the form that its content type says, or has a member of another type than its operation's."""

    code = "SerializationException"


class Violation(NamedTuple):
    """A constraint that a member does not keep. *value* is as AWS writes it into its message: `null`, or quoted, or left out."""

    value: str
    member: str
    constraint: str


class Violations(BadRequest):
    """The body has the right form, and values that the service does not take."""

    code = "ValidationException"

    def __init__(self, found: Sequence[Violation]) -> None:
        told = [
            " ".join(filter(None, ("Value", value, f"at '{member}' failed to satisfy constraint: {rule}"))) for value, member, rule in found
        ]
        super().__init__(f"{len(told)} validation {'error' if len(told) == 1 else 'errors'} detected: {'; '.join(told)}")
        self.found = found


def read_json(shape: type[_Shape], body: bytes) -> _Shape:
    """Return the request in *body*; `Unreadable` or `Violations` say what is wrong with it. A member that is null is not there."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError:
        pass
    except _MALFORMED:
        raise Unreadable("the body is not JSON that can be read") from None
    try:
        value = msgspec.json.decode(body)
    except _MALFORMED:
        raise Unreadable("the body is not JSON that can be read") from None
    return fit(shape, value, bytes_are_text=True)


def fit(shape: type[_Shape], value: Any, *, bytes_are_text: bool = False) -> _Shape:
    """Return *value*, a body without its encoding, as its *shape*; raises as `read_json` does. *bytes_are_text*: in base64."""
    try:
        return _fit(shape, _without_nulls(value), () if bytes_are_text else (bytes,))
    except RecursionError:
        raise Unreadable("the body is nested too deeply") from None


def _fit(shape: type[_Shape], value: Any, own_types: tuple[type, ...]) -> _Shape:
    try:
        return msgspec.convert(value, shape, builtin_types=own_types)
    except msgspec.ValidationError as error:
        if found := list(itertools.islice(_violations(_info(cast(Hashable, shape)), value, ""), VIOLATIONS_SHOWN)):
            raise Violations(found) from None
        raise Unreadable(str(error)) from None  # a rule that the walk below does not know


@functools.cache  # each shape is a class, of which there are few
def _info(shape: Hashable) -> inspect.Type:
    return inspect.type_info(shape)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _violations(info: inspect.Type, value: Any, path: str) -> Iterator[Violation]:
    """Yield what is wrong with *value* and all that is in it; `Unreadable` at the first member of another type."""
    info = _plain(info)
    _check_type(info, value, path)
    if isinstance(info, inspect.StructType):
        if info.forbid_unknown_fields:
            _check_known(info, value, path)
        for field in info.fields:
            where = f"{path}.{_camel(field.encode_name)}" if path else _camel(field.encode_name)
            if field.encode_name in value:
                yield from _violations(field.type, value[field.encode_name], where)
            elif field.required:
                yield Violation("null", where, "Member must not be null")
        return
    for broken in _broken(info, value):
        yield _violation(value, path, broken)
    if isinstance(info, inspect.ListType):
        yield from _in_list(info, value, path)
    elif isinstance(info, inspect.DictType):
        _check_all(info.key_type, value, path)
        _check_all(info.value_type, value.values(), path)
        for what, inner, items in (("keys", info.key_type, value), ("value", info.value_type, value.values())):
            if any(any(_broken(_plain(inner), item)) for item in items):
                yield _violation(value, path, f"Map {what} must satisfy constraint: [{', '.join(_constraints(_plain(inner)))}]")


def _check_known(info: inspect.StructType, value: dict[str, Any], path: str) -> None:
    """Raise `BadRequest` for a member that would be lost: a shape that says so is kept whole, and told again as it was given."""
    known = [field.encode_name for field in info.fields]
    for name in value:
        if name not in known:
            raise BadRequest(f"'{path}.{_shown(name)}' would not be kept; {path or 'the request'} may have: {', '.join(known)}")


def _in_list(info: inspect.ListType, value: list[Any], path: str) -> Iterator[Violation]:
    item_type = _plain(info.item_type)
    if isinstance(item_type, inspect.StructType):
        for number, item in enumerate(value, 1):
            yield from _violations(item_type, item, f"{path}.{number}.member")
        return
    _check_all(item_type, value, path)
    if any(any(_broken(item_type, item)) for item in value):
        yield _violation(value, path, f"Member must satisfy constraint: [{', '.join(_constraints(item_type))}]")


def _violation(value: Any, path: str, constraint: str) -> Violation:
    return Violation(f"'{_shown(value)}'", path, constraint)


def _plain(info: inspect.Type) -> inspect.Type:
    """Return the type that a member has where it is there."""
    while isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.UnionType):
        kinds = [_plain(kind) for kind in info.types if not isinstance(kind, inspect.NoneType)]
        if len(kinds) == 1:
            return kinds[0]
    return info


def _broken(info: inspect.Type, value: Any) -> Iterator[str]:
    """Yield the constraints of *info* itself that *value* does not keep."""
    for constraint, kept in _rules(info, value):
        if not kept:
            yield constraint


def _constraints(info: inspect.Type) -> list[str]:
    return [constraint for constraint, _ in _rules(info, None)]


def _rules(info: inspect.Type, value: Any) -> Iterator[tuple[str, bool]]:
    """Yield each constraint of *info*, and whether *value* keeps it (None keeps them all)."""
    known = value is not None
    if isinstance(info, inspect.LiteralType):
        allowed = ", ".join(map(str, info.values))
        yield f"Member must satisfy enum value set: [{allowed}]", not known or value in info.values
    if isinstance(info, inspect.StrType | inspect.BytesType | inspect.ListType | inspect.DictType):
        length = len(_bytes(value)) if known and isinstance(info, inspect.BytesType) else len(value) if known else 0
        if info.max_length is not None:
            yield f"Member must have length less than or equal to {info.max_length}", not known or length <= info.max_length
        if info.min_length is not None:
            yield f"Member must have length greater than or equal to {info.min_length}", not known or length >= info.min_length
    if isinstance(info, inspect.StrType) and info.pattern is not None:
        told = info.pattern.removeprefix("^").removesuffix("$")
        yield f"Member must satisfy regular expression pattern: {told}", not known or re.search(info.pattern, value) is not None
    if isinstance(info, inspect.IntType):
        if info.le is not None:
            yield f"Member must have value less than or equal to {info.le}", not known or value <= info.le
        if info.ge is not None:
            yield f"Member must have value greater than or equal to {info.ge}", not known or value >= info.ge


_NAMES: dict[type[inspect.Type], tuple[tuple[type, ...], str]] = {
    inspect.StrType: ((str,), "a String"),
    inspect.LiteralType: ((str,), "a String"),
    inspect.IntType: ((int,), "an Integer"),
    inspect.FloatType: ((int, float), "a Double"),
    inspect.BoolType: ((bool,), "a Boolean"),
    inspect.BytesType: ((str, bytes), "a ByteBuffer"),
    inspect.ListType: ((list,), "a List"),
    inspect.DictType: ((dict,), "a Map"),
    inspect.StructType: ((dict,), "a Structure"),
}


def _check_type(info: inspect.Type, value: Any, path: str) -> None:
    kinds, name = _NAMES.get(type(info), ((object,), ""))
    wrong = not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds)
    where = f" (at '{path}')" if path else ""
    if wrong:
        if isinstance(value, dict | list):
            found = "structure or map" if isinstance(value, dict) else "list"
            raise Unreadable(f"Start of {found} found where not expected{where}; expected {name}")
        raise Unreadable(f"{_kind(value)} can not be converted to {name}{where}")
    if isinstance(info, inspect.BytesType):
        try:
            _bytes(value)
        except (binascii.Error, ValueError):
            raise Unreadable(f"STRING_VALUE can not be converted to a ByteBuffer{where}: it is not base64") from None


def _check_all(info: inspect.Type, values: Any, path: str) -> None:
    for value in values:
        _check_type(_plain(info), value, path)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if value is None:
        return "NULL_VALUE"
    return "NUMBER_VALUE" if isinstance(value, int | float) else "STRING_VALUE"


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value, validate=True)


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _shown(value: Any) -> str:
    """Return a value as AWS writes it into its message, cut where it is long and with nothing in it that could steer a terminal."""
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{name}={_shown(item)}" for name, item in list(value.items())[:SHOWN]) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(map(_shown, value[:SHOWN])) + "]"
    elif isinstance(value, bytes):
        text = f"{len(value)} bytes"
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)[: 2 * SHOWN]
    text = text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
