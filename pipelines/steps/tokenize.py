"""Encode the run's documents, shuffle them by a hash of their ids, write Megatron shards."""

from __future__ import annotations

import dataclasses
import functools
import os
import tempfile
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import xxhash

from corpus import views
from corpus.documents import address, at_hand
from corpus.encoding.encoder import Encoder, load_encoder
from corpus.io import paths
from corpus.options import option
from corpus.tokens import manifest as token_manifest
from corpus.tokens import megatron
from corpus.views import ShardView
from pipelines.context import Context, TokenStep
from pipelines.engine import Exclusion, Outputs, Task, describe_file, outputs_named
from pipelines.maps import exchange
from pipelines.maps.shard_tasks import shard_task, without_rows
from pipelines.maps.sinks import Quarantine
from pipelines.maps.step_counts import LENGTH_BINS, length_histogram
from pipelines.steps.pack import Pack
from tokenizer_training.evaluate import evaluate

EVALUATED_DOCUMENTS = 1000
"""Documents, the corpus's first, on which the report's figures of the tokenizer are measured."""


@dataclasses.dataclass(frozen=True)
class Tokenize(TokenStep):
    """Encode every document, an end-of-document token after each, shuffle documents by a hash of
    (seed, id), write Megatron shards of about `shard_bytes` of text each. `tokenizer` is the folder
    of a tokenizer; empty means the one this run trained.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pq.write_table(corpus.as_table(["to be or not to be"] * 20), "docs.parquet")
    >>> steps = [pipelines.TrainTokenizer(vocab_size=266), pipelines.Tokenize()]
    >>> result = pipelines.run_recipe(pipelines.Recipe(input="docs.parquet", steps=steps), "OUT")
    >>> next(corpus.TokenStream("OUT/tokens", sequence_length=16, batch_size=2))["tokens"].shape
    (2, 16)
    """

    name: ClassVar[str] = "tokenize"
    work_name = "tokens"
    tokenizer: str = option("", "Folder of a tokenizer; empty means the one that this run has trained.")
    shuffle: bool = option(True, "Put documents in the order of a hash of (seed, id).")
    shard_bytes: int = option(512 << 20, "Bytes of text that a token shard stands for, about.", ge=1)

    def check(self) -> None:
        """Raises ValueError if `tokenizer` is given and holds none."""
        if self.tokenizer:
            load_encoder(self.tokenizer)

    def run(self, context: Context) -> None:
        """Two maps, the exchange of the shuffle between them. Leaves OUT/tokens, and OUT/tokenizer where the tokenizer
        came from elsewhere."""
        folder = context.path("tokenizer")
        if self.tokenizer and not context.dry_run:
            context.publish(
                "tokenizer", {paths.basename(s.path): describe_file(s.path) for s in paths.list_files(self.tokenizer)}
            )
        view = context.found.documents
        total = sum(s.text_bytes for s in view)
        count = max(1, -(-total // self.shard_bytes))
        prints = tuple(
            (paths.basename(s.path), describe_file(s.path).hash) for s in paths.list_files(self.tokenizer or folder)
        )
        before = np.cumsum([0, *(s.text_bytes for s in view)])
        token_shards = [int(bytes_before * count // max(total, 1)) for bytes_before in before]
        tasks = [
            shard_task(s, Encode(folder, prints, s, count, self.shuffle, context.seed, number), prints)
            for s, number in zip(view, token_shards)
        ]
        mapped = context.map("encode", encode_shard, tasks, (self, count, context.seed))
        context.found.tokenized[:] = mapped
        encoded = outputs_named(mapped, "tokens.arrow")
        context.found.token_lengths[:] = [sum(column) for column in zip(*(m.counters["lengths"] for m in mapped))]
        for manifest in mapped[:1]:
            context.found.figures["tokenizer evaluation"] = manifest.counters.get("evaluation", {})
        files = tuple(file.path for file in encoded)
        inputs = tuple((f"tokens {i}", file.hash) for i, file in enumerate(encoded))
        encoder = encoder_of(folder, prints)
        weight = sum(file.bytes for file in encoded) // count
        tasks = [
            Task(f"{i:05d}", WriteShard(files, i, encoder.vocab_size), inputs, weight)
            for i in range(count if files else 0)
        ]
        written = context.map("shards", write_shard, tasks, (count, encoder.vocab_size))
        plans = tuple(f"packing/{each.plan}/" for each in context.steps if isinstance(each, Pack))
        files_written = {name: file for m in written for name, file in m.outputs.items()}
        context.publish("tokens", files_written, keep=("manifest.json", *plans))
        context.found.token_indexes[:] = [(m.outputs[f"{m.key}.idx"], m.key) for m in written]
        if context.dry_run:
            return
        described = token_manifest.write(
            context.path("tokens"),
            [m.counters["shard"] for m in written],
            put=context.published.put,
            vocab_size=encoder.vocab_size,
            tokenizer={"fingerprint": encoder.fingerprint, "family": encoder.family, "path": "../tokenizer"},
            end_id=encoder.end_id,
            pad_id=encoder.pad_id,
            seed=context.seed,
        )
        context.found.figures["tokens"] = {
            key: described[key] for key in ("documents", "tokens", "vocab_size", "dtype")
        } | {"shards": len(written), "bytes_of_text": total, "family": encoder.family}


@dataclasses.dataclass(frozen=True)
class Encode:
    """Argument of an encoding task: a shard of documents to `shards` token shards. `tokenizer` is a folder, and
    `prints` what it holds; `token_shard` is that of an unshuffled document shard."""

    tokenizer: str
    prints: tuple[tuple[str, str], ...]
    shard: ShardView
    shards: int
    shuffle: bool
    seed: int
    token_shard: int

    def without(self, excluded: tuple[Exclusion, ...]) -> Encode:
        """This task without some of its documents."""
        return dataclasses.replace(self, shard=without_rows(self.shard, excluded))


@dataclasses.dataclass(frozen=True)
class WriteShard:
    """Argument of a task that writes one token shard, from partition `number` of `files`."""

    files: tuple[str, ...]
    number: int
    vocab_size: int


def hash_ids(ids: pa.Array, seed: int, purpose: str) -> np.ndarray:
    """uint64 hash of (seed, purpose, id) for every id: all the randomness that documents need."""
    prefix = f"{seed}:{purpose}:".encode()
    hashes = (xxhash.xxh3_64_intdigest(prefix + i.encode()) for i in ids.to_pylist())
    return np.fromiter(hashes, np.uint64, len(ids))


TOKEN_SCHEMA = pa.schema([("key", pa.uint64()), ("address", pa.int64()), ("tokens", pa.large_list(pa.int32()))])


@functools.lru_cache(maxsize=2)
def encoder_of(folder: str, prints: tuple[tuple[str, str], ...]) -> Encoder:
    """The encoder in `folder`, whose files have these fingerprints, loaded once a process; files on an object store
    are fetched first."""
    if paths.is_local(folder):
        return load_encoder(folder)
    with tempfile.TemporaryDirectory() as local:
        for source in paths.list_files(folder):
            with open(os.path.join(local, paths.basename(source.path)), "wb") as file:
                file.write(paths.read_bytes(source.path))
        return load_encoder(local)


def encode_shard(argument: Encode, outputs: Outputs) -> dict:
    """Map: tokens of a shard's documents, to the token shard that the hash of their id says."""
    encoder = encoder_of(argument.tokenizer, argument.prints)
    tables = [TOKEN_SCHEMA.empty_table()]
    lengths = np.zeros(LENGTH_BINS, np.int64)
    counters: dict[str, Any] = {"quarantined": len(argument.shard.excluded)}
    quarantine = Quarantine(outputs)
    for reasons, batch in views.read_excluded(argument.shard):
        quarantine.add_documents(batch, reasons, "tokenize")
    quarantine.close()
    for rows, batch in views.read(argument.shard):
        with at_hand(batch):
            tokens, offsets = encoder.encode(batch.column("text"), append_end=True)
        where = address(argument.shard.number, rows)
        keys = hash_ids(batch.column("id"), argument.seed, "shuffle") if argument.shuffle else where.astype(np.uint64)
        arrays = [pa.array(keys), pa.array(where), pa.LargeListArray.from_arrays(offsets, tokens)]
        tables.append(pa.Table.from_arrays(arrays, schema=TOKEN_SCHEMA))
        lengths += length_histogram(np.diff(offsets))
        if argument.shard.number == 0 and "evaluation" not in counters:
            counters["evaluation"] = evaluate(encoder, batch.column("text").slice(0, EVALUATED_DOCUMENTS))
    table = pa.concat_tables(tables)
    if argument.shuffle:
        # The top 32 bits of the key choose: floor(key / 2^64 * shards).
        top = table["key"].to_numpy() >> np.uint64(32)
        partition = (top * np.uint64(argument.shards) >> np.uint64(32)).astype(np.int64)
    else:
        partition = np.full(table.num_rows, argument.token_shard, np.int64)
    exchange.write(outputs.path("tokens.arrow"), table, partition, argument.shards)
    return {"lengths": lengths.tolist(), **counters, "documents": table.num_rows}


def write_shard(argument: WriteShard, outputs: Outputs) -> dict:
    """Reduce: one Megatron shard, its documents in the order of their keys."""
    table = exchange.read(argument.files, argument.number)
    table = table.sort_by([("key", "ascending"), ("address", "ascending")])
    name = f"{argument.number:05d}"
    prefix = paths.without_suffix(outputs.path(f"{name}.bin"), ".bin")
    outputs.path(f"{name}.idx")
    with megatron.ShardWriter(prefix, argument.vocab_size) as writer:
        for chunk in table["tokens"].chunks:
            writer.add(chunk.values.to_numpy(), chunk.offsets.to_numpy())
    return {"shard": {**token_manifest.describe_shard(prefix), "name": name}, "documents": table.num_rows}
