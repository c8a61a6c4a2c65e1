"""Times our kernels beside their peers: `bin/bench [CASE ...]`. Start here.

The corpus is written once to a temporary folder (inputs.py). For each case (cases.py) two processes,
one a side (ours.py; peers.py in .venv-peers), run in turn on one and the same processor, one thread
each: ours, peer, ours, peer ... Medians are printed. Where both sides must find the same, they are
compared on the peer's part of the corpus. Exit code 1 if a comparison failed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import venv

import inputs
import pipeline
from cases import CASES, Case
from rich.console import Console
from rich.table import Table
from worker import Job

HERE = pathlib.Path(__file__).resolve().parent
PEERS = inputs.ROOT / ".venv-peers"
REQUIREMENTS = [
    ["torch==2.13.0"],  # first and pinned: a range would fetch gigabytes of builds for GPUs
    [
        "datasketch==2.0.0",
        "datatrove==0.10.0",
        "langdetect==1.0.9",
        "pyarrow",
        "pydivsufsort==0.0.20",
        "tiktoken==0.14.0",
        "sentencepiece==0.2.3",
        "tokenizers==0.23.3",
        "gigatoken==0.10.0",
        "fastokens==0.3.5",
    ],
    # Its own pins (numpy < 2.2, transformers < 5) conflict with the rest; what it imports works as it is.
    ["--no-deps", "mosaicml-streaming==0.13.0"],
    # Of these two the readers of tokens, which need no more than is here.
    ["--no-deps", "litdata==0.2.76", "lightning_utilities==0.15.3", "megatron-core==0.16.1"],
    ["boto3", "packaging", "requests", "tifffile"],
    ["--no-deps", "lm_eval==0.4.13"],  # its janitor, which needs nothing
    ["brotli", "catalogue", "matplotlib", "python-snappy", "tqdm", "transformers", "xxhash<4", "zstd"],
    ["fastwarc==2.0.1", "resiliparse==2.0.1"],
    ["fasteners", "nltk==3.10.4", "pyahocorasick", "spacy", "tldextract"],
]
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "RAYON")} | {
    "TOKENIZERS_PARALLELISM": "false"
}

Figures = dict[str, object]


class Process:
    """A side of a case in a process of its own: see worker.py."""

    def __init__(self, python: str, script: str, job: Job) -> None:
        command = [python, str(HERE / script), json.dumps(dataclasses.asdict(job))]
        self.name = f"{script} {job.case}"
        self.process = subprocess.Popen(
            command, env=os.environ | ONE_THREAD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, question: str):
        """The reply to one line. Raises RuntimeError if the process has ended."""
        with contextlib.suppress(BrokenPipeError):
            print(question, file=self.process.stdin, flush=True)
        reply = self.process.stdout.readline()
        if not reply:
            raise RuntimeError(f"{self.name} failed; its error is above")
        return json.loads(reply)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def make_peers() -> str:
    """The Python of .venv-peers, which is made on first use. Raises CalledProcessError."""
    python = PEERS / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = PEERS / ".installed"
    if not stamp.exists() or stamp.read_text() != json.dumps(REQUIREMENTS):
        print(f"bench: installing the peers into {PEERS} (once; some minutes)", file=sys.stderr)
        venv.create(PEERS, with_pip=True)
        for packages in REQUIREMENTS:
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
            subprocess.run(command, check=True)
        stamp.write_text(json.dumps(REQUIREMENTS))
    return str(python)


def measure(name: str, folder: pathlib.Path, size: int, repeat: int, peers: str | None) -> Figures:
    """Run a case and return its figures. `size` is that of the corpus in bytes; `peers` is the
    Python of the peers, None to leave them out."""
    case = CASES[name]
    for need in case.needs:
        inputs.MAKERS[need](folder)
    whole = 2 * size + 1_000_000 if case.tokens else size
    cpu = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    job = Job(name, str(folder), whole, cpu, "")
    mine, theirs, same = [], [], None
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(Process(sys.executable, "ours.py", job))
        peer = None
        if case.peer and peers:
            part = dataclasses.replace(job, bytes=min(case.peer_bytes or whole, whole), package=case.package)
            peer = stack.enter_context(Process(peers, "peers.py", part))
        for _ in range(repeat):
            mine.append(ours.ask("attempt"))
            if peer:
                theirs.append(peer.ask("attempt"))
        if peer:
            question = f"answers {theirs[0]['documents']}"
            same = compare(name, ours.ask(question), peer.ask(question))
    return figures(name, case, mine, theirs) | {"same": same}


def compare(name: str, ours: list[str] | None, theirs: list[str] | None) -> bool | None:
    """Whether both sides found the same; None where they cannot be compared."""
    if ours is None or theirs is None:
        return None
    if ours != theirs:
        differing = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
        print(
            f"{name}: {len(ours)} answers of ours, {len(theirs)} of the peer's, of which "
            f"{len(differing)} differ, the first at {differing[:1]}",
            file=sys.stderr,
        )
    return ours == theirs


def figures(name: str, case: Case, mine: list[Figures], theirs: list[Figures]) -> Figures:
    """What goes into the JSON: medians of all attempts, in MB (10^6 bytes) or tokens per second."""
    unit, scale = ("tokens", 1) if case.tokens else ("bytes", 1e6)
    key = "tokens_per_s" if case.tokens else "mb_per_s"

    def rate(attempts: list[Figures]) -> float | None:
        if not attempts:
            return None
        return round(statistics.median(a[unit] / a["seconds"] for a in attempts) / scale, 3)

    ours, peer = rate(mine), rate(theirs)
    return {
        "case": name,
        key: ours,
        "peer": case.peer,
        "peer_version": theirs[0]["version"] if theirs else None,
        f"peer_{key}": peer,
        "ratio": round(ours / peer, 2) if peer else None,
        "corpus_bytes": mine[0]["bytes"],
        "peer_corpus_bytes": theirs[0]["bytes"] if theirs else None,
        "cores": 1,
        "repeats": len(mine),
        "shares": shares(mine),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def shares(attempts: list[Figures]) -> dict[str, float]:
    """The part of our time that each of the side's `parts` takes, and the rest; medians."""
    found = {
        name: round(statistics.median(a["parts"][name] / a["seconds"] for a in attempts), 3)
        for name in attempts[0]["parts"]
    }
    return found | {"rest": round(1 - sum(found.values()), 3)} if found else {}


