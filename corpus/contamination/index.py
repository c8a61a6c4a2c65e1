"""The n-grams of evaluation items, to be looked up by the hash of their first units.

An item is one record of an evaluation file; its texts are the fields asked for. Each text
is taken by itself: one of `ngram` units or more has all its n-grams, one of `min_words` units
or more a single gram, the whole of it, and a shorter one none. This is GPT-3's rule that N
follows the length of the examples between 8 and 13 (arXiv 2005.14165, appendix C), applied
item by item. Both numbers are twice as many for a text most of whose units are characters of
scripts without spaces (`normalisations.CHARACTERS_A_WORD`). A text without grams is not looked
for, and an item none of whose texts is cannot be checked; `Index.not_checkable` names those.

Grams of `ngram` units or more are looked up by the hash of their first `ngram`, the others by that of their
first `min_words`, so that two rolling hashes find grams of any length, and one where there is one kind; the
whole gram is then compared unit for unit.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable

import numba
import numpy as np
import pyarrow as pa

from corpus.contamination import normalisations, words
from corpus.contamination.items import Item, version
from corpus.contamination.normalisations import CHARACTERS_A_WORD
from corpus.text import arrow, scripts, utf8
from corpus.text.distinct import distinct
from corpus.text.hashing import hash64
from corpus.text.leaf import leaf

PERCENTILE = 5
"""Of the lengths of a set's items, GPT-3's N."""
FILTER_BITS_PER_GRAM = 16
"""Size of the prefilter, at least. With three bits set for a gram it lets through 1 % of the rest at most."""
_FILTER_BITS = 18
"""Of a hash, that choose the bits of a gram in its block of the filter."""


@dataclasses.dataclass(frozen=True, eq=False)
class Index:
    """The distinct grams of `items`, in the order of `hash`.

    Text *t* is a text of item `item_of_text[t]`; its units are `unit_at[first_unit[t]:first_unit[t + 1] + 1]`, places
    in `text` (normalised). Gram *g* is the `size[g]` units from each of
    `postings[posting_offsets[g]:posting_offsets[g + 1]]`, units in ascending order; the first of them, as many as
    `probes` has for its size, hash to `hash[g]`. `gram_of_unit[u]` is the gram that begins at unit *u*, -1 where none
    does. `grams[i]` is the number of distinct grams of item *i*, `units[i]` that of its units. `text_size[t]` is how
    many units a gram of text *t* has, 0 where it has none. `joined`: all texts of an item are one text of the index.
    `tokenizer`: the folder of that whose tokens the units are.
    `buckets[h >> shift]` is the first gram whose hash begins so. `filter` is a Bloom filter of the hashes in blocks of
    one uint64.
    """

    items: tuple[Item, ...]
    normalisation: normalisations.Name
    ngram: int
    min_words: int
    item_of_text: np.ndarray
    first_unit: np.ndarray
    text: np.ndarray
    unit_at: np.ndarray
    hash: np.ndarray
    size: np.ndarray
    posting_offsets: np.ndarray
    postings: np.ndarray
    gram_of_unit: np.ndarray
    grams: np.ndarray
    units: np.ndarray
    text_size: np.ndarray
    probes: np.ndarray
    buckets: np.ndarray
    filter: np.ndarray
    joined: bool = False
    tokenizer: str = ""

    @property
    def not_checkable(self) -> list[str]:
        """Names of the items too short to be looked for."""
        return [self.items[i].name for i in np.flatnonzero(self.grams == 0)]

    @functools.cached_property
    def texts(self) -> list[tuple[str, str]]:
        """(the field that it is of, "" where that is not known; the text) of each text of the index."""
        return _texts(self.items, self.joined)

    @functools.cached_property
    def text_units(self) -> np.ndarray:
        """Units of each text: int64[texts]."""
        return np.diff(self.first_unit)

    def units_of_items(self, of_texts: np.ndarray) -> np.ndarray:
        """Units that the texts of each item have that are among `of_texts` (bool[texts]): int64[items]."""
        counts = np.bincount(self.item_of_text, self.text_units * of_texts, minlength=len(self.items))
        return counts.astype(np.int64)

    @property
    def bytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (value for value in vars(self).values() if isinstance(value, np.ndarray))
        return sum(array.nbytes for array in arrays)

    @functools.cached_property
    def sets(self) -> dict[str, list[int]]:
        """The numbers of the items of each set, by its name."""
        found: dict[str, list[int]] = {}
        for number, item in enumerate(self.items):
            found.setdefault(item.set, []).append(number)
        return found

    @functools.cached_property
    def versions(self) -> dict[str, str]:
        """Of each set, what its content is called."""
        return {name: version(self.items[i] for i in numbers) for name, numbers in self.sets.items()}


def build(
    items: Iterable[Item],
    ngram: int = 13,
    min_words: int = 8,
    normalisation: normalisations.Name = "simple",
    by_set: bool = False,
    drawn: int = 0,
    tokenizer: str = "",
) -> Index:
    """The index of `items`. by_set: the grams of a set have GPT-3's N units: the `PERCENTILE`th percentile of the
    lengths of its items, but at least `min_words` and at most `ngram` (arXiv 2005.14165, appendix C). drawn: the texts
    of an item are one, and of its grams only so many are looked for, drawn by a hash of its name (GPT-4). tokenizer:
    the folder of it, with the normalisation "tokens". Raises ValueError unless 1 <= min_words <= ngram."""
    if not 1 <= min_words <= ngram:
        raise ValueError(f"min_words is {min_words}, not between 1 and ngram, {ngram}")
    items = tuple(items)
    texts = pa.array([text for _, text in _texts(items, drawn > 0)], pa.large_string())
    item_of_text = np.repeat(np.arange(len(items)), [1 if drawn else len(item.texts) for item in items])
    data, offsets = arrow.buffers(texts)
    text, unit_at, hashes, first_unit, lone = _all_units(
        data, offsets, normalisations.rules(normalisation), words.tokens_of(texts, tokenizer), scripts.unspaced_table()
    )
    units = np.diff(first_unit)
    times = np.where((2 * lone > units) & (normalisation != "gpt4"), CHARACTERS_A_WORD, 1)
    of_item = np.bincount(item_of_text, units, minlength=len(items)).astype(np.int64)
    wanted = _length_of_set(items, of_item, ngram, min_words)[item_of_text] if by_set else ngram
    sizes = np.where(units >= times * min_words, np.minimum(times * wanted, units), 0)
    start, gram_size = _gram_starts(first_unit, sizes)
    probes = np.where(sizes >= ngram, ngram, min_words)
    probe, whole = _gram_hashes(hashes, first_unit, sizes, len(start), probes)
    if drawn:
        chosen = _drawn(items, item_of_text[np.searchsorted(first_unit, start, side="right") - 1], drawn)
        start, gram_size, probe, whole = start[chosen], gram_size[chosen], probe[chosen], whole[chosen]
    order = np.argsort(probe, kind="stable")
    number, representative = _distinct(text, unit_at, start, gram_size, probe, whole, order)
    gram_of_unit = np.full(len(unit_at), -1, np.int32)
    gram_of_unit[start] = number
    posting_offsets = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=len(representative)))])
    postings = start[np.argsort(number, kind="stable")]
    item = item_of_text[np.searchsorted(first_unit, start, side="right") - 1]
    pairs = distinct(item * max(len(representative), 1) + number)
    hash = probe[representative]
    return Index(
        items=items,
        normalisation=normalisation,
        ngram=ngram,
        min_words=min_words,
        item_of_text=item_of_text,
        first_unit=first_unit,
        text=text,
        unit_at=unit_at,
        hash=hash,
        size=gram_size[representative].astype(np.int32),
        posting_offsets=posting_offsets.astype(np.int64),
        postings=postings.astype(np.int32),
        gram_of_unit=gram_of_unit,
        grams=np.bincount(pairs // max(len(representative), 1), minlength=len(items)),
        units=of_item,
        text_size=sizes,
        probes=np.unique(probes[sizes > 0]),
        joined=drawn > 0,
        tokenizer=tokenizer,
        buckets=np.searchsorted(hash >> _shift(len(hash)), np.arange((1 << 64 - int(_shift(len(hash)))) + 1)).astype(
            np.int32
        ),
        filter=_filter(hash),
    )


def _texts(items: tuple[Item, ...], joined: bool) -> list[tuple[str, str]]:
    """(field, text) of all texts of items, in order; joined: of each item one, its texts in lines."""
    if joined:
        return [("", "\n".join(item.texts)) for item in items]
    return [pair for item in items for pair in zip(item.fields or [""] * len(item.texts), item.texts)]


def _drawn(items: tuple[Item, ...], owner: np.ndarray, count: int) -> np.ndarray:
    """Of each item that has grams, `count` of these, some of which may be the same, as numbers in ascending order;
    `owner`: the item of each gram, ascending."""
    begins = np.searchsorted(owner, np.arange(len(items) + 1))
    chosen = set()
    for item, begin, end in zip(items, begins.tolist(), begins[1:].tolist()):
        name = np.frombuffer(item.name.encode(), np.uint8)
        for seed in range(count if end > begin else 0):
            chosen.add(begin + int(hash64(name, 0, len(name), np.uint64(seed))) % (end - begin))
    return np.array(sorted(chosen), np.int64)


def _length_of_set(items: tuple[Item, ...], units: np.ndarray, ngram: int, min_words: int) -> np.ndarray:
    """Of each item the units of the grams of its set: int64[items]."""
    _, of_item = np.unique([item.set for item in items], return_inverse=True)
    lengths = np.zeros(len(items), np.int64)
    for number in range(of_item.max(initial=-1) + 1):
        length = np.percentile(units[of_item == number], PERCENTILE, method="lower")
        lengths[of_item == number] = np.clip(length, min_words, ngram)
    return lengths


def _shift(grams: int) -> np.uint64:
    """By how much a hash is shifted to be the number of its bucket, of which there are about as many as grams."""
    return np.uint64(64 - max(1, int(grams).bit_length() - 1))


@numba.njit(cache=True, nogil=True)
def _all_units(data, offsets, rules, tokens, unspaced):
    """(normalised text, where each unit begins in it and where the next would, hashes of units, first unit of each text
    and of the next, units of each text that begin with a letter of a script without spaces)."""
    longest = np.int64(0)
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    found = words.room(longest)
    size = offsets[-1] - offsets[0]
    text = np.empty(2 * size + len(offsets) + 64, np.uint8)
    at, hash = np.empty(size + 2, np.int64), np.empty(size + 1, np.uint64)
    first, lone = np.zeros(len(offsets), np.int64), np.zeros(len(offsets) - 1, np.int64)
    written, units = np.int64(0), np.int64(0)
    for i in range(len(offsets) - 1):
        count = words.units_of(data, offsets, i, rules, tokens, found)
        length = found.at[count] if count else np.int64(0)
        if written + length + words.MARGIN > len(text):
            larger = np.empty(2 * (written + length) + words.MARGIN, np.uint8)
            larger[:written] = text[:written]
            text = larger
        for unit in range(count):
            at[units + unit] = written + found.at[unit]
            hash[units + unit] = found.hash[unit]
            if not len(tokens.offsets):
                code_point, _ = utf8.decode(found.text, found.at[unit])
                lone[i] += unspaced[code_point]
        written = utf8.copy(found.text, np.int64(0), length, text, written)
        units += count
        first[i + 1] = units
    at[units] = written
    return text[:written].copy(), at[: units + 1].copy(), hash[:units].copy(), first, lone


@numba.njit(cache=True, nogil=True)
def _gram_starts(first_unit, sizes):
    """(the unit at which each gram of each text begins, its units)."""
    count = 0
    for i in range(len(sizes)):
        if sizes[i]:
            count += first_unit[i + 1] - first_unit[i] - sizes[i] + 1
    start, size = np.empty(count, np.int64), np.empty(count, np.int64)
    count = 0
    for i in range(len(sizes)):
        if sizes[i]:
            for unit in range(first_unit[i], first_unit[i + 1] - sizes[i] + 1):
                start[count], size[count] = unit, sizes[i]
                count += 1
    return start, size


@numba.njit(cache=True, nogil=True)
def _gram_hashes(hashes, first_unit, sizes, count, probes):
    """Of every gram of every text the hash of its first `probes[text]` units, and of all."""
    first, whole = np.empty(count, np.uint64), np.empty(count, np.uint64)
    at = 0
    for i in range(len(sizes)):
        size, probe = sizes[i], probes[i]
        if size:
            power = words.power(size)
            probe_power = words.power(probe)
            state, probe_state = np.uint64(0), np.uint64(0)
            for k in range(size):
                state = words.append(state, hashes[first_unit[i] + k])
            for k in range(probe):
                probe_state = words.append(probe_state, hashes[first_unit[i] + k])
            for unit in range(first_unit[i], first_unit[i + 1] - size + 1):
                first[at], whole[at] = words.mix(probe_state), state
                at += 1
                if unit + size < first_unit[i + 1]:
                    state = words.roll(state, hashes[unit], power, hashes[unit + size])
                    probe_state = words.roll(probe_state, hashes[unit], probe_power, hashes[unit + probe])
    return first, whole


@leaf
def equal(left, left_start, right, right_start, size):
    """Whether `size` bytes of two arrays are the same."""
    for i in range(size):
        if left[left_start + i] != right[right_start + i]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _distinct(text, unit_at, start, size, probe, whole, order):
    """(for each gram its number among the distinct ones, a gram of each number), the distinct ones in the order of
    their hashes. Equal hashes mean a comparison with the distinct grams that have them, not equality."""
    number = np.empty(len(order), np.int64)
    representative = np.empty(len(order), np.int64)
    count = 0
    run = 0  # the first distinct gram with the present hash
    for i in range(len(order)):
        gram = order[i]
        if i and probe[gram] != probe[order[i - 1]]:
            run = count
        number[gram] = count
        begin, end = unit_at[start[gram]], unit_at[start[gram] + size[gram]]
        for other in range(run, count):
            known = representative[other]
            if whole[known] == whole[gram] and size[known] == size[gram]:
                at = unit_at[start[known]]
                if unit_at[start[known] + size[known]] - at == end - begin and equal(
                    text, begin, text, at, end - begin
                ):
                    number[gram] = other
                    break
        if number[gram] == count:
            representative[count] = gram
            count += 1
    return number, representative[:count].copy()


@numba.njit(cache=True, nogil=True, inline="always")
def filter_bits(hash):
    """The three bits of a hash in its block of the filter (its lowest bits choose them)."""
    one, last = np.uint64(1), np.uint64(63)
    return one << (hash & last) | one << ((hash >> np.uint64(6)) & last) | one << ((hash >> np.uint64(12)) & last)


@numba.njit(cache=True, nogil=True, inline="always")
def filter_block(hash, filter):
    """The number of the block of the filter that a hash is in."""
    return (hash >> np.uint64(_FILTER_BITS)) & np.uint64(len(filter) - 1)


@numba.njit(cache=True, nogil=True)
def _filter(hashes):
    """Bloom filter: uint64[a power of two]."""
    blocks = 1
    while blocks * 64 < len(hashes) * FILTER_BITS_PER_GRAM:
        blocks *= 2
    filter = np.zeros(blocks, np.uint64)
    for hash in hashes:
        filter[filter_block(hash, filter)] |= filter_bits(hash)
    return filter
