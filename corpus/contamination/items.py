"""Evaluation items, and the texts of theirs that are looked for."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import json
import re
import warnings
from collections import Counter
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
        *("sentence2", "goal", "premise", "hypothesis", "question_stem", "stem", "content", "Question", "Problem"),
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
_SUFFIXES = re.compile(r"(\.(jsonl?|ndjson|csv|tsv|parquet|arrow|feather|gz|zst|bz2))+$")
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
    samples of lm-evaluation-harness (`--log_samples`), whose items are within `doc`, and prompts that its
    `scripts/write_out.py` has written, whose field is `text`.

    A field may hold a string or a list of strings, each a text of its own, and may lie within others (`data.text`); a
    record may lack some of the fields. `quiz*.jsonl=question,answer` are the fields of the files that are called so,
    `auto` those of `KNOWN` that a file has. The name is that of the file, without folders (`load_files` has those that
    tell two files apart), a colon, and the record's "id", or its number, from 1 (of lines, that of the line). Raises
    ValueError for what cannot be read as such, and for a field that no record has, with those that they have.

    >>> import corpus, pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "quiz.jsonl")
    >>> _ = file.write_text('{"id": "q1", "question": "Who wrote it?", "answers": ["She did.", "He did."]}')
    >>> corpus.load_items(str(file), fields=("question", "answers"))
    [Item(name='quiz.jsonl:q1', texts=('Who wrote it?', 'She did.', 'He did.'))]
    """
    return load_files([path], fields)


def load_files(names: Iterable[str], fields: tuple[str, ...] = ("text",)) -> list[Item]:
    """Items of several files; see `load_items`. Every file has some of the fields; every field is in some of the files
    that it is named for, and every pattern is the name of some file. What has half a surrogate pair, which stands for
    no character, has U+FFFD instead, with a warning."""
    files = list(names)
    _check_patterns(files, fields)
    places, sets = _places(files)
    items: list[Item] = []
    lacking: dict[tuple[str, str], tuple[str, dict[str, int]]] = {}  # (for which files, field): one, and what it has
    seen, samples = set[tuple[str, str]](), set[tuple[str, str]]()
    for path in files:
        count, here = len(items), set[str]()
        sizes: dict[str, int] = {}
        pattern, wanted = _entry(path, fields)
        for number, record in evaluation_files.records(path):
            if is_sample(record):  # of which there are some for an item, in files of several models, too
                if (sets[path], record["doc_hash"]) in samples:
                    continue
                samples.add((sets[path], record["doc_hash"]))
            item, found = _item(path, number, record, wanted, places[path], sets[path])
            items.append(item)
            here.update(found)
            if len(items) - count <= MOST_LOOKED_AT:
                _add_sizes(sizes, inner(record))
        if len(items) > count and not here:
            raise _no_text(path, wanted[0], sizes)
        seen |= {(pattern, field) for field in here}
        if len(items) > count:
            lacking |= {(pattern, field): (path, sizes) for field in wanted if field != AUTO and field not in here}
    for (pattern, field), (path, sizes) in lacking.items():
        if (pattern, field) not in seen:
            raise _no_text(path, field, sizes)
    return items


def _check_patterns(files: list[str], fields: tuple[str, ...]) -> None:
    """Raises ValueError for an entry PATTERN=FIELD,FIELD that names no field, or is for none of the files."""
    called = list(dict.fromkeys(map(paths.basename, files)))
    for entry in fields:
        pattern, is_, named = entry.rpartition("=")
        if not entry.strip() or (is_ and not any(field.strip() for field in named.split(","))):
            raise ValueError(f"fields: {entry!r} names no field; say {pattern.strip() or 'quiz.jsonl'}=question,answer")
        if is_ and files and not any(_matches(name, pattern) for name in called):
            more = f" and {len(called) - MOST_NAMES} more" if len(called) > MOST_NAMES else ""
            known = ", ".join(called[:MOST_NAMES]) + more
            raise ValueError(f"fields: {pattern.strip()!r} is the name of no evaluation file; they are {known}")


