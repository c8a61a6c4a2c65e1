"""Rows by hand; against an oracle that cuts lists: tests/corpus/loader/test_stream.py."""

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
