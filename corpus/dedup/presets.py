"""Settings of near-duplicate detection as papers and their code have them, by name.

What a paper leaves open is ours, and said here. Where it took what bands find for duplicates, so does the preset:
`verification: jaccard` beside it compares them, at the threshold that it names. None of them says which document of a
component stays; here the first does.

    lee2021     Lee et al. 2021, 4.2: 450 bands of 20 of 9,000 permutations, Jaccard and edit similarity of 0.8 ("above"
                it; here that counts as well), 5 words between white space

    fineweb     Penedo et al. 2024 and their script: 14 bands of 8, 5 words, SHA-1; "at least 75 % similar"
    refinedweb  Penedo et al. 2023, G.3.1: 9,000 permutations. The text has 20 bands of 450 rows, which would find
                nothing; 450 of 20, as in Lee et al. 2021. Permutations and threshold are open
    slimpajama  Soboleva et al. 2023 and their code: 13 characters, datasketch 1.x's bands for 0.8 and 128 permutations
    bigcode     Kocetkov et al. 2022 and their code: 5 words, 0.7, datasketch's bands for 256 permutations, seed 42
    gopher      Rae et al. 2021, A1.1: 13-grams, Jaccard similarity above 0.8. What the words are, and how pairs are
                found, is open
    gpt3        Brown et al. 2020, A: Spark's MinHashLSH with 10 hashes, words in lower case as the features. The
                threshold is open
"""

from __future__ import annotations

from typing import Any, Literal

Name = Literal["lee2021", "fineweb", "refinedweb", "slimpajama", "bigcode", "gopher", "gpt3"]

PRESETS: dict[Name, dict[str, Any]] = {
    "lee2021": {
        "threshold": 0.8,
        "normalisation": "spaces",
        "permutations": 9000,
        "bands": 450,
        "rows": 20,
        "verification": "edit",
        "edit_threshold": 0.8,
        "mode": "components",
    },
    "fineweb": {
        "threshold": 0.75,
        "normalisation": "datatrove",
        "permutations": 112,
        "bands": 14,
        "rows": 8,
        "scheme": "datatrove",
        "hash": "sha1",
        "verification": "none",
        "mode": "components",
    },
    "refinedweb": {
        "threshold": 0.8,
        "normalisation": "refinedweb",
        "permutations": 9000,
        "bands": 450,
        "rows": 20,
        "verification": "none",
        "mode": "components",
    },
    "slimpajama": {
        "threshold": 0.8,
        "normalisation": "slimpajama",
        "ngram": 13,
        "permutations": 128,
        "bands": 9,
        "rows": 13,
        "scheme": "legacy",
        "verification": "none",
        "mode": "components",
    },
    "bigcode": {
        "threshold": 0.7,
        "normalisation": "bigcode",
        "permutations": 256,
        "bands": 25,
        "rows": 10,
        "scheme": "legacy",
        "seed": 42,
        "verification": "none",
        "mode": "components",
    },
    "gopher": {"threshold": 0.8, "unit": "words", "ngram": 13},
    "gpt3": {"normalisation": "lower_spaces", "ngram": 1, "permutations": 10, "bands": 10, "rows": 1},
}
