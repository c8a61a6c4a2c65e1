"""A tokenizer that was made elsewhere, made one of ours: its files as they came, and a description of them.

    brought, proof = adopt("gpt2/", folder)   # a folder of Hugging Face's, tokenizer.json, *.model, *.tiktoken, ...
    encoder = load_encoder(folder)

What our kernels are made for they encode, once they have given the library's ids on texts that are made to be hard;
everything else the library encodes; what the library cannot read is refused by the component's name. Where a file does
not say something, and its configuration does not either, it is asked for, never guessed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from corpus import options
from corpus.encoding import components, conversions, exports, gate, sentencepiece_model, sources
from corpus.encoding.encoders import CALLS, ENCODERS, LIBRARY, MODEL
from corpus.encoding.exports import as_json
from corpus.encoding.gate import Compared
from corpus.encoding.sentencepiece_classes import CLASSES, renumbered
from corpus.encoding.sentencepiece_model import CONTROL, UNKNOWN, Model, ModelError
from corpus.encoding.sources import Source
from corpus.options import option
from corpus.text.unicode import UNICODE_VERSION

if TYPE_CHECKING:
    import sentencepiece
    import tokenizers

DESCRIPTION = "winnow_tokenizer.json"
FORMAT = "winnow-tokenizer/1"
MOST_IDS = (1 << 31) - 2
"""The greatest id: ids are int32, and there is one more of them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bring:
    """What a tokenizer's files may leave unsaid, and what is made of special tokens."""

    end: str = option("", "Token that ends a document, where a brought tokenizer's configuration does not say it.")
    pad: str = option("", "Token that is padding, where a brought tokenizer's configuration does not say it.")
    pattern: Literal["", "gpt2", "cl100k", "o200k", "llama3", "qwen2", "deepseek"] = option(
        "", "How text is divided before it is merged, of .tiktoken files, and of merges.txt without a configuration."
    )
    lowercase: bool | None = option(None, "Whether text is lower-cased, of a vocab.txt without a configuration.")
    special_tokens: dict[str, int] = option({}, "Special tokens of a .tiktoken file and their ids.")
    special_text: Literal["text", "token"] = option(
        "text", "What the text of a special token in a document is: text, or the token."
    )
    add_special_tokens: bool = option(
        True, "Put about each document what a brought tokenizer puts about a text (its beginning, [CLS] and [SEP])."
    )


def bringing(given: Mapping[str, Any]) -> Bring:
    """The options by name. Raises OptionError."""
    made = options.build(Bring, given, "a tokenizer")
    options.validate(made, "a tokenizer")
    return made


