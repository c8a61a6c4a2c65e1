"""Local copies of files on object stores. No locks: a copy gets a name of its own and is put in
place, whole and checked, by one rename; at worst two processes copy the same file."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import BinaryIO

from corpus.io import paths

_READ_BYTES = 16 << 20


def fetch(source: str, target: str, size: int, block_bytes: int = _READ_BYTES, blocks: list[str] | None = None) -> str:
    """Copy the file `source` of `size` bytes to the local path `target`, unless it is there, and
    return `target`. Where xxhash is installed, `blocks` (xxh3_64 of every `block_bytes`, as hex)
    are checked on the way. Raises ValueError if the copy is not as described; nothing is left."""
    if os.path.exists(target) and os.path.getsize(target) == size:
        return target
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    temporary = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        with open(temporary, "wb") as copy:
            _copy(source, copy, block_bytes, blocks)
        if os.path.getsize(temporary) != size:
            raise ValueError(f"{source} has {os.path.getsize(temporary)} bytes, expected {size}")
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
    return target


def _copy(source: str, copy: BinaryIO, block_bytes: int, blocks: list[str] | None) -> None:
    digest, expected = None if blocks is None else _digest(), blocks or []
    with paths.open_input(source) as file:
        number = 0
        while block := file.read(block_bytes):
            if digest and (number >= len(expected) or digest(block) != expected[number]):
                raise ValueError(f"{source}: block {number} does not match its checksum")
            copy.write(block)
            number += 1


def _digest() -> Callable[[bytes], str] | None:
    """xxh3_64 to hex, or None where xxhash is not installed."""
    try:
        import xxhash
    except ImportError:
        return None
    return xxhash.xxh3_64_hexdigest
