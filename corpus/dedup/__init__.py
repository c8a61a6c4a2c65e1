"""Duplicates: by content, URL, line and sentence span (exact, urls, lines, sentence_spans), near-duplicates (shingles,
minhash, lsh, clusters), repeated substrings (suffix_array, ranges). Pure functions over Arrow and numpy; the maps
that call them are in `pipelines/steps`. May import `corpus.text` and `corpus.documents`."""