@dataclasses.dataclass(frozen=True)
class Brought:
    """A tokenizer that was read: its `files` by name, as they came and, where it had none, a tokenizer.json made of
    them; what its description says, but for the encoder; the `encoder` that is to be proven, one of
    `corpus.encoding.encoders.ENCODERS`, and where that is a library's the `reasons`: components that ours do not
    know."""

    files: dict[str, bytes]
    described: dict[str, Any]
    encoder: str
    reasons: tuple[str, ...]

    def write(self, folder: pathlib.Path) -> None:
        """The files, without a description, into a local folder, made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)


@dataclasses.dataclass(frozen=True)
class Proof:
    """Who encodes, of `ENCODERS`, and what the gate found, None where there was nothing to compare or to measure."""

    encoder: str
    compared: Compared | None

    def say(self, reasons: Iterable[str] = ()) -> str:
        """One sentence: who encodes, why, and at what speed. `reasons` as in `Brought`."""
        speed = ""
        if self.compared:
            ours, library = self.compared.ours_mb_per_s, self.compared.library_mb_per_s
            speed = f" at {library} MB/s" if self.encoder in CALLS else f" at {ours} MB/s, {library} by the library"
        if self.encoder not in CALLS:
            proof = f"; its ids are the library's on {self.compared.texts:,} texts" if self.compared else ""
            return f"encoded by our kernel {self.encoder}{speed}{proof}"
        called = f"encoded by the library {CALLS[self.encoder]}{speed}"
        if self.compared and self.compared.difference:
            return f"{called}, for our kernel differs at {self.compared.difference}"
        known = ", ".join(reasons)
        return f"{called}: our kernels do not know its {known}" if known else called


def prove(folder: pathlib.Path, encoder: str, described: dict[str, Any], texts: Iterable[str]) -> Proof:
    """Who encodes with the tokenizer whose files lie in a local folder: `encoder`, unless it is ours and differs from
    the library at one of the texts. A library is measured on them."""
    special_too = described.get("special_text") == "token"
    if encoder in CALLS:
        return Proof(encoder, gate.measure(ENCODERS[encoder](folder, special_too)[0], texts))
    if encoder not in LIBRARY:
        return Proof(encoder, None)
    ours, library = (ENCODERS[name](folder, special_too)[0] for name in (encoder, LIBRARY[encoder]))
    compared = gate.compare(ours, library, texts)
    return Proof(LIBRARY[encoder] if compared.difference else encoder, compared)


def description(described: dict[str, Any], folder: pathlib.Path, encoder: str) -> bytes:
    """The file DESCRIPTION of a tokenizer, whose other files lie in a local folder, for who encodes with it."""
    said = {**described, "encoder": encoder, "space_before_word": _space_before_word(ENCODERS[encoder](folder)[0])}
    return as_json({"format": FORMAT, **said, "fingerprint": fingerprint(said)})


def adopt(
    where: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    bring: Bring = Bring(),
    sample: Iterable[str] = (),
) -> tuple[Brought, Proof]:
    """Writes the tokenizer at a path, URI or name of the hub into a local folder, made where it is missing, as one of
    ours; a kernel of ours is compared with the library on hard texts and on `sample`. Raises FileNotFoundError where
    there is none, ValueError for one that cannot be read, or that leaves something unsaid."""
    brought, folder = read(where, bring), pathlib.Path(folder)
    brought.write(folder)
    hard = gate.adversarial(brought.described["special_tokens"], every_code_point=brought.encoder in LIBRARY)
    proof = prove(folder, brought.encoder, brought.described, [*hard, *sample])
    (folder / DESCRIPTION).write_bytes(description(brought.described, folder, proof.encoder))
    return brought, proof


def read(where: str | os.PathLike[str], bring: Bring = Bring()) -> Brought:
    """The tokenizer at a path, URI or name of the hub. Raises as `adopt` does."""
    source = sources.read(where)
    files = {name: data for name, data in source.files.items() if name != source.main}
    reasons: list[str] = []
    if source.kind == sources.SENTENCEPIECE:
        files[MODEL] = _model(source)
        described = _describe_model(source, files[MODEL], bring)
        encoder, reasons = _kernel_of_model(files[MODEL])
    else:
        stored = _converted(source, bring)
        described = _describe_tokenizer(source, stored, bring)  # which refuses what the library does
        encoder, reasons = components.kernel(stored)
        if source.kind == sources.HUGGING_FACE:
            as_it_came = stored == source.json(source.main)
            files["tokenizer.json"] = source.files[source.main] if as_it_came else as_json(stored)
        else:
            files |= {"tokenizer.json": as_json(stored), source.main: source.files[source.main]}
    if source.kind == sources.SENTENCEPIECE or sources.CONFIG not in files:
        files |= _exported(files, described, source)
    described |= {
        "special_text": bring.special_text,
        "unicode_version": UNICODE_VERSION,
        "files": {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)},
    }
    return Brought(files, described, encoder, tuple(reasons))


def _exported(files: dict[str, bytes], described: dict[str, Any], source: Source) -> dict[str, bytes]:
    """What transformers needs beside the files of a source without its configuration, and of a model of sentencepiece,
    which its class would number otherwise once it is written anew."""
    if source.kind != sources.SENTENCEPIECE:
        return exports.transformers_files(described)
    token_of = {i: token for token, i in described["special_tokens"].items()}
    about = (token_of.get(next(iter(described[side]), -1)) for side in ("before", "after"))
    sentinels = {f"<extra_id_{n}>": i for n, i in enumerate(described["sentinels"])}
    model = sentencepiece_model.read_model(files[MODEL])
    made = exports.of_model(model, {**described["special_tokens"], **sentinels}, *about)
    if made is None:  # what reads it is its class, which wants its file
        return {source.main: source.files[source.main]} if sources.CONFIG in files else {}
    return {"tokenizer.json": as_json(made), **exports.transformers_files(described, source.config)}


def fingerprint(description: dict[str, Any]) -> str:
    """Names a tokenizer's content: 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:32]


def _converted(source: Source, bring: Bring) -> dict[str, Any]:
    """The tokenizer.json of a source, as it is or made."""
    if source.kind == sources.BPE:
        return conversions.from_merges(source, bring.pattern)
    if source.kind == sources.WORDPIECE:
        return conversions.from_words(source, bring.lowercase)
    if source.kind == sources.TIKTOKEN:
        return conversions.from_ranks(source, bring.pattern, bring.special_tokens)
    stored = source.json(source.main)
    if not isinstance(stored, dict) or not isinstance(stored.get("model"), dict):
        raise ValueError(f"{source.main} of {source.where} is no tokenizer: it has no model")
    return components.completed(stored)


