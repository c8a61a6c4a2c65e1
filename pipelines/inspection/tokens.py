"""A document as it lies in the token shards of a run: its tokens, one beside the other."""

from __future__ import annotations

from collections.abc import Iterator

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
    """A few lines about the document with this id or URL in the tokens of a run (`path` is OUT or OUT/tokens): where it
    lies, of how many tokens, its text with a mark between tokens. Raises FileNotFoundError where there are no tokens,
    or there is no such document, ValueError where its tokens are nowhere."""
    check_text(document, f"the id or URL {document!r}")
    output = path.rstrip("/")
    if not paths.exists(paths.join(output, "tokens/manifest.json")):
        output = paths.parent(output) or "."
    folder, tokenizer = paths.join(output, "tokens"), paths.join(output, "tokenizer")
    if not paths.exists(paths.join(folder, "manifest.json")):
        raise FileNotFoundError(f"{path} holds no tokens of a run: there is no {folder}/manifest.json")
    text = _text(paths.join(output, "documents"), document)
    encoder = load_encoder(tokenizer)
    tokens, _ = encoder.encode(pa.array([text]), append_end=True)
    shard, sequence = _find(folder, tokens, document)
    text_of = pieces.of_folder(tokenizer)
    shown = BOUNDARY.join(_token(text_of(i)) for i in tokens.tolist())
    share = f"{len(text.encode()) / max(1, len(tokens)):.2f} bytes a token"
    return (
        f"{document}: sequence {sequence:,} of shard {shard}, {len(tokens):,} tokens of {len(text):,} characters, "
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


def _find(folder: str, tokens: np.ndarray, document: str) -> tuple[str, int]:
    """(name of the shard, number of the sequence) where these tokens lie: the first of such sequences."""
    for name, sequence, found in _of_length(folder, len(tokens)):
        if np.array_equal(found, tokens):
            return name, sequence
    raise ValueError(
        f"{document} is not in the tokens of {folder}: it was set aside when they were made (see quarantine/), or they "
        "are of another run"
    )


def _of_length(folder: str, length: int) -> Iterator[tuple[str, int, np.ndarray]]:
    """The sequences of so many tokens."""
    for shard in token_manifest.load(folder)["shards"]:
        dataset = IndexedDataset(token_manifest.shard_prefix(folder, shard["name"]))
        for sequence in np.flatnonzero(dataset.lengths == length).tolist():
            yield shard["name"], sequence, np.asarray(dataset[sequence])
