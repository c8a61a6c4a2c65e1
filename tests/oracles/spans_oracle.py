"""The paper's deduplication of three-sentence spans in plain Python, on pages put together from sentences."""

import hashlib


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def join(page):
    """A page is a list of lines, a line a list of sentences."""
    return "\n".join(" ".join(line) for line in page)


def spans(page, length=3):
    """The spans of a page, in order."""
    flat = [sentence.strip().lower() for line in page for sentence in line]
    return [tuple(flat[at : at + length]) for at in range(len(flat) - length + 1)]


def reference(pages, length=3, min_sentences=0):
    """{url: page} to {url: text, or the reason to drop it}."""
    places = {}
    for number, (url, page) in enumerate(pages.items()):
        for at, span in enumerate(spans(page, length)):
            places.setdefault(span, []).append((md5(url), number, at))
    gone, stays = set(), set()
    for span_places in places.values():
        owner, *others = sorted(span_places)
        if others:
            stays |= {(owner[1], owner[2] + i) for i in range(length)}
            gone |= {(number, at + i) for _, number, at in others for i in range(length)}
    results = {}
    for number, (url, page) in enumerate(pages.items()):
        at, left = 0, []
        for line in page:
            kept = [s for i, s in enumerate(line, at) if (number, i) not in gone - stays]
            at += len(line)
            if kept or not line:
                left.append(kept)
        text, count = join(left), sum(map(len, left))
        results[url] = text if text.strip() else ("empty",)
        if text and count < min_sentences:
            results[url] = ("too_few_sentences",)
    return results
