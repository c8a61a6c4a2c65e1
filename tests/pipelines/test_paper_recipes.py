"""Recipes by paper: each on a small corpus to batches that have the paper's properties."""

import json
import math
import random
import re

import numpy as np
import pytest

import corpus
from corpus.encoding.encoder import load_encoder
from corpus.tokens import manifest as manifests
from corpus.tokens.megatron import IndexedDataset
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.inspection import catalogue

IGNORE = -100
SMALL = {
    "gpt2": 500, "gpt3": 500, "codex": 500, "pythia": 500, "pythia_deduped": 500, "bert": 1500, "distilbert": 1500,
    "electra": 1500, "spanbert": 800, "roberta": 500, "bart": 500, "albert": 220, "t5": 180, "ul2": 180, "mt5": 450,
    "xlnet": 220, "clip_text": 900, "byt5": None, "transformer_xl": None,
}  # fmt: skip
"""Recipes, and vocabularies small enough for little text."""
BATCH = 8


def text(number):
    """One to twenty sentences of made-up words, of which some are frequent; in one text of eight up to ninety."""
    words = random.Random("words")
    syllables = ["ba", "do", "fi", "gu", "ke", "li", "mo", "na", "po", "ra", "se", "ti", "vu", "wa", "ze"]
    known = ["".join(words.choice(syllables) for _ in range(words.randint(1, 4))) for _ in range(300)]
    draw = random.Random(number)
    sentences = []
    for _ in range(draw.randint(60, 90) if number % 8 == 0 else draw.randint(1, 20)):
        some = [known[int(draw.random() ** 2 * len(known))] for _ in range(draw.randint(4, 14))]
        sentences.append(" ".join(some).capitalize() + ".")
    return " ".join(sentences)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    path = tmp_path_factory.mktemp("documents") / "documents.jsonl"
    path.write_text("\n".join(json.dumps({"id": str(number), "text": text(number)}) for number in range(200)))
    return str(path)


@pytest.fixture(scope="module")
def run_of(documents, tmp_path_factory):
    """run_of(name) -> OUT of a recipe, run once, with a small tokenizer."""
    done = {}

    def run(name):
        if name not in done:
            small = [f"train_tokenizer.vocab_size={SMALL[name]}"] if SMALL[name] else []
            done[name] = str(tmp_path_factory.mktemp(name) / "OUT")
            result = runs.run(recipes.load(name, small, [documents]), done[name], workers=0)
            assert result.report["documents"]["kept"] == 200
        return done[name]

    return run


@pytest.fixture
def opened(run_of):
    """opened(name) -> (stream, manifest, roles, batches of its first epoch as one dict of arrays)."""

    def open_(name, **changes):
        out = run_of(name)
        lanes = {"lanes": BATCH} if "lanes" in recipes.load(name).stream else {}
        stream = corpus.open_stream(out, **{"global_batch": BATCH, **lanes, **changes})
        manifest = manifests.load(f"{out}/tokens")
        return stream, manifest, manifest["vocabulary"]["roles"], joined(stream)

    return open_


def joined(stream):
    """All batches as one, but for rows that are empty."""
    batches = list(stream)
    assert {len(batch["tokens"]) for batch in batches} == {BATCH}
    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    filled = (whole["labels"] != IGNORE).any(1)
    return {name: array[filled] for name, array in whole.items()}


def lengths(batch, pad):
    """Tokens of each row, up to the padding behind it."""
    return (batch["tokens"].shape[1] - np.argmax((batch["tokens"] != pad)[:, ::-1], 1)) * (batch["tokens"] != pad).any(
        1
    )


def test_every_recipe_with_a_stream_is_here():
    assert {name for name in recipes.shipped() if recipes.load(name).stream} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_values_and_where_they_are_from_stand_side_by_side(name):
    """Every value has a section, a table, a file of the code, or says that it is ours."""
    shown = catalogue.show_recipe(name)
    head, _, body = shown.partition("input:")
    assert re.search(r"\(\w+( and \w+)? et al\. 20\d\d, ", head) or name == "mt5"
    lines = [line for line in body.splitlines()[2:] if line.strip() not in ("steps:", "stream:")]
    for line in lines:
        if line.rstrip().endswith((":", "pack:")) and "#" not in line:
            continue
        comment = line.partition(" # ")[2] or line.strip()
        assert re.search(r"(section|table|appendix) [\dA-Z]|\w+\.(py|sh|md|yml)|README|ours|as GPT-3's", comment), line
    assert name in catalogue.list_recipes()


