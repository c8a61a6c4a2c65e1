"""A mixture of denoisers: UL2 (Tay et al. 2022, arXiv 2205.05131, table 1), and what U-PaLM was continued with (Tay et
al. 2022, arXiv 2210.11399: "UL2R")."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np

from corpus.loader import names, spans
from corpus.loader.objective import Objective, Samples, Setting
from corpus.loader.objectives.span_corruption import corrupted


class Denoiser(NamedTuple):
    """`mean_span` 0: one span at the end, as of a prefix LM."""

    mode: str
    mean_span: float
    density: float


_R, _X, _S = "nlu", "nlg", "s2s"
MIXTURES: dict[str, tuple[Denoiser, ...]] = {
    "ul2": (
        Denoiser(_R, 3, 0.15), Denoiser(_R, 8, 0.15), Denoiser(_X, 3, 0.5), Denoiser(_X, 8, 0.5),
        Denoiser(_X, 64, 0.15), Denoiser(_X, 64, 0.5), Denoiser(_S, 0, 0.25),
    ),
    "ul2r": (
        *4 * (Denoiser(_S, 0, 0.25),), *2 * (Denoiser(_R, 3, 0.15),), Denoiser(_X, 32, 0.15), Denoiser(_X, 3, 0.5),
    ),
}  # fmt: skip
"""Each denoiser as often as it stands here: in ul2 all alike, in ul2r half S, a quarter R, an eighth each of two X."""


@dataclasses.dataclass(frozen=True)
class Ul2(Objective):
    """Window i is of denoiser i modulo their number, so that each has its share in any run of windows, and a length of
    its own: what fills sequence_length inputs with it.

    tokens, labels, decoder_tokens  as of "span_corruption"; the mode token stands before the inputs
    denoisers                       int32[B] which of the mixture each row is of; -1: an empty row
    """

    mixture: str = "ul2"
    """"ul2", or "ul2r", whose spans are rolled."""
    mode_tokens: bool = True
    """Begin inputs with the denoiser's token: roles nlu for R, nlg for X, s2s for S."""

    plans: ClassVar[tuple[str, ...]] = ("",)  # samples are of several lengths

    def __post_init__(self) -> None:
        names.check("mixture", self.mixture, tuple(MIXTURES))
        names.flag("mode_tokens", self.mode_tokens)

    @property
    def _roll(self) -> bool:
        return self.mixture == "ul2r"

    def _first_tokens(self, setting: Setting, denoiser: Denoiser) -> tuple[int, ...]:
        return (setting.vocabulary.role(denoiser.mode, "ul2"),) if self.mode_tokens else ()

    def _noise(self, setting: Setting, denoiser: Denoiser) -> spans.Noise:
        """Of S a mean span that no sample reaches, so that there is one."""
        return spans.noise_of(denoiser.density, denoiser.mean_span or 4 * setting.sequence_length)

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """A length for each denoiser."""
        lengths = []
        for denoiser in MIXTURES[self.mixture]:
            room = setting.sequence_length - len(self._first_tokens(setting, denoiser)) - self._rolls(denoiser)
            length = spans.solve(self._noise(setting, denoiser), room)
            if length < 1:
                raise ValueError(f"sequence_length {setting.sequence_length} has no room for a span and its sentinel")
            lengths.append(length)
        setting.vocabulary.spans(self._sentinels(setting, lengths), "ul2")
        return tuple(lengths)

    def _rolls(self, denoiser: Denoiser) -> bool:
        return self._roll and denoiser.mean_span > 0

    def _sentinels(self, setting: Setting, lengths: list[int]) -> int:
        return max(
            max(1, self._noise(setting, denoiser).count(length)[1]) + self._rolls(denoiser)
            for denoiser, length in zip(MIXTURES[self.mixture], lengths)
        )

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels, decoder_tokens, denoisers."""
        setting, mixture = samples.setting, MIXTURES[self.mixture]
        lengths = list(self.windows(setting))
        longest = max(
            self._noise(setting, denoiser).lengths(length)[1] + self._rolls(denoiser)
            for denoiser, length in zip(mixture, lengths)
        )
        sentinels = setting.vocabulary.spans(self._sentinels(setting, lengths), "ul2")
        which = np.where(samples.numbers < 0, -1, samples.numbers % len(mixture)).astype(np.int32)
        kinds = [(self._noise(setting, each), self._rolls(each), self._first_tokens(setting, each)) for each in mixture]
        batch = corrupted(samples, kinds, np.maximum(which, 0).astype(np.int64), sentinels, longest)
        return batch | {"denoisers": which}
