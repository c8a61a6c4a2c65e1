"""report.html: what the page says, that nothing of a document gets out of its place, and that the
page needs nothing but itself."""

import html.parser
import re

import pytest

from pipelines.report import page as pages

HOSTILE = (
    '</pre></details><script>alert("x")</script><img src=http://evil.test/a onerror=alert(1)>\n'
    "\x00\x1b[31m\u202eabc &amp; {{ 7 * 7 }}"
)
VOID = {"meta", "link", "img", "br", "input", "hr", "rect"}


def step(name, documents, dropped, size, out, seconds, quarantined=0, counters=None):
    lost = sum(dropped.values()) + quarantined
    return {
        "name": name, "in": documents, "kept": documents - lost, "quarantined": quarantined, "dropped": dropped,
        "bytes_in": size, "bytes_out": out, "seconds": seconds, "counters": counters or {},
    }  # fmt: skip


def example(rule, text, value="2", threshold="3"):
    url = f"http://example.test/{rule}?a=1&b=<2>"
    return {
        "id": f"<urn:uuid:{rule}>",
        "url": url,
        "step": "c4",
        "rule": rule,
        "value": value,
        "threshold": threshold,
        "text": text,
    }


def document(name, text, **more):
    return {"id": name, "url": None, "text": text, **more}


def difference():
    changes = [
        {"before": "Ship of ", "kept": "<Theseus>", "dropped": "Theseus", "after": "…"},
        {"before": "…", "kept": "", "dropped": "</ins><b>", "after": "\u202e"},
    ]
    return {"changes": changes, "more": 2, "complete": True}


@pytest.fixture
def report():
    """A report as `pipelines.report.report.build` makes it, of a proven run with every section."""
    lengths = [0] * 32
    lengths[1], lengths[9:15] = 3, [120, 3_400, 21_000, 30_500, 9_300, 854]
    c4_counters = {"line_no_end_mark": 812_345, "line_too_few_words": 93_001, "citations": 77, "line_kept": 1_204_466}
    return {
        "recipe": "c4 <b>bold</b>",
        "seed": 20240613,
        "documents": {"in": 100_000, "kept": 65_177, "dropped": 34_798, "quarantined": 25},
        "problems": [],
        "quarantined_share": 0.00025,
        "steps": [
            step("read", 100_000, {"empty_text": 310}, 412_000_000, 412_000_000, 41.25, quarantined=25),
            step("language", 99_665, {"language": 12_000, "low_score": 402}, 412_000_000, 340_100_000, 13.6),
            step("c4", 87_263, {"too_few_sentences": 15_900, "curly_bracket": 1_204, "lorem_ipsum": 3}, 340_100_000,
                 161_000_000, 2.91, counters=c4_counters),
            step("near_dedup", 70_156, {"near_duplicate": 4_979}, 161_000_000, 150_004_321, 1.2,
                 counters={"cuts": 0, "bytes_cut": 0}),
        ],
        "skipped": {"request": 100_003, "metadata": 99_998},
        "languages": {"en": 60_177, "de": 4_990, "zh-Hant": 9, "<i>x</i>": 1},
        "lengths": lengths,
        "examples": {
            "c4.curly_bracket": [example("curly_bracket", HOSTILE)],
            "c4.too_few_sentences": [example("too_few_sentences", "One sentence only. " * 100),
                                     example("two", None, None, None)],
        },
        "clusters": {
            "near_dedup": [
                {
                    "size": 1_207,
                    "kept": document("doc-1", "Ship of <Theseus>"),
                    "dropped": [document("doc-2", "Ship of Theseus", similarity=0.9167, difference=difference()),
                                document("doc-3", "Ship", similarity=None)],
                }
            ]
        },
        "figures": {
            "near_dedup": {"bands": 28, "threshold": 0.8, "clusters": 2_011, "sizes": [[2, 1_400], [3, 611]],
                           "similarity_min": 0.8, "similarity_mean": None, "unverified": 0,
                           "domains": {"names": ["<a.example>", None],
                                       "documents": [[1_300, 7, 0], [9, 0, 0], [0, 0, 0]]},
                           "sources": {"names": ["x" * 99], "documents": [[1, 2], [3, 4]]}},
            "tokenizer": {
                "family": "bpe", "vocab_size": 32_000, "fingerprint": "9f86d081884c7d65", "words": 24_123_456,
                "merges": 31_743, "tokens_by_vocab_size": {"257": 150_004_321, "1024": 61_000_000, "32000": 33_712_000},
                "held_out": {"bytes_per_token": 4.4489, "continued_word_share": 0.1234, "byte_fallback": False},
                "length_counts": [0, 12, 90, 44, 3], "special_tokens": ["<s>", "</s>"],
            },  # fmt: skip
            "tokens": {"documents": 65_177, "tokens": 33_777_177, "vocab_size": 32_000, "dtype": "uint16", "shards": 2,
                       "bytes_of_text": 150_004_321, "family": "bpe"},
            "pack best_fit-2048": {"sequence_length": 2_048, "seed": 20240613, "bins": 16_512, "padding_share": 0.0012,
                                   "shards": {"00000": 8_300, "00001": 8_212}},
            "scores": [{"name": "a", "tokens": 1_000}, {"name": "b", "tokens": 2_000}],
        },
        "tokens": {"documents": 65_177, "tokens": 33_777_177, "vocab_size": 32_000, "dtype": "uint16", "shards": 2,
                   "bytes_of_text": 150_004_321, "family": "bpe"},
        "passes": [
            {"step": "00-read+language+c4", "tasks": 14, "done": 4, "reasons": {"not done yet": 9, "code changed": 1},
             "retries": 2, "seconds": 37.21},
            {"step": "03-near_dedup-signatures", "tasks": 3, "done": 0, "reasons": {"not done yet": 3},
             "retries": 0, "seconds": 1_234.5},
        ],
        "environment": {"python": "3.11.2", "system": "Linux", "machine": "x86_64", "cores": 2,
                        "libraries": {"numpy": "2.3.1", "ray": None}},
    }  # fmt: skip


