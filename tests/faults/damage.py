"""Damage to clean files, of the kinds that disks, networks, crawlers and editors do.

A damage is a function of a clean file and a source of chance. It says what bytes come of it and nothing
about records: what the damage leaves of them, `truth.py` finds by comparing the bytes. Start at `DAMAGES`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple

import zstandard
from clean_files import Clean, Part, gzip_member

MAGIC = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}
ALWAYS, SILENT, NEVER = "always", "silent", "never"


class Damaged(NamedTuple):
    """A damaged file. `removed`: the ranges of the clean file that are gone. `altered`: may a document
    come out with another text than it had: ALWAYS (the file is sound, with a changed content), in
    layouts that are SILENT, or NEVER. `notice`: something must be quarantined, whatever comes out; `sound`:
    nothing may be.
    `suffix`: the file's, if it is not the clean one's."""

    data: bytes
    removed: tuple[tuple[int, int], ...] = ()
    altered: str = SILENT
    notice: bool = False
    sound: bool = False
    suffix: str | None = None


Dice = random.Random
Damage = Callable[[Clean, Dice], Damaged]


# Anywhere in the file


def truncate(clean: Clean, dice: Dice) -> Damaged:
    return _cut_off(clean, dice.randrange(1, len(clean.data)))


def truncate_near_an_end(clean: Clean, dice: Dice) -> Damaged:
    """A few bytes before or after the end of a part: inside a checksum, after a magic number, ..."""
    end = dice.choice(clean.parts).end
    return _cut_off(clean, min(max(end + dice.randrange(-9, 20), 1), len(clean.data) - 1))


def _cut_off(clean: Clean, at: int) -> Damaged:
    inside = [part for part in clean.parts if part.start < at < part.end and part.first < part.last]
    notice = clean.kind == "parquet" or bool(inside) and clean.kind != "plain"
    if clean.kind == "plain" and clean.format != "text":
        notice = any(record.start < at < record.end - 4 for record in clean.records)
    return Damaged(clean.data[:at], ((at, len(clean.data)),), NEVER, notice)


def flip_a_bit(clean: Clean, dice: Dice) -> Damaged:
    return _flipped(clean, [dice.randrange(len(clean.data))], dice)


def flip_some_bits(clean: Clean, dice: Dice) -> Damaged:
    return _flipped(clean, [dice.randrange(len(clean.data)) for _ in range(8)], dice)


def _flipped(clean: Clean, places: list[int], dice: Dice) -> Damaged:
    data = bytearray(clean.data)
    for place in places:
        data[place] ^= 1 << dice.randrange(8)
    return Damaged(bytes(data))


def overwrite(clean: Clean, dice: Dice) -> Damaged:
    start, end = _range(clean, dice, 64)
    return _replaced(clean, start, end, dice.randbytes(end - start))


def zero_a_sector(clean: Clean, dice: Dice) -> Damaged:
    start = dice.randrange(len(clean.data)) // 512 * 512
    end = min(start + 512, len(clean.data))
    return _replaced(clean, start, end, bytes(end - start))


def zero_a_fifth(clean: Clean, dice: Dice) -> Damaged:
    size = len(clean.data) // 5
    start = dice.randrange(len(clean.data) - size)
    return _replaced(clean, start, start + size, bytes(size))


def insert(clean: Clean, dice: Dice) -> Damaged:
    at = dice.randrange(len(clean.data))
    return _replaced(clean, at, at, dice.randbytes(dice.randrange(1, 3000)))


def delete(clean: Clean, dice: Dice) -> Damaged:
    start, end = _range(clean, dice, 4096)
    return Damaged(clean.data[:start] + clean.data[end:], ((start, end),))


def repeat_a_range(clean: Clean, dice: Dice) -> Damaged:
    start, end = _range(clean, dice, 4096)
    return _replaced(clean, end, end, clean.data[start:end])


def swap_two_ranges(clean: Clean, dice: Dice) -> Damaged:
    size = dice.randrange(1, 2000)
    first, second = sorted(dice.sample(range(0, len(clean.data) - size, size), 2))
    return Damaged(_with_swapped(clean.data, first, first + size, second, second + size))


def _range(clean: Clean, dice: Dice, longest: int) -> tuple[int, int]:
    start = dice.randrange(len(clean.data) - 1)
    return start, min(start + dice.randrange(1, longest), len(clean.data))


def _replaced(clean: Clean, start: int, end: int, by: bytes, altered: str = SILENT) -> Damaged:
    return Damaged(clean.data[:start] + by + clean.data[end:], (), altered)


def _with_swapped(data: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """With bytes a to b and bytes c to d, which lie behind them, in each other's place."""
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


# Whole parts: the file stays well formed, its content changes


