"""How much of a corpus is duplicated: figures against brute force over all windows."""

import json

import pytest
import runs_oracle
from commands import winnow

from pipelines import study
from pipelines.recipe import RecipeError

WORDS = [f"word{number}" for number in range(60)]
CORPUS = [" ".join(WORDS[:30]), " ".join(WORDS[10:40]), " ".join([*WORDS[:29], "x"]), "something else altogether"]
CORPUS += [" ".join(WORDS[start : start + 30][::-1]) for start in (0, 3, 6)]  # the second is like the others alone
TEST = [" ".join(WORDS[30:60]), " ".join(WORDS[1:30]), "nothing of the kind"]


def covered(texts, first, only_in_others=False):
    """Units of the texts from `first` on in windows of 40 that stand several times, or in the first texts."""
    often = runs_oracle.repeated([text.encode() for text in texts], 40).items()
    places = [place for place, (by, _) in often if place[0] >= first and not (only_in_others and by >= first)]
    return len({(at, start + k) for at, start in places for k in range(40)})


def near_duplicates(texts, others=None):
    """Texts, from the first on, that have seven tenths of their runs of five words in common with another of them, or
    with one of the others."""
    words = [text.split() for text in (*texts, *(others or ()))]
    runs = [{tuple(each[at : at + 5]) for at in range(len(each) - 4)} for each in words]
    found = set()
    for one in range(len(texts)):
        for other in range(len(texts), len(runs)) if others else range(len(texts)):
            both = len(runs[one] | runs[other])
            if one != other and both and len(runs[one] & runs[other]) / both >= 0.7:
                found.add(one)
    return len(found)


def test_shares_are_those_of_brute_force(tmp_path):
    for name, texts in (("corpus", CORPUS), ("test", TEST)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    done = winnow(
        "dedup", "study", tmp_path / "corpus.jsonl", tmp_path / "out", "--test", tmp_path / "test.jsonl",
        "--workers", 0, "--set", "substring_dedup.min_length=40", "--set", "near_dedup.threshold=0.7", check=0,
    )  # fmt: skip
    expected = {
        "near": {"all": 7, "found": near_duplicates(CORPUS)},
        "repeated": {"all": sum(map(len, CORPUS)), "found": covered(CORPUS, 0)},
        "test_near": {"all": 3, "found": near_duplicates(TEST, CORPUS)},
        "test_repeated": {"all": sum(map(len, TEST)), "found": covered([*CORPUS, *TEST], len(CORPUS), True)},
    }
    assert (expected["near"]["found"], expected["test_near"]["found"]) == (5, 1)
    assert 0 < expected["test_repeated"]["found"] < expected["repeated"]["found"]
    assert json.loads((tmp_path / "out" / "study.json").read_text()) == expected
    assert study.lines(expected)[0] == " 71.429%  documents that are near-duplicates of others (5 of 7)"
    for line in study.lines(expected):
        assert line in done.stdout


def test_settings_go_to_their_steps():
    found = study.recipes_of("in", ["test"], ["near_dedup.ngram=3", "substring_dedup.unit=words", "seed=5"])
    assert list(found) == list(study.RUNS)
    assert [found[name].steps[0].name for name in study.RUNS] == [
        "near_dedup", "substring_dedup", "near_overlap", "substring_dedup"
    ]  # fmt: skip
    assert {found[name].steps[0].ngram for name in ("near", "test_near")} == {3}
    assert {found[name].steps[0].unit for name in ("repeated", "test_repeated")} == {"words"}
    assert {recipe.seed for recipe in found.values()} == {5}
    assert list(study.recipes_of("in", [])) == ["near", "repeated"]
    with pytest.raises(RecipeError, match="ngrm"):
        study.recipes_of("in", [], ["near_dedup.ngrm=3"])


@pytest.mark.parametrize(
    "setting, message",
    [
        ("substring_dedup.keep=first", "substring_dedup.keep: a study counts every copy"),
        ("substring_dedup.min_remaining=1000", "substring_dedup.min_remaining: a study counts every copy"),
        ("1.min_remaining=7", "'min_remaining'"),
        ("near_dedup.mode=leader", "near_dedup.mode: a study counts every copy"),
        ("input=other", "--set input: a study counts every copy"),
        ("steps=[exact_dedup]", "--set steps: a study has steps of its own"),
    ],
)
def test_settings_that_would_leave_copies_out_are_refused(setting, message):
    with pytest.raises(RecipeError, match=message):
        study.recipes_of("in", [], [setting])


def test_what_cannot_be_is_refused_before_the_first_run(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in CORPUS))
    (tmp_path / "empty.jsonl").write_text("")
    for source, output, test, message in (
        (folder, tmp_path / "out", tmp_path / "none.jsonl", "none.jsonl"),
        (folder, tmp_path / "out", tmp_path / "empty.jsonl", "there are no documents in"),
        (folder, folder / "out", tmp_path / "empty.jsonl", "would be read as files of"),
        (f"{folder}/**/*.parquet", folder / "out", tmp_path / "empty.jsonl", "would be read as files of"),
        ("-", tmp_path / "out", tmp_path / "empty.jsonl", "standard input only once"),
        (folder, tmp_path / "out", "-", "standard input only once"),
    ):
        done = winnow("dedup", "study", source, output, "--test", test, "--workers", 0, check=2)
        assert message in done.stderr
        assert not output.exists()
