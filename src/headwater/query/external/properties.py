"""What a table's properties say of how its files are read: each one that is known is used, or refused by name when the table is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from headwater.catalog.formats import Format, format_of
from headwater.catalog.shapes import Table
from headwater.dialect.errors import QueryFailed
from headwater.dialect.formats import joda_format
from headwater.dialect.lexer import unescaped
from headwater.errors import Refused

_LINES = {"skip.header.line.count", "use.null.for.invalid.data", "timestamp.formats", "serialization.encoding", "line.delim"}
_USED: dict[Format, set[str]] = {
    "parquet": set(),
    "text": {
        *_LINES, "field.delim", "escape.delim", "serialization.null.format", "serialization.last.column.takes.rest",
        # These say how arrays and maps are written, which a column of delimited text cannot be here.
        "colelction.delim", "collection.delim", "mapkey.delim",
    },
    "csv": {*_LINES, "separatorchar", "quotechar", "escapechar"},
    "json": {*_LINES, "ignore.malformed.json", "case.insensitive", "dots.in.keys", "convertdotsinjsonkeystounderscores"},
}  # fmt: skip
# What changes how other readers read: a table that sets one of these to anything but what it is without would be read wrongly.
_NOT_USED: dict[str, str] = {
    "skip.footer.line.count": "0", "explicit.null": "false", "hive.serialization.extend.boolean.literal": "false",
    "hive.serialization.extend.nesting.levels": "false", "parquet.column.index.access": "false", "orc.column.index.access": "false",
    "quote.delim": "", "textinputformat.record.delimiter": "\n",
}  # fmt: skip
# Written by crawlers and engines beside the properties of a SerDe; nobody reads files by them.
_NOTES = {"serialization.format", "serialization.lib", "serialization.class", "path", "paths", "classification", "compression", "name"}
_BOOLEANS = {
    "use.null.for.invalid.data", "ignore.malformed.json", "case.insensitive", "dots.in.keys", "convertdotsinjsonkeystounderscores",
    "serialization.last.column.takes.rest",
}  # fmt: skip
_SIGNS = {"field.delim", "escape.delim", "separatorchar", "quotechar", "escapechar"}
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}


class Properties:
    """The properties of a table and of its SerDe as one, as Hive gives them to the SerDe; names have no case."""

    def __init__(self, table: Table) -> None:
        serde = table.storage_descriptor.serde_info.parameters
        self._given = {name.lower(): value for name, value in (*table.parameters.items(), *serde.items())}

    def text(self, name: str, default: str) -> str:
        """Return a property as it was written."""
        return self._given.get(name, default)

    def flag(self, *names: str, default: bool = False) -> bool:
        """Return whether one of *names* is `true`; *default* where none is given."""
        found = [self._given[name] for name in names if name in self._given]
        return any(value.strip().lower() == "true" for value in found) if found else default

    def sign(self, name: str, default: str) -> str:
        """Return a property that is one sign, `\\0` for none."""
        return char(self._given.get(name, default))[:1] or "\0"

    def below(self, prefix: str) -> dict[str, str]:
        """Return the properties whose names begin with *prefix*, by the rest of their names."""
        return {name.removeprefix(prefix): value for name, value in self._given.items() if name.startswith(prefix)}

    @property
    def skipped(self) -> int:
        """How many lines at the top of a file are no rows."""
        text = self._given.get("skip.header.line.count", "0").strip()
        return int(text) if text.isascii() and text.isdigit() else 0

    @property
    def lenient(self) -> bool:
        """Whether a value that is none of its column's type is NULL, and no error."""
        return self.flag("use.null.for.invalid.data")

    @property
    def timestamp_formats(self) -> list[str]:
        """The patterns by which timestamps are written, for strptime."""
        return [joda_format(each.strip(), "", parsing=True) for each in self._given.get("timestamp.formats", "").split(",") if each.strip()]


