"""Documents with a word of a blocklist, as C4 and mC4 drop them.

Named reference: C4 3.1.0 (tensorflow-datasets 4.9.10), `c4_utils.get_badwords_filter_fn`, with its lists: the
List of Dirty, Naughty, Obscene and Otherwise Bad Words (LDNOOBW), at revision 25e679f for English
(377 entries), 5faf2ba for the others. The lists are not part of this package.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from typing import ClassVar, NamedTuple

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.io import paths
from corpus.options import option
from corpus.step import Filter, Outcome, Place
from corpus.text import arrow, lowering, unicode, utf8
from corpus.text.urls import normalize_url

ANYWHERE = ("ja", "th", "zh")
"""Languages written without spaces: entries match within words (c4_utils)."""

ALLOWED = {"ja": {"sm", "グロ", "女の子"}, "zh": {"性"}}
"""Entries left out: common parts of words, each in over a tenth of the documents of its language
(tensorflow-datasets c4.py, _BADWORDS_ALLOWLIST)."""

_LIST_NAME = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9-]+)?")
"""File names that are language codes ("fr", "fr-CA-u-sd-caqc"), unlike README.md."""


class Trie(NamedTuple):
    """Entries of a list as a trie of UTF-8 bytes.

    next: int32[nodes, 256], the node after a byte, 0 for none; node 0 is the root
    entry: int32[nodes], the number of the entry that ends here, -1 for none
    words: the entries
    """

    next: np.ndarray
    entry: np.ndarray
    words: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class BadWords(Filter):
    """Drops documents that contain an entry of the list of their language.

    Files of a folder that are of one language ("fr", "fr-CA-u-sd-caqc") are taken together, and variants count as their
    language ("zh-cn" as "zh"). Documents of a language without a list are kept. Which documents with a match are
    dropped is decided by the MD5 of the normalised URL (of the id, if there is no URL).

    The lower-cased text is searched for an entry, as it stands in the list (so one with capitals never
    matches, as in C4), between characters that are not of words (`\\W`), or anywhere for ANYWHERE.
    Raises FileNotFoundError for a path that holds no list.

    >>> import corpus, pathlib, tempfile
    >>> listed = pathlib.Path(tempfile.mkdtemp(), "en")
    >>> _ = listed.write_text("foul word\\n")
    >>> filters = corpus.BadWords(path=str(listed))
    >>> corpus.apply_filters(["All is well.", "A foul word!"], filters).dropped["value"].to_pylist()
    ['foul word']
    """

    name: ClassVar[str] = "bad_words"
    rules: ClassVar[tuple[str, ...]] = ("bad_word",)

    path: str = option(
        help="The list, a text file of one entry a line; or a folder of such files named by language code. A recipe "
        "leaves the step out where it is empty."
    )
    language: str = option("en", "Language of all documents, or auto: that of the column language.")
    drop_fraction: float = option(
        1.0, "Share of the documents with a match that is dropped: 1.0 in C4, 0.999 in mC4.", ge=0, le=1
    )

    def left_out(self) -> str | None:
        """Without a list it drops nothing."""
        return None if self.path else "it has no list; --set bad_words.path=FILE names one of words, an entry a line"

    def inputs(self) -> list[str]:
        """The list files it reads."""
        return sorted({name for names in _list_files(self.path, self.language).values() for name in names})

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Drops by rule `bad_word`; the value is the entry found first."""
        lists = _list_files(self.path, self.language)
        found: dict[int, tuple[str, str]] = {}
        for language, those in _rows_by_language(batch, self.language).items():
            if language in lists:
                trie = load_list(lists[language], language)
                entries = first_entries(batch.column("text").take(pa.array(those)), trie, language in ANYWHERE)
                found |= {int(those[i]): (trie.words[entries[i]], language) for i in np.flatnonzero(entries >= 0)}
        rows = [row for row in sorted(found) if not self._spares(batch, row)]
        keep = np.ones(batch.num_rows, bool)
        keep[rows] = False
        return Outcome(
            batch.filter(pa.array(keep)),
            np.array(rows, np.int64),
            ["bad_word"] * len(rows),
            [found[row][0] for row in rows],
            [f"none of the {found[row][1]} list" for row in rows],
            {"spared": len(found) - len(rows)} if self.drop_fraction < 1.0 else {},
        )

    def where_in(self, batch: pa.RecordBatch, outcome: Outcome) -> list[Place]:
        """Where the entry stands that dropped the document."""
        if not outcome.rules:
            return []
        text, entry = batch["text"][0].as_py(), outcome.values[0]
        origin = [i for i, character in enumerate(text) for _ in character.lower()]  # one may become two
        origin.append(len(text))
        language = _primary(self.language if self.language != "auto" else batch["language"][0].as_py())
        pattern = re.escape(entry) if language in ANYWHERE else rf"(?<!\w){re.escape(entry)}(?!\w)"
        found = ((origin[match.start()], origin[match.end()]) for match in re.finditer(pattern, text.lower()))
        return [Place("bad_word", len(text[:start].encode()), len(text[:end].encode())) for start, end in found]

    def _spares(self, batch: pa.RecordBatch, row: int) -> bool:
        """Whether a document with a match is among the share that is kept.

        c4_utils keeps it iff MD5 mod d >= n for the exact ratio n / d of the fraction as a float.
        """
        url = batch.column("url")[row].as_py() if "url" in batch.schema.names else None
        key = normalize_url(url) if url else batch.column("id")[row].as_py()
        digest = int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest(), "big")
        numerator, denominator = self.drop_fraction.as_integer_ratio()
        return digest % denominator >= numerator


