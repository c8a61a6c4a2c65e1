"""One global step by itself: run over given documents in this process, its decisions by the ids of documents.

The documents go through a run of a recipe, and all that the run says of itself is held to the decisions, which are
applied here byte by byte: the counts of each step, the rows of dropped/, what is left in documents/."""

import gzip
import json
import pathlib
import tempfile
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.step import unique_names
from pipelines import recipe as recipes
from pipelines.run import run

ONE_FILE_A_SHARD = {"task_bytes": 4, "working_bytes": 1}
SHARDS_TOGETHER = {"task_bytes": 4, "working_bytes": 1 << 20}
ONE_SHARD = {"task_bytes": 1 << 20, "working_bytes": 1 << 20}
"""Every file of input is a shard, and read by a task of its own, or with all others; all are batches of one shard."""


class Decision(NamedTuple):
    """What a step decided about a document. `start` and `end` are bytes of the text as the step saw it; `by` is the id
    of the document that is the cause, or the name of the evaluation item."""

    id: str
    action: str
    start: int | None
    end: int | None
    reason: str
    by: str | None
    score: float | None
    separator: str | None = None


class Observed(NamedTuple):
    """The decisions of a step in corpus order, the texts that it saw by id, and its figures for the report."""

    decisions: list[Decision]
    seen: dict[str, str]
    figures: dict[str, Any]


def document(name, text, url=None, date=None):
    """A document as `decide` takes it."""
    return {"id": name, "text": text, "url": url, "date": date}


def decide(step, parts, **options) -> list[Decision]:
    """What a step decides; see `observe`."""
    return observe(step, parts, **options).decisions


def observe(step, parts, before=(), division=ONE_FILE_A_SHARD) -> Observed:
    """Run `step`, an entry of a recipe, over parts (lists of documents), each a shard or, with ONE_SHARD, a batch of
    the one shard. `before` are steps that come before it, filters first. Raises what `run` raises."""
    with tempfile.TemporaryDirectory() as folder:
        source, output = pathlib.Path(folder, "input"), pathlib.Path(folder, "output")
        source.mkdir()
        for number, part in enumerate(parts):
            lines = "".join(json.dumps(row) + "\n" for row in part)
            (source / f"{number:03d}.jsonl.gz").write_bytes(gzip.compress(lines.encode(), 1, mtime=0))
        recipe = recipes.parse({"input": [str(source)], "steps": [*before, step], **division})
        result = run(recipe, str(output))
        return observed(result, output, recipe)


