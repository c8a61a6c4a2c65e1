"""What became of a document in a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc
from rich.text import Text

from corpus import views
from corpus.contamination.decontaminate import Decontaminate
from corpus.dedup.near import Near
from corpus.io import paths, shards
from corpus.step import Place
from corpus.views import Layer, ShardView
from pipelines import publishing
from pipelines.engine import Manifest, freed
from pipelines.engine.engine import manifests_in
from pipelines.inspection import places
from pipelines.inspection.lookup import check_text, is_named
from pipelines.inspection.verify import REPAIR
from pipelines.maps import passes
from pipelines.maps.decide import decided_view
from pipelines.near import differences, tables
from pipelines.publishing import OutputError, Published

(NEAR,) = Near.rules

_SPANS = re.compile(r"contamination(-\d+)?/spans/")
KEPT, DROPPED, QUARANTINED = ("kept", "bold green"), ("dropped", "bold red"), ("quarantined", "bold red")
"""Verdicts and how they look in a terminal."""


def explain(output: str, document: str, most: int) -> list[Text]:
    """Lines that say what became of the document with this id or URL: what the global steps decided about it, `most`
    cuts a step or differences to the document that it is like, as long as the run has its work/, in which cluster of
    near-duplicates it was, and where it is now. Raises OutputError where there is no run,
    `lookup.NotText`, `paths.DamagedFile`."""
    check_text(document, f"the id or URL {document!r}")
    published = publishing.load(output)
    if published is None:
        raise OutputError(f"{output} holds no run")
    try:
        found = _decided(output, document, most)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:  # manifests without a checksum
        found = [_unknown(f"work/ is damaged ({error})")]
    found += _in_clusters(published, document)
    found += _contaminated(published, document, most)
    for folder in ("documents", "dropped", "quarantine"):
        for path, row in _rows(published, folder, document):
            found.append(_fate(folder, path, row))
    return found


def _rows(published: Published, folder: str, document: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of the files of a folder that have this id or URL, each with its file."""
    for path in published.paths(folder):
        if not paths.exists(path):
            raise paths.DamagedFile(path, "it is gone, or no file")
        for batch in shards.read(path):
            for row in batch.filter(is_named(batch, document)).to_pylist():
                yield path, row


def _in_clusters(published: Published, document: str) -> Iterator[Text]:
    """What the tables of clusters of near-duplicates say of a document."""
    end = f"/{tables.FOLDER}"
    for folder in sorted({folder for name in published.files if (folder := name.rpartition("/")[0]).endswith(end)}):
        for _, row in _rows(published, folder, document):
            start = f"{row['id']}: {folder.removesuffix(end)}: one of {row['size']:,} near-duplicates, "
            if row["kept"]:
                yield Text(f"{start}the one that is kept")
            else:
                similarity = "not known" if row["similarity"] is None else f"{row['similarity']:.4f}"
                yield Text(f"{start}of which {row['cluster']} is kept; similarity {similarity}")


def _contaminated(published: Published, document: str, most: int) -> Iterator[Text]:
    """What the tables of passages say of a document: `most` of the passages that it has in common with items."""
    for folder in sorted({name.rpartition("/")[0] for name in published.files if _SPANS.match(name)}):
        rows = [row for _, row in _rows(published, folder, document)]
        items = {row["item"] for row in rows}
        if rows:
            yield Text(f"{rows[0]['id']}: {folder}: {len(rows):,} passages of {len(items):,} evaluation items")
        for row in rows[:most]:
            where = f"bytes {row['start']} to {row['end']}"
            share = f"{row['words']} units, {row['share_of_item']:.0%} of the item"
            passage = places.printable(row["passage"][:200])
            yield Text(f"{row['id']}: {where}: {row['item']} {row['field']} ({row['scan']}, {share}): {passage}")
        if len(rows) > most:
            yield Text(f"and {len(rows) - most:,} more passages", "dim")


def _unknown(why: str) -> Text:
    return Text(f"{why}, so that nobody knows what the steps decided; {REPAIR}")


def _fate(folder: str, path: str, row: dict[str, Any]) -> Text:
    if folder == "quarantine":
        return Text.assemble(f"{row['id']}: ", QUARANTINED, f" at {row['step']}: {row['error']}")
    text = places.printable(row["text"][:200])
    if folder == "documents":
        return Text.assemble(f"{row['id']}: ", KEPT, f", in {path}: {text}")
    verdict = f" by {row['step']}, rule {row['rule']}: {row['value']} (threshold {row['threshold']}): {text}"
    return Text.assemble(f"{row['id']}: ", DROPPED, verdict)


