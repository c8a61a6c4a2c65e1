"""From matches to decisions: which documents are contaminated, and by which item."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus import documents
from corpus.contamination import evaluation_files, saved, scanner
from corpus.contamination import index as indexes
from corpus.contamination import items as evaluation_items
from corpus.contamination import rules as published
from corpus.encoding import byte_tokens
from corpus.io import paths
from corpus.options import option
from corpus.step import Step

MOST_WORDS = 1 << 20
"""Of a gram: more than any text that anybody would look for has."""


@dataclasses.dataclass(frozen=True)
class Decontaminate(Step):
    """Keep evaluation items out of the documents, and say which items are in them.

    against: paths, folders, globs or URIs of files: JSON lines or arrays, CSV, TSV, Parquet, Arrow, samples of
    lm-evaluation-harness, items that `winnow contamination save` has kept. fields: see
    `corpus.contamination.items.load_items`. rule: what is done to documents, as `corpus.contamination.rules` has it; by
    default a document goes for one gram of any item. measure: rules by which the report says which items are dirty;
    `contamination/<set>/dirty_ids.jsonl` goes by the first. ngram, min_words: see `corpus.contamination.index`; 13 and
    8 are GPT-3's (arXiv 2005.14165, appendix C), and each rule has its own. max_documents: GPT-3 ignores grams that are
    in more than 10 documents, for they are common phrases and not leaks; in a corpus that has not been deduplicated, a
    leak that has been copied as often is none then.
    """

    name: ClassVar[str] = "decontaminate"
    rules: ClassVar[tuple[str, ...]] = tuple(published.RULES)

    against: tuple[str, ...] = option(
        help="Evaluation files: paths, folders, globs or URIs of JSON lines or arrays, CSV, TSV, Parquet, Arrow. A "
        "recipe leaves the step out where there are none."
    )
    fields: tuple[str, ...] = option(
        ("text",),
        "Fields that make an item's texts; data.text is the field text within data, quiz*.jsonl=question,answer are "
        "those of some files, auto takes what is known.",
        min_length=1,
    )
    ngram: int | None = option(None, "Units of a gram, words mostly; by default the rule's: 13.", ge=1, le=MOST_WORDS)
    min_words: int | None = option(
        None, "Units that a shorter text needs to be looked for whole; by default the rule's, 8, or ngram.", ge=1
    )
    rule: published.Name = option(
        "any",
        "any drops a document for one gram of any item, overlap for min_overlap of the grams of one; the others are "
        "published, and some drop nothing.",
    )
    min_overlap: float = option(0.7, "Least share of an item's grams for the rule overlap: 0.7 is PaLM's.", ge=0, le=1)
    max_documents: int | None = option(
        None,
        "Grams that are in more documents than this do not count: GPT-3's are 10, and only its rule has them by "
        "default.",
        ge=1,
    )
    measure: tuple[published.Name, ...] = option(
        ("longest",), "Rules by which the report says which items are dirty; the first names them.", min_length=1
    )
    tokenizer: str = option(
        "", "Folder of a tokenizer of byte-level BPE: its tokens are the units, instead of words, for every rule."
    )
    report_only: bool = option(False, "Leave the documents as they are, and say what is in them.")

    def left_out(self) -> str | None:
        """Without test sets it drops nothing."""
        return None if any(self.against) else "it has no test sets; --set 'decontaminate.against=[FILES]' names some"

    def refuse(self) -> None:
        """Raises ValueError where shorter items would need more words than a gram has."""
        scan = self.scan_of_documents
        if scan.min_words > scan.ngram:
            raise ValueError(f"min_words is {scan.min_words}, more than the {scan.ngram} words of a gram")
        if len(set(self.measure)) < len(self.measure):
            raise ValueError(f"measure names a rule twice: {', '.join(self.measure)}")
        if self.tokenizer and any(self.limit(name) is not None for name in (self.rule, *self.measure)):
            raise ValueError(
                "grams of tokens are counted however many documents have them: leave max_documents or gpt3 out"
            )

    @property
    def scan_of_documents(self) -> published.Scan:
        """What documents are compared by: that of the rule by ngram and min_words, where they are given."""
        rule = published.RULES[self.rule]
        return self._changed(rule.of_documents or rule.scan)

    def scan(self, name: published.Name) -> published.Scan:
        """What a rule compares items by: the step's rule by ngram and min_words, where they are given."""
        scan = published.RULES[name].scan
        return self._changed(scan) if name == self.rule else self._in_tokens(scan)

    def _changed(self, scan: published.Scan) -> published.Scan:
        ngram = self.ngram or scan.ngram
        return self._in_tokens(scan._replace(ngram=ngram, min_words=self.min_words or min(scan.min_words, ngram)))

    def _in_tokens(self, scan: published.Scan) -> published.Scan:
        return scan._replace(normalisation="tokens", tokenizer=self.tokenizer) if self.tokenizer else scan

    def scans(self) -> list[published.Scan]:
        """All scans that the rules ask for, that of documents first."""
        return list(dict.fromkeys([self.scan_of_documents, *map(self.scan, self.measure)]))

    def limit(self, name: published.Name) -> int | None:
        """In how many documents a gram may be that counts for a rule."""
        limit = published.RULES[name].max_documents
        return limit if self.max_documents is None else self.max_documents

    def scanner(self, scan: published.Scan) -> scanner.Scanner:
        """A scan of documents for the rules that ask for this one."""
        of_rules = [(self.scan_of_documents, self.rule), *((self.scan(name), name) for name in self.measure)]
        limited = any(self.limit(name) is not None for each, name in of_rules if each == scan)
        return scanner.Scanner(self.index(scan), scan.skips, limited, scan.of_grams)

    def cuts(self, spans: pa.Table, index: indexes.Index, documents: np.ndarray) -> published.Cuts:
        """What the rule does to documents: to none where only a report is wanted. `documents`: in how many each gram
        is."""
        rule = published.RULES[self.rule]
        if self.report_only:
            return published.keep(spans, index, 0.0)
        threshold = self.min_overlap if self.rule == "overlap" else rule.threshold
        return rule.documents(published.counted(spans, index, documents, self.limit(self.rule)), index, threshold)

    def verdict(
        self, name: published.Name, spans: pa.Table, index: indexes.Index, documents: np.ndarray
    ) -> published.Verdict:
        """What a rule says of items."""
        rule = published.RULES[name]
        return rule.items(published.counted(spans, index, documents, self.limit(name)), index, rule.threshold)

    def inputs(self) -> list[str]:
        """The evaluation files, of folders and globs those of known kind, and those of the tokenizer. Raises
        FileNotFoundError for a pattern that names none, ValueError for one that names none of known kind."""
        return [*self.evaluation_files(), *(source.path for source in byte_tokens.files_of(self.tokenizer))]

    def evaluation_files(self) -> list[str]:
        """The evaluation files. Raises as `inputs`."""
        return list(dict.fromkeys(source.path for source in self._sources()))

    def index(self, scan: published.Scan | None = None) -> indexes.Index:
        """The index of the evaluation files for a scan, that of documents unless another is given, kept until one of
        them changes."""
        return _index(
            self._sources(), byte_tokens.files_of(self.tokenizer), self.fields, scan or self.scan_of_documents
        )

    def check(self) -> None:
        """Raises ValueError for files that cannot be read, or have no items, or no text in the fields, and for a
        tokenizer that cannot be used. Files of unknown kind are left out with a warning."""
        if self.tokenizer:
            byte_tokens.check(self.tokenizer)
        unknown = [path for pattern in self.against for path in evaluation_files.expand(pattern)[1]]
        if unknown:
            warnings.warn(f"decontaminate.against: left out, of unknown kind: {', '.join(unknown[:10])}", stacklevel=2)
        _items(self._sources(), self.fields)

    def _sources(self) -> tuple[paths.Source, ...]:
        return tuple(dict.fromkeys(s for pattern in self.against for s in evaluation_files.expand(pattern)[0]))

    def decisions(self, batch: pa.RecordBatch) -> pa.Table:
        """Decisions (`documents.DECISION_SCHEMA`) about the rows of a batch with a column `text`, as if it were the
        corpus."""
        index = self.index()
        scan = self.scanner(self.scan_of_documents)
        spans = published.with_documents(scan.scan(batch.column("text")), index, scan.documents)
        return decided(self.cuts(spans, index, scan.documents), index, self.rule)


