"""Texts in families, of which each is edited a little or much: near-duplicates of all similarities, always the same."""

import random

WORDS = (
    "the of and a to in is was he for it with as his on be at by had not are but from or have an they which one you "
    "all her she there would their we him been has when who will no more if out so up said what its about than into "
    "can only other time new some could these two may first then do any like my now over such our man me even made "
    "can't it's don't cannot gonna 3.14 1,000,000 2024 ٣٫١٤ naïve façade Ångström İstanbul ΟΔΟΣ ΑΣ straße ﬁne Ⅷ U.S.A. "
    "e-mail under_score “quotes” «guillemets» (brackets) [x] -- ... !!! Mr. O'Neill 50% #tag http://a.example/?b=c "
    "日本語の文章 「引用」も 中文也有 한국어 문장 हिन्दी में क़िले ড় اَلْعَرَبِيَّةُ ภาษาไทย ❤️ zero\u200dwidth soft\u00adhyphen "
    "x\u0338 a\u0301 1\u03012 9\u0489"
).split()
BETWEEN = (" ", " ", " ", " ", " ", " ", ", ", ". ", "\n", " - ", "\t", "\u00a0", "\u3000", "; ", " \u2028")


def text(words: list[str], random: random.Random) -> str:
    """Words with something between them."""
    return "".join(word + pick(BETWEEN, random) for word in words)


def pick(choices, random: random.Random):
    """`random.choice`, which versions of Python may change, as they may not `random.random`."""
    return choices[int(random.random() * len(choices))]


def families(count: int, size: int = 6, most: int = 150) -> list[str]:
    """`count` families of `size` texts of `most` words at most: the first of a family, and it with some words changed,
    gone or doubled, of each one in 400 to one in 6; what is between words changes with the text in half of them."""
    source = random.Random(11)
    found = []
    for _ in range(count):
        first = [pick(WORDS, source) for _ in range(1 + int(source.random() * most))]
        if source.random() < 0.5:  # words that no other family has
            first = [word if source.random() < 0.7 else f"{word}{int(source.random() * 1e6)}" for word in first]
        for _ in range(size):
            rate = source.random() ** 3 / 6 + 1 / 400
            words = []
            for word in first:
                edit = source.random() / rate
                words += (
                    [word] if edit >= 1 else [] if edit < 0.2 else [word, word] if edit < 0.4 else [pick(WORDS, source)]
                )
            seed = len(found) if source.random() < 0.5 else 0
            found.append(text(words, random.Random(seed)))
    return [*found, "", " \n ", "...", "one two three four", "One two three four.", "one two three four five"]
