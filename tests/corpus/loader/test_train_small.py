"""Small models on runs of their recipes: the loss falls; one that is killed goes on as if it had not been."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
pytest.importorskip("torch")
SMALL = {
    "gpt": ("gpt2", ["train_tokenizer.vocab_size=400", "stream.sequence_length=64"]),
    "bert": ("bert", ["train_tokenizer.vocab_size=1200"]),
    "t5": ("t5", ["train_tokenizer.vocab_size=50", "stream.sequence_length=64"]),
}
STEPS = 40


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """run_of(model) -> OUT of its recipe on sentences with something to be learnt."""
    from pipelines import recipe as recipes
    from pipelines import run as runs

    folder = tmp_path_factory.mktemp("runs")
    draw = random.Random(0)
    syllables = ["ka", "lo", "mi", "ne", "ru", "ta", "vo", "zi"]
    names = ["".join(draw.choice(syllables) for _ in range(draw.randint(2, 4))) for _ in range(40)]
    rows = []
    for number in range(150):
        told = [
            f"{draw.choice(names)} gave {draw.choice(names)} the {draw.choice(['red', 'old'])} key." for _ in range(12)
        ]
        rows.append(json.dumps({"id": str(number), "text": " ".join(told)}))
    (folder / "documents.jsonl").write_text("\n".join(rows))

    def run(model):
        name, small = SMALL[model]
        if not (folder / model).exists():
            recipe = recipes.load(name, [*small, "stream.global_batch=4"], [str(folder / "documents.jsonl")])
            runs.run(recipe, str(folder / model), workers=0)
        return str(folder / model)

    return run


def start(model, out, checkpoint):
    command = [
        sys.executable,
        "-m",
        "corpus.loader.examples.train_small",
        model,
        out,
        checkpoint,
        "--steps",
        str(STEPS),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


class Ended(Exception):
    """What ends a training."""


@pytest.mark.parametrize("model", SMALL)
def test_the_loss_falls_and_a_training_that_is_ended_goes_on(model, run_of, tmp_path):
    from corpus.loader.examples import train_small

    out, said = run_of(model), []
    whole = train_small.train(model, out, str(tmp_path / "whole.pt"), 25, said.append)
    assert [line.split(":")[0] for line in said] == ["step 10 of 25", "step 20 of 25", "step 25 of 25"]
    assert len(whole) == 25 and sum(whole[-5:]) < 0.9 * sum(whole[:5])

    def end(line):
        if line.startswith("step 20"):
            raise Ended

    with pytest.raises(Ended):
        train_small.train(model, out, str(tmp_path / "ended.pt"), 25, end)
    found = train_small.train(model, out, str(tmp_path / "ended.pt"), 25, said.append)
    assert said[3] == "going on behind step 20" and found == whole
    assert train_small.train(model, out, str(tmp_path / "whole.pt"), 25, said.append) == whole


@pytest.mark.slow
@pytest.mark.parametrize("model", SMALL)
def test_a_training_that_is_killed_goes_on(model, run_of, tmp_path):
    import torch

    out, killed, whole = run_of(model), str(tmp_path / "killed.pt"), str(tmp_path / "whole.pt")
    process = start(model, out, killed)
    try:
        while not os.path.exists(killed):
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    before = torch.load(killed)["losses"]
    assert 0 < len(before) < STEPS
    said, _ = start(model, out, killed).communicate(timeout=300)
    assert f"going on behind step {len(before)}" in said and f"step {STEPS} of {STEPS}: loss" in said
    said, _ = start(model, out, whole).communicate(timeout=300)
    assert "going on" not in said
    found, expected = torch.load(killed), torch.load(whole)
    assert found["losses"] == expected["losses"] and len(found["losses"]) == STEPS
    assert found["losses"][: len(before)] == before
    assert found["stream"] == expected["stream"] and found["stream"]["sample"] == 4 * STEPS
    again, _ = start(model, out, whole).communicate(timeout=300)
    assert again == f"going on behind step {STEPS}\n"
