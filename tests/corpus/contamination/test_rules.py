"""Each rule by the wording of its paper, on cases made by hand."""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pytest
from grams_oracle import split
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.contamination import index, rules, scanner
from corpus.contamination.items import Item


def words(first, count):
    """So many words that are nowhere else."""
    return [f"w{number}" for number in range(first, first + count)]


def text(*parts):
    return " ".join(" ".join(part) for part in parts)


def found(name, documents, items, of_documents=False, **changes):
    """(rule, spans with counts, index, in how many documents each gram is), of items {name: text or texts}, or
    `Item`s."""
    rule = rules.RULES[name]
    if isinstance(items, dict):
        items = [Item(n, (t,) if isinstance(t, str) else tuple(t), n.split(":")[0]) for n, t in items.items()]
    scan = ((of_documents and rule.of_documents) or rule.scan)._replace(**changes)
    built = index.build(items, scan.ngram, scan.min_words, scan.normalisation, scan.by_set, scan.drawn)
    scanning = scanner.Scanner(built, scan.skips, around=True, of_grams=scan.of_grams)
    spans = scanning.scan(pa.array(documents, pa.string()))
    return rule, rules.with_documents(spans, built, scanning.documents), built, scanning.documents


def verdict(name, documents, items, **changes):
    """[(score, dirty)] of the items."""
    rule, spans, built, counts = found(name, documents, items, **changes)
    said = rule.items(rules.counted(spans, built, counts, rule.max_documents), built, rule.threshold)
    return [(round(s, 4), d) for s, d in zip(said.score.tolist(), said.dirty.tolist())]


def cut(name, documents, items, **changes):
    """{row: what is left of the document, None where it is dropped} of those that something is done to."""
    rule, spans, built, counts = found(name, documents, items, of_documents=True, **changes)
    done = rule.documents(rules.counted(spans, built, counts, rule.max_documents), built, rule.threshold)
    left = {}
    for row, dropped, start, end in reversed(list(zip(*(c.tolist() for c in done[:4])))):
        data = left.get(row, documents[row].encode())
        left[row] = None if dropped else data[:start] + data[end:]
    return {row: data if data is None else data.decode() for row, data in left.items()}


FILLER = "nothing of the test is here, and it goes on like that for quite a while. "


# gpt3: "we removed the colliding 13-gram and a 200 character window on either side"


def test_gpt3_cuts_the_gram_and_two_hundred_characters_on_either_side():
    before, after = ("é" + FILLER * 9)[:499] + " ", (" " + FILLER * 9)[:500]
    item = text(words(0, 13))
    left = cut("gpt3", [before + item + after], {"set:1": item})
    assert left == {0: before[:300] + after[200:]}


def test_gpt3_discards_pieces_of_less_than_two_hundred_characters():
    item = text(words(0, 13))
    for before, after, left in ((399, 399, "." * 200 + "-" * 200), (398, 399, "-" * 200), (399, 398, "." * 200)):
        assert cut("gpt3", ["." * before + " " + item + " " + "-" * after], {"set:1": item}) == {0: left}
    assert cut("gpt3", ["." * 398 + " " + item + " " + "-" * 398], {"set:1": item}) == {0: None}


def test_gpt3_removes_documents_split_into_more_than_ten_pieces():
    item = text(words(0, 13))
    for copies, dropped in ((9, False), (10, True)):
        document = (FILLER * 10 + item + " ") * copies + FILLER * 10
        left = cut("gpt3", [document], {"set:1": item})
        assert (left[0] is None) == dropped
        assert dropped or len(left[0]) == len(document) - copies * (len(item) + 400)
    long_quotation = text(words(0, 40))  # has 28 grams of 13 words, and is one passage
    left = cut("gpt3", [FILLER * 10 + long_quotation + " " + FILLER * 10], {"set:1": long_quotation})
    assert len(left[0]) == 2 * len(FILLER * 10) + 1 - 400


def test_gpt3_ignores_grams_in_more_than_ten_documents():
    item = text(words(0, 13))
    for copies, touched in ((10, 10), (11, 0)):
        documents = [f"{FILLER * 9}{number} {item}" for number in range(copies)]
        assert len(cut("gpt3", documents, {"set:1": item})) == touched
        assert verdict("gpt3", documents, {"set:1": item}) == [(float(touched > 0), touched > 0)]


