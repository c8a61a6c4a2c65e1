"""Shingles of a tokenizer's ids against SHA-1 and XXH64 of their bytes, and near-duplicates by them."""

import hashlib
import pathlib
import struct

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from one_step import decide, document
from shingle_oracle import any_text

from corpus.dedup import token_shingles
from corpus.dedup.near import Near, near_duplicates
from corpus.encoding.byte_tokens import encoder_in
from corpus.options import OptionError
from pipelines.recipe import RecipeError
from tokenizer_training import train_tokenizer

HASHES = {
    "sha1": lambda shingle: int.from_bytes(hashlib.sha1(shingle).digest()[:8], "little"),
    "xxhash": xxhash.xxh64_intdigest,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = str(tmp_path_factory.mktemp("tokenizer"))
    train_tokenizer(["to be or not to be, that is the question"] * 3, made, family="bpe", vocab_size=270)
    return made


@settings(deadline=None)
@given(st.lists(any_text, max_size=5), st.integers(1, 6), st.sampled_from(list(HASHES)))
def test_shingles_are_windows_of_ids(folder, texts, ngram, name):
    column = pa.array(texts, pa.string())
    values, offsets = token_shingles.shingle_hashes(column, folder, ngram, name)
    units, unit_offsets = token_shingles.unit_hashes(column, folder)
    for i, ids in enumerate(encoder_in(folder).encode_texts(texts)):
        size = min(ngram, len(ids))
        windows = [ids[at : at + size].tolist() for at in range(len(ids) - size + 1)] if size else []
        expected = sorted({HASHES[name](struct.pack(f"<{size}I", *window)) for window in windows})
        assert values[offsets[i] : offsets[i + 1]].tolist() == expected
        assert units[unit_offsets[i] : unit_offsets[i + 1]].tolist() == ids.tolist()
    assert len(offsets) == len(texts) + 1 and offsets[-1] == len(values)


@pytest.mark.parametrize("verification", ["jaccard", "edit"])
def test_a_table_and_a_run_find_the_same(folder, verification):
    texts = [" ".join(f"to be {i % 5} or {j * (i % 5)} not" for j in range(30)) + f" {i}" for i in range(10)]
    options = {"unit": "tokens", "tokenizer": folder, "threshold": 0.7, "verification": verification}
    found = near_duplicates(texts, **options)
    decisions = decide({"near_dedup": options}, [[document(str(i), text) for i, text in enumerate(texts)]])
    assert [(int(d.id), int(d.by)) for d in decisions] == [(row["row"], row["by"]) for row in found.to_pylist()]
    assert len(found) == 5


def test_another_tokenizer_is_another_definition(folder, tmp_path):
    train_tokenizer(["a b c"], str(tmp_path), family="byte")
    names = [Near(unit="tokens", tokenizer=each).definition for each in (folder, str(tmp_path))]
    assert len({*names, Near().definition}) == 3 and all(name.startswith("tokens ") for name in names)


def test_a_tokenizer_that_is_none_is_refused(folder, tmp_path):
    for options in ({"unit": "tokens"}, {"tokenizer": folder}):
        with pytest.raises(OptionError, match="unit: tokens and tokenizer are given together"):
            Near(**options)
    pathlib.Path(tmp_path, "notes.md").write_text("no tokenizer")
    with pytest.raises(RecipeError, match="holds no tokenizer"):
        decide({"near_dedup": {"unit": "tokens", "tokenizer": str(tmp_path)}}, [[document("1", "a")]])
