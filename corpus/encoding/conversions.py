"""A tokenizer.json of the forms that tokenizers had before it: what the file itself does not say is taken from its
configuration, or asked for; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corpus.encoding import byte_level
from corpus.encoding.patterns import GAPS, MATCHES
from corpus.encoding.pretokenizers import PRETOKENIZERS, PreTokenizer
from corpus.encoding.sources import ADDED_TOKENS, ROLES, Source, ranks

PATTERNS = ("gpt2", "cl100k", "o200k", "llama3", "qwen2", "deepseek")
"""Those of `PRETOKENIZERS` that vocabularies of bytes are made with, which a source may ask for by name."""
WORDS_OF_CLIP = "clip"
"""Of `PRETOKENIZERS`, that of vocabularies whose words end in a token of their own, in lower case."""
END_OF_WORD = "</w>"
"""What CLIP's tokens end in that end a word."""
_CLIP_NORMALIZER = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
PATTERN_OF_CLASS = {
    "CLIPTokenizer": WORDS_OF_CLIP,
    "GPT2Tokenizer": "gpt2",
    "RobertaTokenizer": "gpt2",
    "BartTokenizer": "gpt2",
    "LongformerTokenizer": "gpt2",
    "Qwen2Tokenizer": "qwen2",
}
"""Of the classes of transformers that come with vocab.json and merges.txt."""
_CLOSED_BY_END = ("RobertaTokenizer", "BartTokenizer", "LongformerTokenizer", "CLIPTokenizer")
"""Those that put the beginning and the end of a sequence about a text."""
MOST_RESERVED = 1 << 16
"""Ids that special tokens may leave out."""
_BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def class_of(source: Source) -> str:
    """The class of transformers that a configuration names, empty where there is none."""
    return (source.config.get("tokenizer_class") or "").removesuffix("Fast")


def from_merges(source: Source, pattern: str) -> dict[str, Any]:
    """Of vocab.json and merges.txt. Raises ValueError where nothing says the pattern, and for a damaged line."""
    named = class_of(source)
    if not pattern and named not in PATTERN_OF_CLASS:
        said = f"its class {named} is not known" if named else "it has no configuration"
        raise ValueError(
            f"{source.where}: vocab.json and merges.txt do not say how text is divided into words, and {said}; "
            f"give `pattern`, one of {', '.join((*PATTERNS, WORDS_OF_CLIP))} (gpt2 is that of GPT-2, RoBERTa and BART)"
        )
    vocabulary = source.table("vocab.json")
    lines = source.text("merges.txt").splitlines()
    merges = []
    for number, line in enumerate(lines, 1):
        if line and not (number == 1 and line.startswith("#version")):
            if len(line.split(" ")) != 2:
                raise ValueError(f"line {number} of merges.txt of {source.where} is no pair: {line[:60]!r}")
            merges.append(line.split(" "))
    added = source.table(ADDED_TOKENS) if ADDED_TOKENS in source.files else {}
    decoder = source.config.get("added_tokens_decoder") or {}
    added |= {token["content"]: int(i) for i, token in decoder.items()}
    ids = {**vocabulary, **added}
    special = _special(source, ids)
    special |= {token["content"] for token in decoder.values() if token.get("special")}
    prefixed = bool(source.config.get("add_prefix_space", False))
    pattern = pattern or PATTERN_OF_CLASS[named]
    if pattern == WORDS_OF_CLIP and not any(token.endswith(END_OF_WORD) for token in vocabulary):
        raise ValueError(f"{source.where}: no token ends a word with {END_OF_WORD}, as all of CLIP's words do")
    stored = _byte_level(vocabulary, merges, pattern, prefixed)
    flags = {token["content"]: token for token in decoder.values()}
    stored["added_tokens"] = [
        {**_added(token, ids[token]), "special": token in special, **flags.get(token, {})}
        for token in sorted(special | set(added), key=lambda t: ids[t])
    ]
    if named == "Qwen2Tokenizer":
        stored["normalizer"] = {"type": "NFC"}
    if named in _CLOSED_BY_END:
        stored["post_processor"] = template(_role(source, "bos_token", ids), _role(source, "eos_token", ids))
    return stored