def test_gpt3_does_not_touch_short_documents_without_a_gram():
    """lm-evaluation-harness's janitor returns nothing of a clean document of less than 200 characters."""
    item = text(words(0, 13))
    assert cut("gpt3", ["short and clean", text(words(0, 12)) + " x"], {"set:1": item}) == {}
    assert cut("lm-eval", ["short and clean"], {"set:1": item}) == {}


def test_gpt3_measures_by_the_fifth_percentile_of_lengths_between_eight_and_thirteen():
    """ "N, the 5th percentile example length in words, ignoring all punctuation, whitespace, and casing", 8 to 13."""
    for length, n in ((5, 8), (8, 8), (10, 10), (13, 13), (40, 13)):
        items = {f"set:{number}": text(words(100 * number, length)) for number in range(20)}
        items["set:long"] = text(words(5000, 30))
        documents = [text(words(5000, n - 1)), text(words(5010, n))]
        _, spans, built, _ = found("gpt3", documents, items)
        assert spans["row"].to_pylist() == [1] and spans["words"].to_pylist() == [n]
        assert built.text_size[-1] == n
        assert len(cut("gpt3", documents, items)) == (n == 13)  # documents are cut for thirteen words all the same


def test_gpt3_cuts_documents_for_thirteen_words_whatever_the_items_beside_are():
    long, eight = text(words(0, 20)), text(words(300, 8))
    documents = [FILLER * 9 + text(words(0, 14)) + " " + FILLER * 9, FILLER * 9 + text(words(0, 9)) + " " + FILLER * 9]
    documents += [f"{FILLER}{number} {text(words(0, 9))}" for number in range(11)]  # nine words are common
    alone = cut("gpt3", documents, {"set:long": long})
    assert list(alone) == [0]
    short = {f"set:{number}": eight for number in range(9)}
    assert cut("gpt3", documents, {"set:long": long, **short}) == alone


# lm-eval: lm_eval/decontamination/janitor.py


def test_lm_eval_compares_as_its_janitor():
    item = "Don't stop: " + text(words(0, 12)) + "!"
    document = FILLER * 9 + "DONT stop" + " -- " + text(words(0, 12)) + " " + FILLER * 9
    assert list(cut("lm-eval", [document], {"set:1": item})) == [0]
    assert cut("lm-eval", [document.replace("w3", "W3")], {"set:1": item}) != {}
    assert cut("lm-eval", [document.replace("w3", "w3é")], {"set:1": item}) == {}


# the papers that measure


def test_gpt2_is_the_share_of_eight_grams_that_the_corpus_has():
    item = text(words(0, 17))  # ten grams
    documents = ["X. " + text(words(0, 9)).upper() + ".", text(words(5, 8)), text(words(9, 7))]
    assert verdict("gpt2", documents, {"set:1": item, "set:2": text(words(90, 9))}) == [(0.3, True), (0.0, False)]
    assert cut("gpt2", documents, {"set:1": item}) == {}


def test_gpt4_draws_three_substrings_of_fifty_characters():
    """We "randomly select three substrings of 50 characters (or use the entire example if it's less than 50
    characters)" ... "removing all spaces and symbols"."""
    item = "abcdefghij" * 4 + "KLMNOPQRSTUVWXYZ0123456789" * 2
    assert verdict("gpt4", ["x " + "-".join(item) + " x"], {"set:1": item}) == [(1.0, True)]
    assert verdict("gpt4", [item.lower()], {"set:1": item}) == [(0.0, False)]
    assert verdict("gpt4", ["So, how many? 71!"], {"set:1": "so how many", "set:2": "howmany71", "set:3": ""}) == [
        (0.0, False), (1.0, True), (0.0, False),
    ]  # fmt: skip
    rule, spans, built, _ = found("gpt4", [item[:60]], {f"set:{n}": item for n in range(200)})
    shares = rule.items(spans, built, 0.0).score  # 11 of 43 substrings: a draw hits with a probability of a quarter
    assert 0.15 < shares.mean() < 0.36
    assert built.grams.max() == 3 and built.grams.mean() > 2.8  # three, but for those that are drawn twice


def test_gpt4_takes_the_whole_example_and_not_its_answer_alone():
    items = {"set:1": ("How many are seven and four?", "11"), "set:2": ("7",), "set:3": ("a", "b", "c", "d")}
    documents = ["11 of them, 7 or so", "How many are seven and four?", "A 7 abcd"]
    rule, spans, built, _ = found("gpt4", documents, items)
    said = rule.items(spans, built, 0.0)
    assert said.dirty.tolist() == [False] * 3 and said.checked.tolist() == [True, False, False]
    assert verdict("gpt4", ["how many are -- no: How many are seven, and four? 11."], items)[0] == (1.0, True)


