"""Where documents hold passages of evaluation items: one pass, and all that rules are made of.

A *span* is a passage that a document and a text of an item have in common: the same units one after another, at least
as many as a gram of that text has, and as long as it can be at these places. Every gram of an item that a document has
is in a span of it; where a text has a gram in several places (the first `MOST_PLACES` of them), the one is taken at
which the passage is longest, the first of equals. No match is decided by a hash.

Where some units may differ, there is a span for every row of equal units and every place of it in the text, as far as
it can go from there: longer than a gram, and with a unit of the text that no span of it in the document had.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.contamination import normalisations, words
from corpus.contamination.index import Index, equal, filter_bits, filter_block
from corpus.text import arrow
from corpus.text.distinct import distinct
from corpus.text.intrinsics import load64, prefetch
from corpus.text.leaf import leaf

SPAN_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),  # of the column scanned
        ("start", pa.int64()),  # bytes of the original text
        ("end", pa.int64()),
        ("words", pa.int64()),  # units of the span
        ("item", pa.int64()),  # number in `Index.items`
        ("grams", pa.int64()),  # distinct grams of the item found anywhere in the document
        ("covered", pa.float64()),  # those as a share of the item's distinct grams
        ("text", pa.int64()),  # number of the item's text, among all
        ("first", pa.int64()),  # unit of that text at which the span begins
        ("skipped", pa.int64()),  # units of the span that differ, where the scan may skip some
        ("of_words", pa.int64()),  # units of the document
        ("of_grams", pa.int64()),  # its distinct grams of as many units as those of the text have; 0 where not counted
        ("cut_start", pa.int64()),  # byte that is WINDOW characters before `start`, and after `end`
        ("cut_end", pa.int64()),
        ("cut_start_character", pa.int64()),  # these in characters
        ("cut_end_character", pa.int64()),
        ("of_bytes", pa.int64()),  # of the document
        ("of_characters", pa.int64()),
    ]
)
WINDOW = 200
"""Characters on either side that go with a passage that is cut (Brown et al. 2020, appendix C)."""
MOST_PLACES = 64
"""Places of a gram in one text that are looked at."""

ROW, START, END, WORDS, TEXT, FIRST, SKIPPED, OF_GRAMS = range(8)


class _Grams(NamedTuple):
    """What the kernel needs of an `Index`."""

    text: np.ndarray
    unit_at: np.ndarray
    first_unit: np.ndarray
    gram_of_unit: np.ndarray
    hash: np.ndarray
    size: np.ndarray
    posting_offsets: np.ndarray
    postings: np.ndarray
    text_of_posting: np.ndarray
    buckets: np.ndarray
    shift: np.uint64
    filter: np.ndarray


class Seen(NamedTuple):
    """What a scan has seen: of each gram in how many documents, and the last of these; of each text the last document
    with a passage of it, and the unit at which that passage ends."""

    documents: np.ndarray
    last: np.ndarray
    reached_in: np.ndarray
    reach: np.ndarray
    covered_in: np.ndarray  # of each unit the last document with a passage that has it; only where some may differ


class Scanner:
    """A scan of many columns against one index. `documents[g]` (int32) is in how many documents gram *g* was, so far.

    skips: how many units a span may have that differ, none of them among the first that make a gram, none at its end
    (Llama 2's skip budget). of_grams: the distinct grams of documents with spans are counted. around: spans have a
    column of that name, the text from `cut_start` to `cut_end`, by which `without` can divide them."""

    def __init__(self, index: Index, skips: int = 0, around: bool = False, of_grams: bool = False):
        self.index, self.skips, self.around, self.of_grams = index, skips, around, of_grams
        grams, texts = len(index.hash), len(index.first_unit) - 1
        self.rows = self._pairs = 0
        self._counted = np.full(grams, -1, np.int64)
        self._seen = Seen(
            np.zeros(grams, np.int32),
            np.full(grams, -1, np.int64),
            np.full(texts, -1, np.int64),
            np.zeros(texts, np.int64),
            np.full(len(index.unit_at) if skips else 0, -1, np.int64),
        )
        shift = np.uint64(64 - (len(index.buckets) - 1).bit_length() + 1)
        text_of_unit = np.repeat(np.arange(texts, dtype=np.int32), index.text_units)
        self._grams = _Grams(
            index.text,
            index.unit_at,
            index.first_unit,
            index.gram_of_unit,
            index.hash,
            index.size,
            index.posting_offsets,
            index.postings,
            text_of_unit[index.postings],
            index.buckets,
            shift,
            index.filter,
        )

    @property
    def documents(self) -> np.ndarray:
        """Of each gram in how many documents it was, so far: int32[grams]."""
        return self._seen.documents

    def scan(self, text: pa.Array) -> pa.Table:
        """Spans (`SPAN_SCHEMA`) of a string column, ordered by row, item and start."""
        data, offsets = arrow.buffers(text)
        rules = normalisations.rules(self.index.normalisation)
        tokens = words.tokens_of(text, self.index.tokenizer)
        spans, units = _scan(
            data,
            offsets,
            rules,
            tokens,
            self._grams,
            self._seen,
            self.rows,
            self.index.probes,
            self.skips,
            self.of_grams,
        )
        self.rows += len(text)
        found = self._table(spans, units, data, offsets)
        return found.append_column("around", _around(found, data, offsets)) if self.around else found

    def _table(self, spans: np.ndarray, units: np.ndarray, data: np.ndarray, offsets: np.ndarray) -> pa.Table:
        """Spans with the items that they are of."""
        index = self.index
        row, start, text = spans[:, ROW], spans[:, START], spans[:, TEXT]
        item = index.item_of_text[text]
        order = np.lexsort((text, start, item, row))
        item = item[order]
        row, start, end, size, text, first, skipped, of_grams = spans[order].T
        fresh = np.ones(len(row), bool)
        fresh[1:] = (row[1:] != row[:-1]) | (item[1:] != item[:-1])
        pair = np.cumsum(fresh) - 1
        begin, count = index.first_unit[text] + first, size - index.text_size[text] + 1
        grams = _distinct_grams(pair, begin, count, index.gram_of_unit, self._counted, self._pairs)[pair]
        self._pairs += len(row)
        columns = [row, start, end, size, item, grams, grams / index.grams[item], text, first, skipped]
        columns += [units[row], of_grams]
        columns += _windows(data, offsets, row, start, end)
        return pa.table([np.ascontiguousarray(column) for column in columns], schema=SPAN_SCHEMA)


def scan(text: pa.Array, index: Index) -> pa.Table:
    """Spans of the items of `index` in the documents of a string column: `Scanner.scan` of that alone."""
    return Scanner(index).scan(text)


@numba.njit(cache=True, nogil=True)
def _scan(data, offsets, rules, tokens, grams, seen, before, probes, skips, of_grams):
    """(spans int64[n, 8] in the order of their end, units of each document); `before`: documents scanned before."""
    longest = np.int64(0)
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    found = words.room(longest)
    places, hashes = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.uint64)
    spans = np.empty((64, 8), np.int64)
    units = np.zeros(len(offsets) - 1, np.int64)
    count = np.int64(0)
    for row in range(len(offsets) - 1):
        units[row] = words.units_of(data, offsets, row, rules, tokens, found)
        first = count
        before_size = np.int64(0)
        for probe in probes:
            candidates = _candidates(found.hash, units[row], grams, seen, probe, places, hashes)
            spans, count = _spans_at(
                found, units[row], places, hashes, candidates, grams, seen, before + row, skips, spans, count
            )
        spans[first:count, ROW], spans[first:count, OF_GRAMS] = row, 0
        for i in range(first, count if of_grams else first):
            unit = grams.first_unit[spans[i, TEXT]] + spans[i, FIRST]
            size = np.int64(grams.size[grams.gram_of_unit[unit]])
            if i > first and size == before_size:
                spans[i, OF_GRAMS] = spans[i - 1, OF_GRAMS]
            else:
                spans[i, OF_GRAMS] = _distinct_sequences(found.hash, units[row], size, hashes)
            before_size = size
    return spans[:count], units


@numba.njit(cache=True, nogil=True)
def _distinct_sequences(units, total, size, hashes):
    """How many different sequences of `size` units there are, by their hash; `hashes` is scratch."""
    power = words.power(size)
    state = np.uint64(0)
    for i in range(total):
        state = words.roll(state, units[i - size], power, units[i]) if i >= size else words.append(state, units[i])
        hashes[i] = state
    count = max(total - size + 1, 0)
    ordered = np.sort(hashes[total - count : total])
    return count - np.sum(ordered[1:] == ordered[:-1])


@leaf
def _candidates(units, total, grams, seen, probe, places, hashes):
    """Writes the first units of sequences of `probe` units whose hash the filter lets through, and these hashes; how
    many they are. What is to be read of their grams is asked for."""
    power = np.uint64(1)
    for _ in range(probe - 1):
        power = words.append(power, np.uint64(0))
    filter = grams.filter
    state = np.uint64(0)
    for i in range(min(probe - 1, total)):
        state = words.append(state, units[i])
    sequences = np.uint64(max(total - probe + 1, 0))
    for i in range(sequences):
        state = words.append(state, units[i + np.uint64(probe - 1)])
        hash = words.mix(state)
        hashes[i] = hash
        prefetch(filter, filter_block(hash, filter))
        state -= units[i] * power
    count = np.uint64(0)
    for i in range(sequences):
        hash = hashes[i]
        bits = filter_bits(hash)
        places[count], hashes[count] = i, hash
        count += np.uint64(filter[filter_block(hash, filter)] & bits == bits)
    for i in range(np.int64(count)):
        prefetch(grams.buckets, hashes[i] >> grams.shift)
    for i in range(np.int64(count)):
        gram = np.uint64(grams.buckets[hashes[i] >> grams.shift])
        prefetch(grams.hash, gram)
        prefetch(grams.posting_offsets, gram)
        prefetch(grams.size, gram)
        prefetch(seen.last, gram)
        prefetch(seen.documents, gram)
    return np.int64(count)


@numba.njit(cache=True, nogil=True)
def _spans_at(found, total, places, hashes, candidates, grams, seen, document, skips, spans, count):
    """Appends the spans that have a gram at one of the candidates; returns (spans, their number)."""
    known, known_end, known_unit, known_size = np.int64(0), np.int64(-1), np.int64(0), np.int64(0)  # passage before
    for i in range(candidates):
        place, hash = places[i], hashes[i]
        gram, here = np.int64(grams.buckets[hash >> grams.shift]), np.int64(-1)
        if known <= place and place + known_size <= known_end:
            here = np.int64(grams.gram_of_unit[known_unit + place - known])
        while gram < len(grams.hash) and grams.hash[gram] <= hash:
            if grams.hash[gram] == hash and (gram == here or _is_at(found, total, place, grams, gram)):
                held = _is_held(place, grams, gram, seen, document)
                if skips:
                    spans, count = _extend_skipping(
                        found, total, place, grams, gram, seen, document, skips, spans, count
                    )
                elif not held:
                    spans, count = _extend(found, total, place, grams, gram, seen, document, spans, count)
                    text = spans[count - 1, TEXT]
                    known_unit, known_size = (
                        grams.first_unit[text] + spans[count - 1, FIRST],
                        np.int64(grams.size[gram]),
                    )
                    known_end = seen.reach[text]
                    known = known_end - spans[count - 1, WORDS]
            gram += 1
    return spans, count


@leaf
def _is_at(found, total, first, grams, gram):
    """Whether the units from `first` are those of `gram`."""
    after = first + grams.size[gram]
    if after > total:
        return False
    unit = grams.postings[grams.posting_offsets[gram]]
    begin, size = grams.unit_at[unit], found.at[after] - found.at[first]
    if grams.unit_at[unit + grams.size[gram]] - begin != size:
        return False
    return equal(found.text, found.at[first], grams.text, begin, size)


@leaf
def _is_held(first, grams, gram, seen, document):
    """Counts the gram; whether the span before holds it here, in every text that has it: mostly so, in a passage."""
    if seen.last[gram] != document:
        seen.last[gram] = document
        seen.documents[gram] += 1
    after = first + grams.size[gram]
    for posting in range(grams.posting_offsets[gram], grams.posting_offsets[gram + 1]):
        text = grams.text_of_posting[posting]
        if seen.reached_in[text] != document or seen.reach[text] < after:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _extend(found, total, first, grams, gram, seen, document, spans, count):
    """Appends a span for every text that has the gram, unless the one before in that text holds it here; returns
    (spans, their number)."""
    size = np.int64(grams.size[gram])
    posting, end = grams.posting_offsets[gram], grams.posting_offsets[gram + 1]
    while posting < end:
        text = np.int64(grams.text_of_posting[posting])
        held = seen.reached_in[text] == document and seen.reach[text] >= first + size
        best, left, right = np.int64(-1), np.int64(0), np.int64(0)
        places = 0
        while posting < end and grams.text_of_posting[posting] == text:
            if not held and places < MOST_PLACES:
                unit = np.int64(grams.postings[posting])
                back = _matching_before(found, first, grams, unit, grams.first_unit[text])
                ahead = _matching_after(found, first + size, total, grams, unit + size, grams.first_unit[text + 1])
                if best < 0 or back + ahead > left + right:
                    best, left, right = unit, back, ahead
            places += 1
            posting += 1
        if held:
            continue
        begin, after = first - left, first + size + right
        spans, count = _append(spans, count, found, begin, after, text, best - left - grams.first_unit[text], 0)
        seen.reached_in[text], seen.reach[text] = document, after
    return spans, count


@numba.njit(cache=True, nogil=True)
def _append(spans, count, found, begin, after, text, place, skipped):
    """One more span, of units `begin` to `after`: (spans, their number)."""
    if count == len(spans):
        spans = np.concatenate((spans, np.empty_like(spans)))
    spans[count, START], spans[count, END] = found.starts[begin], found.ends[after - 1]
    spans[count, WORDS], spans[count, TEXT] = after - begin, text
    spans[count, FIRST], spans[count, SKIPPED] = place, skipped
    return spans, count + 1


@numba.njit(cache=True, nogil=True)
def _extend_skipping(found, total, first, grams, gram, seen, document, skips, spans, count):
    """Appends a span for every place of the gram, in every text, at which a row of equal units begins; returns (spans,
    their number). A longer one from the middle of a row is none: what differs after both is the same."""
    size = np.int64(grams.size[gram])
    before, places = np.int64(-1), 0
    for posting in range(grams.posting_offsets[gram], grams.posting_offsets[gram + 1]):
        unit = np.int64(grams.postings[posting])
        text = np.int64(grams.text_of_posting[posting])
        places = places + 1 if text == before else 0
        before = text
        if places >= MOST_PLACES or _matching_before(found, first, grams, unit, max(unit - 1, grams.first_unit[text])):
            continue
        ahead, skipped = _matching_but_some(
            found, first + size, total, grams, unit + size, grams.first_unit[text + 1], skips
        )
        fresh = ahead == 0
        for u in range(unit, unit + size + ahead):
            fresh |= seen.covered_in[u] != document
        if fresh:
            spans, count = _append(
                spans, count, found, first, first + size + ahead, text, unit - grams.first_unit[text], skipped
            )
            if ahead:
                seen.covered_in[unit : unit + size + ahead] = document
    return spans, count


@leaf
def _same_unit(found, place, grams, unit):
    size = found.at[place + 1] - found.at[place]
    begin = grams.unit_at[unit]
    return grams.unit_at[unit + 1] - begin == size and equal(found.text, found.at[place], grams.text, begin, size)


@leaf
def _matching_before(found, place, grams, unit, first):
    """How many units before `place` are those before `unit`, of a text that begins at unit `first`."""
    at, of_item = found.at[place], grams.unit_at[unit]
    most = min(at - found.at[0], of_item - grams.unit_at[first])
    same = np.int64(0)
    while same + 8 <= most and load64(found.text, at - same - 8) == load64(grams.text, of_item - same - 8):
        same += 8
    while same < most and found.text[at - same - 1] == grams.text[of_item - same - 1]:
        same += 1
    low, high = np.int64(0), min(place, unit - first)  # the most units that have no more bytes than that
    while low < high:
        middle = (low + high + 1) >> 1
        if at - found.at[place - middle] <= same:
            low = middle
        else:
            high = middle - 1
    if low and of_item - grams.unit_at[unit - low] != at - found.at[place - low]:
        low -= 1  # the first is the end of a longer one
    return low


@leaf
def _matching_after(found, place, total, grams, unit, end):
    """How many units from `place` are those from `unit`, of a text that ends at unit `end`."""
    at, of_item = found.at[place], grams.unit_at[unit]
    most = min(found.at[total] - at, grams.unit_at[end] - of_item)
    same = np.int64(0)
    while same + 8 <= most and load64(found.text, at + same) == load64(grams.text, of_item + same):
        same += 8
    while same < most and found.text[at + same] == grams.text[of_item + same]:
        same += 1
    low, high = np.int64(0), min(total - place, end - unit)
    while low < high:
        middle = (low + high + 1) >> 1
        if found.at[place + middle] - at <= same:
            low = middle
        else:
            high = middle - 1
    return low


@leaf
def _matching_but_some(found, place, total, grams, unit, end, skips):
    """(how many units from `place` are those from `unit`, of a text that ends at unit `end`, but for at most `skips`
    that differ; how many do), the last of them the same."""
    count = matching = skipped = skipped_before = 0
    while place + count < total and unit + count < end:
        if _same_unit(found, place + count, grams, unit + count):
            matching, skipped_before = count + 1, skipped
        else:
            if skipped == skips:
                break
            skipped += 1
        count += 1
    return matching, skipped_before


@numba.njit(cache=True, nogil=True)
def _windows(data, offsets, row, start, end):
    """The columns of `SPAN_SCHEMA` from `cut_start` on, for spans in the order of their rows."""
    columns = [np.empty(len(row), np.int64) for _ in range(6)]
    character, begins = np.empty(0, np.int64), np.empty(0, np.int64)
    characters = size = np.int64(0)
    for s in range(len(row)):
        if s == 0 or row[s] != row[s - 1]:
            first, size = offsets[row[s]], offsets[row[s] + 1] - offsets[row[s]]
            if len(character) < size + 1:  # the number of each byte's character, and where each character begins
                character, begins = np.empty(size + 1, np.int64), np.empty(size + 1, np.int64)
            characters = np.int64(0)
            for i in range(size):
                if data[first + i] & 0xC0 != 0x80:
                    begins[characters] = i
                    characters += 1
                character[i] = characters - 1
            character[size] = characters
            begins[characters] = size
        before = max(character[start[s]] - WINDOW, 0)
        after = min(character[end[s]] + WINDOW, characters)
        columns[0][s], columns[1][s], columns[2][s], columns[3][s] = begins[before], begins[after], before, after
        columns[4][s], columns[5][s] = size, characters
    return columns


@numba.njit(cache=True, nogil=True)
def _distinct_grams(pair, unit, count, gram_of_unit, counted, before):
    """How many distinct grams the spans of each pair of row and item have: span *s* the `count[s]` that begin from
    `unit[s]` on. `counted`: of each gram the last pair that it was counted for, plus those `before`."""
    found = np.zeros(pair[-1] + 1 if len(pair) else 0, np.int64)
    for s in range(len(pair)):
        for u in range(unit[s], unit[s] + count[s]):
            gram = gram_of_unit[u]
            if gram >= 0 and counted[gram] != before + pair[s]:
                counted[gram] = before + pair[s]
                found[pair[s]] += 1
    return found


def grams_in(spans: pa.Table, index: Index) -> tuple[np.ndarray, np.ndarray]:
    """(number of a span, gram) of all grams in the spans, those that skip units with the grams at these."""
    text, first, size = (spans[name].to_numpy() for name in ("text", "first", "words"))
    return _grams_in(index.first_unit[text] + first, size - index.text_size[text] + 1, index.gram_of_unit)


@numba.njit(cache=True, nogil=True)
def _grams_in(unit, count, gram_of_unit):
    total = np.int64(0)
    for s in range(len(unit)):
        total += count[s]
    which, found = np.empty(total, np.int64), np.empty(total, np.int64)
    at = 0
    for s in range(len(unit)):
        for u in range(unit[s], unit[s] + count[s]):
            if gram_of_unit[u] >= 0:
                which[at], found[at] = s, gram_of_unit[u]
                at += 1
    return which[:at], found[:at]


def with_grams(spans: pa.Table, index: Index) -> pa.Table:
    """Spans with the columns `grams` and `covered` of what they have, whatever these were."""
    row, item = spans["row"].to_numpy(), spans["item"].to_numpy()
    _, pair = np.unique(np.stack([row, item]), axis=1, return_inverse=True)
    pair = pair.reshape(-1)
    which, grams = grams_in(spans, index)
    base = max(len(index.hash), 1)
    found = distinct(pair[which] * np.int64(base) + grams)
    counts = np.bincount(found // base, minlength=pair.max(initial=-1) + 1)[pair]
    for name, values in (("grams", counts), ("covered", counts / index.grams[item])):
        column = pa.array(values, SPAN_SCHEMA.field(name).type)
        spans = spans.set_column(spans.column_names.index(name), SPAN_SCHEMA.field(name), column)
    return spans


# ------------------------------------------------------------------ passages without some of their grams


def _around(spans: pa.Table, data: np.ndarray, offsets: np.ndarray) -> pa.Array:
    """The text of each span from `cut_start` to `cut_end`."""
    row, start, end = (spans[name].to_numpy() for name in ("row", "cut_start", "cut_end"))
    pieces = [data[b:e].tobytes() for b, e in zip((offsets[row] + start).tolist(), (offsets[row] + end).tolist())]
    return pa.array(pieces, pa.large_binary()).cast(pa.large_string())


def without(spans: pa.Table, index: Index, common: np.ndarray) -> pa.Table:
    """What is left of spans without the grams that are `common` (bool[grams]): passages of the other ones. `grams`,
    `covered` and `documents` stay as they are."""
    if not len(common):
        return spans
    data, offsets = arrow.buffers(spans["around"].combine_chunks())
    cut_start, start, text, first, size = (
        spans[name].to_numpy() for name in ("cut_start", "start", "text", "first", "words")
    )
    ends = spans["end"].to_numpy()
    begin = offsets[:-1] + start - cut_start
    excluded = common[index.gram_of_unit] | (index.gram_of_unit < 0)
    parts = _parts(
        data, begin, begin + ends - start, normalisations.rules(index.normalisation), index.text, index.unit_at,
        index.first_unit[text] + first, size, index.text_size[text], excluded,
    )  # fmt: skip
    which, from_, to, words_, units, skipped = parts.T
    left = spans.take(pa.array(which))
    from_, to = from_ + (start - cut_start)[which], to + (start - cut_start)[which]
    before, after, character, after_character, _, _ = _windows(data, offsets, which, from_, to)
    character_before = left["cut_start_character"].to_numpy()
    columns = {
        "start": from_ + cut_start[which],
        "end": to + cut_start[which],
        "words": words_,
        "first": first[which] + units,
        "skipped": skipped,
        "cut_start": before + cut_start[which],
        "cut_end": after + cut_start[which],
        "cut_start_character": character + character_before,
        "cut_end_character": after_character + character_before,
    }
    for name, values in columns.items():
        left = left.set_column(left.column_names.index(name), SPAN_SCHEMA.field(name), pa.array(values, pa.int64()))
    return left  # `around` has more on either side than it needs to


@numba.njit(cache=True, nogil=True)
def _parts(data, begin, end, rules, text, unit_at, unit, size, gram_size, common):
    """(number of the passage, first byte, byte after it, units, first unit in the passage, units that differ) of what
    is left of each passage `data[begin:end]`, whose units are `size` from `unit` on; int64[parts, 6]. It begins with a
    gram that is not common, has none that is, and ends with a unit that does not differ."""
    longest = np.int64(0)
    for s in range(len(begin)):
        longest = max(longest, end[s] - begin[s])
    found = words.room(longest)
    differs_at = np.empty(longest + 2, np.int64)  # of each unit, the next one from it on that differs
    parts = np.empty((64, 6), np.int64)
    count = 0
    for s in range(len(begin)):
        divisible = words.split(data, begin[s], end[s], rules, found) == size[s]
        differs_at[size[s]] = size[s]
        for i in range(size[s] - 1, -1, -1):
            at, length = unit_at[unit[s] + i], unit_at[unit[s] + i + 1] - unit_at[unit[s] + i]
            same = found.at[i + 1] - found.at[i] == length and equal(found.text, found.at[i], text, at, length)
            differs_at[i] = differs_at[i + 1] if same or not divisible else i
        first, last = np.int64(-1), size[s] - gram_size[s]
        for i in range(last + 2):
            is_there = i <= last and differs_at[i] >= i + gram_size[s]
            if i <= last and not (is_there and common[unit[s] + i]):
                first = i if first < 0 and is_there else first
                continue
            if first >= 0:
                after = i - 1 + gram_size[s]
                while differs_at[after - 1] == after - 1:
                    after -= 1
                if count == len(parts):
                    parts = np.concatenate((parts, np.empty_like(parts)))
                if divisible:
                    parts[count, 1], parts[count, 2] = found.starts[first], found.ends[after - 1]
                    parts[count, 3], parts[count, 4] = after - first, first
                else:  # it begins within characters that are looked at together: it stays whole
                    parts[count, 1], parts[count, 2], parts[count, 3], parts[count, 4] = (
                        0,
                        end[s] - begin[s],
                        size[s],
                        0,
                    )
                parts[count, 5] = 0
                for k in range(first, after):
                    parts[count, 5] += divisible and differs_at[k] == k
                parts[count, 0] = s
                count += 1
                first = -1
                if not divisible:
                    break
    return parts[:count]
