"""What every objective owes, whatever it makes: its rows are functions of samples, shared out among ranks."""

import json

import numpy as np
import pytest

from corpus.loader import Mixture, TokenStream
from corpus.loader.boundaries import BOUNDARIES
from corpus.loader.objectives import OBJECTIVES

LENGTH = 32
OPTIONS = {"transformer_xl": {"lanes": 6}}
"""Options that have to be given."""
every = pytest.mark.parametrize("objective", OBJECTIVES)


@pytest.fixture(scope="module")
def folder(make_tokens):
    """Two shards of some 1,500 tokens; ids below 900 but for the special ones."""
    random = np.random.default_rng(0)
    shards = [[[*random.integers(1, 889, random.integers(0, 90)).tolist(), 0] for _ in range(17)] for _ in range(2)]
    return make_tokens(shards, pad_id=999, vocabulary=True)


def open_stream(folder, objective, batch_size=2, **options):
    options = OPTIONS.get(objective, {}) | options
    return TokenStream(folder, objective=objective, sequence_length=LENGTH, batch_size=batch_size, **options)


def rows(batches):
    """Each row of the batches as text, all arrays with a row a sample together."""
    found = []
    for batch in batches:
        arrays = {name: array for name, array in batch.items() if isinstance(array, np.ndarray)}
        found += [str({name: arrays[name][row].tolist() for name in arrays}) for row in range(len(batch["tokens"]))]
    return found


@every
def test_ranks_share_one_order(folder, objective, global_rows):
    alone = global_rows([list(open_stream(folder, objective, 1, epochs=2))])
    assert len({str(row) for row in alone}) > 20
    for world, batch_size in ((1, 4), (3, 2), (2, 5), (40, 3), (7, 1)):
        ranks = [
            list(open_stream(folder, objective, batch_size, epochs=2, rank=r, world_size=world)) for r in range(world)
        ]
        assert global_rows(ranks) == alone


@every
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_batches_have_one_form(folder, objective, dtype):
    """What torch and a compiled model want: the same names, shapes and types in all batches; arrays to write into."""
    forms = set()
    for batch in open_stream(folder, objective, 3, dtype=dtype, epochs=2):
        arrays = {name: array for name, array in batch.items() if isinstance(array, np.ndarray)}
        assert all(array.flags.writeable and array.flags.c_contiguous for array in arrays.values())
        assert all(len(array) == 3 for array in arrays.values()) and batch["tokens"].dtype == dtype
        forms.add(tuple((name, array.shape, array.dtype.name) for name, array in arrays.items()))
    assert len(forms) == 1


@every
def test_resumes(folder, objective):
    expected = rows(open_stream(folder, objective, 2, epochs=2, seed=5))
    stream = open_stream(folder, objective, 2, epochs=2, seed=5)
    for step in range(1, 12):
        next(stream)
        resumed = open_stream(folder, objective, 2, epochs=2, seed=5)
        resumed.load_state_dict(json.loads(json.dumps(stream.state_dict())))
        assert rows([next(resumed)]) == expected[2 * step : 2 * step + 2]


VARIANTS = [
    ("xlnet", {"bidirectional": True}), ("xlnet", {"bidirectional": True, "lanes": 6}), ("ul2", {"mixture": "ul2r"}),
    ("span_corruption", {"roll": True, "density": 0.5}), ("mlm", {"static": 2, "whole_word": True, "ngrams": 3}),
    ("bart", {"insert_share": 0.2, "rotate_share": 0.5}), ("fim", {"rate": 1}),
    ("prefix_lm", {"layout": "encoder_decoder"}), ("causal", {"labels": "hf", "shuffle": "blocks"}),
]  # fmt: skip


@pytest.mark.parametrize("objective, options", VARIANTS, ids=str)
def test_options_change_nothing_about_who_reads_what(folder, objective, options, global_rows):
    """The rows of a run are the same of one rank and of three, which began with two and went on in mid-epoch."""
    options = {"epochs": 2, "seed": 4, **options}
    alone = global_rows([list(open_stream(folder, objective, 1, **options))])
    two = [open_stream(folder, objective, 3, rank=rank, world_size=2, **options) for rank in range(2)]
    steps = two[0].samples // 6 + 2
    begun = [[next(stream) for _ in range(steps)] for stream in two]
    three = [open_stream(folder, objective, 2, rank=rank, world_size=3, **options) for rank in range(3)]
    for stream in three:
        stream.load_state_dict(json.loads(json.dumps(two[0].state_dict())))
    assert global_rows(begun) + global_rows([list(stream) for stream in three]) == alone


