"""The peer's side of every case, each as its own documentation has it used, on one core. Runs in
.venv-peers and imports nothing of ours; each function imports its own library."""

from __future__ import annotations

import base64
import functools
import glob
import json
import os
import re
import shutil
import sys
import tempfile
import types
import unicodedata
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import worker
from cases import (
    ARCHIVE,
    BANDS,
    BATCH,
    MASK_SHARE,
    MASKED_BATCH,
    MASKED_SEQUENCE,
    MATCH_BYTES,
    MEAN_SPAN,
    NGRAM,
    PERMUTATIONS,
    ROWS,
    SEQUENCE,
    THRESHOLD,
    URL_LISTS,
    VOCABULARY,
)  # fmt: skip
from worker import Job, Side, digests, over_texts

GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
"""GPT-2's pattern as tiktoken has it (`tiktoken_ext/openai_public.py`)."""

QUALITY_RULES = {
    "dup_line_frac": "duplicate_lines",
    "dup_line_char_frac": "duplicate_line_characters",
    "dup_para_frac": "duplicate_paragraphs",
    "dup_para_char_frac": "duplicate_paragraph_characters",
    "gopher_short_doc": "too_few_words",
    "gopher_long_doc": "too_many_words",
    "gopher_below_avg_threshold": "words_too_short",
    "gopher_above_avg_threshold": "words_too_long",
    "gopher_too_many_hashes": "too_many_hashes",
    "gopher_too_many_ellipsis": "too_many_ellipses",
    "gopher_too_many_bullets": "too_many_bullet_lines",
    "gopher_too_many_end_ellipsis": "too_many_ellipsis_lines",
    "gopher_below_alpha_threshold": "too_few_alphabetic_words",
    "gopher_enough_stop_words": "too_few_stop_words",
    "line_punct_ratio": "few_lines_end_in_punctuation",
    "short_line_ratio": "too_many_short_lines",
    "char_dup_ratio": "duplicate_characters",
    "list_ratio": "too_many_newlines",
} | {f"duplicated_{n}_n_grams": f"duplicate_{n}_gram" for n in range(5, 11)}
"""datatrove's names of the rules, and ours."""


def c4(job: Job) -> Side:
    from datatrove.data import Document
    from datatrove.pipeline.filters import C4QualityFilter

    texts, rules = job.texts(), C4QualityFilter()
    rules.filter(Document(text="This loads the model. " * 5, id=""))

    def work() -> list:
        return [rules.filter(Document(text=text, id="")) for text in texts]

    return over_texts(texts, work)


