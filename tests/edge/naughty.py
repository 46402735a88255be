"""Text that breaks things: what people paste, what attackers try, and what looks like something it is not."""

from __future__ import annotations

_NULLS = [
    "null",
    "NULL",
    "Null",
    "nil",
    "none",
    "None",
    "undefined",
    "NaN",
    "nan",
    "-nan",
    "Infinity",
    "-Infinity",
    "inf",
    "N/A",
    "\\N",
    "#N/A",
]

_LIKE_BOOLEANS = ["true", "True", "TRUE", "false", "False", "yes", "no", "on", "off", "t", "f"]

_LIKE_NUMBERS = [
    *(
        "0",
        "-0",
        "+1",
        "00",
        "007",
        "1.0",
        "1.10",
        ".5",
        "5.",
        "1e3",
        "1E400",
        "-1e-400",
        "0x1F",
        "0b101",
        "0o17",
        "1_000",
        "1,000",
        "1 000",
    ),
    *("9007199254740993", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1" * 400, "١٢٣", "１２３", "½", "Ⅷ"),
    *("1/2", "12%", "$12", "12€", "1.2.3", "127.0.0.1", "::1", "+4930123456"),
]

_LIKE_DATES = [
    "2026-11-23",
    "2026-02-30",
    "23.11.2026",
    "11/23/26",
    "2026-11-23T03:06:22.544Z",
    "0000-00-00",
    "1970-01-01",
    "24:00:00",
    "PT1H",
]

_SPACES = [
    "",
    " ",
    "  ",
    " a ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u200b",
    "\u2028",
    "\u2029",
    "\u0085",
]

_CONTROL = [
    *(
        "\x00",
        "a\x00b",
        "\x00a",
        "a\x00",
        "\x01",
        "\x07",
        "\x08",
        "\x0b",
        "\x0c",
        "\x1a",
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "\x7f",
        "\x80",
    ),
    "".join(map(chr, range(32))),
]

_UNICODE = [
    *(
        "é",
        "e\u0301",
        "\u0301",
        "ﬁ",
        "ß",
        "ẞ",
        "İ",
        "ı",
        "Å",
        "Å",
        "K",
        "Ω",
        "ſ",
        "Ǆ",
        "日本語",
        "한국어",
        "ไทย",
        "हिन्दी",
        "Ελληνικά",
        "Русский",
    ),
    *(
        "العربية",
        "עברית",
        "\u202eevil\u202c",
        "a\u202eb",
        "\u2066a\u2069",
        "\u200fx",
        "\u061c",
        "a\u200db",
        "\ufeff",
        "\ufeffa",
        "\ufffe",
        "\uffff",
    ),
    *(
        "😀",
        "👩‍👩‍👧‍👦",
        "🏳️‍🌈",
        "🇩🇪",
        "🇩",
        "👍🏽",
        "1️⃣",
        "\ufe0f",
        "𝒳",
        "𠜎",
        "\U0010ffff",
        "\U000e0041",
        "\ufffd",
        "\ue000",
        "ð\x9f\x98\x80",
    ),
    "Z̵̢̛͔͓͉͍̠̪̩̬̗̳̟̣̺̋̿̓̈́̌͐̓̃͒̚͝a̷̧͈̩̪͎̘̼̬̲̐́̊̈́̔͂l̸̡̛̫̗͓͕̂̿̍̎̆̾̕g̵̡̖̪̱̺̐o̶̧̼͉̖͗",
    "a" + "\u0301" * 500,
    "(╯°□°）╯︵ ┻━┻",
    "ˆ¨¯°˛˚¸`´",
    "ʇxǝʇ uʍop ǝpᴉsdn",
]

_SQL = [
    *(
        "'",
        "''",
        '"',
        '""',
        "`",
        ";",
        "--",
        "/*",
        "*/",
        "\\",
        "\\'",
        "%",
        "_",
        "%%",
        "?",
        "$1",
        ":a",
        "@a",
        "a'b",
        'a"b',
        "a;b",
        "E'\\''",
        "$$",
    ),
    *(
        "' OR '1'='1",
        "'; DROP TABLE events; --",
        '"; DROP TABLE "events"; --',
        "1; ATTACH 'x' AS y",
        "' UNION SELECT * FROM dead_letters --",
    ),
    *("read_parquet('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/x'", "'||pg_sleep(9)||'", "admin'--", "Robert'); DROP TABLE Students;--"),
]

_MARKUP = [
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</title><b>",
        "<!-- -->",
        "]]>",
        "<![CDATA[x]]>",
        "&amp;",
        "&lt;",
        "&#0;",
        "&",
        "<",
        ">",
    ),
    *(
        "javascript:alert(1)",
        "data:text/html,<b>x",
        '"><svg/onload=alert(1)>',
        "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
    ),
]

_TEMPLATES = [
    *("{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{%raw%}", "{0}", "{}", "{x.__class__}", "%s", "%n%n%n", "%d", "$.x", "<$.event_id>"),
    *("<aws.pipes.event.json>", "${jndi:ldap://a/b}", "$(id)", "`id`", "; id", "| id", "&& id", "|| id", "> /tmp/x", "$HOME", "~", "*"),
    *("?a=b", "-rf", "--help", "!!"),
]

_PATHS = [
    *(
        ".",
        "..",
        "/",
        "//",
        "../",
        "../../etc/passwd",
        "..\\..\\windows",
        "%2e%2e%2f",
        "..%2F",
        "%00",
        "/etc/passwd",
        "file:///etc/passwd",
        "C:\\",
        "\\\\a\\b",
    ),
    *(
        "con",
        "NUL",
        "aux",
        "a/b",
        "a\\b",
        "year=2026",
        "year=2026/month=11",
        "__HIVE_DEFAULT_PARTITION__",
        ".hidden",
        "a:b",
        "a=b",
        "a?b",
        "a#b",
        "s3://a/b",
    ),
]

_FORMULAS = [
    "=1+1",
    "=cmd|'/C calc'!A0",
    "@SUM(1)",
    "+1+1",
    "-1+1",
    '=HYPERLINK("http://a","b")',
    "\t=1+1",
    "a,b",
    'a,"b"',
    "a;b",
    '"a"',
    "a\tb\nc",
]

_JSON = [
    "{}",
    "[]",
    '{"a":1}',
    '"text"',
    '{"a":',
    "\\u0000",
    "\\ud800",
    "\\n",
    "\\\\",
    '\\"',
    '\\","b":"',
    '","admin":"true',
    "\\x41",
    "__proto__",
    "constructor",
]

_NAMES = [
    *(
        "event_id",
        "event_type",
        "datetime",
        "year",
        "select",
        "table",
        "order",
        "Attributes",
        "_headwater",
        "__class__",
        "toString",
        "hasOwnProperty",
    ),
    *("O'Reilly", "Null", "Test", "Scunthorpe", "admin", "root", "localhost", "a b", "a.b", "a-b", "A", "a"),
]

_LONG = ["x" * 255, "x" * 256, "é" * 256, "😀" * 128, "x" * 257, "😀" * 200, "y" * 10_000, "\n" * 1_000, "'" * 1_000, "a b " * 1_000]

NAUGHTY: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *_NULLS, *_LIKE_BOOLEANS, *_LIKE_NUMBERS, *_LIKE_DATES, *_SPACES, *_CONTROL, *_UNICODE,
            *_SQL, *_MARKUP, *_TEMPLATES, *_PATHS, *_FORMULAS, *_JSON, *_NAMES, *_LONG,
        ]
    )
)  # fmt: skip
"""Each of them once, in this order."""
