"""Rows of sentences against fairseq's rules in plain Python, pairs against BERT's, ALBERT's and ELECTRA's code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.tokens import packing, sentence_packing
from corpus.tokens.mixing import combine

DOCUMENTS = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=9), max_size=12)


class Draws:
    def __init__(self, key, purpose=1):
        self._bits = np.random.Philox(key=np.array([int(key), purpose], np.uint64))

    def below(self, limit):
        return int(self._bits.random_raw()) * limit >> 64

    def uniform(self):
        return (int(self._bits.random_raw()) >> 11) / 2**53

    def front(self):
        return int(self._bits.random_raw()) >> 63 == 0


def mixed(key, number):
    return np.uint64(combine(np.uint64(key), np.uint64(number)))


def arrays(documents):
    lengths = [size for document in documents for size in document]
    return np.array(lengths, np.int64), np.cumsum([0, *map(len, documents)])


def rows_of(plan):
    """Each row as (document, start, end) of its pieces."""
    pieces = list(zip(plan.document.tolist(), plan.start.tolist(), (plan.start + plan.length).tolist()))
    return [pieces[a:b] for a, b in zip(plan.offsets[:-1], plan.offsets[1:])]


def packed(documents, width, by_document):
    """Next fit of sentences, pieces of a document joined."""
    rows, room = [], 0
    for number, document in enumerate(documents):
        at = 0
        if by_document:
            room = 0
        for size in document:
            while size:
                if size > room:
                    rows.append([])
                    room = width
                taken = min(size, room)
                if rows[-1] and rows[-1][-1][0] == number and rows[-1][-1][2] == at:
                    rows[-1][-1] = (number, rows[-1][-1][1], at + taken)
                else:
                    rows[-1].append((number, at, at + taken))
                at, size, room = at + taken, size - taken, room - taken
    return rows


@settings(deadline=None)
@given(documents=DOCUMENTS, width=st.integers(1, 20), by_document=st.booleans())
def test_rows_of_sentences(documents, width, by_document):
    """A sentence is cut only where it is longer than a row; what is left of the last piece takes others."""
    method = "document_sentences" if by_document else "sentences"
    plan = sentence_packing.pack(*arrays(documents), width, method)
    assert rows_of(plan) == packed(documents, width, by_document)
    assert plan.figures["tokens"] == plan.figures["shard_tokens"] == sum(map(sum, documents))


def pairs(documents, width, method, seed, variants, short):
    """create_instances_from_document (google-research/bert, albert), and ELECTRA's ExampleBuilder, by document."""
    ends = [sum(document) - 1 for document in documents]  # without the end token
    lengths, _ = arrays(documents)
    key = seed
    for number in (len(lengths) + 1, int(lengths.sum()), width):
        key = mixed(key, number)
    offsets = [np.cumsum([0, *document]).tolist() for document in documents]
    least = 5 if method == "segments" else 2
    rows = []

    def sentences(number):
        last = len(documents[number])
        return last - 1 if offsets[number][last - 1] == ends[number] else last

    for variant in range(variants):
        for number, offset in enumerate(offsets):
            draws = Draws(mixed(mixed(key, variant), number))

            target, sentence = target_length(draws, short, least, width), 0
            while sentence < sentences(number):
                chunk = [sentence]
                sentence += 1
                while sentence < sentences(number) and (
                    len(chunk) < 2 if method == "sentence_pairs" else offset[chunk[-1] + 1] - offset[chunk[0]] < target
                ):
                    chunk.append(sentence)
                    sentence += 1
                if method == "segments":
                    rows.append(electra(draws, number, offset, ends[number], chunk, width, target))
                    target = target_length(draws, short, least, width)
                    continue
                cut = chunk[0] + 1 if len(chunk) < 2 else chunk[0] + 1 + draws.below(len(chunk) - 1)
                toss, other = draws.uniform() < 0.5, None
                a = [offset[chunk[0]], min(offset[cut], ends[number])]
                if len(chunk) == 1 or (toss and method != "sentence_order"):
                    for _ in range(10):
                        drawn = draws.below(len(documents))
                        if drawn != number and ends[drawn] > 0:
                            other = drawn
                            break
                if other is not None:
                    start = draws.below(sentences(other))
                    stop = start + 1
                    while (
                        method != "sentence_pairs"
                        and stop < sentences(other)
                        and offsets[other][stop] - offsets[other][start] < target - (a[1] - a[0])
                    ):
                        stop += 1
                    b, of = [offsets[other][start], min(offsets[other][stop], ends[other])], other
                    sentence = cut
                else:
                    b, of = [offset[cut], min(offset[chunk[-1] + 1], ends[number])], number
                    b = b if len(chunk) > 1 else [a[1], a[1]]
                while a[1] - a[0] + b[1] - b[0] > width:  # truncate_seq_pair
                    front = draws.front()
                    longer = a if a[1] - a[0] > b[1] - b[0] else b
                    longer[0 if front else 1] += 1 if front else -1
                pair = [(number, *a), (of, *b)]
                if method == "sentence_order" and other is None and toss and len(chunk) > 1:
                    pair.reverse()
                rows.append([piece for piece in pair if piece[2] > piece[1]])
    return rows


