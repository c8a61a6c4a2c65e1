"""The language of a document from those of its lines, and cutting the lines of other languages.

Lines end at "\\n", as in the rest of cleaning and as Dolma's paragraphs do.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.text.utf8 import characters


@numba.njit(cache=True, nogil=True)
def choose(first, languages, wanted, keep):
    """Clears `keep` (bool[lines]) for the lines whose language is known and not wanted.

    Document *i* has the lines first[i]:first[i + 1]; `languages` is int64[lines], -1 unknown, `wanted`
    bool[lines]. Returns bool[documents], which have a line of a wanted language; of one that has none
    all lines stay, as it is dropped whole.
    """
    found = np.zeros(len(first) - 1, np.bool_)
    for document in range(len(first) - 1):
        for line in range(first[document], first[document + 1]):
            found[document] |= languages[line] >= 0 and wanted[line]
        if found[document]:
            for line in range(first[document], first[document + 1]):
                keep[line] = languages[line] < 0 or wanted[line]
    return found


@numba.njit(cache=True, nogil=True)
def combine(data, starts, ends, first, keep, languages, probabilities, number):
    """The languages of documents out of `number`, from those of the lines data[starts[j]:ends[j]] that are kept.

    A language's score is the sum of characters x probability over the lines in it, by the characters of
    all (Dolma's `*_paragraph_with_doc_score`; a line's "\\n" counts with it). The language of the document
    is the one that scores highest. Returns it (int64, -1 where no line has one) and its score (float64).
    """
    chosen = np.full(len(first) - 1, -1)
    scores = np.zeros(len(first) - 1)
    sums = np.empty(number)
    for document in range(len(first) - 1):
        sums[:] = 0.0
        total = 0
        last = first[document + 1] - 1
        while last >= first[document] and not keep[last]:
            last -= 1
        for line in range(first[document], last + 1):
            if keep[line]:
                length = characters(data, starts[line], ends[line]) + (line != last)  # its "\n"
                total += length
                if languages[line] >= 0:
                    sums[languages[line]] += length * probabilities[line]
        best = np.argmax(sums)
        if sums[best] > 0.0:
            chosen[document], scores[document] = best, sums[best] / total
    return chosen, scores
