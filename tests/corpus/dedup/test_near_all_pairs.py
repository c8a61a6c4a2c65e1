"""What near-duplicate detection promises, against all pairs: recall as the S-curve has it, nothing below the threshold
dropped, and for every document that goes one that stays, as similar as is said."""

import functools
import io
import itertools
import json

import pytest
import zstandard
from all_pairs_oracle import chance_of, greedy, isolated, planted, similarities
from shingle_oracle import shingle_set

from corpus.dedup.near import Near, near_duplicates

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
UNITS = ("words", "characters")
ALPHABETS = {
    "words": [
        "".join(each) for each in itertools.product("bdfgklmnprst", "aeiou", ["", "l", "n", "r", "s"], ["", "ta"])
    ],
    "characters": [chr(0x4E00 + 7 * i) for i in range(2000)],
}
IMPROBABLE = 1e-6
"""What is less probable than this is not chance: there are some thousand comparisons here."""


@functools.cache
def texts(unit):
    return planted(ALPHABETS[unit], " " if unit == "words" else "", 1200, 80, seed=5)


@functools.cache
def truth(unit):
    return similarities([shingle_set(text, 5, unit) for text in texts(unit)], THRESHOLDS[0])


def at_least(edges, threshold, below=2.0):
    return {pair: similarity for pair, similarity in edges.items() if threshold <= similarity < below}


def check_decisions(found, edges, threshold):
    """`found`: (row, by, similarity), of which `edges` has all pairs at the threshold."""
    dropped = {row for row, _, _ in found}
    assert len(dropped) == len(found) > 20
    for row, by, similarity in found:
        assert by not in dropped and by < row
        assert edges[by, row] == similarity >= threshold


def check_recall(found, edges, bands, rows):
    """Of pairs that have no third, in total and by similarity."""
    alone, pairs = isolated(edges), {(by, row) for row, by, _ in found}
    assert len(alone) > 40
    for low, high in [(0, 2), *((low / 20, (low + 1) / 20) for low in range(10, 21))]:
        some = at_least(alone, low, high)
        hits = sum(pair in pairs for pair in some)
        assert chance_of(hits, some, bands, rows) > IMPROBABLE, (low, len(some), hits)


def rows_of(table):
    return [(row["row"], row["by"], row["similarity"]) for row in table.to_pylist()]


def test_there_are_pairs_of_every_similarity():
    for unit in UNITS:
        assert len(texts(unit)) == 3040 and 2700 < len(set(texts(unit))) < 3000
        assert min(len(at_least(truth(unit), low / 20, (low + 1) / 20)) for low in range(10, 21)) > 50


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("recall, seed", [(0.99, 1), (0.9, 2), (0.5, 3), (0.1, 4)])
def test_recall_is_that_of_the_curve_and_nothing_goes_that_may_not(unit, threshold, recall, seed):
    options = {"threshold": threshold, "unit": unit, "recall": recall, "seed": seed}
    found = rows_of(near_duplicates(texts(unit), **options))
    edges = at_least(truth(unit), threshold)
    check_decisions(found, edges, threshold)
    check_recall(found, edges, *Near(**options).banding())


@pytest.mark.parametrize("scheme", ["affine64", "legacy", "datatrove", "text_dedup"])
@pytest.mark.parametrize("hash", ["sha1", "xxhash"])
def test_recall_is_that_of_the_curve_with_every_scheme(scheme, hash):
    options = {"threshold": 0.6, "bands": 20, "rows": 8, "scheme": scheme, "hash": hash}
    found = rows_of(near_duplicates(texts("words"), **options))
    edges = at_least(truth("words"), 0.6)
    check_decisions(found, edges, 0.6)
    check_recall(found, edges, 20, 8)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_where_every_pair_is_found_the_greedy_rule_is_what_decides(unit, threshold):
    found = near_duplicates(texts(unit), threshold=threshold, unit=unit, recall=1 - 1e-9)
    wrong = set(rows_of(found)) ^ set(greedy(at_least(truth(unit), threshold), len(texts(unit))))
    assert len(found) > 200 and not wrong


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_is_known_by_the_script(unit):
    assert near_duplicates(texts(unit)).equals(near_duplicates(texts(unit), unit=unit))


@functools.cache
def real_texts(folder):
    """Every third document of four files, cut to 2,000 characters, and a copy that lacks some of its words, of each a
    different share."""
    documents = []
    for path in sorted(folder.glob("jsonl/*.zst")):
        with path.open("rb") as file:
            lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
            documents += [json.loads(line)["text"][:2000] for line in itertools.islice(lines, 0, None, 3)]
    copies = []
    for number, text in enumerate(documents):
        words, every = text.split(" "), 6 + number * number % 193
        copies.append(" ".join(word for i, word in enumerate(words) if i * i % every != 1))
    return documents + copies


@functools.cache
def real_truth(folder, unit):
    return similarities([shingle_set(text, 5, unit) for text in real_texts(folder)], THRESHOLDS[0])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_real_documents(unit, threshold, real_data):
    edges = at_least(real_truth(real_data, unit), threshold)
    for recall in (0.99, 0.5):
        options = {"threshold": threshold, "unit": unit, "recall": recall}
        found = rows_of(near_duplicates(real_texts(real_data), **options))
        check_decisions(found, edges, threshold)
        check_recall(found, edges, *Near(**options).banding())
