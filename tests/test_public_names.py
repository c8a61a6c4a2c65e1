"""What the packages offer by name: each has an example that runs, and asking for one imports no more than it needs."""

import doctest
import importlib
import subprocess
import sys

import pytest

PACKAGES = ("corpus", "pipelines", "tokenizer_training")
NAMES = [(package, name) for package in PACKAGES for name in importlib.import_module(package).__all__]


def test_there_are_names_to_look_at():
    assert {("corpus", "apply_filters"), ("corpus", "C4"), ("pipelines", "run_recipe")} <= set(NAMES)
    for package in PACKAGES:
        names = importlib.import_module(package).__all__
        assert names == sorted(set(names)) and set(names) <= set(dir(importlib.import_module(package)))


@pytest.mark.parametrize("package, name", NAMES)
def test_the_example_of_a_public_name_gives_what_it_says(package, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    offered = getattr(importlib.import_module(package), name)
    (example,) = doctest.DocTestFinder(recurse=False).find(offered, name, globs={})
    assert example.examples, f"{package}.{name} has no example"
    said = []
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_its_version_and_what_it_does_not_have(package):
    module = importlib.import_module(package)
    assert module.__version__ == importlib.import_module("corpus").__version__
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        getattr(module, "nothing")  # noqa: B009


HEAVY = ("ray", "pydantic", "typer", "tokenizers", "sentencepiece", "torch", "datasketch")


@pytest.mark.parametrize(
    "statement, without",
    [
        ("import corpus", (*HEAVY, "numpy", "pyarrow", "numba")),
        ("import pipelines", (*HEAVY, "numpy", "pyarrow", "numba")),
        ("import tokenizer_training", (*HEAVY, "numpy", "pyarrow", "numba")),
        ("import corpus.loader", HEAVY),
        ("import corpus; corpus.TokenStream", HEAVY),
        ("import corpus; corpus.near_duplicates; corpus.apply_filters; corpus.C4; corpus.min_hashes", HEAVY),
        ("from pipelines import Recipe, NearDedup", ("ray", "typer", "torch", "sentencepiece", "tokenizers")),
    ],
)
def test_an_import_brings_what_it_needs_and_no_more(statement, without):
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "corpus" in loaded and not set(without) & set(loaded)
