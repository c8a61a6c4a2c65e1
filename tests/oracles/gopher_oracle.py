"""Gopher's and FineWeb's scores in plain Python, with what splits texts into words given as functions."""

import math
import re
from collections import Counter

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def ratio(part, whole):
    if whole:
        return part / whole
    return math.nan if not part else math.inf


def quality(text, preset, words_of=str.split, is_punctuation=None):
    """Scores of `GopherQuality`; `words_of` and `is_punctuation` (of a character) for datatrove."""
    words = words_of(text)
    measured, counted = words, len(words)
    ellipses = text.count("...") + text.count("…")
    if preset == "datatrove":
        measured = [w for w in words if not all(map(is_punctuation, w))]
        counted = len(measured)
        lines = [line.strip() for line in text.splitlines()]
        stop_words = len(STOP_WORDS & set(words))
    else:
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        found = [w.lower() for w in words if w.lower() in STOP_WORDS]
        stop_words = len(set(found))
    if preset == "dclm":
        counted = sum(token[0].isalnum() for token in re.split("[ \n\r\t\v\f\0]+", text) if token)
        ellipses += text.count(". . .")
        stop_words = len(found)
    bullets = ("•", "-") if preset == "datatrove" else ("●", "•", "*", "-")
    ends = ("...", "…", ". . .") if preset == "dclm" else ("...", "…")
    return {
        "words": counted,
        "mean_word_length": ratio(sum(map(len, measured)), len(measured)),
        "hash_ratio": ratio(text.count("#"), len(words)),
        "ellipsis_ratio": ratio(ellipses, len(words)),
        "symbol_ratio": ratio(text.count("#") + ellipses, len(words)),
        "bullet_line_fraction": ratio(sum(line.startswith(bullets) for line in lines), len(lines)),
        "ellipsis_line_fraction": ratio(sum(line.endswith(ends) for line in lines), len(lines)),
        "alphabetic_word_fraction": ratio(sum(any(c.isalpha() for c in w) for w in words), len(words)),
        "stop_words": stop_words,
    }


def duplicates(segments, count_first):
    """(duplicate segments, their characters)."""
    copies = Counter(segments)
    if count_first:
        repeated = [s for s in segments if copies[s] > 1]
        return len(repeated), sum(map(len, repeated))
    return sum(copies.values()) - len(copies), sum(len(s) * (n - 1) for s, n in copies.items())


def segments(text, preset):
    """Scores of lines and paragraphs of `GopherRepetition`."""
    scores = {}
    for unit, newlines in (("line", 1), ("paragraph", 2)):
        if preset == "datatrove":
            source = text.strip() if unit == "paragraph" else text
            parts = re.split(rf"\n{{{newlines},}}", source) if text else []
            total = len(text)
        else:
            parts = [part.strip() for part in re.split("\n" * newlines, text) if part.strip()]
            total = sum(map(len, parts))
        number, characters = duplicates(parts, preset != "datatrove")
        if unit == "line":
            scores["lines"] = len(parts)
        scores[f"duplicate_{unit}_fraction"] = number / max(len(parts), 1)
        scores[f"duplicate_{unit}_character_fraction"] = characters / max(total, 1)
    return scores


def grams(text, preset, words_of):
    """Scores of n-grams of `GopherRepetition`."""
    words = words_of(text)
    if preset == "datatrove":
        return _datatrove_grams(text, words)
    total = max(sum(map(len, words)), 1)
    scores = {}
    for n in range(2, 11):
        tuples = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        copies = Counter(tuples)
        if n <= 4:
            repeated = [(count, sum(map(len, gram))) for gram, count in copies.items() if count > 1]
            count, length = max(repeated, default=(0, 0))
            scores[f"top_{n}_gram_fraction"] = count * length / total
        else:
            inside = {i + k for i, gram in enumerate(tuples) if copies[gram] > 1 for k in range(n)}
            scores[f"duplicate_{n}_gram_fraction"] = sum(len(words[i]) for i in inside) / total
    return scores


def _datatrove_grams(text, words):
    scores = {}
    for n in range(2, 5):
        copies = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
        gram, count = copies.most_common(1)[0] if copies else ("", 0)
        scores[f"top_{n}_gram_fraction"] = len(gram) * count / max(len(text), 1)
    for n in range(5, 11):
        seen = set()
        characters = i = 0
        while i <= len(words) - n:
            gram = "".join(words[i : i + n])
            characters += len(gram) if gram in seen else 0
            i += n if gram in seen else 1
            seen.add(gram)
        scores[f"duplicate_{n}_gram_fraction"] = characters / max(len(text), 1)
    return scores


def fineweb(text, words_of, marks, short=30):
    """Scores of `FineWeb`."""
    lines = [line for line in text.split("\n") if line.strip()]
    words = len(words_of(text))
    characters = len(text.replace("\n", ""))
    return {
        "lines": len(lines),
        "line_punctuation_ratio": ratio(sum(line.endswith(marks) for line in lines), len(lines)),
        "short_line_ratio": ratio(sum(len(line) <= short for line in lines), len(lines)),
        "character_duplication_ratio": duplicates(lines, False)[1] / characters if lines else math.nan,
        "newline_ratio": text.count("\n") / words if words else math.nan,
    }
