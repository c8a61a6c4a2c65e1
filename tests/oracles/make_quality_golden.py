"""Writes quality_golden.json beside it: the scores that datatrove's and DataComp-LM's own code
(`quality_reference`, which says what to install) give to some texts of ours.

Run from the root of the repository:
    PYTHONPATH=. WINNOW_DCLM=<checkout> python tests/oracles/make_quality_golden.py
The stored file was made by datatrove 0.10.0, nltk 3.10.4, DataComp-LM 15af3ce, uniseg 0.10.1 and fasttext-wheel
0.9.2. NaN is written as null.
"""

import json
import math
import pathlib

import quality_reference as reference

PROSE = (
    "The harbour was quiet when they came back to it. Of all the boats that have been there with us, "
    "one was left, and it would not be missed. "
)
TEXTS = [
    PROSE * 2,
    "One word",
    "  \n\t Spaces around, and a blank line.\n \n\n\nThe end of it  ",
    "The same line\nThe same line\nthe same line\n The same line \nanother one",
    f"{PROSE}\n\n{PROSE}\n\n\n{PROSE}\n\nA paragraph of its own.\n\nA paragraph of its own. ",
    "- a bullet\n* a star\n\u2022 a dot\n  \u25cf a disc\n\u2013 a dash\n-\nno bullet - here",
    "It goes on...\nand on\u2026\nand on . . .\nand on.... \n......\nor not..\x85Or...\u2028to the end...",
    "# Title ## of # a #page with #tags and ... dots \u2026 and . . . more . . . . . of these",
    "10 20 30.5 x 1,000 abc 12ab !! -- \u2460 \u00b2 e=mc2 ... 7th",
    "The the THE be Be to of and that have with With thee ofthe to-be the. the",
    "I can't, won't and shouldn't've; they'll say \"it's the dogs' own\" (or 'tis) \u2014 gonna, wanna, cannot. "
    "D'ye see?",
    "the fox's', the cat's' tail and the men's'\nwho'd've 'known' ''quotes'' x's' y'all'd' \"'s\" rock'n'roll' !",
    "Price: $3.88 (about 3,36 euros) at 10:30, see http://example.org/a?b=c&d. Dr. Smith left. U.S. troops... No!?",
    "na\u00efve caf\u00e9 \u4e2d\u6587\u5b57\u7b26\u3002\u65e5\u672c\u8a9e\u30ab\u30bf\u30ab\u30ca "
    "\U0001f600\U0001f469\u200d\U0001f469 \u0e44\u0e17\u0e22 \u05e6\u05d4\"\u05dc e\u0301a o\u0331'ne '\u017f "
    "\u0967\u0968 \u00a0\u3000\u06d4\n\u0939\u0948\u0964\n\u4e2d\u6587\uff01",
    "a b c d e ab c d e a bc d e abcde a b c d e x",
    "again and again and again and again and again and again and again and again and again and again and so on",
    "one two three four five six seven eight nine ten eleven. " * 3 + "one two three four five six seven",
    "Short.\nThis line is longer than thirty characters, surely!\nShort.\nWhat is it?\nNo mark \nLast line.\n\n",
    "word\x00with\x1fcontrols \x0b and\x0cfeeds\x1cthe\x85lines \u2028 of\u2029 them "
    "_under_ --- '' `` \" ' \u201cso\u201d",
    "Read more...\nSign-in to see that\n3 items in cart\n12.5K likes\nSHOUTING AGAIN\n12345\nword\n"
    f"{PROSE}\nVery long story read more...\nitems in cart\nAn ordinary line with words.",
    PROSE * 4 + "Menu\nHome page here\n2 comments\n",
]


def numbers(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in scores.items()}


def vector(text: str) -> dict:
    cleaned, removed = reference.dclm_lines(text)
    return {
        "text": text,
        "datatrove": {
            "quality": numbers(reference.datatrove_quality(text)),
            "repetition": numbers(reference.datatrove_repetition(text)),
            "fineweb": numbers(reference.datatrove_fineweb(text)),
        },
        "dclm": {
            "quality": numbers(reference.dclm_quality(text)),
            "repetition": numbers(reference.dclm_repetition(text)),
            "cleaned": cleaned,
            "removed": removed,
        },
    }


if __name__ == "__main__":
    path = pathlib.Path(__file__).with_name("quality_golden.json")
    path.write_text("[\n" + ",\n".join(json.dumps(vector(text)) for text in TEXTS) + "\n]\n")
