"""A filter of the user's own: any function, named by its module, which lies beside the recipe, or by an entry point."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import functools
import importlib
import importlib.metadata
import math
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus import closure
from corpus.cleaning import rules
from corpus.cleaning.rules import Mode
from corpus.options import option
from corpus.step import Filter, Outcome

FOLDER = "WINNOW_FILTERS"
"""Environment variable with the folder in which modules are looked for: that of the recipe. Without it the current
one."""
GROUP = "winnow.filters"
"""Group of entry points (of packages that are installed) that may be named instead."""

_REJECTED = rules.Rule("rejected", "score", ">", 0.5)


@dataclasses.dataclass(frozen=True)
class Custom(Filter):
    """Run `function` over every document, or over columns at once. It is given as "module:name", of a module that lies
    beside the recipe, or is the name of an entry point of the group "winnow.filters"; nothing else is imported.

    `over: string`: it gets a text (str) and returns a bool (whether to keep it) or a number (a score).
    `over: arrow`: it gets the column of texts (`pyarrow.StringArray`) and returns as many of either.
    `options` are further arguments by name. A score is held to `min` and `max`, both allowed values;
    with `mode: tag` it becomes the column `<name of the function>.score`. The module must be
    wherever tasks run, and the function pure: same text, same answer. A document for which it raises, or returns
    something else, is quarantined with the reason.

    >>> import corpus, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "lengths.py").write_text("def is_long(text): return len(text) > 3")
    >>> from corpus.cleaning.custom import modules_in
    >>> with modules_in(str(folder)):
    ...     corpus.apply_filters(["no", "long enough"], corpus.Custom("lengths:is_long")).kept["text"].to_pylist()
    ['long enough']
    """

    name: ClassVar[str] = "custom"
    rules: ClassVar[tuple[str, ...]] = ("rejected", "below_min", "above_max")

    function: str = option(
        help="As module:name, of a module beside the recipe, or an entry point of the group winnow.filters."
    )
    over: Literal["string", "arrow"] = option(
        "string", "What the function gets: one text (str), or the column of texts (pyarrow.StringArray)."
    )
    min: float | None = option(None, "Smallest score that is kept.")
    max: float | None = option(None, "Largest score that is kept.")
    mode: Mode = option("drop", "Drop documents, or tag all of them with the column NAME.score.")
    options: dict[str, Any] = option({}, "Further arguments of the function, by name.")

    @property
    def label(self) -> str:
        """The function's own name."""
        return self.function.rpartition(":")[2]

    def check(self) -> None:
        """Raises ValueError if there is no such function. Imports nothing."""
        find(self.function)

    def imports(self) -> str:
        """What is imported to run it, for people."""
        return find(self.function).said

    def code(self) -> tuple[closure.Code, ...]:
        """The function's module: a change of it, or of what it imports, is a change of the filter."""
        return (find(self.function).code,)

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """See the class."""
        scores, is_bool, faulty = self._scores(batch.column("text"))
        good = np.array([row not in faulty for row in range(batch.num_rows)], bool)
        rest = batch.filter(pa.array(good)) if faulty else batch
        outcome = self._decided(rest, scores[good], is_bool[good])
        return dataclasses.replace(outcome, rows=np.flatnonzero(good)[outcome.rows], faulty=faulty)

    def _decided(self, batch: pa.RecordBatch, scores: np.ndarray, is_bool: np.ndarray) -> Outcome:
        if self.mode == "tag":
            return rules.tag(batch, self.label, {"score": scores})
        bounds = [_REJECTED]
        if self.min is not None:
            bounds.append(rules.Rule("below_min", "number", ">=", self.min))
        if self.max is not None:
            bounds.append(rules.Rule("above_max", "number", "<=", self.max))
        # a NaN passes every rule: answers are held to those for their kind
        return rules.drop(
            batch, {"score": np.where(is_bool, scores, np.nan), "number": np.where(is_bool, np.nan, scores)}, bounds
        )

    def _scores(self, text: pa.Array) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
        """(score of every row, whether it was a bool, the rows at which the function fails with the reason)."""
        scores, is_bool = np.zeros(len(text)), np.zeros(len(text), bool)
        faulty: dict[int, str] = {}
        if not len(text):
            return scores, is_bool, faulty
        call = functools.partial(load(self.function), **self.options)
        if self.over == "arrow":
            found = _of_column(call, text)
            if found is not None:
                return found.astype(np.float64), np.full(len(text), found.dtype == bool), faulty
        for row in range(len(text)):
            try:
                answer = _of_one(call(text.slice(row, 1))) if self.over == "arrow" else call(text[row].as_py())
                scores[row], is_bool[row] = _number(answer), isinstance(answer, (bool, np.bool_))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                faulty[row] = f"{self.function}: {_said(error)}"
        return scores, is_bool, faulty


