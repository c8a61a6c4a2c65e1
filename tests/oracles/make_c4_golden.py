"""Writes c4_golden.json beside it: what C4's own code (`c4_reference`) makes of some texts of ours.

Run from the root of the repository, where tensorflow-datasets is installed:
    PYTHONPATH=. python tests/oracles/make_c4_golden.py
Sentences are counted by `corpus.text.sentences`.
"""

import json
import pathlib

import c4_reference
import pyarrow as pa

from corpus.text import sentences

GOOD = "Rivers carry sand down to the sea."
MORE = "The tide brings some of it back! Does it ever rest?"

LINES = [
    GOOD,
    f"\u3000\t {GOOD}\x1f ",
    "Boats wait in the harbour...",
    "Boats wait in the harbour..",
    "Boats wait in the harbour\u2026",
    "Boats wait in the harbour.\u201d",
    "Boats wait in the harbour'",
    "Boats wait in the harbour.)",
    'The pilot said "wait for it"',
    "Who waits in the harbour?",
    "Nobody waits there.",
    "Only four words here.",
    f"{GOOD}[3]",
    f"{GOOD} [3]",
    f"[12] {GOOD}",
    f"{GOOD}[edit][][citation needed]",
    f"{GOOD}[Edit]",
    f"{GOOD}[\u0663\U0001d7d7]",
    f"{GOOD}[\u00b2]",
    "Boats [1] wait over there.",
    "Boats wait over there..[1].",
    "Boats [[2]] wait over there today.",
    "Please enable JavaScript to see boats.",
    "Please enable java[9]script to see boats.",
    "JavaScript draws { boats } on water.",
    "Read our Terms of Use before boarding.",
    "Read our PRIVACY POLICY before boarding.",
    "Read our Cookie Policy before boarding.",
    "This ferry uses coo\u212aies for its passengers.",
    "On the use of cookies at sea.",
    "We use cookies on board the ferry.",
    "We use cookie on board the ferry.",
    "Lorem Ipsum is printed on sails.",
    "LOREM \u0130PSUM is printed on sails.",
    "Lorem ipsum without a stop",
    "lorem ipsum here.",
    "A brace { stands in this line.",
    "A brace { without a stop",
    "A { brace.",
    "We use cookies and { on board.",
    "Lorem ipsum and javascript are on board.",
    f"{'w' * 1000} is a word of some length.",
    f"{'w' * 1001} is a word of some length.",
    "\u00e9" * 1000 + " is a word of some length.",
    f"{'w' * 998}[1] is a word of some length.",
]
PAGES = [
    *(f"{line}\n{GOOD}\n{MORE}" for line in LINES),
    *(
        f"{GOOD}{end}{MORE}{end}{end}{GOOD}"
        for end in "\r \r\n \v \f \x1c \x1d \x1e \x1f \x85 \u2028 \u2029".split(" ")
    ),
    "",
    "\n \n",
    GOOD,
    f"{GOOD}\n{GOOD}",
    f"{MORE}\n{GOOD}",
    f"Home\nAbout us\n{GOOD}\nContact\n{MORE}\nAll rights reserved",
    f"[1] {GOOD}\n[2] {MORE}\n[3] {GOOD}",
    "Dr. Reed met J. R. Stone on Jan. 5 in the U.S. embassy.\nThe two did not agree at all.",
]
URLS = [
    "http://www.reed.org/", "https://reed.org//", "http://http://www.reed.org", "HTTP://www.reed.org",
    "http://reed.org/?utm_source=a", "http://reed.org/?reference=1#x", "http://reed.org/a?x=1&ref=2",
    "http://reed.org/?feed\nme", "http://reed.org/a/?feedback", "ftp://www.reed.org/", "http://www.www.reed.org",
    "/", "", "http://reed.org/see?u=https://www.stone.org/?refer",
]  # fmt: skip
PARAGRAPHS = [(200, 200, 200), (200, 200, 199), (500, 500), (200, 1, 200, 0, 200), (1000,), (), (200, 200, 0)]
SHARED = "Sand, sand, and nothing but sand. It goes on and on. For miles."
LINE_PAGES = {
    "http://reed.org/1": f"{SHARED}\nOne. Two. Three.",
    "http://reed.org/2": f"One. Two. Four.\n  {SHARED.upper()}  \nOne. Two. Four.",
    "http://stone.org/1": f"{SHARED}\nShort.",
    "http://stone.org/2": "one. two. three.",
    "http://stone.org/3": "Alone it stands. It is long. Enough, that is.\nShort.",
    "http://stone.org/4": f"\n{SHARED}\n\nLast. Words. Spoken.",
    "http://stone.org/5": "",
}
NEWEST = [
    ("http://reed.org/", "2019-04-01T00:00:00Z"), ("https://www.reed.org", "2019-04-02T00:00:00Z"),
    ("reed.org", "2019-04-02T00:00:00Z"), ("http://stone.org", "2019-01-01T00:00:00Z"),
]  # fmt: skip
BAD_WORDS = ["mud", "salt water", "b@rnacle!", "\U0001f991", "Kelp", "c++"]
BAD_TEXTS = [
    "Here is MUD.", "muddy", "mud", "_mud_", "my mud\n", "3mud", "salt water!", "salt  water", "A b@rnacle!",
    "b@rnacle!s", "x\U0001f991", "a \U0001f991 b", "kelp and Kelp", "I write c++ here", "c+++", "mud-mud",
    "\u0130mud", "\u00e9mud", "",
]  # fmt: skip


