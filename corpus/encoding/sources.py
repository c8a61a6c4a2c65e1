"""Where a tokenizer that was made elsewhere is, and of which kind: its files, read.

    tokenizer.json                the library `tokenizers`, alone or in a folder of Hugging Face's
    *.model                       sentencepiece, alone or in such a folder
    vocab.json and merges.txt     byte-level BPE, as GPT-2 came
    vocab.txt                     WordPiece, as BERT came
    *.tiktoken                    `base64(bytes) rank` lines, also where they are called tokenizer.model (Llama 3)

A folder is read in this order, so that a tokenizer.json is taken before what it was made of. A name that is no file, as
`gpt2` or `EleutherAI/pythia-70m`, is one of the Hugging Face hub, where there is a network.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import os
import re
from typing import Any

from corpus.io import paths

HUGGING_FACE, SENTENCEPIECE, BPE, WORDPIECE, TIKTOKEN = (
    "tokenizer.json",
    ".model",
    "merges.txt",
    "vocab.txt",
    ".tiktoken",
)
"""The kinds, each by the file that has its vocabulary."""
CONFIG, SPECIAL_TOKENS, ADDED_TOKENS = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
CHAT = ("chat_template.jinja", "chat_template.json")
"""Files of a chat template, which are carried along."""
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""What transformers calls the tokens that have a role."""
_WANTED = ("*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja")
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclasses.dataclass(frozen=True)
class Source:
    """A tokenizer's files by name, `main` the one that has its vocabulary; `config` is tokenizer_config.json together
    with special_tokens_map.json, empty where there is neither; `where` is as it was given, for errors."""

    where: str
    kind: str
    main: str
    files: dict[str, bytes]
    config: dict[str, Any]

    def json(self, name: str) -> Any:
        """A file parsed. Raises ValueError where it is no JSON."""
        return parse(self.files[name], f"{name} of {self.where}")

    def table(self, name: str) -> dict[str, Any]:
        """A file parsed. Raises ValueError where it is no JSON object."""
        return _table(self.files[name], f"{name} of {self.where}")

    def text(self, name: str) -> str:
        """A file's text. Raises ValueError where it is no UTF-8."""
        try:
            return self.files[name].decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{name} of {self.where} is no UTF-8: {error}") from None

    def role(self, name: str) -> str | None:
        """The token that has one of `ROLES`, None where nothing says it. Raises ValueError where that is no text."""
        value = self.config.get(name)
        token = value.get("content") if isinstance(value, dict) else value
        if token is None and value is None or isinstance(token, str):
            return token
        raise ValueError(f"{self.where}: its configuration has {name} {value!r}, which is no token")


def read(where: str | os.PathLike[str]) -> Source:
    """The tokenizer at a path, URI or name of the hub. Raises FileNotFoundError where there is none,
    ValueError for a file that is not what its name says."""
    where = os.fspath(where)
    folder, names = _found(where)
    kind, main = _kind(where, names)
    wanted = [main, CONFIG, SPECIAL_TOKENS, ADDED_TOKENS, *CHAT, *(["vocab.json"] if kind == BPE else [])]
    there = {name: paths.join(folder, name) for name in wanted}
    files = {name: paths.read_bytes(path) for name, path in there.items() if name == main or paths.exists(path)}
    if kind == SENTENCEPIECE and is_ranks(files[main]):
        kind = TIKTOKEN
    config: dict[str, Any] = {}
    for name in (SPECIAL_TOKENS, CONFIG):  # what the latter says counts
        if name in files:
            said = _table(files[name], f"{name} of {where}")
            config |= {key: value for key, value in said.items() if value is not None or key not in config}
    return Source(where, kind, main, files, config)


def parse(data: bytes, what: str) -> Any:
    """JSON of UTF-8. Raises ValueError that says `what` is none."""
    try:
        return json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"{what} is no JSON: {error}") from None


def _table(data: bytes, what: str) -> dict[str, Any]:
    found = parse(data, what)
    if not isinstance(found, dict):
        raise ValueError(f"{what} is no object of JSON: {str(found)[:60]}")
    return found


