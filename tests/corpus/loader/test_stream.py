"""The oracle cuts Python lists; the stream must give the same rows, each exactly once."""

import collections
import json
import math
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.loader import TokenStream
from corpus.tokens import manifest, packing

ALL = ("document_ids", "positions", "cu_seqlens")
PAD = 999
DOCUMENTS = st.lists(st.integers(0, 9), max_size=8)
"""Lengths of the documents of a shard, before the end token; 0 makes an empty document."""


def documents(shards_of_lengths):
    """Documents whose tokens are all different (so that a multiset tells them apart), end token 0."""
    token, shards = 0, []
    for lengths in shards_of_lengths:
        shard = []
        for length in lengths:
            shard.append(list(range(token + 1, token + length)) + [0] if length else [])
            token += length
        shards.append(shard)
    return shards


def expected_windows(shards, length):
    """Rows (tokens, labels, document_ids, positions) of the windows of the stream."""
    stream = [
        (token, (s, d), at)
        for s, shard in enumerate(shards)
        for d, document in enumerate(shard)
        for at, token in enumerate(document)
    ]
    rows = []
    for first in range(0, len(stream), length):
        window = stream[first : first + length]
        before = [0 if first == 0 else stream[first - 1][0]] + [token for token, _, _ in window]
        rows.append(row(before[:-1], window, length))
    return rows


def expected_bins(shards, length, folder):
    rows = []
    for s, shard in enumerate(shards):
        plan = packing.load(packing.plan_path(folder, "plan", f"{s:05d}"))
        for a, b in zip(plan.offsets[:-1], plan.offsets[1:]):
            inputs, window = [], []
            for piece in range(a, b):
                d, start, count = (int(x[piece]) for x in (plan.document, plan.start, plan.length))
                tokens = shard[d][start : start + count]
                inputs += [shard[d][start - 1] if start else 0] + tokens[:-1]
                window += [(token, (s, d), start + i) for i, token in enumerate(tokens)]
            rows.append(row(inputs, window, length))
    return rows


def row(inputs, window, length):
    ids, positions = [], []
    for i, (_, document, _) in enumerate(window):
        same = i > 0 and document == window[i - 1][1]
        ids.append(1 if i == 0 else ids[-1] + (not same))
        positions.append(positions[-1] + 1 if same else 0)
    pad = length - len(window)
    return {
        "tokens": tuple(inputs + [PAD] * pad),
        "labels": tuple([token for token, _, _ in window] + [-100] * pad),
        "document_ids": tuple(ids + [0] * pad),
        "positions": tuple(positions + list(range(pad))),
        "starts": tuple([at == 0 for _, _, at in window] + [False] * pad),
    }


def rows_of(batch, keys=("tokens", "labels", "document_ids", "positions")):
    return [{key: tuple(batch[key][r].tolist()) for key in keys} for r in range(len(batch["tokens"]))]


def check_cu_seqlens(batch):
    """Boundaries: every row start, and wherever the document changes."""
    flat = [(r, i) for r, ids in enumerate(batch["document_ids"].tolist()) for i in ids]
    expected = [k for k in range(len(flat)) if k == 0 or flat[k] != flat[k - 1]] + [len(flat)]
    assert batch["cu_seqlens"].dtype == np.int32
    assert batch["cu_seqlens"].tolist() == expected
    assert batch["max_seqlen"] == int(np.diff(expected).max())


@settings(deadline=None, max_examples=120)
@given(st.lists(DOCUMENTS, max_size=4), st.integers(1, 13), st.integers(1, 4), st.booleans())
def test_rows_in_stream_order(make_tokens, lengths, length, batch_size, packed):
    shards = documents(lengths)
    if not shards:
        packed = False
    folder = make_tokens(shards, pad_id=PAD, pack=length if packed else None)
    stream = TokenStream(
        folder, sequence_length=length, batch_size=batch_size, shuffle=False,
        boundaries=ALL, packing="plan" if packed else None,
    )  # fmt: skip
    expected = expected_bins(shards, length, folder) if packed else expected_windows(shards, length)
    batches = list(stream)
    for batch in batches:
        check_cu_seqlens(batch)
    assert stream.samples == len(expected)
    missing = -len(expected) % batch_size
    expected += [row([], [], length)] * missing
    found = [row for batch in batches for row in rows_of(batch)]
    assert found == [{key: each[key] for key in found[0]} for each in expected]
    every = sorted(token for shard in shards for document in shard for token in document)
    labels = np.concatenate([b["labels"].ravel() for b in batches]) if batches else np.empty(0)
    assert sorted(labels[labels != -100].tolist()) == every


