"""The project's event types in TypeScript, so that an app's compiler checks what it sends."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, JsonSchemaWarningKind, models_json_schema

from headwater.event import EMAIL_PATTERN
from headwater.model import Models
from headwater.model.eventtype import EventField, EventType

Schema = Mapping[str, Any]

_MODE: JsonSchemaMode = "validation"
_REF = "#/$defs/"
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_WORD = re.compile(r"[A-Za-z0-9]+")
_LEADING_CAPITALS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]+$|[A-Z]")

# Names the file itself uses, and words that are no names in TypeScript.
_OUR_TYPES = frozenset({"HeadwaterEvents", "HeadwaterEventName", "AmplifyEvent", "Record", "Object", "JSON"})
_OUR_FUNCTIONS = frozenset({"amplifyEvent"})
_RESERVED = frozenset(
    "arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for "  # noqa: SIM905
    "function if implements import in instanceof interface let new null package private protected public return static super switch this "
    "throw true try typeof undefined var void while with yield".split()
)

_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_FORMATS = {
    "date-time": "ISO 8601 date and time, such as 2026-11-23T03:06:22.544Z",
    "date": "ISO 8601 date, such as 2026-11-23",
    "email": "e-mail address",
    "uuid": "UUID",
    "uri": "URL",
}
_LIMITS = (
    ("minimum", ">= {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "<= {}"),
    ("exclusiveMaximum", "< {}"),
    ("multipleOf", "a multiple of {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("minProperties", "at least {} entries"),
    ("maxProperties", "at most {} entries"),
)
_COUNTS = ("minLength", "minItems", "minProperties")

_HEADER = "// Written by `headwater types --typescript` from {source}: change the classes there and run it again, not this file.\n"
_NAME = """\
/** The name of an event. */
export type HeadwaterEventName = keyof HeadwaterEvents;
"""
_AMPLIFY = """\
/** An event as Amplify's `record` takes it (in v5 `Analytics.record`). */
export interface AmplifyEvent<Name extends HeadwaterEventName = HeadwaterEventName> {
  name: Name;
  attributes?: Record<string, string>;
  metrics?: Record<string, number>;
  immediate?: boolean;
}

/** Numbers become metrics, the rest attributes: text as it is, anything else as JSON text; null becomes "null", undefined is left out. */
function amplifyEvent<Name extends HeadwaterEventName>(name: Name, fields: object): AmplifyEvent<Name> {
  const attributes: Record<string, string> = {};
  const metrics: Record<string, number> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (typeof value === "number") metrics[key] = value;
    else if (value !== undefined) attributes[key] = typeof value === "string" ? value : JSON.stringify(value);
  }
  const event: AmplifyEvent<Name> = { name };
  if (Object.keys(attributes).length > 0) event.attributes = attributes;
  if (Object.keys(metrics).length > 0) event.metrics = metrics;
  return event;
}
"""


def typescript(models: Models, source: str) -> str:
    """Return a TypeScript module with the event types of *models*, which were read from the file named *source*.

    It exports `HeadwaterEvents` (name -> the fields an app sends), `HeadwaterEventName`, a type for each model or enum inside, and for
    each event a function that makes what Amplify's `record` takes. The same models give the same text, everywhere.
    """
    events = models.event_types
    refs, schema = models_json_schema([(event.cls, _MODE) for event in events.values()], by_alias=True, schema_generator=_Lenient)
    writer = _Writer(schema.get("$defs", {}))
    bodies = [writer.event(name, event, refs[event.cls, _MODE]) for name, event in events.items()]
    parts = [
        _HEADER.format(source=source.replace("\n", " ")),
        "export interface HeadwaterEvents {\n" + "\n".join(bodies) + "}\n",
        _NAME,
        *writer.types(),
        _AMPLIFY,
        *_factories(events),
    ]
    return "\n".join(parts)


class _Lenient(GenerateJsonSchema):
    """Says nothing of a part that JSON Schema has no word for; its column then tells the type."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}


