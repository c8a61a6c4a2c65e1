"""Settings of near-duplicate detection as papers and their code have them, by name.

What a paper leaves open is ours, and said here. Where it took what bands find for duplicates, so does the preset:
`verification: jaccard` beside it compares them, at the threshold that it names. Which document of a component stays is
chance in FineWeb's and Gopher's, and not said by the others; here the first does. Texts without shingles are duplicates
of nothing; of those BigCode's code keeps one.

    lee2021     Lee et al. 2021, 4.2: 450 bands of 20 of 9,000 permutations, Jaccard and edit similarity of 0.8 ("above"
                it; here that counts as well), 5 words between white space

    fineweb     Penedo et al. 2024 (arXiv 2406.17557, 3.4 and E.1): 5 words, 14 bands of 8, "targeting documents that
                are at least 75% similar". The hash (64 bits of SHA-1), seed and words (`normalisation: fineweb`) are
                those of its script, datatrove's examples/fineweb.py of April 2024
    refinedweb  Penedo et al. 2023 (arXiv 2306.01116): 9,000 permutations, 5-grams. The text (3.3) has 20 bands of 450
                rows, which would find nothing; 450 of 20, as the formula in G.3.1 and Lee et al. 2021. Permutations and
                threshold are open
    slimpajama  Soboleva et al. 2023 and their code (Cerebras' modelzoo, slimpajama/dedup): 13 characters, datasketch
                1.x's bands for 0.8 and 128 permutations. (NFC, and that texts of less than 200 characters go, come
                before)
    bigcode     StarCoder (Li et al. 2023) and BigCode's near_deduplication/minhash_deduplication.py: 5 words, 0.7,
                datasketch's bands for 256 permutations, seed 42. (The Stack's paper, Kocetkov et al. 2022, has 0.85)
    gopher      Rae et al. 2021, A1.1: 13-grams, Jaccard similarity above 0.8. What the words are, and how pairs are
                found, is open
    gpt3        Brown et al. 2020, A: Spark's MinHashLSH with 10 hashes, words in lower case as the features. The
                threshold is open
    datatrove   datatrove 0.10 as it comes, with NLTK's words. Its own comment on the threshold has (1 / 14)**(1 / 8)
    text_dedup  text-dedup 0.4 as it comes. (0.4.1 has other words, another hash, and no defaults)

Which texts share a bucket is the same as by the code of fineweb, bigcode, datatrove and text_dedup itself.
"""

from __future__ import annotations

from typing import Any, Literal

Name = Literal[
    "lee2021", "fineweb", "refinedweb", "slimpajama", "bigcode", "gopher", "gpt3", "datatrove", "text_dedup"
]  # fmt: skip

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
        "normalisation": "fineweb",
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
    "datatrove": {
        "threshold": 0.72,
        "normalisation": "datatrove",
        "permutations": 112,
        "bands": 14,
        "rows": 8,
        "scheme": "datatrove",
        "verification": "none",
        "mode": "components",
    },
    "text_dedup": {
        "threshold": 0.7,
        "normalisation": "text_dedup",
        "permutations": 250,
        "bands": 25,
        "rows": 10,
        "scheme": "text_dedup",
        "seed": 42,
        "mode": "components",
    },
    "gopher": {"threshold": 0.8, "unit": "words", "ngram": 13},
    "gpt3": {"normalisation": "lower_spaces", "ngram": 1, "permutations": 10, "bands": 10, "rows": 1},
}
