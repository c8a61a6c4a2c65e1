"""Accounts of whole, cut and repeated runs; what is looked up is held to what the ranks were really handed."""

import itertools
import json

import numpy as np
import pytest
from commands import winnow

from corpus.loader import Mixture, TokenStream
from corpus.loader.audit import audit, sightings


@pytest.fixture(scope="module")
def documents():
    """Of two shards; the tokens of a document say which it is."""
    random = np.random.default_rng(2)
    return [[number + 1] * length for number, length in enumerate(random.integers(0, 14, 60).tolist())]


@pytest.fixture(scope="module")
def folder(make_tokens, documents):
    return make_tokens([documents[:25], documents[25:]], pad_id=999, pack=6)


def open_ranks(folder, world, batch_size, **options):
    options = {"sequence_length": 6, "seed": 3, "epochs": 2, "audit": True} | options
    return [TokenStream(folder, batch_size=batch_size, rank=r, world_size=world, **options) for r in range(world)]


def accounts(streams):
    return [json.loads(json.dumps(stream.account())) for stream in streams]


OPTIONS = [{}, {"packing": "plan"}, {"shuffle": False}, {"shuffle": "blocks"}, {"labels": "hf"}]


@pytest.mark.parametrize("world, batch_size", [(1, 4), (3, 2), (50, 1), (7, 5)])
@pytest.mark.parametrize("options", OPTIONS)
def test_a_whole_run(folder, world, batch_size, options):
    streams = open_ranks(folder, world, batch_size, **options)
    for stream in streams:
        list(stream)
    found, problems = audit(folder, accounts(streams))
    assert problems == [] and len(found) == 2 and all("every sample once" in line for line in found)
    assert all("masked" not in line for line in found)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("world, batch_size", [(2, 2), (30, 1), (5, 7)])
def test_who_saw_a_document(folder, documents, options, world, batch_size):
    """By looking into every batch: which step and rank had a label of the document, or shared the row that has it."""
    streams = open_ranks(folder, world, batch_size, **options)
    had = {}
    for stream in streams:
        for step, batch in enumerate(stream):
            for number in np.unique(batch["labels"]):
                had.setdefault(int(number) - 1, set()).add((step, stream.rank))
    known = accounts(streams)
    for document, tokens in enumerate(documents):
        found = sightings(folder, known, document)
        places = {(each["step"], each["rank"]) for each in found}
        assert had.get(document, set()) <= places and bool(places) == bool(tokens)
        whole = {(each["step"], each["rank"]) for each in found if each["step"] < len(streams[0]) - 1}
        assert whole <= had.get(document, set())


def test_a_run_that_was_resumed(folder):
    """At another world size; steps that the first made behind its last state are in no account of it."""
    first = open_ranks(folder, 2, 3)
    for stream in first:
        for _ in itertools.islice(stream, 5):
            pass
    kept, state = accounts(first), first[0].state_dict()
    then = open_ranks(folder, 3, 1)
    for stream in then:
        stream.load_state_dict(state)
        list(stream)
    found, problems = audit(folder, kept + accounts(then))
    assert problems == [] and len(found) == 2 and all("every sample once" in line for line in found)
    assert {each["world_size"] for d in range(60) for each in sightings(folder, kept + accounts(then), d)} == {2, 3}
    found, problems = audit(folder, kept)
    assert problems == [] and "30 of" in found[0] and "not all of it" in found[0]
    found, problems = audit(folder, accounts(then))
    assert problems == ["samples 0 to 29 are in no account"]


def test_what_is_wrong_is_said(folder):
    streams = open_ranks(folder, 3, 2)
    for stream in streams:
        list(stream)
    whole = accounts(streams)
    found, problems = audit(folder, whole[:2])
    assert problems == ["from sample 0 on: there is no account of ranks [2] of 3"]
    assert all("not all of it" in line for line in found)
    found, problems = audit(folder, whole + whole[:1])
    assert len(problems) == 2 and all("handed out twice" in problem for problem in problems)
    swapped = [whole[0] | {"counts": whole[1]["counts"]}, *whole[1:]]
    problems = audit(folder, swapped)[1]
    assert any("handed out twice" in problem for problem in problems) or whole[0]["counts"] == whole[1]["counts"]
    late = open_ranks(folder, 3, 2)
    for stream in late:
        stream.sample = 6
        list(stream)
    problems = audit(folder, [*whole, *accounts(late)])[1]
    assert any("are in two accounts" in problem for problem in problems)


def test_accounts_of_nothing_are_no_proof(folder):
    assert audit(folder, accounts(open_ranks(folder, 2, 3))) == ([], ["there is no step in any of these accounts"])


def test_masked_labels_are_told(folder):
    (stream,) = open_ranks(folder, 1, 2, mask_document_starts=True)
    list(stream)
    found, problems = audit(folder, accounts([stream]))
    assert problems == [] and all("the other labels were masked" in line for line in found)


@pytest.fixture(scope="module")
def other(make_tokens):
    """A smaller folder, whose documents have other tokens."""
    return make_tokens([[[500 + number] * 7 for number in range(11)]], pad_id=999, pack=6)


