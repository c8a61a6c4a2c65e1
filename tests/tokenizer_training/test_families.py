"""What every family of tokenizers owes, for all that are in the registry."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import closure, options
from corpus.encoding.encoder import load_encoder
from corpus.encoding.encoders import ENCODERS
from pipelines import recipe as recipes
from pipelines import run as runs
from tokenizer_training import families
from tokenizer_training.families import FAMILIES
from tokenizer_training.train import TrainTokenizer, count, merge_counts, train

TEXTS = [
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
    "it was the age of foolishness, it was the epoch of belief,\nit was the epoch of incredulity",
    "",
    "",
    "Größe und Straße, naïveté! 12 123 日本語 😀",
    "the season of Light, the season of Darkness, the spring of hope, the winter of despair",
]
SIZE = 310
"""A vocabulary that each family can make of these."""
SENTINELS = 4


@pytest.fixture(scope="module", params=FAMILIES)
def trained(request, tmp_path_factory):
    """(record, configuration, figures, folder) of a family."""
    config = configuration(request.param, sentinels=SENTINELS)
    folder = tmp_path_factory.mktemp(request.param)
    return families.named(request.param), config, train(count(pa.array(TEXTS), config), config, folder), folder


def configuration(family: str, **options) -> TrainTokenizer:
    return TrainTokenizer(**{"family": family, "vocab_size": SIZE, "min_frequency": 0, **options})


def contents(folder) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_record(name):
    family = families.named(name)
    assert family.name == name
    assert family.end in family.special_tokens
    assert family.encoder in ENCODERS
    code = TrainTokenizer(family=name).code()
    assert code == (closure.Code(families.module_of(name)),)
    assert f"tokenizer_training.families.{code[0].name.rpartition('.')[2]}" in closure.contents(code)


def test_a_family_that_there_is_not():
    with pytest.raises(
        options.OptionError, match="option 'family' of step 'train_tokenizer'; did you mean 'wordpiece'"
    ):
        TrainTokenizer(family="word-piece")
    with pytest.raises(ValueError, match=f"no family of tokenizers 'quipu'; known are {', '.join(FAMILIES)}"):
        families.named("quipu")
    (option,) = (each for each in options.describe(TrainTokenizer) if each.name == "family")
    assert option.choices == tuple(FAMILIES) and option.default == '"bpe"'


def test_nothing_heavy_is_imported_for_the_names():
    code = "import sys, tokenizer_training, tokenizer_training.families as f; print(*f.FAMILIES); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    names, modules = (line.split() for line in done.stdout.splitlines())
    assert names == list(FAMILIES) and "tokenizer_training.families" in modules
    assert not {"sentencepiece", "tokenizers", "pydantic", "numba", "ray"} & set(modules)


@pytest.mark.parametrize("family", FAMILIES)
@settings(deadline=None, max_examples=40)
@given(cuts=st.lists(st.integers(0, 6), max_size=3), backwards=st.booleans())
def test_counts_do_not_depend_on_batches(family, cuts, backwards):
    config = configuration(family)
    text = pa.array(TEXTS)
    edges = sorted({0, *cuts, len(text)})
    tables = [count(text[a:b], config) for a, b in zip(edges, edges[1:])]
    merged = merge_counts(tables[::-1] if backwards else tables)
    assert merged.equals(count(text, config))
    words = merged["word"].to_pylist()
    assert words == sorted(set(words), key=str.encode)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """All families trained in another process, whose hashes of strings are others."""
    folder = tmp_path_factory.mktemp("elsewhere")
    options = {"vocab_size": SIZE, "sentinels": SENTINELS, "min_frequency": 0}
    program = (
        "import sys; from tokenizer_training import train_tokenizer\n"
        f"for name in {list(FAMILIES)}:\n"
        f"    train_tokenizer({TEXTS!r}, f'{{sys.argv[1]}}/{{name}}', family=name, **{options})"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4321", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True, env=environment)
    return folder


def test_equal_counts_give_equal_files(trained, elsewhere, tmp_path):
    family, config, _, folder = trained
    rows = [count(pa.array(TEXTS)[i : i + 1], config) for i in (5, 4, 3, 2, 1, 0)]
    train(pa.concat_tables(rows), config, str(tmp_path))
    assert contents(folder) == contents(tmp_path) == contents(elsewhere / family.name)


def test_the_description(trained):
    family, config, figures, folder = trained
    description = json.loads((folder / "winnow_tokenizer.json").read_text())
    names = {*family.files, "tokenizer_config.json", "special_tokens_map.json"}
    assert {path.name for path in folder.iterdir()} == {"winnow_tokenizer.json", *names}
    assert description["files"] == {name: contents(folder)[name] for name in names}
    assert description["family"] == family.name == figures["family"]
    assert description["vocab_size"] == figures["vocab_size"]
    assert description["sentinels"] == [figures["vocab_size"] - 1 - i for i in range(SENTINELS)]
    assert description["special_tokens"] == {token: i for i, token in enumerate(family.special_tokens)}
    end = description["end_of_document"]
    assert end == {"token": family.end, "id": description["special_tokens"][family.end]}


def test_a_tokenizer_json_is_that_of_the_library(trained):
    family, _, figures, folder = trained
    loaded = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert loaded.get_vocab_size() == figures["vocab_size"]
    for i, token in enumerate(family.special_tokens):
        assert loaded.token_to_id(token) == i
        assert loaded.encode(token, add_special_tokens=False).ids == [i]
    assert loaded.token_to_id("<extra_id_0>") == figures["vocab_size"] - 1


def test_texts_are_encoded_one_by_one_and_come_back(trained):
    family, _, figures, folder = trained
    encoder = load_encoder(folder)
    assert (encoder.family, encoder.vocab_size) == (family.name, figures["vocab_size"])
    assert encoder.space_before_word == family.space_before_word
    together = encoder.encode_texts(TEXTS, append_end=True)
    assert [ids.tolist() for ids in together] == [
        encoder.encode(pa.array([text], pa.string()), append_end=True)[0].tolist() for text in TEXTS
    ]
    assert {ids[-1] for ids in together} == {encoder.end_id}
    assert [len(ids) for ids in together if len(ids) == 1] == [1, 1]  # the two that are empty
    assert encoder.decode(encoder.encode_texts(["it was the age of hope"])[0]) == "it was the age of hope"


def test_special_tokens_in_text_are_text(trained):
    encoder = load_encoder(trained[3])
    special = [i for i in encoder.special_tokens.values() if i != encoder.unknown_id]
    texts = [f"a{token}b {token}" for token in encoder.special_tokens]
    tokens = np.concatenate(encoder.encode_texts(texts))
    assert len(tokens) and not np.isin(tokens, [*special, *encoder.sentinels]).any()
    assert encoder.decode([*special, *encoder.sentinels]) == ""


def test_a_run_trains_it_and_encodes_with_it(trained, tmp_path):
    family, config, _, _ = trained
    rows = [json.dumps({"id": str(i), "text": text or "a"}) for i, text in enumerate(TEXTS * 3)]
    (tmp_path / "documents.jsonl").write_text("\n".join(rows))
    given = {"family": family.name, "vocab_size": SIZE, "min_frequency": 0, "sentinels": SENTINELS}
    steps = [{"train_tokenizer": given}, "tokenize", {"pack": {"sequence_length": 16}}]
    recipe = recipes.parse({"input": str(tmp_path / "documents.jsonl"), "steps": steps})
    figures = runs.run(recipe, str(tmp_path / "out"), workers=0).report["figures"]
    assert figures["tokens"]["family"] == family.name
    encoder = load_encoder(tmp_path / "out" / "tokenizer")
    texts = [text or "a" for text in TEXTS * 3]
    assert figures["tokens"]["tokens"] == sum(map(len, encoder.encode_texts(texts, append_end=True)))
    assert figures["tokens"]["vocab_size"] == encoder.vocab_size