def count_sentences(text):
    return int(sentences.count_texts(pa.array([text], pa.string()))[0])


def cleaned(reference, text):
    """(cleaned text or None, counters)."""
    counters = {}

    def count(name, amount=1):
        counters[name] = counters.get(name, 0) + amount

    pages = list(reference.get_clean_page_fn()(reference.PageFeatures(text=text), counter_inc_fn=count))
    return {"text": text, "cleaned": pages[0].text if pages else None, "counters": counters}


def golden():
    """Everything in c4_golden.json."""
    reference = c4_reference.load(count_sentences)
    page = reference.PageFeatures
    lines = [page(url=url, text=text) for url, text in LINE_PAGES.items()]
    paragraphs = ["\n".join("\u00e9" * size for size in sizes) for sizes in PARAGRAPHS]
    groups = {}
    for i, (url, date) in enumerate(NEWEST):
        groups.setdefault(reference.normalize_url(url), []).append(page(url=str(i), timestamp=date))
    bad_words = {lang: reference.get_badwords_filter_fn({lang: BAD_WORDS}, 1.0) for lang in ("en", "th")}
    some = {fraction: reference.get_badwords_filter_fn({"en": BAD_WORDS}, fraction) for fraction in (0.999, 0.3)}
    addresses = [f"http://www.reed.org/{i}/" for i in range(200)]
    in_validation = reference.get_hashed_url_filter_fn(lambda value: value % 20 == 0)

    def muddy(url):
        return page(text="mud", language="en", normalized_url=reference.normalize_url(url))

    return {
        "clean_page": [cleaned(reference, text) for text in PAGES],
        "page_length": [[n, reference.is_valid_length(page(text="x" * n))] for n in (190_000, 190_001)],
        "normalize_url": [[url, reference.normalize_url(url)] for url in URLS],
        "newest": {
            "pages": NEWEST,
            "kept": sorted(int(reference.select_newest_page(group).url) for group in groups.values()),
        },
        "paragraph_filter": [[text, reference.paragraph_filter(page(text=text))] for text in paragraphs],
        "remove_duplicate_text": {
            "pages": LINE_PAGES,
            "kept": {
                str(least): {
                    p.url: p.text for p in reference.remove_duplicate_text(c4_reference.Collection(lines), least).items
                }
                for least in (3, 0)
            },
        },
        "bad_words": {
            "words": BAD_WORDS,
            "texts": BAD_TEXTS,
            "kept": {
                lang: [passes(page(text=t, language=lang)) for t in BAD_TEXTS] for lang, passes in bad_words.items()
            },
            "urls": addresses,
            "spared": {str(fraction): [passes(muddy(url)) for url in addresses] for fraction, passes in some.items()},
        },
        "validation": [[url, in_validation(muddy(url))] for url in addresses],
    }


if __name__ == "__main__":
    path = pathlib.Path(__file__).with_name("c4_golden.json")
    path.write_text(json.dumps(golden(), indent=1) + "\n")
