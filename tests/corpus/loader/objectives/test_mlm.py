"""BERT's, RoBERTa's and ALBERT's masks: rows by plain Python, what is promised of all, how often what happens."""

import base64

import numba
import numpy as np
import pytest

from corpus.loader import TokenStream, masking
from corpus.tokens import manifest, packing, philox, sentence_packing
from corpus.tokens.megatron import ShardWriter, read_sentences

from . import reference
from .conftest import CLS, END, MASK, PAD, SEP, SPECIAL, eligible, filled, starts

VOCABULARY = np.arange(1000)
ORDINARY = [i for i in range(1000) if eligible(i)]
LENGTHS = [3, 4, 5, 9, 32, 128]


def framed(tokens):
    return [CLS, *tokens, SEP]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("rule", ["bert", "roberta"])
def test_single_tokens_are_those_of_plain_python(samples_of, length, rule):
    rows, samples = samples_of("mlm", length, rule=rule, max_predictions=10)
    for row, (tokens, _, key) in zip(rows, samples, strict=True):
        allowed, pool = (eligible, VOCABULARY) if rule == "bert" else (lambda token: True, ORDINARY)
        made, labels = reference.mask_tokens(framed(tokens), key, allowed, pool, MASK, rule=rule, most=10)
        assert row == {"tokens": filled(made, length), "labels": filled(labels, length, -100)}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("ngrams", [1, 3])
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_whole_words_are_those_of_plain_python(samples_of, length, ngrams, share):
    rows, samples = samples_of("mlm", length, whole_word=True, ngrams=ngrams, share=share)
    for row, (tokens, _, key) in zip(rows, samples, strict=True):
        made, labels = reference.mask_words(
            framed(tokens), key, eligible, starts, VOCABULARY, MASK, ngrams=ngrams, share=share
        )
        assert row == {"tokens": filled(made, length), "labels": filled(labels, length, -100)}


@pytest.mark.parametrize("options", [{}, {"rule": "roberta"}, {"whole_word": True}, {"whole_word": True, "ngrams": 3}])
@pytest.mark.parametrize("length", [4, 30, 100])
def test_the_sample_can_be_read_from_inputs_and_labels(samples_of, options, length):
    rows, samples = samples_of("mlm", length, **options)
    for row, (tokens, _, _) in zip(rows, samples, strict=True):
        known = [label if label != -100 else token for token, label in zip(row["tokens"], row["labels"])]
        assert known == filled(framed(tokens), length)
        masked = [k for k, label in enumerate(row["labels"]) if label != -100]
        assert masked and max(masked) < len(tokens) + 2
        if options.get("rule") != "roberta" and any(map(eligible, tokens)):
            assert all(eligible(row["labels"][k]) for k in masked)
            assert len(masked) <= max(1, round(0.15 * (len(tokens) + 2)))


def test_a_row_of_special_tokens_alone_has_one_label_that_stays(make_tokens):
    folder = make_tokens([[[END]]], pad_id=PAD, vocabulary=True)
    for options in ({}, {"whole_word": True}):
        (batch,) = TokenStream(folder, objective="mlm", sequence_length=5, batch_size=1, **options)
        assert batch["tokens"].tolist() == [[CLS, END, SEP, PAD, PAD]]
        assert batch["labels"].tolist() == [[CLS, -100, -100, -100, -100]]


def test_one_token_many_times(make_tokens):
    folder = make_tokens([[[7] * 50]], pad_id=PAD, vocabulary=True)
    (batch,) = TokenStream(folder, objective="mlm", sequence_length=52, batch_size=1)
    assert (batch["labels"] != -100).sum() == 8 and set(batch["labels"][0]) == {7, -100}  # round(0.15 * 52) = 8


def test_a_separator_is_not_repeated(make_tokens):
    folder = make_tokens([[[7, SEP], [8, SEP]]], end_id=SEP, pad_id=PAD, vocabulary=True)
    (batch,) = TokenStream(
        folder, objective="mlm", sequence_length=4, batch_size=2, share=0, shuffle=False, boundaries="document_ids"
    )
    assert np.where(batch["labels"] == -100, batch["tokens"], batch["labels"]).tolist() == 2 * [[CLS, 7, SEP, PAD]] or (
        batch["tokens"][:, [0, 2, 3]].tolist() == 2 * [[CLS, SEP, PAD]]
    )
    assert batch["document_ids"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 0]]


def test_masks_are_new_each_epoch_or_repeat(corpus):
    """Of the same window, in epochs that have it at other places: static=2 has two masks of it."""
    folder, _, _ = corpus

    def masks(**options):
        stream = TokenStream(folder, objective="mlm", sequence_length=40, batch_size=1, epochs=5, seed=2, **options)
        found = {}
        for batch in stream:
            window = np.where(batch["labels"] == -100, batch["tokens"], batch["labels"]).tobytes()
            found.setdefault(window, []).append(batch["tokens"].tobytes())
        return [each for each in found.values() if len(each) == 5]

    new, static = masks(), masks(static=2)
    assert len(new) == len(static) > 50
    assert sum(len(set(each)) for each in new) > 4.9 * len(new)
    assert all(each[0] == each[2] == each[4] and each[1] == each[3] for each in static)
    assert sum(each[0] != each[1] for each in static) > 0.95 * len(static)


