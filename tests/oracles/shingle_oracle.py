"""The definition of shingles in plain Python, and texts to try it on."""

import hashlib
import re

from hypothesis import strategies as st

# Assigned characters only: Python's own tables may be older than Unicode 16.
any_text = st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=80)
wordy_text = st.lists(st.sampled_from(["a", "B", "çÉ", "日本語", "𐐀𐐨", "é\u0301x", "Ⱥ", "7_"]), max_size=80).map(
    " ".join
)


def lowered(text: str) -> str:
    return "".join("i" if character == "İ" else character.lower() for character in text)


def shingle_set(text: str, ngram: int) -> set[str]:
    words = [lowered(word) for word in re.findall(r"\w+", text)]
    size = min(ngram, len(words))
    return {" ".join(words[i : i + size]) for i in range(len(words) - size + 1)} - {""}


def hash_set(text: str, ngram: int) -> list[int]:
    digests = (hashlib.sha1(shingle.encode()).digest() for shingle in shingle_set(text, ngram))
    return sorted(int.from_bytes(digest[:8], "little") for digest in digests)


def jaccard(first: str, second: str, ngram: int) -> float:
    one, two = shingle_set(first, ngram), shingle_set(second, ngram)
    return len(one & two) / max(len(one | two), 1)