def test_palm_is_seventy_per_cent_of_eight_grams():
    item = text(words(0, 17))  # ten grams
    for seen, dirty in ((7, True), (6, False)):
        parts = [text(words(0, 7 + 3)), text(words(5, 7 + seen - 3 - 2 + 2 - 2))]
        documents = [text(words(0, 7 + 3)), text(words(3, 7 + seen - 3))]  # of different documents
        assert verdict("palm", documents, {"set:1": item}) == [(seen / 10, dirty)], parts
    assert cut("palm", [item], {"set:1": item}) == {}


def test_llama2_has_matches_of_more_than_ten_with_four_that_differ():
    item = text(words(0, 40))

    def with_others(*places):
        return " ".join(f"other{n}" if n in places else word for n, word in enumerate(words(0, 40)))

    cases = {
        (): 40, (20,): 40, (20, 21, 22, 23): 40, (20, 22, 24, 26): 40,
        (20, 22, 24, 26, 30): 30,  # the budget is spent
        (39,): 39,  # none at the end
        (5,): 34,  # none among the first
        (10,): 40, (9,): 30,
        (*range(10, 40),): 0,  # ten are no match
        (11,): 40,
        (36, 37, 38): 40,
    }  # fmt: skip
    for places, covered in cases.items():
        assert verdict("llama2", [with_others(*places)], {"set:1": item}) == [(covered / 40, covered >= 32)], places


def test_llama3_is_the_share_of_units_in_eight_grams():
    item = text(words(0, 20))
    documents = [text(words(0, 8), ["x"]), text(words(4, 8)), text(words(13, 7))]
    assert verdict("llama3", documents, {"set:1": item}) == [(0.6, True)]  # the first twelve
    assert verdict("llama3", documents[:1], {"set:1": item}) == [(0.4, False)]


def test_tulu3_is_more_than_half_of_the_prompt_in_one_document():
    """ "we considered an evaluation instance to be contaminated if over 50 % of its tokens match with one train
    instance"."""
    item = Item("set:1", (text(words(0, 20)), text(words(50, 20))), "set", "1", ("question", "answer"))
    ten, eleven = text(words(0, 10)), text(words(0, 11))
    rest = text(words(10, 10))
    answer = text(words(50, 20))
    assert verdict("tulu3", [ten + " x", rest + " y", answer], [item]) == [(0.5, False)]
    assert verdict("tulu3", [ten, eleven], [item]) == [(0.55, True)]
    assert cut("tulu3", [ten + " " + answer, eleven], [item]) == {1: None}


def test_longest_is_the_longest_passage_in_a_document():
    item = text(words(0, 20))
    assert verdict("longest", [text(words(0, 9), ["x"], words(9, 11)), text(words(5, 8))], {"set:1": item}) == [
        (0.55, True)
    ]
    assert verdict("longest", [text(words(0, 9), ["x"], words(10, 10))], {"set:1": item}) == [(0.5, True)]
    assert verdict("longest", [text(words(0, 9))], {"set:1": item}) == [(0.45, False)]
    assert verdict("longest", [text(words(0, 7))], {"set:1": item}) == [(0.0, False)]


CHOICES = ("a small one", "four old ships of wood", "none", "the others")


@pytest.mark.parametrize("name", ["longest", "llama3", "llama2", "tulu3"])
def test_an_item_of_choices_that_stands_whole_in_a_document_is_dirty_whole(name):
    """Choices of fewer words than are looked for are in no number; long ones are in both."""
    question, long = text(words(0, 12)), text(words(40, 14))
    item = Item("set:1", (question, *CHOICES, long), "set", "1", ("question", *["choices"] * 5))
    lines = "\n".join(f"{label}. {choice}" for label, choice in zip("ABCDE", item.texts[1:]))
    assert verdict(name, [f"{question}\n{lines}"], [item]) == [(1.0, True)]
    assert verdict(name, [question], [item]) == [(round(12 / 26, 4), False)]
    only = Item("set:1", CHOICES, "set")
    rule, spans, built, _ = found(name, ["x. ".join(CHOICES)], [only])
    assert rule.items(spans, built, rule.threshold).checked.tolist() == [False]