def _of_column(call: Callable, text: pa.Array) -> np.ndarray | None:
    """The answers for a whole column; None if they are not all good, so that they must be asked for one by one."""
    try:
        found = np.asarray(call(text))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None
    good = found.shape == (len(text),) and found.dtype.kind in "bif" and bool(np.isfinite(found).all())
    return found if good else None


def _of_one(answers: Any) -> Any:
    """The answer for a column of one text. Raises TypeError, ValueError if that is no column."""
    if isinstance(answers, (pa.Array, pa.ChunkedArray)):
        answers = answers.to_pylist()
    if not isinstance(answers, (list, tuple, np.ndarray)):
        raise TypeError(f"it returned {type(answers).__name__} and not a column")
    if len(answers) != 1:
        raise ValueError(f"it returned {len(answers)} answers for a column of one text")
    return answers[0]


def _number(answer: Any) -> float:
    """An answer as a number. Raises TypeError, ValueError for one that is none."""
    if not isinstance(answer, (bool, int, float, np.bool_, np.integer, np.floating)):
        raise TypeError(f"it returned {type(answer).__name__} and not a bool or a number")
    if not math.isfinite(answer):
        raise ValueError(f"it returned {answer}")
    return float(answer)


def _said(error: BaseException) -> str:
    """An exception in one line, with the line of the user's code that it comes from."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    where = f" ({os.path.basename(frames[-1].filename)} line {frames[-1].lineno})" if frames else ""
    try:
        text = " ".join(str(error).split())[:500].encode("utf-8", "backslashreplace").decode()
    except Exception:
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"


@dataclasses.dataclass(frozen=True)
class Found:
    """Where a function is: how to say it; what decides what it does (a module beside the recipe, or a package); its
    module and name there; the folder that the module must come from."""

    said: str
    code: closure.Code
    module: str
    name: str
    folder: str | None = None


@contextlib.contextmanager
def modules_in(folder: str) -> Iterator[None]:
    """Within it, modules are looked for in `folder`."""
    before = os.environ.get(FOLDER)
    os.environ[FOLDER] = folder
    try:
        yield
    finally:
        os.environ.pop(FOLDER)
        if before is not None:
            os.environ[FOLDER] = before


def find(function: str) -> Found:
    """The function that a recipe names, found without importing anything. Raises ValueError where there is none."""
    module, colon, name = function.partition(":")
    if not colon:
        return _entry_point(function)
    folder = os.path.abspath(os.environ.get(FOLDER) or os.getcwd())
    parts = module.split(".")
    if not all(part.isidentifier() for part in (*parts, name)):
        raise ValueError(f"a function is named as module:name, not {function!r}")
    path = pathlib.Path(folder, *parts)
    files = [path.with_suffix(".py"), path / "__init__.py"]
    file = next((each for each in files if each.is_file()), None)
    if file is None:
        raise ValueError(
            f"cannot find {function}: there is no {files[0].name} in {files[0].parent}; only modules beside the "
            f"recipe and entry points of the group {GROUP} are imported"
        )
    _check_defines(file, name)
    return Found(f"{name} from {file}", closure.Code(module, folder), module, name, folder)


def _entry_point(name: str) -> Found:
    known = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if name not in known:
        there = f"; there are: {', '.join(sorted(known))}" if known else ", and none is installed"
        raise ValueError(
            f"a function is named as module:name, or by an entry point of the group {GROUP}; {name!r} is neither{there}"
        )
    point = known[name]
    package = point.dist.name if point.dist else point.module.partition(".")[0]
    return Found(
        f"{point.attr} from {point.module}, of the package {package}",
        closure.Code(point.module),
        point.module,
        point.attr,
    )


def _check_defines(file: pathlib.Path, name: str) -> None:
    """Raises ValueError if a module can be seen not to define a name."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{file} is not Python: {error}") from None
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if name not in names and "*" not in names:
        near = difflib.get_close_matches(name, names, 1)
        raise ValueError(f"{file} defines no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def load(function: str) -> Callable:
    """The function, imported. Raises ImportError where that is not possible: on a node that lacks the module, say."""
    try:
        found = find(function)
    except ValueError as error:
        raise ImportError(str(error)) from None
    return _load(found)


@functools.cache
def _load(found: Found) -> Callable:
    if found.folder and found.folder not in sys.path:
        sys.path.append(found.folder)
    try:
        module = importlib.import_module(found.module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ImportError(f"cannot import {found.said}: {_said(error)}") from None
    origin = getattr(module, "__file__", None)
    if found.folder and not (origin and os.path.abspath(origin).startswith(os.path.abspath(found.folder) + os.sep)):
        raise ImportError(
            f"the name of module {found.module} is taken by {origin or 'one of Python itself'}; give yours another"
        )
    function = getattr(module, found.name, None)
    if not callable(function):
        raise ImportError(f"{found.said} is not a function")
    return function
