"""Text to ids: `encoder` is a loaded tokenizer of any family, `encoders` the ways of encoding that there are; `bpe`
merges, over `distinct_words` that `pretokenize` finds and `pretoken_table` holds; `byte_level` is GPT-2's alphabet.
A tokenizer that was made elsewhere is read by `sources`, a tokenizer.json made of it by `conversions`, judged by
`components`, proven by `gate`, and made one of ours by `adopt`; `exports` is what others read of ours.
Start with `encoder.load_encoder`. May import `corpus.text` and `corpus.tables`."""
