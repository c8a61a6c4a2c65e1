"""A run against an index of earlier runs: the same decisions as of one run over all, in which it comes last."""

import functools
import pathlib
import random

import clusters_oracle
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import write_jsonl
from one_step import observed
from shingle_oracle import jaccard

from corpus.dedup import crowds
from pipelines import Recipe, run_recipe
from pipelines.near import index as indexes
from pipelines.steps.near_dedup import NearDedup

NEAR = functools.partial(NearDedup, ngram=2, threshold=0.6, recall=0.999999)
DIVISIONS = [
    {"task_bytes": 1 << 20, "working_bytes": 1 << 20},
    {"task_bytes": 4096, "working_bytes": 1 << 20},
    {"task_bytes": 2048, "working_bytes": 1 << 13},
]
"""One shard; several that tasks take together; a task for each, which holds little."""


def planted(seed, families=25, copies=6):
    """Texts of families that are near each other to different degrees, shuffled; some shorter than a shingle, equal."""
    chance = random.Random(seed)
    texts = ["word", "word", "another", "one two", "one two"]
    for family in range(families):
        words = [f"w{family}-{chance.randrange(30)}" for _ in range(chance.randrange(10, 40))]
        for _ in range(chance.randrange(1, copies)):
            copy = [word if chance.random() > 0.06 else f"x{chance.randrange(1000)}" for word in words]
            texts.append(" ".join(copy))
    chance.shuffle(texts)
    return texts


def of_template(seed, pages=150):
    """Pages of one template: buckets with more documents than are compared pair by pair."""
    chance = random.Random(seed)
    common = [f"t{number}" for number in range(60)]
    texts = planted(seed, 5)
    for _ in range(pages):
        texts.append(" ".join([*common, *(f"p{chance.randrange(40)}" for _ in range(chance.randrange(2, 45)))]))
    chance.shuffle(texts)
    return texts


def write(folder, name, texts):
    path = pathlib.Path(folder, f"{name}.jsonl")
    write_jsonl(path, [{"id": f"{name}{number}", "text": text} for number, text in enumerate(texts)])
    return str(path)


def run(input, output, step, **options):
    """{id: (id of the kept document, similarity)} of what a run has dropped; its figures."""
    recipe = Recipe(input=input, steps=[step], **{**DIVISIONS[0], **options})
    found = observed(run_recipe(recipe, str(output)), pathlib.Path(output), recipe)
    return {each.id: (each.by.removeprefix("id:"), each.score) for each in found.decisions}, found.figures


def kept_in(output):
    return pq.read_table(pathlib.Path(output, "documents"))["id"].to_pylist()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [planted, of_template])
def test_one_run_over_all_equals_one_after_the_other(tmp_path, make, seed):
    texts = make(seed)
    third, half = len(texts) // 3, len(texts) // 2
    parts = {"a": texts[:third], "b": texts[third:half], "c": texts[half:]}
    files = {name: write(tmp_path, name, part) for name, part in parts.items()}
    whole, figures = run(list(files.values()), tmp_path / "whole", NEAR())
    assert sum(name[0] == "c" and by[0] != "c" for name, (by, _) in whole.items()) > 5
    assert (figures["crowded"] > 100) == (make is of_template)
    for number, (name, file) in enumerate(files.items()):
        division = DIVISIONS[(seed + number) % len(DIVISIONS)]
        found, figures = run(file, tmp_path / name, NEAR(index=str(tmp_path / "index"), update=True), **division)
        of_whole = {each: why for each, why in whole.items() if each[0] == name}
        assert found == of_whole
        assert figures.get("dropped_by_known", 0) == sum(by[0] != name for by, _ in of_whole.values())
        assert figures["crowded"] > 20 or make is planted or name == "b"
    kept = [sum(each[0] == name for each in kept_in(tmp_path / "whole")) for name in files]
    assert [part.documents for part in indexes.load(str(tmp_path / "index")).parts] == kept


def test_also_where_a_crowd_is_more_than_fits_at_a_time(tmp_path, monkeypatch):
    """The documents of an index, too, go through an index of the crowd that has room for a few."""
    texts = of_template(9)
    old, new = write(tmp_path, "a", texts[::2]), write(tmp_path, "b", texts[1::2])
    whole, _ = run([old, new], tmp_path / "whole", NEAR())
    monkeypatch.setattr(crowds.Greedy.__init__, "__defaults__", (0, False, 100))
    sweeps = []
    sweep = crowds.Greedy._sweep
    monkeypatch.setattr(crowds.Greedy, "_sweep", lambda self: sweeps.append(1) or sweep(self))
    run(old, tmp_path / "a", NEAR(index=str(tmp_path / "index"), update=True))
    before = len(sweeps)
    found, _ = run(new, tmp_path / "b", NEAR(index=str(tmp_path / "index")))
    assert found == {name: why for name, why in whole.items() if name[0] == "b"} and len(found) > 20
    assert len(sweeps) > before + 2


def test_with_edit_similarity_as_well(tmp_path):
    """Where no bucket is crowded: of others only the first documents are compared."""
    step = functools.partial(NEAR, verification="edit", edit_threshold=0.7)
    texts = planted(5)
    old, new = write(tmp_path, "a", texts[::2]), write(tmp_path, "b", texts[1::2])
    whole, figures = run([old, new], tmp_path / "whole", step())
    assert figures["pairs_left_out"] == 0
    run(old, tmp_path / "a", step(index=str(tmp_path / "index"), update=True))
    found, _ = run(new, tmp_path / "b", step(index=str(tmp_path / "index")))
    assert found == {name: why for name, why in whole.items() if name[0] == "b"} and len(found) > 5