@pytest.mark.parametrize(
    "name, length", [("gpt2", 1024), ("gpt3", 2048), ("codex", 2048), ("pythia", 2048), ("pythia_deduped", 2048)]
)
def test_causal(name, length, opened, run_of):
    """Rows, in the stream's order, are the texts of the documents end to end, each with its end token: every token a
    label once, and what it is predicted from the one before it, in another row, too."""
    stream, manifest, _, batch = opened(name, shuffle=False)
    tokens, labels, end = batch["tokens"], batch["labels"], manifest["end_id"]
    assert tokens.shape[1] == labels.shape[1] == length and stream.samples == len(labels) > 10
    whole = labels[labels != IGNORE]
    assert len(whole) == manifest["tokens"]
    assert tokens[labels != IGNORE].tolist() == [end, *whole[:-1].tolist()]
    encoder = load_encoder(f"{run_of(name)}/tokenizer")
    documents = np.split(whole, np.flatnonzero(whole == end) + 1)[:-1]
    assert sorted(encoder.decode(document) for document in documents) == sorted(map(text, range(200)))
    shuffled = joined(corpus.open_stream(run_of(name), global_batch=BATCH))["labels"]
    assert sorted(shuffled.tolist()) == sorted(labels.tolist()) != shuffled.tolist()


def test_codex_and_pythia_have_tokens_for_runs_of_spaces(run_of):
    for name, many in (("codex", 25), ("pythia", 24)):
        encoder = load_encoder(f"{run_of(name)}/tokenizer")
        for spaces in (2, 7, many):
            assert len(encoder.encode_texts([" " * spaces])[0]) == 1
    assert len(load_encoder(f"{run_of('gpt2')}/tokenizer").encode_texts([" " * 25])[0]) > 1


def test_pythia_has_one_order_whatever_the_ranks(run_of):
    out = run_of("pythia")
    whole = joined(corpus.open_stream(out, global_batch=BATCH))
    ranks = [list(corpus.open_stream(out, global_batch=BATCH, rank=rank, world_size=2)) for rank in (0, 1)]
    first = np.concatenate([batch["tokens"] for batch in (ranks[0][0], ranks[1][0])])
    assert np.array_equal(first, whole["tokens"][:BATCH])
    with pytest.raises(ValueError, match="global_batch 8 cannot be shared evenly by 3 ranks"):
        corpus.open_stream(out, global_batch=BATCH, world_size=3)


def masked_share(batch, roles, special):
    """Of labels: how many are masked, how many stay."""
    there = (batch["labels"] != IGNORE) & ~special(batch["labels"])
    found = batch["tokens"][there]
    return (found == roles["mask"]).mean(), (found == batch["labels"][there]).mean()


def special_of(roles):
    ids = np.array(sorted(roles.values()))
    return lambda tokens: np.isin(tokens, ids)


def pairs(batch, roles):
    """[CLS] A [SEP] B [SEP], or of ELECTRA one segment now and then."""
    assert (batch["tokens"][:, 0] == roles["cls"]).all()
    whole = np.where(batch["labels"] != IGNORE, batch["labels"], batch["tokens"])
    seps = (whole == roles["sep"]).sum(1)
    second = batch["segments"].sum(1) > 0
    assert (seps[second] == 2).all() and (seps[~second] == 1).all()
    return second


def test_bert(opened, run_of):
    _, manifest, roles, batch = opened("bert")
    assert batch["tokens"].shape[1] == 128 and pairs(batch, roles).all()
    size = lengths(batch, manifest["pad_id"])
    counts = (batch["labels"] != IGNORE).sum(1)
    assert counts.tolist() == [min(20, max(1, round(n * 0.15))) for n in size.tolist()]
    assert 0.5 < batch["sentence_labels"].mean() < 0.75  # of lone sentences the second is always another document's
    assert (size == 128).mean() > 0.2 and 0.02 < (size < 64).mean()
    masked, kept = masked_share(batch, roles, special_of(roles))
    assert abs(masked - 0.8) < 0.02 and abs(kept - 0.1) < 0.02
    assert not special_of(roles)(batch["labels"]).any()
    packing = "next_sentence-509-x10"
    _, _, _, long = opened("bert", sequence_length=512, packing=packing, max_predictions=77)
    assert long["tokens"].shape[1] == 512 and 20 < (long["labels"] != IGNORE).sum(1).max() <= 77


def test_masks_are_made_once_or_anew_each_epoch(run_of):
    for name, same in (("albert", True), ("roberta", False)):
        stream = corpus.open_stream(run_of(name), global_batch=BATCH, epochs=2)
        found = joined(stream)["tokens"]
        first, second = ({row.tobytes() for row in part} for part in np.split(found, [stream.samples]))
        assert (first == second) is same and (same or len(first & second) < len(first) / 2)


