"""Near-duplicates of tables in memory against the greedy rule over all pairs, and against the step of a run."""

import dataclasses
import functools
import pickle
import random
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_step import decide, document
from shingle_oracle import jaccard

from corpus.dedup import near, normalisations, presets, schemes
from corpus.dedup.near import Near, near_duplicates
from corpus.options import OptionError
from pipelines.recipe import RecipeError

WORDS = ["one", "two", "three", "four", "five", "six"]
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), max_size=12)
SURE = {"ngram": 2, "recall": 0.999999, "threshold": 0.5}
"""So that practically every pair at the threshold is found."""


def leaders(texts, threshold, ngram):
    """(row, by, similarity) of the greedy rule: all pairs compared, in order."""
    kept, found = [], []
    for row, text in enumerate(texts):
        close = [(-jaccard(texts[each], text, ngram), each) for each in kept]
        close = [pair for pair in close if -pair[0] >= threshold]
        if close:
            found.append((row, min(close)[1], -min(close)[0]))
        else:
            kept.append(row)
    return found


def rows_of(table):
    return [tuple(row.values()) for row in table.to_pylist()]


@settings(deadline=None)
@given(texts)
def test_one_table_equals_the_greedy_rule(texts):
    assert rows_of(near_duplicates(texts, **SURE)) == leaders(texts, 0.5, 2)


def best(rows, keep):
    """Places of documents in the order in which they are to stay."""

    def key(place):
        row = rows[place]
        return {
            "longest": -len(row["text"].encode()),
            "newest": [-int(digit) for digit in "".join(filter(str.isdigit, row["date"] or "")).ljust(14, "0")],
            "highest": -(float("-inf") if row["score"] is None else row["score"]),
            "lowest": float("inf") if row["score"] is None else row["score"],
        }[keep]  # fmt: skip

    return sorted(range(len(rows)), key=key)


document_rows = st.lists(
    st.fixed_dictionaries({
        "text": st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join),
        "date": st.sampled_from([None, "", "2023", "2024-01-31", "2024-01-31T10:20:30Z", "2024-02"]),
        "score": st.sampled_from([None, -1.0, 0.0, 2.5]),
    }), min_size=1, max_size=60,
)  # fmt: skip
SCHEMA = pa.schema([("text", pa.string()), ("date", pa.string()), ("score", pa.float64())])


@settings(deadline=None)
@given(document_rows, st.sampled_from(["longest", "newest", "highest", "lowest"]))
def test_the_best_stays(rows, keep):
    """The same as the greedy rule in another order; up to 60 documents of six words crowd buckets, too."""
    order = best(rows, keep)
    expected = leaders([rows[place]["text"] for place in order], 0.5, 2)
    expected = sorted((order[row], order[by], similarity) for row, by, similarity in expected)
    score = {"score": "score"} if keep in ("highest", "lowest") else {}
    found = near_duplicates(pa.Table.from_pylist(rows, schema=SCHEMA), **SURE, keep=keep, **score)
    assert rows_of(found) == expected


@settings(deadline=None, max_examples=25)
@given(document_rows, st.sampled_from(["longest", "newest"]), st.sampled_from(["leader", "components"]))
def test_a_run_keeps_the_best_too(rows, keep, mode):
    options = {**SURE, "keep": keep, "mode": mode}
    documents = [document(str(i), row["text"], date=row["date"]) for i, row in enumerate(rows)]
    parts = [part for part in (documents[::2], documents[1::2]) if part]
    together = [row for part in parts for row in part]
    found = near_duplicates(pa.Table.from_pylist(together), **options)
    names = [row["id"] for row in together]
    decisions = decide({"near_dedup": options}, parts)
    assert [(d.id, d.by) for d in decisions] == [(names[r["row"]], names[r["by"]]) for r in found.to_pylist()]


def test_a_run_keeps_the_highest_score():
    texts = [" ".join(WORDS * 5 + ["more"] * more) for more in (0, 3, 1, 2)] + ["something else"]
    options = {"threshold": 0.5, "keep": "highest", "score": "gopher_quality.words"}
    documents = [document(str(i), text) for i, text in enumerate(texts)]
    decisions = decide({"near_dedup": options}, [documents], before=[{"gopher_quality": {"mode": "tag"}}])
    assert [(d.id, d.by) for d in decisions] == [("0", "1"), ("2", "1"), ("3", "1")]
    wrong = {"near_dedup": {**options, "score": "gopher_quality.wrods"}}
    with pytest.raises(RecipeError, match="did you mean 'gopher_quality.words'"):
        decide(wrong, [documents], before=[{"gopher_quality": {"mode": "tag"}}])