def quality(job: Job) -> Side:
    from datatrove.data import Document
    from datatrove.pipeline import filters
    from datatrove.utils.word_tokenizers import WordTokenizer
    from nltk.tokenize import NLTKWordTokenizer

    with pa.OSFile(os.path.join(job.folder, "sentences.arrow")) as file:
        table = pa.ipc.open_file(file).read_all()
    texts = job.texts()
    sentences = dict(zip(texts, table["sentences"].slice(0, len(texts)).to_pylist()))

    class Words(WordTokenizer):
        """nltk's `word_tokenize`, where the sentences cost nothing."""

        split = NLTKWordTokenizer().tokenize

        def word_tokenize(self, text: str) -> list[str]:
            return [word for sentence in sentences[text] for word in self.split(sentence)]

        def sent_tokenize(self, text: str) -> list[str]:
            return sentences[text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            raise NotImplementedError

    words = Words()
    chain = [
        ("gopher_repetition", filters.GopherRepetitionFilter(language=words)),
        ("gopher_quality", filters.GopherQualityFilter(language=words)),
        ("fineweb", filters.FineWebQualityFilter(language=words)),
    ]

    def fate(document: Document) -> str:
        for name, rules in chain:
            verdict = rules.filter(document)
            if verdict is not True:
                return f"{name} {QUALITY_RULES.get(verdict[1], verdict[1])}"
        return "kept"

    return over_texts(texts, lambda: [fate(Document(text=text, id="")) for text in texts], lambda found, _: found)


def url_filter(job: Job) -> Side:
    import tldextract
    from datatrove.data import Document
    from datatrove.pipeline.filters import URLFilter

    def entries(name: str) -> list[str]:
        with open(os.path.join(job.folder, "lists", f"{name}.txt"), encoding="utf-8") as file:
            return file.read().split()

    domains, hard, soft, sub = map(entries, URL_LISTS)
    rules = URLFilter(2, domains, None, hard, sub, soft, use_integrated_lists=False)
    rules.tldextractor = tldextract.TLDExtract(suffix_list_urls=())  # its own copy of the list, no download
    texts = job.texts()
    urls = [url for batch in job.batches() for url in batch["url"].to_pylist()]
    names = {
        "subdomain": "host",
        "hard_blacklisted": "hard_word",
        "soft_blacklisted": "soft_words",
        "blacklisted_subword": "subword",
    }

    def work() -> list:
        return [rules.filter(Document(text="", id="", metadata={"url": url})) for url in urls]

    def answers(found, _) -> list[str]:
        return ["kept" if one is True else names.get(one[1], one[1]) for one in found]

    return over_texts(texts, work, answers)


def pii(job: Job) -> Side:
    from datatrove.pipeline.formatters import PIIFormatter

    texts, formatter = job.texts(), PIIFormatter()
    return over_texts(texts, lambda: [formatter.format(text) for text in texts])


def warc(job: Job) -> Side:
    import gzip

    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    path = os.path.join(job.folder, ARCHIVE)
    with gzip.open(path) as file:
        size = sum(map(len, iter(lambda: file.read(1 << 20), b"")))

    def work() -> list[str]:
        texts = []
        for record in ArchiveIterator(path, record_types=WarcRecordType.response):
            if record.http_headers.status_code == 200 and record.http_content_type in (
                "text/html",
                "application/xhtml+xml",
            ):
                data = record.reader.read()
                page = bytes_to_str(data, record.http_charset or detect_encoding(data))
                texts.append(
                    extract_plain_text(
                        page, preserve_formatting=True, main_content=False, list_bullets=False, alt_texts=False
                    )
                )
        return texts

    return Side(work, size)


def langdetect(job: Job) -> Side:
    from langdetect import DetectorFactory, LangDetectException, detect_langs

    DetectorFactory.seed = 0
    texts = job.texts()
    detect_langs("This loads the profiles.")

    def detect(text: str) -> str:
        try:
            found = detect_langs(text)
        except LangDetectException:
            return "none"
        return f"{found[0].lang} {found[0].prob:.5f}" if found else "none"

    return over_texts(texts, lambda: [detect(text) for text in texts], lambda found, _: found)


MARKS = "".join(re.escape(chr(c)) for c in range(sys.maxunicode) if unicodedata.category(chr(c))[0] == "M")
WORD = re.compile(rf"\w[\w{MARKS}]*")


def _shingles(text: str, unit: str) -> list[bytes]:
    """Shingles as `corpus.dedup.shingles` defines them; lower() alone has two special cases."""
    text = unicodedata.normalize("NFC", text)
    units: Sequence[str] = WORD.findall(text.replace("Σ", "σ").replace("İ", "i").lower())
    between = " "
    if unit == "characters":
        units, between = "".join(units), ""
    size = min(NGRAM, len(units))
    return [between.join(units[i : i + size]).encode() for i in range(len(units) - size + 1) if units]


def _signature(text: str, unit: str = "words"):
    from datasketch import MinHash

    signature = MinHash(num_perm=PERMUTATIONS)
    shingles = _shingles(text, unit)
    if shingles:
        signature.update_batch(shingles)
    return signature


def minhash(job: Job, unit: str = "words") -> Side:
    texts = job.texts()
    _signature("warm up")

    def answers(found, documents: int) -> list[str]:
        return digests(signature.hashvalues.astype(np.uint32).tobytes() for signature in found)

    return over_texts(texts, lambda: [_signature(text, unit) for text in texts], answers)


def minhash_characters(job: Job) -> Side:
    return minhash(job, "characters")


def near_dedup(job: Job) -> Side:
    from datasketch import MinHashLSH

    texts = job.texts()
    _signature("warm up")

    def work() -> list[tuple[int, int]]:
        index = MinHashLSH(THRESHOLD, PERMUTATIONS, params=(BANDS, ROWS))
        pairs = []
        for document, text in enumerate(texts):
            signature = _signature(text)
            if not signature.is_empty():
                pairs += [(earlier, document) for earlier in index.query(signature)]
                index.insert(document, signature)
        return pairs

    return over_texts(texts, work, lambda pairs, _: [f"{i} {j}" for i, j in sorted(pairs)])


def near_dedup_fineweb(job: Job) -> Side:
    from datatrove.pipeline.dedup import minhash
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.word_tokenizers import WordTokenizer
    from nltk.tokenize import NLTKWordTokenizer

    class Words(WordTokenizer):
        """nltk's words of a text without punctuation, which is one sentence: punkt's model is a download."""

        split = NLTKWordTokenizer().tokenize

        def word_tokenize(self, text: str) -> list[str]:
            return self.split(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            raise NotImplementedError

    texts = job.texts()
    config = minhash.MinhashConfig(hash_config=HashConfig(precision=64, hash_fc="sha1"))
    folder = tempfile.mkdtemp(dir=job.folder)
    source = f"{folder}/in"
    os.mkdir(source)
    pq.write_table(pa.table({"text": texts, "id": list(map(str, range(len(texts))))}), f"{source}/0.parquet")

    def work() -> int:
        signatures, buckets, removed, kept = (
            f"{folder}/{name}" for name in ("signatures", "buckets", "removed", "out")
        )
        read = ParquetReader(source, doc_progress=False, file_progress=False)
        minhash.MinhashDedupSignature(signatures, config, language=Words()).run(read.run(rank=0, world_size=1))
        for bucket in range(config.num_buckets):
            minhash.MinhashDedupBuckets(signatures, buckets, config=config).run(None, bucket, config.num_buckets)
        minhash.MinhashDedupCluster(buckets, removed, config=config).run(None, 0, 1)
        left = minhash.MinhashDedupFilter(removed).run(read.run(rank=0, world_size=1), 0, 1)
        return len(texts) - sum(1 for _ in ParquetWriter(kept).run(left, 0, 1))

    def answers(found: int, _: int) -> list[str]:
        shutil.rmtree(folder)
        return [str(found)]

    return over_texts(texts, work, answers)


def suffix_array(job: Job) -> Side:
    import pydivsufsort

    texts = job.texts()
    data = np.frombuffer("".join(texts).encode(), np.uint8).copy()

    def work():
        suffixes = pydivsufsort.divsufsort(data)
        return pydivsufsort.kasai(data, suffixes) >= MATCH_BYTES

    return over_texts(texts, work)


def bpe_train(job: Job) -> Side:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    texts = job.texts()

    def work() -> Tokenizer:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            min_frequency=2,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return tokenizer

    def answers(tokenizer: Tokenizer, documents: int) -> list[str]:
        return [" ".join(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]

    return over_texts(texts, work, answers)


def _id_digests(rows: list[list[int]]) -> list[str]:
    return digests(np.array(row, np.int32).tobytes() for row in rows)


def encode(job: Job) -> Side:
    import tiktoken

    with open(os.path.join(job.folder, "tokenizer", "tokenizer.tiktoken"), "rb") as file:
        pairs = (line.split() for line in file)
        ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    encoding = tiktoken.Encoding("bench", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens={})
    texts = job.texts()
    encoding.encode_ordinary(texts[0])
    return over_texts(
        texts, lambda: [encoding.encode_ordinary(text) for text in texts], lambda rows, _: _id_digests(rows)
    )


def _tokenizer_json(job: Job, folder: str) -> str:
    """Without special tokens: text is text, see corpus.encoding.encoder."""
    with open(os.path.join(job.folder, folder, "tokenizer.json"), encoding="utf-8") as file:
        return json.dumps({**json.load(file), "added_tokens": []})


def encode_gigatoken(job: Job) -> Side:
    from gigatoken import Tokenizer

    tokenizer, texts = Tokenizer.from_json(_tokenizer_json(job, "tokenizer")), job.texts()
    return over_texts(
        texts, lambda: tokenizer.encode_batch(texts, parallel=False), lambda found, n: _id_digests(found[:n].to_list())
    )


def encode_fastokens(job: Job) -> Side:
    from fastokens import Tokenizer

    tokenizer, texts = Tokenizer.from_json_str(_tokenizer_json(job, "tokenizer")), job.texts()

    def answers(found, documents: int) -> list[str]:
        ids, offsets = np.frombuffer(found[0], "<u4"), np.frombuffer(found[1], "<i8")
        return _id_digests(np.split(ids, offsets[1:-1])[:documents])

    return over_texts(texts, lambda: tokenizer.encode_batch_flat(texts), answers)


def encode_hf(job: Job, tokenizer_folder: str = "tokenizer") -> Side:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(_tokenizer_json(job, tokenizer_folder))
    texts = job.texts()

    def answers(encodings, documents: int) -> list[str]:
        return _id_digests([encoding.ids for encoding in encodings])

    return over_texts(texts, lambda: tokenizer.encode_batch_fast(texts, add_special_tokens=False), answers)


def encode_sentencepiece(job: Job, folder: str) -> Side:
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=os.path.join(job.folder, folder, "sentencepiece.model"))
    texts = job.texts()
    return over_texts(texts, lambda: [model.encode(text) for text in texts], lambda rows, _: _id_digests(rows))


def _tokens(job: Job) -> np.ndarray:
    """The ids of tokens/, at most `job.bytes` bytes, and so many that they make whole batches and one more."""
    (file,) = glob.glob(os.path.join(glob.escape(job.folder), "tokens", "*.bin"))
    ids = np.memmap(file, np.uint16, "r")
    step = SEQUENCE * BATCH
    return ids[: min(len(ids) - 1, job.bytes // 2) // step * step + 1]


def loader_memmap(job: Job) -> Side:
    ids = _tokens(job)
    order = np.random.default_rng(0).permutation(len(ids) // SEQUENCE) * SEQUENCE

    def work() -> None:
        for batch in order.reshape(-1, BATCH):
            np.stack([ids[i : i + SEQUENCE].astype(np.int64) for i in batch])
            np.stack([ids[i + 1 : i + 1 + SEQUENCE].astype(np.int64) for i in batch])

    return Side(work, 2 * (len(ids) - 1), tokens=len(ids) - 1)


def _without_torchvision() -> None:
    """mosaicml-streaming imports torchvision for its image sets, and there is no build of it beside every
    torch; no text passes through it. transformers must look for it before it is stood in for."""
    import types

    for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional", "torchvision.datasets"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torchvision.transforms.functional"].to_tensor = None
    sys.modules["torchvision.datasets"].VisionDataset = object


def loader_causal(job: Job) -> Side:
    _without_torchvision()
    from streaming import MDSWriter, StreamingDataset
    from streaming.base.util import clean_stale_shared_memory

    ids = _tokens(job)
    shards = os.path.join(job.folder, "mds")
    if not os.path.exists(shards):  # samples of a window and the label of its last token
        with MDSWriter(out=shards, columns={"tokens": f"ndarray:uint16:{SEQUENCE + 1}"}) as writer:
            for i in range(0, len(ids) - 1, SEQUENCE):
                writer.write({"tokens": np.array(ids[i : i + SEQUENCE + 1])})
    clean_stale_shared_memory()
    dataset = StreamingDataset(local=shards, shuffle=True, batch_size=BATCH, num_canonical_nodes=1)
    dataset[0]

    def work() -> None:
        rows = []
        for sample in dataset:
            rows.append(sample["tokens"])
            if len(rows) == BATCH:
                block = np.stack(rows).astype(np.int64)
                block[:, :-1], block[:, 1:]  # tokens and labels
                rows = []

    return Side(work, 2 * (len(ids) - 1), tokens=len(ids) - 1)


def loader_litdata(job: Job) -> Side:
    import torch
    from litdata import StreamingDataset, TokensLoader
    from litdata.streaming import Cache

    ids, loader = _tokens(job), TokensLoader(block_size=SEQUENCE + 1)
    chunks = os.path.join(job.folder, "litdata")
    if not os.path.exists(chunks):  # samples of a window and the label of its last token
        cache = Cache(chunks, chunk_size=1024 * (SEQUENCE + 1), item_loader=loader)
        for i in range(0, len(ids) - 1, SEQUENCE):
            cache[i // SEQUENCE] = torch.from_numpy(np.array(ids[i : i + SEQUENCE + 1]))
        cache.done()
        cache.merge()
    dataset = StreamingDataset(chunks, item_loader=loader, shuffle=True)
    tokens = len(dataset) // BATCH * BATCH * SEQUENCE  # it leaves some of the last chunk out

    def work() -> None:
        rows = []
        for sample in dataset:
            rows.append(sample.numpy())
            if len(rows) == BATCH:
                block = np.stack(rows).astype(np.int64)
                block[:, :-1], block[:, 1:]  # tokens and labels
                rows = []

    return Side(work, 2 * tokens, tokens=tokens)


def loader_megatron(job: Job) -> Side:
    import torch
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.indexed_dataset import IndexedDataset
    from megatron.core.datasets.utils import Split

    (file,) = glob.glob(os.path.join(glob.escape(job.folder), "tokens", "*.bin"))
    prefix = file.removesuffix(".bin")
    config = GPTDatasetConfig(
        random_seed=1, sequence_length=SEQUENCE, blend=([prefix], None), split="1,0,0", reset_position_ids=False,
        reset_attention_mask=False, eod_mask_loss=False, create_attention_mask=False,
        tokenizer=types.SimpleNamespace(eod=0, pad=1, vocab_size=1 << 16, unique_identifiers={"class": "bench"}),
        path_to_cache=os.path.join(job.folder, "megatron"),
    )  # fmt: skip
    indexed = IndexedDataset(prefix)
    documents = np.arange(len(indexed.document_indices) - 1, dtype=np.int32)
    dataset = GPTDataset(indexed, prefix, documents, None, Split.train, config)
    samples = min(len(dataset), len(_tokens(job)) // SEQUENCE) // BATCH * BATCH

    def work() -> None:
        for first in range(0, samples, BATCH):
            rows = [dataset[i] for i in range(first, first + BATCH)]
            for name in ("tokens", "labels"):
                torch.stack([row[name] for row in rows])

    return Side(work, 2 * samples * SEQUENCE, tokens=samples * SEQUENCE)


def _rows(job: Job, length: int) -> np.ndarray:
    """Rows of so many ids of sentence_tokens/, at most `job.bytes` bytes, whole batches."""
    (file,) = glob.glob(os.path.join(glob.escape(job.folder), "sentence_tokens", "*.bin"))
    ids = np.memmap(file, np.uint16, "r")
    count = min(len(ids), job.bytes // 2) // (length * MASKED_BATCH) * MASKED_BATCH
    return np.random.default_rng(0).permutation(ids[: count * length].reshape(count, length)).astype(np.int64)


def masked_rows(job: Job, pairs: bool = False) -> Side:
    """Hugging Face's collator, of rows of ids that have [CLS] and [SEP] already, with the masks of special tokens that
    it otherwise asks the tokenizer for, id by id."""
    from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

    named = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    file = os.path.join(job.folder, "wordpiece", "tokenizer.json")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=file, unk_token="[UNK]", **named)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASK_SHARE, return_tensors="np")
    rows = _rows(job, MASKED_SEQUENCE)
    special = np.isin(rows, tokenizer.all_special_ids).astype(np.int64)
    parts = {"token_type_ids": np.repeat([[0] * (MASKED_SEQUENCE // 2) + [1] * (MASKED_SEQUENCE // 2)], len(rows), 0)}
    arrays = {"input_ids": rows, "special_tokens_mask": special, **(parts if pairs else {})}
    samples = [{name: array[i] for name, array in arrays.items()} for i in range(len(rows))]

    def work() -> None:
        for first in range(0, len(samples), MASKED_BATCH):
            collator(samples[first : first + MASKED_BATCH])

    work()
    return Side(work, 2 * rows.size, tokens=rows.size)


def spans(job: Job) -> Side:
    """Masks of spans row by row, then sentinels and what is left of all rows of a batch at once."""
    length, first_sentinel, end = 568, 8_000, 3
    rows, random = _rows(job, length), np.random.default_rng(0)
    noise = round(length * MASK_SHARE)
    count = round(noise / MEAN_SPAN)

    def divided(items: int) -> np.ndarray:
        begins = np.arange(items - 1) < count - 1
        random.shuffle(begins)
        return np.bincount(np.cumsum(np.concatenate([[0], begins])))

    def mask() -> np.ndarray:
        lengths = np.stack([divided(length - noise), divided(noise)], 1).ravel()
        return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)

    def side(ids: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        begins = hidden & ~np.concatenate([np.zeros((len(ids), 1), bool), hidden[:, :-1]], 1)
        named = np.where(begins, first_sentinel + np.cumsum(begins, 1), ids)
        left = named[begins | ~hidden].reshape(len(ids), -1)
        return np.concatenate([left, np.full((len(ids), 1), end)], 1)

    def work() -> None:
        for first in range(0, len(rows), MASKED_BATCH):
            ids = rows[first : first + MASKED_BATCH]
            hidden = np.stack([mask() for _ in ids])
            side(ids, hidden)
            labels = side(ids, ~hidden)
            np.concatenate([np.zeros((len(ids), 1), np.int64), labels[:, :-1]], 1)

    return Side(work, 2 * rows.size, tokens=rows.size)


def fim(job: Job) -> Side:
    """Documents of a row turned one after the other, but between tokens: Megatron's own cuts between characters."""
    end, (before, between, after), rate = 3, (8_000, 8_001, 8_002), 0.5
    random = np.random.RandomState(0)

    def turned(ids: np.ndarray) -> np.ndarray:
        if not random.binomial(1, rate):
            return ids
        low, high = sorted(random.randint(0, len(ids) + 1, 2))
        prefix, middle, suffix = ids[:low], ids[low:high], ids[high:]
        if random.binomial(1, rate):
            return np.concatenate([[before, after], suffix, [between], prefix, middle])
        return np.concatenate([[before], prefix, [after], suffix, [between], middle])

    def sample(ids: np.ndarray) -> np.ndarray:
        made, begin = [], 0
        for place in np.flatnonzero(ids == end):
            if place > begin:
                made += [turned(ids[begin:place]), [end]]
            begin = place + 1
        made.append(turned(ids[begin:]))
        whole = np.concatenate(made)[: len(ids)]
        return np.concatenate([whole, np.full(len(ids) - len(whole), end)])

    rows = _rows(job, SEQUENCE + 1)

    def work() -> None:
        for first in range(0, len(rows), BATCH):
            block = np.stack([sample(row) for row in rows[first : first + BATCH]])
            block[:, :-1].copy(), block[:, 1:].copy()

    return Side(work, 2 * rows.size, tokens=rows.size)


def _items(job: Job) -> list[str]:
    """The texts of the evaluation sets."""
    texts = []
    for path in sorted(glob.glob(os.path.join(glob.escape(job.folder), "items", "*.jsonl"))):
        with open(path, encoding="utf-8") as file:
            texts += [json.loads(line)["text"] for line in file]
    return texts


def contamination(job: Job) -> Side:
    from lm_eval.decontamination.janitor import Janitor

    texts, janitor = job.texts(), Janitor()
    for item in _items(job):
        janitor.register_contaminant_python(item)
    return over_texts(texts, lambda: [janitor.clean_python(text) for text in texts])


def contamination_datatrove(job: Job) -> Side:
    from datatrove.data import Document
    from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer
    from datatrove.utils import word_tokenizers
    from nltk.tokenize import NLTKWordTokenizer

    config, texts = NGramsDecontConfig(), job.texts()
    rule = NGramsDecontFilter(job.folder, config)
    words = word_tokenizers.load_word_tokenizer("en")
    words.word_tokenize = NLTKWordTokenizer().tokenize  # spaCy's, which it has for English, are slower
    rule.tokenizer = words
    parts = types.SimpleNamespace(config=config, tokenizer=words, hash_func=rule.hash_func)
    hashes = functools.partial(NGramsDecontIndexer.compute_hashes, parts)  # it wants another package to be made
    rule._index_hashes = {hash: "task" for item in _items(job) for hash in hashes(item)}
    return over_texts(texts, lambda: [rule.filter(Document(text=text, id="")) for text in texts])


SIDES = {
    "contamination": contamination,
    "contamination_datatrove": contamination_datatrove,
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
    "windows": suffix_array,
    "bpe_train": bpe_train,
    "encode": encode,
    "encode_warm": encode,
    "encode_hf": encode_hf,
    "encode_gigatoken": encode_gigatoken,
    "encode_fastokens": encode_fastokens,
    "encode_wordpiece": functools.partial(encode_hf, tokenizer_folder="wordpiece"),
    "encode_sentencepiece_bpe": functools.partial(encode_sentencepiece, folder="sentencepiece-bpe"),
    "encode_unigram": functools.partial(encode_sentencepiece, folder="sentencepiece-unigram"),
    "loader_causal": loader_causal,
    "loader_litdata": loader_litdata,
    "loader_megatron": loader_megatron,
    "loader_memmap": loader_memmap,
    "mlm": masked_rows,
    "spans": spans,
    "fim": fim,
    "pairs": functools.partial(masked_rows, pairs=True),
}

if __name__ == "__main__":
    worker.serve(SIDES)
