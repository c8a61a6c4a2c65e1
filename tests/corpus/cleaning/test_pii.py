"""Personal data against `ipaddress`, regular expressions of the same definition, and cases by hand."""

import gzip
import ipaddress
import random
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from corpus.cleaning.kernels import ip_addresses
from corpus.cleaning.pii import PersonalData

KINDS = ("emails", "ips", "phones")
MAIL, IP4, IP6, PHONE = "<mail>", "<4>", "<6>", "<phone>"
SHOWN = PersonalData(KINDS, emails=(MAIL,), ipv4=(IP4,), ipv6=(IP6,), phones=(PHONE,))
NO_PHONES = PersonalData(emails=(MAIL,), ipv4=(IP4,), ipv6=(IP6,))


def batch_of(texts, type=pa.string()):
    return pa.record_batch({"id": [f"d{i}" for i in range(len(texts))], "text": pa.array(texts, type)})


def replaced(*texts, stage=SHOWN):
    return stage.apply(batch_of(texts)).kept["text"].to_pylist()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("joe@mail.org", MAIL),
        ("Joe.O'Brien+x_y%z-1@Mail-2.Co.UK.", f"{MAIL}."),
        ("<mailto:joe@mail.org>", f"<mailto:{MAIL}>"),
        ("'joe@mail.org'", f"'{MAIL}'"),
        ("a?to=joe@mail.org&cc=ann@b.io,eve@c.de", f"a?to={MAIL}&cc={MAIL},{MAIL}"),
        ("请写joe@mail.org谢谢 é@mail.org éa@mail.org", f"请写{MAIL}谢谢 é@mail.org é{MAIL}"),
        ("joe..b@mail.org .joe@mail.org joe.@mail.org", f"joe..{MAIL} .{MAIL} joe.@mail.org"),
        ("joe@mail.org- joe@mail.org-8", f"{MAIL}- joe@mail.org-8"),
        ("joe@mail.xn--p1ai joe@xn--80ak6aa92e.com", f"{MAIL} {MAIL}"),
        ("joe@mail.org.5 joe@mail.5 joe@mail joe@ @mail.org", f"{MAIL}.5 joe@mail.5 joe@mail joe@ @mail.org"),
        ("a@b.org@c.org", f"{MAIL}@c.org"),
        ("logo@2x.png lodash@4.17.js", "logo@2x.png lodash@4.17.js"),
        ("x" * 64 + "@mail.org", MAIL),
        ("x" * 65 + "@mail.org", "x" * 65 + "@mail.org"),
        # Nobody's.
        ("joe@example.com joe@www.Example.ORG joe@a.test", "joe@example.com joe@www.Example.ORG joe@a.test"),
        ("joe@myexample.com", MAIL),
    ],
)
def test_emails(text, expected):
    assert replaced(text) == [expected]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("8.8.8.8", IP4),
        ("at 8.8.8.8, (8.8.4.4:53) [1.1.1.1]/24.", f"at {IP4}, ({IP4}:53) [{IP4}]/24."),
        ("http://8.8.8.8/x ip=8.8.8.8;", f"http://{IP4}/x ip={IP4};"),
        ("8.8.8.8-8.8.8.10 8.8.8.8/8.8.4.4", f"{IP4}-{IP4} {IP4}/{IP4}"),
        ("地址8.8.8.8是", f"地址{IP4}是"),
        ("joe@8.8.8.8", f"joe@{IP4}"),
        # Not globally reachable.
        ("10.1.2.3 127.0.0.1 192.168.1.1 192.0.2.1", "10.1.2.3 127.0.0.1 192.168.1.1 192.0.2.1"),
        # Not addresses.
        ("8.8.8 8.8.8.256 08.8.8.8 8.8.8.08", "8.8.8 8.8.8.256 08.8.8.8 8.8.8.08"),
        # Versions and numbers of sections.
        ("v8.8.8.8 v. 8.8.8.8 Version: 8.8.8.8", "v8.8.8.8 v. 8.8.8.8 Version: 8.8.8.8"),
        ("release 8.8.8.8, FIRMWARE = 8.8.8.8", "release 8.8.8.8, FIRMWARE = 8.8.8.8"),
        ("Section 8.8.8.8 and (table\n8.8.8.8)", "Section 8.8.8.8 and (table\n8.8.8.8)"),
        ("8.8.8.8.8 1.3.6.1.4.1 8.8.8.8.zip", "8.8.8.8.8 1.3.6.1.4.1 8.8.8.8.zip"),
        ("tool-8.8.8.8 Agent/8.8.8.8 x8.8.8.8 8.8.8.8x", "tool-8.8.8.8 Agent/8.8.8.8 x8.8.8.8 8.8.8.8x"),
        ("8.8.8.8-1 8.8.8.8-rc1 8.8.8.8+b 8.8.8.8~b 8.8.8.8_1", "8.8.8.8-1 8.8.8.8-rc1 8.8.8.8+b 8.8.8.8~b 8.8.8.8_1"),
        ("see\n8.8.8.8 Results\n\t8.8.8.8. Method", "see\n8.8.8.8 Results\n\t8.8.8.8. Method"),
        (
            "see 8.8.8.8 Results\n8.8.8.8 - - [\n8.8.8.8 dns\n8.8.8.8.",
            f"see {IP4} Results\n{IP4} - - [\n{IP4} dns\n{IP4}.",
        ),
        ("server 8.8.8.8 conversion8 8.8.8.8", f"server {IP4} conversion8 {IP4}"),
        ("diversion 8.8.8.8", f"diversion {IP4}"),
    ],
)
def test_ipv4(text, expected):
    assert replaced(text, stage=NO_PHONES) == [expected]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2600:1f18::5 at [2A00:1450:4001:82a::200e]:443", f"{IP6} at [{IP6}]:443"),
        ("2600:: 2600::1: 2600::1. 2600::/32", f"{IP6} {IP6}: {IP6}. {IP6}/32"),
        ("2600:1:2:3:4:5:6:7, 2600:1:2:3:4:5:8.8.8.8", f"{IP6}, {IP6}"),
        ("2600:1:2:3:4:5:6 2600:1:2:3:4:5:6:7:8 2600::1::2", "2600:1:2:3:4:5:6 2600:1:2:3:4:5:6:7:8 2600::1::2"),
        ("2600::12345 2600::g x2600::1 2600::1x", "2600::12345 2600::g x2600::1 2600::1x"),
        ("::1 fe80::1 2001:db8::1 2002:808:808::1", "::1 fe80::1 2001:db8::1 2002:808:808::1"),
        ("a::b std::vec dead::beef 12:30:45 2012:30:45", "a::b std::vec dead::beef 12:30:45 2012:30:45"),
        ("::ffff:8.8.8.8", f"::ffff:{IP4}"),
    ],
)
def test_ipv6(text, expected):
    assert replaced(text, stage=NO_PHONES) == [expected]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("+49 30 1234567 and +4930123456, +1 (212) 736-5000", f"{PHONE} and {PHONE}, {PHONE}"),
        ("(212) 736-5000 212-736-5000 212.736.5000", f"{PHONE} {PHONE} {PHONE}"),
        ("tel:1-800-736-5000;", f"tel:{PHONE};"),
        ("+49 123 +0 123 456 789 + 49 301234567", "+49 123 +0 123 456 789 + 49 301234567"),
        ("2127365000 256 512 1024 112-736-5000 212-136-5000", "2127365000 256 512 1024 112-736-5000 212-136-5000"),
        (
            "212-736-50000 212-736-5000-1 x212-736-5000 212-736-5000@mail.org",
            f"212-736-50000 212-736-5000-1 x212-736-5000 {MAIL}",
        ),
        ("2024-01-02 10:11 1,234,567,890 978-3-16-148410-0", "2024-01-02 10:11 1,234,567,890 978-3-16-148410-0"),
        ("202-555-0143 +1 202 555 0143", "202-555-0143 +1 202 555 0143"),
        ("+12345678901234567 +123456789012345", f"+12345678901234567 {PHONE}"),
    ],
)
def test_phones(text, expected):
    assert replaced(text) == [expected]
    assert replaced(text.replace("212-736-5000@mail.org", ""), stage=NO_PHONES) == [
        text.replace("212-736-5000@mail.org", "")
    ]


