"""Sentences as NLTK's Punkt model for English splits them, where both are installed: what C4 used.

Nobody asks for more than whether a text has a few sentences, so no more of it is split than that takes.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktTokenizer


@functools.cache
def tokenizer() -> PunktTokenizer:
    """NLTK's tokenizer. Raises ImportError where it or its model is missing."""
    try:
        from nltk.tokenize.punkt import PunktTokenizer

        return PunktTokenizer("english")
    except (ImportError, LookupError) as error:
        raise ImportError(
            "sentences: punkt needs nltk and its punkt_tab data: "
            "pip install nltk && python -m nltk.downloader punkt_tab"
        ) from error


def count(text: str, most: int) -> int:
    """Sentences of `text`, `most` if there are more."""
    return sum(1 for _ in itertools.islice(tokenizer().span_tokenize(text), most))


def count_texts(texts: pa.Array, most: int) -> np.ndarray:
    """Sentences of each text of a string column, at most `most`: int64[n]."""
    return np.array([count(text, most) for text in texts.to_pylist()], np.int64)


def count_lines(text: str, most: int) -> int:
    """Sentences of the lines of `text`, counted line by line, at most `most`."""
    found = 0
    for line in text.split("\n"):
        if found >= most:
            break
        found += count(line, most - found)
    return found


def split(text: str) -> list[str]:
    """The sentences of `text`."""
    return list(tokenizer().tokenize(text))
