"""Functions of JSON, of URLs, and regular expressions."""

from __future__ import annotations

import re

from headwater.dialect.casts import cast
from headwater.dialect.errors import NotSupported, QueryFailed
from headwater.dialect.quoting import literal
from headwater.dialect.signatures import Bound, FunctionLibrary
from headwater.dialect.types import JSON
from headwater.dialect.value import fail, fill

# A member, a place, a member in brackets and quotes or without; quotes of one stroke, or without brackets, are a courtesy.
_STEP = re.compile(
    r"""\.([\w:-]+)|\[(\d+)\]|\[(?:"((?:[^"\\]|\\["\\])*)"|'([^']*)'|([\w-]+))\]|\."([^"]*)\""""
)  # fmt: skip
_GROUP = re.compile(r"\$(?:(\d)|\{(\w+)\})|\\(.)|\\$")


def json_path(text: str, where: str) -> str:
    """Return a JSON path as the engine writes it; raise `QueryFailed` for one that is none."""
    path = text.strip()
    if path[:1] != "$":
        # `a.b` is short for `$.a.b`.
        path = "$." + path if path[:1] not in (".", "[") else "$" + path
    at, found = 1, "$"
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            if path[at : at + 2] in (".*", "..") or path[at : at + 3] == "[*]":
                raise NotSupported(f"{where}the JSON path {text!r} has a wildcard; name a member or an index, or cast the JSON to an array")
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{where}Invalid JSON path: '{text}'")
        if step[2] is not None:
            found += f"[{step[2]}]"
        else:
            quoted = None if step[3] is None else re.sub(r"\\(.)", r"\1", step[3])
            name = next(part for part in (step[1], quoted, step[4], step[5], step[6]) if part is not None)
            found += '."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        at = step.end()
    return found


def document(bound: Bound, at: int = 0) -> str:
    """Return an argument as JSON; text that is none gives NULL."""
    value = bound.arguments[at]
    return value.sql if value.type == JSON else f"TRY_CAST({value.sql} AS JSON)"


def _extract(bound: Bound) -> str:
    return f"json_extract({document(bound)}, {literal(json_path(bound.text(1), bound.where))})"


def _extract_scalar(bound: Bound) -> str:
    value = bound.arguments[0]
    return scalar_at(document(bound), json_path(bound.text(1), bound.where), None if value.type == JSON else value.sql)


# A text in which every number that stands outside of strings is a string itself; it ends with an empty one, which is cut off. The runs
# before a number take whole strings, so that none of them is looked into.
_NUMBERS_AS_TEXT = (
    "left(regexp_replace({2} || ' ', '(?s)((?:\"(?:[^\"\\\\]|\\\\.)*\"|[^\"0-9-])*)(-?[0-9][0-9.eE+-]*|$)', '\\1\"\\2\"', 'g'), -2)"
)


def scalar_at(sql: str, path: str, text: str | None = None) -> str:
    """Return the SQL of the text of a scalar in a document, NULL where there is an object, an array or nothing.

    *text*: the SQL of the document as it was written, if it was text. A number in it is told as it stands there: the engine would make a
    double of `19.90`, and lose digits.
    """
    plain = "WHEN json_type({0}, {1}) IN ('OBJECT', 'ARRAY') THEN NULL "
    if text is None:
        return fill(f"(CASE {plain}ELSE json_extract_string({{0}}, {{1}}) END)", [sql, literal(path)])
    number = "json_type({0}, {1}) = 'DOUBLE' OR (json_type({0}, {1}) = 'BIGINT' AND json_extract_string({0}, {1}) = '0')"
    exact = f"WHEN {number} THEN json_extract_string({_NUMBERS_AS_TEXT}, {{1}}) "
    return fill(f"(CASE {plain}{exact}ELSE json_extract_string({{0}}, {{1}}) END)", [sql, literal(path), text])


def _json_parse(bound: Bound) -> str:
    wrong = fail("INVALID_FUNCTION_ARGUMENT", "Cannot convert value to JSON: '", JSON, detail="{0} || ''''")
    return fill(f"(CASE WHEN {{0}} IS NOT NULL AND NOT json_valid({{0}}) THEN {wrong} ELSE CAST(json({{0}}) AS JSON) END)", bound.pieces())


