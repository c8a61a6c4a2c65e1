"""IP addresses in text, and which of them are globally reachable.

`is_global` means what `ipaddress.IPv4Address.is_global` and `IPv6Address.is_global` of Python 3.13 mean,
frozen here, because the answer changed between versions of Python (those before 3.11.10 and 3.12.4 do not
know the registries' exceptions).
"""

from __future__ import annotations

import ipaddress

import numba
import numpy as np

NOT_GLOBAL = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
    "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 "
    "::/128 ::1/128 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 fc00::/7 fe80::/10"
).split()
GLOBAL_WITHIN = (
    "192.0.0.9/32 192.0.0.10/32 2001:1::1/128 2001:1::2/128 2001:3::/32 2001:4:112::/48 2001:20::/28 2001:30::/28"
).split()
"""IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890): networks that are not globally
reachable, and the parts of them that are."""

MAPPED = 0xFFFF << 32
"""Low half of ::ffff:0.0.0.0; an IPv4 address is looked up as an IPv4-mapped one (RFC 4291, 2.5.5.2)."""


def _rows() -> np.ndarray:
    rows = []
    for names, reachable in ((NOT_GLOBAL, 0), (GLOBAL_WITHIN, 1)):
        for network in map(ipaddress.ip_network, names):
            value, mask = int(network.network_address), int(network.netmask)
            if network.version == 4:
                value, mask = value | MAPPED, mask | (1 << 128) - (1 << 32)
            rows.append((mask, value, reachable))
    rows.sort(reverse=True)  # the longest prefix first
    low = (1 << 64) - 1
    return np.array([(v >> 64, v & low, m >> 64, m & low, r) for m, v, r in rows], np.uint64)


NETWORKS = _rows()
"""(address high, low, mask high, low, globally reachable) of each network, uint64[n, 5]; of those that hold
an address the first decides, and an address in none is reachable."""


@numba.njit(cache=True, nogil=True)
def is_global(high, low):
    """Whether the IPv6 address of the two uint64 halves, or the IPv4 address mapped into it, is global."""
    for row in NETWORKS:
        if high & row[2] == row[0] and low & row[3] == row[1]:
            return row[4] == 1
    return True


@numba.njit(cache=True, nogil=True)
def parse_ipv4(data, start, end):
    """(value, position after it) of the dotted quad at `start`, (-1, start) if there is none. Groups have
    no leading zeros, as `ipaddress` wants it."""
    value, position = 0, start
    for group in range(4):
        number, digits = 0, 0
        while position < end and 0x30 <= data[position] <= 0x39 and digits < 4:
            number = number * 10 + int(data[position]) - 0x30
            digits += 1
            position += 1
        if digits == 0 or number > 255 or (digits > 1 and number < 10 ** (digits - 1)):
            return -1, start
        value = value << 8 | number
        if group < 3:
            if position >= end or data[position] != 0x2E:
                return -1, start
            position += 1
    return value, position


@numba.njit(cache=True, nogil=True)
def hexadecimal(byte):
    """Value of a hexadecimal digit, -1 for other bytes."""
    if 0x30 <= byte <= 0x39:
        return int(byte) - 0x30
    letter = int(byte) | 0x20
    return letter - 0x61 + 10 if 0x61 <= letter <= 0x66 else -1


@numba.njit(cache=True, nogil=True)
def parse_ipv6(data, start, end):
    """(whether `data[start:end]` is an IPv6 address (RFC 4291, 2.2), its halves as uint64)."""
    groups = np.zeros(8, np.uint64)
    count, gap, position = 0, -1, start
    no = (False, np.uint64(0), np.uint64(0))
    if end - start >= 2 and data[start] == 0x3A and data[start + 1] == 0x3A:
        gap, position = 0, start + 2
    while position < end:
        value, stop = parse_ipv4(data, position, end)
        if value >= 0 and stop == end and count <= 6:
            groups[count], groups[count + 1] = np.uint64(value >> 16), np.uint64(value & 0xFFFF)
            count, position = count + 2, end
            break
        number, first = 0, position
        while position < end and position < first + 4 and hexadecimal(data[position]) >= 0:
            number = number << 4 | hexadecimal(data[position])
            position += 1
        if position == first or count == 8:
            return no
        groups[count] = np.uint64(number)
        count += 1
        if position < end:
            if data[position] != 0x3A or position + 1 == end:
                return no
            position += 1
            if data[position] == 0x3A:
                if gap >= 0:
                    return no
                gap, position = count, position + 1
    if (gap < 0 and count != 8) or (gap >= 0 and count == 8):
        return no
    if gap >= 0:
        for i in range(count - gap):
            source = count - 1 - i
            groups[7 - i], groups[source] = groups[source], np.uint64(0)
    high = groups[0] << np.uint64(48) | groups[1] << np.uint64(32) | groups[2] << np.uint64(16) | groups[3]
    low = groups[4] << np.uint64(48) | groups[5] << np.uint64(32) | groups[6] << np.uint64(16) | groups[7]
    return True, high, low
