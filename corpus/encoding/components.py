"""What a tokenizer.json is made of: which of its components our kernels know, which not even the library does.

A kernel is chosen only where every component is, field for field, one that it is made for: whatever else a file says,
one field more or one value that was never seen, is left to the library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from corpus.encoding import byte_level, metaspace, normalizers, pretokenizers
from corpus.encoding.added_tokens import contents
from corpus.encoding.normalizers import Normalizer
from corpus.encoding.patterns import PatternError
from corpus.encoding.pretokenizers import PreTokenizer

if TYPE_CHECKING:
    import tokenizers

ANY = "tokenizers"
"""The encoder for any tokenizer.json, which is the library."""
ORDER = ("normalizer", "pre_tokenizer", "post_processor", "decoder", "model")
_SEQUENCES = ("normalizers", "pretokenizers", "processors", "decoders")
"""What a Sequence calls its parts, by role."""
_EMPTY_MODEL = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
_ALONE: dict[str, Any] = {**dict.fromkeys(("truncation", "padding", *ORDER)), "version": "1.0", "added_tokens": []}
_ALONE["model"] = _EMPTY_MODEL
"""A tokenizer.json without components."""
_BYTE_LEVEL = {("ByteLevel", frozenset(("type", "add_prefix_space", "trim_offsets")))}
_SPLIT = {
    ("Split", frozenset(("type", "pattern", "behavior", "invert"))),
    ("Digits", frozenset(("type", "individual_digits"))),
}
"""Types that text may be divided by before it is bytes, and their fields."""
_NORMALIZER: dict[str, list[str]] = {
    **dict.fromkeys(("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"), []),
    "Sequence": ["normalizers"],
    "Strip": ["strip_left", "strip_right"],
    "Prepend": ["prepend"],
    "Replace": ["content", "pattern"],
    "BertNormalizer": ["clean_text", "handle_chinese_chars", "lowercase", "strip_accents"],
}
"""Types of normalizers and their fields."""
_METASPACE = ["prepend_scheme", "replacement", "split", "type"]
_BPE_OPTIONS = {
    **dict.fromkeys(("dropout", "continuing_subword_prefix"), False),
    **dict.fromkeys(("end_of_word_suffix", "unk_token", "fuse_unk", "byte_fallback", "ignore_merges"), True),
}
"""Options of BPE: whether they may have a value. Where all bytes are tokens nothing is unknown, so that three of
them have no effect."""
_FLAGS = {"single_word": False, "lstrip": False, "rstrip": False}


def kernel(stored: dict[str, Any]) -> tuple[str, list[str]]:
    """(the encoder for a tokenizer.json, of `corpus.encoding.encoders.ENCODERS`; where that is the library's, the
    components that kept it from being ours)."""
    model = str(stored["model"].get("type", "without a type"))
    reasons = [f"model {model}"]
    for encoder, unknown in _KERNELS.get(model, {}).items():
        reasons = list(unknown(stored))
        if not reasons or (encoder == "bpe" and "ByteLevel" in name("", stored.get("pre_tokenizer"))):
            break
    return (ANY, reasons) if reasons else (encoder, [])


def completed(stored: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer.json with what older ones leave unsaid said as the library takes it, where that makes it one for our
    kernels: the type of the model, and options of how text is normalized and divided."""
    library, written = _loaded(stored), _loaded({**_ALONE, **{role: stored.get(role) for role in ORDER[:2]}})
    if isinstance(library, str) or isinstance(written, str) or kernel(stored)[0] != ANY:
        return stored
    said = json.loads(written.to_str())
    whole = {**stored, "model": {"type": type(library.model).__name__, **stored["model"]}}
    if kernel(whole)[0] == ANY:
        whole |= {role: said[role] for role in ORDER[:2]}
    return whole if kernel(whole)[0] != ANY else stored


