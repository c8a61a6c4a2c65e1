"""RefinedWeb's line-wise corrections (Penedo et al. 2023, section G.2), as DataComp-LM runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from corpus.cleaning.kernels import gopher_words
from corpus.cleaning.kernels.refinedweb_page import RULES, Settings, clean_page, clean_pages, marks
from corpus.documents import replace_column
from corpus.options import option
from corpus.step import Filter, Outcome, Place
from corpus.text import arrow


@dataclass(frozen=True)
class RefinedWebLines(Filter):
    """Drops or cuts lines that are not prose, then pages that lost too much.

    Named reference: DataComp-LM, `baselines/baselines_configs/refinedweb.yaml`, from which all
    thresholds are; its word lists are marked there as reverse engineered. Lines end at "\\n"; an empty
    line is kept. A line is dropped

    if more than `max_uppercase` of its characters are upper case (`line_uppercase`);
    if more than `max_digits` of them are digits (`line_digits`);
    if it is a counter, such as "1.2K likes" (`line_counter`, `refinedweb_lines.COUNTED`);
    if it has fewer than `min_words` words (`line_too_few_words`).

    Lines of at most `max_words_to_cut` words then lose, with one white space beside it and whatever
    the case, "items in cart" anywhere (`line_items_in_cart`), "Read more..." at the end
    (`line_read_more`) and "Sign-in" at the start (`line_sign_in`), and are dropped if nothing is left.
    The page is stripped, and dropped if more than `max_removed` of its words are gone
    (`too_many_words_removed`), of words as fastText splits them, which knows ASCII white space only, that begin
    with a letter or a number. Counters: lines dropped or cut by each line rule, and `line_kept`, over
    all pages.

    Where DataComp-LM differs: it takes the dots of "Read more..." as wildcards, by mistake; it strips the
    page after each rule rather than once; it drops pages without words; and it matches a few letters that are
    not ASCII (such as U+0131) within the three phrases.

    >>> import corpus
    >>> prose = "A line of prose, as it should be, with a good many words in it, and some more words that follow."
    >>> found = corpus.apply_filters([prose * 3 + "\\n3 likes"], corpus.RefinedWebLines())
    >>> found.kept["text"].to_pylist() == [prose * 3]
    True
    """

    max_uppercase: float = option(0.5, "Largest share of upper-case characters in a line.")
    max_digits: float = option(0.999999, "Largest share of digits in a line.")
    min_words: int = option(2, "Words that a line has at least.")
    max_words_to_cut: int = option(10, "Words that a line has at most to lose phrases such as Read more.")
    max_removed: float = option(0.05, "Largest share of a page's words that may go.")

    name: ClassVar[str] = "refinedweb_lines"
    rules: ClassVar[tuple[str, ...]] = ("too_many_words_removed",)

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Cleans the texts and drops pages; the value is the share of words removed."""
        data, offsets = arrow.buffers(batch["text"])
        out, out_offsets, before, after, counters = clean_pages(
            data, offsets, self._settings(), marks(), gopher_words.tables()
        )
        texts = arrow.string_array(out, out_offsets, batch.schema.field("text").type)
        removed = (before - after) / np.maximum(before, 1)
        dropped = removed > self.max_removed
        rows = np.flatnonzero(dropped)
        return Outcome(
            kept=replace_column(batch, "text", texts).filter(pa.array(~dropped)),
            rows=rows,
            rules=["too_many_words_removed"] * len(rows),
            values=[f"{share:.6g}" for share in removed[rows]],
            thresholds=[str(self.max_removed)] * len(rows),
            counters={rule: int(n) for rule, n in zip((*RULES, "line_kept"), counters) if n},
        )

    def where_in(self, batch: pa.RecordBatch, outcome: Outcome) -> list[Place]:
        """The lines that a rule dropped or cut."""
        text = batch["text"][0].as_py().encode()
        data, out = np.frombuffer(text, np.uint8), np.empty(len(text), np.uint8)
        places, end = [], -1
        for line in text.split(b"\n"):
            start, end = end + 1, end + 1 + len(line)
            counters = np.zeros(len(RULES) + 1, np.int64)
            clean_page(data, start, end, out, 0, self._settings(), marks(), counters)
            places += [Place(RULES[rule], start, end) for rule in np.flatnonzero(counters[:-1])]
        return places

    def _settings(self) -> Settings:
        return Settings(self.max_uppercase, self.max_digits, self.min_words, self.max_words_to_cut)
