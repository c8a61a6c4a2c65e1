"""Exports of a few documents, byte for byte what the others' own writers made of them (exports_golden.json)."""

import gzip
import json
import os
import pathlib
import pickle
import struct

import export_documents as made
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.options import OptionError
from corpus.tokens.exports import FORMATS, mds
from corpus.tokens.exports.datatrove import _metric
from corpus.tokens.exports.export import NAME, export_tokens, show

GOLDEN = json.loads((pathlib.Path(made.__file__).parent / "exports_golden.json").read_text())
DOCUMENTS = [document for shard in made.SHARDS for document in shard]
TOKENS = [token for document in DOCUMENTS for token in document]


@pytest.fixture(params=[2, 4])
def itemsize(request):
    return request.param


@pytest.fixture
def run(tmp_path, monkeypatch, itemsize):
    """A run directory, "OUT", with the tokens of made.SHARDS, below the working directory."""
    monkeypatch.chdir(tmp_path)
    made.write("OUT/tokens", made.SHARDS, made.VOCABULARIES[itemsize])
    return "OUT"


def files(folder):
    return {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir() if path.name != NAME}


def golden(name, itemsize):
    return {file: bytes.fromhex(data) for file, data in GOLDEN[f"{name} {itemsize}"].items()}


def test_datatrove(run, itemsize):
    """But the name of the tokenizer, which is where ours is."""
    expected = golden("datatrove", itemsize)
    for file in expected:
        if file.endswith(".metadata"):
            expected[file] = expected[file].replace(b"tokenizer|", b"OUT/tokenizer|")
    assert len(expected) == 6
    done = export_tokens(run, "datatrove")
    assert files("OUT/exports/datatrove") == expected == files(done.folder)
    assert done.written.tokens == len(TOKENS) and done.written.left_out == {"empty documents": 1}
    assert os.path.samefile("OUT/tokens/00001.bin", "OUT/exports/datatrove/00001.ds")
    assert done.written.linked == len(TOKENS) * itemsize


def test_olmo(run, itemsize):
    expected = golden("olmo", itemsize)
    found = files(export_tokens(run, "olmo").folder)
    lines = {name.removesuffix(".gz"): gzip.decompress(data) for name, data in found.items() if name.endswith(".gz")}
    assert lines | {name: data for name, data in found.items() if name.endswith(".npy")} == expected
    assert lines["00000.csv"] == b"0,3\n3,5\n5,305\n"
    assert os.path.samefile("OUT/tokens/00000.bin", "OUT/exports/olmo/00000.npy")
    again = files(export_tokens(run, "olmo", "again").folder)
    assert again == found  # no time, no name in the header of gzip


def test_llmc(run, itemsize):
    """A share that stands for the last document."""
    assert files(export_tokens(run, "llmc", validation=0.01).folder) == golden("llmc", itemsize)


MDS = [("mds", 1 << 26, None), ("mds small", made.SMALL, None), ("mds 9", 1 << 26, 9)]


@pytest.mark.parametrize("name, limit, length", MDS)
def test_mds(run, itemsize, name, limit, length, monkeypatch):
    monkeypatch.setattr(mds, "SIZE_LIMIT", limit)
    done = export_tokens(run, "mds", sequence_length=length)
    expected = golden(name, itemsize)
    assert files(done.folder) == expected and len(expected) > (2 if name == "mds small" else 1)
    rest = len(TOKENS) % 9
    left_out = {"tokens at the end that make no whole sequence": rest} if length else {"empty documents": 1}
    assert rest and done.written.left_out == left_out
    assert done.written.tokens == len(TOKENS) - (rest if length else 0)


def test_an_mds_sample_larger_than_a_shard_is_alone(run, monkeypatch):
    monkeypatch.setattr(mds, "SIZE_LIMIT", 320)
    found = files(export_tokens(run, "mds").folder)
    assert [shard["samples"] for shard in json.loads(found.pop("index.json"))["shards"]] == [2, 1, 2]
    assert sum(map(read_mds, sorted_values(found)), []) == [document for document in DOCUMENTS if document]


