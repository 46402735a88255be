"""Files of lines: every line is a row, CSV has the quotes of its SerDe, JSON the names and moments of its."""

from __future__ import annotations

import random

import pytest

from headwater.dialect.types import parse_type
from headwater.query.external.json import JsonRules
from tests.query.external.conftest import Bucket

CSV = "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"
JSON = "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"


def read(bucket: Bucket, text: str, columns: str, clauses: str, properties: str = "") -> list[list[str | None]]:
    bucket.put("t/1.txt", text)
    given = f"WITH SERDEPROPERTIES ({properties})" if properties else ""
    bucket.do("DROP TABLE IF EXISTS t")
    bucket.do(f"CREATE EXTERNAL TABLE t ({columns}) {clauses} {given} LOCATION 's3://files/t/'")
    return bucket.rows("SELECT * FROM t")


# --- every line is a row


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_empty_lines_are_rows_in_every_format_of_lines(everywhere: Bucket, end: str) -> None:
    lines = ["", "", "x", "", ""]
    text = end.join(lines) + end

    assert read(everywhere, text, "a string, n int", "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','") == [
        ["", None], ["", None], ["x", None], ["", None], ["", None],
    ]  # fmt: skip
    assert read(everywhere, text, "a string, n int", CSV) == [[None, None], [None, None], ["x", None], [None, None], [None, None]]
    assert read(everywhere, text.replace("x", '{"a":"x"}'), "a string", JSON) == [[None], [None], ["x"], [None], [None]]


def test_lines_that_are_skipped_are_counted_with_the_empty_ones(bucket: Bucket) -> None:
    bucket.put("t/1.csv", "# made today\n\na,b\n1,2\n\n3,4\n")
    bucket.do(
        "CREATE EXTERNAL TABLE t (a string, b int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://files/t/'"
        " TBLPROPERTIES ('skip.header.line.count'='3')"
    )

    assert bucket.rows("SELECT a, b FROM t") == [["1", "2"], ["", None], ["3", "4"]]
    assert bucket.rows("SELECT count(*) AS n FROM t") == [["3"]]


def test_the_header_of_a_json_file_can_be_skipped(bucket: Bucket) -> None:
    bucket.put("t/1.json", 'head\n{"a":1}\n')
    bucket.do(f"CREATE EXTERNAL TABLE t (a int) {JSON} LOCATION 's3://files/t/' TBLPROPERTIES ('skip.header.line.count'='1')")

    assert bucket.rows("SELECT a FROM t") == [["1"]]


# --- delimited text


def test_the_last_column_takes_the_rest_where_a_table_says_so(bucket: Bucket) -> None:
    serde = "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'"
    given = "'field.delim'=',', 'serialization.last.column.takes.rest'='true'"

    rows = read(bucket, "a,b,c\na,\na\n", "x string, y string", serde, given)

    assert rows == [["a", "b,c"], ["a", ""], ["a", None]]


def test_timestamps_of_text_may_have_formats_of_their_own(bucket: Bucket) -> None:
    serde = "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'"
    given = "'field.delim'=',', 'timestamp.formats'='dd/MM/yyyy HH:mm:ss'"

    assert read(bucket, "24/12/2026 18:00:00\n2026-12-24 18:00:00\nx\n", "at timestamp", serde, given) == [
        ["2026-12-24 18:00:00.000"], ["2026-12-24 18:00:00.000"], [None],
    ]  # fmt: skip


# --- CSV


