"""What the first records tell before a run works: whether there is text in the fields that the options name."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from corpus.io import parallel
from corpus.io.paths import Source
from corpus.reading import formats, records
from corpus.reading.read_options import FIELDS, ReadOptions
from corpus.reading.reader import Reader
from corpus.reading.records import First

FILES = 64
"""Files that are looked at, spread evenly over the input, and the first one of each format."""
MOST_NAMES, MOST_NAME = 20, 80
"""Fields that a message lists, and characters of each."""
MOST_FILES = 5
"""Files that a message names."""
LIKE_A_HEADER = 3
"""Words that a name in a header may have; what has more is a sentence."""


class Looked(NamedTuple):
    """A file, and what its first records say."""

    path: str
    reader: Reader
    first: First


def check_fields(sources: Iterable[Source], options: ReadOptions, all_unreadable: bool = False) -> list[str]:
    """Raises ValueError where the first records of a file have fields, and none of them is the text's, with the one
    that may be it; where a further name that the options give is in none of the files; unless `all_unreadable` is no
    matter, where no file has any text that can be read; and where there are no records at all. Says what is so of some
    files only."""
    every = list(sources)
    sources = [source for source in every if source.size]
    looked = _look(sources, options)
    hollow = [each for each in looked if not each.first.texts and not each.first.fault]
    if len(hollow) == len(sources):
        raise ValueError(f"there are no documents in {_names([source.path for source in every])}")
    lacking = [each for each in looked if each.first.texts and options.text_field not in each.first.texts]
    having = [each for each in looked if options.text_field in each.first.texts]
    if lacking:
        raise ValueError(_no_text(lacking, having, options))
    faulty = [each for each in looked if each.first.fault]
    textless = [each for each in having if options.text_field in each.first.others]
    others = len(having) > len(textless) or any(not _reader(source, options).first for source in sources)
    if textless and not others:
        raise ValueError(_no_string(textless, options))
    if faulty and not others and not all_unreadable:
        raise ValueError(_unreadable(faulty))
    return [*_further(having, options), *(_no_string(textless, options) for _ in textless[:1])]


def empty(sources: Iterable[Source]) -> list[str]:
    """What to say of files of no bytes, if there are any."""
    nothing = [source.path for source in sources if not source.size]
    return [f"empty, and so without documents: {_names(nothing)}"] if nothing else []


def _reader(source: Source, options: ReadOptions) -> Reader:
    return formats.of_file(source.path, options.format)


def _look(sources: list[Source], options: ReadOptions) -> list[Looked]:
    """What the first records of some of the files say that have fields, in the order of the input."""
    readers = {source.path: reader for source in sources if (reader := _reader(source, options)).first}
    files = list(readers)
    some = {files[number * len(files) // FILES] for number in range(FILES)} if len(files) > FILES else set(files)
    some |= set({reader.name: path for path, reader in reversed(readers.items())}.values())

    def look(path: str) -> Looked:
        first: Callable[[str, ReadOptions], First] = readers[path].first  # type: ignore[assignment]  # they have one
        return Looked(path, readers[path], first(path, options))

    return parallel.each(look, [path for path in files if path in some], files[0]) if files else []


def _named(files: list[Looked]) -> str:
    return _names([each.path for each in files])


def _names(paths: list[str]) -> str:
    more = f" and {len(paths) - MOST_FILES} more files" if len(paths) > MOST_FILES else ""
    return ", ".join(paths[:MOST_FILES]) + more


def _no_text(lacking: list[Looked], having: list[Looked], options: ReadOptions) -> str:
    """Of files without the field: those whose fields are like those of the first are named together."""
    path, reader, first = lacking[0]
    likely = likeliest(first.texts, options.text_field)
    remedy = _say(likely) if likely else "none of which is text"
    arrays = [name for name, kind in first.others.items() if kind == records.OBJECTS]
    if arrays and not likely:
        remedy = f"the array {arrays[0]} holds objects: have a file of these alone (jq -c '.{arrays[0]}[]' {path})"
    if likely and reader.name in ("csv", "tsv") and not _is_name(likely):
        remedy = "the first row names the fields: put a header on the file, say id,text"
    same = [each for each in lacking if list(each.first.texts) == list(first.texts)]
    rest = [each for each in lacking if each not in same]
    others = f"; nor have {_named(rest)}, whose fields are others" if rest else ""
    apart = f"; {having[0].path} has it: name such files alone, or run the two apart" if having else ""
    said = f"the first records of {_named(same)} have no field {options.text_field!r}"
    return f"{said}; they have {listed(first.texts)}: {remedy}{others}{apart}"


def _say(likely: str) -> str:
    return f"say --text-field {shlex.quote(likely)} (read.text_field in a recipe)"


def _is_name(header: str) -> bool:
    return len(header) <= MOST_NAME and "\n" not in header and len(header.split()) <= LIKE_A_HEADER


def _no_string(files: list[Looked], options: ReadOptions) -> str:
    first = files[0].first
    likely = likeliest(first.texts, options.text_field)
    where = f"{likely} does: {_say(likely)}" if likely else f"they have {listed(first.texts)}, none of which is text"
    what = first.others[options.text_field]
    what = f"which is {what}" if what == records.NULL else f"which is {what} and no string"
    return f"the first records of {_named(files)} have no text in the field {options.text_field!r}, {what}; {where}"


def _unreadable(files: list[Looked]) -> str:
    path, reader, first = files[0]
    fault = first.fault or ""
    remedy = f"have files of that format, or say what they are: --set read.format={'|'.join(formats.READERS)}"
    if "must hold an object" in fault:
        remedy = 'have an object for each record, such as {"text": "..."}'
    more = f" (and the like of {_named(files[1:])})" if files[1:] else ""
    return f"nothing can be read of {path}, which was taken for {reader.name}: {fault}{more}; {remedy}"


def _further(looked: list[Looked], options: ReadOptions) -> list[str]:
    """What to say of further names that some files lack. Raises ValueError for one that all of them do."""
    said = []
    for option in (f"{each}_field" for each in FIELDS):
        name = getattr(options, option)
        without = [each for each in looked if name not in each.first.texts]
        if not without or f"{name}_field" == option:
            continue
        fields = f"the first records of {_named(without)} have no field {name!r}; they have"
        problem = f"read.{option}: {fields} {listed(without[0].first.texts)}"
        if len(without) == len(looked):
            flag = "--" + option.replace("_", "-")
            raise ValueError(f"{problem}: say {flag} with one of these, or leave it out")
        said.append(problem)
    return said


def likeliest(found: Mapping[str, int], wanted: str) -> str | None:
    """The field that is most likely meant by a name that is none: one called so but for its case, or within another
    (`data.text`), else the one with most text; None where there is no text."""
    texts = [name for name, size in found.items() if size]
    return max(texts, key=lambda name: (_last(name) == _last(wanted), found[name]), default=None)


def _last(name: str) -> str:
    return name.rpartition(".")[2].lower()


def listed(found: Iterable[str]) -> str:
    """Names of fields, for people."""
    names = list(found)
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(name if len(name) <= MOST_NAME else f"{name[:MOST_NAME]}..." for name in names[:MOST_NAMES]) + more
