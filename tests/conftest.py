"""Fixtures shared by all tests."""

import os
import pathlib
import sys
from unittest import mock

import hypothesis
import pytest

# Random inputs look for new faults on a developer's machine; CI tests the change with the same ones each time.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Helpers and oracles are imported by name, also by worker processes.
for folder in ("bench", "faults", "oracles"):
    sys.path.insert(0, str(ROOT / "tests" / folder))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT / "tests" / folder), os.environ.get("PYTHONPATH")])
    )
# What a developer's shell names for the shipped recipes is not what the tests expect.
for variable in ("BAD_WORDS", "TEST_SETS", "BLOCKED_DOMAINS"):
    os.environ.pop(variable, None)
os.environ["WINNOW_FILTERS"] = str(ROOT / "tests" / "oracles")


@pytest.fixture(scope="session", autouse=True)
def without_syncing():
    """What tests write need not outlive a loss of power: a small run waits for the disk most of its time."""
    with mock.patch.object(os, "fsync", lambda file: None):
        yield


@pytest.fixture(scope="session")
def real_data() -> pathlib.Path:
    """Folder of real corpora, if there is one beside the checkout or named by WINNOW_DATA."""
    path = pathlib.Path(os.environ.get("WINNOW_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real corpora at {path}; set WINNOW_DATA to test against them")
    return path


@pytest.fixture(scope="session")
def object_store():
    """An S3 in this process, for the whole test session; buckets are up to the test."""
    import object_store

    with object_store.running() as store:
        yield store


@pytest.fixture(scope="session")
def ray_workers():
    """A Ray of two workers for the whole test session; engines use it as they find it."""
    import ray

    options = {"object_store_memory": 128 << 20, "include_dashboard": False, "log_to_driver": False}
    ray.init(address="local", num_cpus=2, logging_level="ERROR", **options)
    yield 2
    ray.shutdown()


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory) -> str:
    """Folder of a small tokenizer of byte-level BPE, for tests that have none of their own."""
    from tokenizer_training import train_tokenizer

    folder = str(tmp_path_factory.mktemp("tokenizer"))
    with pytest.warns(UserWarning, match="the vocabulary has"):
        train_tokenizer(["to be or not to be, that is the question 漢字"] * 4, folder, family="bpe", vocab_size=320)
    return folder
