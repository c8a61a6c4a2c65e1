"""report.json and report.html: the funnel per step and rule, what was dropped and why, and what the accounts say."""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import json
import os
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import views
from corpus.documents import ROW_BITS, shard_and_row
from corpus.io import paths, shards
from corpus.language.detect import DETECTED
from corpus.views import ShardView
from pipelines import accounts, publishing
from pipelines.lock import Lock
from pipelines.near import differences
from pipelines.publishing import Published
from pipelines.recipe import Recipe

if TYPE_CHECKING:  # it imports this
    from pipelines.run import Result

FILES = ("report.json", "report.html")
EXAMPLES_PER_RULE = 3
CHANGES_SHOWN = 8
"""Of the differences between a document that was dropped and the kept one."""
LINES = 10
"""Sources, and domains, that the terminal shows of an overlap."""
LIBRARIES = (
    *("winnow", "datasketch", "fastwarc", "langdetect", "numba", "numpy", "pyarrow", "pydivsufsort", "ray"),
    *("resiliparse", "sentencepiece", "tokenizers", "trafilatura"),
)


def build(recipe: Recipe, published: Published, result: Result) -> dict[str, Any]:
    """The report of a finished run as a JSON-able dict; see README for its keys."""
    account = accounts.of_run(recipe, result)
    steps = account.steps
    tokens = result.figures.get("tokens")
    documents = {
        "in": steps[0]["in"],
        "kept": account.written,
        "dropped": sum(sum(step["dropped"].values()) for step in steps),
        "quarantined": account.quarantined,
    }
    skipped: dict[str, int] = {}
    languages: dict[str, int] = {}
    lengths: list[int] = []
    for counters in accounts.of_passes(result.manifests):
        _add(skipped, counters["skipped"])
        if any(name.endswith(".parquet") for name in counters["shards"]):  # the last pass
            _add(languages, counters["languages"])
            lengths = [sum(pair) for pair in itertools.zip_longest(lengths, counters["lengths"], fillvalue=0)]
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "documents": documents,
        "problems": account.problems(),
        "left_out": [list(each) for each in recipe.left_out],
        "notes": result.notes,
        "quarantined_share": max(account.share_of_records, account.share_of_bytes),
        "lost": account.lost,
        "steps": steps,
        "skipped": dict(sorted(skipped.items())),
        "languages": _most_first(languages),
        "languages_found": _languages_found(steps),
        "lengths": lengths,
        "token_lengths": result.token_lengths,
        "examples": _examples(published, _dropped_in(result)),
        "clusters": result.clusters,
        "figures": result.figures,
        "tokens": {**tokens, "quarantined": account.not_encoded} if tokens else {},
        "passes": [vars(summary) for summary in result.summaries],
        "environment": {**environment(), "task_seconds": recipe.task_seconds, "task_memory": recipe.task_memory},
    }


def _languages_found(steps: list[dict[str, Any]]) -> dict[str, int]:
    """Documents by the language that the first language step found, moved here from its counters."""
    found: dict[str, int] = {}
    for step in steps:
        mine = {key: n for key, n in step["counters"].items() if key.startswith(DETECTED)}
        step["counters"] = {key: n for key, n in step["counters"].items() if key not in mine}
        found = found or {key.removeprefix(DETECTED): n for key, n in mine.items()}
    return _most_first(found)


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _add(total: dict[str, int], counts: dict[str, int]) -> None:
    for key, number in counts.items():
        total[key] = total.get(key, 0) + number


def environment() -> dict[str, Any]:
    """Versions of what the results may depend on, and the machine's size."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


@functools.cache
def _version(library: str) -> str | None:
    """Of what is installed, read once a process; None where it is not."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _dropped_in(result: Result) -> dict[str, list[str]]:
    """By what files of `dropped/` hold, as size and checksum say it, "step.rule" of their rows."""
    found = {}
    for manifest in result.manifests:
        if file := manifest.outputs.get("dropped.parquet"):
            steps = manifest.counters["steps"].items()
            found[file.hash] = [f"{name}.{rule}" for name, count in steps for rule in count["dropped"]]
    return found


def _examples(published: Published, dropped: dict[str, list[str]]) -> dict[str, list[dict[str, str]]]:
    """The first few rows of `dropped/` for every step and rule, under "step.rule". Of the files, which are as many as
    tasks, those are read that hold a row that is wanted: `dropped` says by their checksums what rows they hold."""
    examples: dict[str, list[dict[str, str]]] = {}
    for name in published.names("dropped"):
        rules = dropped.get(published.files[name][1], [])
        if all(len(examples.get(rule, ())) == EXAMPLES_PER_RULE for rule in rules):
            continue
        for batch in shards.read(published.path(name)):
            table = pa.Table.from_batches([batch])
            names = [f"{s}.{r}" for s, r in zip(table["step"].to_pylist(), table["rule"].to_pylist())]
            for row, name in enumerate(names):
                rows = examples.setdefault(name, [])
                if len(rows) < EXAMPLES_PER_RULE:
                    rows.append(table.slice(row, 1).to_pylist()[0])
    return dict(sorted(examples.items()))


def clusters(found: list[dict[str, Any]], before: list[ShardView]) -> list[dict[str, Any]]:
    """Clusters, as a step has found them among the documents of a view, with ids, the start of the texts as the step
    saw them, and what of those that were dropped differs from the one that was kept. Of one in an index there is the
    id alone."""
    named = {c["kept"]: {"id": c["id"], "url": None, "text": ""} for c in found if "id" in c}
    wanted = {address for c in found for address in (c["kept"], *(a for a, _ in c["dropped"]))}
    texts = named | _documents(before, wanted - named.keys())

    def shown(address: int) -> dict[str, str]:
        return {**texts[address], "text": texts[address]["text"][:300]}

    def difference(kept: int, dropped: int) -> dict[str, Any] | None:
        return None if kept in named else _difference(texts[kept], texts[dropped])

    return [
        {
            "size": c["size"],
            "kept": shown(c["kept"]),
            "dropped": [{**shown(a), "similarity": s, "difference": difference(c["kept"], a)} for a, s in c["dropped"]],
        }
        for c in found
    ]