def _describe_tokenizer(source: Source, stored: dict[str, Any], bring: Bring) -> dict[str, Any]:
    """What the description of a tokenizer.json says beside its encoder. Raises ValueError where its parts contradict
    each other, which the library would settle in silence."""
    library = components.load(stored, source.where)
    added = stored.get("added_tokens") or []
    ids = library.get_vocab(with_added_tokens=True)
    _check_ids(source, stored, ids)
    _check_normalized(
        source, library, [token for token in added if bring.special_text == "token" or not token["special"]]
    )
    _check_configuration(source, stored, ids)
    special = {token["content"]: token["id"] for token in added if token["special"]}
    known = {**special, **{token: ids[token] for token in filter(None, map(source.role, sources.ROLES))}}
    model = stored["model"]
    before, after = _about(library, source, stored) if bring.add_special_tokens else ((), ())
    if bring.add_special_tokens:
        _check_about(source, before, after, ids)
    end = bring.end or source.role("eos_token") or source.role("sep_token") or _of_bert(source, "[SEP]")
    pad = bring.pad or source.role("pad_token") or _of_bert(source, "[PAD]")
    unknown = model.get("unk_token")
    if model.get("type") == "Unigram" and model.get("unk_id") is not None:
        unknown = model["vocab"][model["unk_id"]][0]
    return {
        "family": str(model.get("type", "tokenizer")).lower(),
        "vocab_size": max(ids.values()) + 1,
        "end_of_document": _role("end", end, ids, known, source),
        "pad_id": _optional("pad", pad, ids, known, source),
        "unknown_id": ids.get(unknown),
        "special_tokens": {token: known[token] for token in sorted(known, key=lambda t: (known[t], t))},
        "sentinels": _sentinels(ids),
        "before": list(before),
        "after": list(after),
    }


def _model(source: Source) -> bytes:
    """The file of a model of sentencepiece, with the ids of its class. Raises ValueError for one that is none, and for
    a class that is not known, or not with the options that its configuration has."""
    named, data = conversions.class_of(source), source.files[source.main]
    _read_model(source, data)
    if named not in CLASSES:
        raise ValueError(
            f"{source.where}: {named} does not encode as its {source.main} alone does; "
            "save_pretrained of its fast tokenizer writes the tokenizer.json that says how"
        )
    if set_ := [option for option in CLASSES[named].refused if source.config.get(option)]:
        raise ValueError(
            f"{source.where}: {named} with {set_[0]} does not encode as its {source.main} alone does; "
            "save_pretrained of its fast tokenizer writes the tokenizer.json that says how"
        )
    try:
        return renumbered(named, data, source.config)
    except ModelError as error:
        raise ValueError(f"{source.main} of {source.where} is no model of {named}: {error}") from None


def _read_model(source: Source, data: bytes) -> tuple[Model, sentencepiece.SentencePieceProcessor]:
    import sentencepiece

    try:
        return sentencepiece_model.read_model(data), sentencepiece.SentencePieceProcessor(model_proto=data)
    except (ModelError, RuntimeError, OSError) as error:
        raise ValueError(f"{source.main} of {source.where} is no model of sentencepiece: {error}") from None


def _describe_model(source: Source, data: bytes, bring: Bring) -> dict[str, Any]:
    """The same of a model of sentencepiece that has the ids of its class."""
    model, library = _read_model(source, data)
    names = CLASSES[conversions.class_of(source)].names
    ids, special = _tokens_of_model(source, model)
    before, after = _about_model(source, ids) if bring.add_special_tokens else ([], [])
    kinds = {sentencepiece_model.UNIGRAM: "unigram", sentencepiece_model.BPE: "bpe"}
    end, pad = (
        given or source.role(role) or names.get(role) or (library.id_to_piece(own) if own >= 0 else None)
        for given, role, own in (
            (bring.end, "eos_token", library.eos_id()),
            (bring.pad, "pad_token", library.pad_id()),
        )
    )
    return {
        "family": f"sentencepiece-{kinds.get(model.model_type, 'words')}",
        "vocab_size": max(ids.values()) + 1,
        "end_of_document": _role("end", end, ids, special, source),
        "pad_id": _optional("pad", pad, ids, special, source),
        "unknown_id": next((i for i, (_, _, kind) in enumerate(model.pieces) if kind == UNKNOWN), None),
        "special_tokens": {token: special[token] for token in sorted(special, key=lambda t: (special[t], t))},
        "sentinels": _sentinels(ids),
        "before": before,
        "after": after,
    }