@settings(deadline=None)
@given(texts, texts)
def test_two_tables_name_the_most_similar_of_the_other(texts, against):
    expected = []
    for row, text in enumerate(texts):
        pairs = [(-jaccard(other, text, 2), by) for by, other in enumerate(against)]
        if pairs and -min(pairs)[0] >= 0.5:
            expected.append((row, min(pairs)[1], -min(pairs)[0]))
    assert rows_of(near_duplicates(texts, against, **SURE)) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "leader"},
        {"mode": "components"},
        {"unit": "characters", "scheme": "affine64"},
        {"preset": "slimpajama", "seed": 3},
        {"normalisation": "text_dedup", "scheme": "legacy", "hash": "xxhash", "bands": 64, "rows": 4},
        {"verification": "none", "mode": "components", "bands": 64, "rows": 4},
        {"verification": "edit", "edit_threshold": 0.7},
        {"preset": "lee2021", "threshold": 0.5, "bands": 900, "rows": 10},
    ],
)
def test_a_table_in_chunks_gives_what_the_step_of_a_run_decides(options):
    texts = [" ".join(WORDS[i % 6] + str(j // (1 + i % 4)) for j in range(30)) for i in range(20)]
    options = {"threshold": 0.6, **options}
    found = near_duplicates(pa.chunked_array([texts[:7], texts[7:]]), **options)
    step = {"near_dedup": options}
    decisions = decide(step, [[document(str(i), text) for i, text in enumerate(texts)]])
    assert [(int(d.id), int(d.by)) for d in decisions] == [(row["row"], row["by"]) for row in found.to_pylist()]
    assert len(found) > 5


PAGE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
    "何でも薄暗いじめじめした所で泣いていた事だけは記憶している。"
)


def test_texts_without_spaces_and_forms_of_letters():
    other = PAGE.replace("無い", "ない").replace("。", "。\n")
    assert [row[:2] for row in rows_of(near_duplicates([PAGE, other]))] == [(1, 0)]
    assert rows_of(near_duplicates([PAGE, other], unit="words")) == []
    hindi = "यह एक बहुत पुरानी कहानी है जो क़िले के पास बड़े गाँव में सुनी जाती थी"
    forms = [unicodedata.normalize(form, text) for text in (PAGE, hindi, "Ünïcödé façade") for form in ("NFC", "NFD")]
    assert rows_of(near_duplicates(forms)) == [(1, 0, 1.0), (3, 2, 1.0), (5, 4, 1.0)]


@pytest.mark.parametrize("unit", ["auto", "words", "characters"])
def test_no_words_or_few_are_no_duplicates_by_accident(unit):
    texts = ["。。。", "、", "\u0301\u3099", "猫", "犬", "猫である", "a", "a b", "𠀀"]
    assert rows_of(near_duplicates(texts, unit=unit, threshold=0.1)) == []
    assert rows_of(near_duplicates(["猫。", "、猫", "𠀀", "𠀀!"], unit=unit)) == [(1, 0, 1.0), (3, 2, 1.0)]


@pytest.mark.parametrize("scheme", list(schemes.SCHEMES))
@pytest.mark.parametrize("hash", ["auto", "sha1", "xxhash"])
def test_every_scheme_finds_what_the_greedy_rule_does(scheme, hash):
    texts = [" ".join(WORDS[i * j % 6] for j in range(3 + i % 8)) for i in range(40)]
    found = near_duplicates(texts, **SURE, scheme=scheme, hash=hash, seed=7)
    assert rows_of(found) == leaders(texts, 0.5, 2) != []


EVERY_KEY = {"bands": 256, "rows": 1}
"""So that every pair with a shingle in common is compared, practically."""


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(WORDS[:3]), max_size=6).map(" ".join), max_size=9), st.sampled_from([0.4, 0.75])
)
def test_edit_similarity_beside_jaccard(texts, least):
    """Levenshtein's distance by its definition, over words; the components by brute force."""

    @functools.cache
    def distance(one, other):
        if not one or not other:
            return len(one) + len(other)
        (a, *one_rest), (b, *other_rest) = one, other
        one_rest, other_rest = tuple(one_rest), tuple(other_rest)
        changed = distance(one_rest, other_rest) + (a != b)
        return min(changed, distance(one_rest, other) + 1, distance(one, other_rest) + 1)

    def similar(i, j):
        one, other = tuple(texts[i].split()), tuple(texts[j].split())
        edit = 1 - distance(one, other) / max(len(one), len(other), 1)
        return jaccard(texts[i], texts[j], 2) >= 0.5 and edit >= least - 1e-9

    group = list(range(len(texts)))
    for j in range(len(texts)):
        for i in range(j):
            if similar(i, j):
                group = [min(group[i], group[j]) if each in (group[i], group[j]) else each for each in group]
    settings = {"threshold": 0.5, "ngram": 2, "verification": "edit", "edit_threshold": least, **EVERY_KEY}
    found = near_duplicates(texts, mode="components", **settings)
    assert [row[:2] for row in rows_of(found)] == [(i, each) for i, each in enumerate(group) if each != i]


