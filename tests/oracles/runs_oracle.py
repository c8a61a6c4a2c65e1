"""Repeated windows by the definition, with dictionaries: where each stands first, which are cut, what is left.

A corpus is a list of sequences (bytes, lists of words, ...), in order. Nothing here is fast."""

from hypothesis import strategies as st

_PIECES = st.sampled_from([b"a" * 9, b"ab" * 6, b"abcdefgh", b"x", "é漢😀".encode(), b"abcabc", b"", b"yz"])
DOCUMENTS = {
    "two letters": st.lists(st.text("ab", max_size=40).map(str.encode), max_size=8),
    "any bytes": st.lists(st.binary(max_size=30), max_size=8),
    "multi-byte": st.lists(st.text("aé漢😀", max_size=15).map(str.encode), max_size=8),
    "planted": st.lists(st.lists(_PIECES, max_size=8).map(b"".join), max_size=8),
}
"""Corpora of bytes, with repeats."""


def occurrences(documents, length):
    """{window: [(document, start)], in order}."""
    found = {}
    for number, document in enumerate(documents):
        for start in range(len(document) - length + 1):
            found.setdefault(tuple(document[start : start + length]), []).append((number, start))
    return found


def repeated(documents, length, min_count=2):
    """{(document, start): (first document, its start)} of all repeated windows."""
    return {
        place: places[0]
        for places in occurrences(documents, length).values()
        if len(places) >= max(min_count, 2)
        for place in places
    }


def expanded(runs):
    """The same of runs (document, start, length, first document, its start, period); no window may be in two."""
    found = {}
    for document, start, length, first, first_start, period in runs:
        assert length >= 1 and 1 <= period <= length
        for k in range(length):
            assert (document, start + k) not in found
            found[document, start + k] = (first, first_start + k % period)
    return found


def plain_runs(windows):
    """The maximal runs of `repeated`, all with a period that is their length."""
    runs = []
    for (document, start), (first, first_start) in sorted(windows.items()):
        if runs:
            last = runs[-1]
            if (last[0], last[1] + last[2], last[3], last[4] + last[2]) == (document, start, first, first_start):
                runs[-1] = (*last[:2], last[2] + 1, *last[3:5], last[2] + 1)
                continue
        runs.append((document, start, 1, first, first_start, 1))
    return runs


def keep_first(documents, length, min_count=2, min_remaining=0, known=0, own=True):
    """(the windows that are cut, as {(document, start): document in which the equal one stands}; the documents that go
    whole), by going through the corpus once, unit by unit.

    A window is cut if and only if it is repeated and an equal one stands in text already kept: whole in what an earlier
    document keeps, or in what this one keeps before the window begins. A document of which cuts leave fewer than
    `min_remaining` units goes, and keeps nothing. The first `known` documents are another corpus, which stays as it is;
    unless `own` the others keep nothing that counts."""
    often = repeated(documents, length, min_count)
    standing, cut, gone = {}, {}, []
    for number, document in enumerate(documents):
        here, mine = [], {}
        for start in range(len(document) - length + 1) if number >= known else ():
            before = start - length  # ends where this one begins: whether it is whole does not change any more
            if own and before >= 0 and not any(abs(at - before) < length for at in here):
                mine.setdefault(tuple(document[before:start]), number)
            window = tuple(document[start : start + length])
            if (number, start) in often and (window in standing or window in mine):
                here.append(start)
                cut[number, start] = standing.get(window, number)
        kept = left(document, here, length)
        if here and sum(map(len, kept)) < min_remaining:
            gone.append(number)
            continue
        for piece in kept if own or number < known else ():
            for start in range(len(piece) - length + 1):
                standing.setdefault(tuple(piece[start : start + length]), number)
    return cut, gone


def left(document, starts, length):
    """The pieces of a document that the cut windows leave, which may be empty."""
    covered = {at + k for at in starts for k in range(length)}
    pieces = [[]]
    for place, unit in enumerate(document):
        if place not in covered:
            pieces[-1].append(unit)
        elif pieces[-1]:
            pieces.append([])
    return pieces


def ranges(starts, length):
    """[(start, end)] of the union of windows, those that touch joined."""
    found = []
    for start in sorted(starts):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], start + length)
        else:
            found.append((start, start + length))
    return found


def cuts(documents, length, keep="first", min_count=2):
    """[(document, start, end, document of the equal window)] of the ranges that are cut."""
    if keep == "first":
        starts, _ = keep_first(documents, length, min_count)
    else:
        starts = {place: first for place, (first, _) in repeated(documents, length, min_count).items()}
    return [
        (number, start, end, starts[number, start])
        for number in range(len(documents))
        for start, end in ranges([at for document, at in starts if document == number], length)
    ]


def units(text, unit):
    return {"bytes": text.encode(), "characters": list(text), "words": text.split()}[unit]


def in_bytes(text, unit, start, end):
    """Where units from `start` to before `end` are, in bytes; words with the white space after them."""
    if unit == "bytes":
        return start, end
    if unit == "words":
        places = [at for at in range(len(text)) if not text[at].isspace() and (at == 0 or text[at - 1].isspace())]
        places.append(len(text))
        start, end = places[start], places[end]
    return len(text[:start].encode()), len(text[:end].encode())
