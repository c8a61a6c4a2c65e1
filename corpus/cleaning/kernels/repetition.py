"""Repeated lines, paragraphs and n-grams of words: the numbers behind Gopher's repetition rules.

Equal means equal bytes: hashes only say where to look, so that no number here is a matter of chance. Equal
things get the number of the first of them. An n-gram is the pair of (n - 1)-grams that it begins and ends
with, and can be repeated only if both are; so each length looks only at what the length before left, and
compares two numbers where it would compare words.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.cleaning.kernels.gopher_words import DATATROVE, count_words, find_words, make_room
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
WINDOW = 16  # bytes at the beginning of an n-gram that decide whether it is worth a look
NO_LIMITS = np.full(len(GRAM_SCORES), np.nan)


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
    """data[start:end], less than eight bytes, as a number, the first byte lowest."""
    bits = np.uint64(8 * (end - start))
    if start + 8 <= len(data):
        return _eight_bytes(data, start) & ((np.uint64(1) << bits) - np.uint64(1))
    value = np.uint64(0)
    for position in range(start, end):
        value |= np.uint64(data[position]) << np.uint64(8 * (position - start))
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
def gram_scores(data, offsets, active, preset, tables, counts, limits):
    """GRAM_SCORES of the documents with `active` (bool[documents]), NaN for the others: float64[documents, 9].

    `limits` (float64[9]) are what scores must not exceed, NO_LIMITS to have them all: a score that cannot exceed
    its limit may be left NaN, and those after the first that does are.

    Adds `gopher_words.WORD_COUNTS` of those documents to `counts`, int64[documents, 6], unless it has no row."""
    scores = np.full((len(offsets) - 1, len(GRAM_SCORES)), np.nan)
    room = make_room(offsets, preset)
    table = np.empty(16, np.int32)
    numbers, longer, copies = np.empty(16, np.int32), np.empty(16, np.int32), np.empty(16, np.int32)
    until = np.empty(16, np.int64)  # characters before each word
    for i in range(len(scores)):
        if not active[i]:
            continue
        start, end = offsets[i], offsets[i + 1]
        count = find_words(data, start, end, preset, tables, room)
        if len(counts):
            count_words(data, room, count, preset, tables, counts[i])
        if count >= len(until):
            numbers, longer = np.empty(count + 1, np.int32), np.empty(count + 1, np.int32)
            copies, until = np.empty(count + 1, np.int32), np.empty(count + 1, np.int64)
        if preset == DATATROVE:
            table = number_spans(room.joined, room.starts, room.ends, count, table, numbers)
            spaced, last, total = True, GREATEST_TOP_GRAM, utf8.characters(data, start, end)
        else:
            table = number_spans(data, room.starts, room.ends, count, table, numbers)
            spaced, last, total = False, GREATEST_GRAM, 0
            total = _count_characters(data, room.starts, room.ends, count, until)
        _keep_repeated(numbers, count, copies)
        first = LEAST_GRAM
        if _no_top_gram(room.starts, room.ends, copies, count, spaced, total, limits):
            first = GREATEST_TOP_GRAM + 1
        elif preset == DATATROVE:
            _count_characters(room.joined, room.starts, room.ends, count, until)
        table, failed = _score_grams(
            numbers, longer, copies, count, until, total, first, last, table, limits, scores[i]
        )
        if preset == DATATROVE and not failed:
            table = _score_joined_grams(
                room.joined, room.starts, room.ends, count, total, table, copies, numbers, limits, scores[i]
            )
    return scores


@leaf
def _no_top_gram(starts, ends, copies, count, spaced, total, limits):
    """Whether for sure no score of a most frequent n-gram exceeds its limit. `copies[i]` is how often word i
    occurs, or 0 if an equal word comes before.

    An n-gram occurs no more often than each of its words, so that the bytes of all its copies are no more than n
    times those of all copies of one word."""
    heaviest, most = 0, 0
    for i in range(count):
        heaviest = max(heaviest, copies[i] * (ends[i] - starts[i]))
        most = max(most, copies[i])
    for n in range(LEAST_GRAM, GREATEST_TOP_GRAM + 1):
        greatest = n * heaviest + (n - 1) * most * spaced
        if not greatest / max(total, 1) <= limits[n - LEAST_GRAM]:
            return False
    return True


@leaf
def _count_characters(data, starts, ends, count, until):
    """Writes how many characters are before each word and returns how many there are."""
    until[0] = 0
    for i in range(count):
        until[i + 1] = until[i] + utf8.characters(data, starts[i], ends[i])
    return until[count]


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
def _number_longer(numbers, count, parts, table, longer):
    """Numbers of the n-grams from those of the repeated shorter ones (-1: not repeated) at their first `parts`
    words, `count` n-grams; returns the table."""
    candidates, run = 0, 0
    for i in range(count + parts - 1):
        run = run + 1 if numbers[i] >= 0 else 0
        candidates += run >= parts
    table, mask = empty_table(candidates, table)
    run = 0
    for i in range(parts - 1):
        run = run + 1 if numbers[i] >= 0 else 0
    for i in range(count):
        longer[i] = -1
        run = run + 1 if numbers[i + parts - 1] >= 0 else 0
        if run < parts:
            continue
        key = np.uint64(0)
        for part in range(parts):
            key = (key ^ np.uint64(numbers[i + part])) * _MIX
            key ^= key >> np.uint64(32)
        slot = np.int64(key) & mask
        while table[slot] >= 0 and not _same_parts(numbers, i, table[slot], parts):
            slot = (slot + 1) & mask
        if table[slot] < 0:
            table[slot] = i
        longer[i] = table[slot]
    return table


@leaf
def _same_parts(numbers, one, other, parts):
    for part in range(parts):
        if numbers[one + part] != numbers[other + part]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _score_grams(numbers, longer, copies, count, until, total, first, last, table, limits, scores):
    """Scores of the n-grams from n = `first` to `last`, from the numbers of repeated words: (table, whether the
    last score exceeds its limit)."""
    spaced = last < GREATEST_GRAM  # datatrove joins the words of these by spaces
    left = 1
    for n in range(first, last + 1):
        grams = count - n + 1
        score = 0.0
        if grams > 0 and left:
            table = _number_longer(numbers, grams, n if n == first else 2, table, longer)
            left = _keep_repeated(longer, grams, copies)
            numbers, longer = longer, numbers
        if grams > 0 and n <= GREATEST_TOP_GRAM:
            score = _top_gram(numbers, copies, grams, until, n, left, spaced) / max(total, 1)
        elif grams > 0 and left:
            score = _covered(numbers, grams, until, n) / max(total, 1)
        scores[n - LEAST_GRAM] = score
        if score > limits[n - LEAST_GRAM]:
            return table, True
    return table, False


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
def _score_joined_grams(joined, starts, stops, count, total, table, begins, listed, limits, scores):
    """datatrove's repeated n-grams, n = 5 to 10: from left to right, an n-gram seen before counts and the scan
    goes on after it. Its words are joined without spaces, so that "a bc" equals "ab c". Ends at the first score
    that exceeds its limit; returns the table.

    An n-gram whose first WINDOW bytes occur nowhere else has no copy and is passed over."""
    shortest = GREATEST_TOP_GRAM + 1
    _mark_repeated_windows(joined, starts, stops, count, begins)
    candidates = 0  # listed[:candidates]: the words with which a repeated n-gram may begin
    for i in range(count - shortest + 1):
        listed[candidates] = i
        candidates += begins[i] > 0 or stops[i + shortest - 1] - starts[i] < WINDOW
    for n in range(shortest, GREATEST_GRAM + 1):
        table, mask = empty_table(candidates, table)
        characters, reached = 0, 0
        for k in range(candidates):
            i = listed[k]
            if i < reached or i + n > count:
                continue
            start, end = starts[i], stops[i + n - 1]
            if not begins[i] and end - start >= WINDOW:
                continue
            slot = np.int64(_hash_ends(joined, start, end)) & mask
            while table[slot] >= 0:
                other = table[slot]
                if _equal(joined, start, end, starts[other], stops[other + n - 1]):
                    break
                slot = (slot + 1) & mask
            if table[slot] < 0:
                table[slot] = i
            else:
                characters += utf8.characters(joined, start, end)
                reached = i + n
        scores[n - LEAST_GRAM] = characters / max(total, 1)
        if scores[n - LEAST_GRAM] > limits[n - LEAST_GRAM]:
            break
    return table


@leaf
def _hash_ends(data, start, end):
    """A number that depends on the length, the first WINDOW bytes and the last: uint64."""
    if end - start < WINDOW:
        return _hash(data, start, end)
    state = _hash_window(data, start) ^ np.uint64(end - start)
    state = state * _MIX ^ _hash_window(data, end - WINDOW)
    return state ^ state >> np.uint64(32)


@numba.njit(cache=True, nogil=True, inline="always")
def _hash_window(data, start):
    """A number that depends on data[start:start + WINDOW], above all in its high bits: uint64."""
    return (_eight_bytes(data, start) * _MIX ^ _eight_bytes(data, start + 8)) * _MIX


@numba.njit(cache=True, nogil=True)
def _mark_repeated_windows(joined, starts, stops, count, marks):
    """Sets `marks[i]` to 0 if the WINDOW bytes at the beginning of word i differ from those of all others, or the
    words end before; else to 1, and a few more by mistake."""
    within = count
    while within > 0 and stops[count - 1] - starts[within - 1] < WINDOW:
        within -= 1
        marks[within] = 0
    size = 16
    while size < 16 * within:
        size *= 2
    seen = np.zeros(size, np.uint8)  # 0, 1, or 2 and more times
    for i in range(within):
        slot = np.int64(_hash_window(joined, starts[i]) >> np.uint64(32)) & (size - 1)
        seen[slot] = min(seen[slot] + 1, 2)
        marks[i] = slot
    for i in range(within):
        marks[i] = seen[marks[i]] > 1