def _difference(kept: dict[str, str], dropped: dict[str, str]) -> dict[str, Any]:
    found = differences.difference(kept["text"], dropped["text"], CHANGES_SHOWN)
    return {**found._asdict(), "changes": [change._asdict() for change in found.changes]}


def _documents(before: list[ShardView], addresses: set[int]) -> dict[int, dict[str, str]]:
    """Id, URL and text, or as much of that as is compared, of the documents at some addresses in a view."""
    found: dict[int, dict[str, str]] = {}
    shard_numbers, rows_in = shard_and_row(np.array(sorted(addresses), np.int64))
    for number in np.unique(shard_numbers).tolist():
        for rows, batch in views.read(before[number]):
            here = batch.filter(pa.array(np.isin(rows, rows_in[shard_numbers == number])))
            rows = rows[np.isin(rows, rows_in[shard_numbers == number])]
            texts = pc.utf8_slice_codeunits(here["text"], 0, differences.MOST_CHARACTERS + 1)
            urls = here["url"] if "url" in here.schema.names else pa.nulls(len(rows), pa.string())
            for row, *values in zip(rows.tolist(), *(column.to_pylist() for column in (here["id"], urls, texts))):
                found[number << ROW_BITS | row] = dict(zip(("id", "url", "text"), values))
    if missing := addresses - found.keys():
        raise IndexError(f"the view has no documents at {sorted(missing)}")
    return found


def write(report: dict[str, Any], published: Published) -> None:
    """Write report.json and report.html into the run directory."""
    published.put(paths.join(published.output, "report.json"), (json.dumps(report, indent=1) + "\n").encode())
    published.put(paths.join(published.output, "report.html"), render(report).encode())


def render_again(output: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Write report.html of a run anew from its report.json; the report. Raises OutputError for what cannot be a run
    directory, FileNotFoundError for one that has no report, ValueError for a report that is damaged, Locked where a run
    is going on."""
    published = publishing.load(output)
    if published is None or "report.json" not in published.files:
        raise FileNotFoundError(f"{output} has no report.json: is it a finished run?")
    report = load(paths.join(output, "report.json"))
    with Lock(output, say):
        published.put(paths.join(output, "report.html"), render(report).encode())
    return report


def render(report: dict[str, Any]) -> str:
    """The report as one self-contained HTML page."""
    from pipelines.report import page

    return page.render(report)


def load(path: str) -> dict[str, Any]:
    """The report in a file report.json. Raises FileNotFoundError, ValueError if it is none."""
    try:
        report: dict[str, Any] = json.loads(paths.read_bytes(path))
        funnel(report)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{path} is not the report of a run ({why}); the same command with --replace writes it again"
        ) from None
    return report


def funnel(report: dict[str, Any]) -> str:
    """The funnel as a text table for the terminal."""
    lines = [f"{'step':<18} {'in':>9} {'kept':>9} {'dropped':>9}   by rule"]
    for step in report["steps"]:
        dropped = sum(step["dropped"].values()) + step["quarantined"]
        rules = dict(sorted(step["dropped"].items(), key=lambda item: -item[1]))
        if step["quarantined"]:
            rules["quarantined"] = step["quarantined"]
        by_rule = ", ".join(f"{rule} {number}" for rule, number in rules.items())
        lines.append(f"{step['name']:<18} {step['in']:>9,} {step['kept']:>9,} {dropped:>9,}   {by_rule}")
    count = report["documents"]
    ends = " + ".join(f"{count[end]:,} {end}" for end in ("kept", "dropped", "quarantined"))
    lines.append(f"{count['in']:,} in = {ends}")
    lines += [f"left out: step {name!r}: {why}" for name, why in report.get("left_out", [])]
    figures = {name: found for name, found in (report.get("figures") or {}).items() if isinstance(found, dict)}
    lines += [line for name, found in figures.items() if "by_source" in found for line in _overlap(name, found)]
    lines += [f"{name}: {found['warning']}" for name, found in figures.items() if "warning" in found]
    lines += report.get("notes", [])
    lost = report.get("lost", {})
    if lost.get("bytes") or lost.get("ranges"):
        share = lost["bytes"] / max(1, lost["input_bytes"])
        part = f"{lost['bytes']:,} of {lost['input_bytes']:,} bytes of input ({share:.1%})"
        lines.append(f"{part} are in quarantine/, see the column bytes")
    return "\n".join(lines)


def _overlap(name: str, figures: dict[str, Any]) -> list[str]:
    """What a step has found of the documents in another corpus."""

    def said(row: dict[str, Any]) -> str:
        share = row["found"] / max(1, row["documents"])
        texts = f"{row['found_bytes']:,} of {row['bytes']:,} bytes of text"
        return f"{row['found']:,} of {row['documents']:,} documents ({share:.1%}), {texts}"

    lines = [f"{name}: {said(figures)} have a near-duplicate among {figures['against']:,} documents"]
    for kind in ("source", "domain"):
        rows = [row for row in figures[f"by_{kind}"] if row["found"]][:LINES]
        lines += [f"  {kind} {row['name'] or 'unknown'}: {said(row)}" for row in rows]
    return lines
