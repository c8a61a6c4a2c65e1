"""What an objective can ask for that "causal" does not: made here, registered for a test."""

import dataclasses

import numpy as np
import pytest

from corpus.loader import TokenStream
from corpus.loader.kernel import IGNORE
from corpus.loader.objective import Objective
from corpus.loader.objectives import OBJECTIVES
from corpus.loader.order import keys

PAD, END = 999, 0
DOCUMENTS = [[[11, 12, 13, END], [], [21, END]], [[31, 32, 33, 34, END], [41, END]]]
STREAM = [token for shard in DOCUMENTS for document in shard for token in document]


@dataclasses.dataclass(frozen=True)
class Turns(Objective):
    """Windows of given lengths in turn; the batch is what was read, as it is."""

    lengths: tuple[int, ...] = (3, 5, 1)
    documents: bool = False
    batch_options = ("documents",)

    def windows(self, setting):
        if setting.sequence_length > 8:
            raise ValueError("sequence_length must be 8 at most")
        return self.lengths

    def batch(self, samples):
        rows = samples.read(documents=self.documents)
        assert rows.previous.shape == (len(rows.tokens), 0)
        return {"tokens": rows.tokens, "lengths": rows.lengths, "ids": rows.document_ids, "keys": samples.keys}


@dataclasses.dataclass(frozen=True)
class Backwards(Objective):
    """The samples in the stream's order, the last first; each with another sample beside it."""

    def numbers(self, setting, samples, first, count):
        return samples - 1 - np.arange(first, first + count) % samples

    def batch(self, samples):
        other = samples.keys.astype(np.int64) % samples.source.figures["samples"]
        beside = samples.read(numbers=other, previous=True, padding=IGNORE)
        return {"tokens": samples.read().tokens, "beside": beside.tokens, "before": beside.previous, "other": other}


@pytest.fixture
def folder(make_tokens, monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "turns", Turns)
    monkeypatch.setitem(OBJECTIVES, "backwards", Backwards)
    return make_tokens(DOCUMENTS, pad_id=PAD, pack=6)


def open_stream(folder, objective, length=8, batch_size=1, **options):
    return TokenStream(folder, objective=objective, sequence_length=length, batch_size=batch_size, **options)


LENGTHS = [(1,), (3,), (4,), (13,), (40,), (3, 5, 1), (1, 1, 7), (6, 7), (5, 9), (5, 3), (12, 2), (4, 9, 3), (20, 1)]


@pytest.mark.parametrize("lengths", LENGTHS)
def test_windows_of_several_lengths(folder, lengths):
    stream = open_stream(folder, "turns", lengths=lengths, shuffle=False)
    cut, expected = 0, []
    while cut < len(STREAM):
        length = lengths[len(expected) % len(lengths)]
        expected.append(STREAM[cut : cut + length])
        cut += length
    found = [batch["tokens"][0].tolist() for batch in stream]
    assert found == [row + [PAD] * (max(lengths) - len(row)) for row in expected]
    assert stream.samples == len(expected) and stream.figures["tokens"] == 13
    assert stream.figures["padding"] == cut - 13 and stream.figures["padding_share"] == (cut - 13) / cut
    shuffled = sorted(str(batch["tokens"].tolist()) for batch in open_stream(folder, "turns", lengths=lengths))
    assert shuffled == sorted(str([row]) for row in found)


def test_what_is_read(folder):
    stream = open_stream(folder, "turns", batch_size=3, lengths=(5,), documents=True, shuffle=False)
    batch = stream.batch_at(1)
    assert batch["tokens"].tolist() == [[END, 31, 32, 33, 34], [END, 41, END, PAD, PAD], [PAD] * 5]
    assert batch["ids"].tolist() == [[1, 2, 2, 2, 2], [1, 2, 2, 0, 0], [0] * 5]
    assert batch["lengths"].tolist() == [5, 3, 0]
    assert batch["keys"].tolist() == keys(1, 3, 3, 0).tolist()
    assert next(open_stream(folder, "turns"))["ids"] is None
    assert next(open_stream(folder, "turns", boundaries="positions"))["ids"] is not None
    packed = next(open_stream(folder, "turns", packing="plan", lengths=(6,), documents=True, shuffle=False))
    assert packed["tokens"].shape == (1, 6) and packed["ids"].max() >= 1
    assert (packed["tokens"][packed["ids"] > 0] != PAD).all()
    assert next(open_stream(folder, "turns", dtype="int32"))["tokens"].dtype == np.int32


def test_other_samples_and_another_order(folder):
    plain = [batch["tokens"][0].tolist() for batch in open_stream(folder, "turns", lengths=(4,), shuffle=False)]
    stream = open_stream(folder, "backwards", length=4, epochs=2)
    batches = list(stream)
    assert [batch["tokens"][0].tolist() for batch in batches] == plain[::-1] * 2
    for batch in batches:
        (number,) = batch["other"].tolist()
        row = [token if token != PAD else IGNORE for token in plain[number]]
        assert batch["beside"][0].tolist() == row
        before = [END, *STREAM][4 * number : 4 * number + 4]
        assert batch["before"][0].tolist() == before[: 4 - row.count(IGNORE)] + [PAD] * row.count(IGNORE)
    assert len({batch["other"][0] for batch in batches}) > 1
    last = stream.batch_at(7)
    assert last["tokens"].tolist() == [plain[0]]


def test_options_are_part_of_the_state_unless_they_only_change_batches(folder):
    state = open_stream(folder, "turns").state_dict()
    open_stream(folder, "turns", lengths=(3, 5, 1), documents=True).load_state_dict(state)
    other = open_stream(folder, "turns", lengths=(2, 6, 1))
    assert other.figures == open_stream(folder, "turns").figures
    for stream in (other, open_stream(folder, "causal")):
        with pytest.raises(ValueError, match="another order"):
            stream.load_state_dict(state)


def test_refused_when_it_is_opened(folder):
    with pytest.raises(ValueError, match="must be 8 at most"):
        open_stream(folder, "turns", length=9)
    with pytest.raises(ValueError, match="plan 'plan' is for sequence_length 6; samples here have 3, 5, 1"):
        open_stream(folder, "turns", packing="plan")
    with pytest.raises(TypeError, match="option of 'turns' 'length' is unknown; did you mean 'lengths'"):
        TokenStream(folder, objective="turns", sequence_length=8, batch_size=1, length=3)


def test_a_plan_of_other_tokens_than_a_row(folder):
    """An objective may take samples of more or fewer tokens than it writes: the plan is for what it takes."""
    stream = open_stream(folder, "turns", length=2, packing="plan", lengths=(6,))
    found = sorted(token for batch in stream for token in batch["tokens"][0].tolist() if token != PAD)
    assert found == sorted(STREAM)
