"""What the cases read, made before anything is timed, in a temporary folder:

corpus.arrow   the documents, shuffled so that any prefix is a fair sample
sample.arrow   one more for every four of them, for training the tokenizer: never encoded
tokenizer/     a BPE of `cases.VOCABULARY` tokens, trained on the sample
wordpiece/, sentencepiece-bpe/, sentencepiece-unigram/  the same of other families
tokens/        the corpus in ids, over and over: two bytes for each of its bytes, one shard
sentence_tokens/  the corpus in pieces of words, a sequence a sentence, and a plan of pairs of segments
items/         evaluation sets
pages.warc.gz  web pages: of the real corpora, whatever --corpus and --bytes say, or else the quickstart's archive
sentences.arrow  the sentences of each document of corpus.arrow
lists/         domains and words that a URL filter looks for
"""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cases import ARCHIVE, FAMILIES, FAMILY_VOCABULARY, MASKED_SEQUENCE, VOCABULARY

from corpus.encoding import by_sentence, vocabulary
from corpus.encoding.encoder import load_encoder
from corpus.io import paths
from corpus.reading import readers
from corpus.text import sentences
from corpus.text.arrow import buffers
from corpus.text.urls import hosts_of
from corpus.tokens import manifest, packing, sentence_packing
from corpus.tokens.megatron import ShardWriter, read_sentences
from pipelines.quickstart import write_archive
from tokenizer_training.train import TrainTokenizer, count, merge_counts, train

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCH_TEXT = 8 << 20
"""Bytes of text in a batch, about: larger than the caches, smaller than the design's limit."""


def prepare(folder: pathlib.Path, corpus: str | None, size: int) -> tuple[str, int, int]:
    """Write corpus.arrow, at most about `size` bytes, sample.arrow and items/. `corpus` is a path,
    folder, glob or URI; without it the real corpora are read, or else the quickstart's archive.
    Returns (what was read, documents, bytes of text in corpus.arrow)."""
    real = pathlib.Path(os.environ.get("WINNOW_DATA", ROOT.parent / "shared" / "data"))
    evaluation = sorted((real / "eval").glob("*.jsonl"))
    if corpus:
        patterns = [corpus]
    elif real.is_dir():
        patterns = [str(real / "wet" / "*.gz"), str(real / "jsonl" / "*.zst")]
    if not evaluation or not (corpus or real.is_dir()):
        archive = folder / "archive"
        write_archive(str(archive))
        evaluation = [archive / "evaluation.jsonl"]
        patterns = [corpus or str(archive / "*.warc.gz")]
    (folder / "items").mkdir()
    for file in evaluation:
        shutil.copyfile(file, folder / "items" / file.name)
    table = _shuffled(patterns, size)
    in_sample = pa.array(np.arange(len(table)) % 5 == 4)
    _write(folder / "sample.arrow", table.filter(in_sample))
    table = table.filter(pc.invert(in_sample))
    _write(folder / "corpus.arrow", table)
    return " ".join(patterns), len(table), pc.sum(pc.binary_length(table["text"])).as_py()


def _shuffled(patterns: list[str], size: int) -> pa.Table:
    """Ids, URLs and texts, in an order that is the same every time, so many that four fifths of them have
    about `size` bytes. Of a larger input only the beginning, twice as much as is needed, is drawn from."""
    wanted = size * 5 // 4
    batches, held = [], 0
    for batch in _read(patterns):
        batches.append(pa.RecordBatch.from_pydict({"id": batch["id"], "url": _urls(batch), "text": batch["text"]}))
        held += batch["text"].nbytes
        if held > 2 * wanted:
            break
    table = pa.Table.from_batches(batches)
    table = table.set_column(2, "text", pc.cast(table["text"], pa.large_string())).combine_chunks()
    order = np.random.default_rng(0).permutation(len(table))
    ends = np.cumsum(pc.binary_length(table["text"]).to_numpy()[order])
    return table.take(pa.array(order[: max(np.searchsorted(ends, wanted, "right"), 5)]))