@pytest.mark.parametrize(
    ("line", "fields", "properties"),
    [
        ('"say ""hi""",x', ['say "hi"', "x"], ""),
        ('"say ""hi""",x', ['say "hi"', "x"], "'separatorChar'=',', 'quoteChar'='\"', 'escapeChar'='\\\\'"),
        ('"{""k"": ""v, w""}",x', ['{"k": "v, w"}', "x"], ""),
        ('"""quoted""",x', ['"quoted"', "x"], ""),
        ('"",""""', ["", '"'], ""),
        ("'it''s',x", ["it's", "x"], "'quoteChar'=''''"),
        ('"say \\"hi\\"",x', ['say "hi"', "x"], ""),
        ('"a\\\\",x', ["a\\", "x"], ""),
        ('"a\\nb",x', ["anb", "x"], ""),  # an escape before anything else is nothing
        ("c:\\dir,x", ["c:dir", "x"], ""),
        ('one 5" pipe 3" long,x', ['one 5" pipe 3" long', "x"], ""),
        ('  "padded",x', ["  padded", "x"], ""),
        ('x,  "padded"', ["x", "padded"], ""),
        ('x,"never closed, y', ["x", None], ""),
        ("a|b", ["a", "b"], "'separatorChar'='|'"),
        ("a\tb", ["a", "b"], "'separatorChar'='\\t'"),
        ("a^b", ["a", "b"], "'separatorChar'='^'"),
        ('a,"b"', ["a", '"b"'], "'quoteChar'='\\0'"),
        ('"a""b",c', ['a"b', "c"], "'escapeChar'='\\0'"),
        ('"a""b",c', ['a"b', "c"], "'escapeChar'='\"'"),
    ],
)
def test_fields_of_csv_are_what_its_parser_makes_of_them(bucket: Bucket, line: str, fields: list[str | None], properties: str) -> None:
    assert read(bucket, f"{line}\n", "a string, b string", CSV, properties) == [fields]


def parsed(line: str, count: int) -> list[str | None]:
    """Parse a line as OpenCSVSerde's parser does, sign by sign."""
    fields: list[str | None] = [None] * count
    text, at, quoted, inside, place = "", 0, False, False, 0
    while place < len(line) and at < count:
        sign, following = line[place], line[place + 1 : place + 2]
        if sign == "\\":
            if (quoted or inside) and following in ('"', "\\") and following:
                text, place = text + following, place + 1
        elif sign == '"':
            if (quoted or inside) and following == '"':
                text, place = text + following, place + 1
            else:
                if place > 2 and line[place - 1] != "," and following not in ("", ","):
                    text = "" if text and text.isspace() else text + sign
                quoted = not quoted
            inside = not inside
        elif sign == "," and not quoted:
            fields[at], at, text, inside = text, at + 1, "", False
        else:
            text, inside = text + sign, True
        place += 1
    if line and at < count and not quoted:
        fields[at] = text
    return fields


def test_csv_of_all_kinds_is_read_as_its_parser_reads_it(bucket: Bucket) -> None:
    chosen = random.Random(8)

    def field() -> str:
        words = "".join(chosen.choice("ab c,é") for _ in range(chosen.randint(0, 6)))
        match chosen.randint(0, 4):
            case 0:
                return words.replace(",", "")
            case 1:
                return '"' + words + '"'
            case 2:
                return '"' + words + chosen.choice(['""', "\\\\", '\\"', ""]) + words + '"'
            case 3:
                return "\\".join(words.replace(",", "") + "x")
            case _:
                return "  " + '"' + words + '"'

    lines = [",".join(["first", *(field() for _ in range(chosen.randint(0, 3)))]) for _ in range(900)]

    assert read(bucket, "\n".join(lines) + "\n", "a string, b string, c string", CSV) == [parsed(line, 3) for line in lines]


def test_values_of_csv_that_are_none_are_null_where_the_table_says_so(bucket: Bucket) -> None:
    columns, line = "n int, d double, m decimal(5,2), day date, at timestamp", "x,y,z,u,v\n1,2.5,3.25,10,2026-01-02 03:04:05\n"
    bucket.put("t/1.csv", line)
    for name, properties in (("t", ""), ("u", "TBLPROPERTIES ('use.null.for.invalid.data'='true')")):
        bucket.do(f"CREATE EXTERNAL TABLE {name} ({columns}) {CSV} LOCATION 's3://files/t/' {properties}")

    for column, value in zip(("n", "d", "m", "day", "at"), "xyzuv", strict=True):
        assert bucket.reason(f"SELECT {column} FROM t").startswith(f"HIVE_BAD_DATA: Error parsing field value '{value}' as ")
    assert bucket.rows("SELECT * FROM u") == [
        [None] * 5, ["1", "2.5", "3.25", "1970-01-11", "2026-01-02 03:04:05.000"],
    ]  # fmt: skip


# --- JSON


