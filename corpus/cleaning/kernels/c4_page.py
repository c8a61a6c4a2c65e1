"""The kernel of the C4 stage: one page of bytes in, one cleaned page out, in one pass.

The rules and their order are those of `clean_page` of C4 3.1.0
(`text/c4_utils.py`); `c4.C4` says what each one does.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numba
import numpy as np

from corpus.text import sentences, spans, unicode, utf8
from corpus.text.leaf import leaf
from corpus.text.search import find

Rule = Literal[
    "page_too_long",
    "line_word_too_long",
    "citations",
    "line_no_end_mark",
    "line_too_few_words",
    "lorem_ipsum",
    "line_javascript",
    "curly_bracket",
    "line_policy",
    "too_few_sentences",
]
RULES: tuple[str, ...] = get_args(Rule)
(
    PAGE_TOO_LONG,
    WORD_TOO_LONG,
    CITATIONS,
    NO_END_MARK,
    TOO_FEW_WORDS,
    LOREM_IPSUM,
    JAVASCRIPT,
    CURLY_BRACKET,
    POLICY,
    TOO_FEW_SENTENCES,
) = range(len(RULES))
KEPT = len(RULES)
"""Verdicts on lines and pages: the rule that fired, or `KEPT`."""

POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
EDIT = np.frombuffer(b"[edit]", np.uint8)
CITATION_NEEDED = np.frombuffer(b"[citation needed]", np.uint8)

_IS_DIGIT = unicode.category_table() == unicode.CATEGORIES.index("Nd")
DIGIT_ZEROS = np.flatnonzero(_IS_DIGIT & ~np.roll(_IS_DIGIT, 1))
"""First code point of every run of decimal digits (\\d of Python's `re`)."""
DIGIT_RUNS = np.flatnonzero(_IS_DIGIT & ~np.roll(_IS_DIGIT, -1)) + 1 - DIGIT_ZEROS

NEEDLES = ("lorem ipsum", "javascript", *POLICIES)
HAS_LOREM_IPSUM, HAS_JAVASCRIPT = np.uint64(1), np.uint64(2)  # other bits: a policy


class Settings(NamedTuple):
    """What the kernel needs to know. Numbers only: arrays in a tuple cost reference counts
    with every line."""

    enabled: int  # bit mask: rule i is bit i
    max_page_characters: int
    max_word_length: int
    min_words_per_line: int
    min_sentences: int


@numba.njit(cache=True, nogil=True)
def clean_pages(data, offsets, settings, needles):
    """Cleans every page of a string column; `needles` is `search.prepare(NEEDLES)`.

    Returns (out, out_offsets, verdicts, values, counters): the cleaned texts, empty for
    dropped pages; int64[pages], the rule that dropped the page or `KEPT`; int64[pages],
    code points (`PAGE_TOO_LONG`), the number of the line from 1 (`LOREM_IPSUM`,
    `CURLY_BRACKET`) or sentences (`TOO_FEW_SENTENCES`); int64[len(RULES) + 1], lines that
    each rule dropped (`CITATIONS`: marks cut out of kept lines) and, last, lines kept.
    """
    pages = len(offsets) - 1
    out = np.empty(offsets[-1] - offsets[0], np.uint8)
    out_offsets = np.zeros(pages + 1, np.int64)
    verdicts = np.empty(pages, np.int64)
    values = np.zeros(pages, np.int64)
    counters = np.zeros(KEPT + 1, np.int64)
    for page in range(pages):
        start, end = offsets[page], offsets[page + 1]
        verdicts[page], values[page], out_offsets[page + 1] = clean_page(
            data, start, end, out, out_offsets[page], settings, needles, counters
        )
    return out, out_offsets, verdicts, values, counters


@leaf
def clean_page(data, start, end, out, out_start, settings, needles, counters):
    """Writes the cleaned page to `out` from `out_start`: (verdict, value, end in `out`).

    A line is edited in `out`, where it would go, and stays if it is kept. The output never
    gets longer than the input: each newline stands for the line end that was there.
    """
    if settings.enabled >> PAGE_TOO_LONG & 1 and end - start > settings.max_page_characters:
        length = utf8.characters(data, start, end)
        if length > settings.max_page_characters:
            return PAGE_TOO_LONG, length, out_start
    written = out_start
    line_number, kept, found_sentences = 0, 0, 0
    position = start
    while position < end:
        line_end, following = spans.line_at(data, position, end)
        line_number += 1
        begin = written + (kept > 0)
        verdict, stop, cut = clean_line(data, position, line_end, out, begin, settings, needles)
        position = following
        if verdict == LOREM_IPSUM or verdict == CURLY_BRACKET:
            return verdict, line_number, out_start
        counters[verdict] += 1
        if verdict != KEPT:
            continue
        counters[CITATIONS] += cut
        if kept:
            out[written] = 0x0A
        written = stop
        kept += 1
        if found_sentences < settings.min_sentences:  # more make no difference
            missing = settings.min_sentences - found_sentences
            found_sentences += sentences.count_sentences(out, begin, stop, missing)
    if found_sentences < settings.min_sentences:
        return TOO_FEW_SENTENCES, found_sentences, out_start
    return KEPT, 0, _strip_in_place(out, out_start, written)


@leaf
def clean_line(data, start, end, out, begin, settings, needles):
    """Writes the edited line `data[start:end]` to `out` from `begin`: (the first rule that
    fires or `KEPT`, end in `out`, citations cut)."""
    enabled = settings.enabled
    start, end = spans.strip(data, start, end)
    if enabled >> WORD_TOO_LONG & 1:
        if spans.has_longer_word(data, start, end, settings.max_word_length):
            return WORD_TOO_LONG, begin, 0
    # Cutting citations changes the end of a line only if it ends in one.
    may_end = start < end and (data[end - 1] == 0x5D or has_end_mark(data, start, end))
    if enabled >> NO_END_MARK & 1 and not may_end:
        return NO_END_MARK, begin, 0
    stop, cut = copy_without_citations(data, start, end, out, begin, enabled >> CITATIONS & 1)
    if enabled >> NO_END_MARK & 1 and not has_end_mark(out, begin, stop):
        return NO_END_MARK, stop, cut
    if enabled >> TOO_FEW_WORDS & 1:
        least = settings.min_words_per_line
        if spans.count_words(out, begin, stop, least) < least:
            return TOO_FEW_WORDS, stop, cut
    found = find(out, begin, stop, needles)
    if enabled >> LOREM_IPSUM & 1 and found & HAS_LOREM_IPSUM:
        return LOREM_IPSUM, stop, cut
    if enabled >> JAVASCRIPT & 1 and found & HAS_JAVASCRIPT:
        return JAVASCRIPT, stop, cut
    if enabled >> CURLY_BRACKET & 1 and has_curly_bracket(out, begin, stop):
        return CURLY_BRACKET, stop, cut
    if enabled >> POLICY & 1 and found & ~(HAS_LOREM_IPSUM | HAS_JAVASCRIPT):
        return POLICY, stop, cut
    return KEPT, stop, cut


@leaf
def copy_without_citations(data, start, end, out, begin, enabled):
    """Copies a line without its citation marks: (end in `out`, marks cut)."""
    cut = 0
    position = start
    while position < end:
        if data[position] == 0x5B and enabled:
            length = citation_length(data, position, end)
            if length:
                position += length
                cut += 1
                continue
        out[begin] = data[position]
        begin += 1
        position += 1
    return begin, cut


@leaf
def citation_length(data, position, end):
    """Bytes of `\\[\\d*\\]|\\[edit\\]|\\[citation needed\\]` at the "[" at `position`, else 0.

    `\\d` is any decimal digit of Unicode, as in Python's `re`."""
    for word in (EDIT, CITATION_NEEDED):
        after = position + len(word)
        if after <= end and _is_at(data, position, word):
            return len(word)
    after = position + 1
    while after < end and data[after] != 0x5D:
        code_point, width = utf8.decode(data, after)
        run = np.searchsorted(DIGIT_ZEROS, code_point, side="right") - 1
        if run < 0 or code_point - DIGIT_ZEROS[run] >= DIGIT_RUNS[run]:
            return 0
        after += width
    return after + 1 - position if after < end else 0


@leaf
def _is_at(data, position, word):
    for i in range(len(word)):
        if data[position + i] != word[i]:
            return False
    return True


@leaf
def has_end_mark(data, start, end):
    """Whether the line ends in one of . ? ! " and not in "..."."""
    if start == end:
        return False
    last = data[end - 1]
    if last == 0x2E:
        return end - start < 3 or data[end - 2] != 0x2E or data[end - 3] != 0x2E
    return last == 0x3F or last == 0x21 or last == 0x22


@leaf
def has_curly_bracket(data, start, end):
    """Whether the line contains "{"."""
    for position in range(start, end):
        if data[position] == 0x7B:
            return True
    return False


@leaf
def _strip_in_place(out, start, end):
    """Strips `out[start:end]` and moves it to `start`; returns its new end."""
    begin, end = spans.strip(out, start, end)
    if begin > start:
        for position in range(begin, end):
            out[position - begin + start] = out[position]
    return end - begin + start