def sorted_values(found):
    return [found[name] for name in sorted(found)]


def read_mds(data: bytes) -> list[list[int]]:
    """Samples of a shard, by the table of the format."""
    (count,) = struct.unpack_from("<I", data)
    places = struct.unpack_from(f"<{count + 1}I", data, 4)
    config = json.loads(data[8 + 4 * count : places[0]])
    dtype = config["column_encodings"][0].removeprefix("ndarray:")
    assert places[-1] == len(data)
    found = []
    for start, end in zip(places[:-1], places[1:]):
        (size,) = struct.unpack_from("<I", data, start)
        kind = data[start + 4]
        width = 1 << (kind & 3)
        assert size == end - start - 4 and kind >> 2 == 1
        length = int.from_bytes(data[start + 5 : start + 5 + width], "little")
        found.append(np.frombuffer(data[start + 5 + width : end], dtype).tolist())
        assert len(found[-1]) == length
    return found


def test_nanogpt(run, itemsize):
    """train.bin and val.bin, and nothing for tokens of four bytes."""
    if itemsize == 4:
        with pytest.raises(ValueError, match="nanoGPT reads tokens of two bytes; a vocabulary of 100,000 needs four"):
            export_tokens(run, "nanogpt")
        assert not os.path.exists("OUT/exports")
        return
    found = files(export_tokens(run, "nanogpt", validation=0.5).folder)
    assert np.frombuffer(found["train.bin"], np.uint16).tolist() == sum(DOCUMENTS[:3], [])
    assert np.frombuffer(found["val.bin"], np.uint16).tolist() == sum(DOCUMENTS[3:], [])
    assert pickle.loads(found["meta.pkl"]) == {"vocab_size": 1000}
    found = files(export_tokens(run, "nanogpt", "other").folder)  # of so few documents at least one
    assert np.frombuffer(found["train.bin"], np.uint16).tolist() == sum(DOCUMENTS[:5], [])
    found = files(export_tokens(run, "nanogpt", "whole", validation=0).folder)
    assert sorted(found) == ["meta.pkl", "train.bin"]
    assert np.frombuffer(found["train.bin"], np.uint16).tolist() == TOKENS


def test_nanogpt_of_one_shard_is_a_link(tmp_path):
    folder = made.write(str(tmp_path / "OUT/tokens"), made.SHARDS[:1], 1000)
    done = export_tokens(folder, "nanogpt", validation=0.0)
    assert os.path.samefile(f"{folder}/00000.bin", f"{done.folder}/train.bin")
    assert done.folder == str(tmp_path / "OUT/exports/nanogpt") and done.written.linked == 2 * 305


@pytest.mark.parametrize("length", [None, 8, 400])
def test_arrow(run, itemsize, length):
    folder = pathlib.Path(export_tokens(run, "arrow", sequence_length=length).folder)
    state = json.loads((folder / "state.json").read_text())
    names = [each["filename"] for each in state["_data_files"]]
    assert names == ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    tables = [pa.ipc.open_stream(str(folder / name)).read_all() for name in names]
    rows = [row for table in tables for row in table.column("input_ids").to_pylist()]
    assert tables[0].schema.field(0).type.value_type == (pa.uint16() if itemsize == 2 else pa.int32())
    if length:
        assert rows == [TOKENS[i : i + length] for i in range(0, len(TOKENS) - length + 1, length)]
    else:
        assert rows == [document for document in DOCUMENTS if document]


def test_arrow_batches(run, monkeypatch):
    """Of few tokens, one sample at least in each."""
    from corpus.tokens.exports import arrow

    monkeypatch.setattr(arrow, "_TOKENS", 6)
    folder = export_tokens(run, "arrow").folder
    batches = [
        batch.column(0).to_pylist()
        for number in range(2)
        for batch in pa.ipc.open_stream(f"{folder}/data-0000{number}-of-00002.arrow")
    ]
    assert batches == [[DOCUMENTS[0], DOCUMENTS[2]], [DOCUMENTS[3]], [DOCUMENTS[4]], [DOCUMENTS[5]]]