@settings(deadline=None, max_examples=150)
@given(
    st.lists(DOCUMENTS, min_size=1, max_size=3), st.integers(1, 9), st.integers(1, 4),
    st.integers(1, 12), st.integers(0, 5), st.integers(1, 3), st.booleans(), st.booleans(),
)  # fmt: skip
def test_ranks_share_one_order(
    make_tokens, global_rows, lengths, length, batch_size, world, seed, epochs, packed, masked
):
    shards = documents(lengths)
    folder = make_tokens(shards, pack=length)
    options = {"sequence_length": length, "seed": seed, "epochs": epochs, "mask_document_starts": masked}
    options |= {"packing": "plan"} if packed else {}
    alone = global_rows([list(TokenStream(folder, batch_size=1, **options))])
    every = [token for shard in shards for document in shard for token in document]
    labels = collections.Counter(token for row in alone for token in row["labels"] if token != -100)
    if not masked:
        assert labels == collections.Counter(every * epochs)
    try:
        streams = [
            TokenStream(folder, batch_size=batch_size, rank=r, world_size=world, **options) for r in range(world)
        ]
    except ValueError as error:
        assert f"{labels.total()} labels are left for {world} ranks" in str(error) and labels.total() < world
        return
    ranks = [list(stream) for stream in streams]
    assert {len(stream) for stream in streams} == {len(batches) for batches in ranks}
    assert global_rows(ranks) == alone
    shapes = [batch["labels"].shape for batch in ranks[0]]
    assert set(shapes[:-1]) <= {(batch_size, length)}
    assert not shapes or shapes[-1] in ((batch_size, length), (batch_size + 1, length))


@settings(deadline=None, max_examples=80)
@given(
    st.lists(DOCUMENTS, min_size=1, max_size=3), st.integers(1, 9), st.integers(1, 4),
    st.integers(1, 5), st.integers(1, 3), st.sampled_from(["drop", "wrap"]), st.booleans(),
)  # fmt: skip
def test_drop_and_wrap(make_tokens, lengths, length, batch_size, world, epochs, last, packed):
    """Whole steps only, of the endless run: as many as begin in the run, or end in it."""
    folder = make_tokens(documents(lengths), pack=length)
    options = {"sequence_length": length, "seed": 3, "packing": "plan" if packed else None}
    endless = TokenStream(folder, batch_size=1, epochs=None, **options)
    options |= {"batch_size": batch_size, "world_size": world, "epochs": epochs, "last": last}
    streams = [TokenStream(folder, rank=r, **options) for r in range(world)]
    whole = endless.samples * epochs / (world * batch_size)
    steps = math.floor(whole) if last == "drop" else math.ceil(whole)
    assert {len(stream) for stream in streams} == {stream.steps for stream in streams} == {steps}
    found = [row for step in zip(*map(list, streams), strict=True) for b in step for row in rows_of(b, ("labels",))]
    assert len(found) == steps * world * batch_size
    assert found == [rows_of(next(endless), ("labels",))[0] for _ in found]
    assert all(stream.batches_left == 0 and len(stream) == steps for stream in streams)


@pytest.mark.parametrize("world, batch_size", [(8, 8), (256, 1), (13, 3)])
def test_a_last_step_of_few_samples(make_tokens, world, batch_size):
    """12,167 samples on 8 ranks of 8 leave seven, on 256 ranks 135: each rank has labels, each label is there once."""
    folder = make_tokens([[np.arange(1, 12_167 * 3)]], vocab_size=50_000)
    streams = [stream_of(folder, 3, batch_size, world_size=world, rank=r) for r in range(world)]
    assert streams[0].samples == 12_167 and streams[0].tokens == 12_167 * 3 - 1
    last = [stream.batch_at((len(stream) - 1) * stream.step) for stream in streams]
    assert all((batch["labels"] != -100).any() for batch in last)
    found = np.concatenate([batch["labels"][batch["labels"] != -100] for batch in last])
    left = 12_167 % (world * batch_size)
    assert len(set(found)) == len(found) and left * 3 - 1 <= len(found) <= left * 3


