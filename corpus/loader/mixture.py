"""Several token folders as one run: how many samples of which, in what order, phase by phase."""

from __future__ import annotations

import bisect
import dataclasses
import fractions
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from corpus.loader import names
from corpus.loader.account import Account, labels_of
from corpus.loader.boundaries import finish
from corpus.loader.read_ahead import Call
from corpus.loader.run import Run
from corpus.loader.schedule import Counts, Weights, whole
from corpus.loader.stream import STATE_VERSION, TokenStream, sample_of
from corpus.loader.token_shards import share_out

AMOUNTS = ("weight", "epochs", "tokens")
Source = tuple[str, Any] | Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of a run. `sources` are of (path, amount) each, or {"path": .., "weight": ..}: all have weights, or all
    {"epochs": 1.5} or {"tokens": 10**9} of their own. With weights the phase has `tokens`, or no end."""

    sources: Sequence[Source]
    tokens: int | None = None


@dataclasses.dataclass(frozen=True)
class _Scheduled:
    """A phase: which sources of the mixture it has, in what order, where it begins, how many samples it has (None: no
    end), and how many of each source there are before it (int64[sources of the mixture])."""

    sources: np.ndarray
    schedule: Weights | Counts
    begin: int
    samples: int | None
    before: np.ndarray

    def counts(self, sample: int) -> np.ndarray:
        """int64[sources of the mixture]: samples of each before this one of the run, which is of the phase, or the
        first behind it."""
        counts = self.before.copy()
        counts[self.sources] += self.schedule.before(sample - self.begin)
        return counts


class Mixture(Run):
    """A run over several token folders: like a TokenStream, of which each sample is of one of them.

    sources   of (path, amount) each, amounts as `Phase` has them; or phases, one after the other, which are Phase or
              {"sources": .., "tokens": ..}: what a YAML file has
    options   those of TokenStream for all sources but `epochs`, which the amounts say

    A source that several phases have goes on in the one where it stood at the end of the other. Within a phase, at
    every prefix the number of samples of a source is within 1 of its share (corpus.loader.schedule says how, and what
    holds beyond a million samples). What was scheduled does not move when phases are added behind, or a phase of
    weights is made longer: a state of the shorter run is one of the longer.

    A batch has also
    source_ids   int32[B] number of each row's source in `paths`; -1 for an empty row
    and a state also `counts`, samples of each source so far. With `audit` there is an `account` of each source.

    Raises ValueError as TokenStream does, and for amounts that are none or sources with other tokenizers.

    >>> import tempfile
    >>> import numpy as np
    >>> from corpus.tokens import manifest, megatron
    >>> folder = tempfile.TemporaryDirectory()
    >>> for name, first in (("a", 10), ("b", 50)):
    ...     path = f"{folder.name}/{name}"
    ...     with megatron.ShardWriter(path + "/00000", vocab_size=100) as shard:
    ...         shard.add(np.arange(first, first + 12), np.array([0, 12]))
    ...     shards = [manifest.describe_shard(path + "/00000")]
    ...     tokenizer = {"fingerprint": "", "family": "byte", "path": ""}
    ...     _ = manifest.write(path, shards, vocab_size=100, tokenizer=tokenizer, end_id=0)

    >>> from corpus.loader import Mixture
    >>> sources = [(f"{folder.name}/a", {"epochs": 1}), (f"{folder.name}/b", {"epochs": 0.5})]
    >>> mixture = Mixture(sources, sequence_length=3, batch_size=3, shuffle=False)
    >>> [(batch["labels"][:, 0].tolist(), batch["source_ids"].tolist()) for batch in mixture]
    [([10, 13, 50], [0, 0, 1]), ([16, 19, 53], [0, 0, 1])]
    """

    def __init__(
        self,
        sources: Sequence[Source] | Sequence[Phase | Mapping[str, Any]],
        *,
        sequence_length: int,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        last: str = "pad",
        audit: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(rank, world_size, batch_size, last, options.get("shuffle", True))
        if "epochs" in options:
            raise ValueError("epochs are said of each source of a mixture, as its amount: (path, {'epochs': 2})")
        phases = [_named(phase) for phase in _phases(sources)]
        self._given = [
            {"sources": [{"path": path, kind: _plain(amount)} for path, kind, amount in amounts], "tokens": tokens}
            for amounts, tokens in phases
        ]
        self.paths: list[str] = list(dict.fromkeys(path for amounts, _ in phases for path, _, _ in amounts))
        """The sources, in the order of their first mention."""
        self.streams = [
            TokenStream(path, sequence_length=sequence_length, batch_size=1, epochs=None, **options)
            for path in self.paths
        ]
        share_out([stream.shards for stream in self.streams])
        self._check_streams()
        self._any = max(self.streams, key=lambda stream: stream.samples)  # which has empty rows like any other
        self._phases: list[_Scheduled] = []
        for amounts, tokens in phases:
            self._add(amounts, tokens)
        last_phase = self._phases[-1]
        self.total = None if last_phase.samples is None else last_phase.begin + last_phase.samples
        self.seed: int = self.streams[0].seed
        self._accounts: list[Account] | None = [] if audit else None
        self._begin_accounts()
        if self.total and self.total < world_size:
            self._steps_from(0)

    @property
    def samples(self) -> int | None:
        """Samples of the run; None if it is endless."""
        return self.total

    @property
    def figures(self) -> dict[str, Any]:
        """Samples of the run, and of each source how many there are in an epoch of its own and how many here."""
        each = [None] * len(self.paths) if self.total is None else self.counts(self.total).tolist()
        sources = {
            path: {"samples": stream.samples, "tokens": stream.tokens, "scheduled": scheduled}
            for path, stream, scheduled in zip(self.paths, self.streams, each)
        }
        return {"samples": self.total, "sources": sources}

    @property
    def tokens(self) -> int | None:
        """Tokens of the run, about: as many samples of each source times the tokens that they have on average."""
        if self.total is None:
            return None
        each = zip(self.counts(self.total).tolist(), self.streams)
        return sum(count * stream.tokens // max(1, stream.samples) for count, stream in each)

    def counts(self, sample: int) -> np.ndarray:
        """int64[sources]: samples of each source before this sample of the run."""
        return self._phase_of(sample - 1).counts(sample) if sample else np.zeros(len(self.paths), np.int64)

    def rewind(self, epoch: int = 0) -> None:
        """Go to the beginning."""
        if epoch:
            raise ValueError("a mixture has no epochs of its own")
        self.sample = 0
        self._begin_accounts()

    def _begin_accounts(self) -> None:
        """One of each source; the steps are in the first's."""
        if self._accounts is not None:
            self._accounts = [Account(stream.samples) for stream in self.streams]

    def note(self, batch: dict[str, Any]) -> None:
        """See Run: counts the batch in the accounts, if they are kept, but for what "wrap" repeats of the run's
        beginning."""
        if self._accounts is None:
            return
        taken = self.taken(self.sample)
        part = self.part(self.sample, taken, self.rank)
        self._accounts[0].add_step(self.sample, taken)
        count = part.count if self.total is None else max(0, min(part.count, self.total - part.first))
        sources, places = self._locate(part.first, count)
        labels = labels_of(batch, count)
        for source, rows, first in _runs(sources, sources, places):
            numbers = self.streams[source].numbers(first, len(rows))
            self._accounts[source].add(places[rows], numbers, labels[rows], part.share)

    def account(self) -> dict[str, Any]:
        """As TokenStream's, with an entry a source. Raises ValueError for a mixture without `audit`."""
        if self._accounts is None:
            raise ValueError("no account was kept: open the mixture with audit=True")
        ranks = {"rank": self.rank, "world_size": self.world_size, "batch_size": self.batch_size, "last": self.last}
        end = max((end for _, end in self._accounts[0].steps), default=0)
        end = end if self.total is None else min(end, self.total)
        known = {"version": STATE_VERSION, "fingerprint": self._fingerprint(end), "options": self.streams[0].options}
        sources = [
            {"path": path, "fingerprint": stream.fingerprint, "counts": account.counts()}
            for path, stream, account in zip(self.paths, self.streams, self._accounts)
        ]
        return known | ranks | {"steps": self._accounts[0].steps, "phases": self._given, "sources": sources}

    def scheduled_alike(self, fingerprint: str, sample: int) -> bool:
        """Whether an account that has this fingerprint and ends with `sample` was of this order up to there."""
        return self._fingerprint(sample if self.total is None else min(sample, self.total)) == fingerprint

    def find(self, source: int, place: int, until: int) -> int | None:
        """The sample of the run, below `until`, that is sample `place` of the source's own run; None if none is."""
        until = until if self.total is None else min(until, self.total)
        found = bisect.bisect_right(range(until + 1), place, key=lambda sample: int(self.counts(sample)[source]))
        return found - 1 if found <= until else None

    def state_dict(self) -> dict[str, Any]:
        """As TokenStream's."""
        counts = dict(zip(self.paths, self.counts(self.sample).tolist()))
        return {
            "version": STATE_VERSION,
            "fingerprint": self._fingerprint(self.sample),
            "seed": self.seed,
            "sample": self.sample,
            "counts": counts,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume. Raises ValueError if up to there another order of samples was scheduled."""
        sample = sample_of(state)
        if self.total is not None and sample > self.total:
            raise ValueError(f"state has sample {sample}, this mixture has {self.total}")
        if state["fingerprint"] != self._fingerprint(sample):
            raise ValueError(
                f"state belongs to another order of samples: of what was scheduled before sample {sample} the sources, "
                "their amounts or an option are not what they were; phases may only be added behind"
            )
        self.sample = sample
        self._begin_accounts()

    def _add(self, amounts: list[tuple[str, str, Any]], tokens: int | None) -> None:
        """Schedule a phase behind the others."""
        before, begin = np.zeros(len(self.paths), np.int64), 0
        if self._phases:
            earlier = self._phases[-1]
            if earlier.samples is None:
                raise ValueError("only the last phase of weights may be without `tokens`")
            begin = earlier.begin + earlier.samples
            before = earlier.counts(begin)
        sources = [self.paths.index(path) for path, _, _ in amounts]
        schedule: Weights | Counts
        if amounts[0][1] == "weight":
            schedule = Weights(whole([amount for _, _, amount in amounts]))
            of_each = [self._mean_tokens(source) for source in sources]
            mean = sum(each * count for each, count in zip(of_each, schedule.counts)) / sum(schedule.counts)
            samples = None if tokens is None else math.ceil(tokens / mean)
        else:
            if tokens is not None:
                raise ValueError("a phase has `tokens`, or its sources have epochs or tokens, not both")
            schedule = Counts(tuple(self._samples(source, *rest) for source, (_, *rest) in zip(sources, amounts)))
            samples = sum(schedule.counts)
        for source, count in zip(sources, schedule.counts):
            if count and not self.streams[source].samples:
                raise ValueError(f"{self.paths[source]} has no tokens")
        self._phases.append(_Scheduled(np.array(sources, np.int64), schedule, begin, samples, before))

    def _mean_tokens(self, source: int) -> fractions.Fraction:
        stream = self.streams[source]
        return fractions.Fraction(stream.tokens, stream.samples) if stream.samples else fractions.Fraction(1)

    def _samples(self, source: int, kind: str, amount: Any) -> int:
        """Samples of so many epochs or tokens of a source."""
        try:
            exact = fractions.Fraction(str(amount))
        except ValueError:
            raise ValueError(f"{kind} {amount!r} of {self.paths[source]} is no number") from None
        if exact < 0:
            raise ValueError(f"{kind} of {self.paths[source]} must be at least 0, not {amount}")
        if kind == "epochs":
            return round(exact * self.streams[source].samples)
        return math.ceil(exact / self._mean_tokens(source))

    def _check_streams(self) -> None:
        first, *others = [stream.shards.manifest for stream in self.streams]
        for path, other in zip(self.paths[1:], others):
            for key in ("tokenizer", "vocab_size", "end_id", "pad_id"):
                mine, theirs = first.get(key), other.get(key)
                if key == "tokenizer":
                    mine, theirs = (each and each.get("fingerprint") for each in (mine, theirs))
                if mine != theirs:
                    raise ValueError(f"{path} has another {key} than {self.paths[0]}: {theirs!r}, not {mine!r}")

    def _phase_of(self, sample: int) -> _Scheduled:
        """The phase that a sample is in; the last for what is behind it."""
        return next((phase for phase in reversed(self._phases) if phase.begin <= sample), self._phases[0])

    def _fingerprint(self, sample: int) -> str:
        """Hash of everything that the samples before this one depend on: of the phase that it is in the proportions, of
        those before it the samples, too."""
        content: list[Any] = [self.seed]
        for phase in self._phases:
            if phase.begin >= max(1, sample):
                break
            sources = [self.streams[source].fingerprint for source in phase.sources.tolist()]
            content.append([phase.schedule.kind, sources, list(phase.schedule.counts)])
            if phase.samples is not None and phase.begin + phase.samples < sample:
                content.append(phase.samples)
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()

    def _locate(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(source int64[count], sample of its own run int64[count]) of samples of the run; behind its end it begins
        again."""
        sources, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        while count > 0:
            if self.total is not None:
                first %= self.total
            phase = self._phase_of(first)
            here = count if phase.samples is None else min(count, phase.begin + phase.samples - first)
            if here:
                source, place = phase.schedule.locate(first - phase.begin, here)
                sources.append(phase.sources[source])
                places.append(place + phase.before[phase.sources[source]])
            first, count = first + here, count - here
        return np.concatenate(sources), np.concatenate(places)

    def _read(self, first: int, count: int, rows: int) -> dict[str, Any]:
        sources, places = self._locate(first, count)
        source_ids = np.full(rows, -1, np.int32)
        source_ids[:count] = sources
        batch: dict[str, Any] = {}
        for source, where, begin in _runs(source_ids, sources, places):
            stream = self.streams[source] if source >= 0 else self._any
            part = stream.unfinished(begin, len(where) if source >= 0 else 0, len(where))
            for name, array in part.items():
                if name not in batch:
                    batch[name] = np.empty((rows, *array.shape[1:]), array.dtype)
                batch[name][where] = array
        return finish(batch, stream.boundaries, stream.inputs, stream.dtype) | {"source_ids": source_ids}

    @property
    def at_hand(self) -> bool:
        """See Run."""
        return all(stream.at_hand for stream in self.streams)

    def missing(self, first: int, count: int) -> Iterator[Call]:
        """See Run."""
        sources, places = self._locate(first, count)
        for source, where, begin in _runs(sources, sources, places):
            yield from self.streams[source].missing(begin, len(where))

    def _count_labels(self, first: int, count: int) -> np.ndarray | None:
        sources, places = self._locate(first, count)
        found = np.zeros(count, np.int64)
        for source, where, begin in _runs(sources, sources, places):
            labels = self.streams[source].count_labels(begin, len(where))
            if labels is None:
                return None
            found[where] = labels
        return found


def _runs(source_ids: np.ndarray, sources: np.ndarray, places: np.ndarray) -> list[tuple[int, np.ndarray, int]]:
    """(source, its rows, the first of its samples) for samples that follow each other in each source; -1, without any,
    for empty rows. Where a run begins again a source has two of these."""
    found = []
    for source in np.unique(source_ids).tolist():
        where = np.flatnonzero(source_ids == source)
        if source < 0:
            found.append((source, where, 0))
            continue
        first = int(places[where[0]])
        if places[where[-1]] - first == len(where) - 1:
            found.append((source, where, first))
            continue
        for part in np.split(where, np.flatnonzero(np.diff(places[where]) != 1) + 1):
            found.append((source, part, int(places[part[0]])))
    return found


def _phases(sources: Sequence[Any]) -> list[Phase]:
    """The phases that a mixture was given, or the one that its sources make."""
    if not sources or not isinstance(sources, (list, tuple)):
        raise ValueError(f"a mixture needs sources, or phases, a list of them, not {sources!r}")
    made = []
    for each in sources:
        if isinstance(each, Phase):
            made.append(each)
        elif isinstance(each, Mapping) and "sources" in each:
            for name in each:
                names.check("entry of a phase", name, ("sources", "tokens"))
            made.append(Phase(each["sources"], each.get("tokens")))
    if made and len(made) < len(sources):
        raise ValueError("a mixture has phases or sources, not both side by side")
    return made or [Phase(sources)]


def _named(phase: Phase) -> tuple[list[tuple[str, str, Any]], int | None]:
    """((path, one of AMOUNTS, amount) of each source, tokens) of a phase."""
    found = []
    for source in phase.sources:
        if isinstance(source, Mapping):
            given = {name: value for name, value in source.items() if name != "path"}
            path = source.get("path")
        elif isinstance(source, str) or len(source) != 2:
            raise ValueError(f"a source is (path, weight), or (path, {{'epochs': 2}}), not {source!r}")
        else:
            path, amount = source
            given = dict(amount) if isinstance(amount, Mapping) else {"weight": amount}
        for name in given:
            names.check("amount", name, AMOUNTS)
        if path is None or len(given) != 1:
            raise ValueError(f"a source has a path and one of {', '.join(AMOUNTS)}, not {source!r}")
        found.append((str(path).rstrip("/"), *next(iter(given.items()))))
    paths = [path for path, _, _ in found]
    if not found or len(set(paths)) < len(paths):
        raise ValueError(f"a phase needs sources, each once, not {paths}")
    if len({kind == "weight" for _, kind, _ in found}) > 1:
        raise ValueError("sources of a phase have weights, or epochs and tokens, not both")
    return found, None if phase.tokens is None else _whole(phase.tokens)


def _whole(tokens: Any) -> int:
    """Tokens of a phase as a number: YAML reads 1e9 as text."""
    try:
        exact = fractions.Fraction(str(tokens))
    except ValueError:
        raise ValueError(f"tokens {tokens!r} of a phase is no number") from None
    if exact < 1:
        raise ValueError(f"tokens of a phase must be at least 1, not {tokens}")
    return math.ceil(exact)


def _plain(amount: Any) -> float | int | str:
    """An amount as JSON has it."""
    return amount if isinstance(amount, (int, float, str)) else str(amount)