@every
def test_boundaries_are_given_or_refused(folder, objective):
    for asked in BOUNDARIES:
        try:
            stream = open_stream(folder, objective, boundaries=asked)
        except ValueError as error:
            assert "boundaries" in str(error)
        else:
            batch = next(stream)
            assert asked in batch and ("max_seqlen" in batch) == (asked == "cu_seqlens")


@every
def test_labels_are_counted_as_they_are(folder, objective):
    """By which the last samples of a run are shared out; and each sample has one."""
    stream = open_stream(folder, objective, 1, epochs=1, shuffle=False)
    counted = stream.count_labels(0, stream.samples)
    assert counted.tolist() == [int((batch["labels"] != -100).sum()) for batch in stream] and counted.min() >= 1


@every
def test_a_mixture_has_the_rows_of_its_sources(folder, objective):
    shape = {"objective": objective, "sequence_length": LENGTH, "batch_size": 3, **OPTIONS.get(objective, {})}
    mixed = Mixture([(folder, {"epochs": 1})], **shape)
    plain = rows(open_stream(folder, objective, 3))
    found = rows({k: v for k, v in batch.items() if k != "source_ids"} for batch in mixed)
    assert sorted(found) == sorted(plain)


@every
@pytest.mark.parametrize("documents", [[[[]]], [[[0]]], [[[5]]], [[[5, 0]]], [[[7] * 70]], [[[0] * 70]]])
def test_degenerate_corpora(make_tokens, objective, documents):
    """Nothing, one token, two, one token all the time, special tokens alone: read to the end, and each sample with a
    label."""
    small = make_tokens(documents, pad_id=999, vocabulary=True)
    stream = open_stream(small, objective, 2)
    found = [batch["labels"] for batch in stream]
    labelled = sum(int((labels != -100).any(1).sum()) for labels in found)
    assert labelled == stream.samples == -(-stream.tokens // max(1, -(-stream.tokens // max(1, stream.samples))))


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"objective": None}, "objective None is unknown; did you mean"),
        ({"objective": ["causal"]}, r"objective \['causal'\] is unknown"),
        ({"sequence_length": "512"}, "sequence_length must be a whole number of at least 1, not '512'"),
        ({"sequence_length": 2.5}, "sequence_length must be a whole number of at least 1, not 2.5"),
        ({"batch_size": None}, "batch_size must be a whole number of at least 1, not None"),
        ({"epochs": 0.5}, "epochs must be a whole number of at least 1, not 0.5"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"rank": -1}, "rank must be a whole number of at least 0, not -1"),
        ({"rank": 1}, "rank 1 is not one of 1 ranks"),
        ({"last": None}, "last None is unknown"),
        ({"dtype": None}, "dtype 'None' is unknown"),
        ({"boundaries": (3,)}, "boundaries 3 is unknown"),
        ({"packing": 5}, "packing must be the name of a plan, not 5"),
    ],
)
def test_a_wrong_value_is_a_sentence(folder, wrong, said):
    with pytest.raises(ValueError, match=said):
        TokenStream(folder, **{"sequence_length": 8, "batch_size": 1} | wrong)


def test_numbers_of_numpy_are_numbers(folder):
    shape = {"sequence_length": np.int64(8), "batch_size": np.int32(1), "seed": np.uint8(3)}
    stream = TokenStream(folder, **shape)
    assert next(stream)["tokens"].shape == (1, 8)
    assert stream.fingerprint == TokenStream(folder, sequence_length=8, batch_size=1, seed=3).fingerprint


def test_a_name_that_is_none(folder):
    with pytest.raises(ValueError, match="objective 'casual' is unknown; did you mean 'causal'"):
        open_stream(folder, "casual")
    for wrong, near in (("mask_starts", "mask_document_starts"), ("worldsize", "world_size")):
        with pytest.raises(TypeError, match=f"option of 'causal' '{wrong}' is unknown; did you mean '{near}'"):
            open_stream(folder, "causal", **{wrong: 1})
