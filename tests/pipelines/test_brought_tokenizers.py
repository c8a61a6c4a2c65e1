"""`tokenize: {tokenizer: PATH}` with tokenizers that were made elsewhere, from the command line and from Python."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest
from typer.testing import CliRunner

from corpus.encoding import encoders, gate
from corpus.encoding.encoder import load_encoder
from corpus.tokens import manifest as token_manifest
from pipelines import cli
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.commands import verbs
from pipelines.steps.tokenize import Tokenize

_path = pathlib.Path(__file__).parents[1] / "corpus" / "encoding" / "brought.py"
_spec = importlib.util.spec_from_file_location("brought", _path)
brought = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(brought)
END = brought.END
TEXTS = [*brought.TEXTS, f"a {END} b </s> [SEP]", "one more"] * 2


@pytest.fixture(autouse=True, scope="module")
def less_to_compare():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "SWEEP", range(0x500))
        yield


@pytest.fixture
def documents(tmp_path):
    rows = [json.dumps({"id": str(i), "text": text}) for i, text in enumerate(TEXTS)]
    (tmp_path / "documents.jsonl").write_text("\n".join(rows))
    return str(tmp_path / "documents.jsonl")


def run(documents, output, **options):
    recipe = recipes.parse({"input": documents, "steps": [{"tokenize": options}]})
    return runs.run(recipe, str(output), workers=0)


def sequences(output):
    """The token sequences of a run, as a multiset."""
    described = token_manifest.load(f"{output}/tokens")
    found = []
    for shard in described["shards"]:
        data = np.fromfile(f"{output}/tokens/{shard['name']}.bin", described["dtype"]).tolist()
        end = described["end_id"]
        ends = [i for i, token in enumerate(data) if token == end]
        found += [tuple(data[a:b]) for a, b in zip([0, *(i + 1 for i in ends)], [i + 1 for i in ends])]
    return sorted(found)


def gpt2(folder):
    return brought.write_folder(brought.byte_level(), folder, eos_token=END, tokenizer_class="GPT2Tokenizer")


def test_a_folder_of_hugging_faces_is_encoded_by_our_kernel(documents, tmp_path):
    result = run(documents, tmp_path / "out", tokenizer=gpt2(tmp_path / "hf"))
    library = brought.byte_level()
    library.encode_special_tokens = True
    assert sequences(tmp_path / "out") == sorted((*library.encode(text).ids, 0) for text in TEXTS)
    (note,) = (note for note in result.report["notes"] if note.startswith("tokenizer: "))
    assert note.startswith("tokenizer: encoded by our kernel bpe at ") and "its ids are the library's on" in note
    figures = result.report["figures"]["encoder"]
    assert figures["encoder"] == "bpe" and figures["first_difference"] is None
    assert figures["compared_bytes"] > 10_000 and figures["library_mb_per_s"] > 0
    files = {path.name for path in (tmp_path / "out" / "tokenizer").iterdir()}
    assert files == {"tokenizer.json", "tokenizer_config.json", "winnow_tokenizer.json"}
    again = run(documents, tmp_path / "out", tokenizer=gpt2(tmp_path / "hf"))
    assert not again.worked and again.report["notes"] == result.report["notes"]
    encoder = load_encoder(tmp_path / "out" / "tokenizer")
    assert token_manifest.load(f"{tmp_path}/out/tokens")["tokenizer"]["fingerprint"] == encoder.fingerprint


def test_special_tokens_in_documents_by_option(documents, tmp_path):
    run(documents, tmp_path / "out", tokenizer=gpt2(tmp_path / "hf"), special_text="token")
    library = brought.byte_level()
    whole = sorted((*library.encode(text).ids, 0) for text in TEXTS)
    assert any(ids.count(0) == 2 for ids in whole)
    cut = [part for ids in whole for part in " ".join(map(str, ids)).split(" 0 ")]
    assert len(sequences(tmp_path / "out")) == len(cut) == len(TEXTS) + 2


def test_what_kernels_do_not_know_is_encoded_by_the_library(documents, tmp_path):
    model = brought.write_model(tmp_path / "spiece.model")
    result = run(documents, tmp_path / "out", tokenizer=str(tmp_path / "spiece.model"))
    assert sequences(tmp_path / "out") == sorted((*model.encode(text), 2) for text in TEXTS)
    assert any("sentencepiece" in note for note in result.report["notes"])


def test_a_kernel_that_differs_on_the_corpus_alone(documents, tmp_path, monkeypatch):
    right = encoders.ENCODERS["bpe"]

    def wrong(folder, special_too=False):
        encode, decode = right(folder, special_too)

        def off_by_one(text):
            ids, offsets = encode(text)
            return (ids + 1 if "one more" in text.to_pylist() else ids), offsets

        return off_by_one, decode

    monkeypatch.setitem(encoders.ENCODERS, "bpe", wrong)
    result = run(documents, tmp_path / "out", tokenizer=gpt2(tmp_path / "hf"))
    library = brought.byte_level()
    library.encode_special_tokens = True
    assert sequences(tmp_path / "out") == sorted((*library.encode(text).ids, 0) for text in TEXTS)
    assert "ours gives [" in result.report["figures"]["encoder"]["first_difference"]
    assert load_encoder(tmp_path / "out" / "tokenizer").encoder == "tokenizers"
    assert any("by the library tokenizers" in n and "for our kernel differs at" in n for n in result.report["notes"])


def test_a_kernel_that_differs_on_a_tokenizer_of_ours(documents, tmp_path, monkeypatch):
    right = encoders.ENCODERS["bpe"]
    steps = [{"train_tokenizer": {"vocab_size": 300}}, "tokenize"]
    recipe = recipes.parse({"input": documents, "steps": steps})
    expected = runs.run(recipe, str(tmp_path / "expected"), workers=0)
    assert expected.report["figures"]["encoder"]["encoder"] == "bpe"

    def wrong(folder, special_too=False):
        encode, decode = right(folder, special_too)

        def off_by_one(text):
            ids, offsets = encode(text)
            return (ids + 1 if "one more" in text.to_pylist() else ids), offsets

        return off_by_one, decode

    monkeypatch.setitem(encoders.ENCODERS, "bpe", wrong)
    result = runs.run(recipe, str(tmp_path / "out"), workers=0)
    assert result.report["figures"]["encoder"]["encoder"] == "tokenizers"
    assert sequences(tmp_path / "out") == sequences(tmp_path / "expected")


@pytest.mark.parametrize("form", ["vocab.txt", "tokenizer.json", "x.tiktoken"])
def test_the_command_line(documents, tmp_path, form):
    (tmp_path / "t").mkdir()
    library = brought.bert() if form == "vocab.txt" else brought.byte_level()
    flags = {"vocab.txt": ["--lowercase", "true"], "tokenizer.json": ["--end", END]}
    if form == "vocab.txt":
        library.model.save(str(tmp_path / "t"))
    elif form == "tokenizer.json":
        library.save(str(tmp_path / "t" / form))
    else:
        ranks = brought.write_tiktoken(tmp_path / "t" / form)
        special = json.dumps({END: len(ranks)})
        flags[form] = ["--pattern", "llama3", "--special-tokens", special, "--end", END]
    verbs.add(["tokenize"])
    arguments = ["tokenize", documents, str(tmp_path / "out"), "--tokenizer", str(tmp_path / "t" / form)]
    done = CliRunner().invoke(cli.app, [*arguments, "--workers", "0"])
    assert done.exit_code == 2 and ("give `" in done.output or "give `" in done.stderr)
    done = CliRunner().invoke(cli.app, [*arguments, "--workers", "0", *flags[form]])
    assert done.exit_code == 0, done.output
    assert "tokenizer: encoded by " in done.output
    if form != "x.tiktoken":
        library.encode_special_tokens = True
        closing = [] if form == "vocab.txt" else [0]
        assert sequences(tmp_path / "out") == sorted((*library.encode(text).ids, *closing) for text in TEXTS)


def test_options_need_a_tokenizer():
    with pytest.raises(ValueError, match="special_text is for a tokenizer that was made elsewhere: give `tokenizer`"):
        Tokenize(special_text="token")


def test_nothing_is_done_for_a_tokenizer_that_cannot_be(documents, tmp_path):
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "tokenizer.json").write_text('{"model": {"type": "Knots"}}')
    with pytest.raises(recipes.RecipeError, match="cannot be read by `tokenizers` .*: model Knots"):
        run(documents, tmp_path / "out", tokenizer=str(tmp_path / "hf"))
    with pytest.raises(recipes.RecipeError, match="there is no tokenizer .*missing"):
        run(documents, tmp_path / "out", tokenizer=str(tmp_path / "mis/sing/missing"))
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_with_fewer_tokens_from_the_command_line(documents, tmp_path):
    source = gpt2(tmp_path / "hf")
    made = CliRunner().invoke(
        cli.app, ["resize-tokenizer", source, str(tmp_path / "new"), "--used-in", documents, "--vocab-size", "390",
                  "--add-special", "<tool>"],
    )  # fmt: skip
    assert made.exit_code == 0 and made.stdout.startswith("390 ids: 389 of 400 stay, 11 are gone, 1 are new"), made
    table = np.load(tmp_path / "new" / "old_to_new.npy")
    run(documents, tmp_path / "out", tokenizer=str(tmp_path / "new"))
    encoder, whole = load_encoder(tmp_path / "new"), load_encoder(source)
    texts = [ids.tolist() for ids in encoder.encode_texts(TEXTS, append_end=True)]
    assert sequences(tmp_path / "out") == sorted(map(tuple, texts)) and encoder.special_tokens["<tool>"] == 389
    kept = [
        (old, new) for old, new in zip(whole.encode_texts(TEXTS, append_end=True), texts) if (table[old] >= 0).all()
    ]
    assert kept and all(table[old].tolist() == new for old, new in kept)
    for arguments, why in (
        ([source, str(tmp_path / "new")], "is not empty"),
        ([str(tmp_path / "none"), str(tmp_path / "n")], "there is no tokenizer"),
        ([source, str(tmp_path / "n"), "--vocab-size", "9"], "give --used-in"),
    ):
        refused = CliRunner().invoke(cli.app, ["resize-tokenizer", *arguments])
        assert refused.exit_code == 2 and why in refused.stderr
