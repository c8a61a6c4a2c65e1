"""The command line answers at once, and its help shows what each verb takes."""

import contextlib
import io
import os
import subprocess
import sys

import pytest
from commands import FRESH, winnow

from corpus.reading import formats
from pipelines import run
from pipelines.commands import running

HEAVY = ("corpus.io", "corpus.step", "numba", "numpy", "pyarrow", "pydantic", "ray", "tokenizers", "torch", "yaml")


def test_help_imports_nothing_heavy():
    program = f"""
import sys
from pipelines.cli import main
try:
    main()
except SystemExit:
    print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "quickstart" in done.stdout


@pytest.mark.parametrize("verb, words", [
    (["dedup", "near"], ["--threshold", "Default: 0.8", "--permutations", "Example: winnow dedup near"]),
    (["dedup", "lines"], ["--unit", "line|paragraph|sentence|three_sentences", "--min-sentences"]),
    (["train-tokenizer"], ["--family", "--vocab-size", "32000"]),
    (["pack"], ["--tokenizer", "--sequence-length"]),
    (["decontaminate"], ["--against", "Evaluation files: paths, folders", "Must be given."]),
    (["run"], ["--dry-run", "--limit", "--address", "--set", "read.text_field=TEXT", "Field or column of the text"]),
    (["filter"], [f"read.format={'|'.join(formats.CHOICES)}: Format of all input files", ".warc, .wet, .jsonl"]),
    (["dedup", "exact"], ["read.invalid_utf8=quarantine|repair"]),
    ([], ["dedup exact, near, substring, lines, urls, overlap, study."]),
    (["dedup"], ["overlap says how much two corpora share"]),
    (["filter"], ["What the id is called in the input; data.id for a field id within a field data."]),
    *(([verb], [f"Example: winnow {verb} "]) for verb in ("quickstart", "report", "verify", "audit", "clean-work")),
])  # fmt: skip
def test_help_of_a_verb_names_its_options(verb, words):
    said = " ".join(winnow(*verb, "--help", check=0).stdout.split())
    for word in words:
        assert word in said


def test_unknown_commands_and_options_are_bad_usage():
    for arguments in (["dedupe"], ["run"], ["dedup", "near", "a", "b", "--treshold", "1"]):
        assert winnow(*arguments).returncode == 2


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "null", '{"steps": 3}', "[" * 100_000])
def test_a_report_that_is_none_is_said(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    assert "report.json is not the report of a run" in winnow("inspect", tmp_path, check=2).stderr


def test_a_run_without_standard_error_is_a_run(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "a"}\n')
    winnow = f'"{sys.executable}" -c "from pipelines.cli import main; main()"'
    command = f"{winnow} filter x.jsonl out --step length --workers 0 2>&-"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert done.returncode == 0 and "1 in = 1 kept" in done.stdout


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "--version"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stdout.startswith("winnow ")


def test_a_second_is_one(tmp_path):
    result = run.Result(
        seconds=1.2,
        input_bytes=5,
        published="nothing",
        report={"steps": [], "documents": {"in": 0, "kept": 0, "dropped": 0, "quarantined": 0}},
    )
    with contextlib.redirect_stdout(io.StringIO()) as said:
        running.print_result("out", result)
    assert "\ndone in 1 second;" in said.getvalue()


def test_what_cannot_be_read_is_shown(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    assert "cannot be read, at 0: not a Parquet file" in winnow("inspect", tmp_path / "x.parquet", check=0).stdout


def test_a_process_that_imports_for_itself_says_the_same(tmp_path):
    """`winnow` runs commands where everything is imported: what a verb needs is imported by itself, too."""
    (tmp_path / "x.jsonl").write_text('{"id": "a", "text": "a"}\n')
    out = tmp_path / "out"
    run = ["dedup", "exact", tmp_path / "x.jsonl", out, "--workers", 0]
    for arguments in (run, ["explain", out, "a"]):
        fresh = subprocess.run([*FRESH, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        assert fresh.returncode == 0, fresh.stderr
        assert fresh.stdout.splitlines()[-1] == winnow(*arguments, check=0).stdout.splitlines()[-1]
