"""`winnow export-tokens`: token shards in another's format, beside the run or where one says."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from corpus import options
from corpus.io import paths
from corpus.tokens import manifest as manifests
from corpus.tokens.checksum import xxh64
from corpus.tokens.exports import FORMATS
from corpus.tokens.exports.format import Format, Written
from corpus.tokens.exports.source import Source
from corpus.tokens.megatron import map_file

NAME = "export.json"
"""Of the file that says what an export is: format, options, the manifest it was made of, its files, with their sizes
and checksums."""


class Exported(NamedTuple):
    """What `export_tokens` did: where it is; what is in its export.json; what of it are links and what is left out,
    None where it was all there before; how it is read."""

    folder: str
    described: dict[str, Any]
    written: Written | None
    reader: str


def export_tokens(tokens: str, format: str, output: str | None = None, **given: Any) -> Exported:
    """Write the token shards of a run as another's files, into the folder `output` (OUT/exports/FORMAT).

    tokens    OUT, a folder of tokens, or one of its sets, OUT/tokens/NAME; a folder of sets is refused as a whole
    format    datatrove, olmo, nanogpt, llmc (llm.c, modded-nanogpt), mds (MosaicML's StreamingDataset, LLM Foundry) or
              arrow (Hugging Face's datasets)
    given     `sequence_length` of mds and arrow: samples of so many tokens instead of documents; `validation` of
              nanogpt and llmc: the share of documents that they validate on

    The files of datatrove, olmo and, where it is one shard, nanogpt are hard links where the filesystem has such. A
    folder is there whole or not at all; what is exported already, byte for byte, is not again. Raises FileNotFoundError
    where there are no tokens, ValueError for tokens that are damaged or that the other cannot read, and for unknown
    formats and options, FileExistsError where something else, or a damaged export, is in the way.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pq.write_table(corpus.as_table(["to be or not to be"] * 20), "docs.parquet")
    >>> steps = [pipelines.TrainTokenizer(vocab_size=266), pipelines.Tokenize()]
    >>> result = pipelines.run_recipe(pipelines.Recipe(input="docs.parquet", steps=steps), "OUT")
    >>> corpus.export_tokens("OUT", "datatrove").described["files"]
    {'00000.ds': 280, '00000.ds.index': 160, '00000.ds.metadata': 25}
    """
    made, source = _format(format, given), Source(tokens)
    name = f"{format}-{source.set}" if source.set else format
    folder = output or os.path.join(paths.parent(source.folder) or ".", "exports", name)
    if not paths.is_local(folder):
        raise ValueError(f"{folder}: exports are written to this machine; copy them from here")
    folder = (paths.local_path(folder) or folder).rstrip("/")
    made.refuse(source)
    described = {
        "format": format,
        "options": dataclasses.asdict(made),  # type: ignore[call-overload]  # every format is a dataclass
        **({"set": source.set} if source.set else {}),
        "manifest": f"{xxh64(map_file(paths.join(source.folder, manifests.NAME))):016x}",
    }
    reader = made.reader.format(folder=folder, token_bytes=source.dtype.itemsize, token_bits=8 * source.dtype.itemsize)
    if os.path.lexists(folder):
        return Exported(folder, _check_same(folder, described), None, reader)
    os.makedirs(os.path.dirname(folder) or ".", exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".winnow-export-", dir=os.path.dirname(folder) or ".") as apart:
        inside = os.path.join(apart, "export")
        os.mkdir(inside)
        written = made.write(source, inside)
        described["files"] = _sizes(inside)
        described["xxh64"] = _checksums(inside, described["files"])
        with open(os.path.join(inside, NAME), "w", encoding="utf-8") as file:
            json.dump(described, file, indent=1)
        os.rename(inside, folder)
    return Exported(folder, described, written, reader)


def show(done: Exported) -> Iterator[str]:
    """A few lines about an export."""
    files = done.described["files"]
    size, count = sum(files.values()), len(files)
    if done.written is None:
        yield f"nothing to do: {done.folder} is this export already ({count} files, {size:,} bytes)"
    else:
        shared = f", of which {done.written.linked:,} are hard links" if done.written.linked else ""
        yield f"{done.folder}: {done.written.tokens:,} tokens in {count} files, {size:,} bytes{shared}"
        for what, number in done.written.left_out.items():
            yield f"left out: {number:,} {what}"
    yield f"read it by: {done.reader}"


def _format(name: str, given: dict[str, Any]) -> Format:
    """A format with its options. Raises ValueError."""
    options.check_known([name], list(FORMATS), "format", "export-tokens")
    kind = FORMATS[name]
    given = {option: value for option, value in given.items() if value is not None}
    known = list(inspect.signature(kind).parameters)
    for option in given:
        if option not in known:
            has = f"has {', '.join(known)}" if known else "has no options"
            raise options.OptionError(f"format {name!r} has no option {option!r}; it {has}")
    share, length = given.get("validation", 0), given.get("sequence_length", 1)
    if not 0 <= share < 1:
        raise options.OptionError(f"option 'validation' should be a share from 0 to less than 1 (given {share!r})")
    if length < 1:
        raise options.OptionError(f"option 'sequence_length' should be 1 or more (given {length!r})")
    return kind(**given)


def _sizes(folder: str) -> dict[str, int]:
    """Bytes by file."""
    return {name: os.path.getsize(os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if name != NAME}


def _checksums(folder: str, names: Iterable[str]) -> dict[str, str]:
    """By file. Reads all of them."""
    return {name: f"{xxh64(map_file(os.path.join(folder, name))):016x}" for name in names}


def _check_same(folder: str, described: dict[str, Any]) -> dict[str, Any]:
    """What is in the export.json of a folder, if it is this export. Raises FileExistsError."""
    try:
        with open(os.path.join(folder, NAME), encoding="utf-8") as file:
            found = dict(json.load(file))
    except (OSError, TypeError, ValueError):
        raise FileExistsError(f"{folder} is in the way, and is no export: choose another --output") from None
    if {key: found.get(key) for key in described} != described:
        raise FileExistsError(
            f"{folder} is an export of other tokens or options: delete it, or choose another --output"
        )
    files = found.get("files", {})
    whole = files.items() <= _sizes(folder).items()  # `datasets` leaves caches beside them
    if not whole or _checksums(folder, files) != found.get("xxh64"):
        raise FileExistsError(f"{folder} is damaged: its files are not those that were written; delete it")
    return found
