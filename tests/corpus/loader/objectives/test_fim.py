"""Fill in the middle: each row against plain Python, the original from what was turned, rates; between characters."""

import itertools
import json
import math
import pathlib
import random

import numpy as np
import pyarrow as pa
import pytest

from corpus.encoding import vocabulary
from corpus.loader import TokenStream, middles
from corpus.loader.objectives import fim
from corpus.tokens import manifest, packing
from corpus.tokens.megatron import IndexedDataset, ShardWriter
from tokenizer_training import train_tokenizer

from . import reference
from .conftest import END, MID, PAD, PRE, SUF, filled


@pytest.mark.parametrize("rate, spm_rate", [(0.5, 0.5), (1, 0), (1, 1), (0, 0.5), (0.9, 0.3)])
@pytest.mark.parametrize("length, reserve", [(4, 0), (12, 3), (40, 9), (64, 30), (64, 4)])
def test_rows_are_those_of_plain_python(samples_of, corpus, length, reserve, rate, spm_rate, monkeypatch):
    """Those with too little room, too, where chance decides which pieces are turned."""
    monkeypatch.setattr(fim, "LEAST", 0)
    rows, samples = samples_of("fim", length, reserve=reserve, rate=rate, spm_rate=spm_rate)
    before, room = END, (reserve or length - len(samples[0][0])) // 3
    for row, (tokens, documents, key) in zip(rows, samples, strict=True):
        labels = reference.fim(tokens, documents, key, END, (PRE, MID, SUF), rate, spm_rate, room)
        assert row["labels"] == filled(labels, length, -100)
        assert row["tokens"] == filled([before, *labels[:-1]], length)
        before = tokens[-1]


def unturned(piece):
    """The piece of a document as it was."""
    if PRE not in piece:
        return piece
    assert [piece.count(t) for t in (PRE, MID, SUF)] == [1, 1, 1]
    end = [END] if piece[-1] == END else []
    body = piece[: len(piece) - len(end)]
    suffix = body[body.index(SUF) + 1 : body.index(MID)]
    return [*body[1 : body.index(SUF)], *body[body.index(MID) + 1 :], *suffix, *end]


def test_the_sample_can_be_read_from_its_labels(samples_of):
    rows, samples = samples_of("fim", 64, rate=0.9, boundaries="document_ids")
    turned = 0
    for row, (tokens, _, _) in zip(rows, samples, strict=True):
        assert [d > 0 for d in row["document_ids"]] == [label != -100 for label in row["labels"]]
        pieces = [
            [t for t, d in zip(row["labels"], row["document_ids"]) if d == each]
            for each in range(1, max(row["document_ids"]) + 1)
        ]
        turned += sum(PRE in piece for piece in pieces)
        assert [t for piece in pieces for t in unturned(piece)] == tokens
    assert turned > 100


@pytest.mark.parametrize("tokens", [[END], [END] * 5, [7], [7, END], [7] * 5])
def test_degenerate(make_tokens, tokens):
    folder = make_tokens([[tokens]], pad_id=PAD, vocabulary=True)
    (batch,) = TokenStream(folder, objective="fim", sequence_length=12, batch_size=1, rate=1)
    labels = [t for t in batch["labels"][0].tolist() if t != -100]
    assert unturned(labels) == tokens and (PRE in labels) == (tokens != [END])


