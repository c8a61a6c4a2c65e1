"""What of a dropped text differs from the one that is kept, for people: the words that one has and the other has not.

Words are compared as they stand, case and marks included; in scripts without spaces, each letter is one. White space
and signs that nobody sees (general category Cf) are not compared. What is compared is bounded, so that a pair takes
some milliseconds, whatever its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import LCSseq

from corpus.text import scripts, unicode

MOST_CHARACTERS = 1 << 18
"""Of a text, that are looked at."""
COMPARED = 1 << 13
"""Words of a text that are compared, behind those with which both begin: time and memory are its square, a bit each."""
JOINED = 2
"""Words that two changes may have between them to be shown as one: so few agree by chance."""
CONTEXT = 40
"""Characters that both have that are shown before and behind a change."""
SHOWN = 300
"""Characters that are shown of what one has and the other has not."""


class Change(NamedTuple):
    """A place at which two texts differ: what the kept one has there, and what the dropped one has, either may be
    nothing; what both have before and behind it, with … where that is not all of it."""

    before: str
    kept: str
    dropped: str
    after: str


class Difference(NamedTuple):
    """The first changes from the kept text to the dropped one, how many `more` were found, and whether both texts
    were compared to their ends."""

    changes: list[Change]
    more: int
    complete: bool


class _Words(NamedTuple):
    """A text, and where its words begin and end (characters)."""

    text: str
    starts: list[int]
    ends: list[int]

    def span(self, first: int, end: int, alone: bool) -> tuple[int, int]:
        """Where words number `first` to before `end` are, with the white space to the next one if they stand `alone`,
        the other text having nothing there; where they would be if there are none."""
        is_last = end == len(self.starts)
        if first == end:
            place = self.starts[end] if not is_last else self.ends[-1] if self.ends else 0
            return place, place
        if alone and is_last and first:
            return self.ends[first - 1], self.ends[-1]
        return self.starts[first], self.ends[end - 1] if is_last or not alone else self.starts[end]


def difference(kept: str, dropped: str, most: int) -> Difference:
    """The first `most` changes from one text to the other.

    >>> from pipelines.near.differences import difference
    >>> difference("The fox is brown. So it is.", "The fox is quick and brown. So it is!", 5).changes
    [Change(before='The fox is ', kept='', dropped='quick and ', after='brown. So it is…'),
     Change(before='…brown. So it is', kept='.', dropped='!', after='')]
    """
    one, other = _words(kept[:MOST_CHARACTERS]), _words(dropped[:MOST_CHARACTERS])
    names: dict[str, int] = {}
    first, second = (
        [names.setdefault(words.text[start:end], len(names)) for start, end in zip(words.starts, words.ends)]
        for words in (one, other)
    )
    same = _common(first, second)
    ends = len(first), len(second)
    whole = len(kept) <= MOST_CHARACTERS and len(dropped) <= MOST_CHARACTERS
    if whole:
        behind = _common(first[same:][::-1], second[same:][::-1])
        ends = ends[0] - behind, ends[1] - behind
    bounds = min(ends[0], same + COMPARED), min(ends[1], same + COMPARED)
    complete = whole and bounds == ends
    places = list(_places(first[same : bounds[0]], second[same : bounds[1]]))
    places = [(a + same, b + same, c + same, d + same) for a, b, c, d in places]
    if not complete and len(places) > 1 and (places[-1][1] == bounds[0] or places[-1][3] == bounds[1]):
        places.pop()  # it goes on where nothing was compared
    changes = [_change(one, other, places, number) for number in range(min(most, len(places)))]
    return Difference(changes, len(places) - len(changes), complete)


def _words(text: str) -> _Words:
    """A word is what stands between white space, or what nobody sees, and other signs; those, and letters of scripts
    without spaces, are words of their own, with the marks behind them."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    classes = unicode.class_table()[points]
    unseen = unicode.category_table()[points] == unicode.CATEGORIES.index("Cf")
    space, mark = unseen | ((classes & unicode.SPACE) != 0), (classes & unicode.MARK) != 0
    letter = mark | ((classes & unicode.WORD) != 0) & ~scripts.unspaced_table()[points]
    joined = np.zeros(len(points) + 1, np.bool_)  # to what is before it
    joined[1:-1] = ~space[:-1] & (mark[1:] | (letter[:-1] & letter[1:]))
    starts = np.flatnonzero(~space & ~joined[:-1])
    ends = 1 + np.flatnonzero(~space & ~joined[1:])
    return _Words(text, starts.tolist(), ends.tolist())


def _common(one: list[int], other: list[int]) -> int:
    """How many are the same at the beginning."""
    length = min(len(one), len(other))
    different = np.flatnonzero(np.array(one[:length]) != np.array(other[:length]))
    return int(different[0]) if len(different) else length


def _places(one: list[int], other: list[int]) -> Iterator[tuple[int, int, int, int]]:
    """(first, end) of what one has and the other has not, and of what this has instead."""
    waiting: tuple[int, int, int, int] | None = None
    for each in LCSseq.opcodes(one, other):
        if each.tag == "equal":
            continue
        if waiting and each.src_start - waiting[1] <= JOINED:
            waiting = waiting[0], each.src_end, waiting[2], each.dest_end
            continue
        if waiting:
            yield waiting
        waiting = each.src_start, each.src_end, each.dest_start, each.dest_end
    if waiting:
        yield waiting


def _change(one: _Words, other: _Words, places: list[tuple[int, int, int, int]], number: int) -> Change:
    def spans(number: int) -> tuple[tuple[int, int], tuple[int, int]]:
        first, end, other_first, other_end = places[number]
        return one.span(first, end, other_first == other_end), other.span(other_first, other_end, first == end)

    (start, stop), instead = spans(number)
    low = max(start - CONTEXT, spans(number - 1)[0][1] if number else 0)
    high = min(stop + CONTEXT, spans(number + 1)[0][0] if number + 1 < len(places) else len(one.text))
    return Change(
        "…" * (low > 0) + one.text[low:start],
        _short(one.text[start:stop]),
        _short(other.text[slice(*instead)]),
        one.text[stop:high] + "…" * (high < len(one.text)),
    )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
