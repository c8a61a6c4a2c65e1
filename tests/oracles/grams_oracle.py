"""Words and their n-grams as Python tuples: what evaluation items are looked for by."""

import unicodedata


def split(text):
    """[(word, first byte, byte after)] by the definition."""
    found, position, open_ = [], 0, False
    for character in text:
        size = len(character.encode())
        if unicodedata.category(character)[0] in "LN":
            if not open_:
                found.append(["", position, position])
            found[-1][0] += character.lower()
            found[-1][2] = position + size
            open_ = True
        else:
            open_ = False
        position += size
    return [tuple(word) for word in found]


def grams_of(texts, ngram, min_words):
    """The grams of an item, which has these texts."""
    grams = set()
    for text in texts:
        sequence = tuple(word for word, _, _ in split(text))
        size = min(ngram, len(sequence))
        if size >= min_words:
            grams |= {sequence[i : i + size] for i in range(len(sequence) - size + 1)}
    return grams


def held(text, grams):
    """Those of the grams that a text has."""
    sequence = tuple(word for word, _, _ in split(text))
    return {gram for gram in grams if any(sequence[i : i + len(gram)] == gram for i in range(len(sequence)))}