def test_what_is_in_another_order_is_no_duplicate_by_edits():
    one, other = " ".join(map(str, range(40))), " ".join(map(str, [*range(20, 40), *range(20)]))
    pages = [PAGE, PAGE.replace("猫", "犬"), "".join(PAGE.partition("。")[::-1])]
    assert [row[:2] for row in rows_of(near_duplicates([one, other]))] == [(1, 0)]
    assert rows_of(near_duplicates([one, other], verification="edit")) == []
    assert [row[:2] for row in rows_of(near_duplicates(pages, threshold=0.7))] == [(1, 0), (2, 0)]
    assert [row[:2] for row in rows_of(near_duplicates(pages, threshold=0.7, verification="edit"))] == [(1, 0)]


@settings(deadline=None)
@given(texts)
def test_unverified_components_are_those_of_buckets(texts):
    """Whoever is connected by buckets, however large they are, and whatever the similarity."""
    settings = {"threshold": 0.9, "ngram": 2, "bands": 4, "rows": 1, "permutations": 4}
    found = near_duplicates(texts * 5, mode="components", verification="none", **settings)
    signed = Near(mode="components", verification="none", **settings).sign(pa.array(texts * 5, pa.string()))
    group, buckets = {i: {i} for i in range(len(texts) * 5)}, {}
    for i, keys in zip(signed.filled.tolist(), signed.keys.tolist()):
        for key in keys:
            buckets.setdefault(key, i)
            joined = group[i] | group[buckets[key]]
            group.update(dict.fromkeys(joined, joined))
    expected = [(i, min(members)) for i, members in group.items() if min(members) != i]
    assert [row[:2] for row in rows_of(found)] == expected
    assert found["similarity"].is_null(nan_is_null=True).to_pylist() == [True] * len(found)


def test_bands_as_given():
    fineweb = Near(permutations=112, bands=14, rows=8, scheme="datatrove")
    assert fineweb.banding() == (14, 8)
    assert fineweb.sign(pa.array(["a b", ""])).keys.shape == (1, 15)  # one of the whole signature
    assert Near(bands=1, rows=256).banding() == (1, 256)
    texts = ["a b c d e f g", "a b c d e f g", "a b c d e f h"]
    assert rows_of(near_duplicates(texts, threshold=0.3, bands=1, rows=256)) == [(1, 0, 1.0)]
    assert rows_of(near_duplicates(texts, threshold=0.3, bands=256, rows=1)) == [(1, 0, 1.0), (2, 0, 0.5)]


@pytest.mark.parametrize("name", list(presets.PRESETS))
def test_presets(name):
    found = Near(preset=name)
    assert {option: getattr(found, option) for option in presets.PRESETS[name]} == presets.PRESETS[name]
    assert Near(**dataclasses.asdict(found)) == found == dataclasses.replace(found) == pickle.loads(pickle.dumps(found))
    assert vars(pickle.loads(pickle.dumps(found))) == vars(found)
    assert Near(preset=name, threshold=0.9, seed=3) == dataclasses.replace(found, threshold=0.9, seed=3)
    own = [[word + "".join(chr(97 + int(digit)) for digit in str(i)) for i in range(200)] for word in WORDS]
    texts = [" ".join(words) for words in own]
    texts += [texts[0] + " end", "", " ".join([*own[1][:80], "other", *own[1][81:]]), ""]
    assert [row[:2] for row in rows_of(near_duplicates(texts, preset=name))] == [(6, 0), (8, 1)]


