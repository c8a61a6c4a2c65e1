"""From matches to decisions: which documents are contaminated, and by which item."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus import documents
from corpus.contamination import evaluation_files, scanner
from corpus.contamination import index as indexes
from corpus.io import paths
from corpus.options import option
from corpus.step import Step

Rule = Literal["any", "overlap"]
MOST_WORDS = 1 << 20
"""Of a gram: more than any text that anybody would look for has."""


@dataclasses.dataclass(frozen=True)
class Decontaminate(Step):
    """Drop the documents that hold text of evaluation items.

    against: paths, folders, globs or URIs of files: JSON lines or arrays, CSV, TSV, Parquet, Arrow. fields: the fields
    that make the items' texts (`data.text` for one within another); each file has some of
    them. ngram, min_words: see `corpus.contamination.index`; 13 and 8 are GPT-3's
    (arXiv 2005.14165, appendix C). rule: "any" drops a document for one gram of any item, as
    GPT-3 calls a collision (GPT-3 then cuts the text around it; here the document goes);
    "overlap" drops it if at least the share `min_overlap` of the grams of one item is found;
    0.7 is PaLM's (arXiv 2204.02311, section 8).
    """

    name: ClassVar[str] = "decontaminate"
    rules: ClassVar[tuple[str, ...]] = ("any", "overlap")

    against: tuple[str, ...] = option(
        help="Evaluation files: paths, folders, globs or URIs of JSON lines or arrays, CSV, TSV, Parquet, Arrow. A "
        "recipe leaves the step out where there are none."
    )
    fields: tuple[str, ...] = option(
        ("text",), "Fields that make an item's texts; data.text is the field text within data.", min_length=1
    )
    ngram: int = option(13, "Words of a gram: 13 are GPT-3's.", ge=1, le=MOST_WORDS)
    min_words: int = option(8, "Words that a shorter item needs to be looked for whole: 8 are GPT-3's.", ge=1)
    rule: Rule = option(
        "any", "any drops a document for one gram of any item, overlap for min_overlap of the grams of one."
    )
    min_overlap: float = option(0.7, "Least share of an item's grams for the rule overlap: 0.7 is PaLM's.", ge=0, le=1)

    def left_out(self) -> str | None:
        """Without test sets it drops nothing."""
        return None if any(self.against) else "it has no test sets; --set 'decontaminate.against=[FILES]' names some"

    def refuse(self) -> None:
        """Raises ValueError where shorter items would need more words than a gram has."""
        if self.min_words > self.ngram:
            raise ValueError(f"min_words is {self.min_words}, more than the {self.ngram} words of a gram")

    def inputs(self) -> list[str]:
        """The evaluation files; of folders and globs, those of known kind. Raises FileNotFoundError for a pattern that
        names none, ValueError for one that names none of known kind."""
        return list(dict.fromkeys(source.path for source in self._sources()))

    def index(self) -> indexes.Index:
        """The index of the evaluation files, kept until one of them changes."""
        return _index(self._sources(), self.fields, self.ngram, self.min_words)

    def check(self) -> None:
        """Raises ValueError for files that cannot be read, or have no items, or no text in the fields. Files of
        unknown kind are left out with a warning."""
        unknown = [path for pattern in self.against for path in evaluation_files.expand(pattern)[1]]
        if unknown:
            warnings.warn(f"decontaminate.against: left out, of unknown kind: {', '.join(unknown[:10])}", stacklevel=2)
        _items(self._sources(), self.fields)

    def _sources(self) -> tuple[paths.Source, ...]:
        return tuple(dict.fromkeys(s for pattern in self.against for s in evaluation_files.expand(pattern)[0]))

    def decisions(self, batch: pa.RecordBatch) -> pa.Table:
        """Decisions (`documents.DECISION_SCHEMA`) about the rows of a batch with a column `text`."""
        index = self.index()
        return decisions(scanner.scan(batch.column("text"), index), index, self.rule, self.min_overlap)


@functools.lru_cache(maxsize=4)
def _index(sources: tuple[paths.Source, ...], fields: tuple[str, ...], ngram: int, min_words: int) -> indexes.Index:
    return indexes.build(_items(sources, fields), ngram, min_words)


@functools.lru_cache(maxsize=4)
def _items(sources: tuple[paths.Source, ...], fields: tuple[str, ...]) -> list[indexes.Item]:
    items = indexes.load_files([source.path for source in sources], fields)
    if sources and not items:
        raise ValueError(f"no evaluation item in {', '.join(source.path for source in sources[:10])}")
    return items


def decisions(spans: pa.Table, index: indexes.Index, rule: Rule = "any", min_overlap: float = 0.7) -> pa.Table:
    """Which rows to drop, from `scanner.scan`: at most one decision a row, ordered by row.

    `reason` is the rule; `by` is the item, among those that satisfy the rule, with most grams
    found in the document (the first of equals); `score` is the share of its grams found.
    Raises ValueError for an unknown rule.
    """
    if rule not in Decontaminate.rules:
        raise ValueError(f"unknown rule {rule!r}; choose from {', '.join(Decontaminate.rules)}")
    row, item, grams, covered = (spans[c].to_numpy() for c in ("row", "item", "grams", "covered"))
    held = covered >= (min_overlap if rule == "overlap" else 0.0)
    row, item, grams, covered = row[held], item[held], grams[held], covered[held]
    order = np.lexsort((item, -grams, row))
    rows, first = np.unique(row[order], return_index=True)
    best = order[first]
    count = len(rows)
    columns = {
        "row": rows,
        "action": ["drop"] * count,
        "start": pa.nulls(count, pa.int64()),
        "end": pa.nulls(count, pa.int64()),
        "step": [Decontaminate.name] * count,
        "reason": [rule] * count,
        "by": [index.items[i].name for i in item[best]],
        "score": covered[best],
    }
    return pa.table(columns, documents.DECISION_SCHEMA)
