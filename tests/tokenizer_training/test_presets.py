"""Presets: special tokens and ids as papers and their code have them; what is trained loads in the library with equal
ids."""

import json
import warnings

import pytest
import tokenizers

from corpus.encoding.encoder import load_encoder
from corpus.options import OptionError
from pipelines import recipe as recipes
from tokenizer_training import train_tokenizer
from tokenizer_training.presets import PRESETS
from tokenizer_training.train import TrainTokenizer

TEXTS = [
    "The quick brown fox jumps over the lazy dog; it's the dog's day, they'll say.\n" * 3,
    "In the beginning was the Word, and the Word was with the tokenizer. 1234 12 1999\n\n" * 3,
    "Größe, naïveté, Übermut: Straße und Gruß. Ça va? Garçon! El niño pequeño. deux, trois (quatre)",
    "def f(x):\n    if x:\n        return x + 1\n",
]
SIZES = {"bpe": 420, "wordpiece": 1200, "sentencepiece-unigram": 86, "sentencepiece-bpe": 420}
MORE = {"clip": 700, "dalle": 600, "albert": 80, "mt5": 338, "bert_cased": 400}
IDS = {
    "gpt2": {"<|endoftext|>": -1},
    "gpt3": {"<|endoftext|>": -1},
    "codex": {"<|endoftext|>": -25},
    "roberta": {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": -1},
    "bart": {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": -1},
    "clip": {"<|startoftext|>": -2, "<|endoftext|>": -1},
    "dalle": {"<|startoftext|>": -2, "<|endoftext|>": -1},
    "bert": {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103},
    "bert_cased": {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103},
    "distilbert": {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103},
    "electra": {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103},
    "albert": {"<pad>": 0, "<unk>": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4},
    "t5": {"<pad>": 0, "</s>": 1, "<unk>": 2},
    "mt5": {"<pad>": 0, "</s>": 1, "<unk>": 2},
    "byt5": {"<pad>": 0, "</s>": 1, "<unk>": 2},
    "xlnet": {"<unk>": 0, "<s>": 1, "</s>": 2, "<cls>": 3, "<sep>": 4, "<pad>": 5, "<mask>": 6, "<eod>": 7, "<eop>": 8},
    "bloom": {"<unk>": 0, "<s>": 1, "</s>": 2, "<pad>": 3},
    "pythia": {"<|endoftext|>": 0, "<|padding|>": 1},
    "llama": {"<unk>": 0, "<s>": 1, "</s>": 2},
}
"""Ids of special tokens, from the end of the vocabulary where they are negative (tokenizers/: transformers' files of
the models, openai/gpt-2, fairseq, google-research, tiktoken)."""
FULL = {
    "gpt2": 50257, "gpt3": 50257, "codex": 50281, "roberta": 50265, "bart": 50265,
    "clip": 49408, "dalle": 16384, "bert": 30522, "bert_cased": 28996,
    "distilbert": 30522, "electra": 30522, "albert": 30000, "t5": 32000, "mt5": 250000, "xlnet": 32000,
    "bloom": 250680, "pythia": 50277, "llama": 32000,
}  # fmt: skip


@pytest.fixture(scope="module", params=PRESETS)
def trained(request, tmp_path_factory):
    family = PRESETS[request.param].options["family"]
    size = {} if family == "byte" else {"vocab_size": MORE.get(request.param, SIZES[family])}
    folder = tmp_path_factory.mktemp(request.param)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a vocabulary that falls short, of so little text
        encoder = train_tokenizer(TEXTS, folder, preset=request.param, min_frequency=1, **size)
    return request.param, encoder, folder


def test_special_tokens_have_their_ids(trained):
    name, encoder, _ = trained
    assert set(IDS) == set(PRESETS) and encoder.family == PRESETS[name].options["family"]
    size = encoder.vocab_size
    assert encoder.special_tokens == {token: i % size for token, i in IDS[name].items()}
    assert len(encoder.sentinels) == PRESETS[name].options.get("sentinels", 0)
    assert encoder.sentinels == tuple(range(size - 1, size - 1 - len(encoder.sentinels), -1))


def test_the_library_gives_the_same_ids(trained):
    name, encoder, folder = trained
    library = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.encode_special_tokens = True
    texts = [*TEXTS, "  two   blanks", "a\n\n    b", "x 3.14", "(the) dog, [unused1]"]
    assert [ids.tolist() for ids in encoder.encode_texts(texts)] == [
        library.encode(text, add_special_tokens=False).ids for text in texts
    ]
    whole = [library.encode(text).ids for text in texts]
    documents = [ids.tolist() for ids in encoder.encode_texts(texts, append_end=True)]
    end = [encoder.end_id]
    assert documents == [ids if ids[-1:] == end else ids + end for ids in whole]
    assert load_encoder(folder).fingerprint == encoder.fingerprint
    for token, i in encoder.special_tokens.items():
        assert library.token_to_id(token) == i


def test_what_is_lost_is_what_the_preset_loses(trained):
    name, encoder, _ = trained
    kept = [encoder.decode(ids) for ids in encoder.encode_texts(TEXTS)]
    if name not in ("clip", "dalle") and (encoder.family in ("bpe", "byte") or name == "llama"):
        assert kept == TEXTS
    elif name in ("bert", "electra", "distilbert", "albert", "clip", "dalle"):
        assert kept[0].startswith("the quick brown fox") and "\n" not in kept[3]
    else:
        assert kept[0].startswith("The quick brown fox") and "\n" not in kept[3]


def test_llama_takes_digits_apart_and_spells_what_it_does_not_know(tmp_path):
    encoder = train_tokenizer(TEXTS, tmp_path, preset="llama", vocab_size=420)
    assert len(encoder.encode_texts(["1999"])[0]) == len(encoder.encode_texts(["1"])[0]) + 3
    assert encoder.decode(encoder.encode_texts(["日\n  x"])[0]) == "日\n  x"


def test_runs_of_spaces_are_tokens(tmp_path):
    encoder = train_tokenizer(TEXTS, tmp_path, preset="codex", vocab_size=420)
    assert encoder.encode_texts(["    x"])[0][0] == encoder.vocab_size - 24 + 2
    assert encoder.encode_texts([" " * 25])[0].tolist() == [encoder.vocab_size - 1]


@pytest.mark.parametrize("name", FULL)
def test_sizes_and_recipes(name):
    recipe = recipes.parse({"input": "x.jsonl", "steps": [{"train_tokenizer": {"preset": name}}]})
    (step,) = recipe.steps
    assert step.vocab_size == FULL[name] and step.family == PRESETS[name].options["family"]
    recipe = recipes.parse({"input": "x.jsonl", "steps": [{"train_tokenizer": {"preset": name, "vocab_size": 32001}}]})
    assert recipe.steps[0].vocab_size == 32001
    assert PRESETS[name].source


@pytest.mark.parametrize(
    "options, error",
    [
        ({"preset": "llamma"}, "unknown value 'llamma' in option 'preset'.*did you mean 'llama'"),
        ({"preset": "bert"}, "preset 'bert' is of the family 'wordpiece'"),
        ({"first_tokens": ()}, "which of the special tokens ends a document"),
        ({"end": "<x>"}, "end '<x>' is none of the special tokens"),
        ({"pattern": "[z"}, "pattern"),
        ({"family": "wordpiece", "last_tokens": ("<x>",)}, "last_tokens .* is not for the family 'wordpiece'"),
        ({"normalization": "nmt_nfkc"}, "normalization 'nmt_nfkc' is not for the family 'bpe'"),
    ],
)
def test_options_that_cannot_be(options, error):
    with pytest.raises(OptionError, match=error):
        TrainTokenizer(**options)


def test_another_pattern(tmp_path):
    encoder = train_tokenizer(TEXTS, tmp_path, vocab_size=400, pattern="llama3", normalization="nfc")
    stored = json.loads((tmp_path / "tokenizer.json").read_text())
    assert stored["pre_tokenizer"]["type"] == "Sequence" and stored["normalizer"] == {"type": "NFC"}
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = [*TEXTS, "e\u0301 12345\r\n\r\n", "DON'T"]
    assert [ids.tolist() for ids in encoder.encode_texts(texts)] == [library.encode(text).ids for text in texts]