def from_ranks(source: Source, pattern: str, special: dict[str, int]) -> dict[str, Any]:
    """Of a .tiktoken file. Every way to split a token in two is a merge of the token's rank, and a pre-token that is in
    the vocabulary is that token, as in tiktoken. Raises ValueError where `pattern` or `special` cannot be."""
    if pattern not in PATTERNS:
        raise ValueError(
            f"{source.where}: a .tiktoken file does not say how text is divided into words; give `pattern`, one "
            f"of {', '.join(PATTERNS)}"
        )
    found = ranks(source.files[source.main], source.where)
    missing = [byte for byte in range(256) if bytes([byte]) not in found]
    if missing:
        raise ValueError(f"{source.where} has no token for byte {missing[0]}: such text could not be encoded")
    special = _without_gaps(special, found, source)
    merges = []
    for token in sorted(found, key=found.__getitem__):
        splits = ((token[:i], token[i:]) for i in range(1, len(token)))
        both = [(left, right) for left, right in splits if left in found and right in found]
        merges += sorted(both, key=lambda pair: (found[pair[0]], found[pair[1]]))
    write = byte_level.from_bytes
    stored = _byte_level(
        {write(token): i for token, i in found.items()}, [[write(a), write(b)] for a, b in merges], pattern, False
    )
    stored["model"]["ignore_merges"] = True
    stored["added_tokens"] = [_added(token, i) for token, i in sorted(special.items(), key=lambda item: item[1])]
    return stored


def _without_gaps(special: dict[str, int], found: dict[bytes, int], source: Source) -> dict[str, int]:
    """Special tokens, and one for each id that is nobody's, for the library counts them on from the vocabulary's
    end."""
    taken = set(found.values())
    for token, i in special.items():
        if i in taken:
            raise ValueError(f"special token {token!r} has the id {i}, which another token of {source.where} has")
        taken.add(i)
    last = max(special.values(), default=0)
    gaps = sorted(set(range(last)) - taken) if last < len(taken) + MOST_RESERVED else None
    if gaps is None or (gaps and gaps[0] < max(found.values())):
        raise ValueError(f"{source.where}: ids from {len(found)} on are free for special tokens, given {special}")
    return {**special, **{f"<|reserved_{i}|>": i for i in gaps}}