@pytest.mark.parametrize("shards", [[], [[]], [[[]]], [[[0]]], [[], [[0]], []]])
def test_degenerate_tokens(shards, tmp_path):
    """No shard, no document, an empty one, one token, shards with nothing."""
    tokens = sum(sum(shards, []), [])
    folder = made.write(str(tmp_path / "tokens"), shards, 10)
    for name in FORMATS:
        options = {"validation": 0} if name in ("nanogpt", "llmc") else {}
        done = export_tokens(folder, name, **options)
        assert done.written.tokens == len(tokens), name
        found = files(done.folder)
        for suffix in ({"datatrove": ".ds", "olmo": ".npy", "nanogpt": "train.bin"}.get(name, " "),):
            payload = b"".join(found[each] for each in sorted(found) if each.endswith(suffix))
            assert suffix == " " or payload == b"\0\0" * len(tokens)
    if len(sum(shards, [])) < 2:
        with pytest.raises(ValueError, match="none can be kept for validation"):
            export_tokens(folder, "llmc", str(tmp_path / "other"))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.lists(st.integers(0, 999), max_size=300), max_size=6), max_size=3),
    st.one_of(st.none(), st.integers(1, 50)),
    st.integers(300, 1500),
)
def test_mds_holds_every_sample_once(tmp_path_factory, shards, length, limit):
    folder = made.write(str(tmp_path_factory.mktemp("tokens")), shards, 1000)
    documents = [document for shard in shards for document in shard]
    tokens = sum(documents, [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mds, "SIZE_LIMIT", limit)
        found = files(export_tokens(folder, "mds", f"{folder}-mds", sequence_length=length).folder)
    index = json.loads(found.pop("index.json"))["shards"]
    read = [read_mds(data) for data in sorted_values(found)]
    if length:
        assert sum(read, []) == [tokens[i : i + length] for i in range(0, len(tokens) - length + 1, length)]
    else:
        assert sum(read, []) == [document for document in documents if document]
    assert [shard["samples"] for shard in index] == list(map(len, read)) and all(map(len, read))
    assert [shard["raw_data"]["bytes"] for shard in index] == list(map(len, sorted_values(found)))
    assert all(shard["raw_data"]["bytes"] <= limit or shard["samples"] == 1 for shard in index)


def test_what_is_there_is_not_done_again_nor_replaced(run):
    first = export_tokens(run, "olmo")
    before = {path: os.stat(path).st_mtime_ns for path in pathlib.Path(first.folder).iterdir()}
    again = export_tokens(run, "olmo")
    assert again.written is None and again.described == first.described and again.reader == first.reader
    assert {path: os.stat(path).st_mtime_ns for path in pathlib.Path(first.folder).iterdir()} == before
    assert "nothing to do" in "\n".join(show(again)) and "hard links" in "\n".join(show(first))
    with pytest.raises(FileExistsError, match="of other tokens or options"):
        export_tokens(run, "datatrove", first.folder)
    path = pathlib.Path(first.folder, "00000.csv.gz")
    whole = path.read_bytes()
    for damaged in (whole[:3], whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]):  # as long as it was
        path.write_bytes(damaged)
        with pytest.raises(FileExistsError, match="exports/olmo is damaged: its files are not those that were written"):
            export_tokens(run, "olmo")
    path.write_bytes(whole)
    assert export_tokens(run, "olmo").written is None
    os.makedirs("mine")
    pathlib.Path("mine", NAME).write_text("[1]")
    with pytest.raises(FileExistsError, match="mine is in the way, and is no export"):
        export_tokens(run, "olmo", "mine")