def ranks(data: bytes, where: str) -> dict[bytes, int]:
    """The tokens of a .tiktoken file. Raises ValueError for a line that is none, or a token or rank that is twice
    there."""
    found: dict[bytes, int] = {}
    for number, line in enumerate(data.splitlines(), 1):
        if not line:
            continue
        try:
            token, rank = line.split()
            key, value = base64.b64decode(token, validate=True), int(rank)
        except (ValueError, binascii.Error):
            raise ValueError(f"line {number} of {where} is no `base64 rank`: {line[:40]!r}") from None
        if key in found:
            raise ValueError(f"line {number} of {where} has a token that an earlier one has")
        found[key] = value
    if len(set(found.values())) < len(found) or min(found.values(), default=0) < 0:
        raise ValueError(f"{where} gives one rank to two tokens, or one below 0")
    return found


def _found(where: str) -> tuple[str, list[str]]:
    """The folder of a tokenizer, and the names of its files; of a file, its folder and its name (and that of the other
    half, where it is half of a tokenizer)."""
    if _is_folder(where):
        folder = where.rstrip("/")
    elif paths.exists(where):
        folder, name = paths.parent(where), paths.basename(where)
        other = {BPE: "vocab.json", "vocab.json": BPE}.get(name)
        return folder, sorted({name, *([other] if other and paths.exists(paths.join(folder, other)) else [])})
    else:
        folder = _from_hub(where)
    inside = (source.path for source in paths.list_files(folder))
    return folder, sorted(paths.basename(path) for path in inside if paths.parent(path) == folder)


def _is_folder(where: str) -> bool:
    if paths.is_local(where):
        return os.path.isdir(where)
    return bool(paths.entries(where))


def _from_hub(name: str) -> str:
    """The folder that the hub's files of a tokenizer are downloaded into, once a machine."""
    if not _HUB_NAME.fullmatch(name) or name.startswith("."):
        raise FileNotFoundError(f"there is no tokenizer {name}: no such file or folder")
    try:
        import huggingface_hub
    except ImportError:
        raise FileNotFoundError(
            f"there is no tokenizer {name}: no such file or folder, and a name of the Hugging Face hub needs "
            "huggingface_hub (.venv/bin/pip install '.[remote]' in Winnow's folder)"
        ) from None
    try:
        return str(huggingface_hub.snapshot_download(name, allow_patterns=list(_WANTED)))
    except Exception as error:  # no network, no such name, no leave: of a dozen classes
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise FileNotFoundError(
            f"there is no tokenizer {name}: no such file or folder, and the Hugging Face hub did not give one of that "
            f"name ({reason}); without a network, download it elsewhere and give its folder"
        ) from None


def _kind(where: str, names: list[str]) -> tuple[str, str]:
    if HUGGING_FACE in names:
        return HUGGING_FACE, HUGGING_FACE
    for suffix in (SENTENCEPIECE, TIKTOKEN):
        named = [name for name in names if name.endswith(suffix)]
        if len(named) > 1:
            raise ValueError(f"{where} holds several tokenizers: {', '.join(named)}; give one of them")
        if named:
            return suffix, named[0]
    if BPE in names and "vocab.json" in names:
        return BPE, BPE
    if BPE in names or "vocab.json" in names:
        there, other = (BPE, "vocab.json") if BPE in names else ("vocab.json", BPE)
        raise ValueError(f"{where} has {there} without {other}: a tokenizer is both")
    if WORDPIECE in names or (len(names) == 1 and names[0].endswith(".txt")):
        return WORDPIECE, WORDPIECE if WORDPIECE in names else names[0]
    if len(names) == 1 and names[0].endswith(".json"):
        return HUGGING_FACE, names[0]
    raise FileNotFoundError(
        f"{where} holds no tokenizer: none of its files ({', '.join(names[:8]) or 'none'}) is tokenizer.json, *.model, "
        "vocab.json with merges.txt, vocab.txt or *.tiktoken"
    )


def is_ranks(data: bytes) -> bool:
    """Whether a file is text of tiktoken's kind, by its first line."""
    return re.fullmatch(rb"[A-Za-z0-9+/]+=* \d+", data.partition(b"\n")[0].strip()) is not None
