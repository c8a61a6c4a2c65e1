"""The examples in docstrings: they run as they stand, and each name that people import has one."""

import doctest
import importlib
import inspect

import pytest

PUBLIC = {
    "corpus.loader.stream": ["TokenStream"],
    "corpus.loader.mixture": ["Mixture"],
    "corpus.loader.torch": ["token_loader"],
    "corpus.tokens.megatron": ["ShardWriter", "IndexedDataset"],
    "corpus.tokens.manifest": ["verify"],
    "corpus.tokens.packing": ["best_fit"],
}


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_run(name):
    if name == "corpus.loader.torch":
        pytest.importorskip("torch")
    module = importlib.import_module(name)
    for public in PUBLIC[name]:
        assert ">>>" in inspect.getdoc(getattr(module, public)), public
    result = doctest.testmod(module)
    assert result.failed == 0 and result.attempted >= 3 * len(PUBLIC[name])
