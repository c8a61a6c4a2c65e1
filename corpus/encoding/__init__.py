"""Text to ids: `encoder` is a loaded tokenizer of any family, `encoders` the ways of encoding that there are; `bpe`
merges, over `distinct_words` that `pretokenize` finds and `pretoken_table` holds; `byte_level` is GPT-2's alphabet.
Start with `encoder.load_encoder`. May import `corpus.text` and `corpus.tables`."""
