"""Whether a block of tokens is what the manifest says.

`blocks` there are XXH3 of 64 bits with seed 0, `idx_xxh64` is XXH64 (xxHash specification 0.2.0, Collet); here as
loops, so that a trainer can check what it reads with numpy and numba alone. Tests hold them to the library `xxhash`.
"""

import numba
import numpy as np

_SECRET = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
        "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
        "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
        "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
    ),
    np.uint8,
)
"""The default secret, section "XXH3 algorithm description"."""
_KEYS = _SECRET.view("<u8").astype(np.uint64)

_PRIME32_1, _PRIME32_2, _PRIME32_3 = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77), np.uint64(0xC2B2AE3D)
_PRIME64_1, _PRIME64_2 = np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME64_3, _PRIME64_4 = np.uint64(0x165667B19E3779F9), np.uint64(0x85EBCA77C2B2AE63)
_PRIME64_5 = np.uint64(0x27D4EB2F165667C5)
_PRIME_MX1, _PRIME_MX2 = np.uint64(0x165667919E3779F9), np.uint64(0x9FB21C651E98DF25)
_LOW = np.uint64(0xFFFFFFFF)
_STRIPE, _STRIPES = 64, 16
"""Bytes of a stripe, and stripes between two scrambles."""


@numba.njit(cache=True, nogil=True)
def _read(data, at, width):
    """Little-endian number (uint64) of `width` bytes."""
    value = np.uint64(0)
    for i in range(width):
        value |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return value


@numba.njit(cache=True, nogil=True)
def _fold(one, two):
    """The 128-bit product of two uint64, its halves xored."""
    shift = np.uint64(32)
    low, high = (one & _LOW) * (two & _LOW), (one >> shift) * (two >> shift)
    middle = (one >> shift) * (two & _LOW) + (low >> shift)
    cross = (one & _LOW) * (two >> shift) + (middle & _LOW)
    upper = high + (middle >> shift) + (cross >> shift)
    return upper ^ ((cross << shift) | (low & _LOW))


@numba.njit(cache=True, nogil=True)
def _avalanche(value):
    value = (value ^ value >> np.uint64(37)) * _PRIME_MX1
    return value ^ value >> np.uint64(32)


@numba.njit(cache=True, nogil=True)
def _avalanche64(value):
    """XXH64's."""
    value = (value ^ value >> np.uint64(33)) * _PRIME64_2
    value = (value ^ value >> np.uint64(29)) * _PRIME64_3
    return value ^ value >> np.uint64(32)


@numba.njit(cache=True, nogil=True)
def _rotate(value, bits):
    return value << np.uint64(bits) | value >> np.uint64(64 - bits)


@numba.njit(cache=True, nogil=True)
def _mix(data, at, secret):
    """Sixteen bytes of the data with sixteen of the secret."""
    return _fold(_read(data, at, 8) ^ _read(_SECRET, secret, 8), _read(data, at + 8, 8) ^ _read(_SECRET, secret + 8, 8))


@numba.njit(cache=True, nogil=True)
def _of_16(data):
    """Of 16 bytes at most."""
    size = len(data)
    length = np.uint64(size)
    if size == 0:
        return _avalanche64(_read(_SECRET, 56, 8) ^ _read(_SECRET, 64, 8))
    if size < 4:
        first, middle, last = np.uint64(data[0]), np.uint64(data[size >> 1]), np.uint64(data[size - 1])
        combined = first << np.uint64(16) | middle << np.uint64(24) | last | length << np.uint64(8)
        return _avalanche64(combined ^ _read(_SECRET, 0, 4) ^ _read(_SECRET, 4, 4))
    if size < 9:
        flip = _read(_SECRET, 8, 8) ^ _read(_SECRET, 16, 8)
        value = (_read(data, size - 4, 4) + (_read(data, 0, 4) << np.uint64(32))) ^ flip
        value = (value ^ _rotate(value, 49) ^ _rotate(value, 24)) * _PRIME_MX2
        value = (value ^ ((value >> np.uint64(35)) + length)) * _PRIME_MX2
        return value ^ value >> np.uint64(28)
    low = _read(data, 0, 8) ^ _read(_SECRET, 24, 8) ^ _read(_SECRET, 32, 8)
    high = _read(data, size - 8, 8) ^ _read(_SECRET, 40, 8) ^ _read(_SECRET, 48, 8)
    swapped = np.uint64(0)
    for i in range(8):
        swapped = swapped << np.uint64(8) | (low >> np.uint64(8 * i) & np.uint64(255))
    return _avalanche(length + swapped + high + _fold(low, high))


