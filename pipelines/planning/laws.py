"""Scaling laws as they were published: how many tokens a language model of N parameters wants, what loss is to be
expected, what repeated tokens are worth. Losses are nats a token; C counts floating-point operations.

hoffmann     Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models" (Chinchilla), arXiv 2203.15556
besiroglu    Besiroglu et al. 2024, "Chinchilla Scaling: A replication attempt", arXiv 2404.10102
kaplan       Kaplan et al. 2020, "Scaling Laws for Neural Language Models", arXiv 2001.08361
muennighoff  Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", arXiv 2305.16264
"""

from __future__ import annotations

import dataclasses
import math

OPERATIONS = 6
"""For a parameter and a token, forward and backward: C = 6 N D (kaplan, section 2.1; hoffmann, appendix F)."""
PETAFLOP_DAY = 1e15 * 24 * 3600
"""Operations: kaplan's unit of compute."""
TOKENS_A_PARAMETER = 20
"""hoffmann, table 3: 20.2 at 1e9 parameters, 20.5 at 1e10, 22.4 at 6.7e10, 21.1 at 1.75e11."""


@dataclasses.dataclass(frozen=True)
class Loss:
    """L(N, D) = E + A / N^alpha + B / D^beta."""

    E: float
    A: float
    alpha: float
    B: float
    beta: float

    def __call__(self, parameters: float, tokens: float) -> float:
        """Nats a token."""
        return self.E + self.A / parameters**self.alpha + self.B / tokens**self.beta

    def tokens(self, parameters: float) -> float:
        """D for which no other N has a smaller loss at the same 6 N D: hoffmann, equation 4, solved for D. There
        alpha A / N^alpha = beta B / D^beta."""
        return (self.beta * self.B / (self.alpha * self.A) * parameters**self.alpha) ** (1 / self.beta)

    def parameters(self, tokens: float) -> float:
        """The N that D is best for: the inverse of `tokens`."""
        return (self.alpha * self.A / (self.beta * self.B) * tokens**self.beta) ** (1 / self.alpha)


HOFFMANN = Loss(E=1.69, A=406.4, alpha=0.34, B=410.7, beta=0.28)
"""hoffmann, equation 10. Rounded as printed, which moves the best D: see besiroglu, section 1."""
BESIROGLU = Loss(E=1.8172, A=482.01, alpha=0.3478, B=2085.43, beta=0.3658)
"""besiroglu, equation 5: the same formula, fitted again."""
MUENNIGHOFF = Loss(E=1.87, A=521, alpha=0.353, B=1488, beta=0.353)
"""muennighoff, appendix A: fitted with alpha = beta, to their runs of one epoch."""

REPEATS, EXCESS = 15.387756, 5.309743
"""muennighoff, section 6 and appendix A: R*_D and R*_N, after how many repetitions a token, or a parameter beyond those
that the data suffice for, has lost 1 - 1/e of its worth."""
GOOD_EPOCHS = 4
"""muennighoff, abstract: up to so many, repeated tokens change the loss next to nothing against new ones."""
WASTED_EPOCHS = 40
"""muennighoff, section 6: beyond these repeating is worthless."""

_KAPLAN_PARAMETERS, _KAPLAN_PARAMETERS_POWER = 1.3e9, 0.73
_KAPLAN_TOKENS, _KAPLAN_TOKENS_POWER = 2e10, 0.27
_KAPLAN_BATCH, _KAPLAN_BATCH_POWER = 2.0e6, 0.24


def kaplan_compute(parameters: float) -> float:
    """Petaflop-days for which so many parameters are best: N = 1.3e9 C^0.73 (kaplan, table 6)."""
    return (parameters / _KAPLAN_PARAMETERS) ** (1 / _KAPLAN_PARAMETERS_POWER)


def kaplan_tokens(parameters: float) -> float:
    """Tokens of the training that is best there, far from convergence: D = 2e10 C^0.27 (kaplan, table 6)."""
    return _KAPLAN_TOKENS * kaplan_compute(parameters) ** _KAPLAN_TOKENS_POWER


def kaplan_batch(parameters: float) -> float:
    """Tokens of a step there: B = 2.0e6 C^0.24 (kaplan, table 6)."""
    return _KAPLAN_BATCH * kaplan_compute(parameters) ** _KAPLAN_BATCH_POWER


def kaplan_data(parameters: float) -> float:
    """Tokens from which a model that is trained to convergence overfits by less than 2 %: D = 5e3 N^0.74 (kaplan,
    equation 4.4)."""
    return 5e3 * parameters**0.74


def worth(unique: float, read: float) -> float:
    """As how many new tokens `read` tokens are, of which `unique` are new (muennighoff, equation 5):

    D' = U + U R* (1 - exp(-R / R*)), R = D / U - 1 repetitions
    """
    if read <= unique:
        return read
    repetitions = read / unique - 1
    return unique + unique * REPEATS * -math.expm1(-repetitions / REPEATS)


def used(parameters: float, unique: float) -> float:
    """As how many parameters N are, where there are `unique` tokens (muennighoff, equation 6):

    N' = U + U R* (1 - exp(-R / R*)), U = min(N, those that the tokens suffice for), R = N / U - 1
    """
    enough = min(parameters, MUENNIGHOFF.parameters(unique))
    return enough + enough * EXCESS * -math.expm1(-(parameters / enough - 1) / EXCESS)


def operations(parameters: float, tokens: float) -> float:
    """Floating-point operations of a training."""
    return OPERATIONS * parameters * tokens
