"""Runs of the step: the table of passages, ids of clean and dirty items, the report, explain, scores of samples."""

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from corpus.contamination import saved
from corpus.contamination.items import doc_hash, load_items
from pipelines import cli
from pipelines import recipe as recipes
from pipelines.contamination import scores
from pipelines.inspection import explain
from pipelines.run import run
from tokenizer_training import train_tokenizer

MOON = "What is the name of the largest moon of the planet Saturn, and who was it that first saw it?"
SHIP = "Which of the ships of the expedition came back to the harbour after the long winter of that year?"
CHINESE = "土星最大的卫星叫什么名字它是由哪一位天文学家在哪一年首先发现的请选择正确的答案"
FILLER = "Nothing of this is in any test, and so it goes on for a good while longer. "
RECORDS = [
    {"id": "moon", "question": MOON, "answer": "Titan", "n": 1},
    {"id": "ship", "question": SHIP, "answer": "None"},
    {"id": "zh", "question": CHINESE, "answer": "土卫六"},
    {"id": "tiny", "question": "Why?", "answer": "So."},
    {"id": "none", "question": "", "answer": ""},
]
DOCUMENTS = [
    {"id": "clean", "text": FILLER * 5, "source": "a", "url": "https://a.example/1"},
    {"id": "leak", "text": FILLER * 9 + MOON.upper().replace(",", " -") + " " + FILLER * 9, "source": "b",
     "url": "https://b.example/2"},
    {"id": "zh", "text": f"English words around it: {CHINESE}。" + FILLER, "source": "b", "url": None},
    {"id": "half", "text": "They asked: " + SHIP[:60] + "?", "source": "c", "url": None},
]  # fmt: skip


def write(path, records):
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return str(path)


def ran(folder, out, **step):
    documents = write(folder / "documents.jsonl", DOCUMENTS)
    step = {"against": [write(folder / "quiz.jsonl", RECORDS)], "fields": ["question", "answer"], **step}
    return run(recipes.parse({"input": [documents], "steps": [{"decontaminate": step}]}), str(folder / out))


def ids(path):
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contamination")
    return folder, ran(folder, "out", measure=["longest", "palm", "tulu3"])


def test_the_table_has_every_passage_with_both_places(done):
    folder, _ = done
    rows = pq.read_table(folder / "out" / "contamination" / "spans").to_pylist()
    texts = {row["id"]: row["text"] for row in DOCUMENTS}
    questions = {f"quiz.jsonl:{row['id']}": row["question"] for row in RECORDS}
    assert {(row["id"], row["item"], row["scan"]) for row in rows} == {
        ("leak", "quiz.jsonl:moon", "simple-13"), ("zh", "quiz.jsonl:zh", "simple-13"),
        ("leak", "quiz.jsonl:moon", "simple-8"), ("zh", "quiz.jsonl:zh", "simple-8"),
        ("half", "quiz.jsonl:ship", "simple-8"),
    }  # fmt: skip
    for row in rows:
        passage = texts[row["id"]].encode()[row["start"] : row["end"]].decode()
        of_item = questions[row["item"]].encode()[row["item_start"] : row["item_end"]].decode()
        assert passage.lower().replace(" -", ",") == of_item.lower() and row["passage"] == passage
        assert row["set"] == "quiz" and row["field"] == "question" and row["documents"] == 1
        assert row["longest"] == row["words"] and 0 < row["share_of_item"] <= 1


def test_items_are_clean_dirty_or_unchecked(done):
    folder, result = done
    found = folder / "out" / "contamination" / "quiz"
    assert ids(found / "dirty_ids.jsonl") == ["moon", "ship", "zh"]
    assert ids(found / "clean_ids.jsonl") == [] and ids(found / "unchecked_ids.jsonl") == ["tiny", "none"]
    line = json.loads((found / "dirty_ids.jsonl").read_text().splitlines()[1])
    assert line["doc_hash"] == doc_hash(RECORDS[1]) and line["rules"]["palm"]["dirty"] is False
    figures = result.figures["decontaminate"]
    assert figures["items_among_themselves"] == {
        "empty": 1, "too_short_to_check": 1, "identical_in_another_set": 0, "contained_in_another": 0
    }  # fmt: skip
    longest = figures["sets"]["quiz"]["rules"]["longest"]
    assert (longest["clean"], longest["dirty"], longest["unchecked"]) == (0, 3, 2) and sum(longest["scores"]) == 3
    worst = longest["worst"][0]
    assert (worst["document"], worst["url"]) in {("leak", "https://b.example/2"), ("zh", None)}
    assert figures["sources"] == {"dropped": {"b": 2}}
    assert len(figures["sets"]["quiz"]["version"]) == 12
    page = (folder / "out" / "report.html").read_text()
    assert "THE NAME OF THE LARGEST MOON" in page and "dirty share" in page


