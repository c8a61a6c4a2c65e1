"""Tokenizers from text: count in parallel, then train on the counts on one machine.

    configuration   TrainTokenizer: what to train
    counts          words of a batch and how often they occur; the sum of such tables
    merges          byte-pair merges from counts, the numba trainer of bpe and wordpiece
    byte_pairs      the bpe family: byte-level tokens, GPT-2's pattern
    word_pieces     the wordpiece family: BERT's words, "##" inside them
    sentence_pieces the two sentencepiece families, trained by the `sentencepiece` package
    train           one entry point for all families, and the description of the result
    evaluate        figures about a tokenizer on a text

Imports `corpus`, never `pipelines`. Start with `train`.
"""
