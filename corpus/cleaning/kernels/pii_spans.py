"""Where e-mail addresses, IP addresses and telephone numbers stand in a string column.

One scan from left to right stops at "@", at the first digit of a number, at "+" and at "(", and looks
closer. What is an address but no personal data (of example.com, of a private network, a fictitious number) is
passed over whole. Contexts never reach into the match before, so that replacing a match changes no other.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.cleaning.kernels.ip_addresses import MAPPED, hexadecimal, is_global, parse_ipv4, parse_ipv6
from corpus.text.growing import doubled

EMAIL, IPV4, IPV6, PHONE = range(4)
NONE = -1


def _table(words: tuple[str, ...]) -> np.ndarray:
    """Lower-case ASCII words, one a row, reversed and each with a zero after it."""
    width = max(map(len, words)) + 1
    return np.array([list(word[::-1].encode().ljust(width, b"\0")) for word in words], np.uint8)


RESERVED_DOMAINS = _table(("example", "example.com", "example.net", "example.org", "invalid", "localhost", "test"))
"""Domains that are nobody's (RFC 2606), their subdomains included."""

FILE_SUFFIXES = _table(("css", "gif", "html", "jpeg", "jpg", "js", "php", "png", "svg", "webp"))
"""No top-level domains: "logo@2x.png" is a file."""

VERSION_WORDS = _table(
    ("v", "ver", "version", "versions", "rev", "revision", "release", "build", "firmware", "update", "patch")
    + ("chapter", "section", "sections", "sec", "clause", "paragraph", "table", "figure")
)
"""Words before a dotted quad that make it a version or the number of a section."""

LOCAL_PART_LIMIT, LABEL_LIMIT, DOMAIN_LIMIT = 64, 63, 253
"""Characters (RFC 5321, 4.5.3.1.1; RFC 1035, 2.3.4 and 3.1)."""

ADDRESS_LIMIT = 45  # longest text of an IPv6 address, with an IPv4 one at its end
PHONE_DIGITS = 8, 15  # least that is plausible; most (E.164, 6.2.1)

LETTER, NUMERAL, LOCAL, SEPARATOR = 1, 2, 4, 8  # bits of `KINDS`


def _kinds() -> np.ndarray:
    kinds = np.zeros(256, np.uint8)
    for byte in range(128):
        character = chr(byte)
        kinds[byte] |= LETTER * character.isalpha() | NUMERAL * character.isdigit()
        kinds[byte] |= LOCAL * (character.isalnum() or character in "_%+-'") | SEPARATOR * (character in " -.()")
    return kinds


KINDS = _kinds()
TRIGGERS = (KINDS & NUMERAL != 0) | np.isin(np.arange(256), list(b"@+("))


@numba.njit(cache=True, nogil=True)
def find_spans(data, offsets, phones):
    """What is personal data in each entry: (starts, ends, kinds, first), byte positions in `data` and
    `EMAIL`, `IPV4`, `IPV6` or `PHONE` of each match, int64[matches], in order; entry *i* has the matches
    `first[i]:first[i + 1]`. Telephone numbers are looked for if `phones`."""
    starts, ends, kinds = np.empty(64, np.int64), np.empty(64, np.int64), np.empty(64, np.int64)
    first = np.zeros(len(offsets), np.int64)
    found = 0
    for entry in range(len(offsets) - 1):
        last = position = offsets[entry]
        end = offsets[entry + 1]
        while True:
            position = next_trigger(data, position, end)
            if position == end:
                break
            kind, personal, start, stop = match_at(data, last, position, end, phones)
            if kind == NONE:
                position = stop
                continue
            last = position = stop
            if personal:
                if found == len(starts):
                    starts, ends, kinds = doubled(starts), doubled(ends), doubled(kinds)
                starts[found], ends[found], kinds[found] = start, stop, kind
                found += 1
        first[entry + 1] = found
    return starts[:found], ends[:found], kinds[:found], first


@numba.njit(cache=True, nogil=True)
def next_trigger(data, position, end):
    """Position of the next byte to look closer at, or `end`. A loop of its own, so that the compiler keeps
    it small: it sees every byte."""
    while position < end and not TRIGGERS[data[position]]:
        position += 1
    return position


@numba.njit(cache=True, nogil=True)
def match_at(data, last, position, end, phones):
    """(kind, whether it is personal, start, end) of the match at the trigger at `position`, or
    (NONE, False, -, where to go on). `last` is where the match before ended."""
    byte = data[position]
    if byte == 0x40:
        start, stop, personal = email_at(data, last, position, end)
        if stop:
            return EMAIL, personal, start, stop
        return NONE, False, position, position + 1
    if KINDS[byte] & NUMERAL:
        stop, personal = ipv4_at(data, last, position, end)
        if stop:
            return IPV4, personal, position, stop
        stop, personal = ipv6_at(data, last, position, end)
        if stop:
            return IPV6, personal, position, stop
    if phones:
        stop, personal = phone_at(data, last, position, end)
        if stop:
            return PHONE, personal, position, stop
    stop = position + 1
    while stop < end and KINDS[byte] & KINDS[data[stop]] & NUMERAL:
        stop += 1
    return NONE, False, position, stop


