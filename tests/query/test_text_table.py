"""Rows as text: what fits the terminal is a table, what does not is one value a line, and a pipe gets all of it."""

from __future__ import annotations

import itertools

import pytest
from rich.cells import cell_len

from headwater.query.text_table import LONGEST_VALUE, MOST_ROWS, Row, ShownColumn, fact_lines, table_lines

IDS = [ShownColumn("event_id"), ShownColumn("app_id"), ShownColumn("session_id")]
ID = "2fd9ded0-4a27-4a3b-9078-8c4cb3cfd3f5"


def test_what_fits_is_a_table_with_numbers_to_the_right() -> None:
    lines = list(table_lines([ShownColumn("piece"), ShownColumn("times", is_number=True)], [["minuet", "9"], ["ode", "12"]], 80))

    assert lines == ["piece   times", "──────  ─────", "minuet      9", "ode        12", "2 rows"]


def test_rows_that_do_not_fit_are_shown_one_value_a_line() -> None:
    lines = list(table_lines(IDS, [[ID, "89e2c885a9591913b4224fd278fd77d4", None]], 60))

    assert lines[0].startswith("─ row 1 ─")
    assert lines[1:4] == [f"event_id    {ID}", "app_id      89e2c885a9591913b4224fd278fd77d4", "session_id  NULL"]


def test_sentences_are_broken_into_lines_and_ids_never_are() -> None:
    says = "no attribute of this name: add it to class PracticeEvent, or stop sending it"

    lines = list(table_lines([ShownColumn("id"), ShownColumn("says")], [[ID, says]], 80))

    assert [line[:36] for line in lines[2:4]] == [ID, " " * 36]
    assert " ".join(line[38:].strip() for line in lines[2:-1]) == says


def test_a_long_value_is_cut_on_a_terminal_which_says_so_and_whole_in_a_pipe() -> None:
    body = "x" * 5_000

    cut, whole = (list(table_lines([ShownColumn("body")], [[body]], width)) for width in (80, None))

    assert sum(line.count("x") for line in cut[1:-2]) == LONGEST_VALUE - 1
    assert cut[-1] == "values over 240 characters are cut here (…); --json shows them whole"
    assert whole[2:] == [body, "1 row"]


def test_a_pipe_gets_every_row_in_one_line_while_rows_still_come() -> None:
    count = MOST_ROWS + 500
    read = 0

    def rows() -> itertools.chain[Row]:
        def each(number: int) -> Row:
            nonlocal read
            read = number
            return [str(number), "x" * 300]

        return itertools.chain.from_iterable([each(number)] for number in range(1, count + 1))

    lines = table_lines([ShownColumn("n", is_number=True), ShownColumn("t")], rows(), None)

    assert next(lines).strip().startswith("n  t")
    assert read < count  # the first lines are there before the last row is
    rest = list(lines)
    assert rest[-1] == "1,500 rows"
    assert len(rest) == count + 2


def test_a_terminal_gets_the_first_rows_and_is_told_how_to_get_all() -> None:
    lines = list(table_lines([ShownColumn("n", is_number=True)], ([str(number)] for number in itertools.count()), 80))

    assert len(lines) == 2 + MOST_ROWS + 1
    assert lines[-1] == "the first 1,000 rows; there are more: add LIMIT, or --format csv for all"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("value", ["a" * 70, "日本語 の 練習 曲" * 9, "two words " * 20, "", "zoë", "\x1b[31mred\x07"])
def test_no_line_is_wider_than_the_terminal(width: int, value: str) -> None:
    columns = [ShownColumn("a"), ShownColumn("b"), ShownColumn("n", is_number=True)]

    lines = list(table_lines(columns, [[value, None, "1"], ["short", value, "22"]], max(width, 30)))

    assert max(map(cell_len, lines[:-1])) <= max(width, 30)
    assert "\x1b" not in "".join(lines)


def test_no_row_and_no_column_are_shown_as_such() -> None:
    assert list(table_lines([ShownColumn("a")], [], 80)) == ["a", "─", "0 rows"]
    assert list(table_lines([], [], 80)) == ["0 rows"]
    assert list(table_lines([], [], None)) == ["0 rows"]


def test_facts_stand_below_one_another() -> None:
    assert list(fact_lines([("lag", "0"), ("public_url", "http://x")])) == ["lag         0", "public_url  http://x"]
