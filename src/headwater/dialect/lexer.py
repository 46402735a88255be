"""Words of a statement that is no query: names, quoted or not, strings, numbers and signs, each with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from headwater.dialect.errors import MalformedQuery
from headwater.dialect.grammar import place

Kind = Literal["word", "name", "string", "number", "sign", "end"]

# What is never closed is one sign to the end of the text: looked at again behind each mark, reading it would take quadratic time.
_WORDS = r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<name>`(?:[^`]|``)*+`|"(?:{double})*+")
    |(?P<string>'(?:{single})*+')
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<sign>(?:/\*|[`"']).*|.)"""
_TRINO, _HIVE = (
    re.compile(_WORDS.format(double=double, single=single), re.VERBOSE | re.DOTALL)
    for double, single in (('[^"]|""', "[^']|''"), (r"[^\"\\]|\"\"|\\.", r"[^'\\]|''|\\."))
)
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([0-3][0-7]{2})|(.))", re.DOTALL)
_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}

_MOST_DIGITS = 18


class Word(NamedTuple):
    """One word: `text` without its quotes, where it starts and where it ends."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The keyword it may be; '' for what is quoted."""
        return self.text.upper() if self.kind in ("word", "sign") else ""


def words(text: str, *, hive: bool = False) -> list[Word]:
    """Return the words of *text* without comments, and an end. *hive*: strings have escapes: `\\t`, `\\001`, `\\'`."""
    found = []
    for match in (_HIVE if hive else _TRINO).finditer(text):
        kind, written = match.lastgroup, match[0]
        if kind in ("name", "string"):
            inside = written[1:-1].replace(written[0] * 2, written[0])
            meant = unescaped(inside, _ESCAPES) if hive and written[0] != "`" else inside
            found.append(Word(kind, meant, match.start(), match.end()))  # type: ignore[arg-type]
        elif kind in ("number", "word", "sign"):
            found.append(Word(kind, written, match.start(), match.end()))  # type: ignore[arg-type]
    return [*found, Word("end", "<EOF>", len(text), len(text))]


def unescaped(text: str, letters: Mapping[str, str]) -> str:
    """Return what *text* of Hive's means, its escapes resolved: numbers as Hive reads them, *letters* that mean another, or themselves."""
    meant = _ESCAPED.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else chr(int(found[2], 8)) if found[2] else letters.get(found[3], found[3]), text
    )
    return whole_letters(meant)


def whole_letters(text: str) -> str:
    """Return *text* with a letter for each pair of surrogates, as Java's escapes write it; half of one is U+FFFD: UTF-8 has none."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Reader:
    """Reads the words of *text* one after the other; what does not fit is a `MalformedQuery` that names the word.

    *hive*: the statement is one that Hive's grammar reads, whose strings have escapes, and may stand in double quotes.
    """

    def __init__(self, text: str, *, hive: bool = False) -> None:
        self.text, self._hive = text, hive
        self._words = words(text, hive=hive)
        while len(self._words) > 1 and self._words[-2].text == ";" and self._words[-2].kind == "sign":
            del self._words[-2]
        self.at = 0

    @property
    def next(self) -> Word:
        """The word that was not read yet."""
        return self._words[self.at]

    def peek(self, *keywords: str) -> bool:
        """Return whether the next words are these keywords."""
        return all(
            self.at + ahead < len(self._words) and self._words[self.at + ahead].upper == keyword for ahead, keyword in enumerate(keywords)
        )

    def take(self, *keywords: str) -> bool:
        """Read these keywords, if they come next."""
        if self.peek(*keywords):
            self.at += len(keywords)
            return True
        return False

    def expect(self, *keywords: str) -> None:
        """Read these keywords, which must come next."""
        for keyword in keywords:
            if not self.take(keyword):
                raise self.mismatch(keyword)

    def any(self) -> Word:
        """Read the next word, whatever it is but the end."""
        word = self.next
        if word.kind == "end":
            raise self.mismatch()
        self.at += 1
        return word

    def name(self) -> str:
        """Read a name, in lower case."""
        if self.next.kind not in ("word", "name"):
            raise self.mismatch()
        return self.any().text.lower()

    def number(self) -> int:
        """Read a whole number."""
        if not self.next.text.isdecimal() or len(self.next.text) > _MOST_DIGITS:
            raise self.mismatch()
        return int(self.any().text)

    def string(self) -> str:
        """Read a string."""
        if not self.is_string:
            raise self.mismatch()
        return self.any().text

    @property
    def is_string(self) -> bool:
        """Whether a string comes next."""
        return self.next.kind == "string" or (self._hive and self.text[self.next.start : self.next.start + 1] == '"')

    def end(self) -> None:
        """Check that nothing comes any more."""
        if self.next.kind != "end":
            raise self.mismatch()

    def mismatch(self, expected: str | None = None) -> MalformedQuery:
        """Return the error for the next word."""
        told = f". Expecting: '{expected}'" if expected else ""
        word = self.text[self.next.start : self.next.end] if self.next.kind != "end" else "<EOF>"
        return MalformedQuery(f"{place(self.text, self.next.start)}: mismatched input '{word}'{told}")

    def rest(self, start: int | None = None) -> str:
        """Return the text from the next word on, at its own place: what is before it is blank."""
        at = self.next.start if start is None else start
        return re.sub(r"[^\n]", " ", self.text[:at]) + self.text[at:]

    def remaining(self) -> list[Word]:
        """Return the words that were not read yet, without the end."""
        return self._words[self.at : -1]

    def has_several(self) -> bool:
        """Return whether a `;` stands between two statements."""
        return any(word.kind == "sign" and word.text == ";" for word in self._words)
