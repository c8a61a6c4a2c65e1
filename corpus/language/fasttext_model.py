"""The model files of fastText 0.9.2 (.bin, and .ftz, which is compressed), read where they lie.

The file is mapped and not loaded: all processes of a machine share one copy of its matrices, in the
page cache. Only the tables made from its dictionary, a few bytes a word, are a process's own.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

import numba
import numpy as np

MAGIC, VERSION = 793712314, 12
SUPERVISED = 3
HIERARCHICAL, SOFTMAX = 1, 3
CENTROIDS = 256
"""Centroids of a product quantizer, so that a code is a byte."""

LABEL = "__label__"
"""What fastText puts before every label."""

END = "</s>"
"""The word at the end of every line."""


class Matrix(NamedTuple):
    """Rows of a matrix, plain or product-quantized.

    dense: float32[rows, dim], no rows if quantized
    codes: uint8[rows, parts]; the part p of row i is a centroid: parts * part_size >= dim, the last is shorter
    centroids: float32[256 * dim], those of part p from 256 * part_size * p on
    norms: float32[rows], by which the centroids are scaled, no rows if they are not
    part_size: int64
    """

    dense: np.ndarray
    codes: np.ndarray
    centroids: np.ndarray
    norm_codes: np.ndarray
    norms: np.ndarray
    part_size: int


class Dictionary(NamedTuple):
    """Words, then labels, and the numbers of character n-grams.

    text: uint8, holds all entries; starts, ends: int64[entries], where
    slots: int32[2**k], hash table of entries by `hash_bytes`, -1 where free
    words: how many entries are words; end: the entry "</s>", -1 if there is none
    buckets, shortest, longest: of n-grams; word_ngrams: words in the longest word n-gram
    rows: int32[buckets], row of an n-gram less `words`, -1 if it was pruned; empty if none was
    """

    text: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    slots: np.ndarray
    words: int
    end: int
    buckets: int
    shortest: int
    longest: int
    word_ngrams: int
    rows: np.ndarray


class Model(NamedTuple):
    """A classifier. `tree`: int64[2 * labels - 1, 2], children of each node of the Huffman tree, whose
    leaves 0..labels-1 have none (-1); no rows where the loss is a soft-max."""

    dictionary: Dictionary
    input: Matrix
    output: Matrix
    tree: np.ndarray


def read(path: str) -> tuple[Model, tuple[str, ...]]:
    """The model in a file, and its labels without `LABEL`. Raises ValueError if it holds none that
    can be used here: not supervised, or of another loss than hierarchical or plain soft-max."""
    with open(path, "rb") as file:
        try:
            data: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            data = b""
    try:
        return _read(_Cursor(data))
    except (ValueError, TypeError, struct.error) as error:
        raise ValueError(f"cannot load the fastText model {path}: {error}") from error


class _Cursor:
    """Reads on from a position in a buffer."""

    def __init__(self, data: mmap.mmap | bytes):
        self.data = data
        self.position = 0

    def numbers(self, form: str) -> tuple:
        """Values as `struct` has them, little-endian and packed."""
        values = struct.unpack_from("<" + form, self.data, self.position)
        self.position += struct.calcsize("<" + form)
        return values

    def array(self, kind: str, *shape: int) -> np.ndarray:
        """An array of the file's own bytes."""
        array = np.ndarray(shape, kind, self.data, self.position)
        self.position += array.nbytes
        return array


