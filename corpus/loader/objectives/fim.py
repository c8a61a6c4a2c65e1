"""Fill in the middle (Bavarian et al. 2022, arXiv 2207.14255; NVIDIA/Megatron-LM, fim_dataset.py), of packed
context."""

from __future__ import annotations

import bisect
import dataclasses
import functools
from typing import Any, ClassVar

import numpy as np

from corpus.loader import middles, names
from corpus.loader.kernel import IGNORE
from corpus.loader.objective import Objective, Samples, Setting
from corpus.tokens import manifest as manifests

LEVELS = {"token": middles.EXTRA, "character": middles.EXTRA + 4}
"""Room for a piece that is turned, in tokens: the special ones, and what parts of words take more than the words."""
ASKED, LEAST = 0.995, 0.98
"""How much of `rate` there is room for by default, as far as can be said beforehand; with less than LEAST of it a
reserve is refused."""


@dataclasses.dataclass(frozen=True)
class Fim(Objective):
    """Next tokens, of documents whose middle was moved to the end. Each piece that a sample has of a document, without
    its end token, is turned with probability `rate`: it is cut in two places, each of the n + 1 as likely, into prefix,
    middle and suffix, any of which may be empty. Nothing is cut off to make room: a sample is sequence_length - reserve
    tokens, and where more pieces want to be turned than that has room for, chance decides which are. A reserve, or a
    packing plan, by which less than 98 % of those that want to be would be is refused; what is needed follows from how
    many documents a sample has, which some samples are looked at for.

    Cut between characters, a piece has n characters and its parts are encoded anew, by the tokenizer of the run, which
    has to give parts of its texts back. Where that would take more room than is left the piece is cut between tokens.

    tokens  [B, L] the token before each label: of the first, the one before the sample
    labels  [B, L] what is to be predicted, all of it; -100 is padding
            PSM: <PRE> prefix <SUF> suffix <MID> middle     SPM: <PRE> <SUF> suffix <MID> prefix middle
    """

    rate: float = 0.5
    """How many pieces are turned (the paper: up to 0.9 does no harm)."""
    spm_rate: float = 0.5
    """Of these, how many have the suffix first (SPM, the paper's second variant)."""
    reserve: int = 0
    """Room in a row for what turned pieces have more, three tokens each, seven with characters; 0: as much as is
    needed, or as the packing plan leaves."""
    level: str = "token"
    """Between what a piece is cut: "token" or "character"."""

    batch_options: ClassVar[tuple[str, ...]] = ("rate", "spm_rate")

    def __post_init__(self) -> None:
        names.shares(rate=self.rate, spm_rate=self.spm_rate)
        names.count("reserve", self.reserve)
        names.check("level", self.level, tuple(LEVELS))

    @property
    def _each(self) -> int:
        return LEVELS[self.level]

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """What is left beside the reserve."""
        self._tokens(setting)
        if self.level == "character":
            _encoder(setting)
        reserve, length = self.reserve, setting.sequence_length
        if setting.plan is not None:
            reserve = reserve or length - setting.plan["sequence_length"]
        elif not reserve:
            return (length - self._needed(setting),)
        if reserve < self._each or reserve >= length:
            raise ValueError(f"fim needs a reserve of at least {self._each} tokens and a longer sequence_length")
        assert setting.count_pieces is not None
        pieces = setting.count_pieces(length - reserve)
        met = middles.share_met(pieces, self.rate, reserve // self._each)
        if met < LEAST:
            needed = self._each * middles.room_for(pieces, self.rate, ASKED)
            shorter = "" if setting.plan is None else f": pack for {length - needed} tokens"
            raise ValueError(
                f"with a reserve of {reserve} tokens fim turns {met * self.rate:.2f} of the pieces, not {self.rate}: "
                f"that rate needs a reserve of {needed} tokens{shorter}"
            )
        return (length - reserve,)

    def _needed(self, setting: Setting) -> int:
        """The reserve by which the rate is met."""
        count, length = setting.count_pieces, setting.sequence_length
        assert count is not None

        def enough(room: int) -> bool:
            return middles.room_for(count(length - self._each * room), self.rate, ASKED) <= room

        rooms = range(1, (length - 1) // self._each + 1)
        found = bisect.bisect_left(rooms, True, key=enough)
        if found == len(rooms):
            raise ValueError(f"fim needs a reserve of at least {self._each} tokens and a longer sequence_length")
        return self._each * rooms[found]

    def _tokens(self, setting: Setting) -> np.ndarray:
        known = setting.vocabulary
        return np.array([known.role(name, "fim") for name in ("fim_prefix", "fim_middle", "fim_suffix")], np.int64)

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels."""
        setting = samples.setting
        rows = samples.read(documents=True, previous=1)
        assert rows.document_ids is not None
        shape = len(rows.lengths), setting.sequence_length
        labels, inputs = np.empty(shape, setting.dtype), np.empty(shape, setting.dtype)
        document_ids = np.zeros(shape if setting.boundaries else (shape[0], 0), np.int32)
        how = middles.Turning(
            self._tokens(setting), setting.end_id, float(self.rate), float(self.spm_rate),
            (setting.sequence_length - samples.source.longest) // self._each,
        )  # fmt: skip
        if self.level == "character":
            silent, encoder = setting.vocabulary.special, _encoder(setting)
            filled = middles.turn_by_characters(rows, samples.keys, how, silent, encoder, labels, document_ids)
        else:
            filled = middles.turn(
                rows.tokens, rows.lengths, rows.document_ids, samples.keys, *how, labels, document_ids
            )
        middles.shift(labels, filled, rows.previous, inputs, setting.pad_id, IGNORE)
        return {"tokens": inputs, "labels": labels} | samples.describe(document_ids)


def _encoder(setting: Setting) -> middles.Encoder:
    folder = manifests.tokenizer_path(setting.folder, setting.manifest)
    return _load(folder, setting.manifest["tokenizer"]["fingerprint"])


_BLANKS = ("a", " a", "a ", "  a\n\n\tb")
_CHARACTERS = "x\u00e9\u20ac\U00010348e\u0301\u00a0\ufb01"


@functools.lru_cache(4)
def _load(folder: str, fingerprint: str) -> middles.Encoder:
    """The tokenizer of the run. Raises FileNotFoundError where there is none, ValueError where it is another, or does
    not give parts of its own texts back."""
    from corpus.encoding.encoder import is_ours, load_encoder  # more than a training image has to have

    if not is_ours(folder):
        raise FileNotFoundError(f"fim between characters needs the tokenizer {folder}, which is not there")
    encoder = load_encoder(folder)
    if encoder.fingerprint != fingerprint:
        raise ValueError(f"{folder} is not the tokenizer of these tokens")
    (tokens,) = encoder.encode_texts([_CHARACTERS])
    text = encoder.decode(tokens)  # in a normal form that the tokenizer may have
    parts = [*_BLANKS, *(part for k in range(len(text) + 1) for part in (text[:k], text[k:]))]
    if [encoder.decode(tokens) for tokens in encoder.encode_texts(parts)] != parts:
        raise ValueError(
            "fim between characters needs a tokenizer that gives parts of its texts back, as byte-level BPE does, and "
            f"not one of the family {encoder.family!r}: take level: token"
        )
    return encoder
