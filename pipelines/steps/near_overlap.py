"""Overlap of two corpora: how much of the documents has a near-duplicate in another corpus, or in an index."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from corpus.dedup.near import Near
from corpus.io import paths
from corpus.options import option
from corpus.reading import readers
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.engine import TaskFailed
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
        if (self.mode, self.keep) != ("leader", "first"):
            raise ValueError("mode and keep say what is dropped, and it drops nothing")

    def check(self) -> None:
        """As `Near.check`; raises ValueError for an index whose documents are not comparable, or files that are not
        read."""
        super().check()
        if self._is_index():
            indexes.check(self.against[0], self, False)
        else:
            self._sources()

    def _is_index(self) -> bool:
        return len(self.against) == 1 and paths.exists(paths.join(self.against[0], indexes.NAME))

    def _sources(self, options: readers.ReadOptions = readers.ReadOptions()) -> list[paths.Source]:
        """The files of the other corpus, each once."""
        found = {each.path: each for pattern in self.against for each in readers.expand(pattern, options)[0]}
        return list(found.values())

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """No decision about any document."""
        return proposals.slice(0, 0)

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """The maps of near_dedup, with the other corpus as what is known; then what they found is counted."""
        near = NearDedup(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Near)})
        known, figures = self._known(context, near)
        compared = near.compare(context, view, known, alone=True)
        figures |= overlap.count(context, compared.groups, compared.proposed)
        context.found.figures[context.name] = {"threshold": self.threshold, "definition": self.definition, **figures}
        return decide_map(context, compared.groups, None, self.asked, self)

    def _known(self, context: Context, near: NearDedup) -> tuple[list[overlap.Chunk], dict[str, Any]]:
        """The chunks of the other corpus, and figures about it."""
        if not self._is_index():
            try:
                sources = self._sources(context.read)
            except (OSError, ValueError) as error:
                raise TaskFailed(str(error)) from None
            found = overlap.against(context, near, sources)
            known = found.chunks
            figures = {"against_not_readable": found.quarantined} if found.quarantined else {}
        else:
            try:
                index = indexes.check(self.against[0], near, False)
                known, figures = index.chunks(index.parts), {}
            except IndexRefused as error:
                raise TaskFailed(str(error)) from None
        return known, {"against": sum(chunk.documents for chunk in known), **figures}
