"""Personal data in text: e-mail addresses, IP addresses and telephone numbers, replaced or counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numba
import numpy as np
import pyarrow as pa

from corpus.cleaning import rules
from corpus.cleaning.kernels.pii_spans import EMAIL, IPV4, IPV6, PHONE, find_spans
from corpus.documents import replace_column
from corpus.options import option
from corpus.step import Filter, Outcome, Place
from corpus.text import arrow, utf8
from corpus.text.hashing import hash64

Kind = Literal["emails", "ips", "phones"]
KINDS: dict[Kind, tuple[int, ...]] = {"emails": (EMAIL,), "ips": (IPV4, IPV6), "phones": (PHONE,)}


@dataclass(frozen=True)
class PersonalData(Filter):
    """Replaces personal data (`mode="replace"`), or counts it in the columns `pii.emails`, `pii.ips` and
    `pii.phones` (`mode="tag"`); no document is dropped.

    An e-mail address is a name of letters, digits and _ % + - ' . in front of
    "@" and a domain with a dot (`a.b+c@mail.example.co`); other characters that RFC 5322 allows are nearly
    always markup around it. Domains in letters beyond ASCII are not found. An IP address is an IPv4 or IPv6
    address that is globally reachable (`ip_addresses.is_global`), unless its neighbours make an IPv4 address
    a version (`pii_spans.ipv4_at`). A telephone number is "+" and 8 to 15 digits, or ten in the groups of
    North America. Addresses of example.com and its like, and numbers kept for fiction, are left as they are,
    so a text that was treated does not change again (but for chains such as `a@b@mail.org` and
    `a@mail.org+49301234567`).

    Each value is replaced by one of `emails`, `ipv4`, `ipv6` or `phones`, chosen by a hash of (document id,
    `seed`, value): within a document the same value always becomes the same. The first are those of
    datatrove, the addresses are from the ranges for documentation (RFC 5737, RFC 3849), the numbers from
    those for fiction (555-01xx). Counters: matches of each kind.

    >>> import corpus
    >>> corpus.apply_filters(["Write to someone@gmail.com."], corpus.PersonalData()).kept["text"].to_pylist()
    ['Write to firstname.lastname@example.org.']
    """

    kinds: tuple[Kind, ...] = option(("emails", "ips"), "What is looked for.")
    mode: Literal["replace", "tag"] = option("replace", "Replace what is found, or count it in columns.")
    seed: int = option(0, "Chooses among the replacements, with the document's id and the value.")
    emails: tuple[str, ...] = option(
        ("email@example.com", "firstname.lastname@example.org"),
        "What e-mail addresses become; datatrove's unless given.",
        min_length=1,
    )
    ipv4: tuple[str, ...] = option(
        ("192.0.2.17", "192.0.2.201", "198.51.100.23", "198.51.100.142", "203.0.113.45", "203.0.113.188"),
        "What IPv4 addresses become; of the ranges of RFC 5737 unless given.",
        min_length=1,
    )
    ipv6: tuple[str, ...] = option(
        ("2001:db8::8a2e:370:7334", "2001:db8:85a3::1319", "2001:db8:4c1f::2d"),
        "What IPv6 addresses become; of RFC 3849 unless given.",
        min_length=1,
    )
    phones: tuple[str, ...] = option(
        ("202-555-0143", "202-555-0178"),
        "What telephone numbers become; of those for fiction unless given.",
        min_length=1,
    )

    name: ClassVar[str] = "pii"
    rules: ClassVar[tuple[str, ...]] = ()

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """The batch with replaced texts or further columns (float64)."""
        data, offsets = arrow.buffers(batch["text"])
        starts, ends, kinds, first = self._find(data, offsets)
        if self.mode == "tag":
            rows = np.repeat(np.arange(batch.num_rows), np.diff(first))
            scores: dict[str, np.ndarray] = {
                kind: np.bincount(rows[np.isin(kinds, KINDS[kind])], minlength=batch.num_rows) for kind in self.kinds
            }
            outcome = rules.tag(batch, self.name, scores)
        else:
            outcome = Outcome(self._replaced(batch, data, offsets, starts, ends, kinds, first) if len(kinds) else batch)
        counts = {kind: int(np.isin(kinds, KINDS[kind]).sum()) for kind in self.kinds}
        outcome.counters |= {kind: n for kind, n in counts.items() if n}
        return outcome

    def where_in(self, batch: pa.RecordBatch, outcome: Outcome) -> list[Place]:
        """The matches of each kind."""
        data, offsets = arrow.buffers(batch["text"])
        names = {number: kind for kind, numbers in KINDS.items() for number in numbers}
        starts, ends, kinds, _ = self._find(data, offsets)
        bounds = zip(kinds, starts - offsets[0], ends - offsets[0])
        return [Place(names[int(kind)], start, end) for kind, start, end in bounds]

    def _find(self, data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What `find_spans` finds of the kinds that are looked for."""
        starts, ends, kinds, first = find_spans(data, offsets, "phones" in self.kinds)
        wanted = np.isin(kinds, [number for kind in self.kinds for number in KINDS[kind]])
        return starts[wanted], ends[wanted], kinds[wanted], np.concatenate([[0], np.cumsum(wanted)])[first]

    def _replaced(
        self,
        batch: pa.RecordBatch,
        data: np.ndarray,
        offsets: np.ndarray,
        starts: np.ndarray,
        ends: np.ndarray,
        kinds: np.ndarray,
        first: np.ndarray,
    ) -> pa.RecordBatch:
        """The batch with every span replaced."""
        pools = self.emails, self.ipv4, self.ipv6, self.phones  # in the order of the kinds' numbers
        pool_data, pool_offsets = arrow.buffers(pa.array([text for pool in pools for text in pool]))
        pool_first = np.cumsum([0, *map(len, pools)])
        ids, id_offsets = arrow.buffers(batch["id"])
        chosen = choose(data, starts, ends, kinds, first, ids, id_offsets, np.uint64(self.seed % 2**64), pool_first)
        out, out_offsets = replace_spans(data, offsets, starts, ends, first, pool_data, pool_offsets, chosen)
        return replace_column(batch, "text", arrow.string_array(out, out_offsets, batch.schema.field("text").type))


