"""The cases: what is timed, beside what, and on how much. Both sides of a case are functions of its
name, in ours.py and peers.py. Standard library only: both virtual environments import it."""

from __future__ import annotations

from typing import NamedTuple

MB = 1_000_000

# Settings that both sides of a case must share.
NGRAM = 5  # words or characters of a shingle
PERMUTATIONS = 256
THRESHOLD = 0.8
BANDS, ROWS = 32, 8  # lsh.choose_bands(0.8, 256, 0.99)
MATCH_BYTES = 100  # shortest repeated text: 50 GPT-2 tokens of two bytes (Lee et al. 2021)
VOCABULARY = 32_000
FAMILIES = ("wordpiece", "sentencepiece-bpe", "sentencepiece-unigram")
"""Of which a tokenizer is trained, beside the BPE."""
FAMILY_VOCABULARY = 8_000
"""Tokens of each, which a few megabytes of text are enough for."""
SEQUENCE = 2048
BATCH = 8
MASKED_SEQUENCE, MASKED_BATCH = 512, 32
"""Of objectives with masks: BERT's and T5's length."""
MASK_SHARE, MEAN_SPAN = 0.15, 3
URL_LISTS = ("domains", "hard_words", "soft_words", "subwords")
ARCHIVE = "pages.warc.gz"


class Case(NamedTuple):
    """`peer` is what the table calls it, None if there is none to compare with; `package` is the
    distribution whose version is stated. `peer_bytes` is the most of the corpus that the peer is
    given (None: all), because most are slow. `needs` are what inputs.py makes beforehand. Speed is
    in tokens per second where `tokens`, else in bytes of text."""

    about: str
    peer: str | None = None
    package: str = ""
    peer_bytes: int | None = None
    needs: tuple[str, ...] = ()
    tokens: bool = False


