"""GPT-2's writing of bytes as visible characters, and of tokens as strings of them."""

from __future__ import annotations

import functools


@functools.cache
def characters() -> tuple[str, ...]:
    """The character that stands for each byte 0..255 (Radford et al. 2019, `encoder.py`,
    `bytes_to_unicode`): printable Latin-1 stands for itself, the other 68 bytes, in order,
    are U+0100 and up."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return tuple(chr(b) if b in visible else chr(256 + hidden.index(b)) for b in range(256))


@functools.cache
def _values() -> dict[str, int]:
    return {character: byte for byte, character in enumerate(characters())}


def to_bytes(token: str) -> bytes:
    """The bytes that a byte-level token stands for; KeyError where it is not one."""
    return bytes(_values()[character] for character in token)


def from_bytes(token: bytes) -> str:
    """Inverse of `to_bytes`."""
    return "".join(characters()[byte] for byte in token)


def alphabet() -> list[str]:
    """The 256 characters sorted by code point, the order in which Hugging Face's trainer
    numbers them (and OpenAI's files: "!" is first)."""
    return sorted(characters())
