"""Tokens by sentence, through the command line's recipes: shards, plans, batches of pairs."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import corpus
import pipelines
from corpus.loader import TokenStream
from corpus.tokens import manifest
from corpus.tokens.megatron import IndexedDataset
from pipelines.recipe import RecipeError, parse

TEXTS = [f"Title {i}\nFirst of {i}. Second here! A third? Mr. Smith slept.\nThe last of {i}." for i in range(40)]
METHODS = {"sentences": 30, "document_sentences": 30, "next_sentence": 29, "sentence_order": 29, "segments": 30}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentences")
    table = pa.table({"id": [str(i) for i in range(len(TEXTS))], "text": TEXTS})
    pq.write_table(table, folder / "documents.parquet")
    steps = [{"train_tokenizer": {"family": "wordpiece", "vocab_size": 200}}]
    steps += [{"tokenize": {"unit": "sentence", "shard_bytes": 1500}}]
    steps += [{"pack": {"method": method, "sequence_length": length}} for method, length in METHODS.items()]
    steps += [{"pack": {"method": "next_sentence", "sequence_length": 29, "variants": 3}}]
    recipe = parse({"input": str(folder / "documents.parquet"), "steps": steps})
    pipelines.run_recipe(recipe, str(folder / "out"))
    return folder / "out"


def test_a_sequence_is_a_sentence(output):
    found, encoder = manifest.load(str(output / "tokens")), corpus.load_encoder(output / "tokenizer")
    assert found["unit"] == "sentence" and len(found["shards"]) > 1 and manifest.verify(str(output / "tokens")) == []
    documents = []
    for shard in found["shards"]:
        dataset = IndexedDataset(str(output / "tokens" / shard["name"]))
        sentences = [encoder.decode(dataset[i]) for i in range(dataset.sequences)]
        firsts = dataset._index.firsts.tolist()
        documents += [sentences[a:b] for a, b in zip(firsts[:-1], firsts[1:])]
    assert sorted(documents) == sorted(
        [f"title {i}", f"first of {i}.", "second here!", "a third?", "mr. smith slept.", f"the last of {i}."]
        for i in range(len(TEXTS))
    )


@pytest.mark.parametrize("method", METHODS)
def test_plans_are_read(output, method):
    options = {"segments": 2} if "sentences" not in method else {}
    stream = TokenStream(
        str(output / "tokens"), objective="electra" if method == "segments" else "mlm", sequence_length=32,
        batch_size=4, boundaries="document_ids", audit=True, packing=f"{method}-{METHODS[method]}", **options,
    )  # fmt: skip
    rows = sum(int((batch["labels"] != -100).any(1).sum()) for batch in stream)
    assert rows == stream.samples > 20
    if method == "document_sentences":
        stream.rewind()
        assert all(batch["document_ids"].max() == 1 for batch in stream)


def test_variants(output):
    shape = {"objective": "mlm", "sequence_length": 32, "batch_size": 4, "segments": 2}
    once, often = (
        TokenStream(str(output / "tokens"), packing=plan, **shape)
        for plan in ("next_sentence-29", "next_sentence-29-x3")
    )
    assert 2.5 * once.samples < often.samples < 3.5 * once.samples
    with pytest.raises(ValueError, match="sequence_length 29; samples here have 61"):
        TokenStream(str(output / "tokens"), packing="next_sentence-29", **shape | {"sequence_length": 64})


def test_refused():
    steps = [{"train_tokenizer": {}}, {"tokenize": {}}, {"pack": {"method": "next_sentence"}}]
    with pytest.raises(RecipeError, match="'next_sentence' goes by sentences: tokenize with unit: sentence"):
        parse({"input": "x.parquet", "steps": steps})
    with pytest.raises(ValueError, match="variants is for methods next_sentence"):
        parse({"input": "x.parquet", "steps": [*steps[:2], {"pack": {"variants": 2}}]})