def normalizer(component: Any) -> Normalizer | None:
    """What is done to a text first. Raises PatternError for what we do not know, with its name."""
    if component is None:
        return None
    for part in _parts(component):
        fields = sorted(set(part) - {"type"}) if isinstance(part, dict) else []
        if not isinstance(part, dict) or fields != _NORMALIZER.get(str(part.get("type"))):
            raise PatternError(name("normalizer", component))
    return normalizers.from_component(component)


def changes_texts(component: Any) -> bool:
    """Whether there is a normalizer, and more of it than a Sequence of nothing."""
    return any(not isinstance(part, dict) or part.get("type") != "Sequence" for part in _parts(component) if part)


def divider(component: Any) -> tuple[PreTokenizer, bool]:
    """How byte-level text is divided: (the pre-tokenizer, whether a text begins with a space that it may not have).
    Raises PatternError for one that we do not know, with its name."""
    sequence = isinstance(component, dict) and component.get("type") == "Sequence"
    *before, last = (_inner(component) if sequence else [component]) or [None]
    for part, fields in [*((part, _SPLIT) for part in before), (last, _BYTE_LEVEL)]:
        if not isinstance(part, dict) or (part.get("type"), frozenset(part) - {"use_regex"}) not in fields:
            raise PatternError(name("pre_tokenizer", component))
    if last["add_prefix_space"] and before:
        raise PatternError(f"{name('pre_tokenizer', component)} with add_prefix_space")
    return pretokenizers.from_component(component), last["add_prefix_space"]


def words(component: Any) -> PreTokenizer:
    """How BERT's text is divided into words. Raises PatternError for anything else."""
    if component != {"type": "BertPreTokenizer"}:
        raise PatternError(name("pre_tokenizer", component))
    return pretokenizers.from_component(component)


def _unknown_to_bpe(stored: dict[str, Any]) -> Iterator[str]:
    model = stored["model"]
    for reader, role in ((normalizer, "normalizer"), (divider, "pre_tokenizer")):
        try:
            reader(stored.get(role))
        except PatternError as error:
            yield str(error)
    given = {key: value for key, value in model.items() if key not in ("type", "vocab", "merges")}
    for key, value in given.items():
        if key not in _BPE_OPTIONS or (value and not _BPE_OPTIONS[key]):
            yield f"model BPE with {key} {value!r}"
    alphabet, suffix = set(byte_level.characters()), model.get("end_of_word_suffix") or ""
    if suffix and (model.get("ignore_merges") or any(c + suffix not in model["vocab"] for c in alphabet)):
        yield f"model BPE with end_of_word_suffix {suffix!r}"
    added = {token["content"] for token in stored.get("added_tokens") or []}
    if alphabet - set(model["vocab"]):
        yield "model BPE without all bytes"
    elif any(not alphabet >= set(token) for token in model["vocab"] if token not in added):
        yield "model BPE whose tokens are no bytes"
    yield from _unknown_added(stored)


def _unknown_to_wordpiece(stored: dict[str, Any]) -> Iterator[str]:
    model, first = stored["model"], stored.get("normalizer")
    if not isinstance(first, dict) or first.get("type") != "BertNormalizer":
        yield name("normalizer", first)
    for reader, role in ((normalizer, "normalizer"), (words, "pre_tokenizer")):
        try:
            reader(stored.get(role))
        except PatternError as error:
            yield str(error)
    if sorted(model) != ["continuing_subword_prefix", "max_input_chars_per_word", "type", "unk_token", "vocab"]:
        yield f"model WordPiece with {', '.join(sorted(model))}"
    elif model["unk_token"] not in model["vocab"]:
        yield "model WordPiece without its unknown token"
    yield from _unknown_added(stored)


def _unknown_added(stored: dict[str, Any]) -> Iterator[str]:
    """Tokens that are found in text by other rules than their characters alone."""
    tokens = stored.get("added_tokens") or []
    try:
        first = normalizer(stored.get("normalizer"))
    except PatternError:  # which is said of the normalizer itself
        return
    late = [token for token in tokens if token["normalized"]]
    if not all(token["content"] for token in contents(late, first.texts if first else None)):
        yield "an added token of which nothing is left once it is normalized"
    for token in tokens:
        plain = all(token[flag] == value for flag, value in _FLAGS.items()) and token["content"]
        if not token["special"] and not plain:
            yield f"added token {token['content']!r}"
            return


