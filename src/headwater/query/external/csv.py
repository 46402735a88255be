"""Lines of CSV -> fields, as OpenCSVSerde takes them: its parser's rules for quotes and escapes, as SQL."""

from __future__ import annotations

from headwater.dialect.quoting import literal

# Noncharacters of Unicode: no text has them.
_MARK, _QUOTE, _ESCAPE = "\ufdd0", "\ufdd1", "\ufdd2"
NONE = "\0"
"""What is no sign: nothing separates, quotes or escapes by it."""


def fields_sql(line: str, separator: str, quote: str, escape: str) -> str:
    """Return the fields of a *line* as a list of texts, as they are written; an empty line has none."""
    s, q, e = map(_sign, (separator, quote, escape))
    special = "".join(sign for sign in (q, e) if sign)
    escaped = f"{e}[{special}]?" if e else ""
    parts = [f"[^{s}{special}]", escaped]
    if q:
        inner = "|".join(filter(None, (escaped, f"{q}{q}", f"[^{special}]")))
        parts.append(f"{q}(?:{inner})*(?:{q}|$)")
    leading = f"{e}*" if e else ""
    pattern = f"(?s){s}({leading}(?:{'|'.join(filter(None, parts))})*)"
    split = f"string_split({line}, {literal(separator)})"
    if special:
        found = f"regexp_extract_all({literal(separator)} || {line}, {literal(pattern)}, 1)"
        split = f"CASE WHEN {_has(line, quote, escape)} THEN {found} ELSE {split} END"
    return f"CASE WHEN {line} = '' THEN CAST([] AS VARCHAR[]) ELSE {split} END"


def value_sql(field: str, separator: str, quote: str, escape: str, *, first: bool) -> str:
    """Return what a *field* means: quotes around it gone, doubled and escaped ones as one; NULL where a quote is not closed.

    *first*: it is the first of its line, where the parser does not take a quote among the first three signs as text.
    """
    q, e, text = _sign(quote), _sign(escape), field
    if e:
        text = f"regexp_replace({text}, '(?s)^{e}+', '')"
        text = f"regexp_replace({text}, '{e}([{q}{e}])', '{_MARK}\\1', 'g')"
        text = f"replace({text}, {literal(_MARK + escape)}, '{_ESCAPE}')"
        if q:
            text = f"replace({text}, {literal(_MARK + quote)}, '{_QUOTE}')"
        text = f"replace({text}, {literal(escape)}, '')"
    value = text
    if q:
        one, two = literal(quote), literal(quote * 2)
        # A quote at the start opens; only behind it can two be one.
        text = (
            f"CASE WHEN starts_with({text}, {one}) THEN {one} || replace(substr({text}, 2), {two}, '{_QUOTE}')"
            f" ELSE replace({text}, {two}, '{_QUOTE}') END"
        )
        # Blanks before it are nothing, but where a separator is the first it has around it.
        blanks, short = (3, f"[^{q}]{{0,2}}") if first else (0, "")
        opening = f"(?s)^(?:\\s{{{blanks},}}{q}([^{_sign(separator)}])|({short}|\\s*){q})"
        bare = f"regexp_replace(regexp_replace({text}, '{opening}', '\\1\\2'), '{q}$', '')"
        closed = f"(length({text}) - length(replace({text}, {one}, ''))) % 2 = 0"
        value = f"CASE WHEN {closed} THEN replace({bare}, '{_QUOTE}', {one}) END"
    if e:
        value = f"replace({value}, '{_ESCAPE}', {literal(escape)})"
    return f"CASE WHEN {_has(field, quote, escape)} THEN {value} ELSE {field} END" if q or e else field


def _has(text: str, *signs: str) -> str:
    return "(" + " OR ".join(f"contains({text}, {literal(sign)})" for sign in signs if sign != NONE) + ")"


def _sign(sign: str) -> str:
    """Return a sign as regular expressions have it, in brackets and out of them; '' for none."""
    return "" if sign == NONE else f"\\x{{{ord(sign):x}}}"
