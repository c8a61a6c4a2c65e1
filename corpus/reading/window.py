"""The content of a file, as much of it at a time as one record needs: for formats whose records end where only their
grammar says. `delimited` and `json_arrays` read by it."""

from __future__ import annotations

import numpy as np

from corpus.reading import streams

HELD = 16 << 20
"""Bytes of a compressed member, decoded, up to which nothing of it is used before its checksum holds."""


class Window:
    """`data` from `start` on is what has been read and not passed over, `array` the same as uint8; `damage` is where
    reading ended, if it was not at the end. What comes after damage is not read: nobody knows what it is a part of."""

    def __init__(self, path: str, limit: int, end: bytes = b"", hold: int = HELD):
        self.chunks = streams.chunks(path, limit=limit, hold=hold)
        self.compressed = streams.compression(path) is not None
        self.end = end  # what is put behind the last byte, if it is something else
        self.data, self.start, self.base = b"", 0, 0
        self.array = np.empty(0, np.uint8)
        self.damage: streams.Damage | None = None
        self.ended = self.cut = False  # `cut`: it ended, and not with what is put behind it

    @property
    def offset(self) -> int:
        """Where `start` is in the content of the file."""
        return self.base + self.start

    @property
    def size(self) -> int:
        """How many bytes there are from `start` on."""
        return len(self.data) - self.start

    def grow(self) -> bool:
        """Read as much again as there is, so that what is looked at anew each time costs no square; False at the
        end."""
        pieces, size = [self.data[self.start :]], 0
        while not self.ended and size < max(self.size, 1):
            chunk = next(self.chunks, None)
            if isinstance(chunk, streams.Chunk):
                pieces.append(chunk.data)
                size += len(chunk.data)
                continue
            self.ended, self.damage = True, chunk
            if chunk is None and not pieces[-1].endswith(self.end):
                self.cut = bool(pieces[-1])
                pieces.append(self.end)
                size += len(self.end)
        if size:
            self.base, self.start, self.data = self.offset, 0, b"".join(pieces)
            self.array = np.frombuffer(self.data, np.uint8)
        return size > 0

    def lost(self, size: int) -> int:
        """How many bytes of the file some bytes of content are: in a compressed one next to none."""
        return 0 if self.compressed else size