def test_fewer_labels_than_ranks(make_tokens):
    """Nine samples of one token on 4 ranks: the ninth joins the step before; three in all are too few."""
    folder = make_tokens([[[1, 2, 3, 4, 5, 6, 7, 8, 0]]])
    streams = [stream_of(folder, 1, 1, rank=r, world_size=4, shuffle=False) for r in range(4)]
    assert [len(stream) for stream in streams] == [2] * 4
    found = [[batch["labels"][:, 0].tolist() for batch in stream] for stream in streams]
    assert found == [[[1], [5, -100]], [[2], [6, -100]], [[3], [7, -100]], [[4], [8, 0]]]
    few = make_tokens([[[1, 2, 0]]])
    with pytest.raises(ValueError, match="3 labels are left for 4 ranks.*last='wrap'"):
        stream_of(few, 2, 1, world_size=4)
    assert len(stream_of(few, 2, 1, world_size=4, last="drop")) == 0
    assert len(stream_of(few, 2, 1, world_size=4, last="wrap")) == 1
    resumed = stream_of(folder, 1, 1, world_size=4)
    resumed.load_state_dict(stream_of(folder, 1, 1).state_dict() | {"sample": 7})
    with pytest.raises(ValueError, match="2 labels are left for 4 ranks"):
        next(resumed)


def test_a_sample_of_nothing_but_first_tokens_keeps_its_labels(make_tokens):
    folder = make_tokens([[[1], [2], [3], [4], [5, 6, 0]]], pack=2)
    found = [b["labels"].tolist() for b in stream_of(folder, 2, 1, shuffle=False, mask_document_starts=True)]
    assert found == [[[1, 2]], [[3, 4]], [[-100, 6]], [[0, -100]]]
    packed = stream_of(folder, 2, 1, packing="plan", mask_document_starts=True)
    assert all((batch["labels"] != -100).any() for batch in packed)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("first, second", [((2, 2), (2, 2)), ((3, 1), (2, 2)), ((1, 5), (4, 1))])
def test_resume_at_every_step(make_tokens, global_rows, packed, first, second):
    """(world size, batch size) before and after; the samples after the state are the same ones."""
    folder = make_tokens(documents([[5, 3, 9, 0, 2], [7, 7], [30]]), pack=6)
    options = {"sequence_length": 6, "seed": 3, "epochs": 2, "packing": "plan" if packed else None}
    order = global_rows([list(TokenStream(folder, batch_size=1, **options))])

    def streams(world, batch_size):
        return [TokenStream(folder, batch_size=batch_size, rank=r, world_size=world, **options) for r in range(world)]

    steps = streams(*first)[0].batches_left
    for step in range(steps + 1):
        before = streams(*first)
        for stream in before:
            for _ in range(step):
                next(stream)
        states = [json.loads(json.dumps(stream.state_dict())) for stream in before]
        assert all(state == states[0] for state in states)
        after = streams(*second)
        for stream in after:
            stream.load_state_dict(states[0])
        assert global_rows([list(stream) for stream in after]) == order[states[0]["sample"] :]


def test_epochs_differ_and_follow_without_a_break(make_tokens):
    folder = make_tokens(documents([[9] * 20]))
    run = [rows_of(b, ("labels",))[0]["labels"] for b in stream_of(folder, 5, 1, epochs=3)]
    assert len(run) == 3 * 36
    assert sorted(run[:36]) == sorted(run[36:72]) == sorted(run[72:])
    assert run[:36] != run[36:72] != run[72:]
    spanning = list(stream_of(folder, 5, 5, epochs=3))
    assert [row["labels"] for b in spanning for row in rows_of(b, ("labels",))][:108] == run


def stream_of(folder, length=4, batch_size=2, **options):
    return TokenStream(folder, sequence_length=length, batch_size=batch_size, **options)


def test_endless(make_tokens):
    stream = stream_of(make_tokens(documents([[3, 2]])), 2, 2, epochs=None)
    assert stream.total is None and stream.batches_left is None and stream.steps is None
    with pytest.raises(TypeError, match="give `epochs`"):
        len(stream)
    seen = [next(stream)["labels"] for _ in range(50)]
    assert stream.state_dict()["sample"] == 100
    assert (np.concatenate(seen) != -100).sum() > 150
    assert list(stream_of(make_tokens([[]]), epochs=None)) == []


def test_an_iterator_goes_on_and_ends(make_tokens):
    stream = stream_of(make_tokens(documents([[9] * 4])), 4, 2)
    for first in stream:  # noqa: B007
        break
    rest = list(stream)
    assert len(rest) == 4 and stream.batches_left == 0 and list(stream) == []
    stream.rewind()
    assert np.array_equal(next(stream)["labels"], first["labels"])
    with pytest.raises(IndexError):
        stream.batch_at(9)


