"""What the gate compares, and what it says of a difference."""

import numpy as np
import pytest
import tokenizers

from corpus.encoding import gate
from corpus.encoding.encoder import load_encoder
from corpus.text import unicode


def code_points(text):
    """An encoder: one id a character."""
    texts = ["" if each is None else each for each in text.to_pylist()]
    offsets = np.cumsum([0, *map(len, texts)])
    return np.array([ord(c) for each in texts for c in each], np.int32), offsets


def test_hard_texts_have_every_code_point_and_every_kind_in_every_context():
    texts = list(gate.adversarial(["<|end|>"]))
    seen = set("".join(texts))
    assert len(seen) == 0x110000 - 0x800
    small = list(gate.adversarial(["<|end|>"], every_code_point=False))
    kinds = unicode.category_table()[[ord(c) for c in set("".join(small))]]
    assert set(kinds.tolist()) == set(range(len(unicode.CATEGORIES))) - {unicode.CATEGORIES.index("Cs")}
    assert len("".join(small)) < 200_000 and small == texts[: len(small)]
    for wanted in ("a<|end|>b", "don't DON'T we'LL i'M you'Ve", "", "\n" * 70):
        assert any(wanted in text for text in small)


def test_equal_encoders():
    compared = gate.compare(code_points, code_points, ["a", "", "日本"] * 3)
    assert compared.difference is None and (compared.texts, compared.bytes) == (9, 21)
    assert compared.ours_mb_per_s > 0 and compared.library_mb_per_s > 0


@pytest.mark.parametrize("wrong", [lambda i: i + 1, lambda i: i[:-1]])
def test_the_first_difference_is_shown(wrong):
    def ours(text):
        ids, offsets = code_points(text)
        at = np.flatnonzero(ids == ord("q"))
        if len(at) and len(wrong(np.arange(2))) == 2:
            ids[at[0] :] = wrong(ids[at[0] :])
        elif len(at):
            return np.delete(ids, at[0]), offsets - (offsets > at[0])
        return ids, offsets

    texts = ["fine", "x" * 200 + "q" + "y" * 200, "q"]
    compared = gate.compare(ours, code_points, texts)
    difference = compared.difference
    assert "q" in difference.text and len(difference.text) <= 60
    assert difference.library[0] == ord("q") and difference.ours != difference.library
    assert str(difference).startswith(repr(difference.text)) and "the library [113, " in str(difference)


def test_a_difference_that_only_a_cache_makes_is_seen():
    seen = set()

    def forgetful(text):
        ids, offsets = code_points(text)
        again = tuple(text.to_pylist()) in seen
        seen.add(tuple(text.to_pylist()))
        return (ids + again).astype(np.int32), offsets

    assert gate.compare(forgetful, code_points, ["abc"]).difference is not None


def test_batches_do_not_matter(monkeypatch):
    monkeypatch.setattr(gate, "AT_ONCE", 3)
    texts = ["ab", "cd", "ef", "q", "gh"]
    shifted = lambda text: (lambda found: (found[0] + (found[0] == ord("q")), found[1]))(code_points(text))
    assert gate.compare(shifted, code_points, texts).difference.text == "q"
    assert gate.measure(code_points, texts).texts == 5 and gate.measure(code_points, []) is None


def test_what_the_library_cannot_encode():
    def broken(text):
        raise RuntimeError("no unknown token")

    for call in (lambda: gate.measure(broken, ["a"]), lambda: gate.compare(code_points, broken, ["a"])):
        with pytest.raises(ValueError, match="cannot encode every text: no unknown token"):
            call()


def test_a_library_that_panics_refuses_the_tokenizer(tmp_path):
    """Its PanicException is no Exception: an added token of which the normalizer leaves nothing makes one."""
    bytes_ = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    library = tokenizers.Tokenizer(tokenizers.models.BPE({each: i for i, each in enumerate(bytes_)}, []))
    library.normalizer, library.pre_tokenizer = tokenizers.normalizers.Strip(), tokenizers.pre_tokenizers.ByteLevel()
    library.add_tokens([tokenizers.AddedToken("<tok>", rstrip=True), tokenizers.AddedToken("\t\t")])
    library.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match="cannot encode .*: AddedVocabulary bad split"):
        load_encoder(str(tmp_path / "tokenizer.json"), end="!", add_special_tokens=False)
