"""Tokenizers as papers and their code have them, by name: options of `TrainTokenizer`, one record each.

A preset says how text is normalized and divided, which special tokens there are and with which ids, and how many ids.
What is trained with it is trained on the documents at hand, by the family's own trainer: the vocabulary is another, and
what each record does not say is not as in the paper.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

_GPT2 = {"family": "bpe", "vocab_size": 50257, "first_tokens": (), "last_tokens": ("<|endoftext|>",)}
_FAIRSEQ = {
    "family": "bpe", "vocab_size": 50265, "first_tokens": ("<s>", "<pad>", "</s>", "<unk>"), "last_tokens": ("<mask>",),
    "end": "</s>", "before": "<s>", "after": "</s>",
}  # fmt: skip
_CLIP = {
    "family": "bpe", "vocab_size": 49408, "pattern": "clip", "normalization": "nfc_lowercase", "end_of_word": "</w>",
    "first_tokens": (), "last_tokens": ("<|startoftext|>", "<|endoftext|>"), "end": "<|endoftext|>",
    "pad": "<|endoftext|>", "before": "<|startoftext|>", "after": "<|endoftext|>",
}  # fmt: skip
_ABOUT_BERT = {"end": "[SEP]", "before": "[CLS]", "after": "[SEP]"}
_T5 = {"family": "sentencepiece-unigram", "byte_fallback": False, "sentinels": 100, "vocab_size": 32000}


def _unused(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"[unused{i}]" for i in range(first, last + 1))


_BERT_UNCASED = {
    "family": "wordpiece", "vocab_size": 30522, "lowercase": True,
    "first_tokens": ("[PAD]", *_unused(0, 98), "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_unused(99, 993)), **_ABOUT_BERT,
}  # fmt: skip
_BERT_CASED = {
    **_BERT_UNCASED, "vocab_size": 28996, "lowercase": False,
    "first_tokens": ("[PAD]", *_unused(1, 99), "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_unused(100, 101)),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Preset:
    """`options` of `TrainTokenizer`; `source`: where they are from, and what of it is left out here."""

    options: Mapping[str, Any]
    source: str


PRESETS = {
    "gpt2": Preset(_GPT2, "Radford et al. 2019, openai/gpt-2 src/encoder.py; <|endoftext|> is 50256"),
    "gpt3": Preset(_GPT2, "Brown et al. 2020: GPT-2's"),
    "codex": Preset(
        {**_GPT2, "vocab_size": 50281, "user_symbols": tuple(" " * n for n in range(2, 26))},
        "Chen et al. 2021 and tiktoken's p50k: 24 runs of 2 to 25 spaces after <|endoftext|>; they are found wherever "
        "they stand, as in CodeGen's tokenizer, and not as pre-tokens",
    ),
    "roberta": Preset(_FAIRSEQ, "Liu et al. 2019, fairseq: <s> 0, <pad> 1, </s> 2, <unk> 3, <mask> last"),
    "bart": Preset(_FAIRSEQ, "Lewis et al. 2020: RoBERTa's"),
    "clip": Preset(
        _CLIP,
        "Radford et al. 2021, openai/CLIP simple_tokenizer.py, as transformers has it: ftfy is the step `repair`, and "
        "html.unescape is left out; 256 bytes, 256 that end a word, merges, <|startoftext|> 49406, <|endoftext|> 49407",
    ),
    "dalle": Preset({**_CLIP, "vocab_size": 16384}, "Ramesh et al. 2021: 16,384 ids, in lower case; CLIP's otherwise"),
    "bert": Preset(_BERT_UNCASED, "Devlin et al. 2019, bert-base-uncased: [PAD] 0, [UNK] 100, [MASK] 103"),
    "bert_cased": Preset(_BERT_CASED, "Devlin et al. 2019, bert-base-cased"),
    "distilbert": Preset(_BERT_UNCASED, "Sanh et al. 2019: BERT's"),
    "electra": Preset(_BERT_UNCASED, "Clark et al. 2020: BERT's"),
    "albert": Preset(
        {
            "family": "sentencepiece-unigram", "vocab_size": 30000, "byte_fallback": False,
            "character_coverage": 0.99995,
            "first_tokens": ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"), "normalization": "nmt_nfkc_cf",
            **_ABOUT_BERT,
        },
        "Lan et al. 2020, google-research/albert: without its user-defined punctuation; case is folded, accents stay",
    ),
    "t5": Preset(_T5, "Raffel et al. 2020: <pad> 0, </s> 1, <unk> 2, 100 sentinels on top, the first of which is last"),
    "mt5": Preset(
        {**_T5, "vocab_size": 250000, "character_coverage": 0.99999, "byte_fallback": True}, "Xue et al. 2021"
    ),
    "byt5": Preset({"family": "byte", "sentinels": 125}, "Xue et al. 2022; sentinels count down, as T5's"),
    "xlnet": Preset(
        {
            "family": "sentencepiece-unigram", "vocab_size": 32000, "byte_fallback": False,
            "character_coverage": 0.99995,
            "first_tokens": ("<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"),
            "end": "<eod>",
        },
        "Yang et al. 2019, zihangdai/xlnet: <eop> is text to no one here, and punctuation is not user-defined",
    ),
    "bloom": Preset(
        {
            "family": "bpe", "vocab_size": 250680, "first_tokens": ("<unk>", "<s>", "</s>", "<pad>"), "end": "</s>",
            "pattern": r" ?[^(\s|.,!?…。，、।۔،)]+",
        },
        "Le Scao et al. 2022, bigscience/tokenizer; its set within a set is one set here, of the same characters",
    ),
    "pythia": Preset(
        {
            "family": "bpe", "vocab_size": 50277, "first_tokens": ("<|endoftext|>", "<|padding|>"),
            "normalization": "nfc",
            "pad": "<|padding|>", "user_symbols": tuple(" " * n for n in range(24, 1, -1)),
        },
        "Black et al. 2022 (GPT-NeoX-20B), Biderman et al. 2023: 23 runs of 24 to 2 spaces last",
    ),
    "llama": Preset(
        {
            "family": "sentencepiece-bpe", "vocab_size": 32000, "first_tokens": ("<unk>", "<s>", "</s>"),
            "before": "<s>", "normalization": "identity", "remove_extra_whitespaces": False, "split_digits": True,
            "character_coverage": 0.99995, "byte_fallback": True,
        },
        "Touvron et al. 2023: digits alone, unknown characters as bytes, white space as it is",
    ),
}  # fmt: skip
"""By the name that `preset` takes."""
NAMES = ("", *PRESETS)
"""What `preset` may be."""