def _tokens_of_model(source: Source, model: Model) -> tuple[dict[str, int], dict[str, int]]:
    """Ids of all tokens, and of those that are special: of the model, and those that a configuration adds."""
    size = len(model.pieces)
    ids = {piece: i for i, (piece, _, _) in enumerate(model.pieces)}
    special = {piece: ids[piece] for piece, _, kind in model.pieces if kind in (CONTROL, UNKNOWN)}
    for i, token in (source.config.get("added_tokens_decoder") or {}).items():
        if ids.setdefault(token["content"], int(i)) != int(i):
            raise ValueError(
                f"{source.where}: {sources.CONFIG} gives {token['content']!r} the id {i}, its model "
                f"{ids[token['content']]}"
            )
        if token.get("special"):
            special[token["content"]] = int(i)
        elif int(i) >= size:
            raise ValueError(f"{source.where}: {token['content']!r} is added to its model, which cannot encode it")
    named = conversions.class_of(source)
    mask = source.role("mask_token") or CLASSES[named].names.get("mask_token", "")
    if named == "DebertaV2Tokenizer" and mask not in ids:  # it comes after all others
        special, ids = special | {mask: max(ids.values()) + 1}, ids | {mask: max(ids.values()) + 1}
    if named in ("T5Tokenizer", "MT5Tokenizer") and not any(token.startswith("<extra_id_") for token in ids):
        count = int(source.config.get("extra_ids", 100))
        sentinels = {f"<extra_id_{i}>": size + count - 1 - i for i in range(count)}
        special, ids = special | sentinels, ids | sentinels
    return ids, special


def _about_model(source: Source, ids: dict[str, int]) -> tuple[list[int], list[int]]:
    """What the class of a tokenizer puts before a text, and after it, unless its configuration says otherwise."""
    named = conversions.class_of(source)
    kind = CLASSES[named]
    roles = [kind.before, kind.after]
    for place, (role, flag) in enumerate((("bos_token", "add_bos_token"), ("eos_token", "add_eos_token"))):
        if named and source.config.get(flag) is not None:
            roles[place] = role if source.config[flag] else None
    tokens = [source.role(role) or kind.names.get(role) if role else None for role in roles]
    for token in filter(None, tokens):
        if token not in ids:
            raise ValueError(f"{source.where}: its configuration has a special token {token!r} that has no id")
    before, after = ([ids[token]] if token else [] for token in tokens)
    return before, after


def _kernel_of_model(data: bytes) -> tuple[str, list[str]]:
    """As `components.kernel`."""
    try:
        sentencepiece_model.encoder(sentencepiece_model.read_model(data))
    except ModelError as error:
        return "sentencepiece_library", [str(error)]
    return "sentencepiece", []


def _role(
    option: str, token: str | None, ids: dict[str, int], special: dict[str, int], source: Source
) -> dict[str, Any]:
    if not token:
        raise ValueError(
            f"{source.where} does not say which token ends a document; give `{option}`, one of its special tokens: "
            f"{', '.join(list(special)[:12]) or 'it has none'}"
        )
    if token not in ids:
        raise ValueError(f"{source.where} has no token {token!r}, which `{option}` or its configuration names")
    return {"token": token, "id": ids[token]}


def _optional(
    option: str, token: str | None, ids: dict[str, int], special: dict[str, int], source: Source
) -> int | None:
    return int(_role(option, token, ids, special, source)["id"]) if token else None


def _of_bert(source: Source, token: str) -> str | None:
    """What BERT calls it, where there is a vocab.txt and nothing says otherwise."""
    there = source.kind == sources.WORDPIECE and f"{token}\n".encode() in source.files[source.main]
    return token if there else None


def _sentinels(ids: dict[str, int]) -> list[int]:
    """Ids of `<extra_id_0>`, `<extra_id_1>` ..., which T5 sets aside for spans that are removed."""
    found: list[int] = []
    while (i := ids.get(f"<extra_id_{len(found)}>")) is not None:
        found.append(i)
    return found


def _check_ids(source: Source, stored: dict[str, Any], ids: dict[str, int]) -> None:
    """Raises ValueError where an id is not a token's own, or the library gives a token another than the file says."""
    if len(set(ids.values())) < len(ids) or min(ids.values(), default=0) < 0:
        raise ValueError(f"{source.main} of {source.where} gives one id to two tokens")
    if max(ids.values(), default=0) > MOST_IDS:
        raise ValueError(f"{source.main} of {source.where} has the id {max(ids.values())}; {MOST_IDS} is the most")
    for token in stored.get("added_tokens") or []:
        if ids.get(token["content"]) != token["id"]:
            raise ValueError(
                f"{source.main} of {source.where} gives the added token {token['content']!r} the id {token['id']}, "
                f"and its vocabulary {ids.get(token['content'])}"
            )
    if stored["model"].get("dropout"):
        raise ValueError(
            f"{source.main} of {source.where} has model BPE with dropout {stored['model']['dropout']}: "
            "ids would be others each time; set it to null"
        )