@pytest.mark.parametrize("packed", [False, True])
def test_mask_document_starts(make_tokens, packed):
    shards = documents([[5, 1, 0, 12], [3]])
    folder = make_tokens(shards, pad_id=PAD, pack=4)
    options = {"shuffle": False, "mask_document_starts": True, "packing": "plan" if packed else None}
    found = [r for b in stream_of(folder, **options) for r in rows_of(b, ("tokens", "labels"))]
    expected = expected_bins(shards, 4, folder) if packed else expected_windows(shards, 4)
    for ours, plain in zip(found, expected):
        labels = [-100 if start else x for x, start in zip(plain["labels"], plain["starts"])]
        assert ours == {"tokens": plain["tokens"], "labels": tuple(labels)}
    assert sum(start for each in expected for start in each["starts"]) == 4


def test_length_greater_than_all_tokens(make_tokens):
    (batch,) = stream_of(make_tokens(documents([[3], [4]])), 100_000, 1, boundaries=ALL)
    assert (batch["labels"] != -100).sum() == 7
    assert batch["cu_seqlens"].tolist() == [0, 3, 7, 100_000] and batch["max_seqlen"] == 99_993


def test_a_document_of_a_million_tokens(make_tokens):
    document = np.random.default_rng(0).integers(1, 70_000, 1_000_000)
    folder = make_tokens([[[5, 0], document, [6, 0]]], vocab_size=70_000, pack=1024)
    stream = np.concatenate([[5, 0], document, [6, 0]])
    for options in ({}, {"packing": "plan"}, {"dtype": "int32"}):
        batches = list(stream_of(folder, 1024, 64, boundaries="document_ids", **options))
        labels = np.concatenate([b["labels"].ravel() for b in batches])
        assert np.array_equal(np.sort(labels[labels != -100]), np.sort(stream))
        assert batches[0]["labels"].dtype == options.get("dtype", "int64")
    plain = np.concatenate([b["labels"].ravel() for b in stream_of(folder, 1000, 7, shuffle=False)])
    assert np.array_equal(plain[: len(stream)], stream)


def test_documents_of_several_sequences(make_tokens):
    """A Megatron set with a sequence a sentence: documents are what document_indices say."""
    folder = make_tokens([[[1, 0], [2, 3], [4, 0], [5, 0]]])
    index = pathlib.Path(folder, "00000.idx")
    raw = bytearray(index.read_bytes()[: 34 + 12 * 4])
    raw[26:34] = (4).to_bytes(8, "little")
    index.write_bytes(bytes(raw) + np.array([0, 1, 3, 4], "<i8").tobytes())
    changed = pathlib.Path(folder, "manifest.json")
    content = json.loads(changed.read_text())
    content |= {"documents": 3, "shards": [manifest.describe_shard(f"{folder}/00000")]}
    changed.write_text(json.dumps(content))
    batch = next(stream_of(folder, 8, 1, boundaries="document_ids"))
    assert batch["document_ids"].tolist() == [[1, 1, 2, 2, 2, 2, 3, 3]]


def test_fingerprints(make_tokens):
    shards = documents([[9, 9, 9]])
    folder, other = make_tokens(shards, pack=4), make_tokens(documents([[9, 9, 8]]))
    state = stream_of(folder).state_dict()
    assert set(state) == {"version", "fingerprint", "seed", "sample"}
    stream_of(folder, 4, 3, world_size=2, rank=1, boundaries=ALL, epochs=5).load_state_dict(state)
    moved = str(pathlib.Path(folder).rename(folder + "-moved"))
    stream_of(moved).load_state_dict(state)
    for stream in (
        stream_of(moved, 5), stream_of(other), stream_of(moved, shuffle=False),
        stream_of(moved, packing="plan"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="another order"):
            stream.load_state_dict(state)
    with pytest.raises(ValueError, match="seed 0, this stream has 1"):
        stream_of(moved, seed=1).load_state_dict(state)
    with pytest.raises(ValueError, match="version"):
        stream_of(moved).load_state_dict(state | {"version": 0})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"objective": "casual"}, "did you mean 'causal'"),
        ({"boundaries": "document_id"}, "did you mean 'document_ids'"),
        ({"dtype": "int63"}, "dtype 'int63' is unknown"),
        ({"rank": 2, "world_size": 2}, "rank 2"),
        ({"epochs": 0}, "epochs"),
        ({"seed": -1}, "seed"),
        ({"length": 0}, "sequence_length"),
        ({"batch_size": 0}, "batch_size"),
        ({"last": "padd"}, "did you mean 'pad'"),
        ({"length": 5, "packing": "plan"}, "for sequence_length 4"),
    ],
)
def test_refuses(make_tokens, options, message):
    folder = make_tokens(documents([[3]]), pack=4)
    with pytest.raises(ValueError, match=message):
        stream_of(folder, **options)


