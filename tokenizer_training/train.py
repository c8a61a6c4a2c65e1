"""One entry point for every family.

    tables = [count(batch["text"], config) for batch in batches]     # anywhere, in any order
    figures = train(merge_counts(tables), config, folder)            # on one machine

or, from texts at hand, `train_tokenizer`. The files depend on the counts and the configuration alone.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import warnings
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpus import tables
from corpus.encoding import exports
from corpus.encoding.adopt import DESCRIPTION, FORMAT, fingerprint
from corpus.encoding.encoder import Encoder, implied, load_encoder
from corpus.encoding.encoders import ENCODERS
from corpus.options import build
from corpus.text.unicode import UNICODE_VERSION
from tokenizer_training import families
from tokenizer_training.configuration import TrainTokenizer, sampled
from tokenizer_training.counts import SCHEMA, count, merge_counts
from tokenizer_training.export import sentinel_tokens, without_reserved, write_json
from tokenizer_training.families import Family

__all__ = ["TrainTokenizer", "count", "load_encoder", "merge_counts", "sampled", "train", "train_tokenizer"]

LEAST_ROWS_TO_MERGE = 1 << 16


def train_tokenizer(texts: Any, folder: str | os.PathLike[str], **options: Any) -> Encoder:
    """Trains on texts at hand and writes the tokenizer into a local folder, made where it is missing; the tokenizer,
    loaded; warns where its vocabulary is smaller than was asked for. `texts` are anything that `corpus.as_table` takes;
    those of an iterator are not held, their counts are.
    `options` are those of `TrainTokenizer` but for `sample_bytes`: all texts are counted. Raises as `train` and
    `corpus.as_table` do, OptionError (a ValueError) for an option that cannot be.

    >>> import tempfile
    >>> from tokenizer_training import train_tokenizer
    >>> encoder = train_tokenizer(["to be or not to be"] * 2, tempfile.mkdtemp(), family="bpe", vocab_size=260)
    >>> (ids,) = encoder.encode_texts(["to be"])
    >>> ids.tolist(), encoder.decode(ids)
    ([258, 259], 'to be')
    """
    if "sample_bytes" in options:
        raise TypeError("sample_bytes chooses documents by their ids, which texts do not have")
    config = build(TrainTokenizer, options, "train_tokenizer")
    figures = train(_count_all(texts, config), config, folder)
    if short := shortfall(figures, config):
        warnings.warn(short, stacklevel=2)
    return load_encoder(folder)


def _count_all(texts: Any, config: TrainTokenizer) -> pa.Table:
    """Counts of all texts. Tables are summed when those that wait have as many rows as the sum, so that each row is
    summed a few times only."""
    total, waiting = SCHEMA.empty_table(), []
    for column in tables.text_columns(texts):
        waiting.append(count(column, config))
        if sum(map(len, waiting)) > max(len(total), LEAST_ROWS_TO_MERGE):
            total, waiting = merge_counts([total, *waiting]), []
    return merge_counts([total, *waiting])


def train(counts: pa.Table, config: TrainTokenizer, folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Trains on a table of counts and writes the tokenizer into a local folder, made where it is missing. Returns
    figures for the report: `vocab_size`, `distinct_words`, `words`, `fingerprint`, and the family's own. Raises
    ValueError where the configuration does not fit the counts, where a text could spell a special token, and where
    `counts` lacks a column.

    >>> import tempfile
    >>> config = TrainTokenizer(family="sentencepiece-bpe", vocab_size=268)
    >>> figures = train(count(pa.array(["to be or not to be"]), config), config, tempfile.mkdtemp())
    >>> figures["vocab_size"], figures["words"]
    (268, 6)
    """
    family = families.named(config.family)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    counts = merge_counts([counts])
    config.check()
    trained = family.train(counts, config, folder)
    description = _describe(family, config, trained.vocab_size, folder)
    _refuse_spelled_tokens(family, description, folder)
    write_json(folder / DESCRIPTION, description)
    return {
        "family": config.family,
        "vocab_size": description["vocab_size"],
        "fingerprint": description["fingerprint"],
        "distinct_words": len(counts),
        "words": pc.sum(counts["count"]).as_py() or 0,
        **trained.figures,
    }


def shortfall(figures: dict[str, Any], config: TrainTokenizer) -> str | None:
    """A sentence, where a vocabulary has fewer ids than were asked for."""
    asked, found = config.vocab_size + config.sentinels, figures["vocab_size"]
    if not families.named(config.family).counted or found >= asked:
        return None
    return (
        f"the vocabulary has {found:,} ids and not the {asked:,} that were asked for: the text has no more pairs that "
        f"occur {max(1, config.min_frequency)} times or more; give more text, or a smaller vocab_size or min_frequency"
    )


def _describe(family: Family, config: TrainTokenizer, size: int, folder: pathlib.Path) -> dict[str, Any]:
    family, special = config.record(), without_reserved(config.special_ids(size))
    beyond_the_name = {"encoder": family.encoder, "space_before_word": family.space_before_word}
    description = {
        "format": FORMAT,
        "family": family.name,
        "vocab_size": size + config.sentinels,
        "end_of_document": {"token": family.end, "id": special[family.end]},
        "pad_id": special.get(family.pad),
        "unknown_id": special.get(family.unknown),
        "special_tokens": special,
        "sentinels": list(sentinel_tokens(size, config.sentinels).values()),
        **({"before": [special[config.before]]} if config.before else {}),
        **({"after": [special[config.after]]} if config.after else {}),
        "unicode_version": UNICODE_VERSION,
        **{key: value for key, value in beyond_the_name.items() if implied(family.name)[key] != value},
    }
    exported = exports.transformers_files(description)
    for name, data in exported.items():
        (folder / name).write_bytes(data)
    names = (*family.files, *exported)
    description["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    return {**description, "fingerprint": fingerprint(description)}


def _refuse_spelled_tokens(family: Family, description: dict[str, Any], folder: pathlib.Path) -> None:
    """Raises ValueError where a text can spell a special token, and so end its document."""
    encode, _ = ENCODERS[family.encoder](folder)
    for token, i in description["special_tokens"].items():
        ids, _ = encode(pa.array([token, f"a{token}b {token}"]))
        if i in ids and i != description["unknown_id"]:
            raise ValueError(f"text can spell the special token {token!r} of the {family.name} family")
