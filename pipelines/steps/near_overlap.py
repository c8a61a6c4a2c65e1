"""Overlap of two corpora: how much of the documents has a near-duplicate in another corpus, or in an index."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from corpus.dedup import presets
from corpus.dedup.near import Near
from corpus.io import paths
from corpus.options import option
from corpus.reading import readers
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.engine import TaskFailed
from pipelines.maps import others
from pipelines.maps.decide import decide_map
from pipelines.near import index as indexes
from pipelines.near import overlap
from pipelines.near.index import IndexRefused
from pipelines.steps.near_dedup import NearDedup


@dataclasses.dataclass(frozen=True)
class NearOverlap(Near, GlobalStep):
    """How much of the documents, by source and by domain, has a near-duplicate in another corpus; drops nothing.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> text = " ".join(f"word{number}" for number in range(30))
    >>> pq.write_table(corpus.as_table([text, "something else"]), "a.parquet")
    >>> pq.write_table(corpus.as_table([text + " more"]), "b.parquet")
    >>> recipe = pipelines.Recipe(input="a.parquet", steps=[pipelines.NearOverlap(against="b.parquet")])
    >>> figures = pipelines.run_recipe(recipe, "OUT").report["figures"]["near_overlap"]
    >>> figures["documents"], figures["found"]
    (2, 1)
    """

    name: ClassVar[str] = "near_overlap"
    rules: ClassVar[tuple[str, ...]] = ()
    against: tuple[str, ...] = option(
        (), "The other corpus: paths, folders, globs or URIs, read as input is; or an index."
    )

    def refuse(self) -> None:
        """As `Near.refuse`, and where there is nothing to compare with, or an option that says what is dropped."""
        super().refuse()
        if not any(self.against):
            raise ValueError("it needs the option against: files of the other corpus, or an index")

    def refuse_dropping(self) -> None:
        """Raises ValueError for options that say what is dropped, unless they are a preset's."""
        preset = presets.PRESETS[self.preset] if self.preset else {}
        if (self.mode, self.keep) != (preset.get("mode", "leader"), "first"):
            raise ValueError("mode and keep say what is dropped, and it drops nothing")

    def check(self) -> None:
        """As `Near.check`; raises ValueError for an index whose documents are not comparable, or files that are not
        read."""
        super().check()
        if index := self.index():
            indexes.check(index, self, False)
        else:
            self.sources()

    def index(self) -> str | None:
        """The folder of the index that it compares with; None where that is files."""
        is_index = len(self.against) == 1 and paths.exists(paths.join(self.against[0], indexes.NAME))
        return self.against[0] if is_index else None

    def sources(self, options: readers.ReadOptions = readers.ReadOptions()) -> list[paths.Source]:
        """The files of the other corpus, each once."""
        return others.sources(self.against, options)

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """No decision about any document."""
        return proposals.slice(0, 0)

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """The maps of near_dedup, with the other corpus as what is known; then what they found is counted."""
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(Near)}
        mode = "components" if self.verification == "none" else "leader"  # which says nothing of documents alone
        near = NearDedup(**{**options, "preset": None, "mode": mode})
        try:
            known, figures = self._known(context, near)
            with indexes.explained(self.index()):
                compared = near.compare(context, view, known, alone=True)
        except IndexRefused as error:
            raise TaskFailed(str(error)) from None
        if compared.left_out:
            context.note(
                f"{context.name}: {compared.left_out:,} pairs of crowded buckets were not compared, so that more of "
                "the documents may have a near-duplicate"
            )
        figures |= overlap.count(context, compared.groups, compared.proposed)
        context.found.figures[context.name] = {"threshold": self.threshold, "definition": self.definition, **figures}
        return decide_map(context, compared.groups, None, self.asked, self)

    def _known(self, context: Context, near: NearDedup) -> tuple[list[overlap.Chunk], dict[str, Any]]:
        """The chunks of the other corpus, and figures about it. Raises IndexRefused."""
        figures: dict[str, Any] = {}
        if path := self.index():
            index = indexes.check(path, near, False)
            known = index.chunks(index.parts)
        else:
            try:
                sources = self.sources(context.read)
            except (OSError, ValueError) as error:
                raise TaskFailed(str(error)) from None
            known, figures = overlap.against(context, near, sources)
        return known, {"against": sum(chunk.documents for chunk in known), **figures}
