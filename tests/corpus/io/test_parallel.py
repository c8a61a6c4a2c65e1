"""Answers come in the order of what was asked, whoever is first."""

import doctest
import threading

import pytest

from corpus.io import parallel


@pytest.mark.parametrize("where", ["here/x", "gs://bucket/x"])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_answers_are_in_order(where, count):
    assert parallel.each(lambda number: number * 2, range(count), where) == [number * 2 for number in range(count)]


def test_examples():
    assert doctest.testmod(parallel) == (0, 2)


def test_a_store_is_asked_at_the_same_time():
    together = threading.Barrier(parallel.STORE_THREADS)
    assert sorted(parallel.each(lambda _: together.wait(60), range(parallel.STORE_THREADS), "gs://bucket")) == list(
        range(parallel.STORE_THREADS)
    )


@pytest.mark.parametrize("where", ["here", "gs://bucket"])
def test_what_fails_is_raised_and_the_rest_is_left(where):
    done = []

    def fail(number):
        if number == 3:
            raise OSError("planted")
        done.append(number)

    with pytest.raises(OSError, match="planted"):
        parallel.each(fail, range(100_000), where)
    assert len(done) < 100_000 - 1
