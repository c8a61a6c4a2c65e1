"""A recipe is checked whole before any work; what is wrong is said in one sentence with the nearest name."""

import dataclasses
import pathlib
from typing import ClassVar

import pytest
import yaml

from corpus.cleaning.length import Length
from corpus.dedup.near import Near
from corpus.options import OptionError
from corpus.step import Filter
from pipelines import recipe as recipes
from pipelines.recipe import Recipe, RecipeError
from pipelines.steps import STEPS
from pipelines.steps.decontaminate import Decontaminate
from pipelines.steps.exact_dedup import ExactDedup
from pipelines.steps.line_dedup import LineDedup
from pipelines.steps.near_dedup import NearDedup
from pipelines.steps.pack import Pack
from pipelines.steps.substring_dedup import SubstringDedup
from pipelines.steps.tokenize import Tokenize
from pipelines.steps.train_tokenizer import TrainTokenizer

SHIPPED = pathlib.Path(recipes.__file__).parent / "recipes"


def parse(text):
    return recipes.parse(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text, words",
    [
        ("steps: [near_dedupe]", "unknown step 'near_dedupe' in the recipe; did you mean 'near_dedup'?"),
        (
            "steps: [{near_dedup: {treshold: 0.8}}]",
            "unknown option 'treshold' in step 'near_dedup'; did you mean 'threshold'?",
        ),
        ("steps: [{near_dedup: {threshold: high}}]", "option 'threshold' of step 'near_dedup'"),
        (
            "steps: [{near_dedup: {threshold: 1.5}}]",
            "option 'threshold' of step 'near_dedup' should be less than or equal to 1 (given 1.5)",
        ),
        (
            "steps: [{c4: {disable: [curly_brackets]}}]",
            "unknown value 'curly_brackets' in option 'disable' of step 'c4'; did you mean 'curly_bracket'?",
        ),
        ("steps: [{train_tokenizer: {family: wordpieces}}]", "did you mean 'wordpiece'?"),
        ("steps: [{language: {backend: fastext}}]", "did you mean 'fasttext'?"),
        ("step: [c4]", "unknown recipe key 'step' in the recipe; did you mean 'steps'?"),
        ("{read: {html_timout: 3}, steps: [c4]}", "did you mean 'html_timeout'?"),
        (
            "{read: {extract: trafilatra}, steps: [c4]}",
            "unknown value 'trafilatra' in option 'extract' of read; did you mean 'trafilatura'?",
        ),
        ("{read: {invalid_utf8: repare}, steps: [c4]}", "did you mean 'repair'?"),
        ("steps: []", "the recipe has no steps"),
        ("steps: [tokenize]", "needs a step 'train_tokenizer' before it"),
        ("steps: [train_tokenizer, c4]", "step 'c4' cannot come after 'train_tokenizer'"),
        ("steps: [train_tokenizer, tokenize, tokenize]", "step 'tokenize' can be there once only"),
        ("steps: [{tokenize: {tokenizer: a}}, {tokenize: {tokenizer: b}}]", "step 'tokenize' can be there once only"),
        ("steps: [train_tokenizer, train_tokenizer]", "step 'train_tokenizer' can be there once only"),
        ("steps: [train_tokenizer, tokenize, train_tokenizer]", "step 'train_tokenizer' cannot come after 'tokenize'"),
        ("steps: [pack]", "needs a step 'tokenize' before it"),
        ("steps: [bad_words]", "step 'bad_words'"),
        ("steps: [{c4: 5}]", "takes a map of options"),
        ("steps: [[c4, language]]", "step 1 must be a name or a map"),
        ("steps: 5", "`steps` is a list, not 5"),
        (
            "{steps: [c4], task_bytes: -5}",
            "option 'task_bytes' of the recipe should be greater than or equal to 1 (given -5)",
        ),
        ("{steps: [c4], max_quarantined: .nan}", "option 'max_quarantined' of the recipe should be"),
        ("steps: [{train_tokenizer: {vocab_size: -1}}]", "option 'vocab_size' of step 'train_tokenizer' should be"),
        (
            "{steps: [c4], input: '${NO_SUCH_VARIABLE_AT_ALL}'}",
            "needs the environment variable NO_SUCH_VARIABLE_AT_ALL",
        ),
    ],
)
def test_what_is_wrong_is_said(text, words):
    with pytest.raises(RecipeError) as error:
        parse(text)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_recipe(tmp_path):
    for content, words in [
        ("steps: [c4]\nseed: 1\nsteps: [length]\n", "line 1: 'steps' stands twice in a map"),
        ("steps:\n- length: {min_words: 1, min_words: 2}\n", "line 2: 'min_words' stands twice"),
        ("steps: [", "is not YAML"),
        ("- c4", "is not a recipe"),
        ("", "is not a recipe"),
    ]:
        path = tmp_path / "x.yaml"
        path.write_text(content)
        with pytest.raises(RecipeError, match=words):
            recipes.load(str(path))
    with pytest.raises(RecipeError, match="no such recipe"):
        recipes.load(str(tmp_path / "none.yaml"))