def test_roberta(opened):
    _, manifest, roles, batch = opened("roberta")
    size = lengths(batch, manifest["pad_id"])
    assert batch["tokens"].shape[1] == 512 and set(batch) == {"tokens", "labels"}
    assert np.median(size) > 480
    counts = (batch["labels"] != IGNORE).sum(1)
    assert all(int(0.15 * n) <= count <= int(0.15 * n) + 1 for n, count in zip(size, counts))
    whole = np.where(batch["labels"] != IGNORE, batch["labels"], batch["tokens"])
    assert (whole[:, 0] == roles["cls"]).all()
    assert ((whole == roles["sep"]).sum(1) > 2).mean() > 0.5  # rows go across documents, with </s> between these
    masked, kept = masked_share(batch, roles, special_of(roles))
    assert abs(masked - 0.8) < 0.03 and abs(kept - 0.1) < 0.03


def test_distilbert(opened):
    _, manifest, roles, batch = opened("distilbert")
    assert batch["tokens"].shape == (len(batch["labels"]), 512) and set(batch) == {"tokens", "labels"}
    whole = np.where(batch["labels"] != IGNORE, batch["labels"], batch["tokens"])
    size = lengths(batch, manifest["pad_id"])
    assert ((whole == roles["sep"]).sum(1) == 1).all() and len(whole) >= 200  # never across documents
    assert abs((batch["labels"] != IGNORE).sum() / size.sum() - 0.15) < 0.01


def test_albert(opened):
    _, manifest, roles, batch = opened("albert")
    second = pairs(batch, roles)
    assert second.all() and batch["tokens"].shape[1] == 512
    counts = (batch["labels"] != IGNORE).sum(1)
    assert counts.max() <= 77
    assert 0.4 < batch["sentence_labels"].mean() < 0.65
    there = batch["labels"] != IGNORE
    runs_of = np.diff(np.flatnonzero(np.diff(np.pad(there, ((0, 0), (1, 1))).ravel().astype(int))))[::2]
    assert runs_of.mean() > 1.5  # words are of several pieces, and masks of up to three words


def test_electra(opened):
    _, manifest, roles, batch = opened("electra")
    second = pairs(batch, roles)
    long = lengths(batch, manifest["pad_id"]) > 300
    assert 0.6 < second[long].mean() < 1 and batch["tokens"].shape[1] == 512
    widest = [int(lengths({"tokens": batch["tokens"][which]}, manifest["pad_id"]).max()) for which in (second, ~second)]
    assert widest == [512, 512]
    there = batch["labels"] != IGNORE
    found = batch["tokens"][there]
    assert ((found == roles["mask"]) | (found == batch["labels"][there])).all()  # no random tokens
    assert abs((found == roles["mask"]).mean() - 0.85) < 0.03
    share = there.sum() / lengths(batch, manifest["pad_id"]).sum()
    assert 0.12 < share < 0.151  # drawn with replacement


def test_spanbert(opened):
    _, manifest, roles, batch = opened("spanbert")
    size = lengths(batch, manifest["pad_id"])
    counts = (batch["labels"] != IGNORE).sum(1)
    assert batch["tokens"].shape[1] == 512
    assert all(abs(count - math.ceil(0.15 * (n - 2))) <= 1 for n, count in zip(size, counts))
    inside = batch["left"] >= 0
    assert inside.any() and (batch["labels"][inside] != IGNORE).all()
    assert (batch["right"][inside] - batch["left"][inside] >= 2).all()


def test_bart(opened):
    _, manifest, roles, batch = opened("bart")
    rows = batch["labels"]
    assert (rows[:, 0] == roles["cls"]).all() and rows.shape[1] == 512
    size, short = (rows != IGNORE).sum(1), lengths(batch, manifest["pad_id"])
    assert (short <= size).mean() > 0.95 and (batch["tokens"] == roles["mask"]).any(1).mean() > 0.95
    long = size > 100
    gone = 1 - (short[long] - (batch["tokens"][long] == roles["mask"]).sum(1)) / size[long]
    assert abs(gone.mean() - 0.3) < 0.04


def sentinels_of(batch, manifest):
    return np.isin(batch["tokens"], manifest["vocabulary"]["sentinels"]).sum(1)


@pytest.mark.parametrize("name, inputs, targets, spans", [("t5", 512, 114, 28), ("mt5", 1024, 229, 57)])
def test_t5(name, inputs, targets, spans, opened):
    """Lengths of T5's random_spans_helper, and of as many for mT5's 1,024."""
    stream, manifest, _, batch = opened(name)
    full = (batch["labels"] != IGNORE).all(1)
    assert batch["tokens"].shape[1] == inputs and batch["labels"].shape[1] == targets
    assert full.sum() >= stream.samples - 1 and (sentinels_of(batch, manifest)[full] == spans).all()
    assert (batch["tokens"][full] != manifest["pad_id"]).all()
    assert np.array_equal(batch["decoder_tokens"][:, 1:][full], batch["labels"][:, :-1][full])


