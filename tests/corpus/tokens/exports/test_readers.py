"""Exports as the others' own readers give them back, each where it is installed:

pip install datatrove mosaicml-streaming ai2-olmo-core datasets torch
"""

import importlib.util
import itertools
import os
import pathlib
import pickle

import export_documents as made
import numpy as np
import pytest

from corpus.tokens.exports.export import export_tokens

SEQUENCE = 32


@pytest.fixture(scope="module", params=[2, 4])
def run(request, tmp_path_factory):
    """(OUT, bytes of a token, documents) of two shards with 300 documents together."""
    vocab_size = made.VOCABULARIES[request.param]
    documents = made.many(300, vocab_size)
    assert sum(not document for document in documents) and max(map(len, documents)) > 255
    out = tmp_path_factory.mktemp("run")
    made.write(str(out / "tokens"), [documents[:200], documents[200:]], vocab_size)
    return str(out), request.param, documents


def flat(documents):
    return list(itertools.chain(*documents))


def test_datatrove_reads_windows_and_places(run):
    dataset = pytest.importorskip("datatrove.utils.dataset")
    out, itemsize, documents = run
    folder = export_tokens(out, "datatrove").folder
    found = dataset.DatatroveFolderDataset(
        folder, SEQUENCE, filename_pattern="*.ds", token_size=itemsize, return_positions=True
    )
    expected = []
    for shard in (documents[:200], documents[200:]):
        tokens, places = flat(shard), flat(range(len(document)) for document in shard)
        for first in range(0, len(tokens) - SEQUENCE, SEQUENCE + 1):
            window = slice(first, first + SEQUENCE + 1)
            restart = places[first]  # of the document that a window begins within, datatrove counts from there
            shown = [p - restart if i < next((j for j, q in enumerate(places[window]) if j and q == 0), 99) else p
                     for i, p in enumerate(places[window])]  # fmt: skip
            expected.append((tokens[window], shown))
    assert [(found[i]["input_ids"].tolist(), found[i]["positions"].tolist()) for i in range(len(found))] == expected
    assert len(expected) > 1000


def test_datatrove_s_own_check_of_a_folder(run):
    merger = pytest.importorskip("datatrove.pipeline.tokens.merger")
    out, itemsize, documents = run
    folder = pathlib.Path(export_tokens(out, "datatrove").folder)
    for name, shard in (("00000", documents[:200]), ("00001", documents[200:])):
        ends = merger.load_doc_ends(open(folder / f"{name}.ds.index", "rb"))
        reader = merger.get_data_reader(open(folder / f"{name}.ds", "rb"), ends, nb_bytes=itemsize)
        read = [np.frombuffer(data, {2: np.uint16, 4: np.uint32}[itemsize]).tolist() for data in reader]
        assert read == [document for document in shard if document]
        assert (folder / f"{name}.ds.metadata").read_text().splitlines()[:2] == [
            f"{out}/tokenizer|{itemsize}", str(len(flat(shard))),
        ]  # fmt: skip


def test_olmo_reads_documents_and_instances(run):
    data = pytest.importorskip("olmo_core.data")
    utils = pytest.importorskip("olmo_core.data.utils")
    out, itemsize, documents = run
    folder = export_tokens(out, "olmo").folder
    names = [f"{folder}/{name}.npy" for name in ("00000", "00001")]
    dtype = {2: np.uint16, 4: np.uint32}[itemsize]
    for name, shard in zip(names, (documents[:200], documents[200:])):
        filled = [document for document in shard if document]
        ranges = utils.get_document_indices(name)
        tokens = np.memmap(name, mode="r", dtype=dtype)
        assert [tokens[start:end].tolist() for start, end in ranges] == filled
        assert list(utils.iter_document_indices(name, eos_token_id=0, dtype=dtype)) == ranges
    found = data.NumpyFSLDataset(
        *names, sequence_length=SEQUENCE, pad_token_id=0, eos_token_id=0, vocab_size=made.VOCABULARIES[itemsize],
        dtype=dtype,
    )  # fmt: skip
    expected = []
    for shard in (documents[:200], documents[200:]):
        tokens = flat(shard)
        expected += [tokens[i : i + SEQUENCE] for i in range(0, len(tokens) - SEQUENCE + 1, SEQUENCE)]
    assert [found[i]["input_ids"].tolist() for i in range(len(found))] == expected