def open_mixture(folder, other, world, batch_size, **options):
    phases = [
        {"sources": [{"path": folder, "weight": 0.7}, {"path": other, "weight": 0.3}], "tokens": 200},
        {"sources": [{"path": other, "epochs": 1.5}, {"path": folder, "epochs": 1}]},
    ]
    options = {"sequence_length": 6, "seed": 3, "audit": True} | options
    return [Mixture(phases, batch_size=batch_size, rank=r, world_size=world, **options) for r in range(world)]


@pytest.mark.parametrize("world, batch_size, last", [(1, 4, "pad"), (3, 2, "drop"), (7, 5, "pad"), (5, 3, "wrap")])
@pytest.mark.parametrize("options", [{}, {"packing": "plan"}, {"labels": "hf"}])
def test_a_mixture(folder, other, documents, world, batch_size, last, options):
    """Every source adds up, and who saw a document is who had labels of it."""
    streams = open_mixture(folder, other, world, batch_size, last=last, **options)
    had = {}
    for stream in streams:
        for step, batch in enumerate(stream):
            for number in np.unique(batch["labels"]):
                had.setdefault(int(number), set()).add((step, stream.rank))
    known = accounts(streams)
    scheduled = streams[0].counts(streams[0].total)
    for number, path in enumerate((folder, other)):
        found, problems = audit(path, known)
        assert problems == []
        expected, rest = divmod(int(scheduled[number]), streams[0].streams[number].samples)
        if last != "drop":
            assert [line for line in found if "every sample once" in line] == found[:expected]
            assert len(found) == expected + bool(rest)
    tokens = [(folder, d, d + 1) for d, each in enumerate(documents) if each] + [(other, d, 500 + d) for d in range(11)]
    length = len(streams[0])
    for path, document, token in tokens:
        places = {(each["step"], each["rank"]) for each in sightings(path, known, document)}
        whole = {place for place in places if place[0] < length - 1}
        assert {place for place in had.get(token, set()) if place[0] < length - 1} == whole
        if last == "pad":
            assert had.get(token, set()) <= places


def test_a_mixture_that_was_resumed(folder, other, make_tokens):
    first = open_mixture(folder, other, 2, 3)
    for stream in first:
        for _ in itertools.islice(stream, 4):
            pass
    kept, state = accounts(first), first[0].state_dict()
    then = open_mixture(folder, other, 3, 1)
    for stream in then:
        stream.load_state_dict(state)
        list(stream)
    together = kept + accounts(then)
    for path in (folder, other):
        found, problems = audit(path, together)
        assert problems == [] and "every sample once" in found[0]
    assert audit(folder, accounts(then))[1] == ["samples 0 to 23 are in no account"]
    found, problems = audit(folder, together + accounts(first[:1]))
    assert any("twice" in problem for problem in problems)
    with pytest.raises(ValueError, match="is of other tokens"):
        audit(make_tokens([[[3, 0]]], pad_id=999), together)
    changed = [together[0] | {"fingerprint": "0"}, *together[1:]]
    with pytest.raises(ValueError, match="of another mixture"):
        audit(folder, changed)
    with pytest.raises(ValueError, match="of a mixture, and some are not"):
        audit(folder, together + accounts(open_ranks(folder, 1, 1)))
    with pytest.raises(ValueError, match="audit=True"):
        Mixture([(folder, 1)], sequence_length=6, batch_size=1).account()


def test_refused(folder, make_tokens, documents):
    (stream,) = open_ranks(folder, 1, 2)
    with pytest.raises(ValueError, match="no accounts"):
        audit(folder, [])
    with pytest.raises(ValueError, match="is of other tokens"):
        audit(make_tokens([documents[:20]]), accounts([stream]))
    with pytest.raises(IndexError, match="document 60 is not one of 60"):
        sightings(folder, accounts([stream]), 60)
    with pytest.raises(ValueError, match="audit=True"):
        TokenStream(folder, sequence_length=6, batch_size=1).account()


def test_of_a_torch_loader(folder):
    torch_loader = pytest.importorskip("corpus.loader.torch")
    loader = torch_loader.token_loader(folder, num_workers=2, sequence_length=6, batch_size=4, audit=True)
    list(loader)
    (plain,) = open_ranks(folder, 1, 4, seed=0, epochs=1)
    list(plain)
    assert loader.account() == plain.account()
    mixed = torch_loader.token_loader([(folder, {"epochs": 1})], sequence_length=6, batch_size=4, audit=True)
    list(mixed)
    assert isinstance(mixed.stream, Mixture)
    assert mixed.account()["sources"][0]["counts"] == plain.account()["counts"]


def test_from_the_command_line(folder, tmp_path):
    streams = open_ranks(folder, 2, 4)
    for stream in streams:
        list(stream)
        (tmp_path / f"{stream.rank}.json").write_text(json.dumps(stream.account()))
    done = winnow("audit", folder, str(tmp_path), "--document", "5")
    assert done.stdout.count("every sample once") == 2 and "document 5: epoch 0, step " in done.stdout
    (tmp_path / "1.json").unlink()
    done = winnow("audit", folder, str(tmp_path), check=1)
    assert "there is no account of ranks [1] of 2" in done.stderr
    (tmp_path / "0.json").write_text("{}")
    assert "no account" in winnow("audit", folder, str(tmp_path), check=2).stderr