@pytest.mark.parametrize(
    "name, value",
    [("sequence_length", 4), ("batch_size", 2), ("seed", 3), ("epochs", 2), ("rank", 1), ("world_size", 3)],
)
def test_numbers_of_numpy_and_none(make_tokens, name, value):
    """Numbers come from anywhere: the state and the account are for JSON all the same. What is no whole number is
    refused, and not rounded."""
    folder = make_tokens(documents([[3, 8, 9]]))
    options = {"sequence_length": 4, "batch_size": 1, "world_size": 3, "audit": True, name: value}
    found = []
    for number in (value, np.int64(value)):
        stream = TokenStream(folder, **options | {name: number})
        rows = [batch["labels"].tolist() for batch in stream]
        found.append((rows, json.dumps(stream.state_dict()), json.dumps(stream.account())))
    assert found[0] == found[1] and found[0][0]
    for wrong in (value + 0.5, float(value), str(value), True, None):
        if (name, wrong) == ("epochs", None):
            continue
        with pytest.raises(ValueError, match=f"{name} must be a whole number"):
            TokenStream(folder, **options | {name: wrong})


def test_states_that_are_none(make_tokens):
    stream = stream_of(make_tokens(documents([[3, 8]])))
    state = stream.state_dict()
    for key in state:
        with pytest.raises(ValueError, match=key):
            stream.load_state_dict({name: value for name, value in state.items() if name != key})
    for sample in (-1, 2.0, "2", None):
        with pytest.raises(ValueError, match="sample of a state must be a whole number of at least 0"):
            stream.load_state_dict(state | {"sample": sample})


def test_missing_files_and_plans(make_tokens, tmp_path):
    with pytest.raises(FileNotFoundError):
        stream_of(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        stream_of(make_tokens(documents([[3]])), packing="plan")


def test_shards_that_are_not_the_manifest_s(make_tokens):
    folder, other = (make_tokens(documents([lengths]), pack=4) for lengths in ([3, 9], [3, 8]))
    stale = make_tokens(documents([[3, 8]]), pack=4)
    for suffix in ("bin", "idx"):
        shutil.copy(f"{other}/00000.{suffix}", f"{folder}/00000.{suffix}")
    with pytest.raises(ValueError, match="the manifest says"):
        next(stream_of(folder))
    shutil.copytree(f"{folder}/packing", f"{stale}/packing", dirs_exist_ok=True)
    with pytest.raises(ValueError, match="pack again"):
        list(stream_of(stale, packing="plan"))


def test_imports_little(make_tokens):
    """A training image needs numpy, numba and pyarrow; reading a batch imports nothing else, of which pandas and SciPy
    would take longer than all the rest."""
    folder = make_tokens(documents([[3, 9]]), pack=4)
    program = (
        "import sys; from corpus.loader import TokenStream;"
        f"next(TokenStream({folder!r}, sequence_length=4, batch_size=1, packing='plan'));"
        "print(sorted({'ray', 'pydantic', 'typer', 'tokenizers', 'torch', 'xxhash', 'pandas', 'scipy.linalg'}"
        " & set(sys.modules)))"
    )
    root = pathlib.Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("packed", [False, True])
def test_the_order_by_blocks(make_tokens, global_rows, packed):
    """The same local and remote, every sample once; another order, which a state tells apart."""
    folder = make_tokens([[np.arange(1, 900)], [np.arange(901, 999)]], pack=6)
    content = json.loads(pathlib.Path(folder, "manifest.json").read_text())
    content["shards"] = [manifest.describe_shard(f"{folder}/{each['name']}", 96) for each in content["shards"]]
    pathlib.Path(folder, "manifest.json").write_text(json.dumps(content))
    options = {"packing": "plan" if packed else None, "length": 6, "batch_size": 2}
    blocks = list(stream_of(folder, shuffle="blocks", **options))
    remote = list(stream_of(f"file://{folder}", shuffle="blocks", cache=f"{folder}/cache", **options))
    assert all(np.array_equal(ours["labels"], theirs["labels"]) for ours, theirs in zip(blocks, remote, strict=True))
    full = list(stream_of(folder, **options))
    labels = lambda batches: [row["labels"] for row in global_rows([batches])]
    assert labels(blocks) != labels(full) and sorted(labels(blocks)) == sorted(labels(full))
    stream = stream_of(folder, shuffle="blocks", **options)
    stream.load_state_dict(stream_of(folder, shuffle="blocks", **options).state_dict())
    with pytest.raises(ValueError, match="another order"):
        stream.load_state_dict(stream_of(folder, **options).state_dict())
    with pytest.raises(ValueError, match="shuffle 'block' is unknown; did you mean 'blocks'"):
        stream_of(folder, shuffle="block")