def test_a_shipped_recipe_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recipes.load("c4").name == "c4" and recipes.load("c4") == recipes.load(str(SHIPPED / "c4.yaml"))
    with pytest.raises(RecipeError, match="no such recipe: c44; did you mean 'c4'?"):
        recipes.load("c44")
    with pytest.raises(RecipeError, match="valid: albert, bart, .*, fineweb, .*, xlnet"):
        recipes.load("9")


@pytest.mark.parametrize("step, why", [
    ({"bad_words": {"path": ""}}, "--set bad_words.path=FILE"), ({"domains": {"path": ""}}, "--set domains.path=FILE"),
    ({"decontaminate": {"against": ""}}, "--set 'decontaminate.against=[FILES]'"),
    ({"decontaminate": {"against": []}}, "--set 'decontaminate.against=[FILES]'"),
    ({"url_filter": {"hosts": ""}}, "--set url_filter.domains=FILE"), ("url_filter", "--set url_filter.domains=FILE"),
])  # fmt: skip
def test_a_step_whose_list_nobody_gave_is_left_out(step, why):
    recipe = recipes.parse({"steps": ["length", step, "exact_dedup"]})
    assert [each.name for each in recipe.steps] == ["length", "exact_dedup"]
    ((name, said),) = recipe.left_out
    assert name in str(step) and why in said
    assert dataclasses.replace(recipe, seed=1).left_out == recipe.left_out
    with pytest.raises(RecipeError, match="there is nothing to do: step"):
        recipes.parse({"steps": [step]})


def test_a_list_that_is_given_is_used(tmp_path):
    (tmp_path / "words").write_text("foul\n")
    recipe = recipes.load("c4", [f"bad_words.path={tmp_path}/words"])
    assert recipe.steps[-1].path == f"{tmp_path}/words" and recipe.left_out == ()
    assert [name for name, _ in recipes.load("pretrain").left_out] == ["bad_words", "decontaminate"]


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_load_and_survive_being_written_out(path):
    recipe = recipes.load(str(path))
    assert recipe.name == path.stem
    again = recipes.parse(yaml.safe_load(recipes.dump(recipe)))
    assert again == recipe


def test_dump_spells_out_every_default():
    document = yaml.safe_load(recipes.dump(parse("{steps: [c4, near_dedup], input: x}")))
    assert document["steps"][0]["c4"]["min_words_per_line"] == 5
    assert document["steps"][1]["near_dedup"] == {
        "threshold": 0.8, "normalisation": "lower_words", "unit": "auto", "tokenizer": "", "ngram": 5,
        "permutations": 256, "recall": 0.99, "bands": None, "rows": None, "scheme": "affine32", "hash": "auto",
        "seed": 1, "preset": None, "mode": "leader", "verification": "jaccard", "edit_threshold": 0.8,
        "keep": "first", "score": None, "clusters": True, "index": None, "update": False,
    }  # fmt: skip
    assert document["input"] == ["x"]
    document = yaml.safe_load(recipes.dump(parse("{steps: [substring_dedup], input: x}")))
    assert document["steps"][0]["substring_dedup"] == {
        "min_length": 100, "unit": "bytes", "tokenizer": "", "method": "windows", "min_count": 2, "keep": "first",
        "snap": "word", "separator": "\n", "min_remaining": 1, "across": "corpus", "against": [], "repeat": "never",
    }  # fmt: skip


def test_an_option_by_its_old_name_is_refused_with_the_new_one():
    with pytest.raises(RecipeError, match="option 'min_bytes' in step 'substring_dedup' is 'min_length' now"):
        parse("{steps: [{substring_dedup: {min_bytes: 50}}], input: x}")
    with pytest.raises(RecipeError, match="unit: tokens and tokenizer are given together"):
        parse("{steps: [{substring_dedup: {unit: tokens}}], input: x}")
    with pytest.raises(OptionError, match=r"separator '\\ud800' has characters that UTF-8 has not"):
        SubstringDedup(separator="\ud800")


def test_overrides(tmp_path, monkeypatch):
    path = tmp_path / "r.yaml"
    path.write_text("input: ${SOMEWHERE:-here}\nsteps: [length, near_dedup, {length: {min_words: 3}}]\n")
    monkeypatch.setenv("SOMEWHERE", "there")
    recipe = recipes.load(str(path), ["near_dedup.threshold=0.5", "seed=7", "3.min_words=9", "read.html_timeout=1"])
    assert (recipe.steps[1].threshold, recipe.seed, recipe.steps[2].min_words) == (0.5, 7, 9)
    assert recipe.read.html_timeout == 1.0
    assert recipe.input == ("there",)
    for wrong, words in [
        ("near_dedup.x=1", "unknown option 'x'"),
        ("length.min_words=1", "occurs 2 times"),
        ("nea_dedup.a=1", "did you mean 'near_dedup'"),
        ("seed", "path=value"),
    ]:
        with pytest.raises(RecipeError, match=words):
            recipes.load(str(path), [wrong])