def _urls(batch: pa.RecordBatch) -> pa.Array:
    """The URLs in lower case, since the peer does not lower them; made up where there is none."""
    made_up = pc.binary_join_element_wise("https://example.com", batch["id"], "/")
    urls = pc.fill_null(batch["url"], made_up) if "url" in batch.schema.names else made_up
    return pc.utf8_lower(urls)


def _read(patterns: list[str]) -> Iterator[pa.RecordBatch]:
    options = readers.ReadOptions()
    sources = [source for pattern in patterns for source in paths.expand(pattern)]
    for unit in readers.split(sources, options):
        yield from (reading.documents for reading in readers.read(unit, options))


def _write(path: pathlib.Path, table: pa.Table) -> None:
    """An uncompressed Arrow file in batches of about BATCH_TEXT bytes of text, as `string`."""
    numbers = np.cumsum(pc.binary_length(table["text"]).to_numpy()) // BATCH_TEXT
    bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(table)]
    schema = pa.schema([("id", pa.string()), ("url", pa.string()), ("text", pa.string())])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for start, end in itertools.pairwise(bounds):
            writer.write_table(table.slice(start, end - start).cast(schema).combine_chunks())


def read(path: pathlib.Path) -> list[pa.Array]:
    """The texts of corpus.arrow or sample.arrow, an array a batch."""
    with pa.OSFile(str(path)) as file:
        return [batch["text"] for batch in pa.ipc.open_file(file).read_all().to_batches()]


def make_archive(folder: pathlib.Path) -> None:
    """Write pages.warc.gz, some 65 MB unpacked; archives put one after the other are one."""
    web = pathlib.Path(os.environ.get("WINNOW_DATA", ROOT.parent / "shared" / "data")) / "web"
    archives = [*web.glob("realweb-*.warc.gz"), *web.glob("part-00000.warc.gz")]
    if not archives:
        write_archive(str(folder / "web"))
        archives = sorted((folder / "web").glob("*.warc.gz"))
    with open(folder / ARCHIVE, "wb") as whole:
        for archive in archives:
            whole.write(archive.read_bytes())


def make_tokenizer(folder: pathlib.Path) -> None:
    """Train tokenizer/ on the sample, unless that is done."""
    if not (folder / "tokenizer").exists():
        config = TrainTokenizer(vocab_size=VOCABULARY)
        counts = merge_counts([count(text, config) for text in read(folder / "sample.arrow")])
        train(counts, config, str(folder / "tokenizer"))


def make_families(folder: pathlib.Path) -> None:
    """Train wordpiece/, sentencepiece-bpe/ and sentencepiece-unigram/ on the sample, unless that is done."""
    for family in FAMILIES:
        if not (folder / family).exists():
            config = TrainTokenizer(family=family, vocab_size=FAMILY_VOCABULARY)
            counts = merge_counts([count(text, config) for text in read(folder / "sample.arrow")])
            train(counts, config, str(folder / family))


def make_tokens(folder: pathlib.Path) -> None:
    """Write tokens/, unless that is done."""
    if (folder / "tokens").exists():
        return
    make_tokenizer(folder)
    encoder = load_encoder(folder / "tokenizer")
    texts = read(folder / "corpus.arrow")
    encoded = [encoder.encode(text, append_end=True) for text in texts]
    wanted = sum(pc.sum(pc.binary_length(text)).as_py() for text in texts)
    (folder / "tokens").mkdir()
    prefix = manifest.shard_prefix(str(folder / "tokens"), "00000")
    with ShardWriter(prefix, encoder.vocab_size) as writer:
        while writer.tokens < wanted:
            for tokens, offsets in encoded:
                writer.add(tokens, offsets)
    tokenizer = {"fingerprint": encoder.fingerprint, "family": encoder.family, "path": "../tokenizer"}
    manifest.write(
        str(folder / "tokens"),
        [manifest.describe_shard(prefix)],
        vocab_size=encoder.vocab_size,
        tokenizer=tokenizer,
        end_id=encoder.end_id,
    )