def test_without_verification_what_shares_a_bucket_goes(tmp_path):
    """An index without shingles, a tenth of the size: candidates are duplicates, and the report says so."""
    step = functools.partial(NEAR, verification="none", mode="components")
    texts = planted(6)
    cut = len(texts) // 2
    old, new = write(tmp_path, "a", texts[:cut]), write(tmp_path, "b", texts[cut:])
    run(old, tmp_path / "a", step(index=str(tmp_path / "index"), update=True))
    found, figures = run(new, tmp_path / "b", step(index=str(tmp_path / "index")))
    kept = [int(name[1:]) for name in kept_in(tmp_path / "a")]
    ordered = [*(texts[place] for place in kept), *texts[cut:]]
    keys = [set(row) for row in keys_of(step(), ordered)]
    pairs = {(i, j): 1.0 for j in range(len(kept), len(keys)) for i in range(j) if keys[i] & keys[j]}
    names = [*(f"a{place}" for place in kept), *(f"b{place}" for place in range(len(texts) - cut))]
    expected = clusters_oracle.components(pairs, len(ordered))
    assert {name: by for name, (by, _) in found.items()} == {
        names[document]: names[by] for document, (by, _) in expected.items() if document >= len(kept)
    }
    assert all(score is None for _, score in found.values()) and figures["unverified"] == len(found) > 5
    index = indexes.load(str(tmp_path / "index"))
    assert sum(chunk.shingles.bytes for chunk in index.chunks(index.parts)) < 20 * cut + 4000


def keys_of(step, texts):
    """The keys of buckets that each text has, none of one without shingles."""
    signed = step.sign(pa.array(texts))
    rows = dict(zip(signed.filled.tolist(), signed.keys.tolist()))
    return [rows.get(place, []) for place in range(len(texts))]


@pytest.mark.parametrize("make", [planted, of_template])
def test_how_work_is_divided_makes_no_difference(tmp_path, make):
    texts = make(7)
    old, new = write(tmp_path, "a", texts[::2]), write(tmp_path, "b", texts[1::2])
    found = []
    for number, division in enumerate(DIVISIONS):
        index = str(tmp_path / f"index{number}")
        run(old, tmp_path / f"a{number}", NEAR(index=index, update=True), **division)
        other = DIVISIONS[(number + 1) % len(DIVISIONS)]
        found.append(run(new, tmp_path / f"b{number}", NEAR(index=index), **other)[0])
    assert found[0] == found[1] == found[2] and any(by[0] == "a" for by, _ in found[0].values())


def near_pairs(texts, threshold=0.6):
    pairs = ((i, j, jaccard(texts[i], texts[j], 2)) for j in range(len(texts)) for i in range(j))
    return {(i, j): similarity for i, j, similarity in pairs if similarity >= threshold}


def test_documents_of_an_index_stay_whatever_is_better(tmp_path):
    """Whatever `keep` is, what is known comes first, and the others in their order."""
    texts = planted(3)
    cut = len(texts) // 2
    old, new = write(tmp_path, "a", texts[:cut]), write(tmp_path, "b", texts[cut:])
    step = NEAR(keep="longest", index=str(tmp_path / "index"), update=True)
    run(old, tmp_path / "a", step)
    found, _ = run(new, tmp_path / "b", step)
    first = [int(name[1:]) for name in kept_in(tmp_path / "a")]
    order = [*first, *sorted(range(cut, len(texts)), key=lambda place: -len(texts[place]))]
    ordered = [texts[place] for place in order]
    pairs = {pair: s for pair, s in near_pairs(ordered).items() if pair[1] >= len(first)}
    named = [f"a{place}" if place < cut else f"b{place - cut}" for place in order]
    expected = clusters_oracle.leaders(pairs, len(ordered))
    assert found == {named[d]: (named[by], s) for d, (by, s) in expected.items()}
    assert any(named[by][0] == "a" for by, _ in expected.values())


def test_of_components_all_goes_that_is_joined_to_something_known(tmp_path):
    texts = planted(4)
    cut = len(texts) // 2
    old, new = write(tmp_path, "a", texts[:cut]), write(tmp_path, "b", texts[cut:])
    step = NEAR(mode="components", index=str(tmp_path / "index"), update=True)
    run(old, tmp_path / "a", step)
    found, _ = run(new, tmp_path / "b", step)
    first = [int(name[1:]) for name in kept_in(tmp_path / "a")]
    ordered = [*(texts[place] for place in first), *texts[cut:]]
    named = [*(f"a{place}" for place in first), *(f"b{place}" for place in range(len(texts) - cut))]
    pairs = {pair: s for pair, s in near_pairs(ordered).items() if pair[1] >= len(first)}
    expected = {d: why for d, why in clusters_oracle.components(pairs, len(ordered)).items() if d >= len(first)}
    assert {name: by for name, (by, _) in found.items()} == {named[d]: named[by] for d, (by, _) in expected.items()}


def test_nothing_in_an_index_and_nothing_to_compare(tmp_path):
    """Indexes of no documents, of documents without shingles; runs of such."""
    step = NEAR(index=str(tmp_path / "index"), update=True)
    for number, texts in enumerate([["  "], ["\u3002"], ["one two three", "..."], ["...", "\u3002"]]):
        found, _ = run(write(tmp_path, f"p{number}-", texts), tmp_path / str(number), step)
        assert not found
    index = indexes.load(str(tmp_path / "index"))
    assert [part.documents for part in index.parts] == [0, 1, 2, 2]
