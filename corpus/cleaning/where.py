"""Keep the documents for which an expression over their scores holds."""

from __future__ import annotations

import ast
import dataclasses
import operator
import re
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DOCUMENT_FIELDS
from corpus.options import option
from corpus.step import Filter, Outcome

_COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclasses.dataclass(frozen=True)
class Where(Filter):
    """Apply thresholds to tagged documents without computing a score again:
    `gopher_quality.mean_word_length < 10 and language.en > 0.65`.

    Names are columns: scores that an earlier step tagged (`step.score`), or columns of the table
    (`language == "en"`); `language.xx` is the probability of language xx where that is the document's
    language, else 0. Comparisons (also `0.1 < x < 0.9`), `and`, `or`, `not`, numbers and strings are
    all there is. A comparison with a missing value does not hold.

    Names may have dots and hyphens within (`language.zh-cn > 0.5`): there is no subtraction. A name with a dot
    may have parts that are words of the expression elsewhere (`language.is`, `language.or`).

    >>> import corpus
    >>> rows = [{"text": "a", "score": 0.2}, {"text": "b", "score": 0.7}]
    >>> corpus.apply_filters(rows, corpus.Where("score > 0.5")).kept["text"].to_pylist()
    ['b']
    """

    name: ClassVar[str] = "where"
    rules: ClassVar[tuple[str, ...]] = ("where",)

    expression: str = option(help="Comparisons of scores and columns, with and, or, not.")

    def refuse(self) -> None:
        """Raises ValueError where the expression is more than comparisons."""
        self.names()

    def names(self) -> list[str]:
        """The columns the expression needs. Raises ValueError where it is more than comparisons."""
        return list(dict.fromkeys(_column(name) for name in self._names()))

    def languages(self) -> list[str]:
        """The languages whose probabilities it asks for."""
        return [name.removeprefix("language.") for name in self._names() if _is_language(name)]

    def _names(self) -> list[str]:
        found: list[str] = []
        _check(_parse(self.expression), self.expression, found)
        return list(dict.fromkeys(found))

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Keeps the rows for which the expression is true. Raises KeyError for a missing column."""
        keep = _evaluate(_parse(self.expression), batch)
        rows = np.flatnonzero(~keep)
        values = _values(batch, rows, self.names())
        return Outcome(batch.filter(pa.array(keep)), rows, ["where"] * len(rows), values, [self.expression] * len(rows))


TEXTS = tuple(DOCUMENT_FIELDS)
"""Columns of documents that are text."""

_STRING_OR_NAME = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?<![\w.])[^\W\d]\w*(?:[.-]\w+)+""")
"""A string, which stays as it is, or a name with dots or hyphens, which is no name to Python."""


def _parse(expression: str) -> ast.expr:
    """The syntax tree; names with dots and hyphens in it are single names."""
    names: dict[str, str] = {}
    own = "_" * len(expression)  # longer than any other name in it

    def stand_in(match: re.Match) -> str:
        return match[0] if match[1] else names.setdefault(match[0], f"{own}{len(names)}")

    try:
        tree = ast.parse(_STRING_OR_NAME.sub(stand_in, expression.strip()), mode="eval").body
    except SyntaxError as error:
        raise ValueError(
            f"{expression!r} is not an expression ({error.msg}), such as language.en > 0.65 and "
            "gopher_quality.words > 50"
        ) from None
    real = {short: name for name, short in names.items()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = real.get(node.id, node.id)
    return tree


def _check(node: ast.expr, expression: str, names: list[str]) -> None:
    if isinstance(node, ast.BoolOp):
        parts = node.values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        parts = [node.operand]
    elif isinstance(node, ast.Compare) and all(type(op) in _COMPARISONS for op in node.ops):
        sides = (node.left, *node.comparators)
        for side in sides:
            if isinstance(side, ast.Name) and side.id in TEXTS and any(map(_is_number, sides)):
                raise ValueError(f"{ast.unparse(node)!r}: {side.id} is text, which is not compared with a number")
        for side in sides:
            if not _is_number(side) and not (isinstance(side, ast.Constant) and isinstance(side.value, str)):
                names.append(_name(side, expression))
        return
    else:
        raise ValueError(f"{ast.unparse(node)!r} in {expression!r} is no comparison")
    for part in parts:
        _check(part, expression, names)


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))


def _name(node: ast.expr, expression: str) -> str:
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError(f"{ast.unparse(node)!r} in {expression!r} is neither a name, a number nor a string")


def _is_language(name: str) -> bool:
    return name.startswith("language.") and name != "language.probability"


def _column(name: str) -> str:
    return "language.probability" if _is_language(name) else name


def _evaluate(node: ast.expr, batch: pa.RecordBatch) -> np.ndarray:
    if isinstance(node, ast.BoolOp):
        combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return combine.reduce([_evaluate(part, batch) for part in node.values])
    if isinstance(node, ast.UnaryOp):
        return ~_evaluate(node.operand, batch)
    assert isinstance(node, ast.Compare)  # `_check` lets nothing else through
    sides = [_side(side, batch) for side in (node.left, *node.comparators)]
    holds = np.ones(batch.num_rows, bool)
    for comparison, (left, known_left), (right, known_right) in zip(node.ops, sides, sides[1:]):
        holds &= _COMPARISONS[type(comparison)](left, right) & known_left & known_right
    return holds


def _side(node: ast.expr, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """(values, whether each is known) of one side of a comparison."""
    if _is_number(node) or isinstance(node, ast.Constant):
        return np.full(batch.num_rows, ast.literal_eval(node)), np.ones(batch.num_rows, bool)
    name = _name(node, "")
    column = batch.column(_column(name))
    known = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pc.fill_null(column, "").to_numpy(zero_copy_only=False).astype(str), known
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = known & ~np.isnan(values)
    if _is_language(name):
        same = pc.equal(batch.column("language"), name.removeprefix("language."))
        values = np.where(pc.fill_null(same, False).to_numpy(zero_copy_only=False), values, 0.0)
    return values, known


def _values(batch: pa.RecordBatch, rows: np.ndarray, names: list[str]) -> list[str]:
    """What the expression saw in the rows dropped: "name=value ..."."""
    columns = [(name, batch.column(name).take(pa.array(rows)).to_pylist()) for name in names]
    return [" ".join(f"{name}={_short(values[i])}" for name, values in columns) for i in range(len(rows))]


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
