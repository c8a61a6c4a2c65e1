"""SHA-1 (FIPS 180-4) of many short byte ranges at once, several to a vector register.

A shingle is a few dozen bytes, so what counts is how many hashes run side by side. Each of
`LANES` lanes holds one message and its position; every step loads the next 64-byte block
of every lane, compresses all of them with one straight run of vector instructions, and
gives a lane whose message has ended the next message of the list. Numba has no vector
types and LLVM does not vectorise eighty dependent rounds by itself, so `compress` writes
those rounds out as LLVM vector instructions; everything else is an ordinary kernel.

Little-endian machines only, as Arrow buffers are.
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 16
"""Hashes side by side: as many as a block has words, so that loading is a square transposition.
AVX-512 takes them in one register, AVX2 in two, others in four."""

BLOCK = 64
"""Bytes of a SHA-1 block (FIPS 180-4, section 5.2.1)."""

LENGTH_BYTES = 8
"""Bytes of the message length, in bits, that end the last block (section 5.1.1)."""

MARGIN = BLOCK + LENGTH_BYTES
"""Readable bytes that `hashes` needs behind the last message."""

INITIAL = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)  # section 5.3.1
ROUND_CONSTANTS = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)  # section 4.2.1

# Windows into these, BLOCK bytes long and starting at BLOCK - remaining, keep the first
# `remaining` bytes of a block and put the stop bit (0x80) behind them. `remaining` is at
# most BLOCK, and negative in a block that holds nothing but the length.
_KEEP = np.zeros(2 * BLOCK + LENGTH_BYTES, np.uint8)
_KEEP[:BLOCK] = 0xFF
_STOP = np.zeros(2 * BLOCK + LENGTH_BYTES, np.uint8)
_STOP[BLOCK] = 0x80

_VECTOR = ir.VectorType(ir.IntType(32), LANES)


def _constant(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * LANES)


def _transposed(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """The LANES x LANES matrix whose rows are vectors, swapping ever larger squares"""
    for step in (1, 2, 4, 8):
        low = [k if not k & step else LANES + k - step for k in range(LANES)]
        high = [k + step if not k & step else LANES + k for k in range(LANES)]
        masks = [ir.Constant(_VECTOR, indices) for indices in (low, high)]
        for i in range(LANES):
            if not i & step:
                pair = rows[i], rows[i + step]
                rows[i] = builder.shuffle_vector(*pair, masks[0])
                rows[i + step] = builder.shuffle_vector(*pair, masks[1])
    return rows


def _swapped_bytes(builder, vector):
    """Every 32-bit word with its bytes in reverse: SHA-1 reads them big-endian."""
    octets = builder.bitcast(vector, ir.VectorType(ir.IntType(8), 4 * LANES))
    order = [4 * (i // 4) + 3 - i % 4 for i in range(4 * LANES)]
    mask = ir.Constant(ir.VectorType(ir.IntType(32), 4 * LANES), order)
    return builder.bitcast(builder.shuffle_vector(octets, octets, mask), _VECTOR)


def _rounds(builder: ir.IRBuilder, state: list[ir.Value], words: list[ir.Value]) -> list[ir.Value]:
    """The compression function (section 6.1.2) on vectors: the five sums."""

    def rotated(value, bits):
        left = builder.shl(value, _constant(bits))
        return builder.or_(left, builder.lshr(value, _constant(32 - bits)))

    a, b, c, d, e = state
    for t in range(80):
        if t >= 16:
            mixed = builder.xor(words[t - 3], words[t - 8])
            mixed = builder.xor(mixed, builder.xor(words[t - 14], words[t - 16]))
            words.append(rotated(mixed, 1))
        if t < 20:  # choose
            f = builder.xor(d, builder.and_(b, builder.xor(c, d)))
        elif 40 <= t < 60:  # majority
            f = builder.or_(builder.and_(b, c), builder.and_(d, builder.or_(b, c)))
        else:  # parity
            f = builder.xor(builder.xor(b, c), d)
        known = builder.add(builder.add(e, _constant(ROUND_CONSTANTS[t // 20])), words[t])
        total = builder.add(builder.add(known, f), rotated(a, 5))
        a, b, c, d, e = total, a, rotated(b, 30), c, d
    return [builder.add(x, y) for x, y in zip(state, (a, b, c, d, e))]


@intrinsic
def compress(typing_context, state, blocks):
    """compress(state: uint32[5, LANES], blocks: uint8[LANES, BLOCK]), both C contiguous:
    one step of SHA-1 in every lane, padding and length being part of the block."""

    def generate(context, builder, signature, arguments):
        def vectors(index):
            array = context.make_array(signature.args[index])(context, builder, arguments[index])
            return builder.bitcast(array.data, _VECTOR.as_pointer())

        def element(pointer, index):
            return builder.gep(pointer, [ir.Constant(ir.IntType(64), index)])

        def load(pointer, index):
            loaded = builder.load(element(pointer, index))
            loaded.align = 1
            return loaded

        state_at, blocks_at = vectors(0), vectors(1)
        rows = [load(blocks_at, lane) for lane in range(LANES)]
        words = [_swapped_bytes(builder, word) for word in _transposed(builder, rows)]
        before = [load(state_at, i) for i in range(5)]
        for i, value in enumerate(_rounds(builder, before, words)):
            builder.store(value, element(state_at, i)).align = 1
        return context.get_dummy_value()

    return types.void(state, blocks), generate


@numba.njit(inline="always")
def _swapped(word):
    """The bytes of a 32-bit word in reverse: digests are big-endian, ours are read little."""
    word = np.uint64(word)
    return (
        (word >> np.uint64(24))
        | ((word >> np.uint64(8)) & np.uint64(0xFF00))
        | ((word << np.uint64(8)) & np.uint64(0xFF0000))
        | ((word << np.uint64(24)) & np.uint64(0xFF000000))
    )


@numba.njit(inline="always")
def _fill(data, position, end, length, block):
    """The block at `position` of a message of `length` bytes that stops at `end`, padded
    (section 5.1.1): the stop bit behind the message, its length in bits at the very end."""
    remaining = end - position
    window = np.uint64(BLOCK - min(remaining, BLOCK))
    start = np.uint64(position)
    for i in range(np.uint64(BLOCK)):
        block[i] = (data[start + i] & _KEEP[window + i]) | _STOP[window + i]
    if remaining + LENGTH_BYTES < BLOCK:
        bits = np.uint64(length) << np.uint64(3)
        for i in range(LENGTH_BYTES):
            block[BLOCK - 1 - i] = np.uint8(bits >> np.uint64(8 * i))


@numba.njit(cache=True, nogil=True)
def hashes(data, starts, words, count, gap, out):
    """Hashes of `count` runs of `words` words (or characters) into `out` (uint64[>= count]).

    The words lie in `data` (uint8, MARGIN readable bytes behind the last one) with `gap` bytes
    between them; word *i* begins at `starts[i]` (int64), so that run *i* is
    `data[starts[i] : starts[i + words] - gap]`. Its hash is the first 8 bytes of its SHA-1
    digest as a little-endian number; the low 32 bits are the first 4 bytes.
    """
    state = np.zeros((5, LANES), np.uint32)
    blocks = np.zeros((LANES, BLOCK), np.uint8)
    message = np.full(LANES, -1, np.int64)  # the run in each lane, or -1
    position = np.zeros(LANES, np.int64)
    end = np.zeros(LANES, np.int64)
    taken = 0
    finished = 0
    while finished < count:
        for lane in range(LANES):
            if message[lane] < 0 and taken < count:
                message[lane] = taken
                position[lane] = starts[taken]
                end[lane] = starts[taken + words] - gap
                for i in range(5):
                    state[i, lane] = INITIAL[i]
                taken += 1
            if message[lane] >= 0:
                length = end[lane] - starts[message[lane]]
                _fill(data, position[lane], end[lane], length, blocks[lane])
        compress(state, blocks)
        for lane in range(LANES):
            position[lane] += BLOCK
            if message[lane] >= 0 and end[lane] - position[lane] + LENGTH_BYTES < 0:
                low, high = _swapped(state[0, lane]), _swapped(state[1, lane])
                out[message[lane]] = low | (high << np.uint64(32))
                message[lane] = -1
                finished += 1
