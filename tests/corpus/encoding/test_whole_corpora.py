"""Ids of real text, all of it where asked for, equal the libraries': vocabularies of every kind, trained on a part of
it. The libraries take two minutes for each of them and 100 MB."""

import os
import pathlib
import shutil

import pyarrow as pa
import pytest
import tokenizers

from corpus.encoding import encoders, gate, pretokenizers
from corpus.encoding.encoder import load_encoder
from corpus.reading import readers
from tokenizer_training import train_tokenizer

KINDS = {
    "gpt2": ({"preset": "gpt2"}, "bpe"),
    "cl100k": ({"family": "bpe", "pattern": "cl100k"}, "bpe"),
    "o200k": ({"family": "bpe", "pattern": "o200k"}, "bpe"),
    "llama3": ({"family": "bpe", "pattern": "llama3"}, "bpe"),
    "bert": ({"preset": "bert"}, "wordpiece"),
    "bert_cased": ({"preset": "bert_cased"}, "wordpiece"),
    "sentencepiece-bpe": ({"family": "sentencepiece-bpe"}, "sentencepiece"),
    "sentencepiece-unigram": ({"family": "sentencepiece-unigram"}, "sentencepiece"),
    "llama": ({"preset": "llama"}, "sentencepiece"),
    "llama.json": ({"preset": "llama"}, "metaspace"),
}
"""What is trained, and the kernel that encodes it."""
SIZE = 16_000
TRAINED_ON = 12_000_000
MOST = int(os.environ.get("WINNOW_WHOLE_CORPORA_MB", 5)) * 1_000_000
"""Characters; 1000 takes all there is, and an hour."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def texts(real_data):
    """Every document of the data, as far as MOST."""
    found, size = [], 0
    for kind in ("wet/*.gz", "jsonl/*.zst", "web/*.gz"):
        for reading in readers.read_files(str(real_data / kind)):
            for text in reading.documents.column("text"):
                size += len(text.as_py())
                found.append(text.as_py())
            if size > MOST:
                return found
    assert size > 100_000_000
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_ids_equal_the_librarys(texts, tmp_path, kind):
    options, kernel = KINDS[kind]
    step = max(1, sum(map(len, texts)) // TRAINED_ON)
    sample = [text[: 1 << 14] for text in texts[::step]]
    encoder = train_tokenizer(sample, tmp_path / "ours", **{"vocab_size": SIZE, **options})
    folder = tmp_path / "ours"
    if kernel == "metaspace":
        (tmp_path / "json").mkdir()
        folder = pathlib.Path(shutil.copy(folder / "tokenizer.json", tmp_path / "json")).parent
        encoder = load_encoder(folder, end="</s>")
    assert encoder.encoder == kernel
    library = encoders.ENCODERS[encoders.LIBRARY[kernel]](folder)[0]
    compared = gate.compare(lambda text: encoder.encode(text), library, texts)
    print(kind, compared)
    assert compared.difference is None and compared.texts == len(texts)
    if kernel == "bpe":
        with_tiktoken(folder, options, texts, encoder)


def with_tiktoken(folder, options, texts, encoder):
    """tiktoken reads the .tiktoken file, with the library's own regular expression, and gives the same ids."""
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken.load import load_tiktoken_bpe

    ranks = load_tiktoken_bpe(str(folder / "tokenizer.tiktoken"))
    pattern = getattr(pretokenizers, options.get("pattern", "gpt2").upper())
    theirs = tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    for first in range(0, len(texts), 1000):
        batch = texts[first : first + 1000]
        ours = encoder.encode_texts(pa.array(batch, pa.large_string()))
        for text, ids in zip(batch, ours):
            assert theirs.encode_ordinary(text) == ids.tolist(), text[:200]


def test_every_file_is_read_by_its_library(texts, tmp_path):
    """`vocab.json` with `merges.txt`, and `tokenizer.json`."""
    encoder = train_tokenizer([text[:2000] for text in texts[::50]], tmp_path, preset="gpt2", vocab_size=2000)
    model = tokenizers.models.BPE.from_file(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    part = [text[:2000] for text in texts[::200]]
    assert [made.encode(text).ids for text in part] == [ids.tolist() for ids in encoder.encode_texts(part)]
