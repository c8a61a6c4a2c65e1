"""Text to ids: `encoder` is a loaded tokenizer of any family, `encoders` the ways of encoding that there are.

    normalizers, character_maps     what is done to a text first
    pretokenizers, patterns         how it is divided, by name or by regular expression, and the tables of that
    pretokenize                     the kernel that follows the tables
    bpe, pretoken_table             byte-level BPE, through a table of the pre-tokens seen before
    distinct_words, known_words     the distinct words of a column, or of all that came; other kinds encode each once
    wordpiece, unigram, character_bpe, tries    what they encode them with
    sentencepiece_model, sentencepiece_normalizer, metaspace    models of sentencepiece, and of its kind
    huggingface                     what characters are to Hugging Face's `tokenizers`
    byte_level                      GPT-2's alphabet
    sentencepiece_classes           how classes of transformers number the pieces of such a model
    sources, conversions            a tokenizer that was made elsewhere, read, and a tokenizer.json made of it
    components, gate, adopt         what of it our kernels know; proven against the library; made one of ours
    exports                         what others read of ours
    resize, resized_files, needed_tokens    one with fewer tokens, or more, and the table of ids

Start with `encoder.load_encoder`. May import `corpus.text` and `corpus.tables`.
"""