def _array_length(bound: Bound) -> str:
    return fill("(CASE WHEN json_type({0}) = 'ARRAY' THEN CAST(json_array_length({0}) AS BIGINT) END)", [document(bound)])


def _array_get(bound: Bound) -> str:
    step = "'$[' || CASE WHEN {1} < 0 THEN '#' ELSE '' END || CAST({1} AS VARCHAR) || ']'"
    return fill(f"(CASE WHEN json_type({{0}}) = 'ARRAY' THEN json_extract({{0}}, {step}) END)", [document(bound), bound.pieces()[1]])


def _array_contains(bound: Bound) -> str:
    wanted = cast(bound.arguments[1], JSON, bound.where).sql
    return fill("(CASE WHEN json_type({0}) = 'ARRAY' THEN list_contains(CAST({0} AS JSON[]), {1}) END)", [document(bound), wanted])


def _size(bound: Bound) -> str:
    return fill(
        "(CASE json_type({0}, {1}) WHEN 'OBJECT' THEN CAST(len(json_keys({0}, {1})) AS BIGINT)"
        " WHEN 'ARRAY' THEN CAST(json_array_length({0}, {1}) AS BIGINT) ELSE CASE WHEN json_exists({0}, {1}) THEN 0 END END)",
        [document(bound), literal(json_path(bound.text(1), bound.where))],
    )


def _is_scalar(bound: Bound) -> str:
    return f"(json_type({document(bound)}) NOT IN ('OBJECT', 'ARRAY'))"


def pattern(bound: Bound) -> str:
    """Return a regular expression for the engine; raise `QueryFailed` for what its syntax has not."""
    value = bound.arguments[1]
    if not isinstance(value.constant, str):
        return value.sql
    text = value.constant
    if found := re.search(r"\(\?(?:=|!|<=|<!|>)", text):
        raise NotSupported(
            f"{bound.where}the regular expression has {found[0]}...): looking "
            f"ahead or behind is not supported here; match more and take a group"
        )
    if found := re.search(r"(?<!\\)(?:\\\\)*\\([1-9])", text):
        raise NotSupported(
            f"{bound.where}the regular expression has \\{found[1]}: a reference "
            f"to a group is not supported here; take the groups and compare them"
        )
    # Named groups, possessive repeats and \h are of Java's syntax only.
    return literal(re.sub(r"(?<!\\)([*+?}])\+", r"\1", text.replace("(?<", "(?P<").replace("\\h", "[ \\t]")))


def _like(bound: Bound) -> str:
    return f"regexp_matches({bound.pieces()[0]}, {pattern(bound)})"


def _extracted(bound: Bound) -> str:
    group = bound.pieces()[2] if len(bound.arguments) == 3 else "0"
    found = "list_extract(regexp_extract_all({0}, {1}, {2}), 1)"
    return fill(f"(CASE WHEN regexp_matches({{0}}, {{1}}) THEN {found} END)", [bound.pieces()[0], pattern(bound), group])


def _extract_all(bound: Bound) -> str:
    group = bound.pieces()[2] if len(bound.arguments) == 3 else "0"
    return f"regexp_extract_all({bound.pieces()[0]}, {pattern(bound)}, {group})"


def _replaced(bound: Bound) -> str:
    if len(bound.arguments) == 2:
        return f"regexp_replace({bound.pieces()[0]}, {pattern(bound)}, '', 'g')"
    return f"regexp_replace({bound.pieces()[0]}, {pattern(bound)}, {literal(_replacement(bound))}, 'g')"


def _replacement(bound: Bound) -> str:
    names = list(re.findall(r"\(\?<(\w+)>", bound.text(1))) if isinstance(bound.arguments[1].constant, str) else []

    def written(found: re.Match[str]) -> str:
        if found[1]:
            return "\\" + found[1]
        if found[2]:
            if found[2] not in names:
                raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{bound.where}Illegal replacement sequence: unknown group {{ {found[2]} }}")
            return f"\\{names.index(found[2]) + 1}"
        return "\\\\" if found[3] == "\\" else found[3] or ""

    return _GROUP.sub(written, bound.text(2))