def _check_normalized(source: Source, library: tokenizers.Tokenizer, added: list[dict[str, Any]]) -> None:
    """Raises ValueError where two tokens are one once they are normalized: the library takes either, by chance."""
    known: dict[str, str] = {}
    for token in added:
        text = token["content"]
        if token["normalized"] and library.normalizer:
            text = library.normalizer.normalize_str(text)
            if known.setdefault(text, token["content"]) != token["content"]:
                raise ValueError(
                    f"{source.main} of {source.where} has the added tokens {known[text]!r} and {token['content']!r}, "
                    "which are one once they are normalized: ids would be others each time; set their `normalized` to "
                    "false"
                )


def _check_configuration(source: Source, stored: dict[str, Any], ids: dict[str, int]) -> None:
    """Raises ValueError where tokenizer_config.json contradicts tokenizer.json: of transformers' classes some follow
    the one and some the other."""
    text = json.dumps({key: stored.get(key) for key in ("normalizer", "pre_tokenizer")})
    for setting, field in (
        ("add_prefix_space", "add_prefix_space"),
        ("do_lower_case", "lowercase"),
        ("strip_accents", "strip_accents"),
        ("tokenize_chinese_chars", "handle_chinese_chars"),
    ):
        wanted = source.config.get(setting)
        if wanted is not None and f'"{field}": {json.dumps(not wanted)}' in text:
            raise ValueError(
                f"{source.where}: {sources.CONFIG} says {setting} {wanted}, tokenizer.json {field} {not wanted}; "
                "make them agree"
            )
    for i, token in (source.config.get("added_tokens_decoder") or {}).items():
        if ids.get(token["content"]) != int(i):
            raise ValueError(
                f"{source.where}: {sources.CONFIG} gives {token['content']!r} the id {i}, tokenizer.json "
                f"{ids.get(token['content'])}; make them agree"
            )
    for role in sources.ROLES:
        token = source.role(role)
        if token and token not in ids:
            raise ValueError(f"{source.where}: its configuration has {role} {token!r}, which has no id")


def _check_about(source: Source, before: tuple[int, ...], after: tuple[int, ...], ids: dict[str, int]) -> None:
    """Raises ValueError where a configuration wants a beginning or an end of texts that tokenizer.json does not put, or
    the other way round."""
    for flag, role, there in (("add_bos_token", "bos_token", before), ("add_eos_token", "eos_token", after)):
        wanted, token = source.config.get(flag), source.role(role)
        if wanted is not None and token and wanted != (ids[token] in there):
            raise ValueError(
                f"{source.where}: {sources.CONFIG} says {flag} {wanted}, and tokenizer.json "
                f"{'puts' if ids[token] in there else 'does not put'} {token!r} about a text; make them agree, or set "
                "`add_special_tokens: false` to put nothing"
            )


def _about(
    library: tokenizers.Tokenizer, source: Source, stored: dict[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a post-processor puts before a text, and after it: found by what it does. Raises ValueError where that is
    not the same for every text."""
    found: set[tuple[tuple[int, ...], tuple[int, ...]]] | None = None
    for text in ("a", "", "a b\nc", "\u65e5\u672c 12"):
        inner, whole = (components.ids_of(library, text, each) for each in (False, True))
        if isinstance(inner, str):
            raise ValueError(f"{source.where} cannot encode {text!r}: {inner}")
        if isinstance(whole, str):
            found = set()
            break
        places = [i for i in range(len(whole) - len(inner) + 1) if whole[i : i + len(inner)] == inner]
        about = {(tuple(whole[:i]), tuple(whole[i + len(inner) :])) for i in places}
        found = about if found is None else found & about
    if not found:
        raise ValueError(
            f"{source.where}: {components.name('post_processor', stored.get('post_processor'))} does more than to put "
            "tokens before a text and after it; set `add_special_tokens: false` to leave it out"
        )
    return min(found)


def _space_before_word(encode: Any) -> bool:
    """Whether tokens contain the space before a word: whether a second one's token is another than the first's."""
    ids, offsets = encode(pa.array(["a", "a a"]))
    return bool(len(ids) and not np.array_equal(ids[: offsets[1]][-1:], ids[offsets[1] :][-1:]))