def _decided(output: str, document: str, most: int) -> list[Text]:
    """The decisions of each global step about a document. The steps' folders are numbered in order: a pass
    has written the shards that the decisions after it are about."""
    said: list[Text] = []
    view: list[ShardView] = []
    manifests: dict[str, list[Manifest]] = {}
    for folder in publishing.step_folders(output):
        if freed.load(folder):
            return [Text("work/ was freed while the run went on (keep_work: false), so that cuts cannot be shown")]
        found = manifests_in(folder)
        if keys := [key for key, manifest in found.items() if manifest is None]:
            return [_unknown(f"{paths.join(folder, keys[0])}.json is damaged")]
        manifests[folder] = [manifest for manifest in found.values() if manifest]
    for folder, done in manifests.items():
        if not done:
            continue
        if "shards" in done[0].counters:
            view = passes.new_view(done)
        elif paths.has_suffix(folder, "-decide"):
            decided = decided_view(view, done)
            for shard, after in zip(view, decided):
                said += _in_shard(view, shard, after.decisions[-1], document, most)
            view = decided
    return said


def _in_shard(view: list[ShardView], shard: ShardView, layer: Layer, document: str, most: int) -> Iterator[Text]:
    """What a step decided about a document, if it is in this shard."""
    for rows, batch in views.read(shard):
        for place in np.flatnonzero(is_named(batch, document).fill_null(False)):
            decided = layer.read()
            decided = decided.filter(pc.equal(decided["row"], rows[place])).to_pylist()
            name = batch["id"][int(place)].as_py()
            because = {d["by"]: d["by"] if _is_of_items(d) else _name(view, d["by"]) for d in decided if d["by"]}
            for decision in decided:
                if decision["action"] == "drop" and decision["by"]:
                    cause = because[decision["by"]]
                    what = "the evaluation item" if _is_of_items(decision) else "the other document"
                    yield Text(f"{name}: {decision['step']}: {decision['reason']}: {what} is {cause}")
                    if decision["reason"] == NEAR and (other := _text(view, decision["by"])) is not None:
                        for line in _different(other, batch["text"][int(place)].as_py(), most):
                            yield Text.assemble(f"{name}: {decision['step']}: ", line)
            cuts = [decision for decision in decided if decision["action"] == "cut"]
            found = [
                Place(f"cut, {c['reason']} of {because.get(c['by'], c['by'])}", c["start"], c["end"]) for c in cuts
            ]
            for line in places.say(batch["text"][int(place)].as_py(), found, most):
                yield Text.assemble(f"{name}: {cuts[0]['step']}: ", line)


def _is_of_items(decision: dict[str, Any]) -> bool:
    """Whether the cause of a decision is an evaluation item, and no document."""
    return str(decision["step"]).partition("-")[0] == Decontaminate.name


def _different(kept: str, dropped: str, most: int) -> Iterator[Text]:
    """Lines that say what of a dropped text differs from the kept one: [-what that has-], {+what it has itself+}."""
    found = differences.difference(kept, dropped, most)
    for change in found.changes:
        before, gone, new, after = map(places.printable, change)
        only = ((f"[-{gone}-]", "red") if gone else "", (f"{{+{new}+}}", "green") if new else "")
        yield Text.assemble(before, *only, after)
    if found.more:
        yield Text(f"and {found.more} more differences", "dim")
    elif not found.changes:
        yield Text("the words are the same" + ("" if found.complete else " as far as they were compared"), "dim")


def _text(view: list[ShardView], by: str) -> str | None:
    """The text of the document at "shard:row" as it stood then; None of what is elsewhere."""
    shard, _, row = by.partition(":")
    if not (shard.isdigit() and row.isdigit()):
        return None
    for rows, batch in views.read(view[int(shard)]):
        if len(found := np.flatnonzero(rows == int(row))):
            text: str = batch["text"][int(found[0])].as_py()
            return text
    return None


def _name(view: list[ShardView], by: str) -> str:
    """The id of the document at "shard:row"; other names stay."""
    shard, _, row = by.partition(":")
    if not (shard.isdigit() and row.isdigit()):
        return by
    left = int(row)
    for batch in shards.read(view[int(shard)].path):
        if left < batch.num_rows:
            return str(batch["id"][left])
        left -= batch.num_rows
    return by
