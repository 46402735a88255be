"""Functions of text and of bytes; text counts in code points, from 1."""

from __future__ import annotations

import re

from headwater.dialect.casts import as_text
from headwater.dialect.errors import NotSupported, QueryFailed
from headwater.dialect.quoting import literal
from headwater.dialect.signatures import Bound, FunctionLibrary
from headwater.dialect.types import INTEGERS
from headwater.dialect.value import Value, fail, fill

_FORMAT = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")


def _concat(bound: Bound) -> str:
    return "(" + " || ".join(bound.pieces()) + ")"


def _concat_ws(bound: Bound) -> str:
    # The engine's own leaves NULLs out, too, but takes a NULL separator for an empty one.
    return f"(CASE WHEN {bound.pieces()[0]} IS NULL THEN NULL ELSE concat_ws({', '.join(bound.pieces())}) END)"


def _format(bound: Bound) -> str:
    """Write Java's format string as the engine's printf, argument by argument."""
    pattern, arguments, next_one = bound.text(0), bound.arguments[1:], 0
    parts: list[str] = []
    at = 0
    for found in _FORMAT.finditer(pattern):
        if "%" in pattern[at : found.start()]:
            break
        parts.append(literal(pattern[at : found.start()]))
        at = found.end()
        place, flags, width, digits, kind = found.groups()
        if kind == "%":
            parts.append("'%'")
            continue
        if kind == "n":
            parts.append("chr(10)")
            continue
        if place is None:
            place, next_one = str(next_one + 1), next_one + 1
        if int(place) > len(arguments):
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{bound.where}Invalid format string: {pattern} (Format specifier '{found[0]}')")
        parts.append(_formatted(arguments[int(place) - 1], flags, width, digits, kind, bound))
    if "%" in pattern[at:]:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{bound.where}Invalid format string: {pattern}")
    return "(" + " || ".join([*parts, literal(pattern[at:])]) + ")"


def _formatted(value: Value, flags: str, width: str, digits: str | None, kind: str, bound: Bound) -> str:
    if kind in "sS":
        text = "'null'" if value.type.name == "unknown" else f"coalesce({_plain(value)}, 'null')"
        text = f"left({text}, {digits})" if digits else text
        text = f"upper({text})" if kind == "S" else text
        if width:
            pad = f"greatest({width} - length({{0}}), 0)"
            return fill(f"({{0}} || repeat(' ', {pad}))" if "-" in flags else f"(repeat(' ', {pad}) || {{0}})", [text])
        return text
    if kind == "d" and value.type.name in INTEGERS:
        if "," in flags:
            return _padded(f"format('{{:,d}}', {value.sql})", width, flags)
        return f"printf({literal('%' + flags + width + 'd')}, {value.sql})"
    if kind in "feE" and value.type.name in ("real", "double", "decimal"):
        number = f"CAST({value.sql} AS DOUBLE)"
        if "," in flags:
            return _padded(f"format('{{:,.{digits or 6}f}}', {number})", width, flags)
        return f"printf({literal('%' + flags + width + '.' + (digits or '6') + kind)}, {number})"
    if kind in "xX" and value.type.name in INTEGERS:
        return f"printf({literal('%' + flags + width + kind)}, {value.sql})"
    if kind == "b":
        return f"CAST({value.sql} AS VARCHAR)"
    raise NotSupported(f"{bound.where}format: %{kind} with {value.type} is not supported here; %s, %d, %f, %e, %x and %b are")


def _padded(text: str, width: str, flags: str) -> str:
    if not width:
        return text
    pad = f"repeat(' ', greatest({width} - length({{0}}), 0))"
    return fill(f"({{0}} || {pad})" if "-" in flags else f"({pad} || {{0}})", [text])


def _plain(value: Value) -> str:
    # Java's own text of a number, not CAST's: 1.5, not 1.5E0.
    return f"CAST({value.sql} AS VARCHAR)" if value.type.name in ("real", "double") else as_text(value)


def _substring(bound: Bound) -> str:
    pieces = bound.pieces()
    start = bound.arguments[1].constant
    if isinstance(start, int) and start > 0:
        return f"substring({', '.join(pieces)})"
    length = ", {2}" if len(pieces) == 3 else ""
    return fill(f"(CASE WHEN {{1}} = 0 OR -{{1}} > length({{0}}) THEN '' ELSE substring({{0}}, {{1}}{length}) END)", pieces)


def _split_limit(bound: Bound) -> str:
    # The last part keeps what is left, separators and all.
    rest = "array_to_string(list_slice(split({0}, {1}), {2}, NULL), {1})"
    return fill(
        f"(CASE WHEN len(split({{0}}, {{1}})) <= {{2}} THEN split({{0}}, {{1}})"
        f" ELSE list_append(list_slice(split({{0}}, {{1}}), 1, {{2}} - 1), {rest.replace('NULL', 'len(split({0}, {1}))')}) END)",
        bound.pieces(),
    )


_INDEX = fail("INVALID_FUNCTION_ARGUMENT", "Index must be greater than zero")
# All places where it occurs, the n-th of them; a negative n counts from the end.
_NTH = 'coalesce(list_extract(list_filter(range(1, length({0}) + 1), lambda "$i": starts_with(substring({0}, "$i"), {1})), {2}), 0)'
_PAD = (
    "(CASE WHEN {2} = '' THEN "
    + fail("INVALID_FUNCTION_ARGUMENT", "Padding string must not be empty")
    + " ELSE %s({0}, CAST({1} AS INTEGER), {2}) END)"
)
_FIRST_LETTER = (
    "(CASE WHEN length({0}) = 1 THEN unicode({0}) ELSE CAST("
    + fail("INVALID_FUNCTION_ARGUMENT", "Input string must be a single character string")
    + " AS INTEGER) END)"
)