def test_longest_does_not_add_passages_of_different_documents():
    item = {"set:1": (text(words(0, 20)), text(words(40, 20)))}
    assert verdict("longest", [text(words(0, 20)), text(words(40, 20))], item) == [(0.5, True)]
    assert verdict("longest", [text(words(0, 12), ["x"], words(40, 9)), text(words(0, 15))], item) == [(0.525, True)]


def test_what_an_item_repeats_is_in_its_grams_wherever_it_stands():
    """Llama 3: the tokens of an example that are part of an 8-gram that the corpus has."""
    ten = words(0, 10)
    item = text(ten, words(50, 5), ten, words(60, 5))  # 30 units, of which the corpus has 20
    for name in ("llama3", "tulu3"):
        assert verdict(name, [text(ten)], {"set:1": item}) == [(round(2 / 3, 4), True)]
    eleven = words(0, 11)
    item = text(eleven, words(50, 4), eleven, words(60, 4))
    assert verdict("llama2", [text(eleven)], {"set:1": item}) == [(round(22 / 30, 4), False)]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.lists(st.sampled_from("ab"), max_size=25), min_size=1, max_size=3),
    st.lists(st.sampled_from("ab"), max_size=25),
    st.integers(1, 3),
    st.integers(1, 2),
)
def test_llama2_marks_every_unit_of_every_match(documents, item, gram, budget):
    """By brute force: every range of the item, at every place of every document."""
    matched = set()
    for document in documents:
        for first in range(len(item)):
            for place in range(len(document)):
                differ = 0
                for size, (one, other) in enumerate(zip(item[first:], document[place:]), 1):
                    differ += one != other
                    if differ > budget or (one != other and size <= gram):
                        break
                    if one == other and size > gram:
                        matched.update(range(first, first + size))
    _, spans, built, _ = found(
        "llama2", [text(each) for each in documents], {"set:1": text(item)}, ngram=gram, min_words=gram, skips=budget
    )
    longer = spans.filter(pa.array(spans["words"].to_numpy() > gram, pa.bool_()))
    assert rules.units_in_passages(longer, built).tolist() == [len(matched)]


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.lists(st.sampled_from("ab"), max_size=16), min_size=1, max_size=4),
    st.lists(st.lists(st.sampled_from("ab"), max_size=16), min_size=1, max_size=3),
)
def test_gopher_is_the_jaccard_similarity_of_grams(documents, items):
    """By hand; of 13-grams, and here of three units."""

    def grams(units):
        return {tuple(units[i : i + 3]) for i in range(len(units) - 2)}

    pairs = [[(grams(d), grams(i)) for d in documents] for i in items]
    expected = [max(len(a & b) / max(len(a | b), 1) for a, b in each) for each in pairs]
    named = {f"set:{number}": text(each) for number, each in enumerate(items)}
    said = verdict("gopher", [text(each) for each in documents], named, ngram=3, min_words=3)
    assert said == [(round(score, 4), score > 0.8) for score in expected]
    gone = {n for n in range(len(documents)) if any(len(each[n][0] & each[n][1]) > 0.8 * len(each[n][0] | each[n][1])
                                                    for each in pairs)}  # fmt: skip
    left = cut("gopher", [text(each) for each in documents], named, ngram=3, min_words=3)
    assert left == dict.fromkeys(sorted(gone))


def test_gopher_drops_a_page_that_is_an_item_with_a_word_changed_and_no_longer_one():
    """Rae et al. 2021: 13-gram Jaccard similarity of more than 0.8. 188 grams of 212 are the same."""
    item = text(words(0, 212))
    page = text(words(0, 201), ["x"], words(202, 10))
    assert verdict("gopher", [page], {"set:1": item}) == [(round(189 / (200 + 200 - 189), 4), True)]
    assert cut("gopher", [page, text(words(900, 60)) + " " + page], {"set:1": item}) == {0: None}


def test_substring_cuts_what_fifty_units_long_is_in_an_item_and_no_more():
    item = {"set:1": text(words(0, 60)), "set:2": text(words(10, 60)), "set:3": text(words(0, 49))}
    documents = [f"É. {text(words(0, 50))} ê", text(words(0, 49), ["x"], words(50, 10)), text(words(3, 67))]
    assert cut("substring", documents, item) == {0: "É.  ê", 2: None}
    assert [dirty for _, dirty in verdict("substring", documents, item)] == [True, True, False]
    _, spans, built, _ = found("substring", documents, item)
    assert rules.RULES["substring"].items(spans, built, 0.0).checked.tolist() == [True, True, False]


