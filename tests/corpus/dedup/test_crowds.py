"""Documents of crowded buckets against the greedy rule over all pairs that share a bucket."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import crowds


def crowd_of(numbers, keys, sets):
    """A crowd in memory."""
    flat = [np.array([*sorted(k), *sorted(s)], np.uint64) for k, s in zip(keys, sets)]
    begins = np.cumsum([0, *map(len, flat)])
    starts = begins[:-1] + np.array([len(k) for k in keys], np.int64)
    return crowds.Crowd(np.array(numbers, np.int64), begins, starts, np.concatenate([np.empty(0, np.uint64), *flat]))


def greedy(numbers, keys, sets, edges, threshold, known=0, alone=False):
    """(dropped, by, score) by comparing every document with all that are kept."""
    kept, found, place = set(), [], {number: i for i, number in enumerate(numbers)}
    for number in sorted({*numbers, *(second for _, second, _ in edges), *(first for first, _, _ in edges)}):
        close = [(-score, first) for first, second, score in edges if second == number and first in kept]
        for other in kept:
            if number in place and other in place and keys[place[number]] & keys[place[other]]:
                one, two = sets[place[number]], sets[place[other]]
                score = len(one & two) / len(one | two)
                if score >= threshold:
                    close.append((-score, other))
        if close and number >= known:
            found.append((number, min(close)[1], -min(close)[0]))
        elif not alone or number < known:
            kept.add(number)
    return found


def result(crowd, edges, ends, threshold, **options):
    run = crowds.Greedy(crowd, ends[-1], threshold, **options)
    found, start = [], 0
    for end in ends:
        part = sorted((edge for edge in edges if start <= edge[1] < end), key=lambda edge: (edge[1], edge[0]))
        first, second, score = (np.array(c, d) for c, d in zip(zip(*part) if part else ([], [], []), (int, int, float)))
        found += zip(*(column.tolist() for column in run.part(first, second, score, end)))
        start = end
    return found


@st.composite
def cases(draw):
    choose = random.Random(draw(st.integers(0, 10**6)))
    documents = draw(st.integers(1, 60))
    vocabulary = [choose.getrandbits(64) for _ in range(draw(st.integers(3, 60)))]
    template = choose.sample(vocabulary, min(len(vocabulary), draw(st.integers(1, 40))))
    numbers = sorted(choose.sample(range(documents * 2), documents))
    sets = []
    for _ in numbers:
        changed = {choose.choice(vocabulary) for _ in range(choose.randrange(1, 8))}
        sets.append((set(template) - set(choose.sample(template, choose.randrange(len(template) // 2 + 1)))) | changed)
    keys = [set(choose.sample(range(6), choose.randrange(1, 4))) for _ in numbers]
    every = range(documents * 2)
    edges = {}
    for _ in range(draw(st.integers(0, 30)) if documents > 1 else 0):
        first, second = sorted(choose.sample(every, 2))
        if not (first in numbers and second in numbers):
            edges[first, second] = choose.choice([0.8, 0.9, 1.0])
    return numbers, keys, sets, [(*pair, score) for pair, score in edges.items()], choose.choice([0.5, 0.7, 0.8, 1.0])


@settings(deadline=None, max_examples=300)
@given(cases(), st.booleans(), st.integers(1, 3), st.booleans())
def test_it_is_the_greedy_rule(case, small, parts, some_known):
    numbers, keys, sets, edges, threshold = case
    documents = 2 * len(numbers)
    known = documents // 3 if some_known else 0
    ends = sorted({documents * (i + 1) // parts for i in range(parts)})
    with pytest.MonkeyPatch.context() as patch:
        if small:  # an index that is full all the time, parts of a document, a filter that says little
            for name, value in (("AT_A_TIME", 16), ("BITS", 64), ("SAMPLE", 8)):
                patch.setattr(crowds, name, value)
        options = {"known": known, "entries": 4 if small else crowds.ENTRIES}
        for alone in (False, True) if known else (False,):
            found = result(crowd_of(numbers, keys, sets), edges, ends, threshold, alone=alone, **options)
            assert found == greedy(numbers, keys, sets, edges, threshold, known, alone)


@settings(deadline=None)
@given(cases(), st.integers(1, 3))
def test_what_is_cut_short_is_counted_and_nothing_else_is_wrong(case, most):
    numbers, keys, sets, edges, threshold = case
    end, place = 2 * len(numbers), {number: i for i, number in enumerate(numbers)}
    run = crowds.Greedy(crowd_of(numbers, keys, sets), end, threshold, most=most)
    edges.sort(key=lambda edge: (edge[1], edge[0]))
    first, second, score = (np.array(c, d) for c, d in zip(zip(*edges) if edges else ([], [], []), (int, int, float)))
    found = list(zip(*(column.tolist() for column in run.part(first, second, score, end))))
    gone = {dropped for dropped, _, _ in found}
    for dropped, by, similarity in found:
        assert by < dropped and by not in gone
        if dropped in place and by in place:
            assert similarity >= threshold
            one, two = sets[place[dropped]], sets[place[by]]
            assert similarity == len(one & two) / len(one | two)
    assert run.cut_short <= len(numbers) and run.compared <= most * len(numbers)
    if not run.cut_short:
        assert found == greedy(numbers, keys, sets, edges, threshold, 0, False)


def test_pages_that_are_nearly_alike_enough_are_cut_short():
    """46 of 60 parts each: two have a Jaccard similarity of about 0.62."""
    choose = random.Random(3)
    parts = [[choose.getrandbits(64) for _ in range(6)] for _ in range(60)]
    sets = [{each for part in choose.sample(parts, 46) for each in part} for _ in range(400)]
    runs = [crowds.Greedy(crowd_of(range(400), [{1}] * 400, sets), 400, 0.75, most=most) for most in (50, crowds.MOST)]
    empty = np.empty(0, np.int64)
    for run in runs:
        run.part(empty, empty, np.empty(0), 400)
    assert [run.cut_short for run in runs] == [349, 0] and runs[0].compared < 20_000 < 60_000 < runs[1].compared


def test_nobody_in_a_crowd():
    edges = [(0, 2, 0.9), (1, 2, 0.95), (2, 3, 1.0), (0, 4, 0.8)]
    assert result(crowd_of([], [], []), edges, [5], 0.8) == [(2, 1, 0.95), (4, 0, 0.8)]
    assert result(crowd_of([], [], []), [], [0, 0], 0.8) == []


def test_pages_of_a_template_are_not_compared_with_each_other():
    """300 shingles of 380 in common: Jaccard 0.65, and a copy among them."""
    choose = random.Random(1)
    common = [choose.getrandbits(64) for _ in range(300)]
    sets = [{*common, *(choose.getrandbits(64) for _ in range(80))} for _ in range(2000)]
    sets[1500] = sets[10]
    crowd = crowd_of(range(2000), [{1}] * 2000, sets)
    run = crowds.Greedy(crowd, 2000, 0.8)
    empty = np.empty(0, np.int64)
    assert [column.tolist() for column in run.part(empty, empty, np.empty(0), 2000)] == [[1500], [10], [1.0]]
    assert run.compared < 20


def test_records():
    keys, key_offsets = np.array([5, 7, 9], np.uint64), np.array([0, 2, 3])
    values, offsets = np.array([1, 2, 3, 4], np.uint64), np.array([0, 1, 1, 4])
    flat, lengths = crowds.records(keys, key_offsets, values, offsets, np.array([0, 2]))
    assert flat.tolist() == [5, 7, 1, 9, 2, 3, 4] and lengths.tolist() == [3, 4]


def test_members():
    documents, keys, begins = crowds.members(np.array([7, 5, 5, 9, 5], np.uint64), np.array([3, 8, 3, 3, 8]))
    assert (documents.tolist(), keys.tolist(), begins.tolist()) == ([3, 8], [5, 7, 9, 5], [0, 3, 4])
