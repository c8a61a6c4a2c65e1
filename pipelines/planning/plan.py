"""What `winnow plan-tokens` says: tokens by each law, what they cost, and how often the sources are read for them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from corpus import options
from corpus.tokens import manifest as manifests
from pipelines.planning import laws

DEVICES = {"h100": 989.4e12, "h200": 989.4e12, "b200": 2250e12, "a100": 312e12, "v100": 125e12}
"""Floating-point operations a second, dense, bfloat16 (float16 of v100): NVIDIA's data sheets, of the SXM kinds."""
MOST = 1e30
"""Parameters or tokens at most: what is far beyond any training is a slip, and laws of powers overflow."""
UTILIZATION = 0.4
"""Share of them that a training uses: ours. PaLM 540B had 46.2 % (Chowdhery et al. 2022, table 3), GPT-3 21.3 %."""


@dataclasses.dataclass(frozen=True)
class SourceOfTokens:
    """Tokens that there are: what they are called, how many, and the share of the training that they are to be."""

    name: str
    tokens: int
    share: float


@dataclasses.dataclass(frozen=True)
class Row:
    """A training: which law says so many tokens, and how it comes to them."""

    law: str
    tokens: float
    arithmetic: str


@dataclasses.dataclass(frozen=True)
class Request:
    """What is planned for. `batch` is tokens of a step and `tokens` of the training, None: by the laws."""

    parameters: float
    batch: float | None = None
    tokens: float | None = None
    device: str = "h100"
    utilization: float = UTILIZATION

    def __post_init__(self) -> None:
        """Raises OptionError."""
        for name in ("parameters", "batch", "tokens"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= MOST:
                raise options.OptionError(f"option {name!r} should be a number from 1 to {MOST:g} (given {value!r})")
        if not 0 < self.utilization <= 1:
            raise options.OptionError(
                f"option 'utilization' should be greater than 0 and at most 1 (given {self.utilization!r})"
            )
        options.check_known([self.device], list(DEVICES), "device", "plan-tokens")

    @property
    def step(self) -> float:
        """Tokens of a step."""
        return self.batch or laws.kaplan_batch(self.parameters)

    def hours(self, tokens: float) -> float:
        """Of one device, for a training of so many tokens."""
        return laws.operations(self.parameters, tokens) / (DEVICES[self.device] * self.utilization) / 3600


def sources(given: Sequence[str]) -> list[SourceOfTokens]:
    """Sources as the command line names them: SOURCE or SOURCE=SHARE, where SOURCE is OUT, a folder of tokens or a
    number of tokens. Shares are of their sum; without any a source's is that of its tokens. Raises ValueError or
    FileNotFoundError."""
    named = [_split(each) for each in given]
    if len({share is None for _, share in named}) > 1:
        raise ValueError("give every source a share, as in web/tokens=0.8 books/tokens=0.2, or none")
    found = [(name, _count(name), share) for name, share in named]
    for name, tokens, share in found:
        if tokens < 1:
            raise ValueError(f"{name} has no tokens")
        if share is not None and not 0 < share < math.inf:
            raise ValueError(f"the share of {name} should be greater than 0, not {share:g}")
    whole = sum(tokens if share is None else share for _, tokens, share in found)
    return [SourceOfTokens(name, tokens, (tokens if share is None else share) / whole) for name, tokens, share in found]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _split(given: str) -> tuple[str, float | None]:
    """(name, share) of SOURCE=SHARE; a path may have an =, too."""
    name, equals, share = given.rpartition("=")
    return (name, _number(share)) if equals and _number(share) is not None else (given, None)


def _count(name: str) -> int:
    """Tokens of a source."""
    number = _number(name)
    if number is not None:
        return int(number)
    try:
        return int(manifests.of_run(name)[1]["tokens"])
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; give OUT, a folder of tokens, or a number of tokens") from None


def rows(request: Request) -> list[Row]:
    """A training by each law, and the one that is asked for."""
    n = request.parameters
    asked = [Row("as asked for", request.tokens, "--tokens")] if request.tokens else []
    ratio, compute = laws.TOKENS_A_PARAMETER, laws.kaplan_compute(n)
    return [
        *asked,
        Row(
            "Chinchilla", ratio * n,
            f"D = {ratio} N: Hoffmann et al. 2022 (arXiv 2203.15556), table 3, their first approach",
        ),
        Row(
            "Chinchilla, by its formula", laws.HOFFMANN.tokens(n),
            f"{_formula(laws.HOFFMANN)}, least at 6 N D: the same, equation 10, with constants as rounded there",
        ),
        Row(
            "the formula, fitted again", laws.BESIROGLU.tokens(n),
            f"{_formula(laws.BESIROGLU)}, least at 6 N D: Besiroglu et al. 2024 (arXiv 2404.10102), equation 5",
        ),
        Row(
            "Kaplan, compute-efficient", laws.kaplan_tokens(n),
            f"D = 2e10 C^0.27, C = (N / 1.3e9)^(1 / 0.73) = {compute:.3g} petaflop-days: Kaplan et al. 2020 (arXiv "
            "2001.08361), table 6; N without embeddings",
        ),
        Row(
            "Kaplan, no overfitting", laws.kaplan_data(n),
            "D = 5e3 N^0.74: the same, equation 4.4, below which convergence overfits by more than 2 %",
        ),
    ]  # fmt: skip


def _formula(loss: laws.Loss) -> str:
    return f"L = {loss.E:g} + {loss.A:g} / N^{loss.alpha:g} + {loss.B:g} / D^{loss.beta:g}"


def lines(request: Request, given: Sequence[SourceOfTokens]) -> Iterator[str]:
    """The plan, for people: laws, arithmetic, sources."""
    speed = DEVICES[request.device]
    yield f"model: N = {request.parameters:.4g} parameters, C = 6 N D operations"
    by = "--batch-tokens" if request.batch else "2.0e6 C^0.24, Kaplan et al. 2020, table 6"
    yield f"step: {request.step:,.0f} tokens ({by})"
    yield (
        f"{request.device}: {speed:.4g} operations a second (NVIDIA's data sheet), of which {request.utilization:.0%} "
        "are used (--utilization)"
    )
    yield ""
    yield from _law_table(request)
    yield ""
    for row in rows(request):
        yield f"{row.law}: {row.arithmetic}"
    yield "loss: nats a token, by the formula fitted again, were all tokens new"
    if given:
        yield ""
        yield from _source_lines(request, given)


def _law_table(request: Request) -> Iterator[str]:
    head = ("law", "tokens", "a parameter", "operations", "steps", f"{request.device} hours", "loss")
    yield f"{head[0]:<27}" + "".join(f"{name:>{width}}" for name, width in zip(head[1:], _WIDTHS))
    for row in rows(request):
        values = (
            f"{row.tokens:.3g}", f"{row.tokens / request.parameters:.3g}",
            f"{laws.operations(request.parameters, row.tokens):.3g}", f"{math.ceil(row.tokens / request.step):,}",
            f"{request.hours(row.tokens):,.0f}" if request.hours(row.tokens) >= 10
            else f"{request.hours(row.tokens):.2g}",
            f"{laws.BESIROGLU(request.parameters, row.tokens):.3f}",
        )  # fmt: skip
        yield f"{row.law:<27}" + "".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS))


