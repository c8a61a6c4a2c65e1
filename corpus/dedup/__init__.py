"""Duplicates: by content, URL, line and sentence span (exact, same_url, repeated_lines, sentence_spans), near-
duplicates (near, over shingles or published normalisations, minhash and its schemes, lsh and clusters; presets are
papers' settings, sketches datasketch's objects), repeated substrings (substrings, over windows or suffix_parts). Pure
functions over Arrow and numpy; the maps that call them are in `pipelines/maps` and `pipelines/steps`. May import
`corpus.text`, `corpus.documents` and `corpus.tables`."""