class Page(html.parser.HTMLParser):
    """Tags, attributes and text of a page; fails on a tag that is not closed in order."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.open, self.pieces = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []
        self.text = re.sub(r"\s+", " ", "".join(self.pieces))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attributes]
        if tag not in VOID or (tag == "rect" and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.pieces.append(" " * (tag in ("td", "th", "p", "text")))

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.pieces.append(data)


def test_proven_run(report):
    page = Page(pages.render(report))
    assert "c4 <b>bold</b>" in page.text
    assert (
        "Proven. Every document that came in is accounted for: "
        "100,000 in = 65,177 kept + 34,798 dropped + 25 quarantined."
    ) in page.text
    assert "Not proven" not in page.text
    for heading in (
        "The funnel",
        "Languages",
        "Document lengths",
        "Tokens",
        "Duplicate clusters",
        "Maps",
        "Environment",
        "Skipped records",
    ):
        assert heading in page.text


def test_funnel(report):
    text = Page(pages.render(report)).text
    assert "c4 87,263 70,156 17,107 19.6 % 340.1 MB 161.0 MB 2.9 s 116.9 MB/s" in text
    assert (
        text.index("too_few_sentences 15,900 18.2 %")
        < text.index("curly_bracket 1,204 1.38 %")
        < text.index("lorem_ipsum 3 < 0.01 %")
    )
    assert "quarantined: could not be read 25 0.03 %" in text
    assert "line_no_end_mark 812,345" in text
    assert "70,156 (−17,107)" in text


def test_funnel_bars_are_in_proportion(report):
    widths = {}
    for kind, width, title in re.findall(
        r'<rect class="(\w+)"[^>]*? width="([\d.]+)"[^>]*><title>(.*?)</title>', pages.render(report)
    ):
        widths.setdefault((title.split(":")[0], kind), float(width))
    assert widths["c4", "kept"] == pytest.approx(pages.BAR * 0.70156, abs=0.06)
    assert widths["c4", "dropped"] == pytest.approx(pages.BAR * 0.17107, abs=0.06)
    assert widths["read", "quarantined"] == pytest.approx(pages.BAR * 0.00025, abs=0.06)


def test_problems_are_shown(report):
    report["problems"] = [
        "70156 documents kept, <65177> in documents/",
        *(f"step s{i}: 2 in, 1 accounted for" for i in range(50)),
    ]
    page = Page(pages.render(report))
    assert "Not proven: the counts do not add up." in page.text
    assert "70156 documents kept, <65177> in documents/" in page.text
    assert "and 11 more" in page.text
    assert "Proven." not in page.text
    assert ("div", "class", "verdict bad") in page.attributes


def test_hostile_text_stays_text(report):
    source = pages.render(report)
    page = Page(source)
    assert "script" not in page.tags and "img" not in page.tags and "b" in page.tags
    assert "&lt;/pre&gt;&lt;/details&gt;&lt;script&gt;alert(&#34;x&#34;)" in source
    assert '</pre></details><script>alert("x")</script>' in page.text
    assert "&amp; {{ 7 * 7 }}" in page.text and "49" not in re.findall(r"\d+", page.text)
    assert "<i>x</i>" in page.text and "i" not in page.tags
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", source)
    assert "\u2400\u241b[31m" in source


def test_lone_surrogates_can_be_written(report):
    report["examples"]["c4.curly_bracket"][0]["text"] = "a\ud800b"
    assert "a\ufffdb" in pages.render(report).encode().decode()


@pytest.mark.parametrize(
    "place",
    [
        "recipe",
        "step",
        "rule",
        "counter",
        "language",
        "figure",
        "reason",
        "problem",
        "id",
        "skipped",
        "matrix",
        "change",
    ],
)
def test_markup_in_any_name_is_escaped(report, place):
    evil = '"><script>x</script>'
    {
        "recipe": lambda: report.update(recipe=evil),
        "step": lambda: report["steps"][1].update(name=evil),
        "rule": lambda: report["steps"][1]["dropped"].update({evil: 1}),
        "counter": lambda: report["steps"][1]["counters"].update({evil: 1}),
        "language": lambda: report["languages"].update({evil: 1}),
        "figure": lambda: report["figures"].update({evil: {evil: {evil: [evil]}, "rows": [{evil: evil}]}}),
        "reason": lambda: report["passes"][0]["reasons"].update({evil: 1}),
        "problem": lambda: report["problems"].append(evil),
        "id": lambda: report["clusters"]["near_dedup"][0]["kept"].update(id=evil, url=evil),
        "skipped": lambda: report["skipped"].update({evil: 1}),
        "matrix": lambda: report["figures"]["near_dedup"]["domains"].update(names=[evil, None]),
        "change": lambda: report["clusters"]["near_dedup"][0]["dropped"][0]["difference"]["changes"][0].update(
            kept=evil
        ),
    }[place]()
    page = Page(pages.render(report))
    assert "script" not in page.tags
    assert evil in page.text or evil in {value for _, _, value in page.attributes}


def test_page_needs_nothing_else(report):
    page = Page(pages.render(report))
    assert not {"script", "link", "iframe", "img", "object", "base", "form"} & set(page.tags)
    for _tag, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "action", "xlink:href")
        assert name != "href" or value == "#maps"
    style = re.search(r"<style>(.*?)</style>", pages.render(report), re.S)[1]
    assert "url(" not in style and "@import" not in style


def test_examples_and_clusters(report):
    page = Page(pages.render(report))
    assert "c4.too_few_sentences (2 of 15,900)" in page.text
    assert "http://example.test/curly_bracket?a=1&b=<2>" in page.text
    assert "value 2, threshold 3" in page.text
    assert "1,207 documents kept: doc-1" in page.text
    assert "Dropped, similarity 0.9167 doc-2" in page.text
    assert "Dropped, similarity – doc-3" in page.text
    assert "and 1,204 more dropped" in page.text
    assert "doc-2 Ship of <Theseus>Theseus… …</ins><b>\u202e and 2 more differences Ship of Theseus" in page.text
    assert (page.tags.count("del"), page.tags.count("ins")) == (2, 3)  # one of each says what they mean
    longest = max(map(len, re.findall(r"<pre>\n(.*?)</pre>", pages.render(report), re.S)))
    assert longest < 1_000


def test_differences_where_there_are_none(report):
    dropped = report["clusters"]["near_dedup"][0]["dropped"]
    dropped[0]["difference"] = {"changes": [], "more": 0, "complete": True}
    assert "The words are the same." in Page(pages.render(report)).text
    dropped[0]["difference"]["complete"] = False
    assert "The words are the same as far as they were compared." in Page(pages.render(report)).text


def test_whose_documents_go_because_of_whose(report):
    text = Page(pages.render(report)).text
    assert "domains the same by the domain of their URLs; – is none 1 2 1 <a.example> 1,300 7 2 – 9 " in text
    assert f"because of which they were dropped 1 2 1 {'x' * 59}… 1 2 2 others 3 4 " in text


def test_figures(report):
    source = pages.render(report)
    text = Page(source).text
    assert "bytes of text 150.0 MB" in text
    assert "That is 4.441 bytes of text a token and 518.2 tokens a document" in text
    assert "words 24,123,456" in text
    assert "continued word share words that take more than one token 12.3 %" in text
    assert "bytes per token 4.449" in text
    assert "byte fallback no" in text
    assert "special tokens <s>, </s>" in text
    assert "padding share 0.12 %" in text
    assert "seed 20240613" in text
    assert "similarity mean –" in text
    assert "name tokens a 1,000 b 2,000" in text
    assert "32000: 33,712,000" in source and "3: 611" in source
    assert "ray –" in text


def test_figures_that_are_no_numbers(report):
    report["figures"] = {
        "odd": {
            "share": float("nan"),
            "bytes": float("inf"),
            "list": [1.0, float("nan")],
            "none": None,
            "nothing": {},
            "empty": [],
            "one": [7],
        }
    }
    text = Page(pages.render(report)).text
    assert "odd share – bytes – list 1.0, nan none – nothing – empty – one 7" in text


def test_lengths_have_units(report):
    source = pages.render(report)
    assert "1 KiB to 2 KiB: 21,000" in source and "0 to 1:" not in source
    counts, edges = pages.length_edges([5] + [0] * 31)
    assert (counts, edges) == ([5], ["0", "1"])
    counts, edges = pages.length_edges([0] * 31 + [5])
    assert (counts, edges) == ([5], ["1 GiB", "∞"])
    counts, edges = pages.length_edges([1] * 32)
    assert len(counts) == 32 and len(edges) == 33 and edges[:4] == ["0", "1", "2", "4"] and edges[21] == "1 MiB"


def test_empty_run():
    nothing = {
        "recipe": "empty", "seed": 0, "documents": {"in": 0, "kept": 0, "dropped": 0, "quarantined": 0}, "problems": [],
        "quarantined_share": 0.0, "steps": [step("read", 0, {}, 0, 0, 0.0)], "skipped": {}, "languages": {},
        "lengths": [], "examples": {}, "clusters": {}, "figures": {}, "tokens": {}, "passes": [], "environment": {},
    }  # fmt: skip
    page = Page(pages.render(nothing))
    assert "0 in = 0 kept" in page.text and "read 0 0 0 – 0 bytes 0 bytes 0 ms –" in page.text
    for heading in (
        "Languages",
        "Document lengths",
        "Tokens",
        "Figures",
        "examples",
        "Duplicate clusters",
        "Environment",
        "Skipped",
    ):
        assert heading not in page.text
    assert "Proven." in Page(pages.render({"recipe": "bare"})).text


def test_zero_tokens(report):
    report["tokens"] = {**report["tokens"], "documents": 0, "tokens": 0, "bytes_of_text": 0}
    report["lengths"] = [0] * 32
    text = Page(pages.render(report)).text
    assert "That is" not in text and "Document lengths" not in text


def test_long_lists_are_bounded(report):
    report["languages"] = {f"l{i}": 1 for i in range(1_000)}
    report["figures"]["pack best_fit-2048"]["shards"] = {f"{i:05d}": i for i in range(100_000)}
    report["figures"]["tokenizer"]["length_counts"] = list(range(100_000))
    report["figures"]["many"] = {f"key {i}": i for i in range(1_000)}
    source = pages.render(report)
    assert len(source) < 200_000
    text = Page(source).text
    assert text.count("and 960 more") == 2 and text.count("and 99,960 more") == 2


def test_rendering_is_deterministic(report):
    assert pages.render(report) == pages.render(report)


@pytest.mark.parametrize("value, text", [
    (0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (999_999, "1,000.0 kB"), (12_345_678, "12.3 MB"),
    (4 * 10**12, "4.0 TB"), (10**20, "100,000.0 PB"),
])  # fmt: skip
def test_size(value, text):
    assert pages.size(value) == text


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (1_234_567, "1,234,567"), (0.91666, "0.9167"), (12345.6, "12,346"), (float("nan"), "–"), (None, "–")],
)
def test_number(value, text):
    assert pages.number(value) == text


def test_share():
    assert [pages.share(a, b) for a, b in ((0, 5), (5, 5), (1, 10**6), (1, 1_000), (1, 0))] == [
        "0 %",
        "100.0 %",
        "< 0.01 %",
        "0.10 %",
        "–",
    ]


def test_seconds():
    assert [pages.seconds(s) for s in (0, 0.0123, 1, 99.94, 100, 12_345.6)] == [
        "0 ms",
        "12 ms",
        "1.0 s",
        "99.9 s",
        "100 s",
        "12,346 s",
    ]
