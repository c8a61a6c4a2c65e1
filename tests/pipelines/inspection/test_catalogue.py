"""Every recipe and step is listed, and every option explained."""

import pytest

from corpus import options
from corpus.reading.read_options import ReadOptions
from pipelines import recipe as recipes
from pipelines.inspection import catalogue
from pipelines.steps import STEPS


def test_all_are_listed_with_what_they_are():
    listed = catalogue.list_steps().splitlines()
    for name in STEPS:
        (line,) = [line for line in listed if line.split()[:1] == [name]]
        assert len(line.split()) > 3
    listed = catalogue.list_recipes().splitlines()
    for name in recipes.shipped():
        assert sum(line.split()[:1] == [name] for line in listed) == 1
    assert "  fineweb         FineWeb (Penedo et al. 2024) in the order of" in catalogue.list_recipes()


@pytest.mark.parametrize("name", ["read", *STEPS])
def test_every_option_is_explained(name):
    kind = ReadOptions if name == "read" else STEPS[name]
    text = catalogue.show_step(name)
    assert text.startswith(f"{name}: ") and ">>>" not in text and "as a step of a recipe" not in text
    for option in options.describe(kind):
        place = text.index(f"\n  {option.name} (")
        assert option.help and option.help[:20] in text[place:]
        default = "must be given" if option.default is None else f"default {option.default}"
        assert f"{option.name} ({option.values()}; {default})" in text
    for rule in getattr(kind, "rules", ()):
        assert rule in text


def test_a_recipe_is_shown_as_it_is():
    with open(recipes.shipped()["c4"]) as file:
        assert catalogue.show_recipe("c4") == file.read().rstrip()
    for wrong in (catalogue.show_recipe, catalogue.show_step):
        with pytest.raises(recipes.RecipeError, match="did you mean 'fineweb'?"):
            wrong("finewe")
