"""The registry of formats, and what every reader owes. A new one has a line in SAMPLES."""

import bz2
import csv
import dataclasses
import gzip
import io
import json
import lzma
import random
from collections.abc import Callable

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from corpus.io import paths
from corpus.options import describe
from corpus.reading import formats, html, readers, records, streams
from corpus.reading.readers import ReadOptions

OPTIONS = ReadOptions()
PACK = {".gz": gzip.compress, ".zst": zstandard.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@dataclasses.dataclass(frozen=True)
class Sample:
    """`make(ids, texts)` is a file of these documents; the ids are None where they are to have none of their own.
    `many`: whether a file holds several documents, and their ids."""

    suffix: str
    make: Callable[[list[str | None], list[str]], bytes]
    many: bool = True


def lines(ids, texts):
    rows = [{"text": text} if i is None else {"id": i, "text": text} for i, text in zip(ids, texts)]
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def archive(ids, texts):
    head = "WARC/1.0\r\nWARC-Type: conversion\r\n%sContent-Length: %d\r\n\r\n"
    named = ["" if i is None else f"WARC-Record-ID: <urn:uuid:{i}>\r\n" for i in ids]
    data = [text.encode() for text in texts]
    return b"".join((head % (name, len(each))).encode() + each + b"\r\n\r\n" for name, each in zip(named, data))


def array(ids, texts):
    return b"[" + lines(ids, texts).rstrip(b"\n").replace(b"\n", b",\n") + b"]"


def rows(ids, texts, delimiter=","):
    file, kept = io.StringIO(newline=""), any(ids)
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([["id", "text"], *zip(ids, texts)] if kept else [["text"], *([text] for text in texts)])
    return file.getvalue().encode()


def table(ids, texts):
    file, kept = io.BytesIO(), {"id": ids} if any(ids) else {}
    # no statistics: they would be as they were where a test changes the data
    options = {"use_dictionary": False, "compression": "none", "write_statistics": False}
    pq.write_table(pa.table({**kept, "text": texts}), file, row_group_size=5, **options)
    return file.getvalue()


def batches(ids, texts):
    file, kept = io.BytesIO(), {"id": ids} if any(ids) else {}
    columns = pa.table({**kept, "text": texts})
    with pa.ipc.new_stream(file, columns.schema) as writer:
        writer.write_table(columns, max_chunksize=5)
    return file.getvalue()


SAMPLES = {
    "warc": Sample(".wet", archive),
    "jsonl": Sample(".jsonl", lines),
    "parquet": Sample(".parquet", table),
    "json": Sample(".json", array),
    "arrow": Sample(".arrow", batches),
    "csv": Sample(".csv", rows),
    "tsv": Sample(".tsv", lambda ids, texts: rows(ids, texts, "\t")),
    "text": Sample(".txt", lambda ids, texts: texts[0].encode(), many=False),
}
every = pytest.mark.parametrize("name", SAMPLES)

IDS = [f"doc-{i}" for i in range(20)]
TEXTS = [f'{corpora.sentence("formats", i)}\nA second line, "quoted"; größer, 𝄞 and \\n.' for i in range(20)]


def write(folder, name, ids=IDS, texts=TEXTS, compression="", change=lambda data: data):
    """The path of a file with these documents, of which a format that has room for one holds the first."""
    sample = SAMPLES[name]
    path = folder / f"x{sample.suffix}{compression}"
    path.write_bytes(PACK.get(compression, bytes)(change(sample.make(ids, texts))))
    return str(path)


def gather(path, options=OPTIONS, unit_bytes=readers.UNIT_BYTES, excluded=()):
    """(documents, quarantined) of a file, as dicts; every reading is as readings are."""
    kept, quarantined = [], []
    for unit in readers.split(paths.expand(path), options, unit_bytes):
        for reading in readers.read(unit, options, excluded=excluded):
            reading.documents.validate(full=True)
            assert reading.documents.schema == records.SCHEMA
            kept += reading.documents.to_pylist()
            quarantined += reading.quarantined
    return kept, quarantined


# ------------------------------------------------------------------ the registry


def test_every_format_has_a_sample_and_names_of_its_own():
    assert set(formats.READERS) == set(SAMPLES) and "auto" not in formats.READERS
    suffixes = [suffix for reader in formats.READERS.values() for suffix in reader.suffixes]
    assert len(set(suffixes)) == len(suffixes) and all(s.startswith(".") and s == s.lower() for s in suffixes)
    assert not set(suffixes) & set(streams.COMPRESSIONS)
    for name, sample in SAMPLES.items():
        assert sample.suffix in formats.READERS[name].suffixes


@pytest.mark.parametrize("path, name", [
    ("a.warc", "warc"), ("a.warc.gz", "warc"), ("a.wet", "warc"), ("A.WARC.WET.GZ", "warc"), ("a.warc.zst", "warc"),
    ("a.jsonl", "jsonl"), ("a.jsonl.zst", "jsonl"), ("c4-train.00000-of-01024.json.gz", "json"), ("a.ndjson", "jsonl"),
    ("a.parquet", "parquet"), ("a.txt", "text"), ("a.txt.gz", "text"),
])  # fmt: skip
def test_formats_by_suffix(path, name):
    assert formats.of_file(path).name == name
    assert formats.of_file(path, "text").name == "text"


@pytest.mark.parametrize("path", ["data/a.docx", "a", "a.gz", "a.parquet.gz", "jsonl", "a.jsonl.rar"])
def test_unknown_suffix_is_an_error_that_names_the_known(path):
    with pytest.raises(ValueError) as error:
        readers.split([paths.Source(path, 1, 0)], OPTIONS)
    said, _, uncompressed = str(error.value).partition("; .gz, .zst, .bz2, .xz of all but ")
    suffixes = ", ".join(suffix for reader in formats.READERS.values() for suffix in reader.suffixes)
    assert said == f"unknown kind of file: {path} (known: {suffixes}" and ".parquet" in uncompressed


def test_what_is_unknown_is_passed_over_unless_it_is_named(tmp_path):
    for name in ("a.txt", "README.md", "x.bin"):
        (tmp_path / name).write_text("words")
    for pattern in (tmp_path, tmp_path / "*"):
        sources, unknown = readers.expand(str(pattern), OPTIONS)
        assert [source.path for source in sources] == [str(tmp_path / "a.txt")]
        assert unknown == [str(tmp_path / "README.md"), str(tmp_path / "x.bin")]
    assert [s.path for s in readers.expand(str(tmp_path / "x.bin"), OPTIONS)[0]] == [str(tmp_path / "x.bin")]
    assert len(readers.expand(str(tmp_path), ReadOptions(format="text"))[0]) == 3
    with pytest.raises(ValueError, match=f"unknown kind of file: {tmp_path}/README.md"):
        readers.expand(str(tmp_path / "[Rx]*"), OPTIONS)
    with pytest.warns(UserWarning, match="left out: 2 files of unknown kind: .*README.md, .*x.bin .known"):
        (reading,) = readers.read_files(tmp_path)
    assert reading.documents["text"].to_pylist() == ["words"]
    with pytest.raises(ValueError, match="unknown kind of file"):
        readers.read_files(tmp_path / "x.bin")
    assert readers.passed_over([f"{i}.md" for i in range(12)]).startswith(
        "left out: 12 files of unknown kind: 0.md, 1.md, 2.md, 3.md, 4.md, 5.md, 6.md, 7.md, 8.md, 9.md and 2 more (kn"
    )


def test_what_is_registered_can_be_chosen():
    described = {each.name: each.choices for each in describe(ReadOptions)}
    assert described["format"] == formats.CHOICES == ("auto", *formats.READERS) and described["extract"] == tuple(
        html.EXTRACTORS
    )
    for name in formats.READERS:
        assert ReadOptions(format=name).format == name
    with pytest.raises(ValueError, match="unknown value 'parket' in option 'format' of read; did you mean 'parquet'?"):
        ReadOptions(format="parket")


def test_columns_are_those_of_the_first_file_that_has_some(tmp_path):
    for name, column in (("b.parquet", "first"), ("c.parquet", "second")):
        own = pa.Table.from_batches([records.table([])]).append_column(column, pa.array([], pa.int64()))
        pq.write_table(own, tmp_path / name)
        pq.write_table(pa.table({"text": ["x"], column: [1]}), tmp_path / f"not-{name}")
    (tmp_path / "a.jsonl").write_text('{"text": "x", "zeroth": 1}\n')
    sources = paths.expand(str(tmp_path))
    assert readers.columns(sources, OPTIONS) == [*records.SCHEMA.names, "first"]
    assert readers.columns(sources[:1], OPTIONS) == readers.columns(sources, ReadOptions(format="text")) == []
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    assert readers.columns(sources, OPTIONS) == []


# ------------------------------------------------------------------ every reader


@every
@pytest.mark.parametrize("compression", ["", *streams.COMPRESSIONS])
def test_what_is_in_a_file_comes_out(tmp_path, name, compression):
    path, sample = write(tmp_path, name, compression=compression), SAMPLES[name]
    if compression and not formats.READERS[name].compressed:
        with pytest.raises(ValueError, match="unknown kind of file"):
            gather(path)
        return
    kept, quarantined = gather(path)
    assert not quarantined
    assert [row["text"] for row in kept] == (TEXTS if sample.many else TEXTS[:1])
    assert [row["id"] for row in kept] == (IDS if sample.many else [f"{path}#0"])


@every
@pytest.mark.parametrize("own_ids", [True, False])
def test_units_divide_a_file_and_change_nothing(tmp_path, name, own_ids):
    path = write(tmp_path, name, ids=IDS if own_ids else [None] * len(IDS))
    whole, _ = gather(path)
    assert len({row["id"] for row in whole}) == len(whole) == (len(TEXTS) if SAMPLES[name].many else 1)
    assert own_ids and SAMPLES[name].many or all(row["id"].startswith(f"{path}#") for row in whole)
    (source,) = paths.expand(path)
    for unit_bytes in (1, 100, 999, source.size, source.size + 1):
        units = readers.split([source], OPTIONS, unit_bytes)
        assert len(units) == 1 or formats.READERS[name].ranges and unit_bytes < source.size
        assert 0 < sum(unit.bytes for unit in units) <= source.size
        assert gather(path, unit_bytes=unit_bytes) == (whole, [])


@every
def test_records_that_are_excluded_are_not_looked_at(tmp_path, name):
    path = write(tmp_path, name)
    kept, quarantined = gather(path, excluded=((0, 1, "it dies"), (6, 8, "it hangs")))
    left_out = [0, 6, 7] if SAMPLES[name].many else [0]
    assert [row["error"] for row in quarantined] == ["it dies", "it hangs", "it hangs"][: len(left_out)]
    assert all(row["records"] == 1 and row["source"] == path for row in quarantined)
    if SAMPLES[name].many:
        assert [row["id"] for row in quarantined] == [IDS[i] for i in left_out]
        assert [row["id"] for row in kept] == [each for i, each in enumerate(IDS) if i not in left_out]
    else:
        assert not kept


@every
def test_what_is_too_long_is_set_aside_alone(tmp_path, name):
    path = write(tmp_path, name, texts=["x" * 5000, *TEXTS[1:]])
    kept, (fault,) = gather(path, ReadOptions(max_record_bytes=4000))
    assert "above the limit of 4000" in fault["error"] and "read.max_record_bytes" in fault["error"]
    assert [row["text"] for row in kept] == (TEXTS[1:] if SAMPLES[name].many else [])


@every
def test_what_is_not_utf8_is_set_aside_or_repaired(tmp_path, name):
    texts = ["some @@ words", *TEXTS[1:]]
    path = write(tmp_path, name, texts=texts, change=lambda data: data.replace(b"@@", b"\xff\xff"))
    kept, (fault,) = gather(path)
    assert "not UTF-8: byte" in fault["error"] and len(kept) == (len(TEXTS) - 1 if SAMPLES[name].many else 0)
    options = ReadOptions(invalid_utf8="repair")
    (unit,) = readers.split(paths.expand(path), options)
    (reading,) = readers.read(unit, options)
    assert reading.repaired == 1 and not reading.quarantined
    assert reading.documents["text"][0].as_py() == "some \ufffd\ufffd words"


@every
def test_a_file_that_is_cut_or_damaged_gives_no_other_documents(tmp_path, name):
    """The last one may be cut itself, where nothing in the format could tell."""
    data = SAMPLES[name].make(IDS, TEXTS)
    chance, known = random.Random(1), list(zip(IDS, TEXTS))
    path = tmp_path / f"x{SAMPLES[name].suffix}"
    for _ in range(30):
        path.write_bytes(data[: chance.randrange(1, len(data))])
        kept, _ = gather(str(path))
        came = [(row["id"] if SAMPLES[name].many else IDS[0], row["text"]) for row in kept]
        assert came[:-1] == known[: len(came)][:-1]
        assert not came or known[len(came) - 1][1].startswith(came[-1][1])
    path.write_bytes(chance.randbytes(50_000))
    kept, quarantined = gather(str(path))
    assert not kept and quarantined and all(0 < len(row["raw"]) <= streams.PREFIX for row in quarantined)


@every
def test_an_empty_file_has_no_documents_and_a_missing_one_is_an_error(tmp_path, name):
    path = write(tmp_path, name, change=lambda data: b"")
    assert gather(path) == ([], [])
    with pytest.raises(FileNotFoundError):
        list(readers.read(readers.Unit(str(tmp_path / "gone"), name), OPTIONS))
