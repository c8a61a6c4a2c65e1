"""Encode the run's documents, shuffle them by a hash of their ids, write Megatron shards."""

from __future__ import annotations

import dataclasses
import fractions
import functools
import itertools
import math
import pathlib
import re
import tempfile
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from corpus import views
from corpus.documents import address, at_hand, text_bytes
from corpus.encoding import adopt, by_sentence, vocabulary
from corpus.encoding.adopt import DESCRIPTION, Bring
from corpus.encoding.encoder import Encoder, is_ours, load_encoder
from corpus.io import paths
from corpus.options import option
from corpus.text import punkt
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
    unit: Literal["document", "sentence"] = option(
        "document",
        "What a sequence is: a document with its end, or a sentence, for objectives that go by sentences. The end of a "
        "document is in its last one, and nothing else that a tokenizer puts about a text.",
    )
    sentences: Literal["rules", "punkt"] = option(
        "rules", "How sentences are found: by rules of Winnow's in each line, or by NLTK's English punkt model."
    )

    sets: dict[str, float] = option(
        {},
        "Named sets and their shares of the documents, such as {train: 0.99, validation: 0.01}; which one it "
        "is in says a hash of its id. Each has shards of its own, and is opened as OUT/tokens/NAME. Empty: all is one.",
    )

    def check(self) -> None:
        """Raises ValueError if `tokenizer` is given and is none, or leaves something unsaid, ImportError for "punkt"
        without NLTK."""
        if self.unit == "sentence" and self.sentences == "punkt":
            punkt.tokenizer()
        if self.tokenizer and self._brings():
            adopt.read(self.tokenizer, self)
        elif self.tokenizer:
            load_encoder(self.tokenizer)

    def refuse(self) -> None:
        """Raises ValueError for options of a brought tokenizer where none is brought, and sets that are none."""
        if self.sets:
            _check_sets(self.sets)
        given = [field.name for field in dataclasses.fields(Bring) if getattr(self, field.name) != _default(field)]
        if given and not self.tokenizer:
            raise ValueError(f"{', '.join(given)} is for a tokenizer that was made elsewhere: give `tokenizer`")

    def _brings(self) -> bool:
        """Whether the tokenizer was made elsewhere."""
        return bool(self.tokenizer) and not is_ours(self.tokenizer)

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
        parts = _parts(self.sets, total, self.shard_bytes)
        count = sum(part.shards for part in parts)
        folder, prints = self._settle(context, view)
        groups = grouping.of_view(view, context.working_bytes)
        tasks = [group.task(Encode(folder, prints, group, context.seed), prints) for group in groups]
        before = np.cumsum([0, *(shard.text_bytes for shard in view)])
        method = self.sentences if self.unit == "sentence" else ""
        encoding = Encoding(count, self.shuffle, before, context.working_bytes, method, parts)
        mapped = context.map(
            "encode", encode_group, tasks, (self, count, context.seed, context.working_bytes), encoding
        )
        context.found.tokenized[:] = mapped
        context.found.token_lengths[:] = [sum(column) for column in zip(*(m.counters["lengths"] for m in mapped))]
        for manifest in mapped[:1]:
            context.found.figures["tokenizer evaluation"] = manifest.counters.get("evaluation", {})
        encoded = exchange.gather(context, "encode", mapped, TOKENS, count)  # of sentences, too, where `unit` says so
        encoder = encoder_of(folder, prints)
        tasks = [
            Task(task_key(i), i, encoded.inputs("tokens"), encoded.weight()) for i in range(count if mapped else 0)
        ]
        written = context.map(
            "shards", write_shard, tasks, (count, encoder.vocab_size), Writing(encoded, encoder.vocab_size)
        )
        names = iter([numbered(i, count) for i in range(count if mapped else 0)])
        sets = {part.name: list(itertools.islice(names, part.shards)) for part in parts} if self.sets else {}
        context.found.token_sets.update(sets)
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
            unit=self.unit,
            vocabulary=vocabulary.describe(folder, encoder),
            stream=context.stream,
            sets=sets,
        )
        context.found.figures["tokens"] = {
            key: described[key] for key in ("documents", "tokens", "vocab_size", "dtype")
        } | {"shards": len(written), "bytes_of_text": total, "family": encoder.family}


