"""What a text is compared by: published normalisations, by name, as tables of characters.

    simple      words are runs of letters and numbers (`\\p{L}`, `\\p{N}`) and of the combining marks (`\\p{M}`) that
                follow one; a letter of a script that is written without spaces (`corpus.text.scripts`) is a word by
                itself, with its marks. Full case folding of the NFC. What stands between words does not matter. It is
                GPT-2's "lower-cased alphanumeric words" (section 4), for every script
    gpt3        words between white space, without the punctuation (`\\p{P}`) in them; folded as above (Brown et al.
                2020, arXiv 2005.14165, appendix C: "a gram is a lowercase, whitespace delimited word with no
                punctuation")
    lm-eval     lm-evaluation-harness's `Janitor`: words between white space, without `string.punctuation`; ASCII's
                letters in lower case, all others as they are. A word of punctuation alone is none (there it is an empty
                one, so that a dash that stands free hides a match)
                In both, a letter of a script that is written without spaces is a word by itself, as in "simple": as the
                papers have it, a paragraph of Chinese would be one word
    gpt4        letters, numbers and their marks, each a unit by itself, of the NFC, case kept (GPT-4's report,
                appendix C: "removing all spaces and symbols, keeping only characters (including numbers)")
    tokens      ids of a tokenizer of byte-level BPE, of the text as it is: case, white space and punctuation count

The first and the second compare texts as `NFC(casefold(NFD(text)))`, which is the same for all that is canonically and
caselessly equal (Unicode 16.0, D145).
"""

from __future__ import annotations

import functools
import string
from typing import Literal, NamedTuple

import numpy as np

from corpus.text import folding, normal_forms, scripts, unicode

Name = Literal["simple", "gpt3", "lm-eval", "gpt4", "tokens"]
DEFINITIONS: dict[Name, str] = {
    "simple": "simple-1",
    "gpt3": "gpt3-2",
    "lm-eval": "lm-eval-2",
    "gpt4": "gpt4-1",
    "tokens": "tokens-1",
}
"""Versions: indexes of another one do not compare."""

CODE_POINT = (1 << 21) - 1
"""An entry of a table is a code point, 0 for one that ends a word, and these bits."""
UNUSUAL = 1 << 22  # it may not be NFC, or folds to several
FOLDS = 1 << 23  # to several: always looked at closely
CONTINUES = 1 << 24  # a piece that a character before has begun
ALONE = 1 << 25  # a unit by itself, with the marks that follow it
JOINS = 1 << 26  # a mark: of a unit that it follows, and begins none
DELETED = 1 << 27  # nothing, and ends nothing

CHARACTERS_A_WORD = 2
"""Characters of scripts without spaces that count as a word where the length of a gram is meant: a word of Chinese has
between one and two."""


class Rules(NamedTuple):
    """A normalisation as kernels have it. `table`: int32[0x110000]; `folds`: whether case is folded where a character
    is looked at closely; `plain`: whether of ASCII's characters letters, in lower case, and digits make words, and all
    others end them."""

    table: np.ndarray
    folds: bool
    plain: bool
    folding: folding.Folding
    forms: normal_forms.Tables


@functools.cache
def rules(name: Name) -> Rules:
    """A normalisation of characters by its name; tokens have none, for which one of words stands."""
    if name == "tokens":
        return rules("simple")
    classes, forms, fold = unicode.class_table(), normal_forms.tables(), folding.folding()
    is_mark = classes & unicode.MARK > 0
    alphanumeric = classes & (unicode.LETTER | unicode.NUMBER) > 0
    table = fold.one() if name in ("simple", "gpt3") else np.arange(unicode.CODE_POINTS, dtype=np.int32)
    if name in ("simple", "gpt4"):
        table[~(alphanumeric | is_mark)] = 0
    else:
        table[classes & unicode.SPACE > 0] = 0
        deleted = classes & unicode.PUNCTUATION > 0
        if name == "lm-eval":
            deleted = np.isin(np.arange(unicode.CODE_POINTS), list(map(ord, string.punctuation)))
            table[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
        table[deleted] = DELETED
        table[0] = DELETED  # the entry of U+0000 would be a space's
    table[is_mark] |= JOINS
    table[alphanumeric if name == "gpt4" else scripts.unspaced_table()] |= ALONE
    if name != "lm-eval":
        several = fold.several() | (is_mark != is_mark[fold.one()])  # U+0345 folds to a letter
        several &= name != "gpt4"
        may_differ = forms.flags & normal_forms.MAY_DIFFER > 0
        table[may_differ | several] |= UNUSUAL
        table[several] |= FOLDS
        table[_continuing(forms)] |= CONTINUES
    table.setflags(write=False)
    return Rules(table, name in ("simple", "gpt3"), name == "simple", fold, forms)


def _continuing(forms: normal_forms.Tables) -> np.ndarray:
    """Whether a character may change places or compose with one before: bool[0x110000]."""
    first = np.arange(unicode.CODE_POINTS)
    changed = np.flatnonzero(np.diff(forms.begins))
    first[changed] = forms.parts[forms.begins[changed]]
    moves: np.ndarray = (forms.classes > 0) | (forms.flags & normal_forms.MAY_COMPOSE > 0)
    return moves | moves[first]
