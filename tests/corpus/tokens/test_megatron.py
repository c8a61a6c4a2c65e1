"""The oracle is the file layout of Megatron's indexed_dataset.py, packed by hand with struct."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.tokens import megatron
from corpus.tokens.megatron import IndexedDataset, ShardWriter, read_document_lengths, read_sentences, token_dtype


def index_bytes(code: int, itemsize: int, lengths: list[int], documents: list[int]) -> bytes:
    """.idx by the table: header, int32 lengths, int64 byte offsets, int64 first sequences."""
    out = b"MMIDIDX\x00\x00" + struct.pack("<QB", 1, code)
    out += struct.pack("<QQ", len(lengths), len(documents))
    out += struct.pack(f"<{len(lengths)}i", *lengths)
    offsets = [itemsize * sum(lengths[:i]) for i in range(len(lengths))]
    out += struct.pack(f"<{len(lengths)}q", *offsets)
    return out + struct.pack(f"<{len(documents)}q", *documents)


def write(prefix, documents: list[list[int]], vocab_size: int, batches: int = 1) -> None:
    with ShardWriter(str(prefix), vocab_size) as writer:
        size = -(-len(documents) // batches) or 1
        for first in range(0, len(documents), size):
            some = documents[first : first + size]
            offsets = np.cumsum([0] + [len(document) for document in some])
            writer.add(np.array(sum(some, []), np.int64), offsets)


def files(prefix) -> tuple[bytes, bytes]:
    return tuple(prefix.with_suffix(suffix).read_bytes() for suffix in (".bin", ".idx"))


def test_bytes_uint16(tmp_path):
    write(tmp_path / "a", [[5, 300, 0], [], [7, 0]], 1000)
    payload, index = files(tmp_path / "a")
    assert payload == bytes.fromhex("0500 2c01 0000 0700 0000")
    assert index == index_bytes(8, 2, [3, 0, 2], [0, 1, 2, 3])
    assert len(index) == 42 + 20 * 3


def test_bytes_int32(tmp_path):
    write(tmp_path / "a", [[70000, 1]], 100_000)
    payload, index = files(tmp_path / "a")
    assert payload == struct.pack("<2i", 70000, 1)
    assert index == index_bytes(4, 4, [2], [0, 1])


@pytest.mark.parametrize("vocab_size, name", [(2, "uint16"), (65499, "uint16"), (65500, "int32"), (65536, "int32")])
def test_dtype_by_vocabulary(vocab_size, name):
    assert token_dtype(vocab_size).name == name


def test_batches_and_chunks_do_not_matter(tmp_path, monkeypatch):
    documents = [[i % 9] * (i * 7 % 5) for i in range(40)]
    write(tmp_path / "one", documents, 10)
    monkeypatch.setattr(megatron, "_CHUNK", 3)
    write(tmp_path / "many", documents, 10, batches=40)
    assert files(tmp_path / "one") == files(tmp_path / "many")
    IndexedDataset(str(tmp_path / "many")).validate()


def test_add_takes_a_slice_of_its_tokens(tmp_path):
    with ShardWriter(str(tmp_path / "a"), 10) as writer:
        writer.add(np.arange(10, dtype=np.uint16)[::-1], np.array([2, 4, 5]))
        writer.add(np.arange(3), np.array([0]))  # no documents
    assert (writer.documents, writer.tokens) == (2, 3)
    assert IndexedDataset(str(tmp_path / "a")).tokens.tolist() == [7, 6, 5]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 69_999), max_size=6), max_size=8), st.booleans())
def test_round_trip(tmp_path_factory, documents, large):
    prefix = tmp_path_factory.mktemp("round") / "a"
    if not large:
        documents = [[token % 60_000 for token in document] for document in documents]
    write(prefix, documents, 70_000 if large else 60_000)
    dataset = IndexedDataset(str(prefix))
    assert dataset.dtype == ("int32" if large else "uint16")
    assert [dataset[i].tolist() for i in range(len(dataset))] == documents
    lengths = [len(document) for document in documents]
    assert dataset.lengths.tolist() == dataset.document_lengths.tolist() == lengths
    assert dataset.document_offsets.dtype == np.int64
    assert dataset.document_offsets.tolist() == np.cumsum([0] + lengths).tolist()


def test_documents_of_several_sentences(tmp_path):
    """Foreign sets have a sequence a sentence; documents without any, too."""
    (tmp_path / "a.bin").write_bytes(struct.pack("<6H", *range(6)))
    (tmp_path / "a.idx").write_bytes(index_bytes(8, 2, [2, 1, 3], [0, 0, 2, 3, 3]))
    dataset = IndexedDataset(str(tmp_path / "a"))
    assert (dataset.sequences, dataset.documents) == (3, 4)
    assert dataset.document_offsets.tolist() == [0, 0, 3, 6, 6]
    assert dataset[-1].tolist() == [3, 4, 5]
    with pytest.raises(IndexError):
        dataset[3]


def test_views_are_read_only(tmp_path):
    write(tmp_path / "a", [[1, 2]], 10)
    with pytest.raises(ValueError):
        IndexedDataset(str(tmp_path / "a"))[0][0] = 3


def test_uri_reads_alike(tmp_path):
    write(tmp_path / "a", [[1, 2], [3]], 10)
    dataset = IndexedDataset(f"file://{tmp_path}/a")
    assert dataset[0].tolist() == [1, 2] and dataset.document_offsets.tolist() == [0, 2, 3]


GOOD = index_bytes(8, 2, [2, 1], [0, 1, 2])


@pytest.mark.parametrize(
    "payload, index, message",
    [
        (b"\0" * 6, b"", "MMIDIDX"),
        (b"\0" * 6, b"TNTIDX\0\0" + GOOD[8:], "MMIDIDX"),
        (b"\0" * 6, GOOD[:9] + struct.pack("<Q", 2) + GOOD[17:], "version 2"),
        (b"\0" * 6, GOOD[:17] + b"\x07" + GOOD[18:], "dtype code 7"),
        (b"\0" * 6, GOOD[:-1], "cut off"),
        (b"\0" * 5, GOOD, "has 5 bytes"),
        (b"\0" * 8, GOOD, "expects 6"),
        (b"\0" * 6, index_bytes(8, 2, [2, 1], [0, 1, 1]), "do not cover"),
        (b"\0" * 6, index_bytes(8, 2, [1, 1, 1], [0, 2, 1, 3]), "out of order"),
        (b"\0" * 2, index_bytes(8, 2, [1, -1, 1], [0, 1, 2, 3]), "negative"),
    ],
)
def test_damage_is_named(tmp_path, payload, index, message):
    (tmp_path / "a.bin").write_bytes(payload)
    (tmp_path / "a.idx").write_bytes(index)
    with pytest.raises(ValueError, match=message):
        IndexedDataset(str(tmp_path / "a"))


def test_offsets_that_are_not_back_to_back(tmp_path):
    index = bytearray(index_bytes(8, 2, [1, 1, 1], [0, 1, 2, 3]))
    index[34 + 12 + 8] = 0  # the second sequence's byte offset: 2 -> 0
    (tmp_path / "a.bin").write_bytes(b"\0" * 6)
    (tmp_path / "a.idx").write_bytes(index)
    with pytest.raises(ValueError, match="sequence 1 does not begin"):
        IndexedDataset(str(tmp_path / "a"))
    assert len(IndexedDataset(str(tmp_path / "a"), validate=False)) == 3


@pytest.mark.parametrize(
    "tokens, offsets, message",
    [
        ([1, 10], [0, 2], "outside the vocabulary"),
        ([-1], [0, 1], "outside the vocabulary"),
        ([1, 2], [0, 2, 1], "must not decrease"),
        ([1, 2], [0, 3], "nor leave"),
    ],
)
def test_writer_refuses(tmp_path, tokens, offsets, message):
    with pytest.raises(ValueError, match=message):
        with ShardWriter(str(tmp_path / "a"), 10) as writer:
            writer.add(np.array(tokens), np.array(offsets))
    assert not (tmp_path / "a.idx").exists()


def test_lengths_of_documents_without_bin(tmp_path):
    """By the index alone, wherever it lies; what is wrong with it is found."""
    prefix = str(tmp_path / "x")
    with ShardWriter(prefix, 100) as writer:
        writer.add(np.arange(9), np.array([0, 4, 4, 9]))
    (tmp_path / "x.bin").unlink()
    for name in (prefix, f"file://{prefix}"):
        assert read_document_lengths(name).tolist() == [4, 0, 5]
    data = bytearray((tmp_path / "x.idx").read_bytes())
    data[34] += 1
    (tmp_path / "x.idx").write_bytes(data)
    with pytest.raises(ValueError, match="sequence 1 does not begin where"):
        read_document_lengths(prefix)


def test_sentences_of_documents(tmp_path):
    """Several sequences a document, in any number of calls; golden bytes of the index."""
    prefix = str(tmp_path / "00000")
    with ShardWriter(prefix, 100) as writer:
        writer.add(np.array([1, 2, 3, 4, 5]), np.array([0, 2, 3, 5]), np.array([0, 2, 2, 3]))
        writer.add(np.array([6]), np.array([0, 1]))
        writer.add(np.array([], np.int64), np.array([0]), np.array([0, 0]))
    dataset = IndexedDataset(prefix)
    assert (dataset.sequences, dataset.documents) == (4, 5)
    assert [dataset[i].tolist() for i in range(4)] == [[1, 2], [3], [4, 5], [6]]
    assert dataset.document_offsets.tolist() == [0, 3, 3, 5, 6, 6]
    lengths, firsts = read_sentences(prefix)
    assert lengths.tolist() == [2, 1, 2, 1] and firsts.tolist() == [0, 2, 2, 3, 4, 4]
    index = (tmp_path / "00000.idx").read_bytes()
    assert index[:34] == b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, 8, 4, 6)
    assert index[34:] == struct.pack("<4i4q6q", 2, 1, 2, 1, 0, 4, 6, 10, 0, 2, 2, 3, 4, 4)
    with ShardWriter(str(tmp_path / "bad"), 100) as writer:
        for firsts in ([0, 2], [1, 1], [0, 1, 0, 1]):
            with pytest.raises(ValueError, match="first sequences must not decrease"):
                writer.add(np.array([1]), np.array([0, 1]), np.array(firsts))