@numba.njit(cache=True, nogil=True)
def email_at(data, last, at, end):
    """(start, end, whether it is personal) of the e-mail address whose "@" is at `at`, end 0 for none."""
    start = at
    while start > last and at - start <= LOCAL_PART_LIMIT:
        byte = data[start - 1]
        if not KINDS[byte] & LOCAL and (byte != 0x2E or start == at or data[start] == 0x2E):
            break
        start -= 1
    if at - start > LOCAL_PART_LIMIT:
        return at, 0, False
    while start < at and not KINDS[data[start]] & (LETTER | NUMERAL):
        start += 1
    stop = domain_end(data, at + 1, end)
    if start == at or stop == 0 or ends_with_word(data, at + 1, stop, FILE_SUFFIXES, True):
        return at, 0, False
    return start, stop, not ends_with_word(data, at + 1, stop, RESERVED_DOMAINS, True)


@numba.njit(cache=True, nogil=True)
def domain_end(data, start, end):
    """End of the longest domain name at `start` of two or more labels, the last of them of two or more
    letters or "xn--...", and 0 if there is none."""
    best, labels, position = 0, 0, start
    end = min(end, start + DOMAIN_LIMIT)
    while position < end and KINDS[data[position]] & (LETTER | NUMERAL):
        label, only_letters = position, True
        while position < end and (KINDS[data[position]] & (LETTER | NUMERAL) or data[position] == 0x2D):
            only_letters &= KINDS[data[position]] & LETTER != 0
            position += 1
        stop = position
        while data[stop - 1] == 0x2D:
            stop -= 1
        labels += 1
        if not only_letters and stop < position:  # the hyphens at its end are no part of it
            only_letters = True
            for i in range(label, stop):
                only_letters &= KINDS[data[i]] & LETTER != 0
        encoded = stop - label > 4 and data[label + 2] == 0x2D and data[label + 3] == 0x2D
        encoded = encoded and _lower(data[label]) == 0x78 and _lower(data[label + 1]) == 0x6E
        if stop - label > LABEL_LIMIT:
            break
        if labels > 1 and (encoded or (only_letters and stop - label > 1)):
            best = stop
        if stop < position or position >= end or data[position] != 0x2E:
            break
        position += 1
    return best


@numba.njit(cache=True, nogil=True)
def ends_with_word(data, start, end, words, after_dot):
    """Whether `data[start:end]` ends, in whatever case, in one of `words` (`_table`), which begins at
    `start`, or after a dot (`after_dot`) or else after anything but a letter."""
    for word in words:
        position, i = end, 0
        while word[i] and position > start and word[i] == _lower(data[position - 1]):
            position -= 1
            i += 1
        if word[i] == 0:
            if position == start or (data[position - 1] == 0x2E if after_dot else not _is(data[position - 1], LETTER)):
                return True
    return False


@numba.njit(cache=True, nogil=True)
def _lower(byte):
    return byte | 0x20 if 0x41 <= byte <= 0x5A else byte


@numba.njit(cache=True, nogil=True)
def _is(byte, kind):
    return KINDS[byte] & kind != 0


@numba.njit(cache=True, nogil=True)
def _byte(data, position, start, end):
    """The byte at `position`, a space outside `start:end`."""
    return data[position] if start <= position < end else np.uint8(0x20)


@numba.njit(cache=True, nogil=True)
def ipv4_at(data, last, start, end):
    """(end, whether it is global) of the IPv4 address at `start`, end 0 for none, which versions are."""
    value, stop = parse_ipv4(data, start, end)
    if value < 0:
        return 0, False
    before, before_that = _byte(data, start - 1, last, end), _byte(data, start - 2, last, end)
    after, after_that = _byte(data, stop, last, end), _byte(data, stop + 1, last, end)
    if (
        _is(before, LETTER | NUMERAL) or before == 0x5F or before == 0x2E or before == 0x2B
    ):  # + begins a telephone number
        return 0, False
    if (before == 0x2D or before == 0x2F) and _is(before_that, LETTER):  # tool-1.2.3.4, Agent/1.2.3.4
        return 0, False
    if _is(after, LETTER | NUMERAL) or after == 0x5F or after == 0x40:
        return 0, False
    if after == 0x2E and _is(after_that, LETTER | NUMERAL):  # a fifth group, or tool.1.2.3.4.zip
        return 0, False
    if (after == 0x2D or after == 0x2B or after == 0x7E) and _is(after_that, LETTER):  # 1.2.3.4-rc1, +b1, ~b1
        return 0, False
    if after == 0x2D and _is(after_that, NUMERAL):  # 1.2.3.4-1, but a range may be given as 8.8.4.4-8.8.8.8
        number = stop + 1
        while number < end and _is(data[number], NUMERAL):
            number += 1
        if _byte(data, number, last, end) != 0x2E:
            return 0, False
    if is_heading(data, last, start, stop, end):
        return 0, False
    word = start
    while word > last and start - word < 4 and data[word - 1] in (0x20, 0x09, 0x0A, 0x3A, 0x3D, 0x2E, 0x28, 0x23):
        word -= 1
    if word > last and ends_with_word(data, max(last, word - 12), word, VERSION_WORDS, False):
        return 0, False
    return stop, is_global(np.uint64(0), np.uint64(MAPPED | value))


