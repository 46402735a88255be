"""JSON text -> values of declared types, by the names and in the forms that OpenX's and Hive's readers take."""

from __future__ import annotations

import json
from typing import NamedTuple

from headwater.dialect.quoting import literal, quote
from headwater.dialect.types import INTEGERS, Type
from headwater.query.external.number import integer_sql
from headwater.query.external.properties import Properties
from headwater.query.external.values import moment_sql


class JsonRules(NamedTuple):
    """How members are found and values read; see `rules_of`."""

    strict: bool
    any_case: bool
    dots: bool
    formats: tuple[str, ...]
    names: dict[str, str]

    def value(self, source: str, kind: Type, *, depth: int = 0) -> str:
        """Return the JSON *source* as a *kind*; what cannot be read as that is an error if strict, else NULL.

        *depth* keeps the names of nested parts apart.
        """
        if kind.items:
            return self._nested(source, kind, depth)
        text = f"json_extract_string({source}, '$')"
        if kind.name in INTEGERS:
            return integer_sql(f"regexp_replace({text}, '\\.0+$', '')", kind, strict=self.strict)
        if kind.name == "timestamp":
            return moment_sql(text, self.formats, strict=self.strict, kind=kind)
        change = "json_transform_strict" if self.strict else "json_transform"
        return f"{change}({source}, {literal(json.dumps(kind.duckdb))})"

    def member(self, source: str, field: str, kind: Type, *, depth: int = 0) -> str:
        """Return what the member that means *field* has, as a *kind*; NULL where there is none."""
        found = self._found(source, field, depth)
        if not kind.items:
            return self.value(found, kind, depth=depth)
        # Given a name, since each level writes several times what it reads: rows within rows would be written millions of times.
        one = f"v{depth}"
        return f"list_extract(list_transform([{found}], lambda {one}: {self.value(one, kind, depth=depth + 1)}), 1)"

    def _nested(self, source: str, kind: Type, depth: int) -> str:
        one = f"i{depth}"
        match kind.name:
            case "row":
                members = [name or f"field{at}" for at, name in enumerate(kind.fields)]
                fields = ", ".join(
                    f"{quote(name)} := {self.member(source, name, item, depth=depth)}"
                    for name, item in zip(members, kind.items, strict=True)
                )
                return f"CASE WHEN json_type({source}) = 'OBJECT' THEN struct_pack({fields}) END"
            case "array":
                inner = self.value(one, kind.items[0], depth=depth + 1)
                items = f"CASE WHEN json_type({source}) = 'ARRAY' THEN CAST({source} AS JSON[]) END"
                return f"list_transform({items}, lambda {one}: {inner})"
        inner = self.value(f"{one}.value", kind.items[1], depth=depth + 1)
        pairs = f"list_transform(map_entries({_members(source)}), lambda {one}: {{'k': CAST({one}.key AS {kind.items[0].duckdb}),"
        return f"CASE WHEN json_type({source}) = 'OBJECT' THEN map_from_entries({pairs} 'v': {inner}}})) END"

    def _found(self, source: str, field: str, depth: int) -> str:
        one, name = f"m{depth}", self.names.get(field.lower(), field)
        found = self._named(source, one, f"{one}.key", name) + "[-1].value"
        if self.dots and "_" in field:
            dotted = f"replace(CASE WHEN contains({one}.key, '.') THEN {one}.key END, '.', '_')"
            found = f"coalesce({found}, {self._named(source, one, dotted, field)}[1].value)"
        return found

    def _named(self, source: str, one: str, key: str, name: str) -> str:
        key, name = (f"lower({key})", name.lower()) if self.any_case else (key, name)
        return f"list_filter(map_entries({_members(source)}), lambda {one}: {key} = {literal(name)})"


def rules_of(properties: Properties) -> JsonRules:
    """Return how a table's properties say its JSON is read.

    `case.insensitive` (true unless said), `dots.in.keys` (a.b is a_b), `mapping.<column>`, `timestamp.formats`,
    `use.null.for.invalid.data`.
    """
    return JsonRules(
        strict=not properties.lenient,
        any_case=properties.flag("case.insensitive", default=True),
        dots=properties.flag("dots.in.keys", "convertdotsinjsonkeystounderscores"),
        formats=tuple(properties.timestamp_formats),
        names=properties.below("mapping."),
    )


def object_sql(line: str, *, skip_malformed: bool) -> str:
    """Return a *line* as JSON: NULL for an empty one; what is no JSON is NULL, too, if *skip_malformed*, else an error."""
    bad = "NULL" if skip_malformed else f"error('HIVE_BAD_DATA: Row is not a valid JSON Object: ' || left({line}, 100))"
    return f"CASE WHEN json_valid({line}) THEN CAST({line} AS JSON) WHEN trim({line}) <> '' THEN {bad} END"


def _members(source: str) -> str:
    return f"CASE WHEN json_type({source}) = 'OBJECT' THEN CAST({source} AS MAP(VARCHAR, JSON)) END"
