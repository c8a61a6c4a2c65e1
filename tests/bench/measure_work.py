"""Measures the constants of `pipelines.estimate` on real text.

    python tests/bench/measure_work.py FOLDER        # of files as ../shared/data has them: jsonl/, web/, wet/

Prints bytes of text for each byte of a file, by its format, and by map of a run, for each byte of text that enters its
step: bytes that it leaves, bytes that are exchanged (in memory, and on disk), and seconds a gigabyte.
"""

import argparse
import collections
import contextlib
import gzip
import json
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from corpus.documents import text_bytes
from corpus.io import paths
from corpus.reading import readers
from pipelines import publishing
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.engine.engine import committed

STEPS = [
    "url_dedup", "exact_dedup", "line_dedup", "near_dedup", "substring_dedup", {"decontaminate": {"against": ["EVAL"]}},
    "length", {"train_tokenizer": {"vocab_size": 32000}}, "tokenize", {"pack": {"sequence_length": 2048}},
]  # fmt: skip


def text_a_byte(files: list[paths.Source]) -> float:
    """Bytes of text for each byte of some files."""
    options = readers.ReadOptions()
    text = sum(
        text_bytes(reading.documents.column("text"))
        for unit in readers.split(files, options)
        for reading in readers.read(unit, options)
    )
    return text / sum(file.size for file in files)


def formats(data: pathlib.Path, folder: pathlib.Path) -> dict[str, float]:
    """By format: real files, and what these say in other formats."""
    found = {
        "warc.gz": text_a_byte(paths.expand(str(data / "web" / "realweb-*.warc.gz"))),
        "warc.gz, manuals": text_a_byte(paths.expand(str(data / "web" / "part-*.warc.gz"))),
        "warc.wet.gz": text_a_byte(paths.expand(str(data / "wet" / "part-*.warc.wet.gz"))),
        "jsonl.zst": text_a_byte(paths.expand(str(data / "jsonl" / "*.jsonl.zst"))),
    }
    lines = b""
    for path in sorted((data / "jsonl").glob("*.jsonl.zst")):
        with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
            lines += reader.read()
    (folder / "x.jsonl").write_bytes(lines)
    (folder / "x.jsonl.gz").write_bytes(gzip.compress(lines))
    (folder / "x.warc").write_bytes(
        b"".join(gzip.decompress(path.read_bytes()) for path in sorted((data / "web").glob("realweb-*.warc.gz")))
    )
    rows = [json.loads(line) for line in lines.splitlines()]
    table = pa.table({"text": [row["text"] for row in rows], "url": [row.get("url") for row in rows]})
    pq.write_table(table, folder / "x.parquet", compression="zstd")
    for name in ("jsonl", "jsonl.gz", "parquet", "warc"):
        found[name] = text_a_byte(paths.expand(str(folder / f"x.{name}")))
    return found


def work(data: pathlib.Path, folder: pathlib.Path) -> dict[str, float]:
    """By map: bytes of its outputs for each byte of text that entered its step, seconds for each gigabyte. A first run
    has kernels compiled."""
    steps = json.loads(json.dumps(STEPS).replace("EVAL", str(data / "eval" / "*.jsonl")))
    inputs = [str(data / "wet"), str(data / "jsonl"), str(data / "web")]
    recipe = recipes.parse({"name": "measured", "input": inputs, "steps": steps, "max_quarantined": 1.0})
    output = str(folder / "out")
    runs.run(recipe, str(folder / "first"), 0, limit=200)
    result = runs.run(recipe, output, 0)
    entered = {step["name"]: step["bytes_in"] for step in result.report["steps"]}
    text = result.report["steps"][-1]["bytes_out"]
    found = {}
    for path in publishing.step_folders(output):
        size = collections.Counter()
        for entry in paths.entries(path):
            size["rows" if entry.name.endswith(("-dropped.parquet", "-quarantine.parquet")) else "bytes"] += entry.size
        name = paths.basename(path)
        step = name.partition("-")[2].rpartition("-")[0]
        into = entered["read"] if name == "00-read" else entered.get(step, text)
        found[name] = size["bytes"] / into
        manifests = committed(path).values()
        found[f"{name}, seconds a GB"] = sum(manifest.seconds for manifest in manifests) * 1e9 / into
        exchanged = [c for m in manifests for n, c in m.counters.items() if n.endswith(".arrow") and "rows" in c]
        if exchanged:
            found[f"{name}, exchanged in memory"] = sum(counters["bytes"] for counters in exchanged) / into
    found["text in"], found["text out"] = entered["read"], text
    found["documents out"] = result.report["documents"]["kept"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    data = parser.parse_args().data.resolve()
    os.environ.setdefault("WINNOW_DATA", str(data))
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, number in {**formats(data, folder), **work(data, folder)}.items():
            print(f"{name}: {number:.3f}")


if __name__ == "__main__":
    main()