def _read(cursor: _Cursor) -> tuple[Model, tuple[str, ...]]:
    magic, version = cursor.numbers("ii")
    if magic != MAGIC or version != VERSION:
        raise ValueError(f"it does not begin as a model of version {VERSION} does")
    dim, _, _, _, _, word_ngrams, loss, kind, buckets, shortest, longest, _, _ = cursor.numbers("12id")
    if kind != SUPERVISED or loss not in (HIERARCHICAL, SOFTMAX):
        raise ValueError("only supervised models with the loss hs or softmax can be used")
    entries, words, labels, _, pruned = cursor.numbers("iiiqq")
    text = np.frombuffer(cursor.data, np.uint8)
    starts, ends, counts = (np.empty(entries, np.int64) for _ in range(3))
    cursor.position = _entries(text, cursor.position, starts, ends, counts)
    if cursor.position < 0:
        raise ValueError("its dictionary is cut short")
    rows = np.empty(0, np.int32)
    if pruned >= 0:
        rows = np.full(buckets, -1, np.int32)
        pairs = cursor.array("<i4", pruned, 2)
        rows[pairs[:, 0]] = pairs[:, 1]
    slots = _hash_table(text, starts, ends)
    end = find(text, starts, ends, slots, np.frombuffer(END.encode(), np.uint8), 0, len(END))
    dictionary = Dictionary(text, starts, ends, slots, words, end, buckets, shortest, longest, word_ngrams, rows)
    (quantized,) = cursor.numbers("?")
    input = _matrix(cursor, quantized)
    (output_too,) = cursor.numbers("?")
    output = _matrix(cursor, quantized and output_too)
    if dim != (input.dense.shape[1] or len(input.centroids) // CENTROIDS) or entries != words + labels:
        raise ValueError("its sizes contradict each other")
    names = tuple(bytes(text[s:e]).decode().removeprefix(LABEL) for s, e in zip(starts[words:], ends[words:]))
    tree = _huffman_tree(counts[words:]) if loss == HIERARCHICAL else np.empty((0, 2), np.int64)
    return Model(dictionary, input, output, tree), names


def _matrix(cursor: _Cursor, quantized: bool) -> Matrix:
    no_numbers, no_codes = np.empty((0, 0), np.float32), np.empty((0, 0), np.uint8)
    if not quantized:
        rows, columns = cursor.numbers("qq")
        dense = cursor.array("<f4", rows, columns)
        return Matrix(dense, no_codes, no_numbers.ravel(), no_codes.ravel(), no_numbers.ravel(), 0)
    with_norms, rows, _, size = cursor.numbers("?qqi")
    codes = cursor.array("u1", rows, size // rows)
    part_size, centroids = _quantizer(cursor)
    norm_codes, norms = no_codes.ravel(), no_numbers.ravel()
    if with_norms:
        norm_codes = cursor.array("u1", rows)
        _, norms = _quantizer(cursor)
    return Matrix(no_numbers, codes, centroids, norm_codes, norms, part_size)


def _quantizer(cursor: _Cursor) -> tuple[int, np.ndarray]:
    dim, _, part_size, _ = cursor.numbers("4i")
    return part_size, cursor.array("<f4", dim * CENTROIDS).copy()


@numba.njit(cache=True, nogil=True)
def _entries(text, position, starts, ends, counts):
    """Fills the entries of the dictionary: a word, a zero, its count (int64), its type (a byte).
    Returns the position after them, -1 if the text ends before."""
    for entry in range(len(starts)):
        starts[entry] = position
        while position < len(text) and text[position] != 0:
            position += 1
        ends[entry] = position
        if position + 10 > len(text):
            return -1
        counts[entry] = 0
        for byte in range(8):
            counts[entry] |= np.int64(text[position + 1 + byte]) << (8 * byte)
        position += 10
    return position


@numba.njit(cache=True, nogil=True)
def add_byte(hash_, byte):
    """FNV-1a, of bytes taken as signed, which is what fastText's has become a part of its models."""
    return np.uint32((hash_ ^ np.uint32(np.int8(byte))) * np.uint32(16777619))


@numba.njit(cache=True, nogil=True)
def hash_bytes(data, start, end):
    """uint32."""
    hash_ = np.uint32(2166136261)
    for position in range(start, end):
        hash_ = add_byte(hash_, data[position])
    return hash_


@numba.njit(cache=True, nogil=True)
def _hash_table(text, starts, ends):
    """slots of Dictionary: open addressing, at most half full."""
    size = 2
    while size < 2 * len(starts):
        size *= 2
    slots = np.full(size, -1, np.int32)
    for entry in range(len(starts)):
        slot = hash_bytes(text, starts[entry], ends[entry]) & (size - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = entry
    return slots


@numba.njit(cache=True, nogil=True)
def find(text, starts, ends, slots, data, start, end):
    """The entry that is data[start:end], -1 if there is none."""
    slot = hash_bytes(data, start, end) & (len(slots) - 1)
    while slots[slot] >= 0:
        entry = slots[slot]
        length = ends[entry] - starts[entry]
        if length == end - start:
            same = 0
            while same < length and text[starts[entry] + same] == data[start + same]:
                same += 1
            if same == length:
                return entry
        slot = (slot + 1) & (len(slots) - 1)
    return -1


def _huffman_tree(counts: np.ndarray) -> np.ndarray:
    """`Model.tree` of labels that occur `counts` times, most frequent first: the two rarest nodes are
    joined until one is left; inner nodes come in the order in which they are made."""
    labels = len(counts)
    weights = [*map(int, counts), *[10**15] * (labels - 1)]
    tree = np.full((2 * labels - 1, 2), -1)
    leaf, node = labels - 1, labels
    for inner in range(labels, 2 * labels - 1):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                tree[inner, side], leaf = leaf, leaf - 1
            else:
                tree[inner, side], node = node, node + 1
        weights[inner] = weights[tree[inner, 0]] + weights[tree[inner, 1]]
    return tree
