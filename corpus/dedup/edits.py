"""Edit similarity of sequences: 1 - (insertions, deletions and replacements that make one the other) / (longer length).

Lee et al. 2021 (arXiv 2107.06499, 4.2) ask for it beside the Jaccard similarity, of sequences of tokens. Here the
sequences are the units that shingles are made of: words, or characters where the unit is characters.
"""

from __future__ import annotations

import numpy as np
from rapidfuzz.distance import Levenshtein


def edit_similarity(
    first_values: np.ndarray,
    first_offsets: np.ndarray,
    first: np.ndarray,
    second_values: np.ndarray,
    second_offsets: np.ndarray,
    second: np.ndarray,
    at_least: float,
) -> np.ndarray:
    """float64[len(first)]: of pairs of sequences, 0 where it is below `at_least`, which is cheaper to know.

    Sequence `first[i]` (int64) is `first_values[first_offsets[first[i]]:first_offsets[first[i] + 1]]` (uint64, int64);
    `second[i]` is one of the others, which may be the same. Two empty ones have similarity 1.
    """
    similarity = np.zeros(len(first), np.float64)
    sizes = np.diff(first_offsets)[first], np.diff(second_offsets)[second]
    longer = np.maximum(*sizes)
    most = np.floor((1 - at_least) * longer + 1e-9).astype(np.int64)  # edits
    hopeful = np.flatnonzero(longer - np.minimum(*sizes) <= most)
    known, one = -1, []
    for pair in hopeful:
        if first[pair] != known:  # pairs come by their first document
            known = int(first[pair])
            one = first_values[first_offsets[known] : first_offsets[known + 1]].tolist()
        other = second_values[second_offsets[second[pair]] : second_offsets[second[pair] + 1]].tolist()
        few = max(31, int(longer[pair]) // 50)  # looked for first: what is alike mostly has so few edits
        edits = Levenshtein.distance(one, other, score_cutoff=int(most[pair]), score_hint=few)
        if edits <= most[pair]:
            similarity[pair] = 1 - edits / max(longer[pair], 1)
    return similarity
