"""The examples of training loops, as they stand: killed, and resumed with another number of ranks."""

import importlib.util
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(make_tokens):
    """30 samples of 16 tokens, with something to be learnt, and one of three."""
    random = np.random.default_rng(0)
    tokens = (np.cumsum(random.integers(1, 3, 30 * 16 + 3)) % 50 + 1).tolist()
    return make_tokens([[tokens[:200], tokens[200:]]], vocab_size=60)


def start(folder, checkpoint, world, log):
    """The ranks of the plain loop, as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(world):
        place = {"RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment = os.environ | {name: str(value) for name, value in place.items()}
        environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(ROOT / "corpus/loader/examples/train_ddp.py"), folder, checkpoint]
        command += ["--sequence-length", "16", "--global-batch", "4"]
        with open(log if rank == 0 else os.devnull, "a") as output:
            processes.append(subprocess.Popen(command, stdout=output, env=environment))
    return processes


def losses(log):
    """Loss by the sample behind the step; of steps that were made twice the last."""
    lines = pathlib.Path(log).read_text().splitlines()
    return {each["sample"]: each["loss"] for each in map(json.loads, filter(lambda line: line.endswith("}"), lines))}


@pytest.mark.slow
def test_a_loop_that_is_killed_and_goes_on_with_other_ranks(folder, tmp_path):
    """The same losses as of a run that nobody killed."""
    whole = str(tmp_path / "whole.log")
    for process in start(folder, str(tmp_path / "whole.pt"), 2, whole):
        assert process.wait(300) == 0
    expected = losses(whole)
    assert list(expected) == [4, 8, 12, 16, 20, 24, 28, 31] and expected[28] < expected[4]
    log, checkpoint = str(tmp_path / "killed.log"), str(tmp_path / "killed.pt")
    processes = start(folder, checkpoint, 2, log)
    try:
        while len(losses(log)) < 3 if os.path.exists(log) else True:
            assert all(process.poll() is None for process in processes) or len(losses(log)) >= 3
            time.sleep(0.01)
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
    for process in start(folder, checkpoint, 1, log):
        assert process.wait(300) == 0
    found = losses(log)
    assert list(found) == list(expected)
    assert max(abs(found[sample] - expected[sample]) for sample in expected) < 1e-4


def test_hugging_face_s_trainer(folder, tmp_path):
    """Where transformers is installed. All samples are trained on once, also where it goes on from a checkpoint."""
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    specification = importlib.util.spec_from_file_location(
        "example", ROOT / "corpus/loader/examples/train_transformers.py"
    )
    example = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(example)
    options = {
        "sequence_length": 17,
        "batch_size": 4,
        "use_cpu": True,
        "logging_steps": 1,
        "save_steps": 3,
        "learning_rate": 1e-2,
    }
    whole = example.train(folder, str(tmp_path / "whole"), **options)
    assert whole.state.global_step == 8
    log = [each["loss"] for each in whole.state.log_history if "loss" in each]
    assert len(log) == 8 and all(np.isfinite(log)) and log[-1] < log[0]
    for late in ("checkpoint-6", "checkpoint-8"):
        subprocess.run(["rm", "-r", str(tmp_path / "whole" / late)], check=True)
    resumed = example.train(folder, str(tmp_path / "whole"), **options)
    again = [each["loss"] for each in resumed.state.log_history if "loss" in each]
    assert resumed.state.global_step == 8 and np.allclose(again, log, atol=1e-4)
