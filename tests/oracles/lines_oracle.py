"""C4's line deduplication in plain Python: c4_utils.remove_duplicate_text, but that white space alone is no page."""

import hashlib


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def owners(pages):
    """{md5 of a line: the URL of the page that keeps it}."""
    found: dict[str, str] = {}
    for url, text in pages.items():
        for line in text.split("\n"):
            key = md5(line.strip().lower())
            found[key] = min(found.get(key, url), url, key=md5)
    return found


def reference(pages, count, min_sentences):
    """Pages {url: text} to {url: text, or the reason to drop it}."""
    owned = owners(pages)
    results = {}
    for url, text in pages.items():
        kept, seen = [], set()
        for line in text.split("\n"):
            key = md5(line.strip().lower())
            if owned[key] == url and key not in seen:
                kept.append(line)
                seen.add(key)
        left = "\n".join(kept)
        results[url] = left
        if not left:
            results[url] = ("empty",)
        elif min_sentences and count(left) < min_sentences:
            results[url] = ("too_few_sentences",)
        elif not left.strip():
            results[url] = ("empty",)
    return results