def test_datatrove_drops_documents_with_a_twelve_gram():
    item = text(words(0, 30))
    documents = [text(words(3, 12)), text(words(3, 11)), text(["x"], words(18, 12), ["y"])]
    assert cut("datatrove", documents, {"set:1": item}) == {0: None, 2: None}


QUOTATIONS = {
    "licence": "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and "
    "associated documentation files, to deal in the Software without restriction",
    "genesis": "In the beginning God created the heaven and the earth. And the earth was without form, and void; and "
    "darkness was upon the face of the deep.",
    "hamlet": "To be, or not to be, that is the question: Whether 'tis nobler in the mind to suffer the slings and "
    "arrows of outrageous fortune",
    "gettysburg": "Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived "
    "in Liberty, and dedicated to the proposition that all men are created equal.",
    "declaration": "All human beings are born free and equal in dignity and rights. They are endowed with reason and "
    "conscience and should act towards one another in a spirit of brotherhood.",
    "cookies": "By clicking Accept all you agree to the storing of cookies on your device to enhance site navigation, "
    "analyze site usage, and assist in our marketing efforts.",
    "template": "Choose the best answer to the following question from the four options that are given below and "
    "explain why the others are wrong in one sentence each",
}
"""What evaluation items quote, and many documents, too: no leaks."""


@pytest.mark.parametrize("name", sorted(rules.RULES))
def test_quotations_that_are_common_do_not_count_and_leaks_do(name):
    leak = text(words(0, 60))
    documents = [f"Page {number}. {quoted}" for quoted in QUOTATIONS.values() for number in range(12)]
    items = {f"set:{label}": quoted for label, quoted in QUOTATIONS.items()} | {"set:leak": leak}
    documents += [leak, "Again: " + leak]
    rule, spans, built, counts = found(name, documents, items)
    counting = rules.counted(spans, built, counts, 10)
    score = rule.items(counting, built, rule.threshold).score
    assert score[:-1].tolist() == [0.0] * len(QUOTATIONS) and score[-1] > 0.9
    touched = set(rule.documents(counting, built, rule.threshold).row.tolist())
    assert touched == (set() if rule.documents is rules.keep else {len(documents) - 2, len(documents) - 1})
    said = rule.items(spans, built, rule.threshold)  # without the limit all count that are long enough
    assert (said.score > 0).tolist() == said.checked.tolist() and said.checked.sum() == (
        1 if name == "substring" else 8
    )


def test_passages_are_counted_by_their_rarest_gram():
    long = text(words(0, 20))
    documents = [text(words(0, 13)), text(words(0, 13)), long]
    _, spans, _, _ = found("any", documents, {"set:1": long})
    assert spans["documents"].to_pylist() == [3, 3, 1]