@pytest.mark.parametrize("length", [None, SEQUENCE])
def test_mosaic_reads_samples(run, length, tmp_path):
    if importlib.util.find_spec("streaming") is None:
        pytest.skip("mosaicml-streaming is not installed")
    made.without_torchvision()
    from streaming import StreamingDataset
    from streaming.base.util import clean_stale_shared_memory

    out, _, documents = run
    folder = export_tokens(out, "mds", str(tmp_path / "mds"), sequence_length=length).folder
    clean_stale_shared_memory()
    found = StreamingDataset(local=folder, shuffle=False, batch_size=1)
    tokens = flat(documents)
    expected = [document for document in documents if document]
    if length:
        expected = [tokens[i : i + length] for i in range(0, len(tokens) - length + 1, length)]
    assert [found[i]["tokens"].tolist() for i in range(len(found))] == expected


@pytest.mark.parametrize("length", [None, SEQUENCE])
def test_datasets_reads_rows(run, length, tmp_path):
    datasets = pytest.importorskip("datasets")
    out, itemsize, documents = run
    folder = export_tokens(out, "arrow", str(tmp_path / "arrow"), sequence_length=length).folder
    found = datasets.load_from_disk(folder)
    tokens = flat(documents)
    expected = [document for document in documents if document]
    if length:
        expected = [tokens[i : i + length] for i in range(0, len(tokens) - length + 1, length)]
    assert found["input_ids"][:] == expected and found.num_rows == len(expected)
    assert found.features["input_ids"].feature.dtype == {2: "uint16", 4: "int32"}[itemsize]
    assert found.with_format("torch")[5]["input_ids"].tolist() == expected[5]
    assert found.shuffle(seed=1).select(range(3)).map(lambda row: {"n": len(row["input_ids"])})["n"][0] > 0
    assert found._fingerprint == datasets.load_from_disk(folder)._fingerprint
    loaded = datasets.load_dataset(
        "arrow", data_files=f"{folder}/data-*.arrow", split="train", cache_dir=str(tmp_path / "c")
    )
    assert loaded["input_ids"][:] == expected


def load_data_shard(filename):
    """karpathy/llm.c train_gpt2.py, _load_data_shard, as it stands."""
    with open(filename, "rb") as f:
        header = np.frombuffer(f.read(256 * 4), dtype=np.int32)
        assert header[0] == 20240520, "magic number mismatch in the data .bin file"
        assert header[1] == 1, "unsupported version"
        ntok = header[2]
        tokens = np.frombuffer(f.read(), dtype=np.uint16)
    assert len(tokens) == ntok, "number of tokens read does not match header?"
    return tokens


def test_llmc_reads_its_files(run):
    """Those of GPT-2's kind; the others differ in two numbers and the dtype (karpathy/llm.c train_llama3.py)."""
    out, itemsize, documents = run
    folder = pathlib.Path(export_tokens(out, "llmc", validation=0.1).folder)
    train = [folder / f"winnow_train_{number:06d}.bin" for number in (1, 2)]
    validation = folder / "winnow_val_000000.bin"
    assert sorted(folder.glob("winnow_*")) == [*train, validation]
    parts = [flat(documents[:200]), flat(documents[200:270]), flat(documents[270:])]
    for path, expected in zip([*train, validation], parts):
        if itemsize == 2:
            assert load_data_shard(path).tolist() == expected
        else:
            header = np.fromfile(path, np.int32, 256)
            assert header[:4].tolist() == [20240801, 7, len(expected), 0] and not header[3:].any()
            assert np.fromfile(path, np.uint32, offset=1024).tolist() == expected


def test_nanogpt_reads_its_folder(run):
    """karpathy/nanoGPT train.py, get_batch, and where it looks for the size of the vocabulary."""
    out, itemsize, documents = run
    if itemsize == 4:
        return
    data_dir = export_tokens(out, "nanogpt", validation=0.1).folder
    for name, expected in (("train", flat(documents[:270])), ("val", flat(documents[270:]))):
        data = np.memmap(os.path.join(data_dir, f"{name}.bin"), dtype=np.uint16, mode="r")
        assert data.tolist() == expected
        i = len(data) - SEQUENCE - 1
        assert (data[i + 1 : i + 1 + SEQUENCE]).astype(np.int64).tolist() == expected[-SEQUENCE:]
    with open(os.path.join(data_dir, "meta.pkl"), "rb") as f:
        assert pickle.load(f)["vocab_size"] == 1000
