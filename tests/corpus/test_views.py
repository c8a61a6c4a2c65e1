"""A view read is the shard with its layers of decisions applied, one after the other."""

import pathlib

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import views
from corpus.documents import DECISION_SCHEMA
from corpus.io import paths, shards

TEXTS = ["zero", "eins zwei", "ünïcode €", "", "x", "fünf", "sechs"]


def write(path: pathlib.Path, schema, batches, checked=False) -> str:
    with shards.ShardWriter(str(path), schema, checked) as writer:
        for batch in batches:
            writer.write(batch)
    return str(path)


def decision(row, action, start=None, end=None):
    return {
        "row": row,
        "action": action,
        "start": start,
        "end": end,
        "step": "s",
        "reason": "r",
        "by": "b",
        "score": 1.0,
    }


def as_layer(decided):
    decided = sorted(decided, key=lambda d: (d["row"], d["start"] or 0))
    return pa.RecordBatch.from_pylist(decided, DECISION_SCHEMA)


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    rows = [{"id": str(i), "text": text} for i, text in enumerate(TEXTS)]
    batches = [pa.RecordBatch.from_pylist(rows[a:b], schema) for a, b in [(0, 3), (3, 3), (3, 6), (6, 7)]]
    path = write(tmp_path_factory.mktemp("view") / "shard.arrow", schema, batches)
    return views.ShardView(0, path, digest(path), len(TEXTS), 40)


def digest(path):
    return xxhash.xxh3_128_hexdigest(pathlib.Path(path).read_bytes())


def read(shard):
    rows, texts = [], []
    for part, batch in views.read(shard):
        rows += part.tolist()
        texts += batch["text"].to_pylist()
    return dict(zip(rows, texts))


def test_without_decisions_a_view_is_its_shard(shard):
    assert read(shard) == dict(enumerate(TEXTS))
    assert shard.inputs() == (("shard 0", shard.hash),)


def test_layers_apply_in_order_to_the_text_as_their_step_saw_it(shard, tmp_path):
    first = write(
        tmp_path / "1.arrow", DECISION_SCHEMA, [as_layer([decision(1, "cut", 0, 5), decision(0, "drop")])], True
    )
    second = write(
        tmp_path / "2.arrow",
        DECISION_SCHEMA,
        [
            as_layer([decision(3, "drop")]),
            as_layer([decision(1, "cut", 0, 1), decision(4, "drop"), decision(5, "cut", 1, 3)]),
        ],
        True,
    )
    once = shard.decided(views.Layer(first, digest(first), 0))
    assert read(once) == {1: "zwei", 2: "ünïcode €", 3: "", 4: "x", 5: "fünf", 6: "sechs"}
    twice = once.decided(views.Layer(second, digest(second), 1))
    assert read(twice) == {1: "wei", 2: "ünïcode €", 3: "", 5: "fnf", 6: "sechs"}
    assert twice.inputs() == (("shard 0", shard.hash), ("decisions 0", digest(first)), ("decisions 1", digest(second)))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sets(st.integers(0, len(TEXTS) - 1)), max_size=3), st.integers(0, len(TEXTS) - 1))
def test_any_drops(shard, tmp_path_factory, drops, cut_row):
    folder = tmp_path_factory.mktemp("drops")
    expected, view = dict(enumerate(TEXTS)), shard
    for number, rows in enumerate(drops):
        decided = [decision(row, "drop") for row in rows & expected.keys()]
        if cut_row in expected and cut_row not in rows and expected[cut_row]:
            width = len(expected[cut_row][0].encode())
            decided.append(decision(cut_row, "cut", 0, width))
            expected[cut_row] = expected[cut_row][1:]
        layer = write(folder / f"{number}.arrow", DECISION_SCHEMA, [as_layer(decided)], True)
        view = view.decided(views.Layer(layer, digest(layer), 0))
        expected = {row: text for row, text in expected.items() if row not in rows}
    assert read(view) == expected


def test_rows_left_out_are_neither_read_nor_lost(shard, tmp_path):
    without = shard.without([(1, 2, "first"), (4, 99, "rest")])
    assert without.excluded == ((1, "first"), (4, "rest"), (5, "rest"), (6, "rest"))
    assert read(without) == {0: "zero", 2: "ünïcode €", 3: ""}
    assert without.inputs() != shard.inputs() != shard.without([(1, 2, "other")]).inputs()
    found = [
        (reason, text)
        for reasons, batch in views.read_excluded(without)
        for reason, text in zip(reasons, batch["text"].to_pylist())
    ]
    assert found == [("first", "eins zwei"), ("rest", "x"), ("rest", "fünf"), ("rest", "sechs")]
    assert without.without([(4, 5, "again")]).excluded == without.excluded
    layer = write(
        tmp_path / "1.arrow", DECISION_SCHEMA, [as_layer([decision(row, "drop") for row, _ in without.excluded])], True
    )
    decided = without.decided(views.Layer(layer, digest(layer), 0))
    assert decided.excluded == () and read(decided) == read(without)
    assert list(views.read_excluded(shard)) == []


def test_a_damaged_shard_or_layer_is_noticed(shard, tmp_path):
    layer = write(tmp_path / "1.arrow", DECISION_SCHEMA, [as_layer([decision(1, "drop")])], True)
    view = shard.decided(views.Layer(layer, digest(layer), 0))
    expected = read(view)
    for path in (pathlib.Path(shard.path), pathlib.Path(layer)):
        data = path.read_bytes()
        places = range(0, len(data), 7)
        noticed = [_is_noticed(view, path, data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :], expected) for i in places]
        # of decisions only what is read is looked at: not how the format begins, and names its schema once more
        assert all(noticed) if str(path) == shard.path else sum(noticed) > len(places) / 2
        path.unlink()
        with pytest.raises(paths.DamagedFile, match="it is gone"):
            read(view)
        path.write_bytes(data)


def _is_noticed(view, path, damaged, expected):
    path.write_bytes(damaged)
    try:
        assert read(view) == expected
    except paths.DamagedFile as damage:
        assert damage.path == str(path)
        return True
    return False


def test_files_of_decisions_stay_open_for_the_shards_that_have_theirs_in_them(shard, tmp_path):
    batches = [as_layer([decision(row, "drop")]) for row in range(3)]
    layers = [write(tmp_path / f"{name}.arrow", DECISION_SCHEMA, batches, True) for name in "ab"]
    view = [shard.decided(views.Layer(layers[i // 2], "", i)) for i in range(3)]
    left = [sorted(set(range(len(TEXTS))) - {i}) for i in range(3)]
    found: dict[int, list[int]] = {}
    for number, each in enumerate(view):
        for _, rows, _ in views.read_all([each]):
            found.setdefault(number, []).extend(rows.tolist())
    assert list(found.values()) == left
    together = [rows.tolist() for _, rows, _ in views.read_all(view)]
    assert [row for rows in together for row in rows] == [row for rows in left for row in rows]
