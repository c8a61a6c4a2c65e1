"""Our side of every case. A function loads, warms up and returns the work to be timed."""

from __future__ import annotations

import functools
import glob
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import worker
from cases import (
    ARCHIVE,
    BATCH,
    MASK_SHARE,
    MASKED_BATCH,
    MASKED_SEQUENCE,
    MATCH_BYTES,
    MEAN_SPAN,
    NGRAM,
    PERMUTATIONS,
    SEQUENCE,
    THRESHOLD,
    URL_LISTS,
    VOCABULARY,
)  # fmt: skip
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree
from worker import Job, Side, digests, over_batches

import corpus
import pipelines
from corpus.cleaning.c4 import C4
from corpus.cleaning.fineweb import FineWeb
from corpus.cleaning.gopher_quality import GopherQuality
from corpus.cleaning.gopher_repetition import GopherRepetition
from corpus.cleaning.kernels import shared_words
from corpus.cleaning.pii import PersonalData
from corpus.cleaning.url_filter import UrlFilter
from corpus.contamination import index as indexes
from corpus.contamination import scanner
from corpus.contamination.decontaminate import Decontaminate
from corpus.contamination.items import Item
from corpus.dedup import lsh, suffix_parts
from corpus.dedup import minhash as hashing
from corpus.dedup.runs import Columns
from corpus.dedup.shingles import Unit
from corpus.dedup.substrings import repeated_substrings
from corpus.documents import shard_and_row
from corpus.encoding.encoder import load_encoder
from corpus.io import paths
from corpus.language.langdetect import detect
from corpus.language.profiles import LANGUAGES
from corpus.loader import TokenStream
from corpus.reading import charset, http, readers, streams, web_pages
from corpus.reading import warc as archives
from corpus.text.arrow import buffers
from pipelines.maps.compared import TEXT
from pipelines.steps.line_dedup import LineDedup
from pipelines.steps.near_dedup import NearDedup
from tokenizer_training.train import TrainTokenizer, count, merge_counts, train

FEW = 4
"""Documents to warm up with: enough to compile every kernel."""


def c4(job: Job) -> Side:
    stage, batches = C4(), job.batches()
    stage.apply(batches[0].slice(0, FEW))
    return over_batches(batches, lambda: [stage.apply(batch) for batch in batches])


def quality(job: Job) -> Side:
    stages, batches = [kind(preset="datatrove") for kind in (GopherRepetition, GopherQuality, FineWeb)], job.batches()
    plan = shared_words.plan(stages)

    def apply(batch: pa.RecordBatch) -> list:
        """(places in the batch of the documents that the stage was given, what it did), for each stage."""
        done, left = [], np.arange(batch.num_rows)
        for stage, shared in zip(stages, plan):
            outcome = stage.apply(shared_words.offer(batch, shared))
            done.append((left, outcome))
            batch, left = outcome.kept, np.delete(left, outcome.rows)
        return done

    def answers(found, documents: int) -> list[str]:
        rules = []
        for done in found:
            fates = ["kept"] * len(done[0][0])
            for stage, (left, outcome) in zip(stages, done):
                for row, rule in zip(left[outcome.rows], outcome.rules):
                    fates[row] = f"{stage.name} {rule}"
            rules += fates
        return rules[:documents]

    apply(batches[0].slice(0, FEW))
    return over_batches(batches, lambda: [apply(batch) for batch in batches], answers)


def url_filter(job: Job) -> Side:
    lists = {name: os.path.join(job.folder, "lists", f"{name}.txt") for name in URL_LISTS}
    stage, batches = UrlFilter(**lists), job.batches()
    stage.apply(batches[0].slice(0, FEW))

    def answers(outcomes, documents: int) -> list[str]:
        found = []
        for batch, outcome in zip(batches, outcomes):
            rules = dict(zip(outcome.rows.tolist(), outcome.rules))
            found += [rules.get(row, "kept") for row in range(batch.num_rows)]
        return found[:documents]

    return over_batches(batches, lambda: [stage.apply(batch) for batch in batches], answers)


def pii(job: Job) -> Side:
    stage, batches = PersonalData(), job.batches()
    stage.apply(batches[0].slice(0, FEW))
    return over_batches(batches, lambda: [stage.apply(batch) for batch in batches])


