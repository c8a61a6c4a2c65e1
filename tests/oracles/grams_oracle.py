"""Units and their n-grams as Python tuples: what evaluation items are looked for by. Shares nothing with what it judges
but the list of scripts without spaces."""

import functools
import string
import unicodedata

from corpus.text import scripts


@functools.cache
def composing():
    """Characters that may compose with one before."""
    found = set(map(chr, [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]))
    for character in map(chr, range(0x110000)):
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and parts[0][0] != "<" and unicodedata.normalize("NFC", character) == character:
            found.add(chr(int(parts[1], 16)))
    return found


def continues(character):
    """Whether it may change places or compose with one before."""
    first = unicodedata.normalize("NFD", character)[0] if "\uac00" > character or character > "\ud7a3" else character
    return any(unicodedata.combining(each) or each in composing() for each in {character, first})


def folded(piece, case=True):
    """The normal form of a piece."""
    decomposed = unicodedata.normalize("NFD", piece)
    return unicodedata.normalize("NFC", decomposed.casefold() if case else decomposed)


def characters(text, form):
    """(character, first byte, byte after it) of the pieces' forms."""
    pieces, at = [], 0
    for character in text:
        size = len(character.encode())
        if pieces and continues(character):
            pieces[-1] = (pieces[-1][0] + character, pieces[-1][1], at + size)
        else:
            pieces.append((character, at, at + size))
        at += size
    for piece, start, end in pieces:
        new = form(piece)
        if len(new) == len(piece) and all(form(one) == other for one, other in zip(piece, new)):
            for old, one in zip(piece, new):
                yield one, start, start + len(old.encode())
                start += len(old.encode())
        else:
            yield from ((one, start, end) for one in new)


def split(text, normalisation="simple"):
    """[(unit, first byte, byte after it)] by the definition."""
    forms = {"simple": folded, "gpt3": folded, "gpt4": lambda p: folded(p, False)}
    lone = scripts.unspaced_table()
    found, kind = [], None
    if normalisation == "lm-eval":
        lower = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
        each = ((c.translate(lower), s, e) for c, s, e in characters(text, lambda p: p))
    else:
        each = characters(text, forms[normalisation])
    for character, start, end in each:
        category = unicodedata.category(character)[0]
        if normalisation in ("gpt3", "lm-eval"):
            deleted = character in string.punctuation if normalisation == "lm-eval" else category == "P"
            if deleted or character == "\0":
                continue
            of_words = not character.isspace()
        else:
            of_words = category in "LNM"
        is_mark = category == "M"
        alone = of_words and not is_mark and (normalisation == "gpt4" or bool(lone[ord(character)]))
        if not of_words or (is_mark and not kind):
            kind = None if not of_words else kind
            continue
        if not is_mark and (kind != "word" or alone):
            found.append(["", start, end])
            kind = "alone" if alone else "word"
        found[-1][0] += character
        found[-1][2] = end
    return [tuple(unit) for unit in found]


def size_of(units, ngram):
    """Units of a gram of a text: twice as many where most are characters of scripts without spaces."""
    lone = scripts.unspaced_table()
    return ngram * (1 + (2 * sum(bool(lone[ord(unit[0])]) for unit, *_ in units) > len(units)))


def grams_of(texts, ngram, min_words):
    """The grams of an item, which has these texts."""
    grams = set()
    for text in texts:
        sequence = tuple(word for word, _, _ in split(text))
        times = size_of(split(text), 1)
        size = min(times * ngram, len(sequence))
        if size >= times * min_words:
            grams |= {sequence[i : i + size] for i in range(len(sequence) - size + 1)}
    return grams


def held(text, grams):
    """Those of the grams that a text has."""
    sequence = tuple(word for word, _, _ in split(text))
    return {gram for gram in grams if any(sequence[i : i + len(gram)] == gram for i in range(len(sequence)))}


def passages(units, item, ngram, least):
    """(first unit, unit after, first unit in the item) of what a document's units and those of an item's text have in
    common: as long as can be at the first of the longest places of each gram that no passage before has."""
    size, reach = min(ngram, len(item)), 0
    if size < least:
        return
    for i in range(len(units) - size + 1):
        best = None
        for place in [p for p in range(len(item) - size + 1) if item[p : p + size] == units[i : i + size]][:64]:
            back = 0
            while min(i, place) > back and units[i - back - 1] == item[place - back - 1]:
                back += 1
            ahead = size
            while units[i + ahead : i + ahead + 1] == item[place + ahead : place + ahead + 1] != []:
                ahead += 1
            if best is None or back + ahead > best[0]:
                best = back + ahead, i - back, i + ahead, place - back
        if best and reach < i + size:
            reach = best[2]
            yield best[1:]
