"""The examples in docstrings do what they say."""

import doctest

import pytest

from corpus.reading import charset, html, read_options, readers


@pytest.mark.parametrize("module, examples", [(readers, 4), (read_options, 1), (html, 1), (charset, 1)])
def test_examples(tmp_path, monkeypatch, module, examples):
    monkeypatch.chdir(tmp_path)  # some write a file that they read
    tests = [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]
    assert len(tests) == examples
    for test in tests:
        assert doctest.DocTestRunner().run(test).failed == 0, test.name