def langdetect(job: Job) -> Side:
    batches = job.batches()
    detect(batches[0]["text"].slice(0, FEW))

    def answers(found, documents: int) -> list[str]:
        languages, probabilities = (np.concatenate(column)[:documents] for column in zip(*found))
        pairs = zip(languages.tolist(), probabilities.tolist())
        return [f"{LANGUAGES[i]} {p:.5f}" if i >= 0 else "none" for i, p in pairs]

    return over_batches(batches, lambda: [detect(batch["text"]) for batch in batches], answers)


def warc(job: Job) -> Side:
    path, options = os.path.join(job.folder, ARCHIVE), readers.ReadOptions()
    chunks = list(streams.chunks(path))
    (unit,) = readers.split(paths.expand(path), options)

    def work() -> int:
        return sum(reading.documents.num_rows for reading in readers.read(unit, options))

    return Side(work, sum(len(chunk.data) for chunk in chunks), parts=lambda: _libraries(path, chunks, options))


def _libraries(path: str, chunks: list[streams.Chunk], options: readers.ReadOptions) -> dict[str, float]:
    """Seconds that zlib and resiliparse take alone, over the same members and pages."""
    starts = sorted({chunk.member for chunk in chunks})
    data = paths.read_bytes(path)
    members = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)])]
    started = time.perf_counter()
    for member in members:
        zlib.decompress(member, 31)
    gzip = time.perf_counter() - started
    responses = (
        http.parse(record.body)
        for record in archives.records(iter(chunks), compressed=True, limit=options.max_record_bytes)
        if record.headers["warc-type"] == "response"
    )
    found = [
        charset.decode(r.body, r.charset) for r in responses if r.status == 200 and r.media_type in web_pages.HTML_TYPES
    ]
    started = time.perf_counter()
    for page in found:
        tree = HTMLTree.parse(page)
        extract_plain_text(tree, preserve_formatting=True, main_content=False, list_bullets=False, alt_texts=False)
    return {"gzip": gzip, "resiliparse": time.perf_counter() - started}


def minhash(job: Job, unit: Unit = "words") -> Side:
    batches = job.batches()
    hashing.signatures(batches[0]["text"].slice(0, FEW), NGRAM, PERMUTATIONS, unit=unit)

    def answers(found, documents: int) -> list[str]:
        return digests(row.tobytes() for row in np.concatenate(found)[:documents])

    def work():
        return [hashing.signatures(batch["text"], NGRAM, PERMUTATIONS, unit=unit) for batch in batches]

    return over_batches(batches, work, answers)


def minhash_characters(job: Job) -> Side:
    return minhash(job, "characters")


def near_dedup(job: Job) -> Side:
    """A run of the step: reading a Parquet file and writing what is kept are part of it."""
    step = NearDedup(threshold=THRESHOLD, unit="words", ngram=NGRAM, permutations=PERMUTATIONS)

    def answers(_: None, documents: int) -> list[str]:
        """The candidates, which the peer has too."""
        signed = step.sign(pa.concat_arrays([batch["text"] for batch in job.batches()])[:documents])
        owners = np.repeat(signed.filled, signed.keys.shape[1])
        first, second = lsh.candidate_pairs(signed.keys.ravel(), owners, documents)
        return [f"{i} {j}" for i, j in zip(first.tolist(), second.tolist())]

    return _step_alone(job, step, answers)


def near_dedup_fineweb(job: Job) -> Side:
    """The same run with what FineWeb set."""
    step = NearDedup(preset="fineweb")

    def answers(_: None, documents: int) -> list[str]:
        """How many documents go; which of a component stays, the peer leaves to chance."""
        texts = pa.concat_arrays([batch["text"] for batch in job.batches()])[:documents]
        return [str(len(corpus.near_duplicates(texts, preset="fineweb")))]

    return _step_alone(job, step, answers)


def _step_alone(job: Job, step: NearDedup, answers: Callable[[Any, int], list[str]]) -> Side:
    batches = job.batches()

    def run(texts: list[pa.RecordBatch]) -> None:
        with tempfile.TemporaryDirectory(dir=job.folder) as folder:
            pipelines.run_recipe(
                pipelines.Recipe(input=_written(texts, job.folder), steps=[step]),
                os.path.join(folder, "out"),
                workers=0,
            )

    run([batches[0].slice(0, FEW)] * 20)
    _written(batches, job.folder)
    return over_batches(batches, lambda: run(batches), answers)


