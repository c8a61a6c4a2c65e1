"""The section `stream` of a recipe: checked when it is read, kept by the manifest, opened with `corpus.open_stream`."""

import json
import pathlib

import numpy as np
import pytest
import yaml
from commands import winnow

import corpus
from corpus.tokens import manifest as manifests
from pipelines import recipe as recipes
from pipelines import run as runs

STEPS = [{"train_tokenizer": {"vocab_size": 300}}, "tokenize", {"pack": {"sequence_length": 32}}]
STREAM = {"sequence_length": 32, "global_batch": 4, "objective": "prefix_lm", "layout": "decoder", "seed": 3}


@pytest.fixture
def documents(tmp_path):
    rows = [json.dumps({"id": str(number), "text": f"Text {number} of a few words. " * 5}) for number in range(50)]
    (tmp_path / "documents.jsonl").write_text("\n".join(rows))
    return str(tmp_path / "documents.jsonl")


def parse(stream, **more):
    return recipes.parse({"input": "x", "steps": STEPS, "stream": stream, **more})


def test_it_is_written_where_it_is_given_and_nowhere_else():
    document = yaml.safe_load(recipes.dump(parse(STREAM)))
    assert document["stream"] == STREAM and recipes.parse(document) == parse(STREAM)
    assert "stream" not in yaml.safe_load(recipes.dump(recipes.parse({"input": "x", "steps": STEPS})))


@pytest.mark.parametrize(
    "stream, said",
    [
        ("causal", "`stream` takes a map of options, not 'causal'"),
        ({"global_batch": 4}, "`stream`: sequence_length must be a whole number of at least 1, not 0"),
        ({"sequence_length": 8}, "`stream`: global_batch must be a whole number of at least 1, not 0"),
        ({**STREAM, "objective": "mln"}, "`stream`: objective 'mln' is unknown; did you mean 'mlm'?"),
        ({**STREAM, "layuot": "decoder"}, "option of 'prefix_lm' 'layuot' is unknown; did you mean 'layout'?"),
        ({**STREAM, "global_bach": 4}, "option of 'prefix_lm' 'global_bach' is unknown; did you mean 'global_batch'?"),
        ({**STREAM, "rank": 1}, "option of 'prefix_lm' 'rank' is unknown"),
        ({**STREAM, "layout": "encoder"}, "`stream`: layout 'encoder' is unknown"),
        ({**STREAM, "sampling_alpha": 2}, "`stream`: sampling_alpha must be a number from 0 to 1, not 2"),
        (
            {"sequence_length": 32, "global_batch": 4, "objective": "mlm", "segments": 2, "packing": "best_fit-32"},
            "`stream`: plan 'best_fit-32' is by best_fit, and mlm with segments: 2 reads plans by next_sentence",
        ),
        (
            {"sequence_length": 32, "global_batch": 4, "objective": "electra", "segments": 2},
            "`stream`: electra with segments: 2 reads pairs, and no windows",
        ),
        ({**STREAM, "packing": ["best_fit-32"]}, "the recipe makes no packing plan ['best_fit-32']"),
        ({**STREAM, "packing": "best_fit-64"}, "the recipe makes no packing plan 'best_fit-64'; it makes best_fit-32"),
    ],
)
def test_what_cannot_be_is_refused_before_work(stream, said):
    with pytest.raises(recipes.RecipeError, match="(?s)" + __import__("re").escape(said)):
        parse(stream)


def test_it_needs_tokens():
    with pytest.raises(recipes.RecipeError, match="`stream` needs a step 'tokenize'"):
        recipes.parse({"input": "x", "steps": ["exact_dedup"], "stream": STREAM})
    with pytest.raises(recipes.RecipeError, match="it has no step 'pack'"):
        recipes.parse({"input": "x", "steps": STEPS[:2], "stream": {**STREAM, "packing": "best_fit-32"}})


@pytest.mark.parametrize(
    "path, changes, said",
    [([], {}, "no folder of tokens"), ("nowhere", {"batch_size": 3}, "give `global_batch`.* for `batch_size`")],
)
def test_what_a_stream_cannot_be_opened_by(path, changes, said):
    with pytest.raises(ValueError, match=said):
        corpus.open_stream(path, **changes)


def test_from_the_command_line_to_a_batch(documents, tmp_path):
    recipe, out = tmp_path / "recipe.yaml", str(tmp_path / "OUT")
    recipe.write_text(yaml.safe_dump({"steps": STEPS, "stream": STREAM}))
    run = ["run", recipe, "--input", documents, "--output", out, "--workers", "0", "--set", "stream.global_batch=6"]
    winnow(*run, check=0)
    assert yaml.safe_load(pathlib.Path(out, "recipe.yaml").read_text())["stream"] == {**STREAM, "global_batch": 6}
    assert manifests.load(f"{out}/tokens")["stream"] == {**STREAM, "global_batch": 6}
    whole = list(corpus.open_stream(out))
    assert whole[0]["prefix_mask"].shape == (6, 32)
    halves = [list(corpus.open_stream(f"{out}/tokens", rank=rank, world_size=2)) for rank in (0, 1)]
    for name in ("tokens", "labels"):
        assert np.array_equal(np.concatenate([halves[0][0][name], halves[1][0][name]]), whole[0][name])
    other = next(corpus.open_stream(out, objective="causal", sequence_length=16, global_batch=2))
    assert other["tokens"].shape == (2, 16) and "prefix_mask" not in other
    with pytest.raises(ValueError, match="option of 'span_corruption' 'layout' is unknown"):
        corpus.open_stream(out, objective="span_corruption", layout="decoder")
    with pytest.raises(ValueError, match="objective 'casual' is unknown; did you mean 'causal'"):
        corpus.open_stream(out, objective="casual")
    with pytest.raises(FileNotFoundError, match="has no packing plan 'best_fit-64'; it has best_fit-32$"):
        corpus.open_stream(out, packing="best_fit-64")
    with pytest.raises(
        ValueError, match="is for sequence_length 32; samples here have 16 tokens: name another plan, or"
    ):
        corpus.open_stream(out, packing="best_fit-32", sequence_length=16)
    with pytest.raises(ValueError, match="epochs are said of each source of a mixture"):
        corpus.open_stream([out, out], epochs=2)
    with pytest.raises(ValueError, match="sequence_lenght"):
        corpus.open_stream(out, sequence_lenght=16)
    said = winnow(*run[:-1], "stream.objectve=causal", check=2).stderr
    assert "'objectve' is unknown; did you mean 'objective'?" in said


def test_changing_it_redoes_no_task(documents, tmp_path):
    """And the state of a stream stays one of these tokens."""
    out = str(tmp_path / "OUT")
    runs.run(recipes.parse({"input": documents, "steps": STEPS, "stream": STREAM}), out, workers=0)
    stream = corpus.open_stream(out)
    next(stream)
    again = runs.run(
        recipes.parse({"input": documents, "steps": STEPS, "stream": {**STREAM, "global_batch": 2}}), out, workers=0
    )
    assert not again.worked
    resumed = corpus.open_stream(out)
    resumed.load_state_dict(stream.state_dict())
    assert resumed.state_dict()["sample"] == 4 and next(resumed)["tokens"].shape == (2, 32)
    runs.run(recipes.parse({"input": documents, "steps": STEPS}), out, workers=0)
    with pytest.raises(ValueError, match="has no section `stream`: open .*tokens as a TokenStream"):
        corpus.open_stream(out)
    with pytest.raises(FileNotFoundError, match="holds no tokens"):
        corpus.open_stream(str(tmp_path))
