"""Encode the run's documents, shuffle them by a hash of their ids, write Megatron shards."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import tempfile
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from corpus import views
from corpus.documents import address, at_hand
from corpus.encoding import adopt
from corpus.encoding.adopt import DESCRIPTION, Bring
from corpus.encoding.encoder import Encoder, is_ours, load_encoder
from corpus.io import paths
from corpus.options import option
from corpus.tokens import manifest as token_manifest
from corpus.tokens import megatron
from corpus.views import ShardView
from pipelines.context import Context, TokenStep
from pipelines.engine import Exclusion, Outputs, Task, describe_file, numbered, task_key
from pipelines.maps import exchange
from pipelines.maps import groups as grouping
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group
from pipelines.maps.sinks import Quarantine
from pipelines.maps.step_counts import LENGTH_BINS, length_histogram
from pipelines.steps import gate
from pipelines.steps.gate import Prints
from pipelines.steps.pack import Pack
from tokenizer_training.evaluate import evaluate

EVALUATED_DOCUMENTS = 1000
"""Documents, the corpus's first, on which the report's figures of the tokenizer are measured."""


@dataclasses.dataclass(frozen=True)
class Tokenize(Bring, TokenStep):
    """Encode every document, an end-of-document token after each, shuffle documents by a hash of
    (seed, id), write Megatron shards of about `shard_bytes` of text each. `tokenizer` is one that was trained here or
    made elsewhere (`corpus.encoding.adopt`); empty means the one this run trained. Before anything is encoded a kernel
    of ours is compared with the library on hard texts and on a sample of the documents; where they differ, and for what
    our kernels do not know, the library encodes, and the run says so.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pq.write_table(corpus.as_table(["to be or not to be"] * 20), "docs.parquet")
    >>> steps = [pipelines.TrainTokenizer(vocab_size=266), pipelines.Tokenize()]
    >>> result = pipelines.run_recipe(pipelines.Recipe(input="docs.parquet", steps=steps), "OUT")
    >>> next(corpus.TokenStream("OUT/tokens", sequence_length=16, batch_size=2))["tokens"].shape
    (2, 16)
    """

    name: ClassVar[str] = "tokenize"
    work_name = "tokens"
    tokenizer: str = option(
        "",
        "A tokenizer: of a run, a folder of Hugging Face's, tokenizer.json, *.model, *.tiktoken, vocab.txt, a name of "
        "the hub; empty means the one that this run has trained.",
    )
    shuffle: bool = option(True, "Put documents in the order of a hash of (seed, id).")
    shard_bytes: int = option(512 << 20, "Bytes of text that a token shard stands for, about.", ge=1)

    def check(self) -> None:
        """Raises ValueError if `tokenizer` is given and is none, or leaves something unsaid."""
        if self.tokenizer and self._brings():
            adopt.read(self.tokenizer, self)
        elif self.tokenizer:
            load_encoder(self.tokenizer)

    def refuse(self) -> None:
        """Raises ValueError for options of a brought tokenizer where none is brought."""
        given = [field.name for field in dataclasses.fields(Bring) if getattr(self, field.name) != _default(field)]
        if given and not self.tokenizer:
            raise ValueError(f"{', '.join(given)} is for a tokenizer that was made elsewhere: give `tokenizer`")

    def _brings(self) -> bool:
        """Whether the tokenizer was made elsewhere."""
        return bool(self.tokenizer) and not is_ours(self.tokenizer)

    def _token_shards(self, view: list[ShardView], total: int, count: int) -> np.ndarray:
        """The token shard (int64) of each document shard, where documents are not shuffled."""
        before = np.cumsum([0, *(shard.text_bytes for shard in view)])[:-1]
        return before * count // max(total, 1)

    def _settle(self, context: Context, view: list[ShardView]) -> tuple[str, Prints]:
        """The folder of the tokenizer, with what it holds: one that is brought is published first without a
        description, which names the encoder, and so is what the gate leaves; as is that of one whose kernel differs."""
        folder, described = context.path("tokenizer"), None
        reasons: tuple[str, ...] = ()
        with tempfile.TemporaryDirectory() as local:
            if self._brings():
                brought = adopt.read(self.tokenizer, self)
                brought.write(pathlib.Path(local))
                described, reasons = {**brought.described, "encoder": brought.encoder}, brought.reasons
            source = local if described else self.tokenizer or folder
            files = {paths.basename(s.path): describe_file(s.path) for s in paths.list_files(source)}
            if self.tokenizer:
                context.publish("tokenizer", files, keep=(DESCRIPTION,) if described else ())
        prints = tuple((name, file.hash) for name, file in sorted(files.items()))
        task = gate.task(gate.Gate(folder, prints, described, reasons, gate.sample_of(view)))
        (gated,) = context.map("gate", gate.prove, [task], (described, reasons))
        context.found.figures["encoder"] = gated.counters["figures"]
        context.note(f"tokenizer: {gated.counters['said']}")
        if DESCRIPTION in gated.outputs:
            files = {name: dataclasses.replace(file, path=paths.join(folder, name)) for name, file in files.items()}
            context.publish("tokenizer", {**files, DESCRIPTION: gated.outputs[DESCRIPTION]})
            prints = (*prints, (DESCRIPTION, gated.outputs[DESCRIPTION].hash))
        return folder, prints

    def run(self, context: Context) -> None:
        """Three maps: the gate's, and two with the exchange of the shuffle between them. Leaves OUT/tokens, and
        OUT/tokenizer where the tokenizer came from elsewhere."""
        view = context.found.documents
        total = sum(s.text_bytes for s in view)
        count = max(1, -(-total // self.shard_bytes))
        folder, prints = self._settle(context, view)
        groups = grouping.of_view(view, context.working_bytes)
        tasks = [group.task(Encode(folder, prints, group, context.seed), prints) for group in groups]
        encoding = Encoding(count, self.shuffle, self._token_shards(view, total, count), context.working_bytes)
        mapped = context.map(
            "encode", encode_group, tasks, (self, count, context.seed, context.working_bytes), encoding
        )
        context.found.tokenized[:] = mapped
        context.found.token_lengths[:] = [sum(column) for column in zip(*(m.counters["lengths"] for m in mapped))]
        for manifest in mapped[:1]:
            context.found.figures["tokenizer evaluation"] = manifest.counters.get("evaluation", {})
        encoded = exchange.gather(context, "encode", mapped, TOKENS, count)
        encoder = encoder_of(folder, prints)
        tasks = [
            Task(task_key(i), i, encoded.inputs("tokens"), encoded.weight()) for i in range(count if mapped else 0)
        ]
        written = context.map(
            "shards", write_shard, tasks, (count, encoder.vocab_size), Writing(encoded, encoder.vocab_size)
        )
        plans = tuple(f"packing/{each.plan}/" for each in context.steps if isinstance(each, Pack))
        files_written = {name: file for m in written for name, file in m.outputs.items()}
        context.publish("tokens", files_written, keep=("manifest.json", *plans))
        context.found.token_indexes[:] = [
            (m.outputs[f"{name}.idx"], name) for m in written for name in [m.counters["shard"]["name"]]
        ]
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


def _default(field: dataclasses.Field) -> Any:
    missing = dataclasses.MISSING
    return field.default if field.default_factory is missing else field.default_factory()


@dataclasses.dataclass(frozen=True)
class Encode:
    """Argument of an encoding task. `tokenizer` is a folder, and `prints` what it holds."""

    tokenizer: str
    prints: Prints
    group: Group
    seed: int

    def without(self, excluded: tuple[Exclusion, ...]) -> Encode:
        """This task without some of its documents."""
        return dataclasses.replace(self, group=self.group.without(excluded))


class Encoding(NamedTuple):
    """What all encoding tasks share: how many token shards there are; whether documents are shuffled, and if not the
    token shard of each document shard; how many bytes of tokens they hold."""

    shards: int
    shuffle: bool
    token_shards: np.ndarray
    hold: int


class Writing(NamedTuple):
    """What all tasks share that write a token shard, whose number is their argument."""

    encoded: Exchange
    vocab_size: int


def hash_ids(ids: pa.Array, seed: int, purpose: str) -> np.ndarray:
    """uint64 hash of (seed, purpose, id) for every id: all the randomness that documents need."""
    prefix = f"{seed}:{purpose}:".encode()
    hashes = (xxhash.xxh3_64_intdigest(prefix + i.encode()) for i in ids.to_pylist())
    return np.fromiter(hashes, np.uint64, len(ids))


TOKENS = "tokens.arrow"
TOKENS_AT_A_TIME = 1 << 22
"""Tokens of a shard that are put in order at a time."""
TOKEN_SCHEMA = pa.schema([("key", pa.uint64()), ("address", pa.int64()), ("tokens", pa.large_list(pa.int32()))])


@functools.lru_cache(maxsize=2)
def encoder_of(folder: str, prints: Prints) -> Encoder:
    """The encoder in `folder`, whose files have these fingerprints, loaded once a process."""
    return load_encoder(folder)


def encode_group(argument: Encode, outputs: Outputs, common: Encoding) -> dict:
    """Map: tokens of some shards' documents, to the token shard that the hash of their id says."""
    encoder = encoder_of(argument.tokenizer, argument.prints)
    lengths = np.zeros(LENGTH_BINS, np.int64)
    counters: dict[str, Any] = {"quarantined": sum(len(shard.excluded) for shard in argument.group.shards)}
    quarantine = Quarantine(outputs)
    for shard in argument.group.shards:
        for reasons, batch in views.read_excluded(shard):
            quarantine.add_documents(batch, reasons, "tokenize")
    quarantine.close()
    with exchange.Writer(outputs.path(TOKENS), TOKEN_SCHEMA, common.hold, common.shards) as writer:
        for shard, rows, batch in views.read_all(argument.group.shards):
            with at_hand(batch):
                tokens, offsets = encoder.encode(batch.column("text"), append_end=True)
            where = address(shard.number, rows)
            ids = batch.column("id")
            keys = hash_ids(ids, argument.seed, "shuffle") if common.shuffle else where.astype(np.uint64)
            arrays = [pa.array(keys), pa.array(where), pa.LargeListArray.from_arrays(offsets, tokens)]
            if common.shuffle:
                # The top 32 bits of the key choose: floor(key / 2^64 * shards).
                top = keys >> np.uint64(32)
                partition = (top * np.uint64(common.shards) >> np.uint64(32)).astype(np.int64)
            else:
                partition = np.full(len(rows), common.token_shards[shard.number])
            writer.add(pa.Table.from_arrays(arrays, schema=TOKEN_SCHEMA), partition)
            lengths += length_histogram(np.diff(offsets))
            if shard.number == 0 and "evaluation" not in counters:
                counters["evaluation"] = evaluate(encoder, batch.column("text").slice(0, EVALUATED_DOCUMENTS))
    return {"lengths": lengths.tolist(), **counters, "documents": writer.rows, TOKENS: writer.counters()}