def _moved(clean: Clean, data: bytes, removed: tuple[tuple[int, int], ...] = ()) -> Damaged:
    """A file of the clean one's parts in another order, or number: sound if they hold whole records."""
    whole = clean.aligned and clean.kind != "parquet"
    return Damaged(data, removed, NEVER if whole and clean.format != "text" else ALWAYS, sound=whole)


def _bytes(clean: Clean, parts: list[Part]) -> bytes:
    return b"".join(clean.data[part.start : part.end] for part in parts)


def cut_out_a_part(clean: Clean, dice: Dice) -> Damaged:
    part = dice.choice(clean.parts)
    return _moved(clean, clean.data[: part.start] + clean.data[part.end :], ((part.start, part.end),))


def repeat_a_part(clean: Clean, dice: Dice) -> Damaged:
    part = dice.choice(clean.parts)
    return _moved(clean, clean.data[: part.end] + clean.data[part.start :])


def swap_two_parts(clean: Clean, dice: Dice) -> Damaged:
    (a, b, *_), (c, d, *_) = sorted(dice.sample(clean.parts, 2))
    return _moved(clean, _with_swapped(clean.data, a, b, c, d))


def reverse_the_parts(clean: Clean, dice: Dice) -> Damaged:
    return _moved(clean, _bytes(clean, clean.parts[::-1]))


def twice(clean: Clean, dice: Dice) -> Damaged:
    return Damaged(clean.data * 2, (), ALWAYS if clean.format == "text" else NEVER, sound=True)


# Between parts


def garbage_between(clean: Clean, dice: Dice) -> Damaged:
    return _between(clean, dice, dice.randbytes(dice.randrange(1, 5000)))


def zeros_between(clean: Clean, dice: Dice) -> Damaged:
    return _between(clean, dice, bytes(dice.randrange(1, 100_000)))


def magic_between(clean: Clean, dice: Dice) -> Damaged:
    """Garbage that seems to begin a part at every turn."""
    magic = MAGIC.get(clean.kind, b"WARC/1.0\r\n" if clean.format in ("warc", "wet") else b'{"id":')
    return _between(clean, dice, b"".join(magic + dice.randbytes(dice.randrange(9)) for _ in range(2000)))


def text_between(clean: Clean, dice: Dice) -> Damaged:
    """An error message of some tool, say."""
    return _between(clean, dice, b"curl: (56) Recv failure: Connection reset by peer\r\n" * dice.randrange(1, 20))


def _between(clean: Clean, dice: Dice, garbage: bytes) -> Damaged:
    at = dice.choice([0, *(part.end for part in clean.parts)])
    return _replaced(clean, at, at, garbage, NEVER)


def another_compression_between(clean: Clean, dice: Dice) -> Damaged:
    """A gzip member among zstd frames, or the reverse; a plain record among either is `text_between`."""
    content = b'{"id": "stray", "text": "stray"}\n'
    stray = zstandard.compress(content) if clean.kind == "gzip" else gzip_member(0, content)
    return _between(clean, dice, stray)


# Within a part that others follow