@numba.njit(cache=True, nogil=True)
def _of_240(data):
    """Of 17 to 240 bytes."""
    size = len(data)
    state = np.uint64(size) * _PRIME64_1
    if size <= 128:
        for pair in range((size - 1) // 32, -1, -1):
            state += _mix(data, 16 * pair, 32 * pair) + _mix(data, size - 16 * (pair + 1), 32 * pair + 16)
        return _avalanche(state)
    for i in range(8):
        state += _mix(data, 16 * i, 16 * i)
    state = _avalanche(state)
    for i in range(8, size // 16):
        state += _mix(data, 16 * i, 16 * (i - 8) + 3)
    return _avalanche(state + _mix(data, size - 16, 136 - 17))


@numba.njit(cache=True, nogil=True)
def _accumulate(words, at, key, state):
    """A stripe, the eight words from `at` on, with the keys from `key` on."""
    for i in range(8):
        keyed = words[at + i] ^ _KEYS[key + i]
        state[i] += words[at + (i ^ 1)] + (keyed & _LOW) * (keyed >> np.uint64(32))


@numba.njit(cache=True, nogil=True)
def _of_more(data, words):
    """Of more than 240 bytes; `words` are the data's whole uint64."""
    size = len(data)
    state = np.array([_PRIME32_3, _PRIME64_1, _PRIME64_2, _PRIME64_3, _PRIME64_4, _PRIME32_2, _PRIME64_5, _PRIME32_1])
    stripes = (size - 1) // _STRIPE
    for stripe in range(stripes):
        key = stripe % _STRIPES
        _accumulate(words, 8 * stripe, key, state)
        if key == _STRIPES - 1 and (stripe + 1) * _STRIPE < size:
            for i in range(8):
                state[i] = (state[i] ^ state[i] >> np.uint64(47) ^ _KEYS[16 + i]) * _PRIME32_1
    for i in range(8):
        word, other = _read(data, size - _STRIPE + 8 * i, 8), _read(data, size - _STRIPE + 8 * (i ^ 1), 8)
        keyed = word ^ _read(_SECRET, 121 + 8 * i, 8)
        state[i] += other + (keyed & _LOW) * (keyed >> np.uint64(32))
    found = np.uint64(size) * _PRIME64_1
    for i in range(0, 8, 2):
        found += _fold(state[i] ^ _read(_SECRET, 11 + 8 * i, 8), state[i + 1] ^ _read(_SECRET, 19 + 8 * i, 8))
    return _avalanche(found)


def xxh3_64(data: np.ndarray) -> int:
    """XXH3 of the bytes of a contiguous array of uint8.

    >>> import numpy as np
    >>> from corpus.tokens.checksum import xxh3_64
    >>> hex(xxh3_64(np.frombuffer(b"xxhash", np.uint8)))
    '0xaa4c2b42ae6b13de'
    """
    if len(data) <= 16:
        return int(_of_16(data))
    if len(data) <= 240:
        return int(_of_240(data))
    return int(_of_more(data, data[: len(data) // 8 * 8].view("<u8")))


@numba.njit(cache=True, nogil=True)
def _round(state, lane):
    return _rotate(state + lane * _PRIME64_2, 31) * _PRIME64_1


@numba.njit(cache=True, nogil=True)
def _xxh64(data, words):
    """XXH64; `words` are the data's whole uint64."""
    size = len(data)
    found = _PRIME64_5
    if size >= 32:
        one, two = _PRIME64_1 + _PRIME64_2, _PRIME64_2
        three, four = np.uint64(0), np.uint64(0) - _PRIME64_1
        for at in range(0, size // 32 * 4, 4):
            one, two = _round(one, words[at]), _round(two, words[at + 1])
            three, four = _round(three, words[at + 2]), _round(four, words[at + 3])
        found = _rotate(one, 1) + _rotate(two, 7) + _rotate(three, 12) + _rotate(four, 18)
        for lane in (one, two, three, four):
            found = (found ^ _round(np.uint64(0), lane)) * _PRIME64_1 + _PRIME64_4
    found += np.uint64(size)
    at = size // 32 * 32
    while at + 8 <= size:
        found = _rotate(found ^ _round(np.uint64(0), _read(data, at, 8)), 27) * _PRIME64_1 + _PRIME64_4
        at += 8
    if at + 4 <= size:
        found = _rotate(found ^ _read(data, at, 4) * _PRIME64_1, 23) * _PRIME64_2 + _PRIME64_3
        at += 4
    while at < size:
        found = _rotate(found ^ np.uint64(data[at]) * _PRIME64_5, 11) * _PRIME64_1
        at += 1
    return _avalanche64(found)


def xxh64(data: np.ndarray) -> int:
    """XXH64 of the bytes of a contiguous array of uint8."""
    return int(_xxh64(data, data[: len(data) // 8 * 8].view("<u8")))


def check_block(tokens: np.ndarray, expected: str, vocab_size: int) -> str | None:
    """What is wrong with a block of tokens (contiguous, of the shard's dtype), for the end of a sentence that names it;
    None if its bytes have the XXH3 `expected` (hex), and its ids are of the vocabulary."""
    if xxh3_64(tokens.view(np.uint8)) != int(expected, 16):
        return "does not have the checksum that the manifest says: it is damaged, or of another file"
    low, high = int(tokens.min(initial=0)), int(tokens.max(initial=0))
    if low < 0 or high >= vocab_size:
        return f"holds token {low if low < 0 else high}, outside the vocabulary of {vocab_size}"
    return None
