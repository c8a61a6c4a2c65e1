"""How well a tokenizer fits a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import text_bytes
from corpus.encoding.distinct_words import BLANK_FREE, distinct
from corpus.encoding.encoder import Encoder


def evaluate(encoder: Encoder, text: pa.Array) -> dict[str, Any]:
    """Figures of a string column; a share is a fraction from 0 to 1, None where it would be
    0 / 0. A word is a run of anything but blanks, which says little about scripts that do not
    put blanks between words: compare bytes and characters per token there.

        bytes_per_token, characters_per_token
        fertility               tokens a word (Rust et al. 2021)
        continued_word_share    words that take more than one token (Rust et al. 2021)
        vocabulary_used         ids that occur, of all ids
        unknown_rate            tokens that are the unknown token (0 where there is none)

    >>> import tempfile
    >>> from tokenizer_training import train_tokenizer
    >>> encoder = train_tokenizer(["to be or not to be"], tempfile.mkdtemp(), family="byte")
    >>> evaluate(encoder, pa.array(["to be"]))["fertility"]
    2.5
    """
    tokens, _ = encoder.encode(text)
    found = distinct(text, BLANK_FREE)
    words = int(found.counts.sum())
    spelled = found.words
    if encoder.space_before_word:
        nothing, space = (pa.scalar(s, pa.large_string()) for s in ("", " "))
        spelled = pc.binary_join_element_wise(nothing, spelled, space)
    _, offsets = encoder.encode(spelled)
    continued = int(found.counts[np.diff(offsets) > 1].sum())
    unknown = 0 if encoder.unknown_id is None else int((tokens == encoder.unknown_id).sum())
    return {
        "bytes": text_bytes(text),
        "tokens": len(tokens),
        "words": words,
        "bytes_per_token": _ratio(text_bytes(text), len(tokens)),
        "characters_per_token": _ratio(pc.sum(pc.utf8_length(text)).as_py() or 0, len(tokens)),
        "fertility": _ratio(len(tokens), words),
        "continued_word_share": _ratio(continued, words),
        "vocabulary_used": _ratio(len(np.unique(tokens)), encoder.vocab_size),
        "unknown_rate": _ratio(unknown, len(tokens)),
    }


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