def _unknown_to_metaspace(stored: dict[str, Any]) -> Iterator[str]:
    model, split = stored["model"], stored.get("pre_tokenizer")
    try:
        normalizer(stored.get("normalizer"))
    except PatternError as error:
        yield str(error)
    if split is None or split in metaspace.AT_SPACES:
        pass
    elif not isinstance(split, dict) or sorted(split) != _METASPACE:
        yield name("pre_tokenizer", split)
    elif split["prepend_scheme"] == "first" and not all(token["special"] for token in stored.get("added_tokens") or []):
        yield "pre_tokenizer Metaspace of the scheme first with added tokens"
    if more := sorted(set(model) - {"type", "vocab", "merges", *_BPE_OPTIONS, "unk_id"}):
        yield f"model {model['type']} with {', '.join(more)}"
    yield from _unknown_added(stored)
    try:
        metaspace.encoder(stored)
    except PatternError as error:
        yield str(error)


_KERNELS: dict[str, dict[str, Callable[[dict[str, Any]], Iterator[str]]]] = {
    "BPE": {"bpe": _unknown_to_bpe, "metaspace": _unknown_to_metaspace},
    "WordPiece": {"wordpiece": _unknown_to_wordpiece},
    "Unigram": {"metaspace": _unknown_to_metaspace},
}
"""Encoders by type of model, and what finds in a tokenizer.json that they do not know."""


def name(role: str, component: Any) -> str:
    """A component by its role and type, with what stands in a Sequence."""
    if component is None:
        return f"no {role}"
    if not isinstance(component, dict):
        return f"{role} {component!r}"
    parts = [part.get("type", "?") for part in _inner(component) if isinstance(part, dict)]
    return f"{role} {component.get('type', 'without a type')}" + (f" of {', '.join(parts)}" if parts else "")


def _inner(component: Any) -> list[Any]:
    """What stands in a Sequence; nothing stands in others."""
    if not isinstance(component, dict):
        return []
    lists = (component.get(key) for key in _SEQUENCES)
    return [part for each in lists if isinstance(each, list) for part in each]


def load(stored: dict[str, Any], where: str) -> tokenizers.Tokenizer:
    """The library's tokenizer of a tokenizer.json, which adds and cuts nothing. Raises ValueError with the component's
    name where the library does not know one."""
    stored = {**stored, "truncation": None, "padding": None}
    found = _loaded(stored)
    if isinstance(found, str):
        raise ValueError(f"{where} cannot be read by `tokenizers` {_version()}: {_unknown(stored) or found}")
    return found


def ids_of(library: tokenizers.Tokenizer, text: str, whole: bool) -> list[int] | str:
    """The ids of a text, with what is put about it where `whole`; or why there are none."""
    try:
        return list(library.encode(text, add_special_tokens=whole).ids)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # as in `_loaded`
        return str(error).strip() or type(error).__name__


def _loaded(stored: dict[str, Any]) -> tokenizers.Tokenizer | str:
    """The tokenizer, or why there is none."""
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_str(json.dumps(stored))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library panics, too, which is no Exception
        return str(error).strip() or type(error).__name__


def _unknown(stored: dict[str, Any]) -> str | None:
    """The first component that the library refuses when it stands alone, with its reason."""
    for role in ORDER:
        for part in _parts(stored.get(role)) if role != "model" else [stored.get(role)]:
            why = _loaded({**_ALONE, role: part})
            if isinstance(why, str):
                return f"{name(role, part)} ({why})"
    return None


def _parts(component: Any) -> list[Any]:
    """A component, or what stands in it where it is a Sequence."""
    return [deep for part in _inner(component) for deep in _parts(part)] + [component]


def _version() -> str:
    import tokenizers

    return str(tokenizers.__version__)
