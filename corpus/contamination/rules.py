"""The published rules of contamination, as functions of the span table.

A rule says by what texts are compared (`Scan`); which *items* are dirty, and how much; and what is done to *documents*.
Papers that only measure keep all documents. Each function takes spans (`scanner.SPAN_SCHEMA`, in which `row` may be any
numbers of documents) and the index that they were found with.

    any          a document with a gram of an item goes; GPT-3's first way ("originally we removed entire documents
                 given a single collision")
    overlap      a document with the share `min_overlap` of the grams of one item goes: PaLM's 70 %, of one document
    gpt2         the share of the 8-grams of a set that the corpus has (Radford et al. 2019, section 4); keeps
    gpt3         a 13-gram and 200 characters on either side are cut, pieces of fewer than 200 characters go, and
                 documents that are split into more than 10 pieces; grams in more than 10 documents do not count. Items:
                 dirty for one gram, of N units, the 5th percentile of the lengths of the set's items, but 8 to 13
                 (Brown et al. 2020, arXiv 2005.14165, appendix C)
    gpt4         dirty if one of three substrings of 50 characters, drawn from the item, is in a document (the whole
                 item where it is shorter); only letters and numbers count (OpenAI 2023, arXiv 2303.08774, appendix C);
                 keeps. An item is all its texts in a row; one of fewer than 8 such characters, which would be in
                 most documents, is not looked for
    palm         dirty from 70 % of the item's 8-grams on (Chowdhery et al. 2022, arXiv 2204.02311, section 8); keeps
    llama2       a unit is contaminated in a match of more than 10 that skips at most 4, which are not among the first
                 10 nor the last; items are clean below 20 % and dirty from 80 % on (Touvron et al. 2023, arXiv
                 2307.09288, A.6); keeps
    llama3       the share of the item's units in 8-grams that the corpus has, held to a threshold for each set (Dubey
                 et al. 2024, arXiv 2407.21783, section 5.1.4); keeps
    tulu3        a document that has more than 50 % of the units of an item's prompt in 8-grams goes, and makes the item
                 dirty; a set is where more than 2 % of its items are (Lambert et al. 2024, arXiv 2411.15124, section
                 3.2)
    longest      the longest passage of the item in a document, as a share of its units; passages have 8 at least (Singh
                 et al. 2024, "ConTAM", arXiv 2411.03923); keeps. Of an item of several texts, between which documents
                 have what they like, the longest of each, in one document
    lm-eval      as gpt3, with the words of lm-evaluation-harness's `Janitor` and no limit for grams of many documents
    gopher       near-duplicates: a document whose 13-grams have a Jaccard similarity of more than 0.8 to those of an
                 item goes, and makes the item dirty (Rae et al. 2021, arXiv 2112.11446)
    substring    passages of 50 units or more that an item has, too, are cut, and make it dirty (the exact substrings of
                 Lee et al. 2021, arXiv 2107.06499, between two sets of texts)
    datatrove    a document with a 12-gram of an item goes (datatrove's `NGramsDecontFilter`, but for its words, and for
                 grams of the question alone, which it leaves out)

Where a paper has tokens, the units are words and characters. A share of an item's units is one of those
that could be found: texts that are too short to be looked for, as most choices of an answer are, are in neither number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.contamination import items as evaluation_items
from corpus.contamination import normalisations, scanner
from corpus.contamination.index import Index
from corpus.text.distinct import distinct

Name = Literal[
    "any", "overlap", "gpt2", "gpt3", "gpt4", "palm", "llama2", "llama3", "tulu3", "longest", "lm-eval", "gopher",
    "substring", "datatrove",
]  # fmt: skip


class Scan(NamedTuple):
    """By what texts are compared: one scan serves all rules that ask for the same. `skips`: see `scanner.Scanner`;
    `by_set`: items of a set are looked for by grams of one length, GPT-3's N; `drawn`: by so many grams of an item;
    `of_grams`: the distinct grams of documents are counted; `tokenizer`: the folder of that whose tokens are units,
    with the normalisation "tokens"."""

    normalisation: normalisations.Name
    ngram: int
    min_words: int
    skips: int = 0
    by_set: bool = False
    drawn: int = 0
    of_grams: bool = False
    tokenizer: str = ""


class Verdict(NamedTuple):
    """Of each item how much of it is contaminated (float64, 0 to 1), whether it is dirty (bool), and whether it could
    be looked for (bool); one that could not has 0, and is not dirty."""

    score: np.ndarray
    dirty: np.ndarray
    checked: np.ndarray


class Cuts(NamedTuple):
    """What is done to documents: `row` (int64), whether it is dropped (bool) or bytes `start` to `end` are cut, because
    of which `item`, and a `score`; ordered by row and start, a dropped document once."""

    row: np.ndarray
    dropped: np.ndarray
    start: np.ndarray
    end: np.ndarray
    item: np.ndarray
    score: np.ndarray


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule: its scan, what it says of items and does to documents, and in how many documents a gram may be
    (`max_documents`; None: any number), so that grams that are common everywhere do not count. `of_documents`: the scan
    for what it does to documents, where that is another."""

    name: Name
    scan: Scan
    items: Callable[[pa.Table, Index, float], Verdict]
    documents: Callable[[pa.Table, Index, float], Cuts]
    threshold: float = 0.0
    max_documents: int | None = None
    of_documents: Scan | None = None


