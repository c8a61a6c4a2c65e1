"""Published normalisations in plain Python, as their sources have them, but for what needs a package."""

import re
import string
import unicodedata

CONTROLS = "".join(chr(c) for first, last in ((0, 9), (11, 13), (13, 32), (127, 160)) for c in range(first, last))
PUNCTUATION = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»" + CONTROLS


def _windows(units: list[str], between: str, ngram: int, whole: bool) -> set[str]:
    size = min(ngram, len(units)) if whole else ngram
    return {between.join(units[i : i + size]) for i in range(len(units) - size + 1)} if units else set()


def text_dedup(text: str, ngram: int) -> set[str]:
    units = re.split(r"\W", text.lower())
    return _windows(units, " ", ngram, True) if len(units) >= 5 else set()


def bigcode(text: str, ngram: int) -> set[str]:
    units = re.split("[^A-Za-z_0-9]", text)
    return _windows(units, " ", ngram, False) if len(units) >= 5 else set()


def slimpajama(text: str, ngram: int) -> set[str]:
    text = text.lower().translate(str.maketrans("", "", string.punctuation))
    return _windows(list(re.sub(r"\s+", " ", text.strip())), "", ngram, False)


def spaces(text: str, ngram: int) -> set[str]:
    return _windows(text.split(), " ", ngram, True)


def lower_spaces(text: str, ngram: int) -> set[str]:
    return _windows(text.lower().split(), " ", ngram, True)


def refinedweb(text: str, ngram: int) -> set[str]:
    text = re.sub(r"\s+", " ", text.lower().strip()).translate(str.maketrans("", "", PUNCTUATION))
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return _windows(text.split(), " ", ngram, True)


def characters(text: str, ngram: int) -> set[str]:
    return _windows(list(text), "", ngram, True)


_ALL = (text_dedup, bigcode, slimpajama, spaces, lower_spaces, refinedweb, characters)
ORACLES = {each.__name__: each for each in _ALL}
