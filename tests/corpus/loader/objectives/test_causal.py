"""Rows by hand; against an oracle that cuts lists: tests/corpus/loader/test_stream.py."""

import numpy as np
import pytest

from corpus.loader import TokenStream
from corpus.loader.boundaries import BOUNDARIES

PAD = 999


def stream_of(folder, length=4, batch_size=2, **options):
    return TokenStream(folder, objective="causal", sequence_length=length, batch_size=batch_size, **options)


def test_by_hand(make_tokens):
    """Two shards with a window across the border, and an empty document."""
    folder = make_tokens([[[11, 12, 0], [], [21, 0]], [[31, 0]]])
    batch = next(stream_of(folder, 4, 2, shuffle=False, boundaries=BOUNDARIES))
    assert batch["tokens"].tolist() == [[0, 11, 12, 0], [21, 0, 31, 0]]
    assert batch["labels"].tolist() == [[11, 12, 0, 21], [0, 31, 0, -100]]
    assert batch["document_ids"].tolist() == [[1, 1, 1, 2], [1, 2, 2, 0]]
    assert batch["positions"].tolist() == [[0, 1, 2, 0], [0, 0, 1, 0]]
    assert batch["cu_seqlens"].tolist() == [0, 3, 4, 5, 7, 8]
    assert batch["max_seqlen"] == 3


def test_packing_by_hand(make_tokens):
    folder = make_tokens([[[11, 12, 13, 14, 15, 0], [21, 0]]], pack=4)
    stream = stream_of(folder, 4, 2, packing="plan", boundaries="document_ids", shuffle=False)
    batch = next(stream)
    rows = sorted(zip(batch["tokens"].tolist(), batch["labels"].tolist(), batch["document_ids"].tolist()))
    assert rows == [
        ([0, 11, 12, 13], [11, 12, 13, 14], [1, 1, 1, 1]),
        ([14, 15, 0, 21], [15, 0, 21, 0], [1, 1, 2, 2]),
    ]
    figures = stream.figures
    assert (figures["documents_cut"], figures["cuts"], figures["padding"]) == (1, 1, 0)


def test_packed_documents_without_an_end_token_still_begin_after_one(make_tokens):
    folder = make_tokens([[[11, 12], [13]]], pack=4, end_id=9, pad_id=PAD)
    batch = next(stream_of(folder, 4, 1, packing="plan"))
    assert batch["tokens"].tolist() == [[9, 11, 9, PAD]]
    assert batch["labels"].tolist() == [[11, 12, 13, -100]]


def test_one_token_in_total(make_tokens):
    folder = make_tokens([[[0]]], pad_id=PAD)
    (batch,) = stream_of(folder, 3, 2)
    assert sorted(batch["labels"].tolist()) == [[-100, -100, -100], [0, -100, -100]]
    assert sorted(batch["tokens"].tolist()) == [[0, PAD, PAD], [PAD, PAD, PAD]]


def test_mask_document_starts_by_hand(make_tokens):
    """A start within a window, at its beginning, and none where a document goes on."""
    folder = make_tokens([[[11, 12, 0], [21, 0]], [[31, 32, 33, 0]]], pad_id=PAD)
    (batch,) = stream_of(folder, 5, 2, shuffle=False, mask_document_starts=True)
    assert batch["labels"].tolist() == [[-100, 12, 0, -100, 0], [-100, 32, 33, 0, -100]]
    assert batch["tokens"].tolist() == [[0, 11, 12, 0, 21], [0, 31, 32, 33, PAD]]
    assert "document_ids" not in batch
    (batch,) = stream_of(folder, 7, 2, shuffle=False, mask_document_starts=True)
    assert batch["labels"].tolist() == [[-100, 12, 0, -100, 0, -100, 32], [33, 0] + [-100] * 5]


def test_a_state_does_not_depend_on_what_is_masked(make_tokens):
    folder = make_tokens([[[11, 12, 0], [21, 0]]])
    state = stream_of(folder, mask_document_starts=True).state_dict()
    stream_of(folder).load_state_dict(state)
    assert state["fingerprint"] == stream_of(folder).fingerprint


