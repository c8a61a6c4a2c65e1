"""Where one text repeats lines, paragraphs and n-grams of words, by the definitions of `repetition`.

Plain Python, for looking at single documents; the kernels there only count.
"""

from __future__ import annotations

import collections
import re

import numpy as np

from corpus.cleaning.kernels.gopher_words import DATATROVE, find_words, make_room, tables
from corpus.cleaning.kernels.repetition import GREATEST_TOP_GRAM, find_segments
from corpus.text import spans

Spans = list[tuple[int, int]]
"""(start, end) in bytes, in order."""


def segments(text: bytes, newlines: int, preset: int) -> Spans:
    """Repeated lines (`newlines` 1) or paragraphs (2): all copies, for DATATROVE those after the first."""
    data = np.frombuffer(text, np.uint8)
    start, end = spans.strip(data, 0, len(text)) if newlines > 1 and preset == DATATROVE else (0, len(text))
    starts, ends = np.empty((2, len(text) + 2), np.int64)
    count = find_segments(data, start, end, newlines, preset != DATATROVE, starts, ends) if text else 0
    found = list(zip(starts[:count].tolist(), ends[:count].tolist()))
    copies = collections.Counter(text[a:b] for a, b in found)
    seen: set[bytes] = set()
    repeated = []
    for a, b in found:
        if copies[text[a:b]] > 1 and (preset != DATATROVE or text[a:b] in seen):
            repeated.append((a, b))
        seen.add(text[a:b])
    return repeated


def grams(text: bytes, n: int, preset: int) -> Spans:
    """Up to GREATEST_TOP_GRAM words: all copies of the most frequent n-gram, if it is repeated. More: what
    repeated n-grams cover, for DATATROVE those seen before, from left to right, each word once."""
    texts, bounds = _words(text, preset)
    every = [tuple(texts[i : i + n]) for i in range(len(texts) - n + 1)]
    copies = collections.Counter(every)
    if n <= GREATEST_TOP_GRAM:
        length = (lambda gram: 0) if preset == DATATROVE else (lambda gram: len(b"".join(gram).decode()))
        top = max(copies, key=lambda gram: (copies[gram], length(gram)), default=())
        first = [i for i, gram in enumerate(every) if gram == top and copies[gram] > 1]
        return [(bounds[i][0], bounds[i + n - 1][1]) for i in first]
    if preset == DATATROVE:
        first = _seen_before(every, n)
    else:
        first = [i for i, gram in enumerate(every) if copies[gram] > 1]
    covered: Spans = []
    reached = 0
    for i in first:
        start = bounds[i][0]
        if covered and i < reached:
            start = covered.pop()[0]
        covered.append((start, bounds[i + n - 1][1]))
        reached = i + n
    return covered


def _seen_before(every: list[tuple[bytes, ...]], n: int) -> list[int]:
    """Numbers of the n-grams that repeat an earlier one, their words joined; none within another."""
    found: list[int] = []
    seen: set[bytes] = set()
    position = 0
    while position < len(every):
        joined = b"".join(every[position])
        if joined in seen:
            found.append(position)
        position += n if joined in seen else 1
        seen.add(joined)
    return found


def _words(text: bytes, preset: int) -> tuple[list[bytes], Spans]:
    """The words of a text and where they stand in it."""
    data, offsets = np.frombuffer(text, np.uint8), np.array([0, len(text)])
    room = make_room(offsets, preset)
    count = find_words(data, 0, len(text), preset, tables(), room)
    bounds = list(zip(room.starts[:count].tolist(), room.ends[:count].tolist()))
    if preset != DATATROVE:
        return [text[start:end] for start, end in bounds], bounds
    joined = room.joined.tobytes()
    words = [joined[start:end] for start, end in bounds]
    places: Spans = []
    position = 0
    for word in words:
        # NLTK writes quotation marks as `` and ''; all else stands in the text as it is.
        mark = b'|"' if word in (b"``", b"''") else b""
        if match := re.compile(re.escape(word) + mark).search(text, position):
            position = match.end()
        places.append(match.span() if match else (position, position))
    return words, places
