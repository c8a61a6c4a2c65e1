"""What every step of a recipe is: a frozen dataclass with a name, rules, and options, which are validated when it is
built.

A *filter* maps a batch of documents to an `Outcome`, row by row, and knows nothing of other batches. What looks at the
whole corpus, or makes tokens of it, is defined in `pipelines.context`, for it needs a run.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from corpus import closure, options


class Step(abc.ABC):
    """A configured step. A class of steps is a frozen dataclass whose fields are `options.option`s; every method here
    may be left as it is.

    >>> import corpus
    >>> corpus.Length(min_words=5).name, corpus.Length.rules[:2]
    ('length', ('too_few_characters', 'too_many_characters'))
    """

    name: ClassVar[str]
    """As recipes name it."""
    rules: ClassVar[tuple[str, ...]] = ()
    """Names of the reasons for which it drops documents."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        options.document(cls)

    def __post_init__(self) -> None:
        options.validate(self, f"step {self.name!r}")
        try:
            self.refuse()
        except options.OptionError:
            raise
        except ValueError as error:
            raise options.OptionError(f"step {self.name!r}: {error}") from None

    def refuse(self) -> None:
        """Raises ValueError for options that contradict each other, or that no type or bound can refuse."""

    def check(self) -> None:
        """Before a run: raises ImportError for a package that is missing, ValueError for what cannot be used. Imports
        nothing of the user's."""

    def left_out(self) -> str | None:
        """Why a run leaves it out, or None: a recipe may have a list for its users to give, and empty until they do."""
        return None

    def inputs(self) -> Sequence[str]:
        """Paths of files that it reads beside documents. Raises FileNotFoundError where there are none."""
        return ()

    def imports(self) -> str | None:
        """What it imports of the user's own code, for the run to say."""
        return None

    def code(self) -> tuple[closure.Code, ...]:
        """Modules beyond the closure of its own that decide what it does, where its options name them."""
        return ()


class Filter(Step):
    """A step that decides row by row: stateless, deterministic. Consecutive filters are run in one pass.

    >>> import corpus, dataclasses, numpy as np, pyarrow as pa, pyarrow.compute as pc
    >>> @dataclasses.dataclass(frozen=True)
    ... class NoShouting(corpus.Filter):
    ...     name, rules = "no_shouting", ("shouts",)
    ...     def apply(self, batch):
    ...         shouts = pc.utf8_is_upper(batch["text"]).to_numpy(zero_copy_only=False)
    ...         rows, kept = np.flatnonzero(shouts), batch.filter(pa.array(~shouts))
    ...         return corpus.Outcome(kept, rows, ["shouts"] * len(rows), ["all"] * len(rows), ["none"] * len(rows))
    >>> corpus.apply_filters(["LOUD", "quiet"], NoShouting()).dropped.select(["id", "rule"]).to_pylist()
    [{'id': '0', 'rule': 'shouts'}]
    """

    @abc.abstractmethod
    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """What becomes of a batch of the document table."""

    @property
    def shared_words(self) -> str | None:
        """The preset whose counts of words it shares with its neighbours (`corpus.cleaning.kernels.shared_words`)."""
        return None

    def where_in(self, batch: pa.RecordBatch, outcome: Outcome) -> list[Place]:
        """Where in a batch of one document its rules found something, `outcome` being what `apply` made of it. Only
        called to explain, so it may be slow, but it must find what `apply` did."""
        return []


@dataclasses.dataclass
class Outcome:
    """What a filter did to a batch: `kept` (a batch), and for each dropped row its index in the batch that it was
    given, the rule, the value that decided and the threshold (both as text), all of the same length; `counters` are
    further counts, such as lines removed by each rule; `faulty` are rows that it fails at, each with its error.

    >>> import corpus
    >>> batch = corpus.as_table(["a text", ""]).to_batches()[0]
    >>> outcome = corpus.Length(min_characters=1).apply(batch)
    >>> outcome.kept.num_rows, outcome.rows.tolist(), outcome.rules, outcome.values, outcome.thresholds
    (1, [1], ['too_few_characters'], ['0'], ['1'])
    """

    kept: pa.RecordBatch
    rows: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    rules: list[str] = dataclasses.field(default_factory=list)
    values: list[str] = dataclasses.field(default_factory=list)
    thresholds: list[str] = dataclasses.field(default_factory=list)
    counters: dict[str, int] = dataclasses.field(default_factory=dict)
    faulty: dict[int, str] = dataclasses.field(default_factory=dict)


class Place(NamedTuple):
    """Where in a document a rule found something: bytes `start` to `end` of a column of strings.

    >>> import corpus
    >>> corpus.Place("line_javascript", 0, 17)
    Place(rule='line_javascript', start=0, end=17, column='text')
    """

    rule: str
    start: int
    end: int
    column: str = "text"


def unique_names(steps: Sequence[Step]) -> list[str]:
    """The steps' names in the run, those that repeat numbered: ["length", "c4", "length-2"]."""
    names: list[str] = []
    for step in steps:
        same = sum(1 for earlier in steps[: len(names)] if earlier.name == step.name)
        names.append(step.name if not same else f"{step.name}-{same + 1}")  # no step's own name has a hyphen
    return names
