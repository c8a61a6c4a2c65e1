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
                 keeps
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
                 et al. 2024, "ConTAM", arXiv 2411.03923); keeps
    lm-eval      as gpt3, with the words of lm-evaluation-harness's `Janitor` and no limit for grams of many documents
    datatrove    a document with a 12-gram of an item goes (datatrove's `NGramsDecontFilter`, but for its words, and for
                 grams of the question alone, which it leaves out)

Where a paper has tokens, the units are words and characters, or the ids of a tokenizer.
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
from corpus.text.hashing import hash64

Name = Literal[
    "any", "overlap", "gpt2", "gpt3", "gpt4", "palm", "llama2", "llama3", "tulu3", "longest", "lm-eval", "datatrove"
]


class Scan(NamedTuple):
    """By what texts are compared: one scan serves all rules that ask for the same. `skips`: see `scanner.Scanner`;
    `by_set`: items of a set are looked for by grams of one length, GPT-3's N."""

    normalisation: normalisations.Name
    ngram: int
    min_words: int
    skips: int = 0
    by_set: bool = False


class Verdict(NamedTuple):
    """Of each item how much of it is contaminated (float64, 0 to 1), and whether it is dirty (bool). An item that could
    not be looked for has 0, and is not dirty; `index.grams` tells it."""

    score: np.ndarray
    dirty: np.ndarray


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
    (`max_documents`; None: any number), so that passages that are common everywhere do not count."""

    name: Name
    scan: Scan
    items: Callable[[pa.Table, Index, float], Verdict]
    documents: Callable[[pa.Table, Index, float], Cuts]
    threshold: float = 0.0
    max_documents: int | None = None


# ------------------------------------------------------------------ what rules are made of


def _columns(spans: pa.Table, *names: str) -> list[np.ndarray]:
    return [spans[name].to_numpy() for name in names]


def covered_units(spans: pa.Table, index: Index) -> np.ndarray:
    """Of each item, how many of its units are in the spans of all documents: int64[items]."""
    covered = np.zeros(len(index.unit_at), np.int64)
    text, first, size = _columns(spans, "text", "first", "words")
    begin = index.first_unit[text] + first
    np.add.at(covered, begin, 1)
    np.add.at(covered, begin + size, -1)
    units = np.cumsum(covered)[:-1] > 0
    of_unit = np.repeat(index.item_of_text, np.diff(index.first_unit))
    return np.bincount(of_unit[units], minlength=len(index.items))


def grams_seen(spans: pa.Table, index: Index) -> np.ndarray:
    """Of each item, how many of its distinct grams are in the spans of all documents: int64[items]."""
    seen = np.zeros(len(index.hash), bool)
    seen[scanner.grams_in(spans, index)[1]] = True
    starts = np.flatnonzero(index.gram_of_unit >= 0)
    starts = starts[seen[index.gram_of_unit[starts]]]
    item = index.item_of_text[np.searchsorted(index.first_unit, starts, side="right") - 1]
    pairs = np.unique(item * np.int64(max(len(seen), 1)) + index.gram_of_unit[starts])
    return np.bincount(pairs // max(len(seen), 1), minlength=len(index.items))


def by_document(spans: pa.Table, index: Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, item, units of the item in spans of this document) of every document and item, by row and item."""
    row, item, text, first, size = _columns(spans, "row", "item", "text", "first", "words")
    order = np.lexsort((first, text, item, row))
    row, item, text, begin = row[order], item[order], text[order], (index.first_unit[text] + first)[order]
    fresh = np.ones(len(row), bool)
    fresh[1:] = (row[1:] != row[:-1]) | (item[1:] != item[:-1])
    units = _union(np.cumsum(fresh) - 1, begin, begin + size[order])
    return row[fresh], item[fresh], units


@numba.njit(cache=True, nogil=True)
def _union(pair, begin, end):
    """The sizes of the unions of ranges of each pair, which come ordered by pair and begin."""
    sizes = np.zeros(pair[-1] + 1 if len(pair) else 0, np.int64)
    reach = np.int64(0)
    for i in range(len(pair)):
        if i == 0 or pair[i] != pair[i - 1]:
            reach = np.int64(0)
        sizes[pair[i]] += max(0, end[i] - max(begin[i], reach))
        reach = max(reach, end[i])
    return sizes


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _nothing() -> Cuts:
    none = np.empty(0, np.int64)
    return Cuts(none, none.astype(bool), none, none, none, none.astype(float))


# ------------------------------------------------------------------ items