_WIDTHS = (10, 13, 12, 12, 14, 8)


@dataclasses.dataclass(frozen=True)
class Reading:
    """What of a source is read: tokens, how often each, and as how many new ones they are."""

    source: SourceOfTokens
    read: float

    @property
    def epochs(self) -> float:
        """How often each of its tokens is read."""
        return self.read / self.source.tokens

    @property
    def worth(self) -> float:
        """As how many new tokens those that are read are."""
        return laws.worth(self.source.tokens, self.read)


def readings(given: Sequence[SourceOfTokens], tokens: float) -> list[Reading]:
    """What of each source is read by a training of so many tokens."""
    return [Reading(source, source.share * tokens) for source in given]


def _source_lines(request: Request, given: Sequence[SourceOfTokens]) -> Iterator[str]:
    chosen = rows(request)[0]
    found = readings(given, chosen.tokens)
    yield f"sources, for {chosen.tokens:.3g} tokens ({chosen.law}):"
    width = max(8, *(len(each.source.name) for each in found)) + 2
    yield f"{'source':<{width}}{'tokens':>10}{'share':>8}{'read':>10}{'epochs':>9}{'worth':>10}"
    for each in found:
        source = each.source
        yield (
            f"{source.name:<{width}}{source.tokens:>10.3g}{source.share:>8.1%}{each.read:>10.3g}{each.epochs:>9.3g}"
            f"{each.worth:>10.3g}"
        )
    there, read, worth = (sum(c) for c in zip(*((e.source.tokens, e.read, e.worth) for e in found)))
    yield f"{'together':<{width}}{there:>10.3g}{1:>8.1%}{read:>10.3g}{read / there:>9.3g}{worth:>10.3g}"
    yield ""
    yield (
        f"worth: new tokens that repeated ones stand for, D' = U + U R (1 - exp(-(epochs - 1) / R)), R = "
        f"{laws.REPEATS:.3g}, source by source: Muennighoff et al. 2023 (arXiv 2305.16264), equation 5"
    )
    unique = sum(min(each.read, each.source.tokens) for each in found)
    new = laws.MUENNIGHOFF(laws.used(request.parameters, chosen.tokens), chosen.tokens)
    here = laws.MUENNIGHOFF(laws.used(request.parameters, unique), worth)
    yield (
        f"loss: {here:.3f} with these, {new:.3f} were all tokens new ({_formula(laws.MUENNIGHOFF)}, of N' and D': the "
        "same, equations 5 and 6, appendix A)"
    )
    for each in found:
        name = each.source.name
        if each.epochs > laws.WASTED_EPOCHS:
            yield f"{name}: {each.epochs:.0f} epochs; beyond {laws.WASTED_EPOCHS} repeating is worthless"
        elif each.epochs > laws.GOOD_EPOCHS:
            yield f"{name}: {each.epochs:.1f} epochs; up to {laws.GOOD_EPOCHS} are about as good as new tokens"
