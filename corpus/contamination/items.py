"""Evaluation items, and the texts of theirs that are looked for."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, Literal

import pyarrow as pa

from corpus.contamination import evaluation_files
from corpus.io import paths

MOST_NAMES, MOST_LOOKED_AT = 20, 100
"""Fields that a message lists, and records of a file that are looked at for it."""
AUTO = "auto"
"""Instead of fields: those of KNOWN that a file has."""

Role = Literal["question", "choices", "answer", "context"]
KNOWN: dict[Role, tuple[str, ...]] = {
    "question": (
        *("question", "query", "prompt", "problem", "text", "input", "instruction", "sentence", "sentence1", "ctx"),
        *("sentence2", "goal", "premise", "hypothesis", "question_stem", "content", "Question", "Problem"),
    ),
    "choices": (
        *("choices", "options", "endings", "mc1_targets", "sol1", "sol2", "option1", "option2", "distractor1"),
        *("distractor2", "distractor3"),
    ),
    "answer": (
        *("answer", "answers", "target", "gold", "solution", "canonical_solution", "correct_answer", "output"),
        *("completion", "best_answer", "Answer"),
    ),
    "context": ("context", "passage", "article", "story", "support", "background"),
}
"""Names of fields in evaluation sets, by what they hold."""
_ROLES: dict[str, Role] = {name: role for role, names in KNOWN.items() for name in names}
_SAMPLES = re.compile(r"samples_(.+?)(_\d{4}-\d\d-\d\dT[\d.-]+)?$")
"""Files that lm-evaluation-harness writes with --log_samples."""
_SHARD = re.compile(r"(data|test|train|validation|dataset|part)?-?\d+(-of-\d+)?")
"""Names of files that say nothing of the set; its folder does."""


@dataclasses.dataclass(frozen=True)
class Item:
    """An evaluation item: its name, "file:id", and its texts. Of these, `fields` names those that they are of. `set` is
    the set that it is of, `id` what it is called there, `key` lm-evaluation-harness's doc_hash: what a sample of an
    evaluation is joined by."""

    name: str
    texts: tuple[str, ...]
    set: str = dataclasses.field(default="", repr=False, compare=False)
    id: str = dataclasses.field(default="", repr=False, compare=False)
    fields: tuple[str, ...] = dataclasses.field(default=(), repr=False, compare=False)
    key: str = dataclasses.field(default="", repr=False, compare=False)


def role(field: str) -> Role:
    """What a field holds, by its name: the question, where nothing is known of it."""
    return next((_ROLES[part] for part in reversed(field.split(".")) if part in _ROLES), "question")


def load_items(path: str, fields: tuple[str, ...] = ("text",)) -> list[Item]:
    """Items of a file, in order: JSON lines or an array, CSV or TSV (each also as .gz, .zst or .bz2), Parquet, Arrow,
    samples of lm-evaluation-harness (`--log_samples`), whose items are within `doc`.

    A field may hold a string or a list of strings, each a text of its own, and may lie within others (`data.text`); a
    record may lack some of the fields. `quiz*.jsonl=question,answer` are the fields of the files that are called so,
    `auto` those of `KNOWN` that a file has. The name is that of the file, without folders, a colon, and the record's
    "id", or its number, from 1 (of lines, that of the line). Raises ValueError for what cannot be read as such, and
    for a field that no record has, with those that they have.

    >>> import corpus, pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "quiz.jsonl")
    >>> _ = file.write_text('{"id": "q1", "question": "Who wrote it?", "answers": ["She did.", "He did."]}')
    >>> corpus.load_items(str(file), fields=("question", "answers"))
    [Item(name='quiz.jsonl:q1', texts=('Who wrote it?', 'She did.', 'He did.'))]
    """
    return load_files([path], fields)


def load_files(names: Iterable[str], fields: tuple[str, ...] = ("text",)) -> list[Item]:
    """Items of several files; see `load_items`. Every file has some of the fields, every field is in some file."""
    items: list[Item] = []
    lacking: dict[str, tuple[str, dict[str, int]]] = {}  # fields that have not been seen: a file, and what that has
    seen: set[str] = set()
    for path in names:
        count, here = len(items), set[str]()
        sizes: dict[str, int] = {}
        wanted = fields_of(path, fields)
        for number, record in _records(path):
            item, found = _item(path, number, record, wanted)
            items.append(item)
            here.update(found)
            if len(items) - count <= MOST_LOOKED_AT:
                _add_sizes(sizes, inner(record))
        if len(items) > count and not here:
            raise _no_text(path, wanted[0], sizes)
        seen |= here
        if len(items) > count and AUTO not in wanted:
            lacking = {each: why for each, why in lacking.items() if each not in here}
            lacking |= {field: (path, sizes) for field in wanted if field not in seen}
    for field, (path, sizes) in lacking.items():
        raise _no_text(path, field, sizes)
    return items


def fields_of(path: str, fields: tuple[str, ...]) -> tuple[str, ...]:
    """The fields of a file: those that an entry PATTERN=FIELD,FIELD names for files of its name, else the entries that
    are for all files. Raises ValueError where there are none for it."""
    name = paths.basename(path)
    for entry in fields:
        pattern, is_, named = entry.partition("=")
        if is_ and fnmatch.fnmatchcase(name, pattern.strip()):
            return tuple(field.strip() for field in named.split(",") if field.strip())
    found = tuple(field for field in fields if "=" not in field)
    if not found:
        raise ValueError(f"{path}: fields names none for it; say {name}=question,answer or a field for all files")
    return found


def _records(path: str) -> Iterable[tuple[int, dict[str, Any]]]:
    """The records of a file; of samples of an evaluation, which there are some of for an item, the first."""
    seen: set[str] = set()
    for number, record in evaluation_files.records(path):
        if is_sample(record):
            if record["doc_hash"] in seen:
                continue
            seen.add(record["doc_hash"])
        yield number, record


def is_sample(record: dict[str, Any]) -> bool:
    """Whether a record is a sample that lm-evaluation-harness has logged."""
    return isinstance(record.get("doc"), dict) and isinstance(record.get("doc_hash"), str)


def inner(record: dict[str, Any]) -> dict[str, Any]:
    """The record that a sample of an evaluation is of; others as they are."""
    found: dict[str, Any] = record["doc"] if is_sample(record) else record
    return found


def doc_hash(record: dict[str, Any]) -> str:
    """What lm-evaluation-harness calls a record: the SHA-256 of its JSON as it writes that (lm_eval/utils.py,
    `hash_string`; lm_eval/evaluator.py)."""
    if is_sample(record):
        return str(record["doc_hash"])
    text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def set_name(path: str) -> str:
    """What the set in a file is called: the file's name without suffixes, that of its folder where the file is a
    numbered one, the task where it is of samples of lm-evaluation-harness."""
    parts = paths.without_options(path).rstrip("/").split("/")
    name = re.sub(r"(\.(jsonl?|ndjson|csv|tsv|parquet|arrow|feather|gz|zst|bz2))+$", "", parts[-1])
    if found := _SAMPLES.match(name):
        return found.group(1)
    return parts[-2] if _SHARD.fullmatch(name) and len(parts) > 1 else name


def _item(path: str, number: int, record: dict[str, Any], wanted: tuple[str, ...]) -> tuple[Item, list[str]]:
    """(the item of a record, the fields that it has texts in)."""
    key, inside = doc_hash(record), inner(record)
    names = [name for name in wanted if name != AUTO]
    if AUTO in wanted:
        names += _known(inside)
    found = {name: texts for name in names if (texts := _texts(_value(record, inside, name)))}
    named = record.get("id", record.get("doc_id", inside.get("id", number)))
    pairs = [(name, text) for name in names for text in found.get(name, ())]
    of_item, fields = tuple(text for _, text in pairs), tuple(name for name, _ in pairs)
    item = Item(f"{paths.basename(path)}:{named}", of_item, set_name(path), str(named), fields, key)
    return item, [*found, *([AUTO] if found else [])]


def _known(record: dict[str, Any]) -> list[str]:
    """Names of the fields of a record, those within others with dots, that are in KNOWN, in its order."""
    order = list(_ROLES)
    return sorted(_known_within(record), key=lambda name: (order.index(name.rpartition(".")[2]), name))


def _known_within(record: dict[str, Any], above: str = "", depth: int = 8) -> Iterable[str]:
    for name, value in record.items():
        if name in _ROLES and _texts(value):
            yield above + name
        elif isinstance(value, dict) and depth:
            yield from _known_within(value, f"{above}{name}.", depth - 1)


SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("texts", pa.list_(pa.large_string())),
        ("set", pa.string()),
        ("id", pa.string()),
        ("fields", pa.list_(pa.string())),
        ("key", pa.string()),
    ]
)


def to_table(items: Iterable[Item], settings: dict[str, str]) -> pa.Table:
    """Items as a table, with what they are to be used by."""
    return pa.Table.from_pylist([dataclasses.asdict(item) for item in items], SCHEMA).replace_schema_metadata(settings)


def of_table(table: pa.Table) -> list[Item]:
    """The items that `to_table` wrote."""
    return [
        Item(r["name"], tuple(r["texts"]), r["set"], r["id"], tuple(r["fields"]), r["key"]) for r in table.to_pylist()
    ]


def version(items: Iterable[Item]) -> str:
    """A name of the content of a set: the beginning of the SHA-256 of its items' ids and texts."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(json.dumps([item.id, item.texts], ensure_ascii=True).encode())
    return digest.hexdigest()[:12]


