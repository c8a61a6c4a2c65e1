"""A filter of the user's own: any function, named by its import path."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.cleaning import rules
from corpus.documents import Outcome


@dataclasses.dataclass(frozen=True)
class Custom:
    """Run `function`, given as "module:name", over every document, or over columns at once.

    `over: string`: it gets a text (str) and returns a bool (whether to keep it) or a number (a score).
    `over: arrow`: it gets the column of texts (`pyarrow.StringArray`) and returns as many of either.
    `options` are further arguments by name. A score is held to `min` and `max`, both allowed values;
    with `mode: tag` it becomes the column `<name of the function>.score`. The module must be importable
    wherever tasks run, and the function pure: same text, same answer."""

    name: ClassVar[str] = "custom"
    rules: ClassVar[tuple[str, ...]] = ("rejected", "below_min", "above_max")

    function: str
    over: Literal["string", "arrow"] = "string"
    min: float | None = None
    max: float | None = None
    mode: rules.Mode = "drop"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def label(self) -> str:
        """The function's own name."""
        return self.function.partition(":")[2]

    def check(self) -> None:
        """Raises ValueError if there is no such function."""
        load(self.function)

    def code(self) -> tuple[str, ...]:
        """The function's module: a change of it is a change of the filter."""
        return (self.function.partition(":")[0],)

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """See the class. Raises ValueError if the function returns something else."""
        scores = self._scores(batch.column("text"))
        if self.mode == "tag":
            return rules.tag(batch, self.label, {"score": scores.astype(np.float64)})
        if scores.dtype == bool:
            rule = rules.Rule("rejected", "score", ">", 0.5)
            return rules.drop(batch, {"score": scores.astype(np.float64)}, [rule])
        bounds = []
        if self.min is not None:
            bounds.append(rules.Rule("below_min", "score", ">=", self.min))
        if self.max is not None:
            bounds.append(rules.Rule("above_max", "score", "<=", self.max))
        return rules.drop(batch, {"score": scores.astype(np.float64)}, bounds)

    def _scores(self, text: pa.Array) -> np.ndarray:
        call = functools.partial(load(self.function), **self.options)
        found = call(text) if self.over == "arrow" else [call(value) for value in text.to_pylist()]
        scores = np.asarray(found)
        if scores.shape != (len(text),) or scores.dtype.kind not in "bif":
            raise ValueError(f"{self.function} must return a bool or a number a document, not {scores.dtype}{list(scores.shape)}")
        return scores


@functools.cache
def load(path: str) -> Callable:
    """The function at "module:name". Raises ValueError where there is none."""
    module, colon, name = path.partition(":")
    if not colon:
        raise ValueError(f"a function is named as module:name, not {path!r}")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot import {path}: {error}") from None
