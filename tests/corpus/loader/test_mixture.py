"""A mixture against its own sources, each read alone."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.loader import Mixture, Phase, TokenStream

LENGTH = 5
PLAIN = {"sequence_length": LENGTH, "seed": 4}


@pytest.fixture(scope="module")
def folders(make_tokens):
    """Three sources of 23, 7 and 2 samples; token ids tell them apart."""
    made = [np.arange(first, first + count).tolist() for first, count in ((1, 113), (300, 34), (600, 9))]
    return [make_tokens([[tokens[:7], tokens[7:]]], pad_id=999, pack=LENGTH) for tokens in made]


def rows(batches, name="labels"):
    return [row for batch in batches for row in batch[name].tolist()]


def whole(mixture):
    """(source, labels) of every sample, in order."""
    return list(zip(rows(batches := list(mixture), "source_ids"), rows(batches)))


def sources(folders, *amounts):
    return list(zip(folders, amounts))


def of_each(folders, order, **options):
    """The samples of every source in `order` are the first ones of its own stream, in its order."""
    for number, folder in enumerate(folders):
        found = [labels for source, labels in order if source == number]
        alone = TokenStream(folder, batch_size=1, epochs=None, **PLAIN | options)
        assert found == [next(alone)["labels"][0].tolist() for _ in found]


@pytest.mark.parametrize("options", [{}, {"packing": "plan"}, {"shuffle": False}, {"labels": "hf"}])
def test_sources_keep_their_own_order(folders, options):
    if options == {"labels": "hf"}:
        options = {"labels": "hf", "inputs": "input_ids"}
    mixture = Mixture(sources(folders, {"epochs": 2}, {"epochs": 3.5}, {"epochs": 1}), batch_size=1, **PLAIN | options)
    order = whole(mixture)
    sizes = [stream.samples for stream in mixture.streams]
    expected = [2 * sizes[0], round(3.5 * sizes[1]), sizes[2]]
    assert [[source for source, _ in order].count(k) for k in range(3)] == expected
    of_each(folders, order, **options)
    if "labels" not in options:
        tokens = [label for source, labels in order for label in labels if source == 0 and label != -100]
        assert sorted(tokens) == sorted([*range(1, 114)] * 2)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from([0, 0.5, 1, 2]), min_size=3, max_size=3).filter(any),
    st.integers(1, 4), st.integers(1, 9), st.booleans(),
)  # fmt: skip
def test_ranks_share_one_order(folders, global_rows, epochs, batch_size, world, masked):
    given = sources(folders, *({"epochs": each} for each in epochs))
    options = PLAIN | {"boundaries": ("document_ids", "cu_seqlens"), "mask_document_starts": masked}
    alone = global_rows([list(Mixture(given, batch_size=1, **options))])
    try:
        ranks = [list(Mixture(given, batch_size=batch_size, rank=r, world_size=world, **options)) for r in range(world)]
    except ValueError as error:
        assert "labels are left" in str(error) and sum(x != -100 for row in alone for x in row["labels"]) < world
        return
    assert global_rows(ranks) == alone
    for rank, batches in enumerate(ranks):
        assert len(Mixture(given, batch_size=batch_size, rank=rank, world_size=world, **options)) == len(batches)
        for batch in batches:
            assert batch["cu_seqlens"][-1] == batch["labels"].size
            empty = (batch["labels"] == -100).all(1)
            assert np.array_equal(batch["source_ids"] < 0, empty) and (batch["tokens"][empty] == 999).all()


@pytest.mark.parametrize("last", ["drop", "wrap"])
def test_whole_steps_only(folders, last):
    given = sources(folders, {"epochs": 1}, {"epochs": 1}, {"epochs": 1})
    order = whole(Mixture(given, batch_size=1, **PLAIN))
    ranks = [list(Mixture(given, batch_size=3, rank=r, world_size=2, last=last, **PLAIN)) for r in range(2)]
    together = [row for step in zip(*ranks) for batch in step for row in rows([batch])]
    assert len(order) == 32 and len(together) == (30 if last == "drop" else 36)
    assert together == [labels for _, labels in order + order][: len(together)]


def test_resumes_at_every_step_and_at_another_world_size(folders, global_rows):
    given = [Phase(sources(folders, 3, 1), tokens=100), Phase(sources(folders, 1, 2, 1), tokens=90)]
    order = global_rows([list(Mixture(given, batch_size=1, **PLAIN))])
    stream = Mixture(given, batch_size=2, **PLAIN)
    for _ in range(len(stream)):
        next(stream)
        state = json.loads(json.dumps(stream.state_dict()))
        seen = [row["source_ids"] for row in order[: state["sample"]]]
        assert state["counts"] == {folder: seen.count(k) for k, folder in enumerate(folders)}
        after = [Mixture(given, batch_size=1, rank=r, world_size=3, **PLAIN) for r in range(3)]
        for each in after:
            each.load_state_dict(state)
        assert global_rows([list(each) for each in after]) == order[state["sample"] :]


def test_what_was_scheduled_does_not_move(folders):
    """Longer phases, more phases with other sources and epochs: the shorter run is the beginning of the longer."""
    first = Phase(sources(folders, 3, 1), tokens=100)
    shorter = Mixture([first], batch_size=1, **PLAIN)
    order = whole(shorter)
    longer = [
        [Phase(sources(folders, 3, 1), tokens=200)],
        [Phase(sources(folders, 3, 1))],
        [first, Phase([(folders[2], {"epochs": 2}), (folders[0], {"epochs": 1})])],
        [first, Phase([(folders[2], 1)], tokens=50), Phase([(folders[1], 1), (folders[2], 1)])],
    ]
    for phases in longer:
        mixture = Mixture(phases, batch_size=1, **PLAIN)
        batches = [next(mixture) for _ in order]
        assert list(zip(rows(batches, "source_ids"), rows(batches))) == order
        resumed = Mixture(phases, batch_size=1, **PLAIN)
        resumed.load_state_dict(shorter.state_dict())
        assert next(resumed)["labels"].tolist() == next(mixture)["labels"].tolist()
    other = [[Phase(sources(folders, 4, 1), tokens=100)], [Phase(sources(folders[::-1], 3, 1), tokens=100)]]
    for phases in other:
        with pytest.raises(ValueError, match="phases may only be added behind|has sample"):
            Mixture(phases, batch_size=1, **PLAIN).load_state_dict(shorter.state_dict())
    changed = Mixture([Phase(sources(folders, 3, 1), tokens=50), Phase(sources(folders, 1, 1))], batch_size=1, **PLAIN)
    with pytest.raises(ValueError, match="phases may only be added behind"):
        changed.load_state_dict(shorter.state_dict())


def test_a_source_goes_on_in_the_next_phase(folders):
    phases = [Phase(sources(folders, 3, 1), tokens=100), Phase([(folders[1], 1), (folders[0], 1)], tokens=300)]
    mixture = Mixture(phases, batch_size=1, **PLAIN)
    order = whole(mixture)
    of_each(folders[:2], order)
    assert [source for source, _ in order[:4]].count(0) == 3
    assert mixture.counts(len(order)).sum() == len(order) == mixture.samples
    later = [source for source, _ in order[mixture._phases[1].begin :]]
    assert abs(later.count(0) - later.count(1)) <= 1


def test_as_a_file_says_it(folders):
    """What yaml.safe_load gives."""
    said = [
        {"tokens": 100, "sources": [{"path": folders[0], "weight": 0.75}, {"path": folders[1], "weight": 0.25}]},
        {"sources": [{"path": folders[2], "epochs": 2}, {"path": folders[1], "tokens": 30}]},
    ]
    python = [
        Phase(sources(folders, 3, 1), tokens=100),
        Phase([(folders[2], {"epochs": 2}), (folders[1], {"tokens": 30})]),
    ]
    ours, theirs = (Mixture(each, batch_size=1, **PLAIN) for each in (said, python))
    assert ours.state_dict() == theirs.state_dict() and whole(ours) == whole(theirs)
    simple = Mixture(said[1]["sources"], batch_size=1, **PLAIN)
    assert simple.samples == 4 + 7 and simple.figures["sources"][folders[2]]["scheduled"] == 4
    assert simple.tokens == 2 * 9 + 7 * 34 // 7


def test_endless(folders):
    mixture = Mixture(sources(folders, 1, 1), batch_size=2, **PLAIN)
    assert mixture.steps is None and mixture.figures["samples"] is None and mixture.tokens is None
    batches = [next(mixture) for _ in range(40)]
    assert sorted(rows(batches, "source_ids")) == [0] * 40 + [1] * 40


def test_in_torch(folders):
    torch = pytest.importorskip("torch")
    from corpus.loader.torch import token_loader

    given = sources(folders, {"epochs": 1}, {"epochs": 2})
    expected = list(Mixture(given, batch_size=2, **PLAIN))
    loader = token_loader(given, num_workers=2, batch_size=2, **PLAIN)
    head = [next(loader) for _ in range(3)]
    resumed = token_loader(given, batch_size=2, **PLAIN)
    resumed.load_state_dict(loader.state_dict())
    found = head + list(resumed)
    assert len(loader) == len(found) == len(expected) and found[0]["source_ids"].dtype == torch.int32
    assert rows(found) == rows(expected) and rows(found, "source_ids") == rows(expected, "source_ids")


def test_refused(folders, make_tokens):
    a, b, _ = folders
    other = make_tokens([[[1, 0]]], end_id=5)
    for wrong, message in [
        ([], "needs sources"),
        ([(a, 1), (a, 2)], "each once"),
        ([(a, {"epoch": 1})], "did you mean 'epochs'"),
        ([(a, {"epochs": 1}), (b, 2)], "not both"),
        ([(a, {"epochs": -1})], "must be at least 0"),
        ([(a, {"tokens": "many"})], "is no number"),
        ([{"path": a}], "a path and one of"),
        ([(a, 1), {"sources": [(a, 1)]}], "not both side by side"),
        ([{"sources": [(a, 1)], "steps": 3}], "did you mean"),
        ([Phase([(a, 1)]), Phase([(b, 1)])], "only the last phase"),
        ([Phase([(a, {"epochs": 1})], tokens=5)], "not both"),
        ([Phase([(a, 1)], tokens=0)], "at least 1"),
        ([(a, 1), (other, 1)], "another end_id"),
        ([(a, 1), (make_tokens([[]], pad_id=999), 1)], "has no tokens"),
    ]:
        with pytest.raises(ValueError, match=message):
            Mixture(wrong, batch_size=1, **PLAIN)
    with pytest.raises(ValueError, match="said of each source"):
        Mixture([(a, 1)], batch_size=1, epochs=2, **PLAIN)
    with pytest.raises(ValueError, match="last"):
        Mixture([(a, 1)], batch_size=1, last="no", **PLAIN)


def test_a_phase_without_samples_and_a_first_source_without_tokens(folders, make_tokens):
    """They are as if they were not there, in empty rows too."""
    empty = make_tokens([[]], pad_id=999)
    phases = [
        {"sources": [(empty, {"epochs": 3})]},
        {"sources": [(folders[1], {"epochs": 1}), (folders[2], {"epochs": 0})]},
        {"sources": [(folders[0], {"epochs": 0})]},
    ]
    for batch_size in (2, 3, 5):
        found = list(Mixture(phases, batch_size=batch_size, **PLAIN))
        expected = list(Mixture([(folders[1], {"epochs": 1})], batch_size=batch_size, **PLAIN))
        assert rows(found) == rows(expected) and rows(found, "tokens") == rows(expected, "tokens")
        assert [source for source in rows(found, "source_ids") if source >= 0] == [1] * 7


@pytest.mark.parametrize("tokens", ["1e2", 1e2, 100])
def test_tokens_of_a_phase_as_yaml_has_them(folders, tokens):
    mixture = Mixture([{"sources": sources(folders, 1, 1), "tokens": tokens}], batch_size=1, **PLAIN)
    assert mixture.samples == Mixture([Phase(sources(folders, 1, 1), 100)], batch_size=1, **PLAIN).samples == 21
    json.dumps(mixture.state_dict())


@pytest.mark.parametrize(
    "given, message",
    [
        ("a", "needs sources, or phases, a list"),
        ({"a": 1}, "needs sources, or phases, a list"),
        (["a", "b"], "a source is .path, weight."),
        ([("a", 1), ("a/", 2)], "each once"),
        ([{"sources": [("a", 1)], "tokens": "many"}], "tokens 'many' of a phase is no number"),
    ],
)
def test_sources_that_are_none(given, message):
    with pytest.raises(ValueError, match=message):
        Mixture(given, batch_size=1, **PLAIN)
