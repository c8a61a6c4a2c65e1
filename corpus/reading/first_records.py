"""What the first records tell before a run works: whether the fields are there that the options name."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from corpus.io.paths import Source
from corpus.reading import formats
from corpus.reading.read_options import FIELDS, ReadOptions

FILES = 8
"""Files of a format, spread over the input, of which one must have the text for a run to begin."""
MOST_NAMES, MOST_NAME = 20, 80
"""Fields that a message lists, and characters of each."""


def check_fields(sources: Iterable[Source], options: ReadOptions) -> list[str]:
    """Raises ValueError where the first records of a format's files have fields, and none of them is the text's, with
    the one that may be it. Says where there is none of a further name that the options give. Files are looked at
    until one has the text."""
    notes: list[str] = []
    lacking: list[tuple[str, dict[str, int]]] = []
    having = ""
    for name, files in _by_format(sources, options).items():
        fields = formats.READERS[name].fields
        without: tuple[str, dict[str, int]] | None = None
        for file in files[:: -(-len(files) // FILES)]:
            found = fields(file.path, options) if fields else {}
            if options.text_field in found:
                notes += _others_missing(file.path, found, options)
                having = having or file.path
                break
            if found and not without:
                without = file.path, found
        else:
            lacking += [without] if without else []
    if lacking:
        apart = f"; {having} has it: run the two apart" if having else ""
        raise ValueError(_no_text(*lacking[0], options) + apart)
    return notes


def _by_format(sources: Iterable[Source], options: ReadOptions) -> dict[str, list[Source]]:
    """The files that have anything in them, by formats that have fields."""
    found: dict[str, list[Source]] = {}
    for source in sources:
        reader = formats.of_file(source.path, options.format)
        if reader.fields and source.size:
            found.setdefault(reader.name, []).append(source)
    return found


def _no_text(path: str, found: Mapping[str, int], options: ReadOptions) -> str:
    likely = likeliest(found, options.text_field)
    remedy = (
        f"say --text-field {shlex.quote(likely)} (read.text_field in a recipe)" if likely else "none of which is text"
    )
    if likely and (len(likely) > MOST_NAME or "\n" in likely):
        remedy = "the first row names the fields: is there a header?"
    return f"the first records of {path} have no field {options.text_field!r}; they have {listed(found)}: {remedy}"


def _others_missing(path: str, found: Mapping[str, int], options: ReadOptions) -> list[str]:
    named = {f"{each}_field": getattr(options, f"{each}_field") for each in FIELDS}
    return [
        f"read.{option}: the first records of {path} have no field {name!r}; they have {listed(found)}"
        for option, name in named.items()
        if name not in found and f"{name}_field" != option
    ]


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
