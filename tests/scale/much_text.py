"""How much memory a run of `substring_dedup` takes: `python much_text.py GIGABYTES FOLDER [--workers 2]` (Linux).

Generated text in files of about 80 MB, 20,000 documents of random words each, in one of ten of which a passage of 40
words stands that others have, too. Prints the seconds, and the most memory that the command and all its processes,
Ray's among them, have had at a time: resident, what they share counted once (PSS).
"""

import argparse
import os
import pathlib
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DOCUMENTS = 20_000
PASSAGES, WORDS = 1_000, 40
RUN = "from pipelines.cli import main; main()"
MARK = "MUCH_TEXT_OF"  # in the environment of a run's processes


def write(folder: pathlib.Path, size: float) -> int:
    """Files of text; bytes of text."""
    random = np.random.default_rng(1)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    words = pa.array(["".join(letters[random.zipf(1.5, n) % len(letters)]) for n in random.integers(1, 12, 60_000)])
    passages = _drawn(random, PASSAGES * WORDS).reshape(PASSAGES, WORDS)
    written = number = 0
    while written < size:
        lengths = random.integers(50, 1200, DOCUMENTS)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        drawn = _drawn(random, int(offsets[-1]))
        for i in np.flatnonzero(random.random(DOCUMENTS) < 0.1):
            at = offsets[i] + random.integers(0, lengths[i] - WORDS)
            drawn[at : at + WORDS] = passages[random.integers(PASSAGES)]
        text = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), words.take(pa.array(drawn))), " ")
        ids = [f"{number}-{i}" for i in range(DOCUMENTS)]
        pq.write_table(pa.table({"id": ids, "text": text}), folder / f"{number:05d}.parquet", use_dictionary=False)
        written, number = written + pc.sum(pc.binary_length(text)).as_py(), number + 1
    return written


def _drawn(random: np.random.Generator, count: int) -> np.ndarray:
    """Numbers of words, of which the first are the most frequent."""
    return (60_000 * random.random(count) ** 3).astype(np.int32)


def resident(mark: str) -> int:
    """Bytes of all processes with this in their environment, what they share counted once."""
    total = 0
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
        except OSError:
            continue  # it has ended
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("gigabytes", type=float)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--workers", default="2")
    given = parser.parse_args()
    texts, out, mark = given.folder / "texts", given.folder / "out", f"{MARK}={os.getpid()}"
    texts.mkdir(parents=True, exist_ok=True)
    written = write(texts, given.gigabytes * 1e9)
    command = ["dedup", "substring", f"{texts}/*.parquet", str(out), "--workers", given.workers]
    command += ["--set", "keep_work=false"]
    started, most = time.monotonic(), 0
    environment = {**os.environ, MARK: str(os.getpid())}
    done = subprocess.Popen([sys.executable, "-c", RUN, *command], env=environment)
    ended = threading.Event()
    threading.Thread(target=lambda: (done.wait(), ended.set()), daemon=True).start()
    while not ended.wait(1):
        most = max(most, resident(mark))
    seconds = time.monotonic() - started
    print(f"{written / 1e9:.2f} GB of text, {seconds:.0f} s, at most {most / 1e9:.2f} GB resident, {done.returncode}")


if __name__ == "__main__":
    main()
