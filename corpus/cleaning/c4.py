"""C4's cleaning of one page (Raffel et al. 2020, section 2.2), exactly `clean_page` of
C4 3.1.0 (`text/c4_utils.py` of tensorflow-datasets 4.9.10), but for how sentences are counted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.cleaning.kernels.c4_page import (
    CURLY_BRACKET,
    JAVASCRIPT,
    KEPT,
    LOREM_IPSUM,
    NEEDLES,
    PAGE_TOO_LONG,
    POLICIES,
    POLICY,
    RULES,
    TOO_FEW_SENTENCES,
    Rule,
    Settings,
    citation_length,
    clean_line,
    clean_pages,
)
from corpus.documents import replace_column
from corpus.options import option
from corpus.step import Filter, Outcome, Place
from corpus.text import arrow, punkt, search, spans

PHRASES = {
    LOREM_IPSUM: re.compile(rb"lorem ipsum", re.IGNORECASE),
    JAVASCRIPT: re.compile(rb"javascript", re.IGNORECASE),
    CURLY_BRACKET: re.compile(rb"{"),
    POLICY: re.compile("|".join(POLICIES).encode(), re.IGNORECASE),
}
"""What some rules look for in a line."""


@dataclass(frozen=True)
class C4(Filter):
    """C4's page cleaning. The rules, each seeing what the one before left:

    A page of more than `max_page_characters` code points is dropped (`page_too_long`).
    Every line of the others (`str.splitlines`), stripped,
    is dropped if a word has more than `max_word_length` code points (`line_word_too_long`);
    loses "[12]", "[]", "[edit]" and "[citation needed]" (`citations`), and is not stripped again;
    is dropped unless it ends in one of . ? ! " and not in "..." (`line_no_end_mark`);
    is dropped if it has fewer than `min_words_per_line` words (`line_too_few_words`);
    drops the page if it contains "lorem ipsum" (`lorem_ipsum`);
    is dropped if it contains "javascript" (`line_javascript`);
    drops the page if it contains "{" (`curly_bracket`);
    is dropped if it contains one of `c4_page.POLICIES` (`line_policy`).
    A page whose lines hold fewer than `min_sentences` sentences, counted line by line, is
    dropped (`too_few_sentences`). What is left is joined by newlines and stripped.

    Sentences are counted by `corpus.text.sentences`, or by NLTK's English Punkt model, as in C4; that needs nltk and
    its data. Counters: lines dropped by each line rule and `line_kept`,
    over all pages (a page dropped at a line counts those before it), and the `citations`
    cut out of kept lines.

    >>> import corpus
    >>> page = "Home | Contact\\nThis is a sentence of some words. And one more.\\nThe third is here, too."
    >>> found = corpus.apply_filters([page, "Lorem ipsum dolor sit amet, and so on."], corpus.C4())
    >>> found.kept["text"].to_pylist()
    ['This is a sentence of some words. And one more.\\nThe third is here, too.']
    >>> found.dropped["rule"].to_pylist()
    ['lorem_ipsum']
    """

    min_words_per_line: int = option(5, "Words that a line has at least.")
    min_sentences: int = option(3, "Sentences that a page has at least.")
    max_word_length: int = option(1000, "Code points that a word of a line has at most.")
    max_page_characters: int = option(190_000, "Code points that a page has at most.")
    disable: tuple[Rule, ...] = option((), "Rules that are turned off.")
    sentences: Literal["rules", "punkt"] = option(
        "rules", "How sentences are counted: rules of Winnow's, or NLTK's English punkt model, as C4 did."
    )

    name: ClassVar[str] = "c4"
    rules: ClassVar[tuple[str, ...]] = (
        "page_too_long",
        "lorem_ipsum",
        "curly_bracket",
        "too_few_sentences",
    )

    def check(self) -> None:
        """Raises ImportError for "punkt" without NLTK."""
        if self.sentences == "punkt":
            punkt.tokenizer()

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Cleans the texts and drops pages. Raises ImportError for "punkt" without NLTK."""
        least = 0 if "too_few_sentences" in self.disable else self.min_sentences
        settings = self._settings(least if self.sentences == "rules" else 0)
        data, offsets = arrow.buffers(batch["text"])
        out, out_offsets, verdicts, values, counters = clean_pages(data, offsets, settings, search.prepare(NEEDLES))
        texts = arrow.string_array(out, out_offsets, batch.schema.field("text").type)
        if self.sentences == "punkt":
            for page in np.flatnonzero(verdicts == KEPT):
                values[page] = punkt.count_lines(texts[page].as_py(), least)
                if values[page] < least:
                    verdicts[page] = TOO_FEW_SENTENCES

        rows = np.flatnonzero(verdicts != KEPT)
        return Outcome(
            kept=replace_column(batch, "text", texts).filter(pa.array(verdicts == KEPT)),
            rows=rows,
            rules=[RULES[verdict] for verdict in verdicts[rows]],
            values=[self._value(verdicts[row], values[row]) for row in rows],
            thresholds=[self._threshold(verdict) for verdict in verdicts[rows]],
            counters={name: int(n) for name, n in zip((*RULES, "line_kept"), counters) if n},
        )

    def where_in(self, batch: pa.RecordBatch, outcome: Outcome) -> list[Place]:
        """The lines that a rule dropped, the citations cut out of the others, and what dropped the page."""
        if outcome.rules == ["page_too_long"]:
            return []
        data, offsets = arrow.buffers(batch["text"])
        settings, needles = self._settings(0), search.prepare(NEEDLES)
        out = np.empty(offsets[1] - offsets[0], np.uint8)
        places: list[Place] = []
        following = offsets[0]
        while following < offsets[1] and not (places and places[-1].rule in self.rules):
            start = following
            end, following = spans.line_at(data, start, offsets[1])
            verdict, _, cut = clean_line(data, start, end, out, 0, settings, needles)
            if verdict != KEPT:
                phrase = PHRASES[verdict].search(data[start:end].tobytes()) if verdict in PHRASES else None
                first, last = phrase.span() if phrase else (0, end - start)
                places.append(Place(RULES[verdict], start + first, start + last))
            for position in start + np.flatnonzero(data[start:end] == ord("[")) if verdict == KEPT and cut else ():
                if length := citation_length(data, position, end):
                    places.append(Place("citations", position, position + length))
        return [place._replace(start=place.start - offsets[0], end=place.end - offsets[0]) for place in places]

    def _settings(self, min_sentences: int) -> Settings:
        enabled = sum(1 << i for i, rule in enumerate(RULES) if rule not in self.disable)
        words = self.max_word_length, self.min_words_per_line
        return Settings(enabled, self.max_page_characters, *words, min_sentences)

    @staticmethod
    def _value(verdict: int, value: int) -> str:
        by_line = verdict in (LOREM_IPSUM, CURLY_BRACKET)
        return f"line {value}" if by_line else str(value)

    def _threshold(self, verdict: int) -> str:
        return {
            PAGE_TOO_LONG: str(self.max_page_characters),
            LOREM_IPSUM: "lorem ipsum",
            CURLY_BRACKET: "{",
            TOO_FEW_SENTENCES: str(self.min_sentences),
        }[int(verdict)]
