"""Duplicates: by content, URL, line and sentence span (exact, urls, repeated_lines, sentence_spans), near-duplicates
(shingles, minhash, lsh, clusters), repeated substrings (suffix_array). Pure functions over Arrow and numpy; the maps
that call them are in `pipelines/maps` and `pipelines/steps`. May import `corpus.text` and `corpus.documents`."""