CHANGED = [
    ipaddress.ip_network(n) for n in "192.0.0.0/24 64:ff9b:1::/48 2001::/23 2002::/16 3fff::/20 ::ffff:0:0/96".split()
]
"""Networks on which versions of Python disagree."""


def is_global(address):
    value = int(address) | (ip_addresses.MAPPED if address.version == 4 else 0)
    return ip_addresses.is_global(np.uint64(value >> 64), np.uint64(value & 2**64 - 1))


def test_is_global_equals_ipaddress():
    edges = [ipaddress.ip_network(n) for n in (*ip_addresses.NOT_GLOBAL, *ip_addresses.GLOBAL_WITHIN)]
    generator = random.Random(1)
    checked = 0
    for make, bits in ((ipaddress.IPv4Address, 32), (ipaddress.IPv6Address, 128)):
        values = [generator.getrandbits(bits) for _ in range(2000)]
        for network in edges:
            if network.max_prefixlen == bits:
                first, last = int(network.network_address), int(network.broadcast_address)
                values += [first - 1, first, first + 1, last - 1, last, last + 1]
        for address in (make(v) for v in values if 0 <= v < 1 << bits):
            if not any(address in network for network in CHANGED):
                assert is_global(address) == address.is_global, address
                checked += 1
    assert checked > 4000