@functools.lru_cache(maxsize=8)
def _index(
    sources: tuple[paths.Source, ...], files: tuple[paths.Source, ...], fields: tuple[str, ...], scan: published.Scan
) -> indexes.Index:
    return indexes.build(
        _items(sources, fields), scan.ngram, scan.min_words, scan.normalisation, scan.by_set, scan.drawn, scan.tokenizer
    )


@functools.lru_cache(maxsize=4)
def _items(sources: tuple[paths.Source, ...], fields: tuple[str, ...]) -> list[evaluation_items.Item]:
    kept = [source.path for source in sources if saved.is_saved(source.path)]
    items = evaluation_items.load_files([source.path for source in sources if source.path not in kept], fields)
    sets = {item.set: "files that are no saved items" for item in items}
    for path in kept:
        again = saved.load(path, fields)
        if both := sorted({item.set for item in again} & set(sets)):
            raise ValueError(f"the set {both[0]} is in {path} and in {sets[both[0]]}: leave one of them out")
        sets |= {item.set: path for item in again}
        items += again
    if sources and not items:
        raise ValueError(f"no evaluation item in {', '.join(source.path for source in sources[:10])}")
    return items


def decided(cuts: published.Cuts, index: indexes.Index, rule: str) -> pa.Table:
    """What a rule does as decisions, by row and start. `reason` is the rule, `by` the item's name."""
    count = len(cuts.row)
    columns = {
        "row": cuts.row,
        "action": np.where(cuts.dropped, "drop", "cut").tolist(),
        "start": pa.array(cuts.start, pa.int64(), mask=cuts.dropped),
        "end": pa.array(cuts.end, pa.int64(), mask=cuts.dropped),
        "step": [Decontaminate.name] * count,
        "reason": [rule] * count,
        "by": [index.items[i].name for i in cuts.item.tolist()],
        "score": cuts.score,
        "separator": pa.nulls(count, pa.string()),
    }
    return pa.table(columns, documents.DECISION_SCHEMA)


def decisions(
    spans: pa.Table, index: indexes.Index, rule: Literal["any", "overlap"] = "any", min_overlap: float = 0.7
) -> pa.Table:
    """Which rows to drop, from `scanner.scan`: at most one decision a row, ordered by row.

    `reason` is the rule; `by` is the item, among those that satisfy the rule, with most grams
    found in the document (the first of equals); `score` is the share of its grams found.
    Raises ValueError for an unknown rule.
    """
    if rule not in ("any", "overlap"):
        raise ValueError(f"unknown rule {rule!r}; choose from any, overlap")
    return decided(published.drop(spans, index, min_overlap if rule == "overlap" else 0.0), index, rule)
