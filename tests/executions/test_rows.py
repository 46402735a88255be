"""What is written as a result file is read back, by us and by anybody's CSV reader."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.executions import rows

texts = st.one_of(st.none(), st.text(max_size=12), st.text('"",\n\r', max_size=6))
tables = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(texts, min_size=width, max_size=width), min_size=1, max_size=12))


def encoded(table: list[list[str | None]]) -> bytes:
    return rows.lines([pa.array(column, pa.string()) for column in zip(*table, strict=True)])


def test_the_bytes_are_those_athena_writes() -> None:
    assert rows.header(["a", 'b"c']) == b'"a","b""c"\n'
    assert encoded([["1", None], ["", 'say "ä",\nplease']]) == '"1",\n"","say ""ä"",\nplease"\n'.encode()
    assert encoded([[None]]) == b"\n"


@given(tables)
def test_every_table_comes_back_page_by_page(tmp_path_factory: pytest.TempPathFactory, table: list[list[str | None]]) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.csv"
    path.write_bytes(encoded(table))
    found: list[rows.Row] = []
    offset: int | None = 0

    while offset is not None:
        page, offset = rows.read_values(path, offset, 2, len(table[0]), 1 << 20)
        assert len(page) <= 2
        found += page

    assert found == table


@given(tables)
@settings(max_examples=50)
def test_other_csv_readers_read_the_same_texts(table: list[list[str | None]]) -> None:
    found = list(csv.reader(io.StringIO(encoded(table).decode(), newline=""), strict=True))

    # An empty line is one null value; csv has no null and gives no value for it.
    assert [row or [""] for row in found] == [[value or "" for value in row] for row in table]


def test_values_larger_than_a_read_and_pages_that_grow_large(tmp_path: Path) -> None:
    path, table = tmp_path / "rows.csv", [["x" * 700_000, '"' * 300_000], ["y", None], ["z", ""]]
    path.write_bytes(encoded(table))

    first, offset = rows.read_values(path, 0, 10, 2, 100_000)
    assert offset is not None
    rest, end = rows.read_values(path, offset, 10, 2, 100_000)

    assert (first, rest, end) == (table[:1], table[1:], None)


@pytest.mark.parametrize(
    "damage", [b'"1","2"\n"3",', b'"1"\n', b'"1","2","3"\n', b'"1",2\n', b'"1","2"\n"3', '"\xff","2"\n'.encode("latin-1")]
)
def test_a_file_that_is_no_result_is_not_taken_for_one(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(damage)

    with pytest.raises(ValueError, match=r"row|decode"):
        rows.read_values(path, 0, 10, 2, 1 << 20)


def test_slices_of_columns_are_written_as_such() -> None:
    column = pa.array(["a", None, "b", "c"], pa.string())

    assert rows.lines([column[1:3], column[2:4]]) == b',"b"\n"b","c"\n'
    assert rows.lines([column[:0]]) == b""


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=8), min_size=1, max_size=9))
def test_lines_of_text_come_back_page_by_page(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes("\n".join(lines).encode())
    found: list[rows.Row] = []
    offset: int | None = 0

    while offset is not None:
        page, offset = rows.read_lines(path, offset, 2, 1 << 20)
        found += page

    assert found == ([] if lines == [""] else [[line] for line in lines])