def test_bert_replaces_80_10_10_and_all_places_alike():
    """Over 1e6 tokens: chi-square against the paper's shares, and of the place in the row; each within six standard
    deviations of its mean."""
    rows, length = 8000, 128
    tokens = np.full((rows, length), 5)
    labels = np.full(tokens.shape, -100)
    keys = np.arange(rows, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    pool = np.arange(1000)
    masking.mask_tokens(
        tokens, np.full(rows, length), keys, np.ones(1000, np.bool_), pool, MASK, 0.15, True, 0,
        *masking.bounds(0.8, 0.1), labels,
    )  # fmt: skip
    chosen = labels != -100
    assert (chosen.sum(1) == 19).all()
    total = chosen.sum()
    # the pool has token 5 and the mask, too
    counts = np.array([(tokens[chosen] == MASK).sum(), (tokens[chosen] == 5).sum()])
    counts = np.append(counts, total - counts.sum())
    expected = total * np.array([0.8 + 0.1 / 1000, 0.1 + 0.1 / 1000, 0.1 * 0.998])
    assert ((counts - expected) ** 2 / expected).sum() < 2 + 6 * 2
    places = chosen.sum(0)
    square = ((places - total / length) ** 2 / (total / length)).sum() / (1 - 19 / length)
    assert abs(square - (length - 1)) < 6 * (2 * (length - 1)) ** 0.5


def test_roberta_masks_15_percent_of_any_length():
    """floor(0.15 n + u): on average 0.15 n, and never more than one off."""
    for length in (7, 33, 128):
        tokens = np.full((20_000, length), 5)
        labels = np.full(tokens.shape, -100)
        keys = np.arange(len(tokens), dtype=np.uint64)
        masking.mask_tokens(
            tokens, np.full(len(tokens), length), keys, np.empty(0, np.bool_), np.arange(1000), MASK, 0.15, False, 0,
            *masking.bounds(0.8, 0.1), labels,
        )  # fmt: skip
        counts = (labels != -100).sum(1)
        assert set(counts.tolist()) <= {int(0.15 * length), int(0.15 * length) + 1}
        share = 0.15 * length - int(0.15 * length)
        assert abs(counts.mean() - 0.15 * length) < 6 * (share * (1 - share) / len(tokens)) ** 0.5 + 1e-9


@numba.njit
def lengths(keys, odds, most):
    state, found = philox.state(), np.empty(len(keys), np.int64)
    for k in range(len(keys)):
        philox.seat(state, keys[k], philox.MASKING)
        found[k] = masking.draw_length(state, odds, most)
    return found


def test_albert_draws_ngrams_6_3_2_of_11():
    """Lengths of runs, as they are drawn: 1, 2, 3 in the paper's proportions, 1 and 2 where no more words are left."""
    counts = np.bincount(lengths(np.arange(3000, dtype=np.uint64), np.array([1, 1 / 2, 1 / 3]), 3), minlength=4)
    expected = 3000 * np.array([6, 3, 2]) / 11
    assert ((counts[1:] - expected) ** 2 / expected).sum() < 2 + 6 * 2


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A folder of tokens by sentence, with a plan of pairs for 29 tokens: documents of sentences of one token each."""
    folder, random = str(tmp_path_factory.mktemp("sentences")), np.random.default_rng(5)
    lengths, firsts, tokens = [], [0], []
    for document in range(60):
        for _ in range(random.integers(1, 9)):
            size = int(random.integers(1, 12))
            tokens += [1 + document] * size
            lengths.append(size)
        tokens.append(END)
        lengths[-1] += 1
        firsts.append(len(lengths))
    with ShardWriter(folder + "/00000", 1000) as shard:
        shard.add(np.array(tokens), np.concatenate([[0], np.cumsum(lengths)]), np.array(firsts))
    roles = {"cls": CLS, "sep": SEP, "mask": MASK}
    vocabulary = {"roles": roles, "special": sorted(SPECIAL), "sentinels": [], "full_stops": []}
    vocabulary["word_starts"] = base64.b64encode(np.packbits(np.ones(1000, np.bool_)).tobytes()).decode()
    tokenizer = {"fingerprint": "", "family": "", "path": ""}
    shards = [manifest.describe_shard(folder + "/00000")]
    manifest.write(
        folder, shards, vocab_size=1000, tokenizer=tokenizer, end_id=END, pad_id=PAD, unit="sentence",
        vocabulary=vocabulary,
    )  # fmt: skip
    for method, size in (("next_sentence", 29), ("sentence_order", 29), ("segments", 30)):
        plan = sentence_packing.pack(*read_sentences(folder + "/00000"), size, method, 1, variants=4)
        packing.save(plan, packing.plan_path(folder, method, "00000"))
        packing.summarize(folder, method, {"00000": plan.figures})
    return folder


@pytest.mark.parametrize("method", ["next_sentence", "sentence_order"])
def test_pairs_are_laid_out_and_labelled(sentences, method):
    """[CLS] A [SEP] B [SEP], segments, and 1 where B is of another document (tokens are their document's number)."""
    stream = TokenStream(
        sentences, objective="mlm", sequence_length=32, batch_size=3, packing=method, segments=2, share=0,
        boundaries="attention_mask",
    )  # fmt: skip
    found = []
    for batch in stream:
        whole = np.where(batch["labels"] == -100, batch["tokens"], batch["labels"])
        for row, parts, label, seen in zip(whole, batch["segments"], batch["sentence_labels"], batch["attention_mask"]):
            row = row[row != PAD].tolist()
            if not row:
                continue
            assert (
                row[0] == CLS and row[-1] == SEP and END not in row and seen.tolist() == filled([1] * len(row), 32, 0)
            )
            middle = row.index(SEP)
            a, b = row[1:middle], row[middle + 1 : -1]
            assert len(set(a)) == len(set(b)) == 1 and SEP not in b
            assert parts.tolist() == filled([0] * (middle + 1) + [1] * (len(b) + 1), 32, 0)
            if method == "next_sentence":
                assert label == (a[0] != b[0])
            else:
                assert label == 1 or a[0] == b[0]
            found.append(int(label))
    assert len(found) > 300 and 0.4 < np.mean(found) < 0.75


def test_pairs_are_read_as_pairs_alone(sentences):
    shape = {"sequence_length": 32, "batch_size": 3, "packing": "next_sentence"}
    for objective in ("mlm", "electra"):
        hint = f"plan 'next_sentence' is by next_sentence, and {objective} reads plans by .*; segments: 2 reads pairs"
        with pytest.raises(ValueError, match=hint):
            TokenStream(sentences, objective=objective, **shape)
    for objective in ("causal", "spanbert", "bart", "span_corruption", "fim"):
        with pytest.raises(
            ValueError, match=f"is by next_sentence, and {objective} reads plans by best_fit, .*sentences$"
        ):
            TokenStream(sentences, objective=objective, **shape)
    with pytest.raises(ValueError, match="by segments, and mlm with segments: 2 reads plans by next_sentence"):
        TokenStream(sentences, objective="mlm", segments=2, **shape | {"packing": "segments"})


def test_electra_fills_rows_of_one_segment_and_of_two(sentences):
    """[CLS] A [SEP] of 510 tokens and [CLS] A [SEP] B [SEP] of 509, here 30 and 29, are both as wide as a row."""
    shape = {"objective": "electra", "sequence_length": 32, "batch_size": 3, "packing": "segments", "segments": 2}
    found = {1: 0, 2: 0}
    for batch in TokenStream(sentences, **shape, share=0):
        whole = np.where(batch["labels"] == -100, batch["tokens"], batch["labels"])
        assert whole.shape == (3, 32)
        for row, parts in zip(whole.tolist(), batch["segments"]):
            if row[0] != PAD:
                count = row.count(SEP)
                assert (parts.sum() > 0) == (count == 2)
                found[count] = max(found[count], 32 - row.count(PAD))
    assert found == {1: 32, 2: 32}


def test_refused(make_tokens, corpus):
    bare = make_tokens([[[1, 2, 0]]])
    shape = {"objective": "mlm", "sequence_length": 8, "batch_size": 1}
    with pytest.raises(ValueError, match="mlm needs a token with the role 'mask'; the manifest does not say"):
        TokenStream(bare, **shape)
    folder, _, _ = corpus
    for options, said in (
        ({"rule": "berd"}, "did you mean 'bert'"),
        ({"share": 1.5}, "share must be a number from 0 to 1"),
        ({"segments": 3}, "segments must be 1 or 2"),
        ({"ngrams": 0}, "ngrams must be a whole number of at least 1"),
        ({"mask_share": 0.8, "random_share": 0.3}, "mask_share .* random_share"),
        ({"segments": 2}, "mlm with segments: 2 reads pairs, and no windows: name a packing plan by next_sentence, "),
        (
            {"segments": 2, "packing": "plan"},
            "plan 'plan' is by best_fit, and mlm with segments: 2 reads plans by next",
        ),
        ({"whole_word": 1}, "whole_word must be true or false"),
        ({"sequence_length": 2}, "sequence_length must be more than 2"),
    ):
        with pytest.raises(ValueError, match=said):
            TokenStream(folder, **shape | options)
    with pytest.raises(FileNotFoundError, match="has no packing plan 'best_fit-8'; it has plan$"):
        TokenStream(folder, **shape, packing="best_fit-8")
    with pytest.raises(FileNotFoundError, match="has no packing plan 'plan'; it has none: `winnow pack` makes them"):
        TokenStream(make_tokens([[[1, 2, 0]]], vocabulary=True), **shape, packing="plan")
    with pytest.raises(TypeError, match="did you mean 'whole_word'"):
        TokenStream(folder, **shape, whole_words=True)
