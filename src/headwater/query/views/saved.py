"""The SQL files of this folder: what each answers, its columns, its parameters, and its text with values in the parameters' places."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from headwater.errors import QueryError
from headwater.query.views.value import KINDS, sql_value

_PARAMETER = re.compile(r"--   \$([a-z_]+) ([a-z ]+?)(?: = (\S+))?: (.+)")
_COLUMN = re.compile(r"--   ([^$:]+): (.+)")
_PLACE = re.compile(r"\$([a-z_]+)")

TABLES = "tables"
"""What stands for the tables of events, `$tables`: it is no parameter that people give."""


class Parameter(NamedTuple):
    """What a saved query asks for: a `kind` of value, and its default as people would write it (None: it has to be given)."""

    name: str
    kind: str
    default: str | None
    says: str


class Saved(NamedTuple):
    """One file: a view if it has no parameters, else a saved query. `says` is its first sentence, `text` the whole file."""

    name: str
    says: str
    text: str
    parameters: tuple[Parameter, ...]
    columns: tuple[tuple[str, str], ...]

    def missing(self, values: Mapping[str, str]) -> list[Parameter]:
        """Return the parameters that have neither a value nor a default."""
        return [parameter for parameter in self.parameters if parameter.name not in values and parameter.default is None]

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the SQL with *values*, as people write them, and defaults in the places of the parameters.

        Raises `QueryError` for a parameter there is none of, one that is missing, and a value it cannot have.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"it has: {', '.join(known) or 'none'}"
                raise QueryError(f"{self.name} has no parameter {name!r}; {hint}")
        if missing := self.missing(values):
            raise QueryError(f"{self.name} needs {'; '.join(f'{parameter.name}: {parameter.says}' for parameter in missing)}")
        written = {}
        for name, parameter in known.items():
            value = values.get(name, parameter.default)
            assert value is not None
            try:
                written[name] = sql_value(parameter.kind, value)
            except QueryError as error:
                raise QueryError(f"{self.name}, {name}: {error}") from None
        # What was put in is not looked at again; comments keep the names.
        return "\n".join(
            line if line.lstrip().startswith("--") else _PLACE.sub(lambda place: written.get(place[1], place[0]), line)
            for line in self.text.splitlines()
        )


@cache
def library() -> Mapping[str, Saved]:
    """Return all views and saved queries by name, sorted."""
    found = (file for file in files(__package__).iterdir() if file.name.endswith(".sql"))
    return {saved.name: saved for saved in sorted(_read(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in found)}


def saved(name: str) -> Saved:
    """Return the view or saved query of that name. Raises `QueryError` that says which there are."""
    if (found := library().get(name.lower())) is None:
        close = difflib.get_close_matches(name.lower(), library(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(library())}"
        raise QueryError(f"there is no view or saved query {name!r}; {hint}")
    return found


def _read(name: str, text: str) -> Saved:
    lines = text.splitlines()
    parameters = [Parameter(*found.groups()) for line in lines if (found := _PARAMETER.fullmatch(line))]
    for parameter in parameters:
        assert parameter.kind in KINDS, (name, parameter)
    columns = [(found[1], found[2]) for line in lines[lines.index("-- Columns") :] if (found := _COLUMN.fullmatch(line))]
    return Saved(name, lines[0].removeprefix("-- "), text, tuple(parameters), tuple(columns))