@numba.njit(cache=True, nogil=True)
def is_heading(data, last, start, stop, end):
    """Whether `data[start:stop]` looks like the number of a section: it begins a line, and a dot and a space
    follow, or a space and a capital or a letter beyond ASCII."""
    while start > last and (data[start - 1] == 0x20 or data[start - 1] == 0x09):
        start -= 1
    if start > last and data[start - 1] != 0x0A:
        return False
    after, after_that = _byte(data, stop, last, end), _byte(data, stop + 1, last, end)
    if after == 0x2E:
        return stop + 1 < end and after_that == 0x20
    return stop < end and after == 0x20 and (after_that >= 0x80 or 0x41 <= after_that <= 0x5A)


@numba.njit(cache=True, nogil=True)
def ipv6_at(data, last, start, end):
    """(end, whether it is global) of the IPv6 address at `start`, end 0 for none.

    Only 2000::/3 is looked for, the one block that global unicast addresses are given out of (RFC 4291, 2.4;
    IANA IPv6 Address Space), which keeps `a::b` of programs out: its addresses begin with four digits."""
    if start + 5 >= end or data[start + 4] != 0x3A or (data[start] != 0x32 and data[start] != 0x33):
        return 0, False
    before = _byte(data, start - 1, last, end)
    if _is(before, LETTER | NUMERAL) or before == 0x5F or before == 0x2E or before == 0x3A:
        return 0, False
    stop, group = start, start
    while stop < end and stop - start <= ADDRESS_LIMIT and (data[stop] == 0x3A or hexadecimal(data[stop]) >= 0):
        stop += 1
        group = stop if data[stop - 1] == 0x3A else group
    value, tail = parse_ipv4(data, group, end)
    stop = tail if value >= 0 else stop
    if data[stop - 1] == 0x3A and data[stop - 2] != 0x3A:
        stop -= 1
    after = _byte(data, stop, last, end)
    if _is(after, LETTER | NUMERAL) or after == 0x5F:
        return 0, False
    valid, high, low = parse_ipv6(data, start, stop)
    return stop if valid and high >> np.uint64(61) == 1 else 0, is_global(high, low)


@numba.njit(cache=True, nogil=True)
def phone_at(data, last, start, end):
    """(end, whether it is personal) of the telephone number at `start`, end 0 for none: an international
    one, "+" and 8 to 15 digits, or a North American one of ten, in groups of 3, 3 and 4, the last one after
    a hyphen or dot. Groups are apart by one or two of space, hyphen, dot and parentheses."""
    before = _byte(data, start - 1, last, end)
    if _is(before, LETTER | NUMERAL) or before in (0x5F, 0x2B, 0x2D, 0x2E, 0x2F, 0x23, 0x24, 0x3D, 0x25):
        return 0, False
    international = data[start] == 0x2B
    value, digits, groups, ends, stop = 0, 0, 0, 0, 0
    position = start + international
    while position < end:
        separators = position
        while position < end and position - separators < 2 and _is(data[position], SEPARATOR):
            position += 1
        group, number = position, value
        while position < end and position - group < 16 and _is(data[position], NUMERAL):
            number = number * 10 + int(data[position]) - 0x30
            position += 1
        size = position - group
        if size == 0 or digits + size > PHONE_DIGITS[1]:
            break
        if digits == 0 and international and (group > separators or data[group] == 0x30):
            return 0, False
        if not (international or (groups == 0 and size == 1 and number == 1)):
            if ends == 2 and not (data[group - 1] == 0x2D or data[group - 1] == 0x2E):  # 256 512 1024
                return 0, False
            if size != (4 if ends == 2 else 3) or (ends < 2 and data[group] < 0x32):
                return 0, False
            ends += 1
        value, digits, groups, stop = number, digits + size, groups + 1, position
        if ends == 3:
            break
    if not (ends == 3 or (international and digits >= PHONE_DIGITS[0])):
        return 0, False
    after, after_that = _byte(data, stop, last, end), _byte(data, stop + 1, last, end)
    if _is(after, LETTER | NUMERAL) or after == 0x5F or after == 0x40:
        return 0, False
    if (after == 0x2D or after == 0x2E) and _is(after_that, NUMERAL):
        return 0, False
    # 555-0100 to 555-0199 are kept for fiction (ATIS-0300115).
    fictitious = value // 100 % 100000 == 55501 and (not international or 10**10 <= value < 2 * 10**10)
    return stop, not fictitious