@pytest.mark.parametrize(
    ("line", "columns", "properties", "row"),
    [
        ('{"URL":"x","Url":"y"}', "u1 string, u2 string", "'case.insensitive'='FALSE','mapping.u1'='URL','mapping.u2'='Url'", ["x", "y"]),
        ('{"Name":"x","name":"y"}', "a string", "'case.insensitive'='false','mapping.a'='Name'", ["x"]),
        ('{"Name":"x"}', "name string", "'case.insensitive'='false'", [None]),
        ('{"Name":"x"}', "name string", "'case.insensitive'='true'", ["x"]),
        ('{"s":{"A":1,"a":2}}', "s struct<a:int>", "'case.insensitive'='false'", ["{a=2}"]),
        ('{"s":{"time-stamp":1}}', "s struct<ts:int>", "'mapping.ts'='time-stamp'", ["{ts=1}"]),
        ('{"a.b":"x"}', "a_b string", "'dots.in.keys'='true'", ["x"]),
        ('{"A.B":"x"}', "a_b string", "'dots.in.keys'='true'", ["x"]),
        ('{"a.b":"x","a_b":"y"}', "a_b string", "'dots.in.keys'='true'", ["y"]),
        ('{"s":{"c.d":"x"}}', "s struct<c_d:string>", "'dots.in.keys'='true'", ["{c_d=x}"]),
        ('{"a.b":"x"}', "a_b string", "'dots.in.keys'='false'", [None]),
        ('{"a.b":"x"}', "a_b string", "'ConvertDotsInJsonKeysToUnderscores'='true'", ["x"]),
    ],
)
def test_members_are_found_as_the_properties_say(bucket: Bucket, line: str, columns: str, properties: str, row: list[str | None]) -> None:
    assert read(bucket, line + "\n", columns, JSON, properties) == [row]


@pytest.mark.parametrize(
    "written",
    [
        '"2024-01-01T10:00:00Z"', '"2024-01-01T10:00:00z"', '"2024-01-01 10:00:00"', '"2024-01-01T10:00:00.000"',
        '"2024-01-01T12:00:00+02:00"', '"2024-01-01T12:00:00+0200"', '"2024-01-01T05:00:00.000-05:00"', "1704103200000", '"1704103200000"',
        "1704103200", '"1704103200"', "1704103200.0", '"1704103200.000"',
    ],
)  # fmt: skip
def test_a_moment_in_json_may_have_an_offset_or_be_a_number(bucket: Bucket, written: str) -> None:
    assert read(bucket, f'{{"a":{written}}}\n', "a timestamp", JSON) == [["2024-01-01 10:00:00.000"]]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("1704103200.5", "2024-01-01 10:00:00.500"), ("1704103200.1239", "2024-01-01 10:00:00.123"), ("-1", "1969-12-31 23:59:59.000"),
        ('"1704103200123"', "2024-01-01 10:00:00.123"), ("null", None), ('""', None),
    ],
)  # fmt: skip
def test_fractions_of_seconds_in_json_are_kept_to_the_millisecond(bucket: Bucket, written: str, moment: str | None) -> None:
    assert read(bucket, f'{{"a":{written}}}\n', "a timestamp", JSON) == [[moment]]


def test_a_moment_in_json_that_is_none_is_an_error_and_formats_help(bucket: Bucket) -> None:
    bucket.put("t/1.json", '{"a":"24/12/2026"}\n')
    bucket.do(f"CREATE EXTERNAL TABLE t (a timestamp) {JSON} LOCATION 's3://files/t/'")
    bucket.do(
        f"CREATE EXTERNAL TABLE u (a timestamp) {JSON} WITH SERDEPROPERTIES ('timestamp.formats'='yyyy.MM.dd,dd/MM/yyyy')"
        " LOCATION 's3://files/t/'"
    )

    assert bucket.reason("SELECT a FROM t") == "HIVE_BAD_DATA: Error parsing field value '24/12/2026' as timestamp(3)"
    assert bucket.rows("SELECT a FROM u") == [["2026-12-24 00:00:00.000"]]


# --- a property is used, or refused by name

LAZY = "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
SIMPLE = "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'"


