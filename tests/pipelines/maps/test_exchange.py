"""Every row arrives in its partition, once, in order."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.maps import exchange


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 4), max_size=20), min_size=1, max_size=3))
def test_partitions_hold_exactly_their_rows(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("exchange")
    names, expected = [], {p: [] for p in range(5)}
    for number, partition in enumerate(files):
        values = [f"{number}.{i}" for i in range(len(partition))]
        names.append(str(folder / f"{number}.arrow"))
        table = pa.table({"value": pa.array(values, pa.string())})
        exchange.write(names[-1], table, np.array(partition, np.int64), 5)
        for value, p in zip(values, partition):
            expected[p].append(value)
    for p in range(5):
        assert exchange.read(names, p)["value"].to_pylist() == expected[p]