def test_what_is_given_is_no_presets():
    assert (
        Near(preset="fineweb", threshold=0.8, verification="jaccard", mode="leader").threshold
        == 0.8
        == Near(preset="gopher").threshold
    )
    assert Near(0.8, preset="fineweb").threshold == 0.8 and Near(preset="fineweb").threshold == 0.75
    assert Near(preset="gopher").banding() == Near().banding()


@pytest.mark.parametrize("name", list(normalisations.NORMALISATIONS))
def test_published_normalisations_find_what_is_the_same_to_them(name):
    texts = [" ".join(f"{word} {word}{i}" for i in range(40)) for word in WORDS]
    found = near_duplicates([*texts, *("  " + text + "\t" for text in texts), "a", "", "..."], normalisation=name)
    same = [] if name == "characters" else [(row + 6, row) for row in range(6)]
    assert [row[:2] for row in rows_of(found)][:6] == (same or [row[:2] for row in rows_of(found)])
    assert all(row[0] < 12 for row in rows_of(found))


def test_what_is_comparable_has_the_same_definition():
    same = [Near(), Near(mode="components"), Near(hash="sha1"), Near(bands=32, rows=8, threshold=0.5)]
    assert {near.definition for near in same} == {Near().definition}
    others = [{"unit": "words"}, {"ngram": 6}, {"scheme": "legacy"}, {"hash": "xxhash"}, {"seed": 2}]
    others += [{"normalisation": name} for name in normalisations.NORMALISATIONS]
    others += [{"permutations": 257, "bands": 32, "rows": 8}, {"bands": 31, "rows": 8}, {"threshold": 0.5}]
    assert len({Near(**settings).definition for settings in [{}, *others]}) == len(others) + 1


def test_degenerate_tables():
    assert near_duplicates([]).schema == near.FOUND_SCHEMA and len(near_duplicates([])) == 0
    assert rows_of(near_duplicates(["", "", "...", "a", "a"])) == [(4, 3, 1.0)]  # texts without words are like none
    assert rows_of(near_duplicates(["a", "b"], against=[])) == []
    assert rows_of(near_duplicates(["a", "b", "a"], against=["b", "b", "a"])) == [(0, 2, 1.0), (1, 0, 1.0), (2, 2, 1.0)]


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"treshold": 0.5}, "did you mean 'threshold'"),
        ({"mode": "leeder"}, "did you mean 'leader'"),
        ({"threshold": 2}, "less than"),
        ({"bands": 3}, "together or not at all"),
        ({"rows": 3}, "together or not at all"),
        ({"bands": 32, "rows": 9}, "need 288 permutations"),
        ({"bands": 0, "rows": 9}, "greater than or equal to 1"),
        ({"normalisation": "datatrove", "unit": "characters"}, "has its own unit"),
        ({"normalisation": "data_trove"}, "did you mean 'datatrove'"),
        ({"preset": "finewebs"}, "did you mean 'fineweb'"),
        ({"preset": ["fineweb"]}, "preset"),
        ({"preset": "fineweb", "permutations": 100}, "need 112 permutations"),
        ({"unit": "word"}, "did you mean 'words'"),
        ({"scheme": "affine16"}, "did you mean 'affine"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(OptionError, match=words):
        near_duplicates(["a"], **settings)


def test_a_preset_that_most_options_contradict_is_refused():
    """As of a recipe that spells out another one's settings; what is the same, or a few others, is taken."""
    spelled = dataclasses.asdict(Near(preset="fineweb"))
    assert Near(**spelled | {"threshold": 0.9}) == Near(preset="fineweb", threshold=0.9)
    for options in (spelled | {"preset": "bigcode"}, dataclasses.asdict(Near()) | {"preset": "gopher"}):
        with pytest.raises(
            OptionError, match="most of preset '(bigcode|gopher)' is given otherwise: .*leave these out"
        ):
            Near(**options)


@pytest.mark.parametrize("options", [{"mode": "components"}, {"verification": "edit"}])
def test_equal_documents_meet_in_the_most_crowded_bucket(options):
    """Versions of one page, none of which is like another one's first 32, and copies of the whole."""
    choose = random.Random(5)
    parts = [" ".join(f"p{i}w{j}" for j in range(12)) for i in range(30)]
    versions = ["\n".join(parts[i] for i in sorted(choose.sample(range(30), 15))) for _ in range(300)]
    texts = [*versions, *["\n".join(parts)] * 3]
    found = rows_of(near_duplicates(texts, threshold=0.9, bands=256, rows=1, **options))
    assert [row for row in found if row[0] >= 300] == [(301, 300, 1.0), (302, 300, 1.0)]