def _no_text(path: str, field: str, sizes: dict[str, int]) -> ValueError:
    """What to say of a file whose records have no text in a field; `sizes`: characters of text in those they have."""
    texts = [name for name, size in sizes.items() if size]
    known = [name for name in texts if name.rpartition(".")[2] in _ROLES]
    likely = max(texts, key=lambda name: sizes[name], default=None)
    remedy = f"say --set 'decontaminate.fields=[{likely}]'" if likely else "none of which is text"
    if len(known) > 1:
        remedy += f", or [{AUTO}] for {', '.join(known[:MOST_NAMES])}"
    more = f" and {len(sizes) - MOST_NAMES} more" if len(sizes) > MOST_NAMES else ""
    names = ", ".join(name[:80] for name in list(sizes)[:MOST_NAMES]) + more
    return ValueError(f"{path}: no record has text in field {field!r}; the fields are {names}: {remedy}")


def _add_sizes(sizes: dict[str, int], record: dict[str, Any], above: str = "", depth: int = 8) -> None:
    """Add to `sizes` how many characters of text a record has in each field, those within fields with dots."""
    for name, value in record.items():
        if isinstance(value, dict) and depth:
            _add_sizes(sizes, value, f"{above}{name}.", depth - 1)
        else:
            sizes[above + name] = sizes.get(above + name, 0) + sum(map(len, _texts(value)))


def _value(record: dict[str, Any], inside: dict[str, Any], field: str) -> object:
    """What a field holds, of objects within the record too (`data.text`); of samples, first within their `doc`."""
    found = _within(inside, field)
    return _within(record, field) if found is None else found


def _within(record: dict[str, Any], field: str) -> object:
    if field in record:
        return record[field]
    outer, dot, inner_ = field.partition(".")
    within = record.get(outer) if dot else None
    return _within(within, inner_) if isinstance(within, dict) else None


def _texts(value: object) -> list[str]:
    if isinstance(value, dict) and isinstance(value.get("text"), (list, str)):  # as ARC and SQuAD have it
        value = value["text"]
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text]
