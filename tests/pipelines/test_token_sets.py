"""Named sets of tokens: which documents they have, and that what reads tokens reads one of them and no other."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from commands import winnow

import corpus
import pipelines
from corpus.loader import Mixture, TokenStream
from corpus.tokens import manifest
from corpus.tokens.megatron import IndexedDataset
from pipelines.inspection import tokens as tokens_of
from pipelines.inspection.describe import describe
from pipelines.planning import plan
from pipelines.recipe import RecipeError, parse

IDS = [f"page-{i}" for i in range(300)]
SHARES = {"train": 0.7, "validation": 0.2, "test": 0.1}


def expected(number):
    """By the rule: the top 32 bits of XXH3 of the id, as a share of 2^32."""
    side = xxhash.xxh3_64_intdigest(f"0:set:{IDS[number]}".encode()) / 2**64
    return "train" if side < 0.7 else "validation" if side < 0.9 else "test"


def run(folder, name="out", sets=SHARES, seed=0, **options):
    tokenize = {"shard_bytes": 700, **options} | ({"sets": sets} if sets else {})
    steps = [{"train_tokenizer": {"vocab_size": 270}}, {"tokenize": tokenize}]
    steps.append({"pack": {"sequence_length": 16}})
    recipe = parse({"input": str(folder / "documents.parquet"), "steps": steps, "seed": seed})
    pipelines.run_recipe(recipe, str(folder / name))
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("sets")
    pq.write_table(
        pa.table({"id": IDS, "text": [f"document {i} says" for i in range(300)]}), made / "documents.parquet"
    )
    return made


@pytest.fixture(scope="module")
def output(folder):
    return run(folder)


def documents_of(output, part):
    """The numbers of the documents in the shards of a set."""
    encoder = corpus.load_encoder(output / "tokenizer")
    names = manifest.load(str(output / "tokens"))["sets"][part]
    shards = [IndexedDataset(str(output / "tokens" / name)) for name in names]
    return sorted(int(encoder.decode(shard[i]).split()[1]) for shard in shards for i in range(shard.sequences))


def test_each_document_is_in_the_set_of_its_id(output):
    for part in SHARES:
        assert documents_of(output, part) == [i for i in range(300) if expected(i) == part] != []
    shards = manifest.load(str(output / "tokens"))
    assert sorted(sum(shards["sets"].values(), [])) == [shard["name"] for shard in shards["shards"]]
    assert len(shards["sets"]["train"]) > len(shards["sets"]["test"])
    assert winnow("verify", str(output)).returncode == 0


@pytest.mark.parametrize("options", [{"seed": 5}, {"shuffle": False}, {"unit": "sentence"}])
def test_whatever_else_is_said(folder, output, options):
    other = run(folder, "-".join(options), **options)
    if "unit" not in options:
        for part in SHARES:
            assert documents_of(other, part) == documents_of(output, part)
    counts = [manifest.open_set(str(each / "tokens/test"))[1]["documents"] for each in (other, output)]
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("packing", [None, "best_fit-16"])
def test_a_stream_of_a_set(output, packing):
    encoder, found = corpus.load_encoder(output / "tokenizer"), {}
    for part in SHARES:
        stream = TokenStream(
            str(output / "tokens" / part), sequence_length=16, batch_size=2, packing=packing, shuffle=False
        )
        labels = [label for batch in stream for label in batch["labels"].ravel().tolist() if label != -100]
        assert len(labels) == stream.tokens == stream.figures["tokens"]
        found[part] = sorted(int(text.split()[0]) for text in encoder.decode(labels).split("document")[1:])
    assert found == {part: documents_of(output, part) for part in SHARES}


def test_a_mixture_of_sets(output):
    mixture = Mixture(
        [(str(output / "tokens" / part), {"epochs": 1}) for part in SHARES], sequence_length=16, batch_size=2
    )
    assert (
        sum(int((batch["labels"] != -100).sum()) for batch in mixture)
        == manifest.load(str(output / "tokens"))["tokens"]
    )


def test_what_is_exported_and_planned_is_one_set(output):
    whole = manifest.load(str(output / "tokens"))
    for reads in (corpus.export_tokens, lambda path, _: plan._count(path)):
        with pytest.raises(ValueError, match="is divided into sets; open one of: .*/tokens/train"):
            reads(str(output), "olmo")
    counts = {}
    for part in SHARES:
        done = corpus.export_tokens(str(output / "tokens" / part), "olmo")
        assert done.folder == str(output / "exports" / f"olmo-{part}")
        counts[part] = done.written.tokens
        assert plan._count(str(output / "tokens" / part)) == done.written.tokens
    assert sum(counts.values()) == whole["tokens"] and counts["train"] > counts["validation"] > counts["test"] > 0


def test_a_stream_of_the_recipe_is_of_one_set(folder):
    steps = [
        {"train_tokenizer": {"vocab_size": 270}},
        {"tokenize": {"sets": {"train": 0.9, "validation": 0.1}, "shard_bytes": 700}},
    ]
    stream = {"sequence_length": 16, "global_batch": 2, "epochs": 1}
    recipe = parse({"input": str(folder / "documents.parquet"), "steps": steps, "stream": stream})
    pipelines.run_recipe(recipe, str(folder / "streamed"))
    with pytest.raises(ValueError, match="is divided into sets"):
        corpus.open_stream(str(folder / "streamed"))
    opened = corpus.open_stream(str(folder / "streamed" / "tokens" / "validation"))
    assert opened.tokens == manifest.open_set(str(folder / "streamed" / "tokens" / "validation"))[1]["tokens"]


def test_refused(folder, output):
    with pytest.raises(ValueError, match="is divided into sets; open one of: .*/tokens/train"):
        TokenStream(str(output / "tokens"), sequence_length=16, batch_size=2)
    with pytest.raises(ValueError, match="has no set 'tset'; open one of"):
        TokenStream(str(output / "tokens/tset"), sequence_length=16, batch_size=2)
    plain = run(folder, "plain", sets=None)
    assert "sets" not in manifest.load(str(plain / "tokens"))
    with pytest.raises(ValueError, match="has no set 'train'"):
        TokenStream(str(plain / "tokens/train"), sequence_length=16, batch_size=2)
    for sets, message in [
        ({"train": 0.7, "test": 0.2}, "must add up to 1"),
        ({"packing": 1.0}, "cannot name a set"),
        ({"a/b": 1.0}, "cannot name a set"),
        ({"train": 1.0, "test": 0.0}, "above 0"),
        ({"train": "most"}, "sets"),
    ]:
        with pytest.raises(RecipeError, match=message):
            parse({"input": "x.parquet", "steps": ["train_tokenizer", {"tokenize": {"sets": sets}}]})


def test_inspect_says_what_is_in_a_set(output):
    """Its own figures, and a document of it, as of all tokens; of another set it has none."""
    path, counts = output / "tokens", {name: sum(expected(i) == name for i in range(300)) for name in SHARES}
    shards = manifest.load(str(path))["sets"]
    tokens = {name: TokenStream(f"{path}/{name}", sequence_length=16, batch_size=1).tokens for name in SHARES}
    figures = {
        name: f"{len(shards[name])} shards, documents {counts[name]}, tokens {tokens[name]:,}" for name in shards
    }
    sets = [f"set {name}: {figures[name]}" for name in shards]
    assert describe(f"{path}/", 3).split("\n")[1:] == sets
    assert describe(str(output), 3).split("\n")[-3:] == sets
    (line,) = describe(f"{path}/test", 3).split("\n")
    assert line.startswith(
        f"tokens: {len(shards['test'])} shards, documents {counts['test']}, tokens {tokens['test']:,},"
    )
    with pytest.raises(ValueError, match="has no set 'tset'; open one of: .*/train"):
        describe(f"{path}/tset", 3)
    for name in SHARES:
        document = IDS[next(i for i in range(300) if expected(i) == name)]
        shown = tokens_of.describe(f"{path}/{name}", document)
        assert f" of {name}, " in shown.split("\n")[0] and shown == tokens_of.describe(str(path), document)
        other = "train" if name != "train" else "test"
        with pytest.raises(ValueError, match=f"{document} is not in the tokens of .*/{other}: .* or another set"):
            tokens_of.describe(f"{path}/{other}", document)