def test_what_cannot_be_is_refused(run, tmp_path):
    with pytest.raises(OptionError, match="unknown format 'datatrov' in export-tokens; did you mean 'datatrove'?"):
        export_tokens(run, "datatrov")
    with pytest.raises(OptionError, match="format 'olmo' has no option 'sequence_length'; it has no options"):
        export_tokens(run, "olmo", sequence_length=4)
    with pytest.raises(OptionError, match="'mds' has no option 'validation'; it has sequence_length"):
        export_tokens(run, "mds", validation=0.1)
    with pytest.raises(OptionError, match="'validation' should be a share"):
        export_tokens(run, "llmc", validation=1.0)
    with pytest.raises(OptionError, match="'sequence_length' should be 1 or more"):
        export_tokens(run, "arrow", sequence_length=0)
    with pytest.raises(FileNotFoundError, match="nowhere holds no tokens: there is no nowhere/tokens/manifest.json"):
        export_tokens("nowhere", "olmo")
    assert sorted(os.listdir(tmp_path)) == ["OUT"] and os.listdir("OUT") == ["tokens"]


def damage(path, place):
    data = bytearray(pathlib.Path(path).read_bytes())
    data[place] ^= 1
    pathlib.Path(path).write_bytes(data)


@pytest.mark.parametrize("name", ["mds", "arrow", "llmc"])
def test_damaged_tokens_are_not_exported(run, name):
    damage("OUT/tokens/00000.bin", 70)
    with pytest.raises(ValueError, match=r"OUT/tokens/00000.bin: block 1 does not have the checksum"):
        export_tokens(run, name)
    assert os.listdir("OUT/exports") == []


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_damaged_index_or_a_cut_payload_is_not_exported(run, name, itemsize):
    if name == "nanogpt" and itemsize == 4:
        return
    damage("OUT/tokens/00001.idx", 40)
    with pytest.raises(ValueError, match=r"00001.idx does not have the checksum that the manifest says"):
        export_tokens(run, name)
    damage("OUT/tokens/00001.idx", 40)
    os.truncate("OUT/tokens/00001.bin", 2)
    with pytest.raises(ValueError, match=r"00001.bin has 2 bytes; the manifest says"):
        export_tokens(run, name)
    assert os.listdir("OUT/exports") == []


def test_without_links_files_are_copied(run, monkeypatch):
    def no_links(source, target):
        raise OSError("links are not supported")

    monkeypatch.setattr(os, "link", no_links)
    done = export_tokens(run, "datatrove")
    assert done.written.linked == 0 and not os.path.samefile("OUT/tokens/00001.bin", f"{done.folder}/00001.ds")
    assert pathlib.Path(done.folder, "00001.ds").read_bytes() == pathlib.Path("OUT/tokens/00001.bin").read_bytes()


@pytest.mark.parametrize(
    "tokens, shown",
    [
        (0, "0.00 T"),
        (7, "7.00 T"),
        (312, "312 T"),
        (999, "999 T"),
        (1500, "1.50 kT"),
        (9994, "9.99 kT"),
        (9996, "10.0 kT"),
        (99_960, "100 kT"),
        (999_600, "1.00 MT"),
        (10**9, "1.00 GT"),
        (123_456_789_012, "123 GT"),
    ],
)
def test_tokens_for_people(tokens, shown):
    """As humanize 4.15 has them."""
    assert _metric(tokens) == shown


def test_llmc_files_are_below_two_to_the_31st(run, itemsize, monkeypatch):
    from corpus.tokens.exports import llmc

    monkeypatch.setattr(llmc, "MOST_TOKENS", 100)
    found = files(export_tokens(run, "llmc", validation=0).folder)
    assert sorted(found) == [f"winnow_train_{number:06d}.bin" for number in range(1, 6)]
    dtype = {2: "<u2", 4: "<u4"}[itemsize]
    assert [int.from_bytes(found[name][8:12], "little") for name in sorted(found)] == [100, 100, 100, 5, 7]
    read = [np.frombuffer(found[name][1024:], dtype).tolist() for name in sorted(found)]
    assert sum(read, []) == TOKENS