def test_labels_that_a_model_shifts_by_hand(make_tokens):
    folder = make_tokens([[[11, 12, 0], [21, 22, 0]]], pad_id=PAD)
    options = {"labels": "hf", "shuffle": False, "boundaries": ("document_ids", "positions", "attention_mask")}
    (batch,) = stream_of(folder, 5, 2, **options)
    assert batch["tokens"].tolist() == [[0, 11, 12, 0, 21], [21, 22, 0, PAD, PAD]]
    assert batch["labels"].tolist() == [[-100, 11, 12, 0, 21], [-100, 22, 0, -100, -100]]
    assert batch["document_ids"].tolist() == [[1, 1, 1, 2, 2], [1, 1, 1, 0, 0]]
    assert batch["positions"].tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 0, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    (batch,) = stream_of(folder, 5, 2, labels="hf", shuffle=False, mask_document_starts=True)
    assert batch["labels"].tolist() == [[-100, -100, 12, 0, -100], [-100, 22, 0, -100, -100]]
    assert batch["tokens"].tolist() == [[0, 11, 12, 0, PAD], [21, 22, 0, PAD, PAD]]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_labels_that_a_model_shifts_are_the_shifted_ones(make_tokens, packed, masked):
    """What is predicted where: rows of one position more, moved by one; so no label is lost, and none moved twice."""
    random = np.random.default_rng(1)
    shards = [[[*random.integers(1, 900, random.integers(0, 12)).tolist(), 0] for _ in range(20)] for _ in range(2)]
    folder = make_tokens(shards, pad_id=PAD, pack=7)
    options = {"packing": "plan" if packed else None, "mask_document_starts": masked, "boundaries": BOUNDARIES}
    ours, theirs = list(stream_of(folder, 7, 3, **options)), list(stream_of(folder, 8, 3, labels="hf", **options))
    assert len(ours) == len(theirs) > 10
    for plain, moved in zip(ours, theirs):
        assert (moved["labels"][:, 0] == -100).all()
        assert np.array_equal(moved["labels"][:, 1:], plain["labels"])
        known = plain["labels"] != -100
        assert np.array_equal(moved["tokens"][:, :-1][known], plain["tokens"][known])
        for name in ("document_ids", "segment_ids", "positions"):
            assert np.array_equal(moved[name][:, :-1][known], plain[name][known])
        assert moved["cu_seqlens"][-1] == moved["tokens"].size


def test_labels_refused(make_tokens):
    folder = make_tokens([[[11, 12, 0]]])
    with pytest.raises(ValueError, match="labels 'hff' is unknown; did you mean 'hf'"):
        stream_of(folder, labels="hff")
    with pytest.raises(ValueError, match="at least 2 with labels='hf'"):
        stream_of(folder, 1, labels="hf")
    with pytest.raises(ValueError, match="another order"):
        stream_of(folder, labels="hf").load_state_dict(stream_of(folder).state_dict())


def test_names_of_hugging_face(make_tokens):
    folder = make_tokens([[[11, 12, 0], [21, 0]]], pad_id=PAD)
    boundaries = ("positions", "segment_ids", "attention_mask", "cu_seqlens")
    (plain,) = stream_of(folder, 4, 2, shuffle=False, boundaries=boundaries, dtype="int32")
    (named,) = stream_of(folder, 4, 2, shuffle=False, boundaries=boundaries, dtype="int32", inputs="input_ids")
    assert set(plain) == {"tokens", "labels", "positions", "segment_ids", "attention_mask", "cu_seqlens", "max_seqlen"}
    other = {"tokens": "input_ids", "positions": "position_ids"}
    assert set(named) == {other.get(name, name) for name in plain}
    assert all(np.array_equal(plain[name], named[other.get(name, name)]) for name in plain)
    assert plain["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]] and plain["attention_mask"].dtype == "int32"
    with pytest.raises(ValueError, match="did you mean 'input_ids'"):
        stream_of(folder, inputs="inputs_ids")
