"""Rows as text for people: a table where it fits the terminal, one value a line where it does not, plain and complete in a pipe."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size

Row = Sequence[str | None]

GAP = "  "
LONGEST_VALUE = 240
"""Characters of a value that a terminal is given; the other formats have them all."""
MOST_ROWS = 1000
NARROWEST = 24
TALLEST = 4
RULE = 80
# Letters of these Unicode categories move the cursor, change the direction of text or do not show at all.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class ShownColumn(NamedTuple):
    """What stands above a column, and whether its values are numbers, which stand to the right."""

    name: str
    is_number: bool = False


def table_lines(
    columns: Sequence[ShownColumn], rows: Iterable[Row], width: int | None, *, styled: bool = False, counted: bool = True
) -> Iterator[str]:
    """Yield the lines of a table of *rows*, None for NULL, without line ends; *counted*: and how many rows there are.

    *width* is that of the terminal: at most `MOST_ROWS` are shown, long values are shortened, and rows that do not fit, even with text
    broken into a few lines, are shown one value a line. Without a width every row is one line, whole. *styled*: with bold and dim.
    """
    names = [visible(column.name) for column in columns]
    shown = ([None if value is None else visible(value) for value in row] for row in rows)
    first = list(islice(shown, MOST_ROWS))
    if width is None:
        yield from _whole(columns, names, first, shown, counted)
        return
    cut = [[None if value is None else _cut(value) for value in row] for row in first]
    widths = _widths(columns, names, cut, width)
    if widths is None:
        yield from _one_by_one(names, cut, width, styled)
    elif columns:
        yield from _head(columns, names, widths, styled)
        for row in cut:
            yield from _broken(columns, row, widths, styled)
    if next(shown, None) is not None:
        yield f"the first {_rows(len(first))}; there are more: add LIMIT, or --format csv for all"
    elif counted:
        yield _rows(len(first))
    if cut != first:
        yield f"values over {LONGEST_VALUE} characters are cut here (…); --json shows them whole"


def fact_lines(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a line for each name with its value, the values below one another."""
    listed = [(name, visible(value)) for name, value in facts]
    longest = max((cell_len(name) for name, _ in listed), default=0)
    for name, value in listed:
        yield f"{set_cell_size(name, longest)}{GAP}{value}".rstrip()


def time_text(moment: datetime) -> str:
    """Return a moment for people, in UTC where it has a zone: 2026-11-30 01:19:12.355Z."""
    text = (moment.astimezone(UTC) if moment.tzinfo is not None else moment).replace(tzinfo=None)
    digits = "microseconds" if text.microsecond % 1000 else "milliseconds" if text.microsecond else "seconds"
    return text.isoformat(" ", digits) + ("Z" if moment.tzinfo is not None else "")


def visible(text: str) -> str:
    """Return *text* with every character that does not show, or would steer a terminal, written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if unicodedata.category(letter) not in _INVISIBLE else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _whole(columns: Sequence[ShownColumn], names: list[str], first: Sequence[Row], rest: Iterator[Row], counted: bool) -> Iterator[str]:
    """Yield a line for each row; the columns are as wide as the *first* rows need, so that not all have to be in memory."""
    widths = _natural(names, first)
    count = 0
    if columns:
        yield from _head(columns, names, widths, styled=False)
    for row in chain(first, rest):
        count += 1
        if columns:
            yield _line([_aligned(column, _text(value), width) for column, value, width in zip(columns, row, widths, strict=True)])
    if counted:
        yield _rows(count)


def _natural(names: list[str], rows: Sequence[Row]) -> list[int]:
    widths = [cell_len(name) for name in names]
    for row in rows:
        widths = [max(width, cell_len(_text(value))) for width, value in zip(widths, row, strict=True)]
    return widths


def _widths(columns: Sequence[ShownColumn], names: list[str], rows: Sequence[Row], width: int) -> list[int] | None:
    """Return how wide each column is to be; None where the table cannot be read within *width*."""
    widths = _natural(names, rows)
    room = width - len(GAP) * (len(columns) - 1)
    if sum(widths) <= room:
        return widths
    # Only text with spaces reads well in several lines; ids and moments are copied, so they stay whole.
    texts = [
        at for at, column in enumerate(columns) if widths[at] > NARROWEST and not column.is_number and _breaks(row[at] for row in rows)
    ]
    left = room - sum(width for at, width in enumerate(widths) if at not in texts)
    for sharing, at in zip(range(len(texts), 0, -1), sorted(texts, key=widths.__getitem__), strict=True):
        widths[at] = min(widths[at], left // sharing)
        left -= widths[at]
    if left < 0 or any(widths[at] < NARROWEST for at in texts):
        return None
    tallest = max((len(_lines(_text(value), each)) for row in rows for value, each in zip(row, widths, strict=True)), default=1)
    return widths if tallest <= TALLEST else None


def _breaks(values: Iterable[str | None]) -> bool:
    return all(value is None or len(value) <= NARROWEST or " " in value for value in values)


def _head(columns: Sequence[ShownColumn], names: list[str], widths: list[int], styled: bool) -> Iterator[str]:
    line = _line([_aligned(column, name, width) for column, name, width in zip(columns, names, widths, strict=True)])
    yield f"\x1b[1m{line}\x1b[0m" if styled else line
    yield _line(["─" * width for width in widths])


def _broken(columns: Sequence[ShownColumn], row: Row, widths: list[int], styled: bool) -> Iterator[str]:
    cells = [_lines(_text(value), width) for value, width in zip(row, widths, strict=True)]
    for at in range(max(map(len, cells), default=1)):
        parts = [
            _aligned(column, cell[at] if at < len(cell) else "", width) for column, cell, width in zip(columns, cells, widths, strict=True)
        ]
        if styled:
            parts = [f"\x1b[2m{part}\x1b[0m" if value is None else part for part, value in zip(parts, row, strict=True)]
        yield _line(parts)


def _one_by_one(names: list[str], rows: Sequence[Row], width: int, styled: bool) -> Iterator[str]:
    longest = max(cell_len(name) for name in names)
    room = max(width - longest - len(GAP), NARROWEST)
    for number, row in enumerate(rows, 1):
        title = f"─ row {number:,} "
        yield title + "─" * max(min(width, RULE) - len(title), 0)
        for name, value in zip(names, row, strict=True):
            label = set_cell_size(name, longest)
            for part in _lines(_text(value), room):
                shown = f"\x1b[2m{part}\x1b[0m" if styled and value is None else part
                yield (f"\x1b[1m{label}\x1b[0m" if styled and label.strip() else label) + f"{GAP}{shown}".rstrip()
                label = " " * longest


def _lines(text: str, width: int) -> list[str]:
    """Return *text* in lines of at most *width* cells, broken at spaces where there are some."""
    if cell_len(text) <= width:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *whole, line = chop_cells(word, width) or [""]
        lines += whole
    return [*lines, line]


def _text(value: str | None) -> str:
    return "NULL" if value is None else value


def _aligned(column: ShownColumn, text: str, width: int) -> str:
    missing = " " * (width - cell_len(text))
    return missing + text if column.is_number else text + missing


def _line(cells: Sequence[str]) -> str:
    return GAP.join(cells).rstrip()