class Part(NamedTuple):
    """A set: its name, up to where of 0 to 2^32 it has the documents by the hash of their ids, how many shards."""

    name: str
    end: int
    shards: int


_HASHES = 1 << 32


def _check_sets(sets: dict[str, float]) -> None:
    """Raises ValueError."""
    for name, share in sets.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or name == "packing":
            raise ValueError(f"sets: {name!r} cannot name a set; letters, digits, - and _ can, but for 'packing'")
        if not 0 < share <= 1:
            raise ValueError(f"sets: the share of {name} must be above 0 and at most 1, not {share}")
    total = sum(fractions.Fraction(str(share)) for share in sets.values())
    if total != 1:
        raise ValueError(f"sets: the shares {sets} must add up to 1, not {float(total)}")


def _parts(sets: dict[str, float], text_bytes: int, shard_bytes: int) -> tuple[Part, ...]:
    """The sets of so much text; without any, one of everything."""
    found, before = [], fractions.Fraction(0)
    for name, share in (sets or {"": 1.0}).items():
        exact = fractions.Fraction(str(share))
        before += exact
        found.append(Part(name, int(before * _HASHES), max(1, math.ceil(exact * text_bytes / shard_bytes))))
    return tuple(found)


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
    """What all encoding tasks share: how many token shards there are; whether documents are shuffled; bytes of text
    before each document shard, and in all (int64); how many bytes of tokens they hold; how sentences are found, "" for
    documents as a whole; the sets that documents are divided into."""

    shards: int
    shuffle: bool
    before: np.ndarray
    hold: int
    sentences: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """Of what is exchanged."""
        return SENTENCE_SCHEMA if self.sentences else TOKEN_SCHEMA

    def token_shards(self, ids: pa.Array, keys: np.ndarray | None, start: int, texts: pa.Array) -> np.ndarray:
        """The token shard (int64) of each document, by its key (uint64) or, without, by where it stands."""
        found = np.zeros(len(ids), np.int64)
        sides = hash_ids(ids, 0, "set") >> np.uint64(32) if len(self.parts) > 1 else np.zeros(len(ids), np.uint64)
        first, begin = 0, 0
        for part in self.parts:
            if keys is not None:  # the top 32 bits of the key choose: floor(key / 2^64 * shards)
                within = ((keys >> np.uint64(32)) * np.uint64(part.shards) >> np.uint64(32)).astype(np.int64)
            else:
                within = self._in_order(start, texts, part.shards)
            here = (sides >= begin) & (sides < part.end)
            found[here] = first + within[here]
            first, begin = first + part.shards, part.end
        return found

    def _in_order(self, start: int, texts: pa.Array, shards: int) -> np.ndarray:
        """Of `shards`, that (int64) of each document that is not shuffled, of texts with `start` bytes before them in
        the corpus: that in which its first byte falls."""
        lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False)
        starts = start + np.cumsum(np.concatenate([[0], lengths[:-1]]), dtype=np.int64)
        return starts // max(-(-int(self.before[-1]) // shards), 1)


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
SENTENCE_SCHEMA = TOKEN_SCHEMA.append(pa.field("sentences", pa.large_list(pa.int32())))
"""With the tokens of each sentence of a document."""


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
    before = common.before.copy()  # what has been read goes on to stand before the rest of its shard
    with exchange.Writer(outputs.path(TOKENS), common.schema, common.hold, common.shards) as writer:
        for shard, rows, batch in views.read_all(argument.group.shards):
            texts = batch.column("text")
            with at_hand(batch):
                tokens, offsets, of_sentences = _encoded(encoder, texts, common.sentences)
            where = address(shard.number, rows)
            ids = batch.column("id")
            keys = hash_ids(ids, argument.seed, "shuffle") if common.shuffle else where.astype(np.uint64)
            arrays = [pa.array(keys), pa.array(where), pa.LargeListArray.from_arrays(offsets, tokens), *of_sentences]
            partition = common.token_shards(ids, keys if common.shuffle else None, before[shard.number], texts)
            before[shard.number] += text_bytes(texts)
            writer.add(pa.Table.from_arrays(arrays, schema=common.schema), partition)
            lengths += length_histogram(np.diff(offsets))
            if shard.number == 0 and "evaluation" not in counters:
                counters["evaluation"] = evaluate(encoder, texts.slice(0, EVALUATED_DOCUMENTS))
    return {"lengths": lengths.tolist(), **counters, "documents": writer.rows, TOKENS: writer.counters()}


