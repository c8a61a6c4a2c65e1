"""The wordpiece family: BERT's words (Devlin et al. 2019), pieces inside a word marked "##".

Merges are chosen by count, as in Hugging Face's trainer, not by likelihood; but ids never
depend on the order of a hash map, so that equal counts give equal files. Ids: special tokens,
characters by code point, "##" and each character seen inside a word by code point, merges.

Normalization and splitting are those of Hugging Face's `BertNormalizer` and `BertPreTokenizer`.
"""

from __future__ import annotations

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.encoding.distinct_words import BLANK_FREE, distinct
from tokenizer_training.configuration import TrainTokenizer
from tokenizer_training.counts import SCHEMA, merge_counts
from tokenizer_training.export import added_tokens, compression_curve, vocabulary, write_json
from tokenizer_training.families.family import Family, Trained
from tokenizer_training.merges import learn_merges

PREFIX = "##"
MAX_CHARACTERS = 1000
"""Size of the alphabet at most (`limit_alphabet` of Hugging Face's `BertWordPieceTokenizer`).
A word with a rarer character can only ever be encoded as unknown; it is left out of training."""
MAX_WORD_CHARACTERS = 100
"""A longer word is encoded as unknown (`max_input_chars_per_word` of `tokenizers`)."""


def count(text: pa.Array, config: TrainTokenizer) -> pa.Table:
    """BERT's words, after its normalization."""
    found = distinct(text, BLANK_FREE)
    words, counts = split_words(found.words, found.counts, config)
    return merge_counts([pa.table([words, pa.array(counts)], schema=SCHEMA)])


def split_words(words: pa.Array, counts: np.ndarray, config: TrainTokenizer) -> tuple[pa.Array, np.ndarray]:
    """BERT's words in blank-free runs of text that occur `counts` times each: (words
    large_string, counts int64), where a word may occur more than once."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordPiece())
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=config.lowercase)
    splitter = pre_tokenizers.BertPreTokenizer()
    found: list[str] = []
    weights: list[int] = []
    for word, weight in zip(words.to_pylist(), counts.tolist()):
        pieces = splitter.pre_tokenize_str(tokenizer.normalizer.normalize_str(word))
        found.extend(piece for piece, _ in pieces)
        weights.extend([weight] * len(pieces))
    return pa.array(found, pa.large_string()), np.array(weights, np.int64)


def train(counts: pa.Table, config: TrainTokenizer, folder: pathlib.Path) -> Trained:
    """Trains and writes tokenizer.json and vocab.txt. Raises ValueError
    where `vocab_size` has no room for the alphabet."""
    special = config.all_special_tokens()
    words, weights = counts["word"].combine_chunks(), counts["count"].to_numpy()
    characters, offsets = _code_points(words)
    kept = _frequent_characters(characters, np.repeat(weights, np.diff(offsets)))
    characters, offsets, weights, left_out = _without_rare(characters, offsets, weights, kept)
    inside = np.ones(len(characters), np.bool_)
    inside[offsets[:-1]] = False
    seen_inside = np.unique(characters[inside])
    first_inside = len(special) + len(kept)
    if config.vocab_size < first_inside + len(seen_inside):
        raise ValueError(
            f"vocab_size {config.vocab_size} is too small: {len(special)} special tokens and "
            f"{len(kept) + len(seen_inside)} characters come first"
        )
    symbols = np.where(
        inside,
        first_inside + np.searchsorted(seen_inside, characters),
        len(special) + np.searchsorted(kept, characters),
    )
    alphabet = [(chr(c).encode(), False) for c in kept] + [(chr(c).encode(), True) for c in seen_inside]
    learned = learn_merges(symbols, offsets, weights, alphabet, len(special), config.vocab_size, config.min_frequency)
    tokens = [*special, *map(chr, kept), *(PREFIX + chr(c) for c in seen_inside)]
    for left, right, merged in learned.rows.tolist():
        if merged == len(tokens):
            tokens.append(tokens[left] + tokens[right].removeprefix(PREFIX))
    _write_files(tokens, special, config, folder)
    total = int(np.dot(np.diff(offsets), weights))
    curve = compression_curve(learned, total, first_inside + len(seen_inside))
    return Trained(len(tokens), {"merges": len(learned.rows), "words_with_rare_characters": left_out, **curve})


def _code_points(words: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(code points uint32 of all words, offsets int64[n + 1])."""
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum(pc.utf8_length(words).to_numpy(), out=offsets[1:])
    return np.frombuffer("".join(words.to_pylist()).encode("utf-32-le"), np.uint32), offsets


def _frequent_characters(characters: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The MAX_CHARACTERS most frequent ones, the lower code point first where counts are
    equal; sorted by code point."""
    kinds, index = np.unique(characters, return_inverse=True)
    totals = np.zeros(len(kinds), np.int64)
    np.add.at(totals, index, weights)
    order = np.lexsort((kinds, -totals))
    return np.sort(kinds[order[:MAX_CHARACTERS]])


def _without_rare(
    characters: np.ndarray, offsets: np.ndarray, weights: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The words made of `kept` characters only, and the weighted number of the others."""
    rare = np.concatenate([[0], np.cumsum(~np.isin(characters, kept))])
    good = rare[offsets[1:]] == rare[offsets[:-1]]
    lengths = np.diff(offsets)
    left_out = int(weights[~good].sum())
    new_offsets = np.concatenate([[0], np.cumsum(lengths[good])])
    return characters[np.repeat(good, lengths)], new_offsets, weights[good], left_out


def _write_files(tokens: list[str], special: tuple[str, ...], config: TrainTokenizer, folder: pathlib.Path) -> None:
    sequence = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    end = {"SpecialToken": {"id": "[SEP]", "type_id": 0}}
    second = [
        {"Sequence": {"id": "B", "type_id": 1}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
    ]
    template = {name: {"id": name, "ids": [special.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens(config.special_ids(len(tokens)), len(tokens), config.sentinels),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": config.lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [*sequence, end],
            "pair": [*sequence, end, *second],
            "special_tokens": template,
        },
        "decoder": {"type": "WordPiece", "prefix": PREFIX, "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": PREFIX,
            "max_input_chars_per_word": MAX_WORD_CHARACTERS,
            "vocab": vocabulary(tokens),
        },
    }
    write_json(folder / "tokenizer.json", tokenizer)
    (folder / "vocab.txt").write_bytes("".join(token + "\n" for token in tokens).encode())


WORDPIECE = Family(
    name="wordpiece",
    special_tokens=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),  # BERT
    end="[SEP]",
    pad="[PAD]",
    unknown="[UNK]",
    count=count,
    train=train,
    files=("tokenizer.json", "vocab.txt"),
    encoder="wordpiece",
)
