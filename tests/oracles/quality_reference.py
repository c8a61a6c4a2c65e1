"""The numbers that datatrove 0.10 and DataComp-LM compare with their thresholds, by their own code.

Nothing of theirs is changed: a filter gets a `Recorder` for each threshold, which writes down what it is compared
with and never lets the filter drop the text, so that one call goes through all its rules.

datatrove: `pip install --no-deps datatrove==0.10.0 nltk==3.10.4` and loguru, regex, fsspec, huggingface_hub,
humanize, dill, multiprocess, tqdm, rich. Sentences, which NLTK splits into words, are those of
`corpus.text.sentences`: Punkt's model is a download of its own.

DataComp-LM: WINNOW_DCLM names the root of a checkout of github.com/mlfoundations/dclm (15af3ce), and
`pip install --no-deps uniseg==0.10.1 nltk==3.10.4 fasttext-wheel`. What else its modules import is never called
here; mocks stand in for it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import re
import sys
from types import SimpleNamespace
from unittest import mock

import numpy as np

from corpus.text import sentences

GRAMS = range(2, 11)
UNUSED_BY_DCLM = (
    "bs4", "blingfire", "justext", "lxml", "lxml.etree", "retrie", "retrie.retrie", "transformers", "unidecode",
)  # fmt: skip


class Recorder:
    """A threshold that passes everything and keeps what was compared with it; if a filter multiplied it by a
    count, what was compared is divided by that."""

    __array_ufunc__ = None  # so that numbers of NumPy leave the comparison to this class

    def __init__(self):
        self.scores = []
        self.count = 1

    def _record(self, value):
        self.scores.append(float(value / self.count) if self.count else float("nan"))
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _record

    def __mul__(self, count):
        self.count = count
        return self

    def last(self, unset=0.0) -> float:
        """The last number, or `unset` if the filter passed the text without a comparison."""
        return self.scores[-1] if self.scores else unset


def has_datatrove() -> bool:
    """Whether datatrove and what it needs can be imported."""
    return all(map(importlib.util.find_spec, ("datatrove", "nltk", "loguru", "regex")))


def has_dclm() -> bool:
    """Whether there is a checkout of DataComp-LM, and what it needs can be imported."""
    return bool(os.environ.get("WINNOW_DCLM")) and all(map(importlib.util.find_spec, ("uniseg", "nltk", "fasttext")))


def _sentences(text: str, language: str = "english") -> list[str]:
    data = np.frombuffer(text.encode(), np.uint8)
    starts, ends, _ = sentences.split(data, np.array([0]), np.array([len(data)]))
    return [data[start:end].tobytes().decode() for start, end in zip(starts, ends)]


@functools.cache
def _datatrove():
    """(datatrove's filters, its NLTK tokenizer of English)."""
    import nltk.tokenize
    from datatrove.pipeline import filters
    from datatrove.utils.word_tokenizers import NLTKTokenizer

    nltk.tokenize.sent_tokenize = _sentences
    return filters, NLTKTokenizer("english")


def datatrove_quality(text: str) -> dict[str, float]:
    """Scores of `GopherQuality` for a text that has words; symbols together are no rule of datatrove."""
    fields = "min_doc_words min_avg_word_length max_symbol_word_ratio max_bullet_lines_ratio "
    fields += "max_ellipsis_lines_ratio max_non_alpha_words_ratio min_stop_words"
    recorders = {field: Recorder() for field in fields.split()}
    filters, tokenizer = _datatrove()
    reference = filters.GopherQualityFilter(
        max_doc_words=None, max_avg_word_length=None, language=tokenizer, **recorders
    )
    assert reference.filter(SimpleNamespace(text=text)) is True
    words, length, symbols, bullets, ellipses, letters, stops = (each.scores for each in recorders.values())
    return {
        "words": words[0],
        "mean_word_length": length[0],
        "hash_ratio": symbols[0],
        "ellipsis_ratio": symbols[1],
        "bullet_line_fraction": bullets[0],
        "ellipsis_line_fraction": ellipses[0],
        "alphabetic_word_fraction": letters[0],
        "stop_words": stops[0],
    }


def datatrove_repetition(text: str) -> dict[str, float]:
    """Scores of `GopherRepetition` for a text that is not empty; datatrove does not compare the number of lines."""
    segments = [Recorder() for _ in range(4)]
    grams = [(n, Recorder()) for n in GRAMS]
    filters, tokenizer = _datatrove()
    reference = filters.GopherRepetitionFilter(
        *segments, top_n_grams=grams[:3], dup_n_grams=grams[3:], language=tokenizer
    )
    assert reference.filter(SimpleNamespace(text=text)) is True
    return _repetition(segments, grams)


def _repetition(segments: list[Recorder], grams: list[tuple[int, Recorder]]) -> dict[str, float]:
    names = "line_fraction paragraph_fraction line_character_fraction paragraph_character_fraction".split()
    scores = {f"duplicate_{name}": recorder.last() for name, recorder in zip(names, segments)}
    for n, recorder in grams:
        scores[f"top_{n}_gram_fraction" if n < 5 else f"duplicate_{n}_gram_fraction"] = recorder.last()
    return scores


def datatrove_fineweb(text: str) -> dict[str, float]:
    """Scores of `FineWeb` for a text that has words; datatrove compares the number of lines with nothing."""
    fields = {
        "line_punct_thr": "line_punctuation_ratio",
        "short_line_thr": "short_line_ratio",
        "char_duplicates_ratio": "character_duplication_ratio",
        "new_line_ratio": "newline_ratio",
    }
    recorders = {field: Recorder() for field in fields}
    filters, tokenizer = _datatrove()
    reference = filters.FineWebQualityFilter(language=tokenizer, **recorders)
    assert reference.filter(SimpleNamespace(text=text)) is True
    return {score: recorders[field].scores[0] for field, score in fields.items()}


@functools.cache
def _dclm():
    root = os.environ["WINNOW_DCLM"]
    with (
        mock.patch.dict(sys.modules, {name: mock.MagicMock() for name in UNUSED_BY_DCLM}),
        mock.patch.object(sys, "path", [root, os.path.join(root, "baselines"), *sys.path]),
    ):
        modules = ("filters.content_filters", "modifiers", "enrichers.enrichers", "core_utils")
        filters, modifiers, enrichers, utils = (importlib.import_module(f"baselines.mappers.{m}") for m in modules)
    return SimpleNamespace(filters=filters, modifiers=modifiers, enrichers=enrichers, utils=utils)


def dclm_quality(text: str) -> dict[str, float]:
    """Scores of `GopherQuality`; NaN for ratios of a text without words (or lines)."""
    filters, page = _dclm().filters, {"text": text}
    words, length, symbols, bullets, ellipses, others, stops = [Recorder() for _ in range(7)]
    filters.page_length_filter(page, length_type="word", min_length=words, ignore_punctuation=True)
    filters.word_length_filter(page, min_length=length)
    filters.symbol_ratio_filter(page, symbols)
    filters.bullet_count_filter(page, bullets)
    filters.ellipsis_count_filter(page, ellipses)
    filters.alphabetic_word_ratio_filter(page, others)
    filters.stop_word_filter(page, min_stop_word=stops)
    nan = float("nan")
    return {
        "words": words.last(),
        "mean_word_length": length.last(nan),
        "symbol_ratio": symbols.last(nan),
        "bullet_line_fraction": bullets.last(nan),
        "ellipsis_line_fraction": ellipses.last(nan),
        "alphabetic_word_fraction": 1 - others.last(nan),
        "stop_words": stops.last(),
    }


def dclm_repetition(text: str) -> dict[str, float]:
    """Scores of `GopherRepetition`, 0 where DataComp-LM compares nothing."""
    filters, page, cache = _dclm().filters, {"text": text}, {}
    segments = [Recorder() for _ in range(4)]
    for number, recorder in enumerate(segments):
        unit = ("line", "paragraph")[number % 2]
        filters.repetition_filter(page, unit, recorder, count_characters=number > 1, cache=cache)
    grams = [(n, Recorder()) for n in GRAMS]
    for n, recorder in grams:
        filters.repetition_filter(page, n, recorder, cache=cache)
    return _repetition(segments, grams)


def dclm_repeats_itself(text: str) -> bool:
    """Whether DataComp-LM's repetition rules together drop the text."""
    return not _dclm().filters.massive_web_repetition_filters({"text": text})


@functools.cache
def _refinedweb_steps(read_more: str):
    modifiers, cut = _dclm().modifiers, {"max_length": 10, "remove_substring_only": True}
    return (
        functools.partial(modifiers.uppercase_ratio_line_modifier, max_ratio=0.5),
        functools.partial(modifiers.numeric_ratio_line_modifier, max_ratio=0.999999),
        modifiers.counter_line_modifier(),
        functools.partial(modifiers.line_length_modifier, min_length=2),
        modifiers.substring_line_modifier("items in cart", **cut),
        modifiers.substring_line_modifier(read_more, location="suffix", **cut),
        modifiers.substring_line_modifier("Sign-in", location="prefix", **cut),
    )


def dclm_lines(text: str, wildcards: bool = True) -> tuple[str, float]:
    """(what `refinedweb.yaml` leaves of the text, the share of words that are gone; NaN if there were none).
    The full stops of "Read more..." match any character there; they do not without `wildcards`."""
    page = {"text": text}
    _dclm().enrichers.word_counter_enricher(page, key="before")
    for step in _refinedweb_steps("Read more..." if wildcards else re.escape("Read more...")):
        if not step(page):
            page["text"] = ""
            break
    removed = Recorder()
    _dclm().filters.word_removal_ratio_filter(page, "before", max_removed_ratio=removed)
    return page["text"], removed.last(float("nan"))