def check_properties(table: Table) -> None:
    """Raise `Refused` INVALID_TABLE_PROPERTY for a property by which the table's files cannot be read, or that means nothing here.

    A table of a format there is none of is no business of this: whoever reads it is told.
    """
    try:
        form = format_of(table)
    except Refused:
        return
    used, serde = _USED[form], table.storage_descriptor.serde_info.parameters
    known = {*used, *_NOT_USED}.union(*_USED.values())
    for name, value in serde.items():
        if name.lower() not in known | _NOTES and not (form == "json" and name.lower().startswith("mapping.")):
            raise _refused(table, form, name, value)
    for name, value in {**table.parameters, **serde}.items():
        if name.lower() in known:
            _check(table, form, name, value)
    properties = Properties(table)
    if form == "text":
        signs = text_signs(properties)
        if signs.escape and len(signs.delimiter) > 1:
            raise _invalid(f"serialization.format of table {table.name} is one sign where escape.delim is given, not {signs.delimiter!r}")
    if form == "csv":
        marks = [properties.sign(name, default) for name, default in (("separatorchar", ","), ("quotechar", '"'))]
        if len({*marks, csv_escape(properties)}) < 3:
            raise _invalid(f"separatorChar, quoteChar and escapeChar of table {table.name} are not three different signs")


def csv_escape(properties: Properties) -> str:
    """Return what escapes signs in CSV."""
    found = properties.sign("escapechar", "\\\\")
    # OpenCSVSerde takes `"` for a sign that only writers use.
    return "\\" if found == '"' else found


class TextSigns(NamedTuple):
    """By which signs the lines of delimited text are made and cut: between values, before a sign that is meant, and for NULL."""

    delimiter: str
    escape: str
    null: str


def text_signs(given: Properties) -> TextSigns:
    """Return the signs of a table of delimited text; *escape* is '' where there is none."""
    delimiter = char(given.text("field.delim", "") or given.text("serialization.format", "") or "\1")
    return TextSigns(delimiter, char(given.text("escape.delim", "")), given.text("serialization.null.format", "\\N"))


def char(text: str) -> str:
    """Return a separator as it is meant: `\\t`, `\\001`, `\\u0001`, or itself; a number is a character's."""
    if (text.isascii() and text.isdigit() and len(text) in (2, 3)) or text == "1":
        return chr(int(text))
    return unescaped(text, _ESCAPES)


def _check(table: Table, form: Format, name: str, value: str) -> None:
    low, plain = name.lower(), value.strip().lower()
    if low not in _USED[form]:
        if low in _NOT_USED and plain == _NOT_USED[low].strip():
            return
        if low in _BOOLEANS and plain == ("true" if low == "case.insensitive" else "false"):
            return
        if low == "skip.header.line.count" and plain == "0":
            return
        raise _refused(table, form, name, value)
    if low in _BOOLEANS and plain not in ("true", "false"):
        raise _invalid(f"{name} of table {table.name} is 'true' or 'false', not {value!r}")
    if low == "skip.header.line.count" and not (plain.isascii() and plain.isdigit() and len(plain) < 10):
        raise _invalid(f"{name} of table {table.name} is a number of lines, not {value!r}")
    if low in _SIGNS and len(char(value)) > 1:
        raise _invalid(f"{name} of table {table.name} is one sign, not {value!r}")
    if low == "line.delim" and char(value) != "\n":
        raise _invalid(f"{name} of table {table.name} is '\\n', not {value!r}: no other end of lines is read")
    if low == "serialization.encoding" and plain.replace("-", "").replace("_", "") not in ("utf8", "usascii", "ascii"):
        raise _invalid(f"{name} of table {table.name} is 'UTF-8', not {value!r}: write the files anew in UTF-8")
    if low == "timestamp.formats":
        try:
            _ = Properties(table).timestamp_formats
        except QueryFailed as error:
            raise _invalid(f"{name} of table {table.name} cannot be used: {error.message}") from None


def _refused(table: Table, form: Format, name: str, value: str) -> Refused:
    there = ", ".join(sorted(_display(_USED[form])))
    return _invalid(
        f"the property '{name}' = {value!r} of table {table.name} is not used when {form} files are read; there are: {there or 'none'}"
    )


def _display(names: Mapping[str, object] | set[str]) -> set[str]:
    told = {"separatorchar": "separatorChar", "quotechar": "quoteChar", "escapechar": "escapeChar"}
    hidden = {"colelction.delim", "convertdotsinjsonkeystounderscores"}
    found = {told.get(name, name) for name in names if name not in hidden}
    return found | ({"mapping.<column>"} if "case.insensitive" in found else set())


def _invalid(message: str) -> Refused:
    return Refused("INVALID_TABLE_PROPERTY", message)