def test_byt5(opened):
    """Nine spans of 20 bytes on average of 1,024 inputs (Xue et al. 2022)."""
    stream, manifest, _, batch = opened("byt5")
    full = (batch["labels"] != IGNORE).all(1)
    assert batch["tokens"].shape[1] == 1024 and batch["labels"].shape[1] == 189
    assert (sentinels_of(batch, manifest)[full] == 9).all() and full.sum() >= stream.samples - 1


def test_ul2(opened):
    _, manifest, roles, batch = opened("ul2")
    modes = {roles[name]: name for name in ("nlu", "nlg", "s2s")}
    found = [modes[token] for token in batch["tokens"][:, 0].tolist()]
    assert batch["tokens"].shape[1] == 512
    counts = np.bincount(batch["denoisers"], minlength=7)
    assert counts.max() - counts.min() <= 1 and len(counts) == 7
    for kind, name in zip(batch["denoisers"].tolist(), found):
        assert name == ("nlu" if kind < 2 else "s2s" if kind == 6 else "nlg")
    assert (sentinels_of(batch, manifest)[batch["denoisers"] == 6] <= 1).all()


def test_transformer_xl(run_of):
    stream = corpus.open_stream(run_of("transformer_xl"), global_batch=BATCH, lanes=BATCH)
    first, second = next(stream), next(stream)
    assert first["tokens"].shape == (BATCH, 512) and first["starts"].tolist() == [1] * BATCH
    assert np.array_equal(second["tokens"][:, 0], first["labels"][:, -1]) and not second["starts"].any()


def shards_of(out):
    return [f"{out}/tokens/{shard['name']}" for shard in manifests.load(f"{out}/tokens")["shards"]]


def test_xlnet(run_of):
    out = run_of("xlnet")
    stream = corpus.open_stream(out, global_batch=BATCH, lanes=BATCH)
    roles = manifests.load(f"{out}/tokens")["vocabulary"]["roles"]
    first, second = next(stream), next(stream)
    assert first["tokens"].shape == (BATCH, 512)
    text = (first["tokens"][:, 256:264] != roles["sep"]).all(1)
    assert text.sum() > 3 and np.array_equal(first["tokens"][text, 256:264], second["tokens"][text, :8])
    (dtype,) = {shard.dtype for shard in map(IndexedDataset, shards_of(out))}
    whole = b"".join(IndexedDataset(shard).tokens.tobytes() for shard in shards_of(out))
    for row, lane in zip(second["tokens"][:, :256], second["lanes"]):  # every other lane goes backwards
        assert (row[::-1] if lane % 2 else row).astype(dtype).tobytes() in whole
    counts = (first["labels"] != IGNORE).sum(1)
    assert counts.max() == 85 and counts.min() > 80  # [SEP] and [CLS] are drawn, too, and are no labels
    assert (first["tokens"][:, -1] == roles["cls"]).all() and set(first["segments"].ravel().tolist()) == {0, 1, 2}
    assert (first["ranks"][first["labels"] != IGNORE] >= 0).all()


def test_clip(opened, run_of):
    _, manifest, _, batch = opened("clip_text")
    special = load_encoder(f"{run_of('clip_text')}/tokenizer").special_tokens
    rows = batch["labels"]
    assert rows.shape[1] == 77
    starts = (rows == special["<|startoftext|>"]).sum(1)
    assert starts.sum() == 200 and (rows[:, 0] == special["<|startoftext|>"]).sum() == 200
    assert (rows == special["<|endoftext|>"]).sum() == 200
    assert np.array_equal((rows != IGNORE).astype(int), batch["attention_mask"])


def test_mt5_mixes_languages_by_a_power_of_their_tokens(run_of, documents, tmp_path):
    """A small run and a large one, of the same tokenizer: samples of each as their tokens ** 0.3."""
    large = run_of("mt5")
    (tmp_path / "few.jsonl").write_text("\n".join(open(documents).read().splitlines()[:20]))
    steps = [{"tokenize": {"tokenizer": f"{large}/tokenizer"}}]
    stream = {"objective": "span_corruption", "sequence_length": 1024, "global_batch": 4, "sampling_alpha": 0.3}
    recipe = recipes.parse({"input": [str(tmp_path / "few.jsonl")], "steps": steps, "stream": stream})
    runs.run(recipe, str(tmp_path / "OUT"), workers=0)
    mixture = corpus.open_stream([large, str(tmp_path / "OUT")], global_batch=4)
    found = np.concatenate([next(mixture)["source_ids"] for _ in range(100)])
    sizes = [manifests.load(f"{out}/tokens")["tokens"] ** 0.3 for out in (large, str(tmp_path / "OUT"))]
    assert abs((found == 0).mean() - sizes[0] / sum(sizes)) < 0.01 and sizes[0] > 1.5 * sizes[1]