def test_rates(make_tokens):
    """Of 4,000 documents of 20 tokens, one a row: turned, suffix first, and both cuts even over 21 places."""
    folder = make_tokens([[list(range(1, 21))] * 4000], pad_id=PAD, vocabulary=True)
    labels = np.concatenate(
        [b["labels"] for b in TokenStream(folder, objective="fim", sequence_length=23, batch_size=100, reserve=3)]
    )
    turned = labels[:, 0] == PRE
    assert abs(turned.sum() - 2000) < 6 * 1000**0.5
    suffix_first = labels[turned][:, 1] == SUF
    assert abs(suffix_first.sum() - turned.sum() / 2) < 3 * turned.sum() ** 0.5
    suffixes = (labels[turned] == MID).argmax(1) - (labels[turned] == SUF).argmax(1) - 1
    odds = np.array([2 * k + 1 for k in range(21)])[::-1] / 441  # of the later of two cuts
    expected = odds * turned.sum()
    counts = np.bincount(suffixes, minlength=21)
    assert ((counts - expected) ** 2 / expected).sum() < 20 + 6 * 40**0.5


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize("size, length", [(60, 2048), (10, 512), (700, 1024), (2, 256)])
def test_the_rate_holds_whatever_the_documents(make_tokens, size, length, rate):
    """With the reserve that is found: of short documents, of those of any length, of such as are longer than a row."""
    draw = np.random.default_rng(size)
    sizes = np.full(60_000 // size, size) if size in (2, 60) else draw.geometric(1 / size, 60_000 // size)
    folder = make_tokens([[[5] * int(n - 1) + [END] for n in sizes]], pad_id=PAD, vocabulary=True)
    stream = TokenStream(
        folder, objective="fim", sequence_length=length, batch_size=8, rate=rate, boundaries="document_ids"
    )
    pieces = turned = 0
    for batch in stream:
        text = np.array(
            [len(np.unique(ids[(ids > 0) & (row == 5)])) for ids, row in zip(batch["document_ids"], batch["labels"])]
        )
        pieces, turned = pieces + text.sum(), turned + (batch["labels"] == PRE).sum()
    assert length - stream._source.longest < 0.7 * length
    assert abs(turned / pieces - rate) < 0.01 * rate + 4 * math.sqrt(rate * (1 - rate) / pieces)


def test_how_much_room_there_has_to_be():
    """Against sums over all ways to choose, and by hand."""
    pieces, rate = np.array([0, 1, 3, 3, 4]), 0.3
    for room in range(1, 6):
        met = sum(
            min(sum(chosen), room) * math.prod(rate if one else 1 - rate for one in chosen)
            for size in pieces.tolist()
            for chosen in itertools.product((0, 1), repeat=size)
        )
        assert math.isclose(middles.share_met(pieces, rate, room), met / (rate * pieces.sum()))
    assert [middles.room_for(np.array([4, 2]), 1, share) for share in (0.1, 0.34, 0.66, 0.84, 0.99)] == [1, 2, 2, 4, 4]
    assert middles.room_for(np.array([7]), 0, 0.99) == 1 == middles.room_for(np.array([0]), 0.5, 0.99)


def test_too_little_room_is_refused_with_what_is_needed(make_tokens):
    folder = make_tokens([[[5] * 29 + [END]] * 400], pad_id=PAD, vocabulary=True, pack=123, method="contiguous")
    shape = {"objective": "fim", "sequence_length": 128, "batch_size": 1, "rate": 1}
    with pytest.raises(
        ValueError,
        match="a reserve of 6 tokens fim turns 0.40 of the pieces, not 1: that rate needs a reserve of 15 tok",
    ):
        TokenStream(folder, **shape, reserve=6)
    assert TokenStream(folder, **shape, reserve=15).samples
    with pytest.raises(ValueError, match="needs a reserve of 12 tokens: pack for 116 tokens"):
        TokenStream(folder, **shape, packing="plan")
    plan = packing.pack(IndexedDataset(folder + "/00000").document_lengths, 116, "contiguous", 1)
    packing.save(plan, packing.plan_path(folder, "fits", "00000"))
    packing.summarize(folder, "fits", {"00000": plan.figures})
    found = [batch["labels"] for batch in TokenStream(folder, **shape, packing="fits")]
    assert sum((labels == PRE).sum() for labels in found) == 400


LANGUAGE = ["the", "of", "naïve", "größer", "文字", "cat's", "def f(x):\n    return x", "𐍈", "e\u0301", "12345", "  "]


@pytest.fixture(scope="module")
def texts():
    draw = random.Random(5)
    return [" ".join(draw.choice(LANGUAGE) for _ in range(draw.randint(0, 60))) for _ in range(120)]


@pytest.fixture(scope="module", params=["bpe", "byte", "pythia"])
def tokenized(request, texts, tmp_path_factory):
    """(tokens of documents in many languages, their tokenizer)."""
    folder = tmp_path_factory.mktemp(request.param)
    special = ["<fim_prefix>", "<fim_middle>", "<fim_suffix>"]
    kinds = {
        "bpe": {"family": "bpe", "vocab_size": 310, "special_tokens": special},
        "byte": {"family": "byte", "sentinels": 3},
        "pythia": {"preset": "pythia", "vocab_size": 360, "special_tokens": special},  # in NFC: some texts are changed
    }
    encoder = train_tokenizer(texts, str(folder / "tokenizer"), **kinds[request.param])
    known = vocabulary.describe(str(folder / "tokenizer"), encoder)
    known["roles"] |= dict(zip(("fim_prefix", "fim_middle", "fim_suffix"), encoder.sentinels))
    tokens, offsets = encoder.encode(pa.array(texts), append_end=True)
    with ShardWriter(str(folder / "tokens/00000"), encoder.vocab_size) as shard:
        shard.add(tokens.astype(np.int64), offsets)
    described = {"fingerprint": encoder.fingerprint, "family": encoder.family, "path": "../tokenizer"}
    manifest.write(
        str(folder / "tokens"), [manifest.describe_shard(str(folder / "tokens/00000"))], vocab_size=encoder.vocab_size,
        tokenizer=described, end_id=encoder.end_id, pad_id=encoder.pad_id,
        vocabulary=known,
    )  # fmt: skip
    return str(folder / "tokens"), encoder


def in_parts(labels, roles, end):
    """(prefix, middle, suffix) of the labels of a piece that was turned, less its end token; [labels] of another."""
    labels = [token for token in labels if token != end]
    pre, mid, suf = (roles[name] for name in ("fim_prefix", "fim_middle", "fim_suffix"))
    if pre not in labels:
        return [labels]
    at, then = labels.index(suf), labels.index(mid)
    return [labels[1:at], labels[then + 1 :], labels[at + 1 : then]]


@pytest.mark.parametrize("spm_rate", [0, 1])
def test_between_characters(tokenized, texts, spm_rate):
    """Every document can be read again, from the texts of its parts; cuts fall anywhere in it, within words, too."""
    folder, encoder = tokenized
    roles = manifest.load(folder)["vocabulary"]["roles"]
    texts = [encoder.decode(ids) for ids in encoder.encode_texts(texts)]  # in its normal form
    length = max(len(ids) for ids in encoder.encode_texts(texts)) + 40
    plan = packing.pack(IndexedDataset(folder + "/00000").document_lengths, length - 7, "document", 1)
    packing.save(plan, packing.plan_path(folder, "each", "00000"))
    packing.summarize(folder, "each", {"00000": plan.figures})
    stream = TokenStream(
        folder, objective="fim", level="character", sequence_length=length, batch_size=7, rate=0.9, spm_rate=spm_rate,
        packing="each", shuffle=False,
    )  # fmt: skip
    rows = []
    for batch in stream:
        for inputs, labels in zip(batch["tokens"], batch["labels"]):
            rows.append(labels[labels != -100].tolist())
            before = [encoder.end_id, *rows[-1][:-1]] if rows[-1] else []
            assert inputs.tolist() == filled(
                before, length, encoder.pad_id if encoder.pad_id is not None else encoder.end_id
            )
    turned = within = 0
    for text, row in zip(texts, [row for row in rows if row], strict=True):
        parts = in_parts(row, roles, encoder.end_id)
        decoded = [encoder.decode(part) for part in parts]
        assert "".join(decoded) == text and "\ufffd" not in "".join(decoded)
        turned += len(parts) == 3
        if len(parts) == 3 and spm_rate == 0:
            assert parts == [ids.tolist() for ids in encoder.encode_texts(decoded)]
            whole = encoder.encode_texts([text])[0].tolist()
            within += whole[: len(parts[0])] != parts[0]
    filled_texts = sum(bool(text) for text in texts)
    assert abs(turned - 0.9 * filled_texts) < 4 * math.sqrt(0.09 * filled_texts)
    assert (within > 0.2 * turned) == (encoder.family == "bpe" and spm_rate == 0)


@pytest.mark.parametrize("boundaries", [None, "document_ids"])
def test_windows_between_characters(tokenized, texts, boundaries):
    """Documents cut by rows: no text is lost, but those are cut between tokens that end within a character; a row is
    the same whatever the batch and the rank."""
    folder, encoder = tokenized
    shape = {"objective": "fim", "level": "character", "sequence_length": 64, "rate": 0.7, "shuffle": False}
    rows = [
        row for batch in TokenStream(folder, batch_size=5, boundaries=boundaries, **shape) for row in batch["labels"]
    ]
    roles, end = manifest.load(folder)["vocabulary"]["roles"], encoder.end_id
    whole = []
    for batch in TokenStream(folder, batch_size=1, boundaries="document_ids", **shape):
        row, ids = batch["labels"][0], batch["document_ids"][0]
        assert ((row != -100) == (ids > 0)).all()
        for number in range(1, ids.max() + 1):
            piece = row[ids == number].tolist()
            whole += [token for part in in_parts(piece, roles, end) for token in part] + [end] * (piece[-1] == end)
    ids = np.array(whole)
    documents = np.split(ids, np.flatnonzero(ids == end) + 1)[:-1]
    assert [encoder.decode(document[:-1]) for document in documents] == [
        encoder.decode(tokens) for tokens in encoder.encode_texts(texts)
    ]
    ranks = [list(TokenStream(folder, batch_size=2, rank=rank, world_size=3, **shape)) for rank in range(3)]
    again = [row for step in zip(*ranks) for batch in step for row in batch["labels"]]
    count = len(list(TokenStream(folder, batch_size=1, **shape)))
    assert count > 20 and all((one == other).all() for one, other in zip(rows[: count - 6], again))
    stream = TokenStream(folder, batch_size=3, **shape)
    next(stream)
    resumed = TokenStream(folder, batch_size=3, **shape)
    resumed.load_state_dict(stream.state_dict())
    assert (next(resumed)["labels"] == np.array(rows[3:6])).all()


def test_characters_need_a_tokenizer_that_gives_texts_back(texts, make_tokens):
    special = ["<fim_prefix>", "<fim_middle>", "<fim_suffix>"]
    folder = make_tokens([[[5, 6, END]] * 5], pad_id=PAD, vocabulary=True)
    encoder = train_tokenizer(texts, folder + "/mine", family="wordpiece", vocab_size=78, special_tokens=special)
    shape = {"objective": "fim", "sequence_length": 16, "batch_size": 1}
    assert TokenStream(folder, **shape).samples
    path = pathlib.Path(folder, "manifest.json")
    told = json.loads(path.read_text())
    told["tokenizer"] = {"fingerprint": encoder.fingerprint, "family": "wordpiece", "path": "mine"}
    path.write_text(json.dumps(told))
    with pytest.raises(
        ValueError, match="gives parts of its texts back, .* not one of the family 'wordpiece': take level: token"
    ):
        TokenStream(folder, **shape, level="character")
    path.write_text(json.dumps(told | {"tokenizer": told["tokenizer"] | {"fingerprint": "other"}}))
    with pytest.raises(ValueError, match="is not the tokenizer of these tokens"):
        TokenStream(folder, **shape, level="character")
    path.write_text(json.dumps(told | {"tokenizer": told["tokenizer"] | {"path": "../none"}}))
    with pytest.raises(FileNotFoundError, match="fim between characters needs the tokenizer .*/none, which is not th"):
        TokenStream(folder, **shape, level="character")


def test_refused(make_tokens, corpus):
    bare, (folder, _, _) = make_tokens([[[1, 2, 0]]]), corpus
    shape = {"objective": "fim", "sequence_length": 64, "batch_size": 1}
    with pytest.raises(ValueError, match="fim needs a token with the role 'fim_prefix'"):
        TokenStream(bare, **shape)
    for options in ({"sequence_length": 3}, {"reserve": 64}, {"reserve": 2}):
        with pytest.raises(ValueError, match="reserve of at least 3"):
            TokenStream(folder, **shape | options)
    with pytest.raises(ValueError, match="rate must be a number from 0 to 1"):
        TokenStream(folder, **shape, rate=-1)