@numba.njit(cache=True, nogil=True)
def choose(data, starts, ends, kinds, first, ids, id_offsets, seed, pool_first):
    """Number of the replacement of each span, int64[spans]; those of kind *k* are
    `pool_first[k]:pool_first[k + 1]`."""
    chosen = np.empty(len(starts), np.int64)
    for entry in range(len(first) - 1):
        if first[entry] == first[entry + 1]:
            continue
        document = hash64(ids, id_offsets[entry], id_offsets[entry + 1], seed)
        for span in range(first[entry], first[entry + 1]):
            begin, end = pool_first[kinds[span]], pool_first[kinds[span] + 1]
            value = hash64(data, starts[span], ends[span], document)
            chosen[span] = begin + np.int64(value % np.uint64(end - begin))
    return chosen


@numba.njit(cache=True, nogil=True)
def replace_spans(data, offsets, starts, ends, first, pool_data, pool_offsets, chosen):
    """The column with each span replaced by entry `chosen[span]` of the pool: (data, offsets)."""
    size = offsets[-1] - offsets[0]
    for span in range(len(starts)):
        size += pool_offsets[chosen[span] + 1] - pool_offsets[chosen[span]] - (ends[span] - starts[span])
    out = np.empty(size, np.uint8)
    out_offsets = np.zeros(len(offsets), np.int64)
    written = np.int64(0)
    for entry in range(len(offsets) - 1):
        position = offsets[entry]
        for span in range(first[entry], first[entry + 1]):
            written = utf8.copy(data, position, starts[span], out, written)
            replacement = chosen[span]
            written = utf8.copy(pool_data, pool_offsets[replacement], pool_offsets[replacement + 1], out, written)
            position = ends[span]
        written = utf8.copy(data, position, offsets[entry + 1], out, written)
        out_offsets[entry + 1] = written
    return out, out_offsets
