"""A document as it lies in the token shards of a run: its tokens, one beside the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.encoding import pieces
from corpus.encoding.encoder import load_encoder
from corpus.io import paths
from corpus.tokens import manifest as token_manifest
from corpus.tokens.megatron import IndexedDataset
from pipelines.inspection.lookup import check_text, is_named
from pipelines.inspection.places import printable

BOUNDARY = "\u2502"
"""Stands between tokens."""


def describe(path: str, document: str) -> str:
    """A few lines about the document with this id or URL in the tokens of a run (`path` is OUT, OUT/tokens, or a set of
    them, OUT/tokens/SET): where it lies, of how many tokens, its text with a mark between tokens. Raises
    FileNotFoundError where there are no tokens, or there is no such document, ValueError where its tokens are nowhere,
    or not in this set."""
    check_text(document, f"the id or URL {document!r}")
    output = path.rstrip("/")
    for _ in range(2):
        if not paths.exists(paths.join(output, "tokens", token_manifest.NAME)):
            output = paths.parent(output) or "."
    folder, tokenizer = paths.join(output, "tokens"), paths.join(output, "tokenizer")
    if not paths.exists(paths.join(folder, token_manifest.NAME)):
        raise FileNotFoundError(f"{path} holds no tokens of a run: there is no {folder}/{token_manifest.NAME}")
    of_all = path.rstrip("/") in (output, folder)
    manifest = token_manifest.load(folder) if of_all else token_manifest.open_set(path)[1]
    text = _text(paths.join(output, "documents"), document)
    encoder = load_encoder(tokenizer)
    tokens, _ = encoder.encode(pa.array([text]), append_end=True)
    shard, sequence = _find(folder, manifest, tokens, f"{document} is not in the tokens of {path}")
    sets = [f" of {name}" for name, shards in manifest.get("sets", {}).items() if shard in shards]
    text_of = pieces.of_folder(tokenizer)
    shown = BOUNDARY.join(_token(text_of(i)) for i in tokens.tolist())
    share = f"{len(text.encode()) / max(1, len(tokens)):.2f} bytes a token"
    return (
        f"{document}: sequence {sequence:,} of shard {shard}{''.join(sets)}, {len(tokens):,} tokens of "
        f"{len(text):,} characters, "
        f"{share} ({encoder.family}, {encoder.vocab_size:,} ids)\n{shown}"
    )


def _token(text: str) -> str:
    """A token with escapes for what would move the cursor; line breaks are made after they are shown."""
    return printable(text).replace("\\n", "\\n\n")


def _text(folder: str, document: str) -> str:
    for source in paths.list_files(folder):
        if not source.path.endswith(".parquet"):
            continue
        with paths.open_input(source.path) as file:
            parquet = pq.ParquetFile(file)
            names = [name for name in ("id", "url") if name in parquet.schema_arrow.names]
            for group in range(parquet.num_row_groups):
                named = is_named(_batch(parquet, group, names), document)
                rows = np.flatnonzero(named.fill_null(False).to_numpy(zero_copy_only=False))
                if len(rows):
                    return str(parquet.read_row_group(group, columns=["text"])["text"][int(rows[0])].as_py() or "")
    raise FileNotFoundError(f"there is no document with the id or URL {document!r} in {folder}")


def _batch(parquet: pq.ParquetFile, group: int, names: list[str]) -> pa.RecordBatch:
    return parquet.read_row_group(group, columns=names).combine_chunks().to_batches()[0]


def _find(folder: str, manifest: dict[str, Any], tokens: np.ndarray, nowhere: str) -> tuple[str, int]:
    """(name of the shard, number of the sequence) where these tokens lie: the first of such sequences."""
    for shard in manifest["shards"]:
        dataset = IndexedDataset(token_manifest.shard_prefix(folder, shard["name"]))
        for sequence in np.flatnonzero(dataset.lengths == len(tokens)).tolist():
            if np.array_equal(np.asarray(dataset[sequence]), tokens):
                return shard["name"], sequence
    raise ValueError(
        f"{nowhere}: it was set aside when they were made (see quarantine/), or they are of another run, or another set"
    )
