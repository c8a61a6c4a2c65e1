"""The command line answers at once, and its help shows what each verb takes."""

import os
import subprocess
import sys

import pytest

from corpus.reading import formats

RUN = [sys.executable, "-c", "from pipelines.cli import main; main()"]
HEAVY = ("numba", "pyarrow", "ray", "torch", "numpy", "corpus")


def test_help_imports_nothing_heavy():
    code = f"import sys; sys.argv = ['winnow', '--help']\nfrom pipelines.cli import main\ntry: main()\nexcept SystemExit: pass\nprint([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "quickstart" in done.stdout


@pytest.mark.parametrize("verb, words", [
    (["dedup", "near"], ["--threshold", "Default: 0.8", "--permutations", "Example: winnow dedup near"]),
    (["dedup", "lines"], ["--unit", "line|three_sentences", "--min-sentences"]),
    (["train-tokenizer"], ["--family", "--vocab-size", "32000"]),
    (["pack"], ["--tokenizer", "--sequence-length"]),
    (["decontaminate"], ["--against", "Evaluation files: paths, folders", "Must be given."]),
    (["run"], ["--dry-run", "--limit", "--address", "--set", "read.text_field=VALUE", "Field or column of the text"]),
    (["filter"], [f"read.format={'|'.join(formats.CHOICES)}: Format of all input files", ".warc, .wet, .jsonl"]),
    (["dedup", "exact"], ["read.invalid_utf8=quarantine|repair"]),
])  # fmt: skip
def test_help_of_a_verb_names_its_options(verb, words):
    done = subprocess.run(
        [*RUN, *verb, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"COLUMNS": "200", "PATH": "/usr/bin"} | {"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    for word in words:
        assert word in done.stdout


def test_unknown_commands_and_options_are_bad_usage():
    for arguments in (["dedupe"], ["run"], ["dedup", "near", "a", "b", "--treshold", "1"]):
        assert subprocess.run([*RUN, *arguments], capture_output=True, timeout=60).returncode == 2


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "null", '{"steps": 3}', "[" * 100_000])
def test_a_report_that_is_none_is_said(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    done = subprocess.run([*RUN, "inspect", str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (
        done.returncode == 2
        and "report.json is not the report of a run" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_a_run_without_standard_error_is_a_run(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "a"}\n')
    command = f'"{sys.executable}" -c "from pipelines.cli import main; main()" filter x.jsonl out --step length --workers 0 2>&-'
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert done.returncode == 0 and "1 in = 1 kept" in done.stdout


def test_what_cannot_be_read_is_shown(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    done = subprocess.run([*RUN, "inspect", str(tmp_path / "x.parquet")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "cannot be read, at 0: not a Parquet file" in done.stdout