# ------------------------------------------------------------------ what rules are made of


def _columns(spans: pa.Table, *names: str) -> list[np.ndarray]:
    return [spans[name].to_numpy() for name in names]


def units_in_passages(spans: pa.Table, index: Index) -> np.ndarray:
    """Of each item, how many of its units are in the spans of all documents: int64[items]."""
    covered = np.zeros(len(index.unit_at), np.int64)
    text, first, size = _columns(spans, "text", "first", "words")
    begin = index.first_unit[text] + first
    np.add.at(covered, begin, 1)
    np.add.at(covered, begin + size, -1)
    units = np.cumsum(covered)[:-1] > 0
    of_unit = np.repeat(index.item_of_text, index.text_units)
    return np.bincount(of_unit[units], minlength=len(index.items))


def units_in_grams(spans: pa.Table, index: Index) -> np.ndarray:
    """Of each item, how many of its units are in grams that are in the spans of all documents, wherever the item has
    these: int64[items]."""
    which, gram = scanner.grams_in(spans, index)
    item, gram = np.divmod(distinct(spans["item"].to_numpy()[which] * _base(index) + gram), _base(index))
    return _units_of(item, gram, np.arange(len(index.items)), np.ones(len(index.text_units), bool), index)


def by_document(spans: pa.Table, index: Index, of_texts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, item, units of the item, in its texts that are among `of_texts` (bool[texts]), that are in grams which this
    document has) of every document and item, by row and item."""
    order = np.lexsort(_columns(spans, "item", "row"))
    spans = spans.select(["row", "item", "text", "first", "words"]).take(pa.array(order))
    row, item = _columns(spans, "row", "item")
    fresh = np.ones(len(row), bool)
    fresh[1:] = (row[1:] != row[:-1]) | (item[1:] != item[:-1])
    which, gram = scanner.grams_in(spans, index)
    pair = (np.cumsum(fresh) - 1)[which]
    return row[fresh], item[fresh], _units_of(pair, gram, item[fresh], of_texts, index)


def _base(index: Index) -> np.int64:
    return np.int64(max(len(index.hash), 1))


def _units_of(pair: np.ndarray, gram: np.ndarray, item: np.ndarray, of_texts: np.ndarray, index: Index) -> np.ndarray:
    """Units of the texts `of_texts` of `item[pair]` that are in one of its grams: int64[pairs]."""
    begins = index.first_unit[np.searchsorted(index.item_of_text, np.arange(len(index.items) + 1))]
    counts = np.repeat(of_texts, index.text_units)
    return _mark(pair, gram, item, begins, counts, index.posting_offsets, index.postings, index.size)


@numba.njit(cache=True, nogil=True)
def _mark(pair, gram, item, begins, counts, posting_offsets, postings, size):
    """How many units that count are in the grams of each pair, which are in ascending order, a gram as often as it may
    be; item *i* has the units from `begins[i]` on."""
    sizes = np.zeros(len(item), np.int64)
    last = np.full(len(counts), -1, np.int64)
    for i in range(len(pair)):
        each = item[pair[i]]
        low, high = posting_offsets[gram[i]], posting_offsets[gram[i] + 1]
        places = postings[low:high]
        for place in places[np.searchsorted(places, begins[each]) :]:
            if place >= begins[each + 1]:
                break
            for unit in range(place, place + size[gram[i]]):
                if last[unit] != pair[i]:
                    last[unit] = pair[i]
                    sizes[pair[i]] += counts[unit]
    return sizes


def grams_seen(spans: pa.Table, index: Index) -> np.ndarray:
    """Of each item, how many of its distinct grams are in the spans of all documents: int64[items]."""
    seen = np.zeros(len(index.hash), bool)
    seen[scanner.grams_in(spans, index)[1]] = True
    starts = np.flatnonzero(index.gram_of_unit >= 0)
    starts = starts[seen[index.gram_of_unit[starts]]]
    item = index.item_of_text[np.searchsorted(index.first_unit, starts, side="right") - 1]
    pairs = distinct(item * np.int64(max(len(seen), 1)) + index.gram_of_unit[starts])
    return np.bincount(pairs // max(len(seen), 1), minlength=len(index.items))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _nothing() -> Cuts:
    none = np.empty(0, np.int64)
    return Cuts(none, none.astype(bool), none, none, none, none.astype(float))


# ------------------------------------------------------------------ items


def seen_any(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty for one gram; how much: the share of its grams."""
    return _from(_share(grams_seen(spans, index), index.grams), 0.0, index.grams)


