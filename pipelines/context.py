"""What a step that is no filter is: it looks at the whole corpus, or makes tokens of it, and needs a run to do so."""

from __future__ import annotations

import abc
from typing import Any

from corpus.step import Step
from corpus.views import ShardView
from pipelines.engine import Manifest


class GlobalStep(Step):
    """A step that looks at the whole corpus and adds decisions to the view."""

    @abc.abstractmethod
    def decide(self, run: Any, place: str, name: str, shard_views: list[ShardView]) -> tuple[list[ShardView], list[Manifest]]:
        """The view with the step's decisions, and the manifests of the map that made them. `place` is the beginning of
        its maps' names in work/, `name` that of the step in the run."""


class TokenStep(Step):
    """A step that comes after the documents are written: it trains a tokenizer, encodes, packs."""