def _rows_by_language(batch: pa.RecordBatch, language: str) -> dict[str, np.ndarray]:
    """Rows (int64) of the documents of each language; those of unknown language are left out."""
    if language != "auto":
        return {_primary(language): np.arange(batch.num_rows)}
    if "language" not in batch.schema.names:
        raise ValueError("language is 'auto', but the documents have no column `language`: identify it first")
    codes = pc.dictionary_encode(batch.column("language"))
    numbers = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    rows: dict[str, np.ndarray] = {}
    for i, code in enumerate(codes.dictionary.to_pylist()):
        earlier = rows.get(_primary(code), np.empty(0, np.int64))
        rows[_primary(code)] = np.union1d(earlier, np.flatnonzero(numbers == i))
    return rows


def _primary(code: str) -> str:
    """The language of a code: "zh" of "zh-cn"."""
    return code.split("-")[0]


@functools.cache
def _list_files(path: str, language: str) -> dict[str, tuple[str, ...]]:
    """List files by language. Raises FileNotFoundError where there is none to use."""
    if paths.exists(path):
        if language == "auto":
            raise ValueError(f"language is 'auto', but {path} is one list: name its language, or a folder of lists")
        return {_primary(language): (path,)}
    files: dict[str, tuple[str, ...]] = {}
    for source in paths.list_files(path):
        name = paths.basename(source.path)
        if _LIST_NAME.fullmatch(name) and language in ("auto", _primary(name)):
            files[_primary(name)] = (*files.get(_primary(name), ()), source.path)
    if not files:
        raise FileNotFoundError(f"no list of bad words for language {language!r} at {path}")
    return files


@functools.cache
def load_list(files: tuple[str, ...], language: str) -> Trie:
    """The entries of some list files, without those allowed in the language; built once a process."""
    lines = [line.strip() for name in files for line in paths.read_bytes(name).decode("utf-8").splitlines()]
    return build_trie(tuple(dict.fromkeys(w for w in lines if w and w not in ALLOWED.get(language, ()))))


def build_trie(words: tuple[str, ...]) -> Trie:
    """The trie of some non-empty words."""
    following: list[dict[int, int]] = [{}]
    ends = {}
    for number, word in enumerate(words):
        node = 0
        for byte in word.encode():
            if byte not in following[node]:
                following[node][byte] = len(following)
                following.append({})
            node = following[node][byte]
        ends[node] = number
    table = np.zeros((len(following), 256), np.int32)
    for node, after in enumerate(following):
        table[node, list(after)] = list(after.values())
    entry = np.full(len(following), -1, np.int32)
    entry[list(ends)] = list(ends.values())
    return Trie(table, entry, words)


def first_entries(text: pa.Array, trie: Trie, anywhere: bool) -> np.ndarray:
    """Number of the entry that comes first in each document of a string column, in lower case, -1 for
    none: int32[n]. Of entries that start at one place, the shortest."""
    data, offsets = arrow.buffers(text)
    found = np.empty(len(text), np.int32)
    tables = unicode.lower_table(), unicode.case_table(), unicode.class_table()
    _search_all(data, offsets, trie.next, trie.entry, anywhere, *tables, found)
    return found


@numba.njit(cache=True, nogil=True)
def _search_all(data, offsets, following, entry, anywhere, lower_table, case_table, classes, found):
    """Fills `found`, see `first_entries`."""
    text = np.empty(1 << 12, np.uint8)
    for i in range(len(offsets) - 1):
        room = 2 * (offsets[i + 1] - offsets[i])  # more than lowering.GREATEST_GROWTH
        if room > len(text):
            text = np.empty(room, np.uint8)
        size = lowering.lower(data, offsets[i], offsets[i + 1], lower_table, case_table, text)
        found[i] = _search(text[:size], following, entry, anywhere, classes)


@numba.njit(cache=True, nogil=True)
def _search(text, following, entry, anywhere, classes):
    """The first entry in UTF-8 `text`, -1 for none."""
    for start in range(len(text)):
        if following[0, text[start]] == 0:
            continue
        if not anywhere and start > 0 and _is_word(text, utf8.previous(text, start), classes):
            continue
        node, position = 0, start
        while position < len(text):
            node = following[node, text[position]]
            position += 1
            if node == 0:
                break
            if entry[node] >= 0 and (anywhere or position == len(text) or not _is_word(text, position, classes)):
                return entry[node]
    return -1


@numba.njit(cache=True, nogil=True)
def _is_word(text, position, classes):
    """Whether the character at `position` is of a word (`\\w`)."""
    code_point, _ = utf8.decode(text, position)
    return classes[code_point] & unicode.WORD != 0