def show(results: list[Figures]) -> Table:
    """The table that is printed."""
    table = Table("case", "ours", "peer", "its figure", "of", "ratio", "same")
    for column in table.columns[1], *table.columns[3:6]:
        column.justify = "right"
    for result in results:
        peer = f"{result['peer']} ({result['peer_version'] or 'not run'})" if result["peer"] else "none"
        part = result["peer_corpus_bytes"]
        table.add_row(
            result["case"],
            speed(result, ""),
            peer,
            speed(result, "peer_"),
            f"{part / 1e6:.1f} MB" if part else "",
            f"{result['ratio']:.1f}" if result["ratio"] else "",
            {True: "yes", False: "NO", None: ""}[result["same"]],
        )
    return table


def speed(result: Figures, side: str) -> str:
    if side + "tokens_per_s" in result:
        rate = result[side + "tokens_per_s"]
        return f"{rate / 1e6:.1f} M tokens/s" if rate else ""
    rate = result[side + "mb_per_s"]
    return f"{rate:.2f} MB/s" if rate else ""


def parse_size(text: str) -> int:
    """Bytes of "50MB", "200kB", "1GB" or a number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", text.strip().lower())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 50MB")
    return int(float(match[1]) * {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}[match[2]])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench", description="Times kernels beside their peers, on one core.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="cases to run; all unless given")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--corpus", help="path, folder, glob or URI of any files that winnow reads")
    parser.add_argument("--bytes", type=parse_size, default="50MB", help="text to read at most (default: 50MB)")
    parser.add_argument("--repeat", type=int, default=3, help="attempts of each side (default: 3)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, one JSON object a line")
    parser.add_argument("--parallel", action="store_true", help="pipeline: without the steps that are one task")
    parser.add_argument("--no-peers", action="store_true", help="time our side alone")
    parser.add_argument("--peers", metavar="PYTHON", help="Python with the peers, instead of .venv-peers")
    chosen = parser.parse_args()
    if "pipeline" in chosen.cases and (len(chosen.cases) > 1 or not chosen.corpus):
        parser.error("the case pipeline stands alone, and wants --corpus")
    unknown = [case for case in chosen.cases if case not in (*CASES, "pipeline")]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; the cases are {', '.join(CASES)}")
    if chosen.repeat < 1:
        parser.error("--repeat must be at least 1")
    return chosen


def main() -> int:
    options = arguments()
    if options.list:
        for name, case in CASES.items():
            print(f"{name:16}{case.about}" + (f"; beside {case.peer}" if case.peer else ""))
        print(f"{'pipeline':16}the recipe pretrain with one worker and with two, and where the time goes")
        return 0
    if options.cases == ["pipeline"]:
        return pipeline.main([options.corpus], options.parallel)
    chosen = options.cases or list(CASES)
    peers = None
    if not options.no_peers and any(CASES[name].peer for name in chosen):
        peers = options.peers or make_peers()
    results = []
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        source, documents, size = inputs.prepare(pathlib.Path(folder), options.corpus, options.bytes)
        print(f"corpus: {size / 1e6:.1f} MB in {documents} documents of {source}", file=sys.stderr)
        for name in chosen:
            results.append(measure(name, pathlib.Path(folder), size, options.repeat, peers))
            print(f"{name}: {speed(results[-1], '')}", file=sys.stderr)
    if options.json:
        lines = (json.dumps(result) + "\n" for result in results)
        pathlib.Path(options.json).write_text("".join(lines), encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 140).print(show(results))
    for result in results:
        if result["shares"]:
            print(f"{result['case']}, our time: " + ", ".join(f"{k} {v:.0%}" for k, v in result["shares"].items()))
    return 1 if any(result["same"] is False for result in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, RuntimeError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