def from_words(source: Source, lowercase: bool | None) -> dict[str, Any]:
    """Of BERT's vocab.txt. Raises ValueError where nothing says whether it is lower-cased, or a token is missing."""
    if lowercase is None:
        lowercase = source.config.get("do_lower_case")
    if lowercase is None:
        raise ValueError(
            f"{source.where}: vocab.txt does not say whether text is lower-cased; give `lowercase`, true or false"
        )
    tokens = source.text(source.main).split("\n")
    tokens = [token.rstrip("\r") for token in (tokens[:-1] if tokens[-1] == "" else tokens)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    if len(vocabulary) < len(tokens):
        twice = next(token for i, token in enumerate(tokens) if vocabulary[token] != i)
        raise ValueError(f"{source.main} of {source.where} has {twice!r} twice")
    roles = [source.role(role) for role in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")]
    special = [role or usual for role, usual in zip(roles, _BERT_TOKENS)]
    for needed in special[1:4]:
        if needed not in vocabulary:
            raise ValueError(f"{source.main} of {source.where} has no {needed}, as BERT's has")
    unknown, begin, end = special[1:4]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            _added(t, vocabulary[t]) for t in sorted(special, key=lambda t: vocabulary.get(t, -1)) if t in vocabulary
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": source.config.get("tokenize_chinese_chars", True),
            "strip_accents": source.config.get("strip_accents"),
            "lowercase": lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template((begin, vocabulary[begin]), (end, vocabulary[end])),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }


def divided_by(divide: PreTokenizer, add_prefix_space: bool = False) -> dict[str, Any]:
    """The `pre_tokenizer` of a byte-level tokenizer.json that divides text so."""
    gpt2 = divide == PRETOKENIZERS["gpt2"]
    flags = {"add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": gpt2}
    found: dict[str, Any] = {"type": "ByteLevel", **flags}
    if gpt2:
        return found
    splits = [
        {
            "type": "Split",
            "pattern": {"Regex": expression},
            "behavior": "Isolated" if kept == MATCHES | GAPS else "Removed",
            "invert": kept == MATCHES,
        }
        for expression, kept in divide.patterns
    ]
    return {"type": "Sequence", "pretokenizers": [*splits, found]}


def template(before: tuple[str, int] | None, after: tuple[str, int] | None) -> dict[str, Any]:
    """A post-processor that puts a token (its text and id) before a text, one after it."""
    tokens = [token for token in (before, after) if token]

    def piece(token: tuple[str, int], kind: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token[0], "type_id": kind}}

    def sequence(name: str, kind: int) -> list[dict[str, Any]]:
        begin = [piece(before, kind)] if before and not kind else []
        return [*begin, {"Sequence": {"id": name, "type_id": kind}}, *([piece(after, kind)] if after else [])]

    return {
        "type": "TemplateProcessing",
        "single": sequence("A", 0),
        "pair": [*sequence("A", 0), *sequence("B", 1)],
        "special_tokens": {text: {"id": text, "ids": [i], "tokens": [text]} for text, i in tokens},
    }


def _byte_level(
    vocabulary: dict[str, int], merges: list[list[str]], pattern: str, add_prefix_space: bool
) -> dict[str, Any]:
    known = (*PATTERNS, WORDS_OF_CLIP)
    if pattern not in known:
        raise ValueError(f"there is no pattern {pattern!r}; known are {', '.join(known)}")
    suffix = END_OF_WORD if pattern == WORDS_OF_CLIP else ""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": _CLIP_NORMALIZER if suffix else None,
        "pre_tokenizer": divided_by(PRETOKENIZERS[pattern], add_prefix_space),
        "post_processor": None,
        "decoder": byte_level_decoder(suffix),
        "model": byte_level_model(vocabulary, merges, suffix),
    }


def byte_level_decoder(end_of_word: str = "") -> dict[str, Any]:
    """The `decoder` of a byte-level tokenizer.json; `end_of_word`, which tokens end in that end a word, is a space."""
    flags = {"add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    found: dict[str, Any] = {"type": "ByteLevel", **flags}
    if not end_of_word:
        return found
    space = {"type": "Replace", "pattern": {"String": end_of_word}, "content": byte_level.from_bytes(b" ")}
    return {"type": "Sequence", "decoders": [space, found]}


def byte_level_model(
    vocabulary: Mapping[str, int], merges: Sequence[Sequence[str]], end_of_word: str = ""
) -> dict[str, Any]:
    """What a tokenizer.json says of byte-level BPE: all that it merges are bytes, so nothing is unknown."""
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": end_of_word or None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocabulary,
        "merges": merges,
    }


def _added(token: str, i: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": i, "content": token, **flags}


def _special(source: Source, ids: dict[str, int]) -> set[str]:
    """The special tokens that a configuration names. Raises ValueError for one without an id."""
    found = {token for role in ROLES if (token := source.role(role))}
    for more in source.config.get("additional_special_tokens") or []:
        found.add(more["content"] if isinstance(more, dict) else more)
    for token in sorted(found):
        if token not in ids:
            raise ValueError(f"{source.where}: its configuration has a special token {token!r} that has no id")
    return found


def _role(source: Source, role: str, ids: dict[str, int]) -> tuple[str, int] | None:
    token = source.role(role)
    return (token, ids[token]) if token else None
