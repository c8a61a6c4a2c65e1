"""What the passages say of evaluation items: which are clean, which are dirty, by how much, and where.

An item is *unchecked* where none of its texts is long enough to be looked for, or all are empty: nobody knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.contamination import rules, scanner
from corpus.contamination.decontaminate import Decontaminate
from corpus.contamination.index import Index
from corpus.contamination.items import Item
from corpus.io import paths
from pipelines.contamination import spans as tables
from pipelines.engine import File, Outputs

CLEAN, DIRTY, UNCHECKED = "clean", "dirty", "unchecked"
STATES = (CLEAN, DIRTY, UNCHECKED)
WORST = 5
"""Items of a set that the report shows with both texts."""
NEEDED = ("id", "url", "passage", "item", "text", "first", "words", "grams", "of_grams")
"""Columns of spans that items are judged by, and shown with, where no gram is left out."""
TEXTS_AT_ONCE = 64
"""Texts of items that are looked for the others in at a time: thousands may have the same template."""
BINS = 10
"""Of the distribution of how much of items is contaminated."""


class Judging(NamedTuple):
    """What the task that judges items has: the step; for each scan its spans in all groups, and the counts."""

    step: Decontaminate
    spans: tuple[tuple[File, ...], ...]
    counts: tuple[File, ...]


def judge(argument: Judging, outputs: Outputs) -> dict[str, Any]:
    """The task: writes which items of each set are clean, dirty and unchecked, a JSON object a line; what there is to
    say of each set, and of each rule that measures."""
    step = argument.step
    scans = step.scans()
    verdicts, figures = {}, {}
    for name in step.measure:  # one after another, since each has a table of all passages
        number = scans.index(step.scan(name))
        index = step.index(scans[number])
        documents = tables.counts_of(argument.counts[number], index)
        columns = NEEDED if step.limit(name) is None else tables.SPAN_SCHEMA.names
        groups = [
            _some(table, columns)
            for file in (*argument.spans[number], None)
            for table in tables.counted_spans(file, documents, index)
        ]
        spans = pa.concat_tables(groups)
        verdicts[name] = step.verdict(name, spans, index, documents)
        figures[name] = {
            set_: _figures(name, index, spans, verdicts[name], numbers) for set_, numbers in index.sets.items()
        }
    index = step.index(step.scan(step.measure[0]))
    folders = folder_names(index)
    sets: dict[str, Any] = {}
    for place, (set_, numbers) in enumerate(index.sets.items()):
        states = _states(verdicts[step.measure[0]], numbers)
        for state in STATES:
            lines = [_line(i, index.items[i], verdicts) for i in np.array(numbers)[states == state].tolist()]
            data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            paths.write_atomic(outputs.path(f"{place:05d}-{state}_ids.jsonl"), data.encode("utf-8", "surrogatepass"))
        sets[set_] = {
            "folder": folders[set_],
            "version": index.versions[set_],
            "items": len(numbers),
            "rules": {rule: figures[rule][set_] for rule in step.measure},
        }
    return {"sets": sets, "texts": among_themselves(step.index())}


def _some(spans: pa.Table, columns: Collection[str]) -> pa.Table:
    """Of spans these columns and what `counted_spans` adds; the text of a passage, which a document has in common with
    many items, once."""
    table = spans.select([*columns, "row", "documents"])
    place = table.column_names.index("passage")
    return table.set_column(place, "passage", table["passage"].dictionary_encode())


def folder_names(index: Index) -> dict[str, str]:
    """A name for the folder of each set, no two the same, and none that of the table."""
    names: dict[str, str] = {}
    for name in index.sets:
        folder = re.sub(r"[^\w.-]", "_", name).lstrip(".")[:100] or "set"
        while folder in ("spans", *names.values()):
            folder += "_"
        names[name] = folder
    return names


def _states(verdict: rules.Verdict, numbers: list[int]) -> np.ndarray:
    dirty, checked = verdict.dirty[numbers], verdict.checked[numbers]
    return np.where(~checked, UNCHECKED, np.where(dirty, DIRTY, CLEAN))


def _line(number: int, item: Item, verdicts: dict[rules.Name, rules.Verdict]) -> dict[str, Any]:
    """What is written of an item."""
    said = {
        name: {
            "score": round(float(verdict.score[number]), 6),
            "dirty": bool(verdict.dirty[number]),
            "checked": bool(verdict.checked[number]),
        }
        for name, verdict in verdicts.items()
    }
    return {"id": item.id, "name": item.name, "doc_hash": item.key, "rules": said}


def _figures(
    rule: rules.Name, index: Index, spans: pa.Table, verdict: rules.Verdict, numbers: list[int]
) -> dict[str, Any]:
    """Of a set by a rule: items by state, the distribution of the scores of those that are checked, the worst cases;
    what the rule's paper says of sets."""
    states = _states(verdict, numbers)
    scores = verdict.score[numbers][states != UNCHECKED]
    figures: dict[str, Any] = {state: int((states == state).sum()) for state in STATES}
    checked = figures[CLEAN] + figures[DIRTY]
    figures["dirty_share"] = figures[DIRTY] / checked if checked else 0.0
    figures["scores"] = np.histogram(np.minimum(scores, 1.0), BINS, (0, 1))[0].tolist()
    if rule == "gpt2":
        grams = index.grams[numbers]
        figures["grams_share"] = float((verdict.score[numbers] * grams).sum() / max(grams.sum(), 1))
    if rule == "llama2":
        clean, dirty = rules.LLAMA2_CLEAN, rules.RULES["llama2"].threshold
        figures["subsets"] = {
            "clean": int((scores < clean).sum()),
            "not clean": int((scores >= clean).sum()),
            "not dirty": int((scores < dirty).sum()),
            "dirty": int((scores >= dirty).sum()),
        }
    if rule == "tulu3":
        figures["set_is_contaminated"] = bool(figures["dirty_share"] > rules.TULU3_SET)
    figures["worst"] = _worst(index, spans, verdict, numbers)
    return figures