class _Writer:
    """Writes types, and remembers which models and enums they name, in the order of their first use."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._names: dict[str, str] = {}

    def event(self, name: str, event: EventType, ref: Schema) -> str:
        """Return one member of `HeadwaterEvents`."""
        properties = self._resolved(ref).get("properties", {})
        lines = [_comment(event.table.doc.splitlines(), 2)]
        members = "".join(self._field(field, properties) for field in event.fields)
        if event.extra == "allow":
            members += _comment(["Anything else is kept in the column `extra`."], 4) + "    [extra: string]: unknown;\n"
        lines.append(f"  {_key(name)}: {{\n{members}  }};\n" if members else f"  {_key(name)}: Record<string, never>;\n")
        return "".join(lines)

    def types(self) -> Iterator[str]:
        """Yield the models and enums that were named; writing one may name more."""
        done = 0
        while done < len(self._names):
            ref, name = list(self._names.items())[done]
            schema, done = self._definitions[ref], done + 1
            doc = _comment(inspect.cleandoc(schema.get("description", "")).splitlines(), 0)
            if "properties" in schema:
                required = schema.get("required", [])
                members = "".join(
                    self._member(key, part, self._type(part), key in required, 2) for key, part in schema["properties"].items()
                )
                yield f"{doc}export interface {name} {{\n{members}}}\n"
            else:
                yield f"{doc}export type {name} = {self._type(schema)};\n"

    def _field(self, field: EventField, properties: Mapping[str, Schema]) -> str:
        key = field.keys[0]
        part = properties.get(key, properties.get(field.name, {}))
        members = self._members(part)
        if "unknown" in members and not field.structured:  # a validator of its own: the column knows what it gives
            members = [_scalar_of(field.column.type), *(["null"] if field.column.nullable else [])]
        written = " | ".join(members)
        return self._member(key, part, written, field.required, 4)

    def _member(self, key: str, schema: Schema, written: str, required: bool, indent: int) -> str:
        notes = inspect.cleandoc(schema.get("description", "")).splitlines()
        said = list(self._said(schema))
        if said:
            notes.append(_sentence("; ".join(dict.fromkeys(said))))
        if not required and schema.get("default") is not None:
            notes.append(f"Default: {json.dumps(schema['default'], ensure_ascii=False)}")
        return f"{_comment(notes, indent)}{' ' * indent}{_key(key)}{'' if required else '?'}: {written};\n"

    def _type(self, schema: Schema) -> str:
        return " | ".join(self._members(schema))

    def _members(self, schema: Schema) -> list[str]:
        """Return the members of the union that the type is, mostly one."""
        if "$ref" in schema:
            return [self._named(schema["$ref"].removeprefix(_REF))]
        if "const" in schema:
            return [_literal(schema["const"])]
        if "enum" in schema:
            return [_literal(value) for value in schema["enum"]]
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            unique = dict.fromkeys(member for choice in choices for member in self._members(choice))
            # Null stands last, and text before numbers, since only text keeps all digits of a decimal.
            return sorted(unique, key=lambda member: (member == "null", member == "number"))
        kind = schema.get("type")
        if kind == "array":
            items = self._members(schema.get("items", {}))
            return [f"({' | '.join(items)})[]" if len(items) > 1 else f"{items[0]}[]"]
        if kind == "object":
            value = schema.get("additionalProperties", True)
            return [f"Record<string, {self._type(value) if isinstance(value, dict) else 'unknown'}>"]
        return [_SCALARS.get(kind or "", "unknown")]

    def _said(self, schema: Schema) -> Iterator[str]:
        """Yield what the type itself cannot say: formats and limits."""
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            is_decimal = {"number", "string"} <= {choice.get("type") for choice in choices}
            for choice in choices:
                if not (is_decimal and choice.get("type") == "string"):  # its pattern says the limits of the number again
                    yield from self._said(choice)
            return
        if schema.get("type") == "integer" and "enum" not in schema and "const" not in schema:
            yield "a whole number"
        if "format" in schema:
            yield _FORMATS.get(schema["format"]) or str(schema["format"])
        pattern = schema.get("pattern")
        if pattern is not None:
            yield "an e-mail address" if pattern == EMAIL_PATTERN else f"matches /{pattern}/"
        for key, text in _LIMITS:
            if key in schema:
                yield "not empty" if key in _COUNTS and schema[key] == 1 else text.format(f"{schema[key]}".removesuffix(".0"))
        inner = schema.get("items") if schema.get("type") == "array" else schema.get("additionalProperties")
        if isinstance(inner, dict):
            for text in self._said(inner):
                yield f"each {text}"

    def _named(self, ref: str) -> str:
        if ref not in self._names:
            title = "".join(_WORD.findall(self._definitions[ref].get("title", ref))) or "Type"
            title = title if _IDENTIFIER.fullmatch(title) else f"_{title}"
            self._names[ref] = _free(title, {*self._names.values(), *_OUR_TYPES})
        return self._names[ref]

    def _resolved(self, schema: Schema) -> Schema:
        return self._definitions[schema["$ref"].removeprefix(_REF)] if "$ref" in schema else schema


def _factories(events: Mapping[str, EventType]) -> Iterator[str]:
    taken: set[str] = {*_OUR_FUNCTIONS, *_RESERVED}
    for name, event in events.items():
        function = _function_name(name) or _function_name(event.cls.__name__) or "event"
        if function in _RESERVED:
            function += "Event"
        function = _free(function, taken)
        taken.add(function)
        needed = any(field.required for field in event.fields)
        spelled = json.dumps(name, ensure_ascii=False)
        yield (
            f"{_comment(event.table.doc.splitlines(), 0)}"
            f"export function {function}(fields: HeadwaterEvents[{spelled}]{'' if needed else ' = {}'}): AmplifyEvent<{spelled}> {{\n"
            f"  return amplifyEvent({spelled}, fields);\n}}\n"
        )


def _function_name(name: str) -> str:
    """Return `SignUpEvent` as `signUpEvent`, `app/load page` as `appLoadPage`; "" if there is nothing to make a name of."""
    first, *others = _WORD.findall(name) or [""]
    first = _LEADING_CAPITALS.sub(lambda found: found[0].lower(), first, count=1) if first[:1].isupper() else first
    joined = first + "".join(word[0].upper() + word[1:] for word in others)
    return f"event{joined}" if joined[:1].isdigit() else joined


def _free(name: str, taken: Iterable[str]) -> str:
    used, number, free = set(taken), 1, name
    while free in used:
        number += 1
        free = f"{name}{number}"
    return free


def _scalar_of(column: pa.DataType) -> str:
    if pa.types.is_boolean(column):
        return "boolean"
    if pa.types.is_decimal(column):
        return "string | number"
    return "number" if pa.types.is_integer(column) or pa.types.is_floating(column) else "string"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _comment(lines: list[str], indent: int) -> str:
    # Two characters would end the comment early.
    kept = [line.rstrip().replace("*/", "*\\/") for line in lines]
    margin = " " * indent
    if not any(kept):
        return ""
    if len(kept) == 1:
        return f"{margin}/** {kept[0]} */\n"
    return f"{margin}/**\n" + "".join(f"{margin} *{' ' if line else ''}{line}\n" for line in kept) + f"{margin} */\n"
