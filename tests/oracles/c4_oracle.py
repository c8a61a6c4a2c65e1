"""C4's `clean_page`, slow and obvious: the semantics of C4 3.1.0
`text/c4_utils.py` (with the page length test before it), on Python strings.

`count_sentences` is a function from a line to its number of sentences; C4's is NLTK's
Punkt model for English.
"""

import collections
import re

CITATIONS = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def judge_line(line, min_words=5, max_word_length=1000):
    """(rule or None, the line after editing)."""
    line = line.strip()
    if any(len(word) > max_word_length for word in line.split()):
        return "line_word_too_long", line
    line = CITATIONS.sub("", line)
    if not line.endswith((".", "?", "!", '"')) or line.endswith("..."):
        return "line_no_end_mark", line
    if len(line.split()) < min_words:
        return "line_too_few_words", line
    lowered = line.lower()
    if "lorem ipsum" in lowered:
        return "lorem_ipsum", line
    if "javascript" in lowered:
        return "line_javascript", line
    if "{" in line:
        return "curly_bracket", line
    if any(policy in lowered for policy in POLICIES):
        return "line_policy", line
    return None, line


def clean_page(text, count_sentences, min_sentences=3, max_characters=190_000, **limits):
    """(cleaned text or None, the rule that dropped the page or None, counters of lines)."""
    counters = collections.Counter()
    if len(text) > max_characters:
        return None, "page_too_long", counters
    kept, sentences = [], 0
    for line in text.splitlines():
        rule, line = judge_line(line, **limits)
        if rule in ("lorem_ipsum", "curly_bracket"):
            return None, rule, counters
        if rule:
            counters[rule] += 1
            continue
        counters["line_kept"] += 1
        sentences += count_sentences(line)
        kept.append(line)
    if sentences < min_sentences:
        return None, "too_few_sentences", counters
    return "\n".join(kept).strip(), None, counters