CASES = {
    "warc": Case(
        "web archive to documents, pages extracted in a child process; per byte of the unpacked archive",
        "fastwarc and resiliparse by hand in one loop, nothing between them and a hostile page",
        "fastwarc",
        needs=("archive",),
    ),
    "c4": Case(
        "C4's page cleaning, all rules",
        "datatrove C4QualityFilter",
        "datatrove",
        4 * MB,
    ),
    "quality": Case(
        "Gopher's repetition and quality rules, then FineWeb's, as datatrove has them",
        "datatrove's three filters, words by nltk, sentences given: punkt's model is a download",
        "datatrove",
        2 * MB,
        ("sentences",),
    ),
    "url_filter": Case(
        "domains, hosts and words of URLs, per byte of the documents' text",
        "datatrove URLFilter, the same lists",
        "datatrove",
        needs=("lists",),
    ),
    "pii": Case(
        "e-mail and IP addresses replaced",
        "datatrove PIIFormatter, IPv4 only",
        "datatrove",
        16 * MB,
    ),
    "langdetect": Case("language of each document, the package's answers", "langdetect", "langdetect", 4 * MB),
    "minhash": Case(
        "shingles of 5 words and signatures of 256 permutations",
        "datasketch MinHash.update_batch, shingles made with re",
        "datasketch",
        8 * MB,
    ),
    "minhash_characters": Case(
        "shingles of 5 characters of words and signatures of 256 permutations",
        "datasketch MinHash.update_batch, shingles made with re",
        "datasketch",
        2 * MB,
    ),
    "near_dedup": Case(
        "near-duplicates, a run of the step: from a Parquet file to what is kept",
        "datasketch MinHash and MinHashLSH, candidates only",
        "datasketch",
        8 * MB,
    ),
    "near_dedup_fineweb": Case(
        "the same with FineWeb's settings, nothing verified",
        "datatrove's four stages on one core, words by nltk",
        "datatrove",
        8 * MB,
    ),
    "suffix_array": Case(
        "runs of repeated windows of 100 bytes",
        "pydivsufsort: divsufsort and kasai, no ranges",
        "pydivsufsort",
    ),
    "windows": Case(
        "ranges of 100 bytes and more that stand in kept text, by windows",
        "pydivsufsort: divsufsort and kasai, no ranges",
        "pydivsufsort",
    ),
    "lines": Case("C4's line deduplication: keys, owners, what goes compared with what stays, decisions"),
    "paragraphs": Case("the same with CCNet's paragraphs, of which the first stays"),
    "contamination": Case(
        "13-grams of evaluation sets in the text, with spans and decisions",
        "lm-evaluation-harness's Janitor, in Python",
        "lm_eval",
        2 * MB,
    ),
    "contamination_datatrove": Case(
        "12-grams of evaluation sets in the text, with spans and decisions",
        "datatrove NGramsDecontFilter, words by nltk",
        "datatrove",
        2 * MB,
    ),
    "contamination_1e6": Case("a million 13-grams of held-back text in the text"),
    "contamination_1e7": Case("ten million 13-grams of held-back text in the text"),
    "bpe_train": Case("byte-level BPE of 32,000 tokens: count, merge, write", "tokenizers BpeTrainer", "tokenizers"),
    "encode": Case(
        "BPE ids with a freshly loaded encoder",
        "tiktoken encode_ordinary",
        "tiktoken",
        16 * MB,
        ("tokenizer",),
    ),
    "encode_warm": Case(
        "BPE ids of a text that the encoder has seen before",
        "tiktoken encode_ordinary",
        "tiktoken",
        16 * MB,
        ("tokenizer",),
    ),
    "encode_hf": Case(
        "BPE ids, both encoders freshly loaded",
        "tokenizers encode_batch_fast",
        "tokenizers",
        8 * MB,
        ("tokenizer",),
    ),
    "encode_gigatoken": Case(
        "BPE ids, both encoders freshly loaded", "gigatoken encode_batch, one thread", "gigatoken", None, ("tokenizer",)
    ),
    "encode_fastokens": Case(
        "BPE ids, both encoders freshly loaded", "fastokens encode_batch_flat", "fastokens", None, ("tokenizer",)
    ),
    "encode_wordpiece": Case(
        "WordPiece ids with a freshly loaded encoder",
        "tokenizers encode_batch_fast",
        "tokenizers",
        8 * MB,
        ("families",),
    ),
    "encode_sentencepiece_bpe": Case(
        "ids of sentencepiece's BPE with a freshly loaded encoder",
        "sentencepiece encode, one thread",
        "sentencepiece",
        8 * MB,
        ("families",),
    ),
    "encode_unigram": Case(
        "ids of sentencepiece's unigram model with a freshly loaded encoder",
        "sentencepiece encode, one thread",
        "sentencepiece",
        16 * MB,
        ("families",),
    ),
    "loader_causal": Case(
        "shuffled batches of 8 x 2048 tokens and labels",
        "mosaicml-streaming StreamingDataset, local MDS shards",
        "mosaicml-streaming",
        20 * MB,
        ("tokens",),
        tokens=True,
    ),
    "loader_litdata": Case(
        "the same",
        "LitData StreamingDataset with TokensLoader, local chunks",
        "litdata",
        64 * MB,
        ("tokens",),
        tokens=True,
    ),
    "loader_megatron": Case(
        "the same; our side reads the shards that the peer reads",
        "Megatron's GPTDataset, memory-mapped",
        "megatron-core",
        32 * MB,
        ("tokens",),
        tokens=True,
    ),
    "loader_memmap": Case("the same", "numpy memmap, slices in random order", "numpy", None, ("tokens",), tokens=True),
    "mlm": Case(
        "shuffled batches of 32 x 512 with BERT's masks; our side reads them from shards",
        "transformers DataCollatorForLanguageModeling, of rows in memory",
        "transformers",
        8 * MB,
        ("sentence_tokens",),
        tokens=True,
    ),
    "spans": Case(
        "shuffled batches of T5's span corruption, 568 tokens to 512 inputs and 114 targets",
        "what transformers' T5 example does in NumPy (random_spans_noise_mask), written anew, of rows in memory",
        "numpy",
        8 * MB,
        ("sentence_tokens",),
        tokens=True,
    ),
    "fim": Case(
        "shuffled batches of 8 x 2048 with fill-in-the-middle, between tokens",
        "what Megatron's GPTFIMDataset does in NumPy, written anew, between tokens, of rows in memory",
        "numpy",
        8 * MB,
        ("sentence_tokens",),
        tokens=True,
    ),
    "pairs": Case(
        "shuffled batches of 32 pairs of segments, 512 tokens, with BERT's masks; pairs are planned beforehand",
        "transformers DataCollatorForLanguageModeling, of ready pairs in memory",
        "transformers",
        8 * MB,
        ("sentence_tokens",),
        tokens=True,
    ),
}