def _position(bound: Bound) -> str:
    return fill(
        "(CASE WHEN regexp_matches({0}, {1}) THEN strpos({0}, regexp_extract({0}, {1})) WHEN {0} IS NULL THEN NULL ELSE -1 END)",
        [bound.pieces()[0], pattern(bound)],
    )


_URL = "^(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:[?]([^#]*))?(?:#(.*))?$"


def _url(group: int) -> str:
    return f"regexp_extract({{0}}, '{_URL}', {group})"


def _some(text: str) -> str:
    return f"nullif({text}, '')"


_HOST = "regexp_extract(" + _url(2) + ", '^(?:[^@]*@)?([^:]*|[[][^]]*[]])(?::[0-9]*)?$', 1)"
_PARAMETER = (
    "list_extract(list_transform(list_filter(split(regexp_extract({0}, '" + _URL + "', 4), '&'),"
    ' lambda "$p": url_decode(split_part("$p", \'=\', 1)) = {1}), lambda "$p": url_decode(CASE WHEN contains("$p", \'=\') THEN'
    " substr(\"$p\", strpos(\"$p\", '=') + 1) ELSE '' END)), 1)"
)

DOCUMENTS = FunctionLibrary()
DOCUMENTS.add("scalar", {
    **{f"json_extract({kind}, varchar) -> json": _extract for kind in ("json", "varchar")},
    **{f"json_extract_scalar({kind}, varchar) -> varchar": _extract_scalar for kind in ("json", "varchar")},
    **{f"json_array_length({kind}) -> bigint": _array_length for kind in ("json", "varchar")},
    **{f"json_array_get({kind}, bigint) -> json": _array_get for kind in ("json", "varchar")},
    **{f"json_array_contains({kind}, T) -> boolean": _array_contains for kind in ("json", "varchar")},
    **{f"json_size({kind}, varchar) -> bigint": _size for kind in ("json", "varchar")},
    **{f"is_json_scalar({kind}) -> boolean": _is_scalar for kind in ("json", "varchar")},
    "json_parse(varchar) -> json": _json_parse,
    "json_format(json) -> varchar": "CAST({0} AS VARCHAR)",
    "regexp_like(varchar, varchar) -> boolean": _like,
    "regexp_extract(varchar, varchar) -> varchar": _extracted,
    "regexp_extract(varchar, varchar, bigint) -> varchar": _extracted,
    "regexp_extract_all(varchar, varchar) -> array(varchar)": _extract_all,
    "regexp_extract_all(varchar, varchar, bigint) -> array(varchar)": _extract_all,
    "regexp_replace(varchar, varchar) -> varchar": _replaced,
    "regexp_replace(varchar, varchar, varchar) -> varchar": _replaced,
    "regexp_split(varchar, varchar) -> array(varchar)": lambda bound: f"regexp_split_to_array({bound.pieces()[0]}, {pattern(bound)})",
    "regexp_count(varchar, varchar) -> bigint": lambda bound: f"CAST(len(regexp_extract_all({bound.pieces()[0]}, "
                                                              f"{pattern(bound)})) AS BIGINT)",
    "regexp_position(varchar, varchar) -> integer": _position,
    "url_extract_protocol(varchar) -> varchar": _some(_url(1)),
    "url_extract_host(varchar) -> varchar": _some(_HOST),
    "url_extract_port(varchar) -> bigint": "TRY_CAST(regexp_extract(" + _url(2) + ", ':([0-9]+)$', 1) AS BIGINT)",
    "url_extract_path(varchar) -> varchar": _url(3),
    "url_extract_query(varchar) -> varchar": _some(_url(4)),
    "url_extract_fragment(varchar) -> varchar": _some(_url(5)),
    "url_extract_parameter(varchar, varchar) -> varchar": _PARAMETER,
    "url_encode(varchar) -> varchar": "replace(replace(url_encode({0}), '%20', '+'), '~', '%7E')",
    "url_decode(varchar) -> varchar": "url_decode(replace({0}, '+', ' '))",
})  # fmt: skip
DOCUMENTS.refuse(
    {
        "json_exists": "json_extract ... IS NOT NULL",
        "json_table": "UNNEST of CAST(json AS array(...))",
        "json_object": "CAST(row AS json)",
        "json_array": "CAST(array AS json)",
    }
)
