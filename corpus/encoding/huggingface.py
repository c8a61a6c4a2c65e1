"""What characters are to Hugging Face's `tokenizers` 0.23.3, where that is not what Unicode 16.0 says.

Its regular expressions are of Unicode 16.0, as all else in this project. But its BERT classes are of about Unicode 8,
its normal forms of about 9, and lower case and numbers, which are Rust's own, of 17. `huggingface_build` asked the
library.
"""

from __future__ import annotations

import functools
import importlib.resources

import numpy as np

from corpus.text import normal_forms, unicode

VERSION = "0.23.3"
CLASSES = ("removed", "space", "chinese", "accent", "mark", "number", "punctuation", "word")
"""removed, space  what BertNormalizer's clean_text drops, and makes a space of
chinese         what handle_chinese_chars puts spaces around
accent          what strip_accents of BertNormalizer drops, after NFD (Mn)
mark            what the normalizer StripAccents drops (M)
number          what the pre-tokenizer Digits divides at
punctuation     what BertPreTokenizer and Punctuation divide at
word            \\w of the pre-tokenizer Whitespace"""


def members(name: str) -> np.ndarray:
    """The code points of one of CLASSES: bool[0x110000]. Raises KeyError for another name."""
    found = np.zeros(unicode.CODE_POINTS, np.bool_)
    for first, last in _stored()[name].tolist():
        found[first : last + 1] = True
    return found


def lower_case() -> dict[int, list[int]]:
    """The lower case of every code point that has another: one or two code points."""
    stored = _stored()
    parts = np.split(stored["lowered"], np.cumsum(stored["lowered_lengths"])[:-1])
    return {c: part.tolist() for c, part in zip(stored["cased"].tolist(), parts)}


@functools.cache
def forms(compatible: bool) -> normal_forms.Tables:
    """The tables of NFD and NFC, or of NFKD and NFKC."""
    kind = "compatible" if compatible else "canonical"
    names = ("marked", "classes", "changed", "lengths", "parts", "pairs")
    return normal_forms.made({name: _stored()[f"{kind}_{name}"] for name in names})


@functools.cache
def _stored() -> dict[str, np.ndarray]:
    path = importlib.resources.files(__package__).joinpath("huggingface_0_23.npz")
    with path.open("rb") as file, np.load(file) as stored:
        return dict(stored)
