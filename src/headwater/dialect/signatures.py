"""Functions by signature: which arguments a function takes, what it gives, and how the engine says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from headwater.dialect.errors import NotSupported
from headwater.dialect.types import INTEGERS, NUMBERS, UNKNOWN, ZONED, Type, bare, common, parse_type
from headwater.dialect.value import Value

Use = Literal["scalar", "aggregate", "window"]

LAMBDAS: dict[str, tuple[str, ...]] = {"function": (), "entry": ("'key'", "'value'", "'other'"), "pair": ("1", "2")}
"""Patterns of lambdas, and what the fields of the one thing they get in the engine are called; () = they get each by itself."""

# A single capital letter stands for any type of its class; within one call it is one type.
_CLASSES: dict[str, tuple[str, ...] | None] = {
    "N": NUMBERS,
    "I": INTEGERS,
    "M": ("date", "timestamp", ZONED),
    "W": ("timestamp", ZONED),
    **dict.fromkeys("TUKVS"),
}


class Pattern(NamedTuple):
    """A type with variables in it.

    `function`, `entry` and `pair` take a lambda, whose last item is what it gives: one of elements, one of the key and value of a
    map's entry, one of two elements at the same place.
    """

    name: str
    items: tuple[Pattern, ...] = ()
    type: Type | None = None


class Bound(NamedTuple):
    """What a call has when its SQL is written: its arguments, coerced, the types of the variables, and the type it gives."""

    name: str
    arguments: list[Value]
    variables: dict[str, Type]
    returns: Type
    where: str

    def pieces(self) -> list[str]:
        """Return the SQL of the arguments."""
        return [argument.sql for argument in self.arguments]

    def text(self, at: int) -> str:
        """Return an argument that has to be a string literal here."""
        found = self.arguments[at].constant
        if not isinstance(found, str):
            raise NotSupported(f"{self.where}argument {at + 1} of {self.name} must be a string literal here, not an expression")
        return found

    def number(self, at: int) -> int:
        """Return an argument that has to be an integer literal here."""
        found = self.arguments[at].constant
        if isinstance(found, bool) or not isinstance(found, int):
            raise NotSupported(f"{self.where}argument {at + 1} of {self.name} must be an integer literal here, not an expression")
        return found


Writer = Callable[[Bound], "str | Value"]


@dataclass(frozen=True)
class Signature:
    """One way to call a function; `sql` is a template, or what writes the SQL. `variadic`: the last parameter may repeat."""

    name: str
    parameters: tuple[Pattern, ...]
    returns: Pattern
    sql: str | Writer
    use: Use
    variadic: bool = False

    def patterns(self, count: int) -> tuple[Pattern, ...] | None:
        """Return a pattern per argument, None if it does not take so many."""
        if self.variadic and count >= len(self.parameters) - 1:
            return (*self.parameters[:-1], *([self.parameters[-1]] * (count - len(self.parameters) + 1)))
        return self.parameters if count == len(self.parameters) else None


@dataclass
class FunctionLibrary:
    """The functions of one or more modules, and the names that are refused, each with what to use instead, "" for nothing."""

    signatures: dict[str, list[Signature]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, use: Use, table: dict[str, str | Writer]) -> None:
        """Add functions, each written like `split(varchar, varchar) -> array(varchar)`; `name|other(...)` gives it two names."""
        for text, sql in table.items():
            head, _, returns = text.partition(" -> ")
            names, _, inside = head.partition("(")
            parameters, variadic = _parameters(inside.strip()[:-1])
            for name in names.split("|"):
                made = Signature(name, parameters, _pattern(returns), sql, use, variadic)
                self.signatures.setdefault(name, []).append(made)

    def refuse(self, table: dict[str, str]) -> None:
        """Add functions Athena has and Headwater has not."""
        self.refused.update(table)

    def use(self, name: str) -> Use | None:
        """Return what kind of function *name* is, None for none."""
        found = self.signatures.get(name)
        return found[0].use if found else None


def bind(pattern: Pattern, given: Type, variables: dict[str, Type]) -> bool:
    """Return whether a value of type *given* fits; sets the variables it decides."""
    if pattern.name == "any":
        return True
    if pattern.name in _CLASSES:
        allowed = _CLASSES[pattern.name]
        known = variables.get(pattern.name)
        both = given if known is None else common(known, given)
        if both is None or (allowed is not None and both.name not in (*allowed, "unknown")):
            return False
        variables[pattern.name] = both
        return True
    if pattern.type is not None:
        return bare(common(given, pattern.type)) == bare(pattern.type)
    if given.name == "unknown":
        return True
    if given.name != pattern.name or len(given.items) != len(pattern.items):
        return False
    return all(bind(part, item, variables) for part, item in zip(pattern.items, given.items, strict=True))


def resolve(pattern: Pattern, variables: dict[str, Type], given: Type = UNKNOWN) -> Type:
    """Return the type a pattern stands for: *given* for `any`; a variable nothing decided is of unknown type."""
    if pattern.name == "any":
        return given
    if pattern.name in _CLASSES:
        return variables.get(pattern.name, UNKNOWN)
    if pattern.type is not None:
        return pattern.type
    return Type(pattern.name, items=tuple(resolve(item, variables) for item in pattern.items))


def cost(given: Sequence[Type | None], wanted: Sequence[Type]) -> int:
    """Return how many arguments have to be coerced."""
    return sum(have is not None and bare(have) != bare(want) for have, want in zip(given, wanted, strict=True))


@lru_cache(1024)
def _pattern(text: str) -> Pattern:
    text = text.strip()
    if text in (*_CLASSES, "any"):
        return Pattern(text)
    head, _, inside = text.partition("(")
    if head in ("array", "map", *LAMBDAS):
        return Pattern(head, tuple(map(_pattern, _split(inside[:-1]))))
    return Pattern(head, type=parse_type(text))


def _parameters(text: str) -> tuple[tuple[Pattern, ...], bool]:
    parts = list(_split(text))
    variadic = bool(parts) and parts[-1].endswith("...")
    return tuple(_pattern(part.removesuffix("...")) for part in parts), variadic


def _split(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    if text[start:].strip():
        yield text[start:].strip()