def seen_any(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty for one gram; how much: the share of its grams."""
    score = _share(grams_seen(spans, index), index.grams)
    return Verdict(score, score > 0)


def seen_grams(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty from the share `threshold` of its grams on."""
    score = _share(grams_seen(spans, index), index.grams)
    return Verdict(score, (score >= threshold) & (score > 0))


def seen_units(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty from the share `threshold` of its units in passages on."""
    score = _share(covered_units(spans, index), index.units)
    return Verdict(score, (score >= threshold) & (score > 0))


LLAMA2_LONGER = 10
"""Units that a match has more than; the first so many of them do not differ."""


def seen_units_longer(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """As `seen_units`, for passages of more than ten units."""
    longer = spans["words"].to_numpy() > LLAMA2_LONGER
    return seen_units(spans.filter(pa.array(longer, pa.bool_())), index, threshold)


def seen_in_one(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty where more than the share `threshold` of the units of its prompt is in passages of one document. Where an
    item says which of its texts are answers, these are not of the prompt."""
    _, item, units = by_document(_prompts(spans, index), index)
    most = np.zeros(len(index.items), np.int64)
    np.maximum.at(most, item, units)
    score = _share(most, prompt_units(index))
    return Verdict(score, score > threshold)


def longest(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty where the longest passage has the share `threshold` of its units."""
    item, size = _columns(spans, "item", "words")
    most = np.zeros(len(index.items), np.int64)
    np.maximum.at(most, item, size)
    score = _share(most, index.units)
    return Verdict(score, (score >= threshold) & (score > 0))


SUBSTRINGS = 3
"""That are drawn from an item (GPT-4)."""


def substrings(spans: pa.Table, index: Index, threshold: float) -> Verdict:
    """Dirty where one of three substrings, which are drawn from the item's grams by a hash of its name, is in a
    document; how much: the share of the three that is."""
    seen = np.zeros(len(index.hash), bool)
    seen[scanner.grams_in(spans, index)[1]] = True
    starts = np.flatnonzero(index.gram_of_unit >= 0)
    item = index.item_of_text[np.searchsorted(index.first_unit, starts, side="right") - 1]
    begins = np.searchsorted(item, np.arange(len(index.items) + 1))
    score = np.zeros(len(index.items))
    for number, each in enumerate(index.items):
        grams = index.gram_of_unit[starts[begins[number] : begins[number + 1]]]
        if len(grams):
            name = np.frombuffer(each.name.encode("utf-8", "surrogatepass"), np.uint8)
            draws = [int(hash64(name, 0, len(name), np.uint64(seed))) % len(grams) for seed in range(SUBSTRINGS)]
            score[number] = np.mean(seen[grams[draws]])
    return Verdict(score, score > 0)


def _is_prompt(index: Index) -> np.ndarray:
    """Of each text whether it is of the prompt: bool[texts]."""
    named = [
        evaluation_items.role(item.fields[text]) != "answer" if item.fields else True
        for item in index.items
        for text in range(len(item.texts))
    ]
    return np.array(named, bool)


def _prompts(spans: pa.Table, index: Index) -> pa.Table:
    return spans.filter(pa.array(_is_prompt(index)[spans["text"].to_numpy()], pa.bool_()))


def prompt_units(index: Index) -> np.ndarray:
    """Units of the texts of each item that are of its prompt: int64[items]."""
    units = np.diff(index.first_unit) * _is_prompt(index)
    return np.bincount(index.item_of_text, units, minlength=len(index.items)).astype(np.int64)


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
    """Documents that have more than the share `threshold` of the units of an item's prompt in passages."""
    row, item, units = by_document(_prompts(spans, index), index)
    share = _share(units, prompt_units(index)[item])
    held = share > threshold
    return _best(row[held], item[held], units[held], share[held])


def _best(row: np.ndarray, item: np.ndarray, most: np.ndarray, score: np.ndarray) -> Cuts:
    order = np.lexsort((item, -most, row))
    rows, first = np.unique(row[order], return_index=True)
    best = order[first]
    nowhere = np.full(len(rows), -1, np.int64)
    return Cuts(rows, np.ones(len(rows), bool), nowhere, nowhere, item[best], score[best])


PIECE, PIECES = 200, 10
"""Characters that a piece has at least; pieces that a document may be split into."""
GPT3_GRAM = 13
"""Units of the grams for which documents are cut, however short those are by which items are judged."""


def cut_13_grams(spans: pa.Table, index: Index, threshold: float) -> Cuts:
    """As `cut`, for passages of at least 13 units, or of the whole of a text that has fewer."""
    size, text = _columns(spans, "words", "text")
    enough = size >= np.minimum(GPT3_GRAM, np.diff(index.first_unit)[text])
    return cut(spans.filter(pa.array(enough, pa.bool_())), index, threshold)


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
        Rule("gpt3", Scan("gpt3", 13, 8, by_set=True), seen_any, cut_13_grams, max_documents=10),
        Rule("gpt4", Scan("gpt4", 50, 1), substrings, keep),
        Rule("palm", Scan("simple", 8, 8), seen_grams, keep, 0.7),
        Rule("llama2", Scan("simple", 10, 10, skips=4), seen_units_longer, keep, 0.8),
        Rule("llama3", Scan("simple", 8, 8), seen_units, keep, 0.5),
        Rule("tulu3", Scan("simple", 8, 8), seen_in_one, drop_covering, 0.5),
        Rule("longest", Scan("simple", 8, 8), longest, keep, 0.5),
        Rule("lm-eval", Scan("lm-eval", 13, 13), seen_any, cut),
        Rule("datatrove", Scan("simple", 12, 12), seen_any, drop),
    )
}
LLAMA2_CLEAN = 0.2
"""Share of an item's units below which Llama 2 calls it clean; from `RULES["llama2"].threshold` on it is dirty."""
TULU3_SET = 0.02
"""Share of a set's items from which Tülu 3 calls the set contaminated, where more of them are dirty."""


def counted(spans: pa.Table, max_documents: int | None) -> pa.Table:
    """The spans that have a gram that is in at most `max_documents` documents (the column `documents`)."""
    if max_documents is None:
        return spans
    return spans.filter(pa.array(spans["documents"].to_numpy() <= max_documents, pa.bool_()))


def with_documents(spans: pa.Table, index: Index, documents: np.ndarray) -> pa.Table:
    """Spans with a column `documents`: in how many documents the rarest gram of each is; `documents` (integers): in how
    many each gram of the index is."""
    which, grams = scanner.grams_in(spans, index)
    least = np.full(spans.num_rows, np.iinfo(np.int64).max)
    np.minimum.at(least, which, documents[grams])
    return spans.append_column("documents", pa.array(least, pa.int64()))