def test_explain_names_every_item_and_place(done):
    folder, _ = done
    said = "\n".join(line.plain for line in explain.explain(str(folder / "out"), "half", 20))
    assert "1 passages of 1 evaluation items" in said and "quiz.jsonl:ship question" in said and "kept" in said
    leak = "\n".join(line.plain for line in explain.explain(str(folder / "out"), "leak", 20))
    assert "leak: decontaminate: any: the evaluation item is quiz.jsonl:moon" in leak
    assert "dropped by decontaminate" in "\n".join(t.plain for t in explain.explain(str(folder / "out"), "leak", 20))


def test_report_only_leaves_documents_alone_and_says_the_same(done, tmp_path):
    folder, result = done
    other = ran(tmp_path, "out", measure=["longest", "palm", "tulu3"], report_only=True)
    assert other.report["documents"]["kept"] == 4
    for part in ("clean", "dirty", "unchecked"):
        name = f"contamination/quiz/{part}_ids.jsonl"
        assert (tmp_path / "out" / name).read_text() == (folder / "out" / name).read_text()
    assert other.figures["decontaminate"]["sets"] == result.figures["decontaminate"]["sets"]


def test_tokens_of_a_tokenizer_are_units(tmp_path):
    with pytest.warns(UserWarning, match="the vocabulary has"):
        train_tokenizer([FILLER, CHINESE], str(tmp_path / "tokenizer"), family="bpe", vocab_size=300)
    result = ran(tmp_path, "out", tokenizer=str(tmp_path / "tokenizer"), measure=["palm"])
    assert result.figures["decontaminate"]["evaluation_files"] == 1
    texts = {row["id"]: row["text"].encode() for row in DOCUMENTS}
    questions = {f"quiz.jsonl:{row['id']}": row["question"].encode() for row in RECORDS}
    rows = pq.read_table(tmp_path / "out" / "contamination" / "spans").to_pylist()
    assert {(row["id"], row["scan"]) for row in rows} == {
        ("zh", "tokens-13"), ("half", "tokens-13"), ("zh", "tokens-8"), ("half", "tokens-8")
    }  # fmt: skip
    for row in rows:  # "leak" has the question in capitals
        passage = texts[row["id"]][row["start"] : row["end"]]
        assert passage == questions[row["item"]][row["item_start"] : row["item_end"]] == row["passage"].encode()
    assert ids(tmp_path / "out" / "contamination" / "quiz" / "dirty_ids.jsonl") == ["zh"]


def test_gpt3_cuts_what_any_drops(tmp_path):
    ran(tmp_path, "out", rule="gpt3")
    kept = {row["id"]: row["text"] for row in pq.read_table(tmp_path / "out" / "documents").to_pylist()}
    before = DOCUMENTS[1]["text"]
    place = before.index("WHAT")
    end = place + len(MOON.replace(",", " -"))
    assert kept["leak"] == before[: place - 200] + before[end - 1 + 200 :]  # the passage ends before the question mark
    assert set(kept) == {"clean", "leak", "half"}  # of "zh" nothing is left but pieces of fewer than 200 characters


def test_common_passages_do_not_count_where_asked(tmp_path):
    many = [{"id": str(n), "text": f"{n} {MOON}"} for n in range(4)]
    documents = write(tmp_path / "documents.jsonl", many)
    step = {"against": [write(tmp_path / "quiz.jsonl", RECORDS)], "fields": ["auto"]}
    for limit, kept in ((None, 0), (4, 0), (3, 4)):
        asked = {**step, "max_documents": limit}
        recipe = recipes.parse({"input": [documents], "steps": [{"decontaminate": asked}], "task_bytes": 40})
        assert run(recipe, str(tmp_path / f"out{limit}")).report["documents"]["kept"] == kept


