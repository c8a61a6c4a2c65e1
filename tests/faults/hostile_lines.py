"""Lines of JSON that no honest program writes, and a few that only look so."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bombs import Runs

ID = "hostile"
LIMIT = 40_000
"""Bytes of a record at most, where a case is about the limit and not about memory."""
MANY = 60 << 20
"""Bytes of a line within the default limit of 64 MiB."""


class Case(NamedTuple):
    """A hostile record, or several, among clean ones; its id, if it says any, is `ID`.

    `runs` are its bytes, or a function that gives them. It must come out with `text` (UTF-8), if there is one; it
    must be quarantined, if it is `refused`, with `bad` records at least; else it may come out, be dropped or
    quarantined. `limit`: the most bytes of a record to read it with, None for the default. `last`: nothing can
    follow it.
    """

    runs: Runs | Callable[[], Runs]
    refused: bool = False
    text: Runs | None = None
    bad: int = 0
    limit: int | None = None
    last: bool = False


def refused(*runs: tuple[bytes, int] | bytes, bad: int = 1, limit: int | None = None, last: bool = False) -> Case:
    return Case(_runs(runs), True, None, bad, limit, last)


def free(*runs: tuple[bytes, int] | bytes) -> Case:
    return Case(_runs(runs))


def _runs(runs) -> list[tuple[bytes, int]]:
    return [(run, 1) if isinstance(run, bytes) else run for run in runs]


def _text(value: bytes, count: int, text: Runs, limit: int | None = None) -> Case:
    return Case([(b'{"id": "hostile", "text": "', 1), (value, count), (b'"}\n', 1)], text=text, limit=limit)


def _same(value: bytes, count: int, limit: int | None = None) -> Case:
    """A text that JSON writes as it is."""
    return _text(value, count, [(value, count)], limit)


def _extra(*runs: tuple[bytes, int] | bytes) -> Case:
    """A good document with one more field, of the given content."""
    return Case([(b'{"id": "hostile", "text": "x", "extra": ', 1), *_runs(runs), (b"}\n", 1)])


def _good(*runs: tuple[bytes, int] | bytes) -> Case:
    """The same where the field is no reason to refuse the document."""
    return _extra(*runs)._replace(text=[(b"x", 1)])


def _array(item: bytes, size: int = MANY) -> Case:
    return _extra(b"[", (item + b",", size // (len(item) + 1)), item + b"]")


def _many_keys() -> Runs:
    keys = b",".join(b'"k%d":0' % number for number in range(1_500_000))
    return [(b'{"id": "hostile", "text": "x", "extra": {', 1), (keys, 1), (b"}}\n", 1)]


def _beside(field: bytes, text: bytes = b"x", count: int = 2_000) -> Case:
    """Documents with a megabyte in a field that is not the text."""
    line = [(b'{"text": "' + text + b'", "' + field + b'": "', 1), (b"a", 1 << 20), (b'"}\n', 1)]
    return Case(line * count)


def _long(size: int, count: int = 1, limit: int | None = None, last: bool = False) -> Case:
    """Lines of some more than `size` bytes that are good but for their length."""
    line = [(b'{"id": "hostile", "text": "', 1), (b"a", size), (b"" if last else b'"}\n', 1)]
    return Case(line * count, True, None, count, limit, last)


STRUCTURES = {
    "arrays opened": refused((b"[", 1 << 20), b"\n"),
    "arrays opened without number": refused((b"[", MANY), b"\n"),
    "objects opened": refused((b'{"a":', 200_000), b"\n"),
    "objects opened without number": refused((b'{"a":', MANY // 5), b"\n"),
    "arrays nested": refused((b"[", 100_000), (b"]", 100_000), b"\n"),
    "arrays nested in a field": _extra((b"[", 100_000), (b"]", 100_000)),
    "arrays nested below the recursion limit": _extra((b"[", 900), (b"]", 900)),
    "objects nested in a field": _extra((b'{"a":', 100_000), b"1", (b"}", 100_000)),
    "a little nested": _good((b"[", 50), (b"]", 50)),
    "empty objects": _array(b"{}"),
    "empty arrays": _array(b"[]"),
    "small objects": _array(b'{"a":1}'),
    "ones": _array(b"1"),
    "fractions": _array(b"1.5"),
    "integers": _array(b"1000"),
    "short strings": _array(b'"ab"'),
    "wide strings": _array('"𝄞𝄞"'.encode()),
    "nulls": _array(b"null"),
    "many keys": Case(_many_keys),
    "a long key": _extra(b'{"', (b"k", MANY // 2), b'": 1}'),
    "bare empty objects": refused(b"[", (b"{},", MANY // 3), b"{}]\n"),
    "the same key again and again": _extra(b"{", (b'"k":{},', MANY // 7), b'"k":{}}'),
}
"""What a parser makes objects of."""

NUMBERS = {
    "4,300 digits": _extra((b"9", 4_300)),
    "4,301 digits": _extra((b"9", 4_301)),
    "ten million digits": _extra((b"9", 10_000_000)),
    "a long fraction": _extra(b"0.", (b"1", 10_000_000)),
    "a huge exponent": _good(b"1e999999999"),
    "a tiny exponent": _good(b"1e-999999999"),
    "exponent of many digits": _extra(b"1e", (b"9", 1_000_000)),
    "NaN": _good(b"NaN"),
    "infinities": _good(b"[Infinity, -Infinity]"),
    "minus": refused(b'{"id": "hostile", "text": "x", "n": -}\n'),
    "leading zero": refused(b'{"id": "hostile", "text": "x", "n": 012}\n'),
}

TEXTS = {
    "a long text": _same(b"abc def ", 200_000),
    "a text below the limit": _same(b"word ", 12 << 20),
    "escapes": _text(b"\\u0041", 10_000_000, [(b"A", 10_000_000)]),
    "escaped pairs": _text(b"\\ud834\\udd1e", 5_000_000, [("𝄞".encode(), 5_000_000)]),
    "wide characters": _same("𝄞".encode(), 15_000_000),
    "one wide character makes all wide": Case(
        [(b'{"id": "hostile", "text": "', 1), (b"a", MANY - 100), ('𝄞"}\n'.encode(), 1)],
        text=[(b"a", MANY - 100), ("𝄞".encode(), 1)],
    ),
    "escaped NUL": _text(b"a\\u0000b", 1, [(b"a\0b", 1)]),
    "line separators": _same("a\u2028b\u2029c\x85d".encode(), 1),
    "byte order mark in a text": _same("\ufeffa".encode(), 1),
    "noncharacters": _same("\uffff\ufffe\U0010ffff".encode(), 1),
    "not UTF-8": refused(b'{"id": "hostile", "text": "\xff"}\n'),
    "overlong": refused(b'{"id": "hostile", "text": "\xc0\xaf"}\n'),
    "coded surrogates": refused(b'{"id": "hostile", "text": "\xed\xa0\xb4\xed\xb4\x9e"}\n'),
    "beyond Unicode": refused(b'{"id": "hostile", "text": "\xf5\x80\x80\x80"}\n'),
    "a cut character": refused(b'{"id": "hostile", "text": "\xe2\x82"}\n'),
    "not UTF-8 in a key": refused(b'{"id": "hostile", "text": "x", "\xff": 1}\n'),
    "half a pair": refused(b'{"id": "hostile", "text": "\\ud834"}\n'),
    "the wrong half": refused(b'{"id": "hostile", "text": "\\udd1e\\ud834"}\n'),
    "half a pair in a key": refused(b'{"id": "hostile", "text": "x", "\\ud834": 1}\n'),
    "half a pair in the id": refused(b'{"id": "\\ud834", "text": "x"}\n'),
    "control characters": refused(b'{"id": "hostile", "text": "\x01"}\n'),
    "latin-1": refused('{"id": "hostile", "text": "Grüße"}\n'.encode("latin-1")),
}

SHAPES = {
    "the text twice": free(b'{"id": "hostile", "text": "a", "text": "b"}\n'),
    "the text twice, one bad": free(b'{"id": "hostile", "text": "a", "text": 7}\n'),
    "no text": refused(b'{"id": "hostile"}\n'),
    "text is null": refused(b'{"id": "hostile", "text": null}\n'),
    "text is an array": refused(b'{"id": "hostile", "text": ["x"]}\n'),
    "text is a number": refused(b'{"id": "hostile", "text": 1e400}\n'),
    "id is an object": free(b'{"id": {"a": [1]}, "text": "x"}\n'),
    "id is a number": free(b'{"id": 12345678901234567890123, "text": "x"}\n'),
    "a long id": free(b'{"id": "', (b"i", 10 << 20), b'", "text": "x"}\n'),
    "two objects": refused(b'{"id": "hostile", "text": "x"}{"id": "hostile", "text": "x"}\n'),
    "carriage returns between": refused(b'{"id": "hostile", "text": "x"}\r{"id": "hostile", "text": "x"}\n'),
    "a byte order mark": free(b'\xef\xbb\xbf{"id": "hostile", "text": "x"}\n'),
    "UTF-16": refused('{"id": "hostile", "text": "x"}'.encode("utf-16-le") + b"\n"),
    "a comment": refused(b'{"id": "hostile", "text": "x"} // x\n'),
    "a trailing comma": refused(b'{"id": "hostile", "text": "x",}\n'),
    "an unended string": refused(b'{"id": "hostile", "text": "x\n'),
    "NULs": refused((b"\0", 1 << 20), b"\n"),
    "blank lines": free((b"\n", 3_000_000)),
    "blanks": free((b" ", 10 << 20), b"\n"),
    "blanks beyond the limit": free((b" ", 100 << 20), b"\n"),
    "many bad lines": refused((b"x\n", 200_000), bad=200_000),
    "many long bad lines": refused((b"x" * 5_000 + b"\n", 8_000), bad=8_000),
    "many empty texts": free((b'{"text": ""}\n', 100_000)),
}

BESIDE = {
    "long metadata": _beside(b"extra"),
    "long ids": _beside(b"id"),
    "long addresses": _beside(b"url"),
    "long ids of empty texts": _beside(b"id", b""),
}
"""Small texts with much beside them, so that a batch bounded by its text is none."""

LENGTHS = {
    "a line beyond the limit": _long(100 << 20),
    "a line far beyond the limit": _long(700 << 20),
    "a line without end": _long(100 << 20, last=True),
    "zeros without end": refused((b"\0", 300 << 20), last=True),
    "lines beyond the limit": _long(70 << 20, 3),
    "a line below a small limit": _same(b"a", LIMIT - 100, LIMIT),
    "a line beyond a small limit": _long(LIMIT, limit=LIMIT),
    "lines beyond a small limit": _long(LIMIT, 5, LIMIT),
    "a line far beyond a small limit": _long(5 << 20, limit=LIMIT),
    "a line without end beyond a small limit": _long(LIMIT, limit=LIMIT, last=True),
    "a last line cut short": refused(b'{"id": "hostile", "text": "aaa', last=True),
}

LINES: dict[str, Case] = {**STRUCTURES, **NUMBERS, **TEXTS, **SHAPES, **BESIDE, **LENGTHS}
