"""The named queries that every project has: its views, and its saved queries as table functions, to run as they are or to copy."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from headwater.executions.saved import NamedQuery
from headwater.executions.workgroup import PRIMARY
from headwater.query.views import Parameter, Saved, library

_NUMBERS = ("number", "count")


def given_queries(database: str) -> Iterator[NamedQuery]:
    """Yield a named query for each view and saved query; a parameter that has no default is a `?` in it."""
    for saved in library().values():
        # The id says which it is, in every project and at every start.
        query_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"headwater:{saved.name}"))
        yield NamedQuery(query_id, saved.name, PRIMARY, database, f"SELECT * FROM {_source(saved)}", saved.says)


def _source(saved: Saved) -> str:
    if not saved.parameters:
        return saved.name
    return f"TABLE({saved.name}({', '.join(f'{_name(each)} => {_value(each)}' for each in saved.parameters)}))"


def _name(parameter: Parameter) -> str:
    return f'"{parameter.name}"' if parameter.name == "limit" else parameter.name  # a word of SQL's own


def _value(parameter: Parameter) -> str:
    if parameter.default is None:
        return "?"
    if parameter.default == "null":
        return "NULL"
    quote = "" if parameter.kind in _NUMBERS else "'"
    return f"{quote}{parameter.default}{quote}"
