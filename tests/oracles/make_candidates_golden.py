"""Makes `candidates_golden.json`: which texts share a bucket, by the code of others.

    pip install datatrove==0.10.0 text-dedup==0.4.0 tokenizers 'xxhash<4' nltk==3.10.4 typer zstandard
    pip download --no-deps datatrove==0.2.0 && unzip datatrove-0.2.0-*.whl -d OLD
    git clone https://github.com/bigcode-project/bigcode-dataset
    python tests/oracles/make_candidates_golden.py DATA OLD bigcode-dataset/near_deduplication/minhash_deduplication.py

datatrove, of today and (FineWeb) of April 2024: its first two stages, of two files of documents, with NLTK's words of
one sentence (what `simplify_text` leaves has no mark that ends one); the second says of each bucket which of its
documents come one after the other, and these have a bucket in common. text-dedup and BigCode: `embed_func` of the
documents that have 5 words, and their tables; that text-dedup's own `main` makes the same clusters of them is asserted.
DATA: the folder of real corpora.

`generated` are pairs of `edited_texts.families(60)`, `real` digests of those of real documents and of edits of them.
"""

import collections
import functools
import hashlib
import importlib.util
import io
import itertools
import json
import pathlib
import pickle
import struct
import sys
import tempfile

import numpy as np
from edited_texts import families

FINEWEB = {"use_64bit_hashes": True, "num_buckets": 14, "hashes_per_bucket": 8, "n_grams": 5}
"""As its script has them (datatrove's examples/fineweb.py, 05194d3)."""
DATATROVE = {
    "datatrove": {},
    "datatrove sha1": {"hash_fc": "sha1"},
    "datatrove 3": {"n_grams": 3, "num_buckets": 20, "hashes_per_bucket": 5, "seed": 7},
}
TEXT_DEDUP = {
    "text_dedup": {},
    "text_dedup 3": {"ngram": 3, "num_perm": 128, "threshold": 0.5},
    "text_dedup 13": {"ngram": 13, "num_perm": 100, "b": 10, "r": 7},
}


def words(text: str) -> list[str]:
    """datatrove's NLTKTokenizer without sentences."""
    from nltk.tokenize import NLTKWordTokenizer

    return [word.strip() for word in NLTKWordTokenizer().tokenize(text) if word.strip()]


def datatrove_pairs(texts: list[str], hash_fc: str = "xxhash", **options) -> set[tuple[int, int]]:
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Words(WordTokenizer):
        word_tokenize = staticmethod(words)
        sent_tokenize = span_tokenize = None

    config = MinhashConfig(hash_config=HashConfig(64, hash_fc), **options)
    return pairs_of_stages(texts, config, lambda folder: MinhashDedupSignature(folder, config, Words("english")))


def fineweb_pairs(texts: list[str], old: str) -> set[tuple[int, int]]:
    """By datatrove 0.2.0, in place of the one that is installed."""
    import nltk

    def forget() -> dict:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "datatrove"}

    today, nltk.word_tokenize = forget(), words
    sys.path.insert(0, old)
    try:
        from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

        config = MinhashConfig(**FINEWEB)
        assert not hasattr(config, "hash_config")
        return pairs_of_stages(texts, config, lambda folder: MinhashDedupSignature(folder, config=config))
    finally:
        sys.path.remove(old)
        forget()
        sys.modules.update(today)


def pairs_of_stages(texts: list[str], config, signatures_into) -> set[tuple[int, int]]:
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashDedupBuckets

    documents = [Document(text, str(i)) for i, text in enumerate(texts)]
    pairs, half = set(), len(texts) // 2
    with tempfile.TemporaryDirectory() as folder:
        for rank, part in enumerate((documents[:half], documents[half:])):
            signatures_into(f"{folder}/sig").run(part, rank, 2)
        stage = MinhashDedupBuckets(f"{folder}/sig", f"{folder}/dups", config=config)
        for bucket in range(config.num_buckets):
            stage.run(None, bucket, config.num_buckets)
            label: dict[int, int] = {}
            content = pathlib.Path(folder, "dups", f"{bucket:05d}_00.dups").read_bytes()
            for file_1, document_1, file_2, document_2 in struct.iter_unpack("<4I", content):
                one, other = half * file_1 + document_1, half * file_2 + document_2
                label[other] = label.setdefault(one, one)  # one was the other of the line before, or begins a bucket
            members = collections.defaultdict(list)
            for document, first in label.items():
                members[first].append(document)
            for bucket_of in members.values():
                pairs |= set(itertools.combinations(sorted(bucket_of), 2))
    return pairs


