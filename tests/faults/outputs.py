"""What a run has left, for comparison, and what it has said."""

import hashlib
import pathlib

FOLDERS = ("documents", "dropped", "quarantine", "near_dedup", "tokenizer", "tokens")


def digest(output: pathlib.Path) -> dict[str, str]:
    """Hash of every published file but the report, which has times."""
    files = (path for folder in FOLDERS for path in sorted((output / folder).rglob("*")) if path.is_file())
    return {str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Said:
    """In place of a progress bar: keeps the lines that a run says."""

    def __init__(self):
        self.lines = []

    def start(self, *_):
        pass

    advance = finish = start

    def say(self, line):
        self.lines.append(line)