STRINGS = FunctionLibrary()
STRINGS.add("scalar", {
    "length|char_length|character_length(varchar) -> bigint": "length({0})",
    "length(varbinary) -> bigint": "octet_length({0})",
    "lower(varchar) -> varchar": "lower({0})",
    "upper(varchar) -> varchar": "upper({0})",
    "trim(varchar) -> varchar": "trim({0})",
    "trim(varchar, varchar) -> varchar": "trim({0}, {1})",
    "ltrim(varchar) -> varchar": "ltrim({0})",
    "ltrim(varchar, varchar) -> varchar": "ltrim({0}, {1})",
    "rtrim(varchar) -> varchar": "rtrim({0})",
    "rtrim(varchar, varchar) -> varchar": "rtrim({0}, {1})",
    "substr|substring(varchar, bigint) -> varchar": _substring,
    "substr|substring(varchar, bigint, bigint) -> varchar": _substring,
    "replace(varchar, varchar) -> varchar": "replace({0}, {1}, '')",
    "replace(varchar, varchar, varchar) -> varchar": "replace({0}, {1}, {2})",
    "reverse(varchar) -> varchar": "array_to_string(list_reverse(split({0}, '')), '')",
    "strpos(varchar, varchar) -> bigint": "CAST(strpos({0}, {1}) AS BIGINT)",
    "strpos(varchar, varchar, bigint) -> bigint": _NTH,
    "split(varchar, varchar) -> array(varchar)": "split({0}, {1})",
    "split(varchar, varchar, bigint) -> array(varchar)": _split_limit,
    "split_part(varchar, "
    "varchar, bigint) -> varchar": "(CASE WHEN {2} < 1 THEN " + _INDEX + " ELSE list_extract(split({0}, {1}), {2}) END)",
    "lpad(varchar, bigint, varchar) -> varchar": _PAD % "lpad",
    "rpad(varchar, bigint, varchar) -> varchar": _PAD % "rpad",
    "concat(varchar, varchar...) -> varchar": _concat,
    "concat(varbinary, varbinary...) -> varbinary": _concat,
    "concat_ws(varchar, array(varchar)) -> varchar": "(CASE WHEN {0} IS NULL THEN NULL ELSE array_to_string({1}, {0}) END)",
    "concat_ws(varchar, varchar...) -> varchar": _concat_ws,
    "starts_with(varchar, varchar) -> boolean": "starts_with({0}, {1})",
    "chr(bigint) -> varchar": "chr(CAST({0} AS INTEGER))",
    "codepoint(varchar) -> integer": _FIRST_LETTER,
    "translate(varchar, varchar, varchar) -> varchar": "translate({0}, {1}, {2})",
    "levenshtein_distance(varchar, varchar) -> bigint": "levenshtein({0}, {1})",
    "hamming_distance(varchar, varchar) -> bigint": "hamming({0}, {1})",
    "normalize(varchar) -> varchar": "nfc_normalize({0})",
    "format(varchar, any...) -> varchar": _format,
    "typeof(any) -> varchar": lambda bound: literal(str(bound.arguments[0].type)),
    "to_utf8(varchar) -> varbinary": "encode({0})",
    "from_utf8(varbinary) -> varchar": "decode({0})",
    "to_hex(varbinary) -> varchar": "hex({0})",
    "from_hex(varchar) -> varbinary": "unhex({0})",
    "from_hex(varbinary) -> varbinary": "unhex(decode({0}))",
    "to_base64(varbinary) -> varchar": "to_base64({0})",
    "from_base64(varchar) -> varbinary": "from_base64({0})",
    "to_base64url(varbinary) -> varchar": "translate(to_base64({0}), '+/', '-_')",
    "from_base64url(varchar) -> varbinary": "from_base64(translate({0}, '-_', '+/'))",
    "md5(varbinary) -> varbinary": "unhex(md5({0}))",
    "sha1(varbinary) -> varbinary": "unhex(sha1({0}))",
    "sha256(varbinary) -> varbinary": "unhex(sha256({0}))",
    "uuid() -> uuid": "uuid()",
})  # fmt: skip
STRINGS.refuse({
    **dict.fromkeys(("hmac_md5", "hmac_sha1", "hmac_sha256", "hmac_sha512", "soundex"), ""),
    "crc32": "md5 or sha256", "sha512": "sha256",
    "xxhash64": "md5", "murmur3": "md5", "spooky_hash_v2_32": "md5", "spooky_hash_v2_64": "md5",
    "word_stem": "regexp_replace", "luhn_check": "regexp_like", "to_big_endian_32": "to_hex", "to_big_endian_64": "to_hex",
    "from_big_endian_32": "from_hex", "from_big_endian_64": "from_hex", "to_ieee754_32": "to_hex", "to_ieee754_64": "to_hex",
    "from_ieee754_32": "from_hex", "from_ieee754_64": "from_hex", "to_base32": "to_base64", "from_base32": "from_base64",
})  # fmt: skip