def target_length(draws, short, least, width):
    width += 2 if least == 5 else 0
    toss = draws.uniform() < short
    return least + draws.below(width - least + 1) if toss and width > least else width


def electra(draws, number, offset, end, chunk, width, target):
    """_create_example, its max_length being width + 2, of sentences that follow each other."""
    max_length = width + 2
    aim = 100_000 if draws.uniform() < 0.1 else (target - 3) // 2
    sizes = [min(offset[sentence + 1], end) - offset[sentence] for sentence in chunk]
    first, second = [], []
    for sentence in chunk:
        so_far, size = (sum(offset[s + 1] - offset[s] for s in each) for each in (first, [sentence]))
        if not second and (not first or so_far + size < aim or (so_far < aim and draws.uniform() < 0.5)):
            first.append(sentence)
        else:
            second.append(sentence)
    one = min(sum(sizes[: len(first)]), max_length - 2)
    two = min(sum(sizes[len(first) :]), max(0, max_length - one - 3))
    begin, middle = offset[chunk[0]], min(offset[first[-1] + 1], end)
    return [piece for piece in ((number, begin, begin + one), (number, middle, middle + two)) if piece[2] > piece[1]]


@settings(deadline=None, max_examples=60)
@given(
    documents=DOCUMENTS,
    width=st.integers(2, 40),
    method=st.sampled_from(sentence_packing.PAIRS),
    seed=st.integers(0, 9),
)
def test_pairs_are_those_of_plain_python(documents, width, method, seed):
    plan = sentence_packing.pack(*arrays(documents), width, method, seed, 2, 0.3)
    assert rows_of(plan) == pairs(documents, width, method, seed, 2, 0.3)


@pytest.mark.parametrize("method", sentence_packing.PAIRS)
def test_what_pairs_are(method):
    """Segments fit; half of them or more follow each other, where they are of one document they touch."""
    random = np.random.default_rng(3)
    documents = [random.integers(3, 30, random.integers(1, 20)).tolist() for _ in range(400)]
    plan = sentence_packing.pack(*arrays(documents), 61, method, 5, 3)
    rows = rows_of(plan)
    assert all(sum(end - start for _, start, end in row) <= 61 for row in rows)
    two = [row for row in rows if len(row) == 2]
    other = sum(a[0] != b[0] for a, b in two)
    swapped = sum(a[0] == b[0] and b[1] < a[1] for a, b in two)
    if method == "segments":
        assert other == swapped == 0 and 0.65 < len(two) / len(rows) < 0.95
        assert max(sum(end - start for _, start, end in row) for row in two) == 60  # one more [SEP]
        assert max(end - start for row in rows if len(row) == 1 for _, start, end in row) == 61
    elif method == "sentence_order":
        assert abs(swapped / (len(two) - other) - 0.5) < 0.05 and other < 0.25 * len(two)
    else:
        assert swapped == 0 and 0.5 < other / len(two) < 0.72
    placed = {(number, at) for row in rows for number, start, end in row for at in (start, end - 1)}
    assert all(at < sum(documents[number]) - 1 for number, at in placed)  # never the end token


def test_albert_takes_sentences_once_and_variants_differ():
    documents = [[5] * 12] * 50
    plan = sentence_packing.pack(*arrays(documents), 30, "sentence_order", 1, 1)
    tokens = sum(end - start for row in rows_of(plan) for _, start, end in row)
    assert tokens >= 50 * 55
    more = sentence_packing.pack(*arrays(documents), 30, "next_sentence", 1, 5)
    rows = rows_of(more)
    assert len(set(map(str, rows))) > 0.8 * len(rows)


def test_degenerate():
    for method in sentence_packing.METHODS:
        for documents in ([], [[1]], [[1], [1]], [[2]], [[1, 1]]):
            plan = sentence_packing.pack(*arrays(documents), 8, method)
            assert plan.offsets[0] == 0 and plan.offsets[-1] == len(plan.document)
            if method in sentence_packing.PAIRS and documents in ([], [[1]], [[1], [1]]):
                assert len(plan.document) == 0


def test_a_plan_is_saved_and_summed_up(tmp_path):
    plan = sentence_packing.pack(*arrays([[3, 4, 2], [5, 1]]), 6, "next_sentence", 1, 2)
    packing.save(plan, str(tmp_path / "plan.arrow"))
    again = packing.load(str(tmp_path / "plan.arrow"))
    assert again.figures == plan.figures and np.array_equal(again.document, plan.document)
    assert packing.summarize(str(tmp_path), "plan", {"00000": plan.figures})["bins"] == len(plan.offsets) - 1


def test_refused():
    with pytest.raises(ValueError, match="packing method 'pairs' is unknown"):
        sentence_packing.pack(*arrays([[1]]), 8, "pairs")
    with pytest.raises(ValueError, match="variants must be at least 1"):
        sentence_packing.pack(*arrays([[1]]), 8, "next_sentence", variants=0)