def bigcode_pairs(texts: list[str], script: str) -> set[tuple[int, int]]:
    """Without the documents of fewer than 5 words, of which it keeps one."""
    spec = importlib.util.spec_from_file_location("bigcode", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    bands, rows = module.optimal_param(0.7, 256)
    draws = [(module.RNG.randint(low, module.MERSENNE_PRIME, dtype=np.uint64)) for _ in range(256) for low in (1, 0)]
    tables = collections.defaultdict(list)
    for number, text in enumerate(texts):
        if len(module.NON_ALPHA.split(text)) >= 5:
            found = module.embed_func(
                text,
                number,
                num_perm=256,
                ngram_size=5,
                hashranges=[(i * rows, (i + 1) * rows) for i in range(bands)],
                permutations=np.array(draws, np.uint64).reshape(-1, 2).T,
            )
            for band, key in enumerate(found["__signatures__"]):
                tables[band, key].append(number)
    return {pair for bucket in tables.values() for pair in itertools.combinations(bucket, 2)}


def text_dedup_pairs(texts: list[str], **options) -> set[tuple[int, int]]:
    from text_dedup import minhash
    from text_dedup.utils import MinHashArgs, optimal_param

    of = MinHashArgs(**options)
    bands, rows = (of.b, of.r) if of.b else optimal_param(of.threshold, of.num_perm, 0.5, 0.5)
    prime, size = np.uint64((1 << 61) - 1), (of.num_perm,)
    generator = np.random.RandomState(minhash.SEED)  # as `main` finds it
    permutations = generator.randint(1, prime, size, np.uint64), generator.randint(0, prime, size, np.uint64)
    tables = collections.defaultdict(list)
    for number, text in enumerate(texts):
        if len(minhash.NON_ALPHA.split(text.lower())) < of.min_length:
            continue
        found = minhash.embed_func(
            text,
            number,
            num_perm=of.num_perm,
            ngram_size=of.ngram,
            min_length=of.min_length,
            hashranges=[(i * rows, (i + 1) * rows) for i in range(bands)],
            permutations=permutations,
            hash_func=minhash.sha1_hash,
            dtype=np.uint64,
            max_hash=np.uint32((1 << 32) - 1),
            modulo_prime=prime,
        )
        for band, key in enumerate(found[minhash.SIGNATURE_COLUMN]):
            tables[band, key].append(number)
    pairs = {pair for bucket in tables.values() for pair in itertools.combinations(bucket, 2)}
    assert components(pairs) == text_dedup_clusters(texts, options), options
    return pairs


def text_dedup_clusters(texts: list[str], options: dict) -> set[frozenset[int]]:
    """By its command line."""
    import datasets
    from text_dedup import minhash

    minhash.RNG = np.random.RandomState(minhash.SEED)  # as in a process of its own
    with tempfile.TemporaryDirectory() as folder:
        datasets.Dataset.from_dict({"text": texts}).save_to_disk(f"{folder}/in")
        flags = [f"--{name}={value}" for name, value in options.items()]
        where = [f"--path={folder}/in", "--local", f"--output={folder}/out", "--column=text", "--num_proc=1", "--debug"]
        minhash.main.main(args=[*where, *flags], standalone_mode=False)
        with open(f"{folder}/out/uf.pkl", "rb") as file:
            found = pickle.load(file)
    members = collections.defaultdict(set)
    for number in list(found.parent):
        members[found.find(number)].add(number)
    return {frozenset(each) for each in members.values() if len(each) > 1}


def components(pairs: set[tuple[int, int]]) -> set[frozenset[int]]:
    groups: dict[int, set[int]] = {}
    for one, other in pairs:
        joined = groups.get(one, {one}) | groups.get(other, {other})
        groups |= dict.fromkeys(joined, joined)
    return {frozenset(group) for group in groups.values()}


def real_texts(data: pathlib.Path) -> list[str]:
    """Every third document of one file, cut to 3,000 characters, each twice again with some of its words left out."""
    with (data / "jsonl" / "part-00003.jsonl.zst").open("rb") as file:
        import zstandard

        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        documents = [json.loads(line)["text"][:3000] for line in lines][::3]
    edited = []
    for number, text in enumerate(documents):
        words, every = text.split(" "), 5 + number % 90
        edited += [" ".join(word for i, word in enumerate(words) if i % every), " ".join(words[len(words) // every :])]
    return documents + edited


def digest(pairs: set[tuple[int, int]]) -> str:
    return hashlib.sha256(json.dumps(sorted(pairs)).encode()).hexdigest()


def main(data: str, old: str, bigcode: str) -> None:
    find = {name: functools.partial(datatrove_pairs, **options) for name, options in DATATROVE.items()}
    find |= {name: functools.partial(text_dedup_pairs, **options) for name, options in TEXT_DEDUP.items()}
    find |= {"fineweb": functools.partial(fineweb_pairs, old=old)}
    find |= {"bigcode": functools.partial(bigcode_pairs, script=bigcode)}
    texts, real = families(60), real_texts(pathlib.Path(data))
    golden: dict = {"generated": {}, "real": {}}
    for name, pairs_of in find.items():
        golden["generated"][name] = sorted(pairs_of(texts))
        pairs = pairs_of(real)
        golden["real"][name] = {"pairs": len(pairs), "digest": digest(pairs)}
        print(name, len(texts), len(golden["generated"][name]), len(real), len(pairs))
    path = pathlib.Path(__file__).with_name("candidates_golden.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