def _entry(path: str, fields: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The fields of a file: (pattern, those that an entry PATTERN=FIELD,FIELD names for files of its name), else ("",
    the entries that are for all files). Raises ValueError where there are none for it."""
    name = paths.basename(path)
    for entry in fields:
        pattern, is_, named = entry.rpartition("=")
        if is_ and _matches(name, pattern):
            return pattern, tuple(field.strip() for field in named.split(",") if field.strip())
    found = tuple(field.strip() for field in fields if "=" not in field)
    if not found:
        raise ValueError(f"{path}: fields names none for it; say {name}=question,answer or a field for all files")
    return "", found


def _matches(name: str, pattern: str) -> bool:
    return name == pattern.strip() or fnmatch.fnmatchcase(name, pattern.strip())


def _places(files: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """What each file is called, and the set in it: by their names, with as many folders before them as it takes for two
    not to be called the same."""
    whole = {path: tuple(paths.without_options(path).rstrip("/").split("/")) for path in files}
    sets = {path: _set_place(parts) for path, parts in whole.items()}
    name, set_ = _shortest(whole.values()), _shortest(sets.values())
    return {path: name[parts] for path, parts in whole.items()}, {path: set_[parts] for path, parts in sets.items()}


def _set_place(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Where a set is: the file without suffixes, its folder where the file is a numbered one, the task where it is of
    samples of lm-evaluation-harness."""
    name = _SUFFIXES.sub("", parts[-1])
    if of_samples := task(name):
        return (of_samples,)
    return parts[:-1] if _SHARD.fullmatch(name) and len(parts) > 1 else (*parts[:-1], name)


def task(path: str) -> str:
    """The task whose samples lm-evaluation-harness has logged in a file, by its name; "" of another one."""
    found = _SAMPLES.match(_SUFFIXES.sub("", paths.basename(path)))
    return found.group(1) if found else ""


def _shortest(places: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Of each place its shortest end that no other has."""
    different = set(places)
    ends = Counter(place[-size:] for place in different for size in range(1, len(place) + 1))
    found = {}
    for place in different:
        own = (size for size in range(1, len(place)) if ends[place[-size:]] == 1)
        found[place] = "/".join(place[-next(own, len(place)) :])
    return found


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


def _item(
    path: str, number: int, record: dict[str, Any], wanted: tuple[str, ...], place: str, set_: str
) -> tuple[Item, list[str]]:
    """(the item of a record, the fields that it has texts in); place: what its file is called."""
    key, inside = doc_hash(record), inner(record)
    names = [name for name in wanted if name != AUTO]
    if AUTO in wanted:
        names += _known(inside)
    found = {name: values for name in names if (values := _texts(_value(record, inside, name)))}
    named = str(record.get("id", record.get("doc_id", inside.get("id", number))))
    pairs = [(name, text) for name in names for text in found.get(name, ())]
    texts, of_texts = tuple(text for _, text in pairs), tuple(name for name, _ in pairs)
    item = Item(f"{place}:{named}", texts, set_, named, of_texts, key)
    try:
        "".join([named, key, *texts, *of_texts]).encode()
    except UnicodeEncodeError:
        warnings.warn(
            f"{path}: record {number} has half a surrogate pair, which stands for no character; U+FFFD is read instead",
            stacklevel=4,
        )
        item = Item(
            _whole(item.name), tuple(map(_whole, texts)), set_, _whole(named), tuple(map(_whole, of_texts)), _whole(key)
        )
    return item, [*found, *([AUTO] if found else [])]


def _whole(text: str) -> str:
    """A text with U+FFFD instead of surrogates that are no pair."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


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
    """The texts of a value: a string, a list of such and of lists, objects that have `text` or `content` (as ARC, SQuAD
    and chats have it)."""
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if isinstance(value, dict):
        return _texts(value["text"] if isinstance(value.get("text"), (list, str)) else value.get("content"))
    return [value] if isinstance(value, str) and value else []