def observed(result, output: pathlib.Path, recipe) -> Observed:
    """What the last global step of a run of a recipe decided."""
    asked: dict[str, Any] = dict(zip(unique_names(recipe.steps), recipe.steps))
    view = [table for m in result.manifests for name, table in _tables(m, "documents-") if name.endswith(".arrow")]
    texts = {name: text for table in view for name, text in zip(table["id"].to_pylist(), table["text"].to_pylist())}
    assert len(texts) == sum(map(len, view))
    layers: dict[str, list[Decision]] = {}
    for manifest in result.manifests:
        if "decisions.arrow" in manifest.outputs:
            (name,) = manifest.counters["steps"]
            reader = pa.ipc.open_file(manifest.outputs["decisions.arrow"].path)
            for number in range(reader.num_record_batches):
                layers.setdefault(name, []).extend(
                    _decisions(reader.get_batch(number), int(manifest.key) + number, view)
                )
    report = result.report
    assert report["problems"] == [], report["problems"]
    steps = {step["name"]: step for step in report["steps"]}
    dropped = [row for path in (output / "dropped").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    seen = texts
    for name, decisions in layers.items():
        seen, texts = texts, applied(texts, decisions)
        _check_counts(steps[name], seen, texts, decisions)
        _check_dropped([row for row in dropped if row["step"] == name], seen, decisions)
        if REMOVED[0] in result.figures.get(name, {}):
            _check_removed(result.figures.get(name, {}), seen, decisions)
        if name.startswith("near_dedup") and asked[name].clusters:
            _check_clusters(output / name / "clusters", decisions, result.figures[name])
    assert {row["step"] for row in dropped} <= {"read", *layers}
    left = [row for path in sorted((output / "documents").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert [(row["id"], row["text"]) for row in left] == list(texts.items())
    name = next(reversed(layers), "")
    figures = {key: value for key, value in result.figures.get(name, {}).items() if key not in REMOVED}
    return Observed(layers.get(name, []), seen, figures)


REMOVED = ("removed_by_source", "removed_by_domain", "cuts_by_length")
"""Figures that are held to the decisions here."""


def _check_removed(figures, seen, decisions):
    """What the report says that a step has removed is what its decisions do."""
    sizes = [len(seen[each.id].encode()) if each.start is None else each.end - each.start for each in decisions]
    for kind in REMOVED[:2]:
        assert sum(row["bytes"] for row in figures[kind]) == sum(sizes)
        assert sum(row["documents"] for row in figures[kind]) == len({each.id for each in decisions})
        assert figures[kind] == sorted(figures[kind], key=lambda row: (-row["bytes"], -row["documents"], row["name"]))
    bins = {}
    for each, size in zip(decisions, sizes):
        if each.action == "cut":
            low = 1 << (size.bit_length() - 1)
            cuts, total = bins.get(low, (0, 0))
            bins[low] = cuts + 1, total + size
    assert figures["cuts_by_length"] == [
        {"length": f"{low} to {2 * low - 1} bytes", "cuts": cuts, "bytes": total}
        for low, (cuts, total) in sorted(bins.items())
    ]


def _check_clusters(folder, decisions, figures):
    """The table has the clusters that the decisions make, in corpus order, and adds up to the figures of the report."""
    rows = [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    members = {}
    for each in decisions:
        members.setdefault(each.by, {} if each.by.startswith("id:") else {each.by: None})[each.id] = each.score
    expected = {
        name: (cluster.removeprefix("id:"), name == cluster, score, len(found) + cluster.startswith("id:"))
        for cluster, found in members.items()
        for name, score in found.items()
    }
    assert {row["id"]: (row["cluster"], row["kept"], row["similarity"], row["size"]) for row in rows} == expected
    elsewhere = sum(cluster.startswith("id:") for cluster in members)
    assert len(rows) == len(expected) == figures["clusters"] - elsewhere + figures["dropped"]
    assert len({(row["cluster"], row["address"]) for row in rows}) == figures["clusters"] == len(members)
    for matrix in (figures[name] for name in ("sources", "domains") if name in figures):
        assert sum(map(sum, matrix["documents"])) == figures["dropped"]


def _tables(manifest, prefix):
    """(name, content) of the outputs of a task that are called so, in order."""
    for name, file in sorted(manifest.outputs.items()):
        if name.startswith(prefix) and name.endswith(".arrow"):
            yield name, pa.ipc.open_file(file.path).read_all()


def _decisions(table, shard, view):
    ids = view[shard]["id"].to_pylist()
    rows = table.drop_columns(["step"]).to_pylist()
    order = [(row["row"], row["start"] or 0) for row in rows]
    assert order == sorted(set(order))
    return [Decision(ids[row.pop("row")], **{**row, "by": _named(row["by"], view)}) for row in rows]


def _named(by, view):
    """The id of the document at an address "shard:row"; anything else as it is."""
    shard, _, row = (by or "").partition(":")
    return view[int(shard)]["id"][int(row)].as_py() if shard.isdigit() and row.isdigit() else by


def applied(texts, decisions):
    """{id: text} of what decisions leave of texts."""
    of_text, left = {name: [] for name in texts}, {}
    for each in decisions:
        of_text[each.id].append(each)
    for name, text in texts.items():
        value, found, at = text.encode(), b"", 0
        for each in of_text[name]:
            if each.action == "drop":
                assert (each.start, each.end) == (None, None) and len(of_text[name]) == 1
                break
            assert each.action == "cut" and at <= each.start < each.end <= len(value)
            found += value[at : each.start]
            separator = (each.separator or "").encode()
            if 0 < each.start and each.end < len(value) and not found.endswith(separator):
                found += separator
            at = each.end
        else:
            left[name] = (found + value[at:]).decode()
    return left


def _check_counts(step, before, after, decisions):
    """What the report says of a step is what its decisions do."""
    cuts = [each for each in decisions if each.action == "cut"]
    reasons = [each.reason for each in decisions if each.action == "drop"]
    assert (step["in"], step["kept"], step["quarantined"]) == (len(before), len(after), 0)
    assert step["dropped"] == {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    assert step["bytes_in"] == sum(len(text.encode()) for text in before.values())
    assert step["bytes_out"] == sum(len(text.encode()) for text in after.values())
    counters = {"cuts": len(cuts), "bytes_cut": sum(each.end - each.start for each in cuts)}
    assert {name: number for name, number in step["counters"].items() if number} == {
        k: n for k, n in counters.items() if n
    }


def _check_dropped(rows, seen, decisions):
    """dropped/ has a row for each document that the step drops: rule, cause, and how its text began."""
    found = {row["id"]: row for row in rows}
    drops = [each for each in decisions if each.action == "drop"]
    assert len(rows) == len(found) and set(found) == {each.id for each in drops}
    for each in drops:
        row = found[each.id]
        assert row["rule"] == each.reason and row["text"] == seen[each.id][:500] and row["threshold"]
        parts = row["value"].split()
        assert len(parts) == (each.score is not None) + (each.by is not None)
        assert each.score is None or parts[0] == f"{each.score:.4f}"
