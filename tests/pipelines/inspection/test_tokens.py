"""`winnow inspect OUT/tokens --document ID`."""

import json

import pytest
from typer.testing import CliRunner

from pipelines import cli
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.inspection import tokens

TEXTS = {
    "one": "to be or not to be,\nthat is the question",
    "two": "naïveté 日本 to be",
    "three": "to be or not to be,\nthat is the question",
    "empty": "",
    "four": "be to or \x1b[31m",
}
FAMILIES = {"bpe": 290, "wordpiece": 90, "sentencepiece-bpe": 320, "byte": 0}


@pytest.fixture(scope="module", params=FAMILIES)
def output(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    rows = [json.dumps({"id": name, "text": text, "url": f"https://x/{name}"}) for name, text in TEXTS.items()]
    (folder / "documents.jsonl").write_text("\n".join(rows))
    training = {"family": request.param, "vocab_size": FAMILIES[request.param], "min_frequency": 1}
    steps = [{"train_tokenizer": training}, {"tokenize": {"shard_bytes": 60}}]
    runs.run(recipes.parse({"input": str(folder / "documents.jsonl"), "steps": steps}), str(folder / "out"), workers=0)
    return request.param, folder / "out"


def shown(text):
    head, _, body = text.partition("\n")
    return head, body.replace("\\n\n", "\n")


def test_a_documents_tokens(output):
    family, folder = output
    for name in ("one", "two", "three", "four"):
        for path in (folder, folder / "tokens", f"{folder}/tokens/"):
            head, body = shown(tokens.describe(str(path), name))
            count = int(head.split(" tokens of ")[0].split(", ")[-1].replace(",", ""))
            assert head.startswith(f"{name}: sequence ") and f"{len(TEXTS[name]):,} characters" in head
            assert len(body.split(tokens.BOUNDARY)) == count
    if family == "bpe":
        _, body = shown(tokens.describe(str(folder), "one"))
        assert body.replace(tokens.BOUNDARY, "") == TEXTS["one"] + "<|endoftext|>"
        assert "\x1b" not in tokens.describe(str(folder), "four")
        assert "\\xe6" in tokens.describe(str(folder), "two") or "日" in tokens.describe(str(folder), "two")
    assert tokens.describe(str(folder), "https://x/two") == tokens.describe(str(folder), "two").replace(
        "two:", "https://x/two:"
    )


def test_tokens_are_where_it_says(output):
    from corpus.encoding.encoder import load_encoder
    from corpus.tokens.megatron import IndexedDataset

    _, folder = output
    encoder = load_encoder(folder / "tokenizer")
    head, _ = shown(tokens.describe(str(folder), "two"))
    sequence, shard = head.removeprefix("two: sequence ").split(", ")[0].split(" of shard ")
    stored = IndexedDataset(str(folder / "tokens" / shard))[int(sequence)]
    assert stored.tolist() == encoder.encode_texts([TEXTS["two"]], append_end=True)[0].tolist()


def test_the_command(output, tmp_path):
    _, folder = output
    done = CliRunner().invoke(cli.app, ["inspect", str(folder / "tokens"), "--document", "one"])
    assert done.exit_code == 0 and done.output.startswith("one: sequence ") and tokens.BOUNDARY in done.output
    for arguments, error in [
        ([str(folder / "tokens"), "--document", "five"], "there is no document with the id or URL 'five'"),
        ([str(tmp_path), "--document", "one"], "holds no tokens of a run"),
    ]:
        done = CliRunner().invoke(cli.app, ["inspect", *arguments])
        assert done.exit_code == 2 and error in done.stderr


def test_tokens_of_another_run(output):
    family, folder = output
    for path in (folder / "tokens").glob("*.bin"):
        data = path.read_bytes()
        path.write_bytes(data[::-1])
    with pytest.raises(ValueError, match="two is not in the tokens of .*or they are of another run"):
        tokens.describe(str(folder), "two")
