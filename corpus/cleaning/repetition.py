"""Repeated lines, paragraphs and n-grams of words: the numbers behind Gopher's repetition rules.

Equal means equal bytes: hashes only say where to look, so that no number here is a matter of chance. Equal
things get the number of the first of them. An n-gram is the pair of (n - 1)-grams that it begins and ends
with, and can be repeated only if both are; so each length looks only at what the length before left, and
compares two numbers where it would compare words.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.cleaning.gopher_words import DATATROVE, count_words, find_words, make_room
from corpus.text import spans, utf8
from corpus.text.leaf import leaf

LEAST_GRAM, GREATEST_TOP_GRAM, GREATEST_GRAM = 2, 4, 10
"""Rae et al. 2021, Table A1: the most frequent 2- to 4-gram, all repeated 5- to 10-grams."""

SEGMENT_SCORES = (
    "lines",
    "duplicate_line_fraction",
    "duplicate_paragraph_fraction",
    "duplicate_line_character_fraction",
    "duplicate_paragraph_character_fraction",
)
GRAM_SCORES = tuple(
    f"top_{n}_gram_fraction" if n <= GREATEST_TOP_GRAM else f"duplicate_{n}_gram_fraction"
    for n in range(LEAST_GRAM, GREATEST_GRAM + 1)
)

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, multiplicative hashing)
WINDOW = 16  # bytes at the ends of an n-gram that decide whether it is worth a look


@numba.njit(cache=True, nogil=True)
def empty_table(count, table):
    """A hash table of numbers for `count` entries, all -1: (table, its mask). `table` is used again, or
    replaced by a longer one."""
    size = 16
    while size < 2 * count:
        size *= 2
    if size > len(table):
        table = np.empty(size, np.int32)
    table[:size] = -1
    return table, size - 1


@numba.njit(cache=True, nogil=True, inline="always")
def _eight_bytes(data, position):
    """data[position:position + 8] as a number; unsigned positions make this one load."""
    at = np.uint64(position)
    value = np.uint64(0)
    for i in range(8):
        value |= np.uint64(data[at + np.uint64(i)]) << np.uint64(8 * i)
    return value


@leaf
def _few_bytes(data, start, end):
    """data[start:end], less than eight bytes, as a number; those of one length differ if their bytes do."""
    begin, length = np.uint64(start), np.uint64(end - start)
    value = np.uint64(0)
    if length >= 4:  # the first four and the last four
        last = begin + length - np.uint64(4)
        for i in range(4):
            value |= np.uint64(data[begin + np.uint64(i)]) << np.uint64(8 * i)
            value |= np.uint64(data[last + np.uint64(i)]) << np.uint64(8 * i + 32)
    elif length > 0:  # the first, the middle and the last
        value = np.uint64(data[begin]) | np.uint64(data[begin + (length >> np.uint64(1))]) << np.uint64(8)
        value |= np.uint64(data[begin + length - np.uint64(1)]) << np.uint64(16)
    return value


@leaf
def _hash(data, start, end):
    """A number that depends on all bytes, to look up things that are then compared: uint64."""
    state = np.uint64(end - start) * _MIX
    last = _few_bytes(data, start, end) if end - start < 8 else _eight_bytes(data, end - 8)
    while start + 8 < end:
        state = (state ^ _eight_bytes(data, start)) * _MIX
        state ^= state >> np.uint64(32)
        start += 8
    state = (state ^ last) * _MIX
    return state ^ state >> np.uint64(32)


@leaf
def _equal(data, start, end, other, other_end):
    if end - start != other_end - other:
        return False
    if end - start < 8:
        return _few_bytes(data, start, end) == _few_bytes(data, other, other_end)
    while start + 8 < end:
        if _eight_bytes(data, start) != _eight_bytes(data, other):
            return False
        start += 8
        other += 8
    return _eight_bytes(data, end - 8) == _eight_bytes(data, other_end - 8)


@numba.njit(cache=True, nogil=True)
def number_spans(data, starts, ends, count, table, first):
    """Writes to `first[i]` the number of the first span equal to span i; returns the table."""
    table, mask = empty_table(count, table)
    for i in range(count):
        slot = np.int64(_hash(data, starts[i], ends[i]) & np.uint64(mask))
        while table[slot] >= 0:
            other = table[slot]
            if _equal(data, starts[i], ends[i], starts[other], ends[other]):
                break
            slot = (slot + 1) & mask
        if table[slot] < 0:
            table[slot] = i
        first[i] = table[slot]
    return table


@leaf
def find_segments(data, start, end, newlines, strip, starts, ends):
    """Parts of a text between runs of at least `newlines` newlines; stripped, and the empty ones left out, if
    `strip`. Writes their positions and returns their number."""
    count = 0
    begin, position = start, start
    while begin <= end:
        stop = position
        while position < end and data[position] == 0x0A:
            position += 1
        if position < end and position - stop < newlines:
            position += 1
            continue
        if position - stop < newlines:  # the end of the text
            stop = end
        first, last = spans.strip(data, begin, stop) if strip else (begin, stop)
        if first < last or not strip:
            starts[count], ends[count] = first, last
            count += 1
        if stop == end:
            break
        begin = position
        if begin == end and not strip:
            starts[count], ends[count] = end, end
            count += 1
        if begin == end:
            break
    return count


@numba.njit(cache=True, nogil=True)
def segment_scores(data, offsets, preset):
    """SEGMENT_SCORES of every document: float64[documents, 5].

    Lines end at newlines, paragraphs at two. They are stripped, blank ones do not count, all copies of a
    repeated one are duplicates, and the characters are those of the segments; for DATATROVE nothing but the
    text for paragraphs is stripped, copies after the first are duplicates, and the characters are all.
    """
    scores = np.zeros((len(offsets) - 1, len(SEGMENT_SCORES)))
    longest = 2
    for i in range(len(scores)):
        longest = max(longest, offsets[i + 1] - offsets[i] + 2)
    starts, ends = np.empty(longest, np.int64), np.empty(longest, np.int64)
    first, copies = np.empty(longest, np.int32), np.empty(longest, np.int32)
    table = np.empty(16, np.int32)
    for i in range(len(scores)):
        for paragraphs in range(2):
            start, end = offsets[i], offsets[i + 1]
            if start == end:
                continue
            total = utf8.characters(data, start, end) if preset == DATATROVE else 0
            if paragraphs and preset == DATATROVE:
                start, end = spans.strip(data, start, end)
            count = find_segments(data, start, end, 1 + paragraphs, preset != DATATROVE, starts, ends)
            if not paragraphs:
                scores[i, 0] = count
            if count < 2:
                continue
            table = number_spans(data, starts, ends, count, table, first)
            segments, characters, all_characters = _duplicates(
                data, starts, ends, first, count, preset != DATATROVE, copies
            )
            total = total if preset == DATATROVE else all_characters
            scores[i, 1 + paragraphs] = segments / count
            scores[i, 3 + paragraphs] = characters / total
    return scores


@leaf
def _duplicates(data, starts, ends, first, count, count_first, copies):
    """(duplicate spans, their characters, characters of all spans)."""
    copies[:count] = 0
    for i in range(count):
        copies[first[i]] += 1
    segments, characters, all_characters = 0, 0, 0
    for i in range(count):
        length = utf8.characters(data, starts[i], ends[i])
        all_characters += length
        if copies[first[i]] > 1 and (count_first or first[i] != i):
            segments += 1
            characters += length
    return segments, characters, all_characters


@numba.njit(cache=True, nogil=True)
def gram_scores(data, offsets, active, preset, tables, counts):
    """GRAM_SCORES of the documents with `active` (bool[documents]), NaN for the others: float64[documents, 9].

    Adds `gopher_words.WORD_COUNTS` of those documents to `counts`, int64[documents, 6], unless it has no row."""
    scores = np.full((len(offsets) - 1, len(GRAM_SCORES)), np.nan)
    room = make_room(offsets, preset)
    table = np.empty(16, np.int32)
    numbers, longer, copies = np.empty(16, np.int32), np.empty(16, np.int32), np.empty(16, np.int32)
    until = np.empty(16, np.int64)  # characters before each word
    for i in range(len(scores)):
        if not active[i]:
            continue
        count = find_words(data, offsets[i], offsets[i + 1], preset, tables, room)
        if len(counts):
            count_words(data, room, count, preset, tables, counts[i])
        if count >= len(until):
            numbers, longer = np.empty(count + 1, np.int32), np.empty(count + 1, np.int32)
            copies, until = np.empty(count + 1, np.int32), np.empty(count + 1, np.int64)
        if preset == DATATROVE:
            _count_characters(room.joined, room.starts, room.ends, count, until)
            table = number_spans(room.joined, room.starts, room.ends, count, table, numbers)
        else:
            _count_characters(data, room.starts, room.ends, count, until)
            table = number_spans(data, room.starts, room.ends, count, table, numbers)
        _keep_repeated(numbers, count, copies)
        total = until[count]
        if preset == DATATROVE:
            total = utf8.characters(data, offsets[i], offsets[i + 1])
        last = GREATEST_TOP_GRAM if preset == DATATROVE else GREATEST_GRAM
        table = _score_grams(numbers, longer, copies, count, until, total, last, table, scores[i])
        if preset == DATATROVE:
            table = _score_joined_grams(
                room.joined, room.starts, room.ends, count, until, total, table, copies, numbers, scores[i]
            )
    return scores


@leaf
def _count_characters(data, starts, ends, count, until):
    until[0] = 0
    for i in range(count):
        until[i + 1] = until[i] + utf8.characters(data, starts[i], ends[i])


@leaf
def _keep_repeated(numbers, count, copies):
    """Counts how often each number occurs, in `copies`, and replaces numbers that occur once by -1. Returns
    how many stay."""
    copies[:count] = 0
    for i in range(count):
        if numbers[i] >= 0:
            copies[numbers[i]] += 1
    left = 0
    for i in range(count):
        if numbers[i] >= 0 and copies[numbers[i]] > 1:
            left += 1
        else:
            numbers[i] = -1
    return left


@numba.njit(cache=True, nogil=True)
def _number_longer(numbers, count, table, longer):
    """Numbers of the n-grams from those of the repeated (n - 1)-grams (-1: not repeated), `count` n-grams;
    returns the table."""
    candidates = 0
    for i in range(count):
        candidates += numbers[i] >= 0 and numbers[i + 1] >= 0
    table, mask = empty_table(candidates, table)
    for i in range(count):
        longer[i] = -1
        if numbers[i] < 0 or numbers[i + 1] < 0:
            continue
        key = np.uint64(numbers[i]) << np.uint64(32) | np.uint64(numbers[i + 1])
        slot = np.int64((key * _MIX) >> np.uint64(32)) & mask
        while table[slot] >= 0:
            other = table[slot]
            if numbers[other] == numbers[i] and numbers[other + 1] == numbers[i + 1]:
                break
            slot = (slot + 1) & mask
        if table[slot] < 0:
            table[slot] = i
        longer[i] = table[slot]
    return table


@numba.njit(cache=True, nogil=True)
def _score_grams(numbers, longer, copies, count, until, total, last, table, scores):
    """Scores of the n-grams up to n = `last`, from the numbers of repeated words; returns the table."""
    spaced = last < GREATEST_GRAM  # datatrove joins the words of these by spaces
    left = 1
    for n in range(LEAST_GRAM, last + 1):
        grams = count - n + 1
        score = 0.0
        if grams > 0 and left:
            table = _number_longer(numbers, grams, table, longer)
            left = _keep_repeated(longer, grams, copies)
            numbers, longer = longer, numbers
        if grams > 0 and n <= GREATEST_TOP_GRAM:
            score = _top_gram(numbers, copies, grams, until, n, left, spaced) / max(total, 1)
        elif grams > 0 and left:
            score = _covered(numbers, grams, until, n) / max(total, 1)
        scores[n - LEAST_GRAM] = score
    return table


@leaf
def _top_gram(numbers, copies, grams, until, n, left, spaced):
    """Characters of all copies of the most frequent n-gram. Of those as frequent the longest counts, and 0
    if none is repeated; for datatrove (`spaced`) the first, repeated or not, with the spaces between words."""
    if left == 0:
        return until[n] + n - 1 if spaced else 0
    most, longest = 0, 0
    for i in range(grams):
        if numbers[i] != i:
            continue
        length = until[i + n] - until[i]
        if copies[i] > most or (copies[i] == most and length > longest and not spaced):
            most, longest = copies[i], length
    return most * (longest + n - 1 if spaced else longest)


@leaf
def _covered(numbers, grams, until, n):
    """Characters of the words in repeated n-grams, each once."""
    characters, reached = 0, 0
    for i in range(grams):
        if numbers[i] >= 0:
            characters += until[i + n] - until[max(i, reached)]
            reached = i + n
    return characters


@numba.njit(cache=True, nogil=True)
def _score_joined_grams(joined, starts, stops, count, until, total, table, begins, ends, scores):
    """datatrove's repeated n-grams, n = 5 to 10: from left to right, an n-gram seen before counts and the scan
    goes on after it. Its words are joined without spaces, so that "a bc" equals "ab c". Returns the table.

    An n-gram whose first or last WINDOW bytes occur nowhere else has no copy and is passed over."""
    if count == 0:
        scores[GREATEST_TOP_GRAM + 1 - LEAST_GRAM :] = 0.0
        return table
    length = stops[count - 1]
    table = _mark_repeated_windows(joined, length, starts, count, 0, table, begins)
    table = _mark_repeated_windows(joined, length, stops, count, -WINDOW, table, ends)
    shortest = GREATEST_TOP_GRAM + 1
    listed = 0  # begins[:listed]: the words with which a repeated n-gram may begin
    for i in range(count - shortest + 1):
        if begins[i] or stops[i + shortest - 1] - starts[i] < WINDOW:
            begins[listed] = i
            listed += 1
    for n in range(shortest, GREATEST_GRAM + 1):
        table, mask = empty_table(listed, table)
        characters, reached = 0, 0
        for k in range(listed):
            i = begins[k]
            if i < reached or i + n > count:
                continue
            start, end = starts[i], stops[i + n - 1]
            if not ends[i + n - 1] and end - start >= WINDOW:
                continue
            slot = np.int64(_hash(joined, start, end) & np.uint64(mask))
            while table[slot] >= 0:
                other = table[slot]
                if _equal(joined, start, end, starts[other], stops[other + n - 1]):
                    break
                slot = (slot + 1) & mask
            if table[slot] < 0:
                table[slot] = i
            else:
                characters += until[i + n] - until[i]
                reached = i + n
        scores[n - LEAST_GRAM] = characters / max(total, 1)
    return table


@numba.njit(cache=True, nogil=True)
def _mark_repeated_windows(data, length, positions, count, offset, table, marks):
    """Sets `marks[i]` unless the WINDOW bytes at `positions[i] + offset` differ from those of all others; a few
    marks are set by mistake. Returns the table."""
    table, mask = empty_table(2 * count, table)
    for i in range(count):
        begin = positions[i] + offset
        marks[i] = 0
        if begin >= 0 and begin + WINDOW <= length:
            key = (_eight_bytes(data, begin) * _MIX ^ _eight_bytes(data, begin + 8)) * _MIX
            slot = np.int64(key >> np.uint64(32)) & mask
            table[slot] = min(table[slot] + 1, 1)
            marks[i] = slot
        else:
            marks[i] = -1  # no n-gram as long as a window has this end
    for i in range(count):
        marks[i] = 0 if marks[i] < 0 else table[marks[i]]
    return table
