"""Near-duplicates by MinHash: what a step of a run, and a table in memory, have in common.

Signatures (`minhash`) are cut into bands, documents that agree in a band are compared (`lsh`), and the exact Jaccard
similarity of their shingle sets (`shingles`) decides; which of them go, says `clusters`. A run does the same spread
over shards: `pipelines.steps.near_dedup`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from corpus import options, tables
from corpus.dedup import (
    clusters,
    crowds,
    edits,
    lsh,
    minhash,
    normalisations,
    presets,
    priorities,
    schemes,
    shingles,
    token_shingles,
)
from corpus.dedup.crowds import Crowd
from corpus.encoding.byte_tokens import encoder_in, files_of
from corpus.options import OptionError, option
from corpus.step import Step

if TYPE_CHECKING:
    from typing_extensions import Self

FOUND_SCHEMA = pa.schema([("row", pa.int64()), ("by", pa.int64()), ("similarity", pa.float64())])


class Signed(NamedTuple):
    """Documents ready to be compared: the shingle set of document *i* is `values[offsets[i]:offsets[i + 1]]` (uint64,
    int64), its units in order `units[unit_offsets[i]:unit_offsets[i + 1]]` where they are compared, else none; `filled`
    are the documents that have shingles (int64), `keys` the keys of their buckets (uint64[filled, bands])."""

    values: np.ndarray
    offsets: np.ndarray
    units: np.ndarray
    unit_offsets: np.ndarray
    filled: np.ndarray
    keys: np.ndarray


class Sets(Protocol):
    """What documents are compared by: fields as `Signed` has them."""

    @property
    def values(self) -> np.ndarray: ...
    @property
    def offsets(self) -> np.ndarray: ...
    @property
    def units(self) -> np.ndarray: ...
    @property
    def unit_offsets(self) -> np.ndarray: ...


class Pairs(NamedTuple):
    """Candidates, first < second (int64), ascending, and their similarity (float64)."""

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray


@dataclasses.dataclass(frozen=True)
class Near(Step):
    """Which documents are near-duplicates: those whose sets of shingles (`ngram` words or, in scripts that are written
    without spaces, characters: `corpus.dedup.shingles`) have
    Jaccard similarity >= `threshold` with an earlier kept one. Bands are chosen so that a pair exactly at the threshold
    is found with probability >= `recall`, or given as `bands` and `rows`. `mode` "components" keeps only the first of
    each connected component, as papers do; `verification` "edit" asks for an edit similarity (`corpus.dedup.edits`)
    >= `edit_threshold` as well, and "none" takes what shares a bucket for similar. Signatures are those of a `scheme`
    (`corpus.dedup.schemes`): datasketch's 2.0, unless told otherwise. `preset` sets what is not given as a paper has it
    (`corpus.dedup.presets`).
    """

    name: ClassVar[str] = "near_dedup"
    rules: ClassVar[tuple[str, ...]] = ("near_duplicate",)
    threshold: float = option(0.8, "Jaccard similarity from which documents are near-duplicates.", gt=0, le=1)
    normalisation: Literal["lower_words"] | normalisations.Name = option(
        "lower_words", "What text is made of shingles; all but lower_words as others have it, units included."
    )
    unit: shingles.Unit | Literal["tokens"] = option(
        "auto",
        "What shingles are made of; auto: characters if most letters are of scripts without spaces, else words.",
    )
    tokenizer: str = option("", "Folder of the tokenizer, with unit: tokens.")
    ngram: int = option(5, "Words, characters or tokens of a shingle.", ge=1, le=1 << 20)
    permutations: int = option(256, "Length of the signatures.", ge=1, le=1 << 16)
    recall: float = option(0.99, "Probability with which a pair exactly at the threshold is found.", gt=0, lt=1)
    bands: int | None = option(None, "Bands of a signature, with `rows`; by threshold and recall unless given.", ge=1)
    rows: int | None = option(None, "Values of a band, with `bands`.", ge=1)
    scheme: schemes.Name = option(
        "affine32", "Whose signatures: datasketch's 2.0 (affine), 1.x (legacy), datatrove's, text-dedup's."
    )
    hash: Literal["auto", "sha1", "xxhash"] = option("auto", "Hash of shingles; auto: the scheme's own.")
    seed: int = option(1, "Seed of the permutations.", ge=0, lt=1 << 32)
    preset: presets.Name | None = option(None, "Whose settings the options have that are not given.")
    mode: Literal["leader", "components"] = option(
        "leader", "Drop what is similar to a kept document, or all but the first of a connected component."
    )
    verification: clusters.Verification = option(
        "jaccard", "What candidates are held to: Jaccard similarity, edit similarity as well, or nothing."
    )
    edit_threshold: float = option(0.8, "Edit similarity from which they are, with verification: edit.", gt=0, le=1)
    keep: priorities.Keep = option(
        "first",
        "Which stays, of equals the first: the first, the longest text, the newest date, the highest or lowest score.",
    )
    score: str | None = option(
        None, "The score that `keep` means: `step.score`, or metadata.NAME for a field that the records had."
    )

    def __new__(cls, *values: Any, **given: Any) -> Self:
        """Remembers which options are given: a preset leaves those as they are."""
        made = super().__new__(cls)
        names = [field.name for field in dataclasses.fields(cls)][: len(values)]
        if names or given:  # none where it is unpickled, which does not go on to __post_init__
            made.__dict__["_given"] = {*names, *given}
        return made

    def __post_init__(self) -> None:
        given = self.__dict__.pop("_given", set())
        settings = presets.PRESETS.get(self.preset, {}) if isinstance(self.preset, str) else {}
        others = {name for name, value in settings.items() if name in given and getattr(self, name) != value}
        if 2 * len(others) > len(settings):
            said = ", ".join(f"{name}: {getattr(self, name)} (not {settings[name]})" for name in sorted(others))
            raise OptionError(
                f"step {self.name!r}: most of preset {self.preset!r} is given otherwise: {said}; leave these out, or "
                "the preset"
            )
        for name, value in settings.items():
            if name not in given:
                object.__setattr__(self, name, value)
        super().__post_init__()

    def refuse(self) -> None:
        """Raises ValueError where so few permutations cannot find what is asked for, or have no such bands."""
        if self.normalisation != "lower_words" and self.unit != "auto":
            raise ValueError(f"normalisation {self.normalisation!r} has its own unit, not {self.unit!r}")
        if (self.unit == "tokens") != bool(self.tokenizer):
            raise ValueError("unit: tokens and tokenizer are given together")
        priorities.check(self.keep, self.score)
        self.refuse_dropping()
        self.banding()

    def refuse_dropping(self) -> None:
        """Raises ValueError for options on what is dropped that contradict others."""
        if self.verification == "none" and self.mode == "leader":
            raise ValueError(
                "verification: none needs mode: components, for what is dropped for a leader is compared with it"
            )

    def inputs(self) -> list[str]:
        """The files of the tokenizer. Raises FileNotFoundError."""
        return [source.path for source in files_of(self.tokenizer)]

    def check(self) -> None:
        """Raises ValueError or FileNotFoundError for a tokenizer that cannot be used."""
        if self.tokenizer:
            encoder_in(self.tokenizer)

    def banding(self) -> tuple[int, int]:
        """(bands, rows of each): as given, of which the first `bands * rows` permutations count, or chosen."""
        if self.bands is None and self.rows is None:
            return lsh.choose_bands(self.threshold, self.permutations, self.recall)
        if self.bands is None or self.rows is None:
            raise ValueError("bands and rows are given together or not at all")
        if self.bands * self.rows > self.permutations:
            raise ValueError(
                f"{self.bands} bands of {self.rows} rows need {self.bands * self.rows} permutations or more"
            )
        return self.bands, self.rows

    @property
    def compares_crowds(self) -> bool:
        """Whether documents of crowded buckets are compared with all that are kept."""
        return self.mode == "leader" and self.verification == "jaccard"

    @property
    def bucket_limit(self) -> int:
        """With how many of the first of a bucket its documents are compared. Where nothing is compared, one says as
        much about components as all."""
        return 1 if self.verification == "none" else lsh.ALL_PAIRS_LIMIT

    @property
    def asked(self) -> str:
        """What is asked of a pair, in a word."""
        jaccard = f"Jaccard >= {self.threshold}"
        edit = f"{jaccard}, edit similarity >= {self.edit_threshold}"
        return {"jaccard": jaccard, "edit": edit, "none": "a shared bucket"}[self.verification]

    @property
    def shingle_hash(self) -> shingles.Hash:
        """The hash of shingles, by which they are compared as well."""
        return schemes.SCHEMES[self.scheme].hash if self.hash == "auto" else self.hash

    @property
    def definition(self) -> str:
        """What is compared, in a word: the shingles, the signatures and the keys of buckets of documents are comparable
        with those of others if it is the same, whatever else is set.

        >>> import corpus
        >>> from corpus.dedup.near import Near
        >>> Near().definition
        'lower-words-2 auto 5 | affine32:sha1 permutations=256 seed=1 | bands=32 rows=8'
        >>> Near(preset="fineweb").definition
        'datatrove 5 | datatrove:sha1 permutations=112 seed=1 | bands=14 rows=8'
        """
        bands, rows = self.banding()
        signature = schemes.definition(self.scheme, self.shingle_hash, self.permutations, self.seed)
        text = f"{shingles.DEFINITION} {self.unit}" if self.normalisation == "lower_words" else self.normalisation
        if self.unit == "tokens":
            text = f"tokens {encoder_in(self.tokenizer).fingerprint}"
        return f"{text} {self.ngram} | {signature} | bands={bands} rows={rows}"

    def priority(self, batch: pa.RecordBatch) -> np.ndarray:
        """How much each document ought to stay, float64: those with the most come first, of equals in their order; the
        least, -inf, has one without a date or score (`corpus.dedup.priorities`). Raises OptionError for a score that
        is no number."""
        return priorities.of(batch, self.keep, self.score)

    def signatures(self, text: pa.Array) -> np.ndarray:
        """The signatures of a column of strings: [n, permutations] of the type of the scheme's values; all bits are set
        of a document without shingles."""
        return minhash.signatures_of(*self._shingle_hashes(text), self.permutations, self.seed, self.scheme)

    def sign(self, text: pa.Array) -> Signed:
        """A column of strings, ready to be compared."""
        values, offsets = self._shingle_hashes(text)
        signatures = minhash.signatures_of(values, offsets, self.permutations, self.seed, self.scheme)
        filled = np.flatnonzero(np.diff(offsets))
        units, unit_offsets = np.empty(0, np.uint64), np.zeros(len(text) + 1, np.int64)
        if self.verification == "edit":
            units, unit_offsets = self._unit_hashes(text)
        keys = lsh.band_keys(signatures, *self.banding())[filled]
        if self.verification != "none":  # equal documents meet, however many are like them
            whole = lsh.band_keys(signatures, 1, signatures.shape[1])[filled]
            keys = np.concatenate([keys, ~whole], axis=1)
        return Signed(values, offsets, units, unit_offsets, filled, keys)

    def _shingle_hashes(self, text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        if self.unit == "tokens":
            return token_shingles.shingle_hashes(text, self.tokenizer, self.ngram, self.shingle_hash)
        if self.normalisation == "lower_words":
            return shingles.shingle_hashes(text, self.ngram, self.unit, self.shingle_hash)
        return normalisations.shingle_hashes(text, self.normalisation, self.ngram, self.shingle_hash)

    def _unit_hashes(self, text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        if self.unit == "tokens":
            return token_shingles.unit_hashes(text, self.tokenizer)
        if self.normalisation == "lower_words":
            return shingles.unit_hashes(text, self.unit)
        return normalisations.unit_hashes(text, self.normalisation)

    def similarity(self, first: Sets, ones: np.ndarray, second: Sets, others: np.ndarray) -> np.ndarray:
        """Of pairs of documents, float64: their Jaccard similarity, 0 where their edit similarity is looked at and too
        low; NaN where nothing is. `ones[i]` (int64) is a document of `first`, `others[i]` one of `second`."""
        if self.verification == "none":
            return np.full(len(ones), np.nan)
        found = shingles.jaccard(first.values, first.offsets, ones, second.values, second.offsets, others)
        if self.verification == "edit":
            close = np.flatnonzero(found >= self.threshold)
            edit = edits.edit_similarity(
                first.units, first.unit_offsets, ones[close], second.units, second.unit_offsets, others[close],
                self.edit_threshold,
            )  # fmt: skip
            found[close[edit == 0]] = 0.0
        return found

    def is_similar(self, similarity: np.ndarray) -> np.ndarray:
        """Of pairs by what `similarity` says, bool."""
        return np.isnan(similarity) | (similarity >= self.threshold)


class Together(NamedTuple):
    """Documents signed part by part, numbered through: their shingle sets and units as `Signed` has them; keys of
    buckets (uint64), and the document that has each (int64)."""

    values: np.ndarray
    offsets: np.ndarray
    units: np.ndarray
    unit_offsets: np.ndarray
    keys: np.ndarray
    owners: np.ndarray


def _together(parts: list[Signed]) -> Together:
    firsts = np.concatenate([[0], np.cumsum([len(part.offsets) - 1 for part in parts])]).astype(np.int64)
    owners = [np.repeat(part.filled + first, part.keys.shape[1]) for part, first in zip(parts, firsts.tolist())]
    return Together(
        np.concatenate([np.empty(0, np.uint64), *(part.values for part in parts)]),
        _ends([part.offsets for part in parts]),
        np.concatenate([np.empty(0, np.uint64), *(part.units for part in parts)]),
        _ends([part.unit_offsets for part in parts]),
        np.concatenate([np.empty(0, np.uint64), *(part.keys.ravel() for part in parts)]),
        np.concatenate([np.empty(0, np.int64), *owners]),
    )


def _ends(offsets: list[np.ndarray]) -> np.ndarray:
    """The offsets of lists one behind the other."""
    sizes = np.concatenate([np.empty(0, np.int64), *map(np.diff, offsets)])
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _pairs(near: Near, keys: np.ndarray, owners: np.ndarray, sets: Together) -> Pairs:
    """The pairs worth comparing, compared; those that are similar."""
    first, second = lsh.candidate_pairs(keys, owners, near.bucket_limit)
    similarity = near.similarity(sets, first, sets, second)
    close = near.is_similar(similarity)
    return Pairs(first[close], second[close], similarity[close])


def _crowd(keys: np.ndarray, owners: np.ndarray, sets: Together, order: np.ndarray) -> Crowd:
    """The documents of crowded buckets; that with number i is `order[i]`."""
    documents, keys, begins = crowds.members(keys, owners)
    store, lengths = crowds.records(keys, begins, sets.values, sets.offsets, order[documents])
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Crowd(documents, ends, ends[:-1] + np.diff(begins), store)


def _has_score(schema: pa.Schema, score: str) -> bool:
    return ("metadata" if score.startswith(priorities.METADATA) else score) in schema.names


def near_duplicates(data: Any, against: Any = None, **settings: Any) -> pa.Table:
    """The documents that are near-duplicates of an earlier one, or of one of `against`: a row for each, with `row`,
    `by` (the row of the document that stays: of `data`, or of `against` where it is given) and the exact `similarity`.

    data, against: anything that `corpus.as_table` takes. settings: the options of `near_dedup` (`Near`), such as
    threshold, unit, ngram, permutations, recall, mode. With `against`, `by` is the most similar of its documents, of
    equals the first, and documents of `data` are not compared with each other. Takes memory for about ten times the
    text. With mode "components" or verification "edit" the documents of a bucket of more than 32 are compared with
    its first 32, and with those that are equal. Raises OptionError.

    >>> import corpus
    >>> text = "the quick brown fox jumps over the lazy dog and runs away into the dark wood"
    >>> found = corpus.near_duplicates([text, "something else", text + " again"], threshold=0.7)
    >>> found.to_pylist()
    [{'row': 2, 'by': 0, 'similarity': 0.9230769230769231}]
    >>> corpus.drop([text, "something else", text + " again"], found)["id"].to_pylist()
    ['0', '1']
    """
    near = options.build(Near, settings, "near_duplicates")
    if against is not None:  # where there are no components
        if near.verification == "none":
            raise OptionError("near_duplicates: against needs verification: jaccard (or edit), not none")
        near = dataclasses.replace(near, mode="leader", preset=None)
    known = [] if against is None else [near.sign(batch["text"]) for batch in tables.batches(against)]
    before = sum(len(part.offsets) - 1 for part in known)
    batches = list(tables.batches(data))
    sets = _together([*known, *(near.sign(batch["text"]) for batch in batches)])
    order = np.arange(len(sets.offsets) - 1)
    if near.score and not any(_has_score(batch.schema, near.score) for batch in batches):
        raise OptionError(f"near_duplicates: the documents have no column {near.score!r}, which `score` names")
    if against is None and near.keep != "first":
        order = clusters.order_of(np.concatenate([np.empty(0), *map(near.priority, batches)]))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    crowded = lsh.crowded(sets.keys, sets.owners)
    if not near.compares_crowds:
        crowded[:] = False
    pairs = _pairs(near, sets.keys[~crowded], sets.owners[~crowded], sets)
    edges = clusters.directed(rank[pairs.first], rank[pairs.second], pairs.similarity)
    crowd = _crowd(sets.keys[crowded], rank[sets.owners[crowded]], sets, order)
    greedy = crowds.Greedy(crowd, len(order), near.threshold, before, alone=against is not None)
    ((rows, by, similarity),) = clusters.leaders_in_parts(lambda: [edges], [len(order)], near.mode, greedy)
    rows, by = order[rows], order[by]
    found = np.argsort(rows)
    return pa.table([rows[found] - before, by[found], similarity[found]], schema=FOUND_SCHEMA)
