"""Every public name has an example, and it is true."""

import doctest
import inspect

import pytest

import tokenizer_training
from tokenizer_training import evaluate, train

PUBLIC = {name: getattr(tokenizer_training, name) for name in tokenizer_training.__all__}
PUBLIC |= {"train": train.train, "evaluate": evaluate.evaluate, "tokenizer_training": tokenizer_training}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example(name):
    value = PUBLIC[name]
    names = vars(value if inspect.ismodule(value) else inspect.getmodule(value)).copy()
    (test,) = doctest.DocTestFinder(recurse=False).find(value, name, globs=names)
    assert test.examples, f"{name} has no example"
    report: list[str] = []
    failed, tried = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert failed == 0 and tried == len(test.examples), "".join(report)


def test_public_names():
    assert sorted(tokenizer_training.__all__) == tokenizer_training.__all__
    assert set(tokenizer_training.__all__) <= set(dir(tokenizer_training))
    with pytest.raises(AttributeError, match="'tokenizer_training' has no attribute 'train_tokeniser'"):
        tokenizer_training.train_tokeniser  # noqa: B018