def test_common_grams_do_not_count_in_a_passage_that_has_others():
    """ "We ignored 13-grams that matched more than 10 training documents": the grams, and not the passages."""
    quoted, own = words(0, 30), words(100, 20)
    item = text(quoted, own)
    documents = [f"{number} {text(quoted)}" for number in range(11)] + [FILLER * 9 + item + " é " + FILLER * 9]
    left = cut("gpt3", documents, {"set:1": item})
    start = documents[-1].index("w18 ")  # the first gram that is not in the quotation alone begins there
    assert left == {11: documents[-1][: start - 200] + documents[-1][documents[-1].index(" é ") + 200 :]}
    # of 38 grams 20 are left
    assert verdict("gpt3", documents, {"set:1": item}) == [(round(20 / 38, 4), True)]
    _, spans, built, counts = found("any", documents, {"set:1": item})
    (row,) = rules.counted(spans, built, counts, 10).to_pylist()
    assert (row["words"], row["first"], row["grams"], row["documents"]) == (32, 18, 20, 1)
    assert documents[-1].encode()[row["start"] : row["end"]].decode() == text(quoted[18:], own)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.lists(st.sampled_from("abé"), max_size=12).map(" ".join), min_size=1, max_size=6),
    st.lists(st.lists(st.sampled_from("abé"), max_size=12).map(" ".join), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(0, 2),
)
def test_without_common_grams_the_others_are_found_and_no_more(documents, items, size, most):
    """By hand: the grams of each document and item that at most `most` documents have."""
    items = {f"set:{number}": each for number, each in enumerate(items)}
    _, spans, built, counts = found("any", documents, items, ngram=size, min_words=size)
    left = rules.counted(spans, built, counts, most)

    def grams(each):
        units = each.split()
        return {tuple(units[i : i + size]) for i in range(len(units) - size + 1)}

    rare = {g for each in items.values() for g in grams(each) if sum(g in grams(d) for d in documents) <= most}
    expected = {
        (row, number): grams(document) & grams(each) & rare
        for row, document in enumerate(documents)
        for number, each in enumerate(items.values())
    }
    has = {}
    for row in left.to_pylist():
        data = documents[row["row"]].encode()
        passage = data[row["start"] : row["end"]].decode()
        assert grams(passage) <= rare and len(passage.split()) == row["words"]
        of_item = list(items.values())[row["item"]].split()
        assert of_item[row["first"] : row["first"] + row["words"]] == passage.split()
        assert row["grams"] == len(expected[row["row"], row["item"]])
        before = len(data[: row["start"]].decode())
        after = len(data[: row["end"]].decode())
        around = max(0, before - 200), min(len(documents[row["row"]]), after + 200)
        assert (row["cut_start_character"], row["cut_end_character"]) == around
        assert data[row["cut_start"] : row["cut_end"]].decode() == documents[row["row"]][slice(*around)]
        has.setdefault((row["row"], row["item"]), set()).update(grams(passage))
    assert has == {pair: each for pair, each in expected.items() if each}


def test_where_units_may_differ_a_common_quotation_does_not_count_and_what_is_own_does():
    quoted, own = words(0, 30), words(100, 20)
    documents = [f"{number} {text(quoted[:12], ['x'], quoted[13:])}" for number in range(11)]
    items = {"set:1": text(quoted, own)}
    rule, spans, built, counts = found("llama2", documents, items)
    assert rules.counted(spans, built, counts, 10).num_rows == 0
    documents.append(text(quoted[:12], ["x"], quoted[13:], own[:15], ["y"], own[16:]))
    rule, spans, built, counts = found("llama2", documents, items)
    left = rules.counted(spans, built, counts, 10).to_pylist()
    assert [(row["first"], row["words"], row["skipped"]) for row in left] == [(21, 29, 1)]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text("ab cdé\n.", max_size=1500), max_size=4),
    st.lists(st.text("ab cd", max_size=40), min_size=1, max_size=3),
    st.sampled_from(sorted(rules.RULES)),
)
def test_what_rules_do_is_within_the_text_and_between_characters(documents, items, name):
    items = {f"set:{number}": each for number, each in enumerate(items)}
    rule, spans, built, _ = found(name, documents, items, ngram=2, min_words=1)
    done = rule.documents(spans, built, rule.threshold)
    assert (np.diff(done.row) >= 0).all()
    for row, dropped, start, end in zip(*(column.tolist() for column in done[:4])):
        data = documents[row].encode()
        assert (start, end) == (-1, -1) if dropped else 0 <= start < end <= len(data)
        assert dropped or (data[:start].decode() + data[start:end].decode() + data[end:].decode()) == documents[row]
    said = rule.items(spans, built, rule.threshold)
    assert ((said.score >= 0) & (said.score <= 1)).all() and not said.dirty[built.grams == 0].any()
    touched = set(spans["item"].to_pylist())
    assert all(score == 0 for number, score in enumerate(said.score) if number not in touched)


@pytest.mark.parametrize("name", sorted(rules.RULES))
def test_without_spans_all_items_are_clean_and_all_documents_stay(name):
    for documents, items in (([], {"set:1": text(words(0, 60))}), (["a"], {}), (["", "a b"], {"set:1": ""})):
        assert not any(dirty for _, dirty in verdict(name, documents, items))
        assert cut(name, documents, items) == {}


# what others' code does, where it does what it says


@pytest.fixture(scope="module")
def golden():
    path = pathlib.Path(__file__).parents[2] / "oracles" / "contamination_golden.json"
    return json.loads(path.read_text())


