"""Kernels compiled ahead: all of them, in every form in which a run calls them."""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys

import corpora
import pytest

import corpus
import tokenizer_training
from pipelines import warm

RUN = [sys.executable, "-c", "from pipelines.cli import main; main()"]


@pytest.mark.slow
def test_after_warm_nothing_is_compiled(tmp_path, monkeypatch):
    """What it left in an empty folder is looked at: a copy of that of `bin/test --slow`, or one made here."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    if "WINNOW_WARMED" in os.environ:
        shutil.copytree(os.environ["WINNOW_WARMED"], tmp_path / "cache")
    done = subprocess.run([*RUN, "warm"], capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr
    assert "kernels of objectives: ready" in done.stderr and f"ready in {tmp_path}" in done.stdout
    assert "WINNOW_WARMED" not in os.environ or ", 0 times one was compiled for it" in done.stdout
    warmed = files(tmp_path)
    assert missing(tmp_path) == set()

    paths = corpora.write_inputs(tmp_path / "input")
    (tmp_path / "full.yaml").write_text(corpora.full_recipe(paths))
    subprocess.run(
        [*RUN, "run", tmp_path / "full.yaml", "--output", tmp_path / "full", "--workers", "2"], check=True, timeout=300
    )
    names = ("gopher_quality", "gopher_repetition", "fineweb", "c4", "pii", "length")
    steps = [option for name in names for option in ("--step", name)]
    documents, here = tmp_path / "full" / "documents", ["--workers", "0"]
    subprocess.run([*RUN, "filter", documents, tmp_path / "filtered", *steps, *here], check=True, timeout=300)
    options = ["--family", "wordpiece", "--vocab-size", "300"]
    subprocess.run([*RUN, "train-tokenizer", documents, tmp_path / "words", *options, *here], check=True, timeout=300)
    assert files(tmp_path) - warmed == set()


def files(folder):
    return {str(path) for path in (folder / "cache").rglob("*.nbc")}


def everything():
    """All kernels that there are."""
    for package in (corpus, tokenizer_training):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith(("_build", ".torch", ".html_trafilatura")) and ".examples." not in module.name:
                importlib.import_module(module.name)
    return warm.kernels()


def missing(folder):
    """Kernels of which nothing is in the cache below a folder."""
    indices = [
        (path.parent.name.rpartition("-")[0], path.name.partition("-")[0].partition(".")[2])
        for path in folder.rglob("*.nbi")
    ]
    return everything().keys() - {f"{module}.{name}" for module, name in indices}