def test_every_step_can_be_named_and_says_what_it_is():
    for name, step in STEPS.items():
        assert step.name == name
        assert step.__doc__


def test_a_recipe_of_step_objects_is_the_one_of_the_same_text():
    text = "{name: recipe, input: [a, b], seed: 3, steps: [{length: {min_words: 5}}, exact_dedup]}"
    assert Recipe(input=["a", "b"], seed=3, steps=[Length(min_words=5), ExactDedup()]) == parse(text)
    assert Recipe(input="a", steps=[Length()]).input == ("a",)


@dataclasses.dataclass(frozen=True)
class Mine(Length):
    """A filter of one's own."""

    name: ClassVar[str] = "mine"


@pytest.mark.parametrize(
    "steps, words",
    [
        ((), "the recipe has no steps"),
        (["length"], "a step is a step object, such as Length\\(\\), not 'length'"),
        ([Length], "a step is a step object"),
        ([Near()], "a step is a step object"),
        ([Pack(sequence_length=8)], "step 'pack' needs a step 'tokenize' before it"),
        ([Tokenize(tokenizer="a"), Tokenize(tokenizer="a")], "step 'tokenize' can be there once only"),
    ],
)
def test_step_objects_that_make_no_recipe_are_refused(steps, words):
    with pytest.raises(RecipeError, match=words):
        Recipe(steps=steps)


def test_a_step_of_ones_own_has_a_name_of_its_own_and_a_place_to_be_found(monkeypatch):
    assert Recipe(steps=[Mine()]).steps == (Mine(),)
    for name in ("length", "read", "a/b", "length-2", "Mine", "", None):
        monkeypatch.setattr(Mine, "name", name)
        with pytest.raises(
            RecipeError, match="Mine: (step 'length' is Length; give yours another name|the name of a step)"
        ):
            Recipe(steps=[Mine()])
    monkeypatch.undo()

    @dataclasses.dataclass(frozen=True)
    class Local(Mine):
        name: ClassVar[str] = "local"

    class NoDataclass(Filter):
        name = "no_dataclass"
        apply = Length.apply

    with pytest.raises(
        RecipeError, match="step 'local': Local is defined where this runs; put it at the top of a module"
    ):
        Recipe(steps=[Local()])
    with pytest.raises(RecipeError, match="NoDataclass is no dataclass"):
        Recipe(steps=[NoDataclass()])
    monkeypatch.setattr(Mine, "__module__", "__main__")
    with pytest.raises(RecipeError, match="step 'mine': Mine is defined where this runs"):
        Recipe(steps=[Mine()])


def test_options_of_a_recipe_are_refused_in_python_too():
    with pytest.raises(RecipeError, match="option 'max_quarantined' of the recipe should be less than or equal to 1"):
        Recipe(steps=[Length()], max_quarantined=2)
    with pytest.raises(RecipeError, match="`read` is ReadOptions"):
        Recipe(steps=[Length()], read={"extract": "x"})
    for steps in (None, "length"):
        with pytest.raises(RecipeError, match="no steps|not 'length'"):
            Recipe(steps=steps)
    assert Recipe(steps=Length()).steps == (Length(),)


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: Decontaminate(against="x", ngram=3, min_words=8), "min_words is 8, more than the 3 words of a gram"),
        (lambda: Decontaminate(against="x", fields=()), "option 'fields'"),
        (lambda: Decontaminate(against="x", min_overlap=float("nan")), "option 'min_overlap'"),
        (lambda: Decontaminate(against="x", min_overlap=5), "option 'min_overlap'"),
        (lambda: NearDedup(threshold=0.01, permutations=4), "4 permutations cannot find pairs of similarity 0.01"),
        (lambda: NearDedup(ngram=10**30), "option 'ngram'"),
        (lambda: SubstringDedup(min_length=1), "option 'min_length'"),
        (lambda: SubstringDedup(min_remaining=-1), "option 'min_remaining'"),
        (lambda: LineDedup(min_sentences=-1), "option 'min_sentences'"),
        (lambda: Length(min_words=10, max_words=2), "min_words is 10, more than max_words, which is 2"),
        (lambda: Length(min_words=-5), "option 'min_words'"),
        (lambda: TrainTokenizer(vocab_size=1 << 70), "option 'vocab_size'"),
    ],
)
def test_options_that_cannot_be_are_refused_when_a_step_is_built(build, words):
    with pytest.raises(OptionError, match=words):
        build()