def _written(batches: list[pa.RecordBatch], folder: str) -> str:
    """A Parquet file of texts, written when it is asked for first."""
    path = os.path.join(folder, f"near-{sum(map(len, batches))}.parquet")
    if not os.path.exists(path):
        pq.write_table(pa.Table.from_batches(batches).select(["text"]), path, compression="zstd")
    return path


def suffix_array(job: Job) -> Side:
    batches = job.batches()
    texts = [pa.array(batch["text"], pa.large_string()) for batch in batches]
    data, offsets = buffers(pa.concat_arrays(texts))

    def find(data: np.ndarray, ends: np.ndarray) -> Columns:
        """One part, one range."""
        order = suffix_parts.ordered(data, ends, MATCH_BYTES)
        part = suffix_parts.Part(np.append(data, np.zeros(suffix_parts.PADDING, np.uint8)), order)
        found = list(suffix_parts.merged([part], [0], [len(order)], MATCH_BYTES))
        places, first = (np.concatenate(column) for column in zip(*found))
        documents = np.arange(len(ends)), ends
        return suffix_parts.runs_of(places, *suffix_parts.located(first, [documents]), documents, MATCH_BYTES)

    find(np.zeros(1000, np.uint8), np.array([500, 1000]))
    return over_batches(batches, lambda: find(data[offsets[0] : offsets[-1]], offsets[1:] - offsets[0]))


def windows(job: Job) -> Side:
    batches = job.batches()
    text = pa.concat_arrays([pa.array(batch["text"], pa.large_string()) for batch in batches])
    repeated_substrings(["a b c " * 200] * 2, MATCH_BYTES)
    return over_batches(batches, lambda: repeated_substrings(text, MATCH_BYTES))


def lines(job: Job) -> Side:
    return _pieces(job, LineDedup())


def paragraphs(job: Job) -> Side:
    return _pieces(job, LineDedup(unit="paragraph", keep="first", min_sentences=0))


def _pieces(job: Job, step: LineDedup) -> Side:
    """What the tasks of a run do, without its exchanges: every batch is a shard, and all keys are one partition."""

    def run(batches: list[pa.RecordBatch]) -> list[pa.Table]:
        rows = [np.arange(batch.num_rows) for batch in batches]
        keys = pa.concat_tables([step.keys(*each, i)[0] for i, each in enumerate(zip(rows, batches))])
        matches, _ = step.matches(keys)
        matches = matches.sort_by([("address", "ascending"), ("start", "ascending")])
        shard, owner = (shard_and_row(matches[name].to_numpy()) for name in ("address", "owner"))
        goes, stays = (np.stack([*where], axis=1) for where in (shard, owner))
        texts = []
        order = np.argsort(stays[:, 0], kind="stable")
        ends = np.searchsorted(stays[order, 0], np.arange(len(batches) + 1))
        for batch, first, end in zip(batches, ends, ends[1:]):
            here = order[first:end]
            places = (matches[name].to_numpy()[here] for name in ("owner_start", "owner_end"))
            texts.append(step.texts(batch, stays[here, 1], *places))
        inverse = np.argsort(order, kind="stable")
        matches = matches.append_column(TEXT, pa.concat_arrays(texts).take(pa.array(inverse)))
        ends = np.searchsorted(goes[:, 0], np.arange(len(batches) + 1))
        return [
            step.finish(each, batch, matches.slice(first, end - first))
            for each, batch, first, end in zip(rows, batches, ends, ends[1:])
        ]

    batches = job.batches()
    run([batches[0].slice(0, FEW)] * 2)
    return over_batches(batches, lambda: run(batches))


def contamination(job: Job, rule: Any = "any") -> Side:
    items = sorted(glob.glob(os.path.join(glob.escape(job.folder), "items", "*.jsonl")))
    step, batches = Decontaminate(against=tuple(items), rule=rule), job.batches()
    step.decisions(batches[0].slice(0, FEW))
    return over_batches(batches, lambda: [step.decisions(batch) for batch in batches])


def contamination_grams(job: Job, grams: int) -> Side:
    """The grams are those of the sample, which is not the text, and of numbers where that has too few."""
    batches = job.batches()
    with pa.OSFile(os.path.join(job.folder, "sample.arrow")) as file:
        texts = pa.ipc.open_file(file).read_all()["text"].to_pylist()
    kept, words = [], 0
    for text in texts:
        if words >= grams:
            break
        kept.append(text)
        words += len(text.split())
    kept += [" ".join(map(str, range(first, first + 1000))) for first in range(0, max(grams - words, 0), 1000)]
    index = indexes.build([Item(f"held:{number}", (text,)) for number, text in enumerate(kept)])
    scanner.scan(batches[0]["text"].slice(0, FEW), index)

    def work() -> int:
        scanning = scanner.Scanner(index)
        return sum(scanning.scan(batch["text"]).num_rows for batch in batches)

    return over_batches(batches, work)


