"""`winnow export-tokens` on a run: what is written stands beside it, and is in nobody's way."""

import json
import os
import pathlib

import numpy as np
import pytest
from commands import winnow

from corpus.tokens.exports import FORMATS
from pipelines import recipe as recipes
from pipelines import run as runs

TEXTS = [
    f"Sentence {number} of a small corpus, which has {number % 7} more words than {number % 3}." for number in range(60)
]
STEPS = [{"train_tokenizer": {"vocab_size": 300}}, {"tokenize": {"shard_bytes": 2000}}]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    rows = [json.dumps({"id": str(number), "text": text}) for number, text in enumerate(TEXTS)]
    (folder / "documents.jsonl").write_text("\n".join(rows))
    recipe = recipes.parse({"input": str(folder / "documents.jsonl"), "steps": STEPS})
    out = str(folder / "OUT")
    runs.run(recipe, out, workers=0)
    return recipe, out


def test_every_format_from_the_command_line(run):
    recipe, out = run
    shards = json.loads(pathlib.Path(out, "tokens/manifest.json").read_text())["shards"]
    assert len(shards) > 1
    for name in FORMATS:
        said = winnow("export-tokens", out, "--format", name, check=0).stdout
        tokens = sum(shard["tokens"] for shard in shards)
        assert f"{out}/exports/{name}: {tokens:,} tokens in" in said and "read it by: " in said
    assert "nothing to do" in winnow("export-tokens", f"{out}/tokens", "--format", "mds", check=0).stdout
    assert os.path.samefile(f"{out}/tokens/00001.bin", f"{out}/exports/olmo/00001.npy")
    payload = np.concatenate([np.fromfile(f"{out}/tokens/{shard['name']}.bin", np.uint16) for shard in shards])
    read = [np.fromfile(f"{out}/exports/nanogpt/{name}.bin", np.uint16) for name in ("train", "val")]
    assert np.array_equal(np.concatenate(read), payload)
    assert "every published file and count is as it should be" in winnow("verify", out, check=0).stdout
    assert runs.run(recipe, out, workers=0).worked is False
    assert sorted(os.listdir(f"{out}/exports")) == sorted(FORMATS)


def test_mistakes_are_refused(run, tmp_path):
    _, out = run
    said = winnow("export-tokens", out, "--format", "olma", check=2).stderr
    assert "unknown format 'olma' in export-tokens; did you mean 'olmo'?" in said
    said = winnow("export-tokens", out, "--format", "olmo", "--validation", "0.1", check=2).stderr
    assert "format 'olmo' has no option 'validation'" in said
    said = winnow("export-tokens", tmp_path, "--format", "olmo", check=2).stderr
    assert "holds no tokens" in said
    said = winnow("export-tokens", out, "--format", "olmo", "--output", tmp_path, check=2).stderr
    assert "is in the way, and is no export" in said