def test_lm_eval_leaves_the_chunks_that_its_janitor_leaves(golden):
    """Its cutoff, which counts overlapping grams, is lifted there. Its windows begin and end at the punctuation of a
    word, and the last is a character longer; its chunks have more than 200 characters, here at least as many."""
    items = {f"set:{number}": item for number, item in enumerate(golden["items"])}
    left = cut("lm-eval", golden["documents"], items)
    touched = 0
    for row, (document, chunks) in enumerate(zip(golden["documents"], golden["janitor"])):
        if row not in left:
            assert chunks in ([document], [document[1:]]) or len(document) <= 200
            continue
        touched += 1
        kept, at = left[row] or "", 0
        for chunk in chunks:
            place = kept.find(chunk[2:-2], at)
            assert at <= place <= at + 3, row
            at = place + len(chunk) - 2
        assert len(kept) - at <= 203  # a piece of just 200
    assert touched > 20


def test_datatrove_drops_what_its_filter_drops(golden):
    items = {f"set:{number}": item for number, item in enumerate(golden["items"])}
    left = cut("datatrove", golden["documents"], items)
    assert [row not in left for row in range(len(golden["documents"]))] == golden["datatrove"]
    assert 10 < len(left) < 50


# recall


SENTENCES = {
    "english": "Janet has sixteen ducks that lay eggs every day, and she eats three of them for breakfast each morning "
    "before she sells what is left at the market for two dollars an egg.",
    "hindi": "जेनेट के पास सोलह बतख़ें हैं जो हर दिन अंडे देती हैं, और वह हर सुबह नाश्ते में तीन अंडे खाती है और बाकी बचे "
    "हुए अंडे बाज़ार में दो रुपये प्रति अंडे के भाव से बेच देती है।",
    "arabic": "لدى جانيت ست عشرة بطة تضع البيض كل يوم، وهي تأكل ثلاث بيضات في الفطور كل صباح ثم تبيع ما "
    "تبقى من البيض في سوق المزارعين كل يوم مقابل دولارين للبيضة الواحدة الطازجة.",
    "chinese": "珍妮特的鸭子每天下十六个蛋,她每天早上吃三个当早餐,每天用四个给朋友们烤松饼,"
    "剩下的蛋她每天拿到农贸市场去卖,每个新鲜鸭蛋卖两美元。",
    "code": "def has_close_elements(numbers, threshold): for idx, elem in enumerate(numbers): for idx2, elem2 in "
    "enumerate(numbers): if idx != idx2: distance = abs(elem - elem2); if distance < threshold: return True",
}
"""Items as those of GSM8K and HumanEval."""


def planted(sentence, kind):
    units = [(start, end) for _, start, end in split(sentence)]
    data = sentence.encode()
    chinese = len(sentence.split()) == 1
    if kind == "verbatim":
        return sentence
    if kind == "case":
        return sentence.upper()
    if kind == "wrapped":
        return "\n".join(sentence) if chinese else sentence.replace(" ", "\n  ")
    if kind == "no punctuation":
        return (b"" if chinese else b" ").join(data[start:end] for start, end in units).decode()
    if kind == "changed":  # one unit in twenty
        for start, end in reversed(units[10::20]):
            data = data[:start] + "無".encode() * chinese + b"other" * (not chinese) + data[end:]
        return data.decode()
    if kind == "half":
        return data[: units[len(units) // 2][1]].decode()
    if kind == "with answer":
        return sentence + " The answer is 18 (eighteen)."
    eight = 8 * (2 if chinese else 1)
    return data[units[4][0] : units[4 + eight - 1][1]].decode()  # a fragment of eight words


FOUND_BY_13 = {
    "english": "verbatim case wrapped no_punctuation changed half with_answer",
    "hindi": "verbatim case wrapped no_punctuation changed half with_answer",
    "arabic": "verbatim case wrapped no_punctuation changed half with_answer",
    "chinese": "verbatim case wrapped no_punctuation half with_answer",  # 19 characters are left between changes, of 26
    "code": "verbatim case wrapped no_punctuation changed half with_answer",
}
KINDS = ("verbatim", "case", "wrapped", "no punctuation", "changed", "half", "with answer", "fragment")


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_planted_items_are_found_by_kind(language):
    sentence = SENTENCES[language]
    documents = [FILLER * 3 + planted(sentence, kind) + ". " + FILLER * 3 for kind in KINDS]
    for name, expected in (("any", FOUND_BY_13[language].split()), ("longest", [k.replace(" ", "_") for k in KINDS])):
        _, spans, _, _ = found(name, [*documents, FILLER * 6], {"set:1": sentence})
        seen = {KINDS[row].replace(" ", "_") for row in spans["row"].to_pylist()}
        assert seen == set(expected), name
