"""Variants: files damaged or made to harm, of every format that Winnow reads, with what must become of them.

    variant(seed, number)

is the same file for the same seed and number, always. Every case of the `catalogue` comes once before
any comes again with other chances. Where to look:

    clean_files.py       clean files of every layout           damage.py   what befalls them
    truth.py             what the damage leaves of them
    bombs.py             small files that decode to much
    hostile_lines.py     JSON       hostile_pages.py    WARC, HTTP, HTML
    hostile_streams.py   gzip, zstd hostile_tables.py   Parquet
    mutation_campaign.py puts the variants through Winnow; test_mutations.py a sample of them
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import random
from collections.abc import Callable, Iterable

import bombs
import clean_files
import damage
import hostile_lines
import hostile_pages
import hostile_streams
import hostile_tables
import truth
from bombs import Runs
from clean_files import Clean, Entry, Record
from hostile_lines import Case
from hostile_streams import Stream
from hostile_tables import Table

SMALL, LARGE = 400_000, 400 << 20
"""Bytes up to which a hostile record is put into plain files too, and above which it is not put into gzip, which
makes it a thousandth at best."""
HOSTILE = frozenset([hostile_lines.ID])


@dataclasses.dataclass(frozen=True)
class Variant:
    """A file and the truth about it. Texts are known by `digest`; a text file's document has the id "".

    `texts`: of all documents that the file had before the damage; `intact`: ids that must come out, with
    that text; `present`: ids that, if they do not come out, must be accounted for. `altered`: other ids
    of `texts` may come out with another text; `extra`: documents with other ids may come out, too.
    `refused`: ids that may neither come out nor be dropped; `bad`: the least number of records that must
    be quarantined; `notice`: something must be; `sound`: nothing may be. `limit`: `ReadOptions.max_record_bytes`
    to read it with; `unit_bytes`: the size of the units to read it in; None for the defaults. `huge`: its documents
    are sound, and more than one would want on a disk.
    """

    number: int
    group: str
    mutation: str
    suffix: str
    data: bytes = dataclasses.field(repr=False)
    texts: dict[str, str] = dataclasses.field(repr=False, default_factory=dict)
    intact: frozenset[str] = dataclasses.field(repr=False, default=frozenset())
    present: frozenset[str] = dataclasses.field(repr=False, default=frozenset())
    altered: bool = False
    extra: bool = False
    refused: frozenset[str] = frozenset()
    bad: int = 0
    notice: bool = False
    sound: bool = False
    limit: int | None = None
    unit_bytes: int | None = None
    huge: bool = False

    @property
    def name(self) -> str:
        return f"{self.group}: {self.mutation}"


@dataclasses.dataclass(frozen=True)
class Maker:
    """A case of the catalogue: `make` gives the fields of a variant, by a source of chance."""

    group: str
    mutation: str
    make: Callable[[random.Random], dict]

    @property
    def name(self) -> str:
        return f"{self.group}: {self.mutation}"


def digest(text: Iterable[bytes]) -> str:
    """Of a text in UTF-8, in any pieces."""
    found = hashlib.blake2b(digest_size=16)
    for piece in text:
        found.update(piece)
    return found.hexdigest()


def variant(seed: int, number: int) -> Variant:
    """The chances hang on the name and on how often it came before, so that they stay when cases are added."""
    makers = catalogue()
    maker, turn = makers[number % len(makers)], number // len(makers)
    return Variant(number, maker.group, maker.mutation, **maker.make(random.Random(f"{seed} {maker.name} {turn}")))


@functools.cache
def catalogue() -> tuple[Maker, ...]:
    """Every maker once, so mixed that any first so many are spread over formats and mutations."""
    makers = [*_damaged(), *_lines(), *_archives(), *_streams(), *_wrappers(), *_tables(), *_texts(), *_tiny_files()]
    return tuple(sorted(makers, key=lambda maker: hashlib.blake2b(maker.name.encode()).digest()))


# Damage


def _damaged() -> Iterable[Maker]:
    for layout in clean_files.LAYOUTS:
        for name, (function, applies) in damage.DAMAGES.items():
            if applies(clean_files.clean(layout)):
                yield Maker(layout, name, functools.partial(_damaged_file, layout, function))


def _damaged_file(layout: str, function: damage.Damage, dice: random.Random) -> dict:
    clean = clean_files.clean(layout)
    damaged = function(clean, dice)
    possible = {damage.NEVER: False, damage.SILENT: clean.silent, damage.ALWAYS: True}[damaged.altered]
    return {
        "suffix": damaged.suffix or clean.suffix,
        "data": damaged.data,
        "texts": _digests(clean.records),
        "intact": _ids(truth.intact(clean, damaged)),
        "present": _ids(truth.present(clean, damaged)),
        "altered": possible or clean.kind == "plain",
        "extra": possible or clean.kind == "plain",  # an id can change as a text can
        "notice": damaged.notice,
        "sound": damaged.sound,
        "unit_bytes": _units(clean.suffix, dice),
    }


def _units(suffix: str, dice: random.Random) -> int | None:
    """Files that can be read in several units are, every second time."""
    return dice.choice([None, 20_000]) if suffix in (".jsonl", ".parquet") else None


def _ids(records: Iterable[Record]) -> frozenset[str]:
    return frozenset(record.id for record in records)


def _digests(records: Iterable[Record | Entry]) -> dict[str, str]:
    return {record.id: digest([record.text.encode()]) for record in records if record.id is not None}


# Hostile records among clean ones

CONTAINERS: dict[str, tuple[str, Callable[[list[Runs]], bytes]]] = {
    "plain": ("", lambda parts: b"".join(map(bombs.join, parts))),
    "one member": (".gz", lambda parts: bombs.gzip_of(run for part in parts for run in part)),
    "members": (".gz", lambda parts: b"".join(map(bombs.gzip_of, parts))),
    "one frame": (".zst", lambda parts: bombs.zstd_of(run for part in parts for run in part)),
    "frames": (".zst", lambda parts: b"".join(map(bombs.zstd_of, parts))),
}
"""Ways to make a file of parts, and the suffix that goes with each."""


def _lines() -> Iterable[Maker]:
    for name, case in hostile_lines.LINES.items():
        yield Maker("hostile lines", name, functools.partial(_hostile_file, "jsonl", case))


def _archives() -> Iterable[Maker]:
    for name, case in hostile_pages.WARC_CASES.items():
        kind, _, mutation = name.partition(": ")
        yield Maker(f"hostile {kind}", mutation, functools.partial(_hostile_file, "warc", case))


def _hostile_file(format: str, case: Case, dice: random.Random) -> dict:
    """The case between clean records, plain or in any container that makes it small."""
    before, after = _neighbours(format)
    after = [] if case.last else after
    runs = list(case.runs() if callable(case.runs) else case.runs)
    suffix, pack = _container(bombs.size_of(runs), dice)
    parts = [[(entry.data, 1)] for entry in before] + [runs] + [[(entry.data, 1)] for entry in after]
    texts = _digests([*before, *after])
    if case.text is not None:
        texts |= {hostile_lines.ID: digest(bombs.blocks(case.text))}
    return {
        "suffix": f".{format}{suffix}",
        "data": pack(parts),
        "texts": texts,
        "intact": frozenset(texts),
        "present": frozenset(texts),
        "extra": True,
        "refused": HOSTILE if case.refused else frozenset(),
        "bad": case.bad,
        "limit": case.limit,
    }


def _container(size: int, dice: random.Random) -> tuple[str, Callable[[list[Runs]], bytes]]:
    fit = [
        (suffix, pack)
        for suffix, pack in CONTAINERS.values()
        if not (suffix == "" and size > SMALL or suffix == ".gz" and size > LARGE)
    ]
    return dice.choice(fit)


def _neighbours(format: str, count: int = 20) -> tuple[list[Entry], list[Entry]]:
    make = clean_files.jsonl_entries if format == "jsonl" else clean_files.warc_entries
    return make(count), make(count, first=count)


# Hostile streams


def _streams() -> Iterable[Maker]:
    for format in ("jsonl", "warc"):
        for name, stream in hostile_streams.STREAMS.items():
            yield Maker(f"hostile streams of {format}", name, functools.partial(_stream_file, format, stream))


def _stream_file(format: str, stream: Stream, dice: random.Random) -> dict:
    before, after = _neighbours(format)
    after = [] if stream.last else after
    pack = clean_files.gzip_member if stream.kind == "gzip" else clean_files.zstd_frame()
    first, last = (pack(0, b"".join(entry.data for entry in entries)) for entries in (before, after))
    texts = _digests([*before, *after])
    return {
        "suffix": f".{format}.gz" if stream.kind == "gzip" else f".{format}.zst",
        "data": first + stream.make() + (last if after else b""),
        "texts": texts,
        "intact": frozenset(_digests(before) if stream.hopeless else texts),
        "present": frozenset(texts),
        "extra": True,
        "notice": stream.refused,
    }


def _wrappers() -> Iterable[Maker]:
    for format in ("jsonl", "warc"):
        for name, (kind, pack) in hostile_streams.WRAPPERS.items():
            yield Maker(f"odd streams of {format}", name, functools.partial(_wrapped_file, format, kind, pack))
        for size in hostile_streams.SIZES:
            for kind, pack in (("gzip", clean_files.gzip_member), ("zstd", clean_files.zstd_frame())):
                make = functools.partial(_sized_file, format, kind, pack, size)
                yield Maker(f"odd streams of {format}", f"{kind}: a part of {size >> 10} KiB", make)


def _wrapped_file(format: str, kind: str, pack, dice: random.Random) -> dict:
    entries = sum(_neighbours(format, 80), [])
    suffix = f".{format}.gz" if kind == "gzip" else f".{format}.zst"
    clean = clean_files.assemble("", suffix, entries, clean_files.by_records(entries, 20), pack, False)
    return _sound_file(clean)


def _sized_file(format: str, kind: str, pack, size: int, dice: random.Random) -> dict:
    """Two parts, the first of exactly `size` bytes of content."""
    before, after = _neighbours(format)
    missing = size - sum(len(entry.data) for entry in before)
    if format == "jsonl":
        padding = Entry(b" " * (missing - 1) + b"\n")
    else:
        bare = len(clean_files.corpora.warc_record("request", "", bytes(missing)))
        padding = Entry(clean_files.corpora.warc_record("request", "", bytes(missing - (bare - missing))))
    entries = [*before, padding, *after]
    suffix = f".{format}.gz" if kind == "gzip" else f".{format}.zst"
    ends = clean_files.by_records(entries, len(before) + 1)
    return _sound_file(clean_files.assemble("", suffix, entries, ends, pack, False))


def _sound_file(clean: Clean) -> dict:
    texts = _digests(clean.records)
    every = frozenset(texts)
    return {
        "suffix": clean.suffix,
        "data": clean.data,
        "texts": texts,
        "intact": every,
        "present": every,
        "sound": True,
    }


# Tables


def _tables() -> Iterable[Maker]:
    for name, table in hostile_tables.TABLES.items():
        kind, _, mutation = name.partition(": ")
        yield Maker(f"tables, {kind}", mutation, functools.partial(_table_file, table))


def _table_file(table: Table, dice: random.Random) -> dict:
    texts = {identity: digest(bombs.blocks(text)) for identity, text in table.texts.items()}
    return {
        "suffix": ".parquet",
        "data": table.make(),
        "texts": texts,
        "intact": frozenset(texts) if table.certain else frozenset(),
        "present": frozenset(texts),
        "altered": not table.exact,
        "extra": True,
        "refused": frozenset(table.refused),
        "bad": max(table.bad, len(table.refused)),
        "limit": table.limit,
        "unit_bytes": _units(".parquet", dice),
        "huge": table.huge,
    }


# Text files, and files of next to nothing

TEXTS: dict[str, Case] = {
    "good": Case([(b"some words\n", 3)], text=[(b"some words\n", 3)]),
    "a byte order mark": Case([(b"\xef\xbb\xbfsome words", 1)], text=[(b"some words", 1)]),
    "not UTF-8": Case([(b"some words\xff", 1)], refused=True, bad=1),
    "UTF-16": Case([("some words".encode("utf-16"), 1)], refused=True, bad=1),
    "NULs": Case([(b"a\0b", 1000)], text=[(b"a\0b", 1000)]),
    "below the limit": Case([(b"word ", 12 << 20)], text=[(b"word ", 12 << 20)]),
    "beyond the limit": Case([(b"word ", 20 << 20)], refused=True, bad=1),
    "of 700 MB": Case([(b"\0", 700 << 20)], refused=True, bad=1),
    "below a small limit": Case(
        [(b"a", hostile_lines.LIMIT)], text=[(b"a", hostile_lines.LIMIT)], limit=hostile_lines.LIMIT
    ),
    "beyond a small limit": Case([(b"a", hostile_lines.LIMIT + 1)], refused=True, bad=1, limit=hostile_lines.LIMIT),
    "wide, below the limit": Case([("𝄞".encode(), 15_000_000)], text=[("𝄞".encode(), 15_000_000)]),
}


def _texts() -> Iterable[Maker]:
    for name, case in TEXTS.items():
        yield Maker("hostile texts", name, functools.partial(_text_file, case))


def _text_file(case: Case, dice: random.Random) -> dict:
    suffix, pack = _container(bombs.size_of(case.runs), dice)
    texts = {"": digest(bombs.blocks(case.text))} if case.text else {}
    return {
        "suffix": ".txt" + suffix,
        "data": pack([[run] for run in case.runs]),
        "texts": texts,
        "intact": frozenset(texts),
        "refused": frozenset([""] if case.refused else []),
        "bad": case.bad,
        "limit": case.limit,
    }


TINY = {
    "nothing": b"",
    "a NUL": b"\0",
    "a line end": b"\n",
    "the start of gzip's magic number": b"\x1f",
    "a magic number of zstd": b"\x28\xb5\x2f\xfd",
    "a magic number of Parquet": b"PAR1",
    "the start of a record": b"WARC/1.0\r\n",
    "zeros": bytes(70_000),
}


def _tiny_files() -> Iterable[Maker]:
    suffixes = sorted({clean_files.clean(layout).suffix for layout in clean_files.LAYOUTS})
    for suffix in suffixes:
        for name, data in TINY.items():
            yield Maker("tiny files", f"{name} {suffix}", functools.partial(_tiny_file, suffix, data))
        yield Maker("tiny files", f"noise {suffix}", functools.partial(_noise, suffix))


def _tiny_file(suffix: str, data: bytes, dice: random.Random) -> dict:
    return {"suffix": suffix, "data": data, "extra": bool(data), "sound": not data}  # a file of no bytes has no records


def _noise(suffix: str, dice: random.Random) -> dict:
    return {"suffix": suffix, "data": dice.randbytes(100_000), "notice": True}
