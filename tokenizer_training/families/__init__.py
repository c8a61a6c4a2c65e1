"""The families of tokenizers: the registry. One module a family, imported when it is asked for, so that whoever trains
one needs the libraries of that one alone.

To add a family: copy `bpe.py`, which trains by its own means, or `sentencepiece.py`, which has a library do it; one
line here. `tests/tokenizer_training/test_families.py` holds all that are here to what families owe.
"""

from __future__ import annotations

import importlib

from tokenizer_training.families.family import Family

FAMILIES = {
    "bpe": "tokenizer_training.families.bpe:BPE",
    "wordpiece": "tokenizer_training.families.wordpiece:WORDPIECE",
    "sentencepiece-unigram": "tokenizer_training.families.sentencepiece:UNIGRAM",
    "sentencepiece-bpe": "tokenizer_training.families.sentencepiece:BPE",
    "byte": "tokenizer_training.families.byte:BYTE",
}
"""Where the record of each family is, `module:name`."""


def module_of(name: str) -> str:
    """The module of a family, by the family's name. Raises ValueError for a name that none has."""
    if name not in FAMILIES:
        raise ValueError(f"there is no family of tokenizers {name!r}; known are {', '.join(FAMILIES)}")
    return FAMILIES[name].partition(":")[0]


def named(name: str) -> Family:
    """The family of this name. Raises ValueError where there is none."""
    family: Family = getattr(importlib.import_module(module_of(name)), FAMILIES[name].partition(":")[2])
    return family
