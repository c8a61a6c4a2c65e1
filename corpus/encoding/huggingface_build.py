"""Makes `huggingface_0_23.npz`, the file behind `corpus.encoding.huggingface`; not used at run time.

pip install tokenizers==0.23.3
python -m corpus.encoding.huggingface_build

What the library does is asked of it, one character at a time: its crates are of several versions of Unicode (categories
of BERT about 8, normal forms about 9, Rust's own 17), none of which it names.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import numpy as np

from corpus.encoding import huggingface
from corpus.text import normal_forms, unicode

BASES = ("\u0334", "\u0301", "\u0323", "\u0345")
"""Marks of four combining classes: 1, 230, 220, 240."""


def characters() -> list[str]:
    """All that can be in a text."""
    return [chr(c) for c in range(unicode.CODE_POINTS) if not 0xD800 <= c < 0xE000]


def main() -> None:
    """Write the file beside this one."""
    import tokenizers
    from tokenizers import normalizers, pre_tokenizers

    if tokenizers.__version__ != huggingface.VERSION:
        raise SystemExit(f"tokenizers is version {tokenizers.__version__}")

    def bert(**options: bool) -> Callable[[str], str]:
        off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
        return normalizers.BertNormalizer(**{**off, **options}).normalize_str

    clean, chinese, accents = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
    marks = normalizers.StripAccents().normalize_str
    digits, punctuation = pre_tokenizers.Digits(), pre_tokenizers.Punctuation()
    words = pre_tokenizers.Whitespace()
    asked: dict[str, Callable[[str], bool]] = {
        "removed": lambda c: clean(f"a{c}a") == "aa",
        "space": lambda c: clean(f"a{c}a") == "a a",
        "chinese": lambda c: chinese(f"a{c}a") == f"a {c} a",
        "accent": lambda c: accents(f"a{c}a") == "aa",
        "mark": lambda c: marks(f"a{c}a") == "aa",
        "number": lambda c: len(digits.pre_tokenize_str(f"a{c}a")) == 3,
        "punctuation": lambda c: len(punctuation.pre_tokenize_str(f"a{c}a")) == 3,
        "word": lambda c: words.pre_tokenize_str(f"a{c}.")[0][0] == f"a{c}",
    }
    stored = {}
    for name, belongs in asked.items():
        members = np.zeros(unicode.CODE_POINTS, np.bool_)
        members[[ord(c) for c in characters() if belongs(c)]] = True
        stored[name] = runs(members)
    lower = normalizers.Lowercase().normalize_str
    cased = [c for c in characters() if lower(c) != c]
    stored["cased"] = np.array([ord(c) for c in cased], np.int32)
    stored["lowered"] = np.array([ord(x) for c in cased for x in lower(c)], np.int32)
    stored["lowered_lengths"] = np.array([len(lower(c)) for c in cased], np.int32)
    for form, compatible in (("canonical", False), ("compatible", True)):
        decompose = (normalizers.NFKD() if compatible else normalizers.NFD()).normalize_str
        compose = (normalizers.NFKC() if compatible else normalizers.NFC()).normalize_str
        stored |= {f"{form}_{name}": part for name, part in forms(decompose, compose).items()}
    np.savez_compressed(pathlib.Path(__file__).with_name("huggingface_0_23.npz"), **stored)  # type: ignore[arg-type]


def runs(members: np.ndarray) -> np.ndarray:
    """First and last of each run of members: int32[n, 2]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], members, [False]]).astype(np.int8)))
    return (edges.reshape(-1, 2) - [0, 1]).astype(np.int32)


def forms(decompose: Callable[[str], str], compose: Callable[[str], str]) -> dict[str, np.ndarray]:
    """The arrays that `normal_forms.made` reads, of a pair of normal forms. A mark has its combining class of Unicode
    16.0, or none where the library does not know it, which is where it does not change places with others."""
    known = normal_forms.tables()
    marked = [int(c) for c in np.flatnonzero(known.classes) if _moves(chr(c), int(known.classes[c]), decompose)]
    hangul = range(normal_forms.SYLLABLE, normal_forms.SYLLABLE + normal_forms.SYLLABLES)
    changed = [c for c in characters() if ord(c) not in hangul and decompose(c) != c]
    pairs = []
    for code, composed in zip(known.pairs.tolist(), known.composed.tolist()):
        first, second = code >> 21, code & 0x1FFFFF
        if compose(chr(first) + chr(second)) == chr(composed):
            pairs.append([first, second, composed])
    return {
        "marked": np.array(marked, np.int32),
        "classes": known.classes[marked],
        "changed": np.array([ord(c) for c in changed], np.int32),
        "lengths": np.array([len(decompose(c)) for c in changed], np.int32),
        "parts": np.array([ord(x) for c in changed for x in decompose(c)], np.int32),
        "pairs": np.array(pairs, np.int32),
    }


def _moves(mark: str, combining_class: int, decompose: Callable[[str], str]) -> bool:
    """Whether a mark changes places with one of another class, as one of its class should."""
    classes = normal_forms.tables().classes
    for other in BASES:
        theirs = int(classes[ord(other)])
        if theirs == combining_class:
            continue
        text = f"a{mark}{other}" if combining_class > theirs else f"a{other}{mark}"
        return decompose(text) == "a" + decompose(text[2]) + decompose(text[1])
    return False


if __name__ == "__main__":
    main()