def make_sentence_tokens(folder: pathlib.Path) -> None:
    """Write sentence_tokens/, unless that is done: as many bytes as the corpus has, with made-up tokens for what
    wordpiece has not."""
    output = str(folder / "sentence_tokens")
    if (folder / "sentence_tokens").exists():
        return
    make_families(folder)
    encoder = load_encoder(folder / "wordpiece")
    known = vocabulary.describe(str(folder / "wordpiece"), encoder)
    size = encoder.vocab_size
    known["sentinels"] = list(range(size, size + 100))
    known["roles"] |= {f"fim_{part}": size + 100 + i for i, part in enumerate(("prefix", "middle", "suffix"))}
    texts = read(folder / "corpus.arrow")
    wanted = sum(pc.sum(pc.binary_length(text)).as_py() for text in texts)
    (folder / "sentence_tokens").mkdir()
    prefix = manifest.shard_prefix(output, "00000")
    encoded = [by_sentence.encode(encoder, text, "rules") for text in texts]
    with ShardWriter(prefix, size + 103) as writer:
        while writer.tokens < wanted // 2:
            for each in encoded:
                writer.add(*each)
    tokenizer = {"fingerprint": encoder.fingerprint, "family": encoder.family, "path": "../wordpiece"}
    shards = [manifest.describe_shard(prefix)]
    special = {"end_id": encoder.end_id, "pad_id": encoder.pad_id, "unit": "sentence", "vocabulary": known}
    manifest.write(output, shards, vocab_size=size + 103, tokenizer=tokenizer, **special)
    plan = sentence_packing.pack(*read_sentences(prefix), MASKED_SEQUENCE - 3, "next_sentence")
    packing.save(plan, packing.plan_path(output, "pairs", "00000"))
    packing.summarize(output, "pairs", {"00000": plan.figures})


def make_lists(folder: pathlib.Path) -> None:
    """Write lists/, unless that is done: as many words as datatrove's own lists have, 100,000 made-up domains
    and one host in fifty of the corpus."""
    (folder / "lists").mkdir(exist_ok=True)
    with pa.OSFile(str(folder / "corpus.arrow")) as file:
        urls = pa.ipc.open_file(file).read_all()["url"].combine_chunks()
    hosts = sorted(set(hosts_of(urls).to_pylist()))[::50]
    lists = {
        "domains": [*hosts, *(f"blocked{i}.net" for i in range(100_000))],
        "hard_words": ["casino", *(f"hard{i}" for i in range(214))],
        "soft_words": ["manual", "index", "archive", "page", *(f"soft{i}" for i in range(84))],
        "subwords": ["gratis", *(f"sub{i}word" for i in range(133))],
    }
    for name, entries in lists.items():
        (folder / "lists" / f"{name}.txt").write_text("\n".join(filter(None, entries)) + "\n", encoding="utf-8")


def make_sentences(folder: pathlib.Path) -> None:
    """Write sentences.arrow: of each document of corpus.arrow, its sentences by our rules."""
    if (folder / "sentences.arrow").exists():
        return
    schema = pa.schema([("sentences", pa.list_(pa.string()))])
    with pa.OSFile(str(folder / "sentences.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for text in read(folder / "corpus.arrow"):
            data, offsets = buffers(text)
            starts, ends, first = sentences.split(data, offsets[:-1], offsets[1:])
            split = [
                [data[a:b].tobytes().decode() for a, b in zip(starts[i:j], ends[i:j])]
                for i, j in itertools.pairwise(first)
            ]
            writer.write_batch(pa.record_batch([pa.array(split, schema.field(0).type)], schema))


MAKERS = {
    "archive": make_archive,
    "lists": make_lists,
    "sentences": make_sentences,
    "tokenizer": make_tokenizer,
    "families": make_families,
    "tokens": make_tokens,
    "sentence_tokens": make_sentence_tokens,
}