@pytest.mark.parametrize(
    "text, expected",
    [("192.0.0.8", False), ("192.0.0.9", True), ("192.0.0.170", False), ("64:ff9b:1::1", False), ("64:ff9b::1", True)]
    + [("2001::1", False), ("2001:1::1", True), ("2001:1::3", False), ("2001:3::1", True), ("2001:20::1", True)]
    + [
        ("2002:808::1", False),
        ("3fff::1", False),
        ("3fff:1000::1", True),
        ("::ffff:8.8.8.8", True),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_is_global_where_python_changed(text, expected):
    """As IANA's registries and Python 3.13 have it."""
    assert is_global(ipaddress.ip_address(text)) == expected


PIECES = st.sampled_from(
    ["0", "1", "00", "12ab", "ffff", "12345", "g", ":", ":", ":", "::", ".", "8.8.8.8", "8", "255", "256"]
)


@given(st.lists(PIECES, max_size=18).map("".join) | st.ip_addresses(v=6).map(str) | st.ip_addresses(v=4).map(str))
@settings(deadline=None, max_examples=500)
def test_parsing_equals_ipaddress(text):
    data = np.frombuffer(text.encode(), np.uint8)
    valid, high, low = ip_addresses.parse_ipv6(data, 0, len(data))
    value, stop = ip_addresses.parse_ipv4(data, 0, len(data))
    try:
        expected = ipaddress.ip_address(text)
    except ValueError:
        assert not valid and (value < 0 or stop < len(text))
        return
    if expected.version == 6:
        assert valid and int(high) << 64 | int(low) == int(expected)
    else:
        assert (value, stop) == (int(expected), len(text))


LOCAL = r"[A-Za-z0-9_%+'-]+(?:\.[A-Za-z0-9_%+'-]+)*"
EMAIL = re.compile(rf"{LOCAL}@((?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+(?:[A-Za-z]{{2,}})(?!\.?[A-Za-z0-9-]))")
WORDS = st.sampled_from(["joe", "x", "a-b", "mail.org", "b.co", "é", "@", ".", " ", "/", "=", "<", "8", "example.com"])


@given(st.lists(WORDS, max_size=12).map("".join))
@settings(deadline=None, max_examples=300)
def test_every_plain_email_is_found(text):
    """After replacement, no address of the plain form is left but those of example.com."""
    assume(not re.search(r"@[^\s@]*@", text))
    (after,) = replaced(text, stage=PersonalData())
    for match in EMAIL.finditer(after):
        assert match[1].endswith(("example.com", "example.org")), (text, after)


FRAGMENTS = st.sampled_from(
    [
        "8.8.8.8",
        "1.1.1.1",
        "10.0.0.1",
        "2600::1",
        "2001:db8::1",
        "2600:1:2:3:4:5:6:a",
        "joe@mail.org",
        "a@b.co",
        "@",
        ".",
        ":",
    ]
    + [
        "-",
        "/",
        "+",
        " ",
        " ",
        "v",
        "version ",
        "a",
        "1",
        "212-736-5000",
        "+49 30 1234567",
        "(",
        "é",
        "中",
        "\n",
        "x.y",
        "_",
    ]
)


@given(st.lists(FRAGMENTS, max_size=12).map("".join), st.sampled_from([KINDS, ("emails", "ips"), ("ips",)]))
@settings(deadline=None, max_examples=500)
def test_replacing_twice_is_replacing_once(text, kinds):
    assume(not re.search(r"@[^\s@]*[@+]", text))  # x@a.8@b.co: the replacement may be a domain to what is before it
    stage = PersonalData(kinds)
    once = stage.apply(batch_of([text])).kept
    assert stage.apply(once).kept.equals(once)
    assert stage.apply(once).counters == {}


@given(st.lists(st.none() | st.text() | st.lists(FRAGMENTS, max_size=6).map("".join), max_size=6))
@settings(deadline=None)
def test_tags_and_replacements_agree_whatever_the_batch(texts):
    batch = batch_of(texts)
    tagged = PersonalData(KINDS, mode="tag").apply(batch)
    outcome = PersonalData(KINDS).apply(batch)
    assert tagged.counters == outcome.counters
    assert tagged.kept.select(["id", "text"]).equals(batch) and len(outcome.rows) == 0
    for kind in KINDS:
        assert sum(tagged.kept[f"pii.{kind}"].to_pylist()) == outcome.counters.get(kind, 0)
    parts = [PersonalData(KINDS).apply(batch.slice(i, 1)).kept["text"][0].as_py() or "" for i in range(len(batch))]
    assert parts == [text or "" for text in outcome.kept["text"].to_pylist()]


def test_replacement_depends_on_document_seed_and_value():
    text = "8.8.8.8 1.1.1.1 8.8.8.8 9.9.9.9"
    one, two = replaced(text, text, stage=PersonalData())
    assert one.split()[0] == one.split()[2] and one != two
    assert replaced(text, text, stage=PersonalData(seed=1)) != [one, two]
    values = [f"{i}.8.8.8" for i in range(11, 100)]
    seen = set(replaced(" ".join(values), stage=PersonalData())[0].split())
    assert seen == set(PersonalData().ipv4)
    # Frozen: another answer would change corpora that exist.
    assert one == "192.0.2.17 203.0.113.45 192.0.2.17 203.0.113.45"


def test_misspelt_options_are_refused():
    with pytest.raises(
        ValueError, match="unknown value 'phone' in option 'kinds' of step 'pii'; did you mean 'phones'"
    ):
        PersonalData(("phone",))
    with pytest.raises(ValueError, match="drop"):
        PersonalData(mode="drop")
    with pytest.raises(ValueError, match="at least 1 item"):
        PersonalData(ipv6=())


@pytest.mark.parametrize("type", [pa.string(), pa.large_string()], ids=str)
def test_degenerate_slices_and_types(type):
    texts = ["", None, "@", "8", "joe@mail.org", "@" * 5000, "8.8.8.8" * 1000, "1" * 100_000, "😀a@b.io😀", "a@" * 5000]
    batch = batch_of(texts, type)[1:]
    outcome = SHOWN.apply(batch)
    assert outcome.kept.schema == batch.schema
    assert outcome.kept["text"].to_pylist() == [
        "",
        "@",
        "8",
        MAIL,
        texts[5],
        texts[6],
        texts[7],
        f"😀{MAIL}😀",
        texts[9],
    ]
    assert outcome.counters == {"emails": 2}
    assert SHOWN.apply(batch[:0]).kept.equals(batch[:0])
    long = "All work and no play, 8.8.8.8. " * 300_000
    assert replaced(long)[0] == long.replace("8.8.8.8", IP4)


def test_real_text(real_data):
    text = gzip.decompress((real_data / "wet" / "part-00001.warc.wet.gz").read_bytes()).decode("utf-8", "replace")
    pages = text.split("WARC/1.0")
    batch = batch_of(pages)
    PersonalData(KINDS).apply(batch.slice(0, 1))
    outcome = PersonalData(KINDS).apply(batch)
    assert outcome.counters["emails"] > 200 and outcome.counters["ips"] > 20
    assert PersonalData(KINDS).apply(outcome.kept).kept.equals(outcome.kept)