def bpe_train(job: Job) -> Side:
    batches = job.batches()
    _train([batches[0].slice(0, FEW)], 300)

    def answers(folder: tempfile.TemporaryDirectory, documents: int) -> list[str]:
        with open(os.path.join(folder.name, "merges.txt"), encoding="utf-8") as file:
            return file.read().split("\n")[1:-1]

    return over_batches(batches, lambda: _train(batches, VOCABULARY), answers)


def _train(batches: list[pa.RecordBatch], vocab_size: int) -> tempfile.TemporaryDirectory:
    folder = tempfile.TemporaryDirectory()
    config = TrainTokenizer(vocab_size=vocab_size)
    train(merge_counts([count(batch["text"], config) for batch in batches]), config, folder.name)
    return folder


def encode(job: Job, warm: bool = False, tokenizer: str = "tokenizer") -> Side:
    batches = job.batches()
    folder = os.path.join(job.folder, tokenizer)
    load_encoder(folder).encode(batches[0]["text"].slice(0, FEW))  # compiles
    encoder = load_encoder(folder)

    def work():
        return [encoder.encode(batch["text"]) for batch in batches]

    def answers(found, documents: int) -> list[str]:
        ids = (tokens[a:b] for tokens, offsets in found for a, b in zip(offsets, offsets[1:]))
        return digests(row.tobytes() for row, _ in zip(ids, range(documents)))

    if warm:
        work()
    return over_batches(batches, work, answers)


def encode_warm(job: Job) -> Side:
    return encode(job, warm=True)


def loader(job: Job, folder: str = "tokens", length: int = SEQUENCE, batch: int = BATCH, **options: Any) -> Side:
    stream = TokenStream(os.path.join(job.folder, folder), sequence_length=length, batch_size=batch, **options)
    next(stream)
    stream.rewind()

    def work() -> None:
        for _ in stream:
            pass

    tokens = stream.tokens
    return Side(work, tokens * np.dtype(stream.shards.manifest["dtype"]).itemsize, tokens=tokens)


objective = functools.partial(loader, folder="sentence_tokens")
masked = functools.partial(objective, length=MASKED_SEQUENCE, batch=MASKED_BATCH)

SIDES = {
    "warc": warc,
    "c4": c4,
    "quality": quality,
    "url_filter": url_filter,
    "pii": pii,
    "langdetect": langdetect,
    "minhash": minhash,
    "minhash_characters": minhash_characters,
    "near_dedup": near_dedup,
    "near_dedup_fineweb": near_dedup_fineweb,
    "suffix_array": suffix_array,
    "windows": windows,
    "lines": lines,
    "paragraphs": paragraphs,
    "contamination": contamination,
    "contamination_datatrove": functools.partial(contamination, rule="datatrove"),
    "contamination_1e6": functools.partial(contamination_grams, grams=10**6),
    "contamination_1e7": functools.partial(contamination_grams, grams=10**7),
    "bpe_train": bpe_train,
    "encode": encode,
    "encode_warm": encode_warm,
    "encode_hf": encode,
    "encode_gigatoken": encode,
    "encode_fastokens": encode,
    "encode_wordpiece": functools.partial(encode, tokenizer="wordpiece"),
    "encode_sentencepiece_bpe": functools.partial(encode, tokenizer="sentencepiece-bpe"),
    "encode_unigram": functools.partial(encode, tokenizer="sentencepiece-unigram"),
    "loader_causal": loader,
    "loader_litdata": loader,
    "loader_megatron": loader,
    "loader_memmap": loader,
    "mlm": functools.partial(masked, objective="mlm", share=MASK_SHARE),
    "spans": functools.partial(masked, objective="span_corruption", density=MASK_SHARE, mean_span=MEAN_SPAN),
    "fim": functools.partial(objective, objective="fim"),
    "pairs": functools.partial(masked, objective="mlm", share=MASK_SHARE, segments=2, packing="pairs"),
}

if __name__ == "__main__":
    worker.serve(SIDES)