def _encoded(encoder: Encoder, text: pa.Array, sentences: str) -> tuple[np.ndarray, np.ndarray, list[pa.Array]]:
    """(tokens, offsets of documents, the column of the lengths of their sentences where `sentences` says how these are
    found, or none)."""
    if not sentences:
        return *encoder.encode(text, append_end=True), []
    encoded = by_sentence.encode(encoder, text, sentences)
    lengths = np.diff(encoded.offsets).astype(np.int32)
    return encoded.tokens, encoded.offsets[encoded.firsts], [pa.LargeListArray.from_arrays(encoded.firsts, lengths)]


def write_shard(number: int, outputs: Outputs, common: Writing) -> dict:
    """Reduce: one Megatron shard, its documents in the order of their keys."""
    order, starts, lengths, tokens = _collected(common, number)
    sentences = _sentences(common, number)
    name = numbered(number, common.encoded.partitions)
    prefix = paths.without_suffix(outputs.path(f"{name}.bin"), ".bin")
    outputs.path(f"{name}.idx")
    with megatron.ShardWriter(prefix, common.vocab_size) as writer:
        parts = np.cumsum(lengths[order]) // TOKENS_AT_A_TIME
        for part in np.split(order, np.flatnonzero(np.diff(parts)) + 1):
            offsets = np.concatenate([[0], np.cumsum(lengths[part])])
            places = np.arange(offsets[-1]) + np.repeat(starts[part] - offsets[:-1], lengths[part])
            if sentences is None:
                writer.add(tokens[places], offsets)
            else:
                writer.add(tokens[places], *sentences.of(part))
    return {"shard": {**token_manifest.describe_shard(prefix), "name": name}, "documents": len(order)}


class Sentences(NamedTuple):
    """Of a token shard's documents: int32 tokens of each of their sentences, and int64[documents + 1] which is the
    first of each document."""

    lengths: np.ndarray
    firsts: np.ndarray

    def of(self, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(int64[sentences + 1] offsets, int64[documents + 1] first sentences) of some documents, in their order."""
        counts = self.firsts[documents + 1] - self.firsts[documents]
        firsts = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(firsts[-1]) + np.repeat(self.firsts[documents] - firsts[:-1], counts)
        return np.concatenate([[0], np.cumsum(self.lengths[places], dtype=np.int64)]), firsts


def _sentences(common: Writing, number: int) -> Sentences | None:
    """Those of a token shard, in the order in which its documents are exchanged; None where they have none."""
    lengths, counts = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
    for piece in exchange.pieces(common.encoded, number):
        if piece.num_columns == len(TOKEN_SCHEMA):
            return None
        lengths.append(piece.column(3).flatten().to_numpy())
        counts.append(np.diff(piece.column(3).offsets.to_numpy()))
    return Sentences(np.concatenate(lengths), np.cumsum(np.concatenate(counts)))


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
