"""Running recipes: typed recipes, the engine (Ray or in-process), the steps, reports, command line.

Start with `run.py`, which turns a recipe into passes; `engine/` has the one verb they share.
The engine knows nothing about text, and no stage or step knows about Ray. From Python:

    recipe = pipelines.Recipe(input="docs/*.jsonl", steps=[corpus.Length(min_words=50), pipelines.NearDedup()])
    result = pipelines.run_recipe(recipe, "OUT", workers=2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus import __version__ as __version__
from corpus import lazy

if TYPE_CHECKING:
    from pipelines.accounts import NotProven as NotProven
    from pipelines.engine.tasks import TaskFailed as TaskFailed
    from pipelines.publishing import OutputError as OutputError
    from pipelines.recipe import Recipe as Recipe
    from pipelines.recipe import RecipeError as RecipeError
    from pipelines.recipe import load as load_recipe
    from pipelines.run import Result as Result
    from pipelines.run import run as run_recipe
    from pipelines.steps.decontaminate import Decontaminate as Decontaminate
    from pipelines.steps.exact_dedup import ExactDedup as ExactDedup
    from pipelines.steps.line_dedup import LineDedup as LineDedup
    from pipelines.steps.near_dedup import NearDedup as NearDedup
    from pipelines.steps.near_overlap import NearOverlap as NearOverlap
    from pipelines.steps.pack import Pack as Pack
    from pipelines.steps.substring_dedup import SubstringDedup as SubstringDedup
    from pipelines.steps.tokenize import Tokenize as Tokenize
    from pipelines.steps.train_tokenizer import TrainTokenizer as TrainTokenizer
    from pipelines.steps.url_dedup import UrlDedup as UrlDedup

__all__, __getattr__, __dir__ = lazy.names(__name__)
