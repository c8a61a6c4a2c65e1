"""What an objective has to know of the tokenizer: which token has which role, as the manifest of token shards says."""

from __future__ import annotations

import base64
import dataclasses
import functools
from typing import Any

import numpy as np

from corpus.loader.names import unknown

ROLES = (
    "cls",
    "sep",
    "mask",
    "bos",
    "eos",
    "pad",
    "unk",
    "fim_prefix",
    "fim_middle",
    "fim_suffix",
    "nlu",
    "nlg",
    "s2s",
)
"""Roles that tokens may have; `corpus.encoding.vocabulary` says by which names they are found."""
FREE_BYTES = tuple(range(0xFF, 0xF4, -1))
"""Bytes that no UTF-8 has, the last first: ByT5's sentinels are their ids (google-research/byt5, byt5/tasks.py)."""
BYTE_OFFSET = 3
"""Id of byte 0 (ByT5, Xue et al. 2022)."""


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The entry "vocabulary" of a manifest (see `corpus.tokens.manifest`), by roles.

    size       ids of the vocabulary
    roles      id of each role that the tokenizer has a token for
    sentinels  ids set aside for spans that are removed, in the order of their use
    """

    size: int
    roles: dict[str, int]
    sentinels: tuple[int, ...]
    family: str
    _special: tuple[int, ...]
    _word_starts: str | None
    _full_stops: tuple[int, ...]
    _said: bool

    def role(self, name: str, objective: str) -> int:
        """The id of the token with a role. Raises ValueError where the tokenizer has none."""
        if name not in ROLES:
            raise ValueError(unknown("role", name, ROLES))
        if name not in self.roles:
            raise ValueError(f"{objective} needs a token with the role {name!r}; {self._has()}")
        return self.roles[name]

    def spans(self, wanted: int, objective: str) -> np.ndarray:
        """int64[wanted]: a sentinel for each of so many spans. Raises ValueError where they are too few."""
        found, of = self.sentinels, "sentinels"
        if not found and self.family == "byte":
            found, of = tuple(byte + BYTE_OFFSET for byte in FREE_BYTES), "bytes that UTF-8 has not, and no sentinels"
        if wanted > len(found):
            raise ValueError(
                f"{objective} makes up to {wanted} spans of a sample, and the tokenizer has {len(found)} {of}: take a "
                "longer mean_span, a lower density, a shorter sequence_length, or a tokenizer with more sentinels"
            )
        return np.array(found[:wanted], np.int64)

    @functools.cached_property
    def special(self) -> np.ndarray:
        """bool[size]: whether an id is a special token or a sentinel."""
        found = np.zeros(self.size, np.bool_)
        found[[*self._special, *self.sentinels, *self.roles.values()]] = True
        return found

    @functools.cached_property
    def ordinary(self) -> np.ndarray:
        """int64[ids]: those that are not special."""
        return np.flatnonzero(~self.special)

    @functools.cached_property
    def plain(self) -> np.ndarray:
        """bool[size]: whether an id is not special."""
        return ~self.special

    @functools.cached_property
    def every(self) -> np.ndarray:
        """int64[size]: all ids."""
        return np.arange(self.size)

    def word_starts(self, objective: str) -> np.ndarray:
        """bool[size]: whether a token begins a word. Raises ValueError where tokens do not say."""
        if self._word_starts is None:
            raise ValueError(f"{objective} goes by words, and which tokens begin one the manifest does not say")
        return self._starts

    @functools.cached_property
    def _starts(self) -> np.ndarray:
        packed = np.frombuffer(base64.b64decode(self._word_starts or ""), np.uint8)
        return np.unpackbits(packed, count=self.size).astype(np.bool_) | self.special

    def full_stops(self, objective: str) -> np.ndarray:
        """bool[size]: whether a token ends a sentence. Raises ValueError where none does."""
        if not self._full_stops:
            raise ValueError(f"{objective} goes by sentences, and the tokenizer has no token of a full stop alone")
        return self._stops

    @functools.cached_property
    def _stops(self) -> np.ndarray:
        found = np.zeros(self.size, np.bool_)
        found[list(self._full_stops)] = True
        return found

    def _has(self) -> str:
        if not self._said:
            return "the manifest does not say what tokens there are: tokenize again"
        known = ", ".join(f"{role} {i}" for role, i in self.roles.items()) or "none"
        return f"the tokenizer has {known}"


def of_manifest(manifest: dict[str, Any]) -> Vocabulary:
    """The vocabulary of a manifest; of one that says nothing of it, one with the end-of-document token and padding."""
    said = manifest.get("vocabulary")
    about = said or {}
    roles = {"eos": manifest["end_id"]}
    if manifest.get("pad_id") is not None:
        roles["pad"] = manifest["pad_id"]
    return Vocabulary(
        size=manifest["vocab_size"],
        roles=roles | about.get("roles", {}),
        sentinels=tuple(about.get("sentinels", ())),
        family=(manifest.get("tokenizer") or {}).get("family", ""),
        _special=tuple(about.get("special", ())),
        _word_starts=about.get("word_starts"),
        _full_stops=tuple(about.get("full_stops", ())),
        _said=said is not None,
    )
