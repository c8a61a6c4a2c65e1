"""Whose documents go because of whose: equal to counting all pairs, whatever the files and however many names."""

import collections
import types

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.engine import describe_file
from pipelines.near import matrices

NAMES = st.one_of(st.none(), st.sampled_from(["", "others", "a", "é", "日本", "a" * 300]), st.text(max_size=2))
PAIRS = st.lists(st.lists(st.tuples(NAMES, NAMES), max_size=12), max_size=5)
"""Of each file, the (name of what goes, name of what it goes because of) of each document."""


def counted(folder, files):
    """What `tally` says of sources; domains are the same the other way round."""
    found = []
    for number, pairs in enumerate(files):
        path, counts = str(folder / f"{number}.arrow"), matrices.Pairs()
        for goes, stays in pairs:
            counts.add(
                pa.record_batch({"source": pa.array([goes], pa.string()), "domain": pa.array([stays], pa.string())}),
                pa.table({"source": pa.array([stays], pa.string()), "domain": pa.array([goes], pa.string())}),
            )
        counts.write(path)
        found.append(describe_file(path))
    return matrices.tally(found, types.SimpleNamespace())["matrices"]


def expected(files, most=matrices.LARGEST):
    pairs = [pair for file in files for pair in file]
    total = collections.Counter(name for pair in pairs for name in pair)
    if set(total) <= {None}:
        return None
    names = sorted(total, key=lambda name: (-total[name], name is None, (name or "").encode()))[:most]
    place = {name: i for i, name in enumerate(names)}
    matrix = np.zeros((len(names) + 1, len(names) + 1), int)
    for goes, stays in pairs:
        matrix[place.get(goes, -1), place.get(stays, -1)] += 1
    return {"names": [name and name[:200] for name in names], "documents": matrix.tolist()}


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_a_matrix_equals_counting(tmp_path_factory, files):
    found = counted(tmp_path_factory.mktemp("pairs"), files)
    assert found["sources"] == expected(files)
    assert found["domains"] == expected([[pair[::-1] for pair in file] for file in files])


def test_the_largest_are_shown_and_the_others_together(tmp_path):
    pairs = [(f"n{i}", f"n{j}") for i in range(30) for j in range(i)]  # each name in 29 pairs
    matrix = counted(tmp_path, [pairs + [("n29", "n29")] * 5, pairs[:7]])["sources"]
    assert matrix == expected([[*pairs, *[("n29", "n29")] * 5, *pairs[:7]]])
    assert len(matrix["names"]) == 20 and matrix["names"][0] == "n29"
    assert np.sum(matrix["documents"]) == len(pairs) + 12 and np.array(matrix["documents"])[-1].sum() > 0


@pytest.mark.parametrize("most", [20, 40])
def test_more_names_than_are_held_at_a_time(tmp_path, monkeypatch, most):
    """Twenty names with many documents among thousands with one: they are found, and what is shown of them is exact."""
    monkeypatch.setattr(matrices, "MOST_NAMES", most)
    names = [f"many{i:02d}" for i in range(20)]
    files = []
    for number in range(10):
        pairs = [(f"once{number}-{i}", f"once{number}-{i}") for i in range(25)]
        files.append(pairs + [(name, names[-1 - i]) for i, name in enumerate(names) for _ in range(40 + i)])
    found = counted(tmp_path, files)["sources"]
    exact = expected(files)
    assert sorted(found["names"]) == sorted(exact["names"]) == names
    at = [exact["names"].index(name) for name in found["names"]] + [20]
    assert found["documents"] == np.array(exact["documents"])[np.ix_(at, at)].tolist()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 20))
def test_who_has_more_than_its_share_is_never_given_up(counts, most):
    total = pa.table({"name": [str(i) for i in range(len(counts))], "documents": counts})
    left = dict(zip(*(column.to_pylist() for column in matrices._most(total, most).columns)))
    assert len(left) <= most
    for i, count in enumerate(counts):
        assert count - sum(counts) / (most + 1) <= left.get(str(i), 0) <= count


def test_nothing(tmp_path):
    assert counted(tmp_path, []) == {"sources": None, "domains": None}
    assert counted(tmp_path, [[], [(None, None)]]) == {"sources": None, "domains": None}
