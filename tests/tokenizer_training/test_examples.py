"""The examples of what the package does not offer at its top; those of its public names run with all others."""

import doctest

import pytest

import tokenizer_training
from tokenizer_training import evaluate, train


@pytest.mark.parametrize("value, module", [
    (train.train, train), (evaluate.evaluate, evaluate), (tokenizer_training, tokenizer_training),
])  # fmt: skip
def test_the_example(value, module):
    (test,) = doctest.DocTestFinder(recurse=False).find(value, "example", globs=vars(module).copy())
    report: list[str] = []
    failed, tried = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert failed == 0 and tried == len(test.examples) > 0, "".join(report)
