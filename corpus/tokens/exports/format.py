"""What every format is: options, and a function that writes files into a folder."""

from __future__ import annotations

import abc
import dataclasses
import os
import shutil
from typing import ClassVar

import numpy as np

from corpus.tokens.exports.source import Source


@dataclasses.dataclass
class Written:
    """What an export came to.

    tokens      that the files hold
    linked      bytes of them that are hard links to the shards
    left_out    what the shards have and the files do not: how many, by what it is
    """

    tokens: int = 0
    linked: int = 0
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)

    def leave_out(self, what: str, count: int) -> None:
        """Count something that the files do not hold."""
        if count:
            self.left_out[what] = self.left_out.get(what, 0) + count


class Format(abc.ABC):
    """A format with its options, which are the fields of a frozen dataclass."""

    reader: ClassVar[str]
    """Who reads it, and how: a line for people, in which {folder} and {token_bytes} are filled in."""

    def refuse(self, source: Source) -> None:
        """Raises ValueError for tokens that the other cannot read. Called before anything is written."""

    @abc.abstractmethod
    def write(self, source: Source, folder: str) -> Written:
        """Write all files into `folder`, an empty local one."""


EMPTY = "empty documents"


def link_payload(source: Source, entry: dict, target: str, written: Written) -> None:
    """Put the .bin of a shard at `target`: a hard link, or a copy where the two cannot share a file."""
    path = source.local_payload(entry)
    try:
        if path is None:
            raise OSError("it is not on this machine")
        os.link(path, target)
        written.linked += entry["bin_bytes"]
    except OSError:
        if path is None:
            source.read(entry).tokens.tofile(target)
        else:
            shutil.copyfile(path, target)
    written.tokens += entry["tokens"]


def filled_ends(offsets: np.ndarray, written: Written) -> np.ndarray:
    """int64[documents]: where each document that is not empty ends, in tokens; `offsets` are int64[documents + 1]."""
    filled = offsets[1:][np.diff(offsets) > 0]
    written.leave_out(EMPTY, len(offsets) - 1 - len(filled))
    return filled
