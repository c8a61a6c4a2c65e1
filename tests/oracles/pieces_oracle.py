"""Repeated lines and paragraphs in plain Python, by every option of line_dedup but how sentences are counted."""

import hashlib
import re
import unicodedata


def form_of(unit, form):
    """How a unit is compared; "ccnet" as the paper words it (Wenzek et al. 2020, section 3.1)."""
    if form == "none":
        return unit
    text = unit.strip().lower()
    if form == "case":
        return text
    plain = [c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"]
    plain = ["0" if unicodedata.category(c) == "Nd" else c for c in plain]
    return "".join(c for c in plain if not unicodedata.category(c).startswith("P"))


def places(text, span, form, blank):
    """(numbers of its lines, what is compared) of each piece of a text."""
    lines = list(enumerate(text.split("\n")))
    if not blank:
        lines = [(i, line) for i, line in lines if (form_of(line, form) if form != "none" else line.strip())]
    for at in range(len(lines) - span + 1):
        run = lines[at : at + span]
        yield [i for i, _ in run], tuple(form_of(line, form) for _, line in run)


def rank(row, number, keep):
    """The smallest owns."""
    if keep == "md5":
        return hashlib.md5((row["url"] or row["id"]).encode()).hexdigest(), number
    if keep == "longest":
        return -len(row["text"].encode()), number
    if keep == "newest":
        return ("" if row["date"] is None else "".join(chr(255 - ord(c)) for c in row["date"])) or "\U0001f600", number
    return 0, number


def reference(
    documents,
    unit="line",
    span=1,
    form="case",
    keep="md5",
    min_count=2,
    domain=None,
    exempt=(),
    sources=(),
    blank=False,
):
    """{id: what is left of its text, or None where it is empty}; `domain`: of a document, where pieces are counted in
    each. documents: rows with id, text, url, date, source, in corpus order."""
    found, gone, stays = {}, set(), set()
    for number, row in enumerate(documents):
        if row.get("source") in sources or (domain and not domain(row)):
            continue
        for at, (lines, key) in enumerate(places(row["text"], span, form, blank)):
            text = "\n".join(row["text"].split("\n")[lines[0] : lines[-1] + 1])
            if any(re.search(pattern, text) for pattern in exempt):
                stays |= {(number, line) for line in lines}
            else:
                key = (domain(row) if domain else None, key)
                found.setdefault(key, []).append((rank(row, number, keep), at, number, lines))
    for each in found.values():
        if len(each) < min_count:
            continue
        best, *others = sorted(each)
        others += [best] if keep == "none" else []
        stays |= {(best[2], line) for line in best[3]} if keep != "none" else set()
        gone |= {(number, line) for _, _, number, lines in others for line in lines}
    left = {}
    for number, row in enumerate(documents):
        lines = row["text"].split("\n")
        text = "\n".join(line for i, line in enumerate(lines) if (number, i) not in gone - stays)
        left[row["id"]] = text if text.strip() or row.get("source") in sources else None
    return left