def _worst(index: Index, spans: pa.Table, verdict: rules.Verdict, numbers: list[int]) -> list[dict[str, Any]]:
    """Of the items with the highest scores, each the longest passage, with both texts."""
    order = sorted((i for i in numbers if verdict.score[i] > 0), key=lambda i: (-verdict.score[i], i))[:WORST]
    item, size = spans["item"].to_numpy(), spans["words"].to_numpy()
    shown = []
    for number in order:
        places = np.flatnonzero(item == number)
        if not len(places):
            continue
        place = int(places[np.argmax(size[places])])
        row = spans.slice(place, 1)
        start, end = tables.places_in_items(index, *(row[n].to_numpy() for n in ("text", "first", "words")))
        (found,) = row.to_pylist()
        passage = index.texts[found["text"]][1].encode()[start[0] : end[0]].decode(errors="ignore")
        shown.append(
            {
                "item": index.items[number].name,
                "score": round(float(verdict.score[number]), 4),
                "item_text": passage[: tables.PASSAGE],
                "document": found["id"],
                "url": found["url"],
                "document_text": found["passage"],
                "documents": len(np.unique(spans["row"].to_numpy()[places])),
            }
        )
    return shown


def among_themselves(index: Index) -> dict[str, int]:
    """How many items are empty, too short to be looked for, the same as one of another set, and contained in another
    one (all of their texts that can be looked for are within texts of it)."""
    texts = pa.array([text for _, text in index.texts], pa.large_string())
    scan = scanner.Scanner(index)
    units = np.diff(index.first_unit)
    wholes = [np.empty((3, 0), np.int64)]
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        found = scan.scan(texts.slice(start, TEXTS_AT_ONCE))
        owner = index.item_of_text[start + found["row"].to_numpy()]
        item, size, text = (found[name].to_numpy() for name in ("item", "words", "text"))
        whole = (size == units[text]) & (owner != item)
        wholes.append(np.stack([item[whole], owner[whole], text[whole]]))
    pairs = np.unique(np.concatenate(wholes, axis=1), axis=1)
    needed = np.bincount(index.item_of_text[index.text_size > 0], minlength=len(index.items))
    held, counts = np.unique(pairs[:2], axis=1, return_counts=True)
    contained = held[:, counts == needed[held[0]]]
    equal = {(a, b) for a, b in contained.T.tolist()}
    sets = [each.set for each in index.items]
    same = {a for a, b in equal if (b, a) in equal and sets[a] != sets[b]}
    return {
        "empty": int((index.units == 0).sum()),
        "too_short_to_check": int(((index.grams == 0) & (index.units > 0)).sum()),
        "identical_in_another_set": len(same),
        "contained_in_another": len({a for a, b in equal if (b, a) not in equal}),
    }