@pytest.mark.parametrize(
    ("clauses", "serde", "table", "named"),
    [
        (CSV, "'quoteCharacter'='x'", "", "quoteCharacter"),
        (CSV, "'quoteChar'='||'", "", "quoteChar"),
        (CSV, "'quoteChar'=','", "", "quoteChar"),
        (CSV, "'serialization.null.format'=''", "", "serialization.null.format"),
        (CSV, "", "'skip.footer.line.count'='1'", "skip.footer.line.count"),
        (JSON, "'explicit.null'='true'", "", "explicit.null"),
        (JSON, "'case.insensitive'='no'", "", "case.insensitive"),
        (JSON, "'timestamp.formats'='QQQ'", "", "timestamp.formats"),
        (JSON, "'field.delim'=','", "", "field.delim"),
        (LAZY, "", "'use.null.for.invalid.data'='maybe'", "use.null.for.invalid.data"),
        (LAZY, "", "'skip.header.line.count'='one'", "skip.header.line.count"),
        (LAZY, "", "'serialization.encoding'='UTF-16'", "serialization.encoding"),
        (LAZY, "", "'quoteChar'='\"'", "quoteChar"),
        (LAZY + " LINES TERMINATED BY ';'", "", "", "line.delim"),
        (SIMPLE, "'serialization.format'='::', 'escape.delim'='!'", "", "serialization.format"),
        ("ROW FORMAT DELIMITED FIELDS TERMINATED BY '::'", "", "", "field.delim"),
        ("STORED AS PARQUET", "", "'use.null.for.invalid.data'='true'", "use.null.for.invalid.data"),
        ("STORED AS PARQUET", "", "'parquet.column.index.access'='true'", "parquet.column.index.access"),
    ],
)
def test_a_property_that_cannot_be_used_is_refused_by_name(bucket: Bucket, clauses: str, serde: str, table: str, named: str) -> None:
    given = f"WITH SERDEPROPERTIES ({serde})" if serde else ""
    more = f"TBLPROPERTIES ({table})" if table else ""

    reason = bucket.reason(f"CREATE EXTERNAL TABLE t (a string) {clauses} {given} LOCATION 's3://files/t/' {more}")

    assert reason.startswith("INVALID_TABLE_PROPERTY: ")
    assert named in reason
    assert bucket.do("SHOW TABLES LIKE 't'") == []


def test_a_property_that_cannot_be_used_is_refused_when_a_table_is_changed_too(bucket: Bucket) -> None:
    bucket.do(f"CREATE EXTERNAL TABLE t (a string) {JSON} LOCATION 's3://files/t/'")

    assert "skip.footer.line.count" in bucket.reason("ALTER TABLE t SET TBLPROPERTIES ('skip.footer.line.count'='1')")
    bucket.do("ALTER TABLE t SET TBLPROPERTIES ('skip.footer.line.count'='0', 'owner'='web')")


def test_what_crawlers_and_others_note_beside_a_table_is_kept_and_harmless(bucket: Bucket) -> None:
    noted = "'classification'='json', 'averageRecordSize'='12', 'compressionType'='none', 'typeOfData'='file', 'has_encrypted_data'='false'"
    bucket.do(
        f"CREATE EXTERNAL TABLE t (a string) {JSON} WITH SERDEPROPERTIES ('serialization.format'='1', 'paths'='a,b')"
        f" LOCATION 's3://files/t/' TBLPROPERTIES ({noted})"
    )

    assert bucket.rows("SELECT a FROM t") == []


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("struct<a_b:{}>", '{{"a.b":{}}}'),
        ("array<struct<a_b:{}>>", '[{{"a.b":{}}}]'),
        ("map<string,{}>", '{{"a.b":{}}}'),
    ],
    ids=["structs", "lists of structs", "maps"],
)
def test_json_within_json_is_written_once(bucket: Bucket, kind: str, written: str) -> None:
    kinds, text = "int", "7"
    for _ in range(6):
        kinds, text = kind.format(kinds), written.format(text)

    [[found]] = read(bucket, f'{{"c":{text}}}\n', f"c {kinds}", JSON, "'dots.in.keys'='true'")

    assert found is not None
    assert "7" in found
    # Each level that is written several times in the next one doubles the text at least: 64 levels would be more than any memory holds.
    deep = parse_type("struct<a_b:" * 60 + "int" + ">" * 60)
    assert len(JsonRules(True, True, True, (), {}).member("json", "c", deep)) < 100_000


@pytest.mark.parametrize(("written", "sign"), [("\\ud83c\\udf0a", "\U0001f30a"), ("\\ud83c", "\ufffd"), ("\\u00e9", "é")])
def test_a_separator_may_be_any_letter_and_half_of_one_is_none(bucket: Bucket, written: str, sign: str) -> None:
    clauses = f"ROW FORMAT DELIMITED FIELDS TERMINATED BY '{written}'"

    assert read(bucket, f"a{sign}b\n", "a string, b string", clauses) == [["a", "b"]]
    assert read(bucket, f"a{sign}b\n", "a string, b string", CSV, f"'separatorChar'='{written}'") == [["a", "b"]]