def test_samples_are_scored_on_all_clean_and_dirty_items(done, tmp_path):
    folder, _ = done
    more = [{"id": f"c{n}", "question": f"{SHIP} {n}"} for n in range(2)]
    samples = [
        {
            "doc_id": n,
            "doc": record,
            "doc_hash": doc_hash(record),
            "metrics": ["acc"],
            "acc": float(n % 2),
            "target": "x",
        }
        for n, record in enumerate([*RECORDS, *more])
    ]
    path = write(tmp_path / "samples_quiz_2024-05-01T10-00-00.123.jsonl", samples)
    found = scores.score(str(folder / "out"), [path])["none"]["acc"]
    counts = {group: each.samples for group, each in found.items()}
    assert counts == {"all": 7, "clean": 0, "dirty": 3, "unchecked": 2, "unknown": 2}
    assert found["dirty"].mean == pytest.approx(1 / 3) and found["all"].mean == pytest.approx(3 / 7)
    by_palm = scores.score(str(folder / "out"), [path], "palm")["none"]["acc"]
    assert (by_palm["clean"].samples, by_palm["dirty"].samples) == (1, 2)
    with pytest.raises(scores.ScoresRefused, match="not measured by gpt4, but by longest"):
        scores.score(str(folder / "out"), [path], "gpt4")
    with pytest.raises(scores.ScoresRefused, match="none of 2 samples"):
        scores.score(str(folder / "out"), [write(tmp_path / "more.jsonl", samples[5:])])
    shown = CliRunner().invoke(cli.app, ["contamination", "score", str(folder / "out"), "--samples", path])
    assert shown.exit_code == 0 and "dirty             3 samples  0.3333 [" in shown.output
    assert load_items(path, ("question",))[0].set == "quiz"
    assert scores.score(str(folder / "out"), [str(tmp_path / "samples_*.jsonl"), path])["none"]["acc"] == found
    again = write(tmp_path / "samples_quiz_2024-05-02T10-00-00.123.jsonl", samples[:1])
    with pytest.raises(scores.ScoresRefused, match=r"02T.*:1 and .*01T.*:1 are samples of one item"):
        scores.score(str(folder / "out"), [path, again])


@pytest.mark.parametrize("value, shown", [("0.5", "'0.5'"), (10**400, "1000"), (float("nan"), "nan"), (None, "None")])
def test_metrics_that_are_no_numbers_are_refused(done, tmp_path, value, shown):
    sample = {"doc_id": 0, "doc": RECORDS[0], "doc_hash": doc_hash(RECORDS[0]), "metrics": ["acc"], "acc": value}
    path = write(tmp_path / "samples_quiz.jsonl", [sample])
    with pytest.raises(scores.ScoresRefused, match=r"samples_quiz.jsonl:1: the metric acc is no number but ") as error:
        scores.score(str(done[0] / "out"), [path])
    assert shown in str(error.value)
    path = write(tmp_path / "samples_quiz.jsonl", [{**sample, "metrics": ["acc", "f1"], "acc": True, "f1": [1, 0]}])
    with pytest.warns(UserWarning, match="the metric f1 has lists for samples, and is left out"):
        assert set(scores.score(str(done[0] / "out"), [path])["none"]) == {"acc"}
    path = write(tmp_path / "samples_quiz.jsonl", [{**sample, "metrics": None, "acc": "text"}])
    with pytest.raises(scores.ScoresRefused, match="no metric that is a number"):
        scores.score(str(done[0] / "out"), [path])


def test_intervals_are_those_of_wilson():
    """Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20."""
    for hits, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        found = scores.interval([1.0] * hits + [0.0] * (count - hits))
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_items_are_saved_and_used_again(tmp_path):
    quiz, path = write(tmp_path / "quiz.jsonl", RECORDS), str(tmp_path / "quiz.items.arrow")
    shown = CliRunner().invoke(cli.app, ["contamination", "save", quiz, "--fields", "auto", "--to", path])
    assert shown.exit_code == 0 and "5 items of quiz@" in shown.output
    assert saved.load(path) == load_items(quiz, ("auto",))
    result = ran(tmp_path, "out", against=[path], fields=["text"])
    assert result.report["documents"]["kept"] == 2
    with pytest.raises(ValueError, match="has the fields auto, not question"):
        saved.load(path, ("question",))
    two = str(tmp_path / "two.items.arrow")
    saved.save(load_items(quiz, ("question", "answer")), ("question", "answer"), two)
    assert len(saved.load(two, ("answer", "question"))) == 5
    with pytest.raises(ValueError, match="the set quiz is in .*two.items.arrow and in .*quiz.items.arrow: leave one"):
        ran(tmp_path, "both", against=[path, two], fields=["text"])
    (tmp_path / "renamed.arrow").write_bytes((tmp_path / "quiz.items.arrow").read_bytes())
    with pytest.raises(ValueError, match=r"renamed.arrow: it holds items that .* has kept: let its name end .items"):
        load_items(str(tmp_path / "renamed.arrow"))
    (tmp_path / "other.items.arrow").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"other.items.arrow"):
        saved.load(str(tmp_path / "other.items.arrow"))
