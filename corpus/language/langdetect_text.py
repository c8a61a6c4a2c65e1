"""What `langdetect` sees of a text: its first characters, without addresses, Vietnamese letters composed.

`Detector.append` runs two regular expressions and a replacement over the whole text and looks at the
first MAX_CHARACTERS of what is left. Here each is a pass over as many code points as decide those.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.text.leaf import leaf
from corpus.text.utf8 import decode, width

MAX_CHARACTERS = 10_000  # of langdetect/detector.py: spaces count before they are collapsed

# Repetitions in the expressions Detector.URL_RE and Detector.MAIL_RE.
URL_LONGEST = 2076
LOCAL_LONGEST = 64
DOMAIN_LONGEST = 255

LOOK_AHEAD = (len("https://") + URL_LONGEST) + (LOCAL_LONGEST + 1 + 2 * DOMAIN_LONGEST) + 2
"""The longest match of URL_RE, of MAIL_RE and of the Vietnamese composition, together, in characters."""

FIRST_READ = 1 << 14
"""Bytes of a text read at first; four times as many each time that is not enough."""

# Bits of CLASSES.
_URL, _MAIL, _HOST = 1, 2, 4
CLASSES = np.zeros(128, np.uint8)
"""The ASCII characters of an address: those of a URL, of a mail address, of a domain's first part."""
for _characters, _bit in (("-_.?&~;+=/#", _URL), ("-_.", _MAIL), ("-_", _HOST)):
    CLASSES[[ord(c) for c in _characters]] |= _bit
for _first, _last in ("09", "AZ", "az"):
    CLASSES[ord(_first) : ord(_last) + 1] |= _URL | _MAIL | _HOST


@numba.njit(cache=True, nogil=True)
def head(data, start, end, vietnamese, codes, first_read=FIRST_READ):
    """The first MAX_CHARACTERS code points of `data[start:end]` (UTF-8) as `Detector.append` sees them.

    Only as much is read as decides them: no pass looks further ahead than its longest match, so what is
    more than LOOK_AHEAD characters before the end of a prefix comes out as it would from the whole text.
    `vietnamese` is `profiles.Vietnamese`; `codes` is uint32 scratch. Returns (codes, how many count),
    with a larger array where that one is too short.
    """
    size = first_read
    while True:
        stop = min(start + size, end)
        if len(codes) < stop - start:
            codes = np.empty(stop - start, np.uint32)
        count, colon, at, mark = _decode(data, start, stop, codes)
        if colon:
            count = _blank_urls(codes, count)
        if at:
            count = _blank_mails(codes, count)
        if mark:
            count = _compose(codes, count, vietnamese)
        if stop == end or count - LOOK_AHEAD >= MAX_CHARACTERS:
            return codes, min(count, MAX_CHARACTERS)
        size *= 4


@leaf
def _decode(data, start, end, codes):
    """Code points of `data[start:end]`, but for one that its end cuts in two. Returns how many, and
    whether there are colons, at signs and combining marks among them."""
    count = 0
    colon, at, mark = False, False, False
    position = start
    while position < end:
        code = np.uint32(data[position])
        if code < 0x80:
            colon |= code == 0x3A
            at |= code == 0x40
            position += 1
        else:
            length = width(code)
            if position + length > end:
                break
            code = np.uint32(decode(data, position)[0])
            mark |= 0x300 <= code < 0x370  # the block Combining Diacritical Marks
            position += length
        codes[count] = code
        count += 1
    return count, colon, at, mark


@numba.njit(cache=True, nogil=True, inline="always")
def _is(code, kind):
    return code < 128 and CLASSES[code] & kind != 0


@leaf
def _run(codes, start, end, kind, longest):
    """Length of the run of characters of a kind at `start`, at most `longest`."""
    position = start
    while position < end and position - start < longest and _is(codes[position], kind):
        position += 1
    return position - start


@leaf
def _blank_urls(codes, count):
    """`URL_RE.sub(" ", text)` in place; returns the new length."""
    kept, position = 0, 0
    while position < count:
        code = codes[position]
        after = _url_end(codes, position, count) if code == 0x68 else position
        codes[kept] = code if after == position else 0x20
        kept += 1
        position = max(position + 1, after)
    return kept


@leaf
def _url_end(codes, start, end):
    """End of the match of `https?://[...]{1,2076}` at an "h"; `start` if there is none."""
    position = start + 1
    for letter in (0x74, 0x74, 0x70):  # t t p
        if position >= end or codes[position] != letter:
            return start
        position += 1
    if position < end and codes[position] == 0x73:  # s
        position += 1
    for letter in (0x3A, 0x2F, 0x2F):  # : / /
        if position >= end or codes[position] != letter:
            return start
        position += 1
    length = _run(codes, position, end, _URL, URL_LONGEST)
    return position + length if length else start


@leaf
def _blank_mails(codes, count):
    """`MAIL_RE.sub(" ", text)` in place; returns the new length. `local` is the run of characters of
    a local part just before `position` that no earlier match has taken."""
    kept, position, local = 0, 0, 0
    while position < count:
        code = codes[position]
        if code == 0x40 and local:
            after = _domain_end(codes, position + 1, count)
            if after > position:
                kept -= min(local, LOCAL_LONGEST)
                code = np.uint32(0x20)
                position = after - 1
        local = local + 1 if _is(code, _MAIL) else 0
        codes[kept] = code
        kept += 1
        position += 1
    return kept


@leaf
def _domain_end(codes, start, end):
    """End of the match of `[host]{1,255}[mail]{1,255}` at `start`, the first part as long as the second
    permits; 0 if there is none."""
    first = _run(codes, start, end, _HOST, DOMAIN_LONGEST)
    second = _run(codes, start + first, end, _MAIL, DOMAIN_LONGEST)
    if first >= 1 and second >= 1:
        return start + first + second
    return start + first if first >= 2 else 0  # the first part gives its last character away


@leaf
def _compose(codes, count, vietnamese):
    """`NGram.normalize_vi` in place: a letter and the mark after it become one; returns the new length."""
    kept, position = 0, 0
    while position < count:
        code = codes[position]
        position += 1
        if position < count and 0x300 <= codes[position] < 0x370:
            mark = _index(vietnamese.marks, codes[position])
            letter = _index(vietnamese.letters, code)
            if mark >= 0 and letter >= 0:
                code = vietnamese.composed[mark, letter]
                position += 1
        codes[kept] = code
        kept += 1
    return kept


@leaf
def _index(values, value):
    for i in range(len(values)):
        if values[i] == value:
            return i
    return -1
