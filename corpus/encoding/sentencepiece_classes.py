"""Classes of transformers that come with a model of sentencepiece, and how each numbers its pieces.

Some put tokens of their own before the model's, or after. Such a model is written anew, with these as pieces of it, so
that its ids are those of the class. Classes are left out that change a text before the model sees it, or what it gives:
ALBERT, RemBERT and XLNet take accents away, and lower case, and divide "1," again; which of several versions of that a
checkpoint was trained with, its files do not say. mBART and NLLB put a language after a text, which a corpus has many
of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from corpus.encoding import sentencepiece_model
from corpus.encoding.sentencepiece_model import CONTROL, UNKNOWN, Model, ModelError

Piece = tuple[str, float, int]


class Class(NamedTuple):
    """The roles of the tokens that are put before a text and after it; of a class that numbers pieces otherwise, what
    makes its pieces of the model's; the names that its tokens have where its configuration does not say them; and
    options of a configuration that it is not known with."""

    before: str | None = None
    after: str | None = None
    pieces: Callable[[Sequence[Piece], int], list[Piece]] | None = None
    names: Mapping[str, str] = {}
    refused: tuple[str, ...] = ()


def _control(*names: str) -> list[Piece]:
    return [(name, 0.0, CONTROL) for name in names]


def _of_fairseq(pieces: Sequence[Piece], _: int) -> list[Piece]:
    """fairseq's own four before all but the model's first three (XLMRobertaConverter of transformers)."""
    _three_special(pieces, 3)
    return [*_control("<s>", "<pad>", "</s>"), ("<unk>", 0.0, UNKNOWN), *pieces[3:], *_control("<mask>")]


def _of_camembert(pieces: Sequence[Piece], _: int) -> list[Piece]:
    """fairseq's four, that are not used but for two, before all but the model's first (CamembertConverter)."""
    _three_special(pieces, 3)
    first = [*_control("<s>NOTUSED", "<pad>", "</s>NOTUSED"), ("<unk>", 0.0, UNKNOWN), *_control("<unk>NOTUSED")]
    return [*first, *pieces[1:], *_control("<mask>")]


def _of_pegasus(pieces: Sequence[Piece], offset: int) -> list[Piece]:
    """Padding, end, two masks and a hundred that are not used before all but the model's first two (Zhang et al. 2020,
    PegasusConverter)."""
    _three_special(pieces, 2)
    unused = [f"<unk_{i}>" for i in range(2, offset)]
    return [*_control("<pad>", "</s>", "<mask_1>", "<mask_2>", *unused), *pieces[2:]]


def _three_special(pieces: Sequence[Piece], count: int) -> None:
    for piece, _, kind in pieces[:count]:
        if kind not in (CONTROL, UNKNOWN):
            raise ModelError(f"its first {count} pieces are special in models of this class, and {piece!r} is not")


_FAIRSEQ = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
_T5 = Class(None, "eos_token")
CLASSES: dict[str, Class] = {
    "": Class(),
    **dict.fromkeys(("T5Tokenizer", "MT5Tokenizer"), _T5),
    **dict.fromkeys(("LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer"), Class("bos_token", None)),
    "BertGenerationTokenizer": Class(),
    "ReformerTokenizer": Class(),
    "BigBirdTokenizer": Class("cls_token", "sep_token", names={"cls_token": "[CLS]", "sep_token": "[SEP]"}),
    "DebertaV2Tokenizer": Class(
        "cls_token",
        "sep_token",
        names={"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]",
               "mask_token": "[MASK]"},
        refused=("do_lower_case", "split_by_punct"),
    ),
    "XLMRobertaTokenizer": Class("bos_token", "eos_token", _of_fairseq, _FAIRSEQ),
    "CamembertTokenizer": Class("bos_token", "eos_token", _of_camembert, _FAIRSEQ),
    "PegasusTokenizer": Class(
        None, "eos_token", _of_pegasus, {"eos_token": "</s>", "pad_token": "<pad>", "mask_token": "<mask_2>"}
    ),
}  # fmt: skip
"""By name; the empty one is that of a model without a configuration."""
OFFSET = 103
"""How far Pegasus' own tokens move the model's, where a configuration does not say it."""


def renumbered(named: str, data: bytes, config: Mapping[str, Any]) -> bytes:
    """The file of a model, with the ids of a class that is in `CLASSES`. Raises ModelError for one that is not its."""
    make = CLASSES[named].pieces
    if make is None:
        return data
    model: Model = sentencepiece_model.read_model(data)
    made = make(model.pieces, int(config.get("offset", OFFSET)))
    names = [piece for piece, _, _ in made]
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ModelError(f"it has the piece {twice!r}, which {named} adds to its model")
    return sentencepiece_model.with_pieces(data, (), made)
