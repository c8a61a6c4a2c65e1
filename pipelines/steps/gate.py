"""The gate: before a corpus is encoded, a kernel of ours and the library encode hard texts and a sample of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from corpus import views
from corpus.encoding import adopt
from corpus.encoding import gate as texts
from corpus.encoding.adopt import DESCRIPTION
from corpus.encoding.encoder import implied
from corpus.encoding.encoders import LIBRARY
from corpus.io import paths
from corpus.views import ShardView
from pipelines.engine import Exclusion, Outputs, Task, task_key
from pipelines.maps.groups import Group

SHARDS = 8
"""Of the corpus, as far apart as can be, whose first documents are compared."""
SAMPLE_BYTES = 1 << 18
"""Bytes of text of each of them, about."""

Prints = tuple[tuple[str, str], ...]
"""Names of a tokenizer's files and their fingerprints."""


@dataclasses.dataclass(frozen=True)
class Gate:
    """Argument of the task. `tokenizer` is a folder, `prints` what it holds; `described` is what the description of a
    brought tokenizer will say (`adopt.Brought`), None for one that has a description; `reasons` why a library is to
    encode."""

    tokenizer: str
    prints: Prints
    described: dict[str, Any] | None
    reasons: tuple[str, ...]
    sample: Group

    def without(self, excluded: tuple[Exclusion, ...]) -> Gate:
        """This task without some of its documents."""
        return dataclasses.replace(self, sample=self.sample.without(excluded))


def sample_of(view: list[ShardView]) -> Group:
    """The shards of a view that the sample is of."""
    chosen = sorted({i * (len(view) - 1) // max(1, SHARDS - 1) for i in range(SHARDS)}) if view else []
    return Group(0, tuple(view[i] for i in chosen))


def task(argument: Gate) -> Task:
    """The one task."""
    parts = tuple(shard.documents for shard in argument.sample.shards)
    weight = len(parts) * SAMPLE_BYTES
    return Task(task_key(0), argument, (*argument.sample.inputs(), *argument.prints), weight, parts=parts)


def prove(argument: Gate, outputs: Outputs) -> dict[str, Any]:
    """Task: who encodes. Writes the description of the tokenizer where it has none that says so. Tokenizers that are
    brought are compared on every code point, too; those that are trained here are by our tests."""
    with _at_hand(argument.tokenizer) as folder:
        brought = argument.described is not None
        described = argument.described or json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        encoder = {**implied(described["family"]), **described}["encoder"]
        hard = texts.adversarial(described["special_tokens"], brought) if encoder in LIBRARY else ()
        proof = adopt.prove(folder, encoder, described, [*hard, *_sample(argument.sample)])
        if brought or proof.encoder != encoder:
            with paths.open_output(outputs.path(DESCRIPTION)) as file:
                file.write(adopt.description(described, folder, proof.encoder))
    figures: dict[str, Any] = {"encoder": proof.encoder}
    if compared := proof.compared:
        figures |= {
            "compared_texts": compared.texts,
            "compared_bytes": compared.bytes,
            "kernel_mb_per_s": compared.ours_mb_per_s,
            "library_mb_per_s": compared.library_mb_per_s,
            "first_difference": str(compared.difference) if compared.difference else None,
        }
    return {"figures": figures, "said": proof.say(argument.reasons)}


@contextlib.contextmanager
def _at_hand(folder: str) -> Iterator[pathlib.Path]:
    """The folder, or a copy of it while it is needed."""
    if paths.is_local(folder):
        yield pathlib.Path(folder)
        return
    with tempfile.TemporaryDirectory() as local:
        for source in paths.list_files(folder):
            pathlib.Path(local, paths.basename(source.path)).write_bytes(paths.read_bytes(source.path))
        yield pathlib.Path(local)


def _sample(group: Group) -> Iterator[str]:
    """The first documents of each shard."""
    for shard in group.shards:
        size = 0
        for _, _, batch in views.read_all((shard,)):
            for text in batch.column("text"):
                size += len(text.as_py() or "")
                yield text.as_py() or ""
                if size >= SAMPLE_BYTES:
                    break
            if size >= SAMPLE_BYTES:
                break
