"""Text to ids: `encoder` is a loaded tokenizer of any family, `encoders` the ways of encoding that there are.

    normalizers, character_maps     what is done to a text first
    pretokenizers, patterns         how it is divided, by name or by regular expression, and the tables of that
    pretokenize                     the kernel that follows the tables
    bpe, pretoken_table             byte-level BPE, through a table of the pre-tokens seen before
    distinct_words                  the distinct words of a column, each of which all other kinds encode once
    wordpiece, unigram, character_bpe, tries    what they encode them with
    sentencepiece_model, sentencepiece_normalizer, metaspace    models of sentencepiece, and of its kind
    huggingface                     what characters are to Hugging Face's `tokenizers`
    byte_level                      GPT-2's alphabet
    sources, conversions            a tokenizer that was made elsewhere, read, and a tokenizer.json made of it
    components, gate, adopt         what of it our kernels know; proven against the library; made one of ours
    exports                         what others read of ours

Start with `encoder.load_encoder`. May import `corpus.text` and `corpus.tables`.
"""