def shorten_a_part(clean: Clean, dice: Dice) -> Damaged:
    part = dice.choice(clean.parts[:-1])
    at = part.end - dice.randrange(1, max(2, (part.end - part.start) // 2))
    return Damaged(clean.data[:at] + clean.data[part.end :], ((at, part.end),))


def damage_a_header(clean: Clean, dice: Dice) -> Damaged:
    part = dice.choice(clean.parts)
    return _replaced(
        clean, part.start, part.start + 3, bytes(byte ^ 0xFF for byte in clean.data[part.start : part.start + 3]), NEVER
    )


def damage_the_first_header(clean: Clean, dice: Dice) -> Damaged:
    return _replaced(clean, 0, 3, bytes(byte ^ 0xFF for byte in clean.data[:3]), NEVER)


def damage_every_second_part(clean: Clean, dice: Dice) -> Damaged:
    data = bytearray(clean.data)
    for part in clean.parts[::2]:
        data[(part.start + part.end) // 2] ^= 0xFF
    return Damaged(bytes(data))


def damage_all_but_the_last(clean: Clean, dice: Dice) -> Damaged:
    data = bytearray(clean.data)
    for part in clean.parts[:-1]:
        data[part.start : part.start + 4] = b"\xff" * 4
    return Damaged(bytes(data), (), NEVER)


def damage_a_trailer(clean: Clean, dice: Dice) -> Damaged:
    """A flipped bit in the last bytes: gzip's checksum and length, zstd's checksum, what ends a record."""
    part = dice.choice(clean.parts)
    place = part.end - 1 - dice.randrange(8 if clean.kind == "gzip" else 4)
    data = bytearray(clean.data)
    data[place] ^= 1 << dice.randrange(8)
    return Damaged(bytes(data), (), NEVER if clean.kind == "gzip" else SILENT)


def damage_the_flags(clean: Clean, dice: Dice) -> Damaged:
    """A bit of gzip's FLG (RFC 1952, section 2.3.1) or zstd's Frame_Header_Descriptor (RFC 8878, section 3.1.1.1.1)."""
    part = dice.choice([part for part in clean.parts if part.first < part.last])
    data = bytearray(clean.data)
    data[part.start + (3 if clean.kind == "gzip" else 4)] ^= 1 << dice.randrange(8)
    return Damaged(bytes(data))


def wrong_length(clean: Clean, dice: Dice) -> Damaged:
    """Another number where a part says how long it is."""
    part = dice.choice([part for part in clean.parts if part.first < part.last])
    start, end, value = _length(clean, part, dice)
    assert clean.data[start:end] != value
    return _replaced(clean, start, end, value, NEVER if clean.kind == "gzip" else SILENT)


def _length(clean: Clean, part: Part, dice: Dice) -> tuple[int, int, bytes]:
    """(start, end, other bytes) of a part's length: gzip's ISIZE, the size in the header of a zstd frame's
    first block (RFC 8878, section 3.1.1.2), Content-Length of a WARC record."""
    if clean.kind == "gzip":
        true = int.from_bytes(clean.data[part.end - 4 : part.end], "little")
        wrong = dice.choice([0, true + 1, true - 1, 0xFFFFFFFF, true ^ 1 << dice.randrange(32)])
        return part.end - 4, part.end, (wrong if wrong != true else true + 1).to_bytes(4, "little")
    if clean.kind == "zstd":
        start = part.start + zstandard.frame_header_size(clean.data[part.start : part.start + 18])
        header = int.from_bytes(clean.data[start : start + 3], "little")
        return start, start + 3, (header ^ 8 << dice.randrange(21)).to_bytes(3, "little")
    start, end = re.compile(rb"Content-Length: (\d+)").search(clean.data, part.start, part.end).span(1)
    true = int(clean.data[start:end])
    wrong = [
        b"0",
        b"-1",
        b"%d" % (true + 1),
        b"%d" % (true - 1),
        b"%d" % (true + 700),
        b"%d0" % true,
        b"9" * 30,
        b"",
        b"%dx" % true,
        b"0x10",
    ]
    return start, end, dice.choice(wrong)


def wrong_suffix(clean: Clean, dice: Dice) -> Damaged:
    """The file under the name of another compression, or of none."""
    base = clean.suffix.removesuffix(".gz").removesuffix(".zst")
    others = [base + end for end in ("", ".gz", ".zst") if base + end != clean.suffix]
    return Damaged(clean.data, (), ALWAYS, notice=True, suffix=dice.choice(others))


# All of them


def _any(clean: Clean) -> bool:
    return True


def _parts(clean: Clean) -> bool:
    return len(clean.parts) > 1


def _compressed(clean: Clean) -> bool:
    return clean.kind in ("gzip", "zstd")


def _lengths(clean: Clean) -> bool:
    return _compressed(clean) or clean.kind == "plain" and clean.format in ("warc", "wet")


def _streams(clean: Clean) -> bool:
    return clean.kind != "parquet"


DAMAGES: dict[str, tuple[Damage, Callable[[Clean], bool]]] = {
    damage.__name__.replace("_", " "): (damage, applies)
    for damage, applies in [
        (truncate, _any),
        (truncate_near_an_end, _any),
        (flip_a_bit, _any),
        (flip_some_bits, _any),
        (overwrite, _any),
        (zero_a_sector, _any),
        (zero_a_fifth, _any),
        (insert, _any),
        (delete, _any),
        (repeat_a_range, _any),
        (swap_two_ranges, _any),
        (cut_out_a_part, _parts),
        (repeat_a_part, _parts),
        (swap_two_parts, _parts),
        (reverse_the_parts, lambda clean: _parts(clean) and _streams(clean)),
        (twice, _streams),
        (garbage_between, _any),
        (zeros_between, _any),
        (magic_between, _any),
        (text_between, _any),
        (another_compression_between, _compressed),
        (shorten_a_part, _parts),
        (damage_a_header, _any),
        (damage_the_first_header, lambda clean: _parts(clean) and _streams(clean)),
        (damage_every_second_part, _parts),
        (damage_all_but_the_last, _parts),
        (damage_a_trailer, _any),
        (damage_the_flags, _compressed),
        (wrong_length, _lengths),
        (wrong_suffix, _streams),
    ]
}
"""Every damage by name, and which clean files it can be done to."""