def seen_grams(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty from the share `threshold` of its grams on."""
    return _from(_share(grams_seen(spans, index), index.grams), threshold, index.grams)


def _from(score: np.ndarray, threshold: float, whole: np.ndarray) -> Verdict:
    """Dirty from `threshold` on; an item of which there is nothing, `whole` being 0, could not be looked for."""
    return Verdict(score, (score >= threshold) & (score > 0), whole > 0)


def seen_units(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty from the share `threshold` of its units in grams on."""
    whole = index.units_of_items(index.text_size > 0)
    return _from(_share(units_in_grams(spans, index), whole), threshold, whole)


LLAMA2_LONGER = 10
"""Units that a match has more than; the first so many of them do not differ."""


def seen_units_longer(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty from the share `threshold` of its units in passages of more than ten units on."""
    longer = spans["words"].to_numpy() > LLAMA2_LONGER
    whole = index.units_of_items((index.text_size > 0) & (index.text_units > LLAMA2_LONGER))
    units = units_in_passages(spans.filter(pa.array(longer, pa.bool_())), index)
    return _from(_share(units, whole), threshold, whole)


def seen_in_one(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty where more than the share `threshold` of the units of its prompt is in grams of one document. Where an
    item says which of its texts are answers, these are not of the prompt."""
    _, item, units = by_document(spans, index, _is_prompt(index))
    most = np.zeros(len(index.items), np.int64)
    np.maximum.at(most, item, units)
    whole = index.units_of_items(_is_prompt(index))
    score = _share(most, whole)
    return Verdict(score, score > threshold, whole > 0)


def longest(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty where the longest passages of its texts in one document have the share `threshold` of its units."""
    row, item, text, size = _columns(spans, "row", "item", "text", "words")
    order = np.lexsort((-size, text, row))  # by text, and so by item
    row, item, text, size = row[order], item[order], text[order], size[order]
    first = np.ones(len(row), bool)
    first[1:] = (row[1:] != row[:-1]) | (text[1:] != text[:-1])
    row, item, size = row[first], item[first], size[first]
    fresh = np.ones(len(row), bool)
    fresh[1:] = (row[1:] != row[:-1]) | (item[1:] != item[:-1])
    most = np.zeros(len(index.items), np.int64)
    np.maximum.at(most, item[fresh], np.add.reduceat(size, np.flatnonzero(fresh)) if len(size) else size)
    whole = index.units_of_items(index.text_size > 0)
    return _from(_share(most, whole), threshold, whole)


def similar(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty where the Jaccard similarity of its grams to those of a document is more than `threshold`."""
    item, similarity = spans["item"].to_numpy(), _jaccard(spans, index)
    score = np.zeros(len(index.items))
    np.maximum.at(score, item, similarity)
    return Verdict(score, score > threshold, index.grams > 0)


def _jaccard(spans: pa.Table, index: Index) -> np.ndarray:
    """Of each span the similarity of all the grams of its item to those of its document."""
    item, both, of_grams = _columns(spans, "item", "grams", "of_grams")
    return _share(both, index.grams[item] + of_grams - both)


def _is_prompt(index: Index) -> np.ndarray:
    """Of each text whether it is of the prompt, and could be looked for: bool[texts]."""
    named = [not field or evaluation_items.role(field) != "answer" for field, _ in index.texts]
    return np.array(named, bool) & (index.text_size > 0)


# ------------------------------------------------------------------ documents


def keep(spans: pa.Table, index: Index, threshold: float) -> Cuts:
    """Nothing is done to documents."""
    return _nothing()


def drop(spans: pa.Table, index: Index, threshold: float) -> Cuts:
    """Documents that have at least the share `threshold` of the grams of an item, and one gram of it. The item is,
    among those, the one with most grams in the document (the first of equals); the score is that share."""
    row, item, grams, covered = _columns(spans, "row", "item", "grams", "covered")
    held = covered >= threshold
    row, item, grams, covered = row[held], item[held], grams[held], covered[held]
    return _best(row, item, grams, covered)


def drop_covering(spans: pa.Table, index: Index, threshold: float) -> Cuts:
    """Documents that have more than the share `threshold` of the units of an item's prompt in their grams."""
    row, item, units = by_document(spans, index, _is_prompt(index))
    share = _share(units, index.units_of_items(_is_prompt(index))[item])
    held = share > threshold
    return _best(row[held], item[held], units[held], share[held])


def drop_similar(spans: pa.Table, index: Index, threshold: float) -> Cuts:
    """Documents whose grams have a Jaccard similarity of more than `threshold` to those of an item."""
    row, item, grams = _columns(spans, "row", "item", "grams")
    similarity = _jaccard(spans, index)
    held = similarity > threshold
    return _best(row[held], item[held], grams[held], similarity[held])


def cut_passages(spans: pa.Table, index: Index, threshold: float) -> Cuts:
    """The passages alone are cut; a document of which nothing is left is dropped. The score is as for `cut`."""
    order = np.lexsort((spans["start"].to_numpy(), spans["row"].to_numpy()))
    columns = _columns(spans.take(pa.array(order)), "row", "start", "end", "of_bytes", "item", "covered")
    row, start, end, of_bytes, item, score = columns
    first, reach = _united(row, start, end)
    row, start, item, score = row[first], start[first], item[first], score[first]
    dropped = (start == 0) & (reach == of_bytes[first])
    return Cuts(row, dropped, np.where(dropped, -1, start), np.where(dropped, -1, reach), item, score)


@numba.njit(cache=True, nogil=True)
def _united(row, start, end):
    """(number of the first range of each union of ranges that meet, the end of the union), of ranges ordered by row and
    start."""
    first, reach = np.empty(len(row), np.int64), np.empty(len(row), np.int64)
    count = 0
    for i in range(len(row)):
        if i and row[i] == row[i - 1] and start[i] <= reach[count - 1]:
            reach[count - 1] = max(reach[count - 1], end[i])
        else:
            first[count], reach[count] = i, end[i]
            count += 1
    return first[:count], reach[:count]


def _best(row: np.ndarray, item: np.ndarray, most: np.ndarray, score: np.ndarray) -> Cuts:
    order = np.lexsort((item, -most, row))
    rows, first = np.unique(row[order], return_index=True)
    best = order[first]
    nowhere = np.full(len(rows), -1, np.int64)
    return Cuts(rows, np.ones(len(rows), bool), nowhere, nowhere, item[best], score[best])


PIECE, PIECES = 200, 10
"""Characters that a piece has at least; pieces that a document may be split into."""


def cut(spans: pa.Table, index: Index, threshold: float) -> Cuts:
    """Passages go with their windows, and so do pieces of fewer than `PIECE` characters that are left; a document that
    is split into more than `PIECES` pieces, or of which nothing is left, is dropped. The score is the share of the
    item's grams in the document. A document without a passage is not touched, however short it is."""
    order = np.lexsort((spans["cut_start"].to_numpy(), spans["row"].to_numpy()))
    spans = spans.take(pa.array(order))
    names = ("row", "cut_start", "cut_end", "cut_start_character", "cut_end_character", "of_bytes", "of_characters")
    return Cuts(*_cut(*_columns(spans, *names, "item", "covered")))


@numba.njit(cache=True, nogil=True)
def _cut(row, start, end, start_character, end_character, of_bytes, of_characters, item, score):
    """The fields of `Cuts`, of windows ordered by row and start."""
    rows, dropped = np.empty(len(row), np.int64), np.empty(len(row), np.bool_)
    starts, ends = np.empty(len(row), np.int64), np.empty(len(row), np.int64)
    items, scores = np.empty(len(row), np.int64), np.empty(len(row), np.float64)
    count = first = 0
    while first < len(row):
        after, begun, pieces, left = first, count, 0, 0
        reach, reach_character = np.int64(0), np.int64(0)
        while after < len(row) and row[after] == row[first]:
            gap = start_character[after] - reach_character
            if gap > 0:
                pieces += 1
            if gap >= PIECE or count == begun:  # a new cut; from the beginning, where the first piece is short
                left += gap >= PIECE
                rows[count], dropped[count] = row[first], False
                starts[count], ends[count] = start[after] if gap >= PIECE else 0, end[after]
                items[count], scores[count] = item[after], score[after]
                count += 1
            else:
                ends[count - 1] = max(ends[count - 1], end[after])
            reach, reach_character = max(reach, end[after]), max(reach_character, end_character[after])
            after += 1
        gap = of_characters[first] - reach_character
        pieces += gap > 0
        if gap >= PIECE:
            left += 1
        else:
            ends[count - 1] = of_bytes[first]
        if pieces > PIECES or left == 0:
            count = begun
            rows[count], dropped[count], starts[count], ends[count] = row[first], True, -1, -1
            best = first
            for i in range(first, after):
                if score[i] > score[best]:
                    best = i
            items[count], scores[count] = item[best], score[best]
            count += 1
        first = after
    return rows[:count], dropped[:count], starts[:count], ends[:count], items[:count], scores[:count]


# ------------------------------------------------------------------ the rules

RULES: dict[Name, Rule] = {
    rule.name: rule
    for rule in (
        Rule("any", Scan("simple", 13, 8), seen_any, drop),
        Rule("overlap", Scan("simple", 13, 8), seen_grams, drop, 0.7),
        Rule("gpt2", Scan("simple", 8, 8), seen_any, keep),
        Rule("gpt3", Scan("gpt3", 13, 8, by_set=True), seen_any, cut, 0.0, 10, Scan("gpt3", 13, 8)),
        Rule("gpt4", Scan("gpt4", 50, 8, drawn=3), seen_any, keep),
        Rule("palm", Scan("simple", 8, 8), seen_grams, keep, 0.7),
        Rule("llama2", Scan("simple", 10, 10, skips=4), seen_units_longer, keep, 0.8),
        Rule("llama3", Scan("simple", 8, 8), seen_units, keep, 0.5),
        Rule("tulu3", Scan("simple", 8, 8), seen_in_one, drop_covering, 0.5),
        Rule("longest", Scan("simple", 8, 8), longest, keep, 0.5),
        Rule("lm-eval", Scan("lm-eval", 13, 13), seen_any, cut),
        Rule("gopher", Scan("simple", 13, 13, of_grams=True), similar, drop_similar, 0.8),
        Rule("substring", Scan("simple", 50, 50), seen_any, cut_passages),
        Rule("datatrove", Scan("simple", 12, 12), seen_any, drop),
    )
}
LLAMA2_CLEAN = 0.2
"""Share of an item's units below which Llama 2 calls it clean; from `RULES["llama2"].threshold` on it is dirty."""
TULU3_SET = 0.02
"""Share of a set's items from which Tülu 3 calls the set contaminated, where more of them are dirty."""


def counted(spans: pa.Table, index: Index, documents: np.ndarray, max_documents: int | None) -> pa.Table:
    """The passages of grams that are in at most `max_documents` documents: spans as they are where all of theirs are,
    and else what is left of them, for which the column `around` is needed (`scanner.Scanner`). `documents` (integers):
    in how many documents each gram of the index is."""
    if max_documents is None:
        return spans
    common = documents > max_documents
    which, grams = scanner.grams_in(spans, index)
    has_common = np.bincount(which, common[grams], spans.num_rows) > 0
    left = scanner.without(spans.filter(pa.array(has_common, pa.bool_())), index, common)
    found = pa.concat_tables([spans.filter(pa.array(~has_common, pa.bool_())), left])
    order = np.lexsort(_columns(found, "text", "start", "item", "row"))
    found = with_documents(found.take(pa.array(order)).drop_columns("documents"), index, documents)
    return scanner.with_grams(found, index)


def with_documents(spans: pa.Table, index: Index, documents: np.ndarray) -> pa.Table:
    """Spans with a column `documents`: in how many documents the rarest gram of each is; `documents` (integers): in how
    many each gram of the index is."""
    which, grams = scanner.grams_in(spans, index)
    least = np.full(spans.num_rows, np.iinfo(np.int64).max)
    np.minimum.at(least, which, np.where(documents[grams] > 0, documents[grams], least.max(initial=0)))
    return spans.append_column("documents", pa.array(least, pa.int64()))
