"""Columns, metadata, places and tokens: what results are described with."""

from __future__ import annotations

import pytest

from headwater.executions import InvalidRequest, metadata
from headwater.executions.catalog import hive_type
from headwater.executions.columns import column
from headwater.executions.execution import ResultColumn
from headwater.executions.location import prefix_of
from headwater.executions.token import Tokens


@pytest.mark.parametrize(
    ("athena", "expected"),
    [
        ("boolean", ("boolean", 0, 0, False)),
        ("tinyint", ("tinyint", 3, 0, False)),
        ("bigint", ("bigint", 19, 0, False)),
        ("real", ("float", 17, 0, False)),
        ("decimal(10,2)", ("decimal", 10, 2, False)),
        ("varchar", ("varchar", 2_147_483_647, 0, True)),
        ("varchar(12)", ("varchar", 12, 0, True)),
        ("char(3)", ("char", 3, 0, True)),
        ("timestamp(6)", ("timestamp", 3, 0, False)),
        ("timestamp(3) with time zone", ("timestamp with time zone", 3, 0, False)),
        ("interval day to second", ("interval day to second", 0, 0, False)),
        ("varbinary", ("varbinary", 1_073_741_824, 0, False)),
        ("array(varchar)", ("array", 0, 0, False)),
        ("map(varchar, array(row(a integer)))", ("map", 0, 0, False)),
        ("unknown", ("unknown", 0, 0, False)),
    ],
)
def test_a_type_is_described_as_athena_does(athena: str, expected: tuple[str, int, int, bool]) -> None:
    assert column("c", athena) == ResultColumn("c", *expected)


@pytest.mark.parametrize(
    ("athena", "hive"),
    [
        ("varchar", "string"),
        ("varchar(12)", "varchar(12)"),
        ("integer", "int"),
        ("decimal(10, 2)", "decimal(10,2)"),
        ("timestamp(3) with time zone", "timestamp"),
        ("array(varchar)", "array<string>"),
        ("map(varchar, double)", "map<string,double>"),
        ('row(a integer, "b c" array(timestamp(3)))', "struct<a:int,b c:array<timestamp>>"),
    ],
)
def test_ddl_has_names_of_its_own_for_types(athena: str, hive: str) -> None:
    assert hive_type(athena) == hive


def fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Read protobuf as the drivers do: single-byte tags, numbers and what has a length."""
    found: list[tuple[int, int | bytes]] = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = message[at]
        at += 1
        value = varint()
        if tag & 7 == 2:
            found.append((tag >> 3, message[at : at + value]))
            at += value
        else:
            assert tag & 7 == 0
            found.append((tag >> 3, value))
    return found


def test_metadata_says_what_the_columns_are() -> None:
    message = metadata.encode("an-id", [column("n", "decimal(10,2)"), column("ü" * 100, "varchar")], update_type="INSERT", update_count=300)

    top = fields(message)
    assert [number for number, _ in top] == [1, 2, 3, 4, 4]
    assert top[:3] == [(1, b"an-id"), (2, b"INSERT"), (3, 300)]
    first, second = (fields(bytes(value)) for _, value in top[3:] if isinstance(value, bytes))
    assert first == [(1, b"hive"), (4, b"n"), (5, b"n"), (6, b"decimal"), (7, 10), (8, 2), (9, 3), (10, 0)]
    assert second[1] == (4, ("ü" * 100).encode())
    assert second[3:] == [(6, b"varchar"), (7, 2_147_483_647), (8, 0), (9, 3), (10, 1)]


@pytest.mark.parametrize(
    "url", ["", "bucket/x", "http://bucket/", "s3:/bucket", "s3://", "s3://B/", "s3://a..b/", "s3://b/" + "x" * 300, "s3://bucket/\ud800"]
)
def test_what_is_no_place_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^outputLocation is not a valid S3 path\.$"):
        prefix_of(url)


def test_a_token_is_good_for_its_own_list_only() -> None:
    tokens = Tokens(b"k" * 32)
    token = tokens.seal("one", [7, "x"])

    assert tokens.open("one", token) == [7, "x"]
    for of, given_token in [("two", token), ("one", token[:-4] + "AAA="), ("one", "no token"), ("one", "ä"), ("one", "")]:
        with pytest.raises(InvalidRequest):
            tokens.open(of, given_token)
    with pytest.raises(InvalidRequest):
        Tokens(b"j" * 32).open("one", token)
