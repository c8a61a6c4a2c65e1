"""Text to ids: `encoder` for every family; `bpe` merges, over `distinct_words` that `pretokenize` finds and
`pretoken_table` holds; `byte_level` is GPT-2's alphabet. Start with `encoder.load_encoder`. May import `corpus.text`."""