def write_shard(number: int, outputs: Outputs, common: Writing) -> dict:
    """Reduce: one Megatron shard, its documents in the order of their keys."""
    order, starts, lengths, tokens = _collected(common, number)
    name = numbered(number, common.encoded.partitions)
    prefix = paths.without_suffix(outputs.path(f"{name}.bin"), ".bin")
    outputs.path(f"{name}.idx")
    with megatron.ShardWriter(prefix, common.vocab_size) as writer:
        parts = np.cumsum(lengths[order]) // TOKENS_AT_A_TIME
        for part in np.split(order, np.flatnonzero(np.diff(parts)) + 1):
            offsets = np.concatenate([[0], np.cumsum(lengths[part])])
            places = np.arange(offsets[-1]) + np.repeat(starts[part] - offsets[:-1], lengths[part])
            writer.add(tokens[places], offsets)
    return {"shard": {**token_manifest.describe_shard(prefix), "name": name}, "documents": len(order)}


def _collected(common: Writing, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(the order of a token shard's documents, where the tokens of each begin, how many they are, all tokens). What is
    exchanged is read twice, so that tokens are held once."""
    columns = [(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))]
    for piece in exchange.pieces(common.encoded, number):
        lengths = np.diff(piece.column(2).offsets.to_numpy())
        columns.append((piece.column(0).to_numpy().copy(), piece.column(1).to_numpy().copy(), lengths))
    keys, addresses, lengths = (np.concatenate(column) for column in zip(*columns))
    tokens = np.empty(lengths.sum(), megatron.token_dtype(common.vocab_size))
    end = 0
    for piece in exchange.pieces(common.encoded, number):
        part = megatron.stored(piece.column(2).flatten().to_numpy(), common.vocab_size)
        tokens[end : end + len(part)] = part
        end += len(part)
    return np.lexsort((addresses, keys)), np.cumsum(lengths) - lengths, lengths, tokens
