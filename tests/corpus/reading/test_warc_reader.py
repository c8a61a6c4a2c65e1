"""WARC and WET files: what a record becomes, and that a fault stays in its record."""

import functools
import gzip
import random
import re
import tracemalloc
import zlib

import brotli
import hypothesis
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st

from corpus.io import paths
from corpus.reading import html, http, readers, streams, warc, web_pages

OPTIONS = readers.ReadOptions()
COUNT = 5


def response(body=b"<p>page", status=b"200 OK", head=b"Content-Type: text/html\r\n"):
    return b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n" + body


def record(block, name="a", kind="response", length=None, media="application/http; msgtype=response", more=""):
    length = len(block) if length is None else length
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{name}>\r\n"
        f"WARC-Target-URI: <http://e.x/{name}>\r\nWARC-Date: 2024-05-18T01:58:10Z\r\n"
        f"Content-Type: {media}\r\n{more}Content-Length: {length}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def numbered(number, length=None):
    """A record that does not compress to nothing, so that its member has a middle."""
    noise = random.Random(number).randbytes(900).hex().encode()
    return record(response(b"<p>page %d<!-- %s -->" % (number, noise)), str(number), length=length)


def read(path, options=OPTIONS):
    """(documents as dicts, dropped, quarantined, skipped) of a file."""
    documents, dropped, quarantined, skipped = [], [], [], {}
    for reading in readers.read(*readers.split(paths.expand(str(path)), options), options):
        documents += reading.documents.to_pylist()
        dropped += reading.dropped
        quarantined += reading.quarantined
        for kind, count in reading.skipped.items():
            skipped[kind] = skipped.get(kind, 0) + count
    return documents, dropped, quarantined, skipped


def of_bytes(folder, data, name="x.warc", options=OPTIONS):
    path = folder / name
    path.write_bytes(data)
    return read(path, options)


def one(folder, *blocks):
    """The single document of a record."""
    (document,), dropped, quarantined, _ = of_bytes(folder, b"".join(blocks))
    assert not dropped and not quarantined
    return document


def test_columns_of_a_response(tmp_path):
    document = one(tmp_path, record(response(b"<title>T</title><p>page")))
    assert document == {
        "id": "a",
        "text": "T\npage",
        "url": "http://e.x/a",
        "date": "2024-05-18T01:58:10Z",
        "source": str(tmp_path / "x.warc"),
        "language": None,
        "metadata": None,
    }


def test_records_that_are_no_documents_are_counted(tmp_path):
    data = b"".join(record(b"x: y", kind=kind) for kind in ("warcinfo", "request", "metadata", "request"))
    assert of_bytes(tmp_path, data) == ([], [], [], {"warcinfo": 1, "request": 2, "metadata": 1})


def test_rules(tmp_path):
    data = b"".join(
        [
            record(response(status=b"404 Not Found"), "gone"),
            record(response(b"\x89PNG", head=b"Content-Type: image/png\r\n"), "image"),
            record(response(b"%PDF-1.5 x", head=b""), "sniffed"),
            record(response(b"<p></p>"), "empty"),
            record(b"1.2.3.4", "name", media="text/dns"),
            record(b"%PDF", "pdf", kind="conversion", media="application/pdf"),
            record(response(), "kept"),
        ]
    )
    documents, dropped, quarantined, _ = of_bytes(tmp_path, data)
    assert [d["id"] for d in documents] == ["kept"] and not quarantined
    assert [(d["id"], d["rule"], d["value"], d["threshold"]) for d in dropped] == [
        ("gone", "http_status", "404", "200-299"),
        ("image", "not_html", "image/png", "text/html"),
        ("sniffed", "not_html", "application/pdf", "text/html"),
        ("empty", "empty_text", "0", "1"),
        ("name", "not_html", "text/dns", "text/html"),
        ("pdf", "not_html", "application/pdf", "text/plain"),
    ]
    assert {d["rule"] for d in dropped} == set(readers.RULES)


def _chunked(body, size=100):
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _bare_deflate(body):
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


HTML = b"<p>" + b"some words of a page " * 50
TEXT = (b"some words of a page " * 50).decode().strip()


@pytest.mark.parametrize(
    "head, body",
    [
        ("Transfer-Encoding: chunked", _chunked(HTML)),
        ("Content-Encoding: gzip", gzip.compress(HTML, mtime=0)),
        ("Content-Encoding: x-gzip\r\nTransfer-Encoding: chunked", _chunked(gzip.compress(HTML, mtime=0))),
        ("Content-Encoding: deflate", zlib.compress(HTML)),
        ("Content-Encoding: deflate", _bare_deflate(HTML)),
        ("Content-Encoding: deflate, gzip", gzip.compress(zlib.compress(HTML), mtime=0)),
        ("Content-Encoding: identity", HTML),
        ("Content-Encoding: gzip\r\nTransfer-Encoding: chunked", HTML),  # removed, header kept
        ("Content-Encoding: br", HTML),
        ("Transfer-Encoding: chunked", _chunked(HTML)[:-7]),  # ends early
        ("Transfer-Encoding: chunked", b"00000%x\r\n" % len(HTML) + HTML + b"\r\n0000000000\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked", _chunked(gzip.compress(HTML, mtime=0))),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", _chunked(gzip.compress(HTML, mtime=0))),
        ("Transfer-Encoding: binary", HTML),
        ("Content-Encoding: deflate\r\nContent-Encoding: gzip", gzip.compress(zlib.compress(HTML), mtime=0)),
        ("Content-Encoding: gzip", gzip.compress(HTML[:300], mtime=0) + gzip.compress(HTML[300:], mtime=0)),
        ("Content-Encoding: br", b"\xef\xbb\xbf" + HTML),
        ("Content-Encoding: deflate", b"\n" * 100 + HTML),
    ],
)
def test_codings_of_the_body(tmp_path, head, body):
    head = f"Content-Type: text/html\r\n{head}\r\n".encode()
    assert one(tmp_path, record(response(body, head=head)))["text"] == TEXT


def test_brotli_and_zstd(tmp_path):
    for coding, body in (("br", brotli.compress(HTML)), ("zstd", zstandard.compress(HTML))):
        head = f"Content-Type: text/html\r\nContent-Encoding: {coding}\r\n".encode()
        assert one(tmp_path, record(response(body, head=head)))["text"] == TEXT


def test_coded_body_that_ends_early_gives_what_there_is(tmp_path):
    body = gzip.compress(random.Random(0).randbytes(9000).hex().encode())
    head = b"Content-Type: text/html\r\nContent-Encoding: gzip\r\n"
    assert len(one(tmp_path, record(response(body[:5000], head=head)))["text"]) > 5000


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "br, gzip, zstd"])
def test_a_bomb_gives_as_much_as_the_limit_and_is_an_error(coding):
    zeros = bytes(50 << 20)
    quick = functools.partial(brotli.compress, quality=1)
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "br": quick, "zstd": zstandard.compress}
    bomb = zeros
    for name in coding.split(", "):
        bomb = pack[name](bomb)
    answer = http.Response(200, {"content-encoding": coding}, bomb)
    assert http.content(answer, 50 << 20) == zeros
    with pytest.raises(ValueError, match="a body of more than 1048576 bytes"):
        http.content(answer, 1 << 20)
    tracemalloc.start()
    with pytest.raises(ValueError):
        http.content(answer, 1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_a_charset_after_many_blanks_is_found_at_once():
    header = "text/html; charset=" + " " * 200_000
    assert http.Response(200, {"content-type": header + ";"}, b"").charset is None
    assert http.Response(200, {"content-type": header + "'koi8-r';"}, b"").charset == "koi8-r"


def test_more_codings_than_anyone_applies_are_refused():
    answer = http.Response(200, {"content-encoding": "identity," * 8 + "gzip"}, b"x")
    with pytest.raises(ValueError, match="9 content codings"):
        http.content(answer, 1 << 20)


CHUNK_HEAD = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")


def put_together(data):
    """The oracle: chunks by a regular expression."""
    pieces, offset = [], 0
    while head := CHUNK_HEAD.match(data, offset):
        end = head.end() + int(head[1], 16)
        pieces.append(data[head.end() : end])
        if end == head.end():
            break
        offset = end + 2 if data[end : end + 2] == b"\r\n" else end + (data[end : end + 1] == b"\n")
    return b"".join(pieces) if pieces else data


@hypothesis.settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"1", b"a", b"F", b"0", b";x", b" ", b"\t", b"\r\n", b"\n", b"\r", b"3\r\nabc\r\n", b"\xff"]),
        max_size=14,
    ).map(b"".join)
)
def test_chunks_are_put_together(data):
    assert http.dechunk(data) == put_together(data)


def test_millions_of_chunks_of_a_byte_take_no_memory_a_chunk():
    data = b"1\r\na\r\n" * 3_000_000 + b"0\r\n\r\n"
    http.dechunk(data[:60])
    tracemalloc.start()
    assert http.dechunk(data) == b"a" * 3_000_000
    assert tracemalloc.get_traced_memory()[1] < 2 * len(data)
    tracemalloc.stop()


def test_a_header_without_end_and_one_of_thousands_of_fields(tmp_path):
    endless = record(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000, "endless")
    many = record(response(b"<p>many", head=b"Content-Type: text/html\r\n" + b"x: y\r\n" * 20_000), "many")
    documents, _, (fault,), _ = of_bytes(tmp_path, endless + many + record(response(b"<p>last"), "last"))
    assert [(d["id"], d["text"]) for d in documents] == [("many", "many"), ("last", "last")]
    assert fault["error"] == "a header without end within 262144 bytes"


def test_records_of_an_unknown_type_are_part_of_the_input(tmp_path):
    kinds = ["warcinfo", "request", "metadata", "revisit", "resource", "continuation", "respnse", ""]
    data = b"".join(record(b"x", str(i), kind=kind) for i, kind in enumerate(kinds)) + record(
        response(b"<p>page"), "page"
    )
    documents, _, quarantined, skipped = of_bytes(tmp_path, data)
    assert [d["id"] for d in documents] == ["page"] and skipped == dict.fromkeys(kinds[:6], 1)
    assert [q["error"] for q in quarantined] == [f"WARC-Type is {kind!r}, which is not known" for kind in kinds[6:]]
    assert all(q["records"] == 1 for q in quarantined)


def test_unknown_coding_and_missing_status_line_are_quarantined(tmp_path):
    data = record(response(b"x", head=b"Content-Encoding: sdch\r\n")) + record(b"no status") + record(response(), "b")
    documents, _, quarantined, _ = of_bytes(tmp_path, data)
    assert [d["id"] for d in documents] == ["b"]
    assert [q["error"] for q in quarantined] == ["unknown content coding 'sdch'", "no HTTP status line"]


def test_charsets(tmp_path):
    latin = record(response("<p>grün".encode("latin-1"), head=b"Content-Type: text/html; charset=ISO-8859-1\r\n"))
    assert one(tmp_path, latin)["text"] == "grün"
    meta = record(response("<meta charset=euc-jp><p>日本語".encode("euc-jp")))
    assert one(tmp_path, meta)["text"] == "日本語"
    plain = record(response("żółw".encode("cp1250"), head=b"Content-Type: text/plain;charset=windows-1250\r\n"))
    assert one(tmp_path, plain)["text"] == "żółw"


def test_html_without_content_type_is_recognised(tmp_path):
    assert one(tmp_path, record(response(b" <!DOCTYPE html><p>x", head=b"")))["text"] == "x"
    assert one(tmp_path, record(response(b"<?xml version='1.0'?><html><p>x</p></html>", head=b"")))["text"] == "x"


def test_line_feeds_alone_and_old_version(tmp_path):
    block = b"HTTP/1.0 200 OK\nContent-Type: text/html\n\n<p>x"
    data = record(block, more="WARC-TREC-ID: c-0\r\n").replace(b"WARC/1.0", b"WARC/0.18").replace(b"\r\n", b"\n")
    assert one(tmp_path, data + data.replace(b"response", b"metadata"))["text"] == "x"


def test_conversion_is_text_as_it_is(tmp_path):
    text = b"Title\n  line\ttwo\n\nWARC/1.0\nWARC-Type: response\nnot a record"
    assert one(tmp_path, record(text + b"\n", kind="conversion", media="text/plain"))["text"] == text.decode()
    _, _, quarantined, _ = of_bytes(tmp_path, record(b"ab\xff", kind="conversion", media="text/plain"))
    assert [q["error"] for q in quarantined] == ["not UTF-8: byte 2 is 0xff"]


def test_missing_id_is_the_place(tmp_path):
    block = record(response()).replace(b"WARC-Record-ID", b"X-Other-ID")
    size = len(block)
    compressed = gzip.compress(block, mtime=0)
    cases = {
        "a.warc": (block * 3, ["0", str(size), str(2 * size)]),
        "b.warc.gz": (compressed * 3, ["0", str(len(compressed)), str(2 * len(compressed))]),
        "c.warc.gz": (gzip.compress(block * 3, mtime=0), ["0", f"0+{size}", f"0+{2 * size}"]),
    }
    for name, (data, places) in cases.items():
        documents, *_ = of_bytes(tmp_path, data, name)
        assert [d["id"] for d in documents] == [f"{tmp_path}/{name}#{place}" for place in places]


@pytest.mark.parametrize(
    "value, expected",
    [
        ("2024-05-18T01:58:10Z", "2024-05-18T01:58:10Z"),
        ("2024-05-18T01:58:10.123456789Z", "2024-05-18T01:58:10Z"),
        ("2008-10-29T05:21:46-0700", "2008-10-29T12:21:46Z"),
        ("2008-10-29T23:21:46+05:30", "2008-10-29T17:51:46Z"),
        ("20200808172741", "2020-08-08T17:27:41Z"),
        ("2020-08-08", "2020-08-08T00:00:00Z"),
        ("2008-10-294T05:21:46-0700", None),
        ("2020-13-45T00:00:00Z", None),
        ("2023-02-29T00:00:00Z", None),
        ("2024-02-29x01:58:10Z", None),
        ("2024-W20-6T01:58:10Z", None),
        (" 2024-05-18t01:58:10", None),
        ("2024-05-18 01:58:10Z", "2024-05-18T01:58:10Z"),
        ("2024-05-18T01:58:60Z", None),
        ("", None),
    ],
)
def test_date(value, expected):
    assert warc.date(value) == expected


@given(st.datetimes())
def test_a_date_in_the_form_of_the_standard_is_itself(moment):
    value = moment.replace(microsecond=0).isoformat() + "Z"
    assert warc.date(value) == value


def all_fields(text):
    """The oracle: every field of a header, by one regular expression over its unfolded lines."""
    lines = re.findall(r"\n([^:\n]*):([^\n]*)", re.sub(r"\r?\n[ \t]+", " ", text))
    return {name.strip().lower(): value.strip() for name, value in reversed(lines)}


NAMES = st.sampled_from(["WARC-Type", "warc-date", " Content-Length", "Content-Type\t", "Via", "", "content-\xa0"])
FIELD = st.tuples(NAMES, st.sampled_from([":", ": ", "", "\xa0:"]), st.text(alphabet="aé\x85 \t\r\n:日", max_size=6))


@given(st.lists(FIELD, max_size=6), st.sampled_from(["\n", "\r\n"]), st.text(alphabet="W:\n", max_size=3))
def test_headers_are_the_known_ones_of_all(fields, line_end, first):
    text = line_end.join([first, *map("".join, fields)])
    expected = {name: value for name, value in all_fields(text).items() if name in warc.FIELDS}
    assert warc.headers(text.encode(), "utf-8") == expected


# Faults. A file is five records; the one with number 2 is bad.


def packed(blocks, packing):
    if packing == "plain":
        return b"".join(blocks), "x.warc"
    if packing == "members":
        return b"".join(map(gzip.compress, blocks)), "x.warc.gz"
    return gzip.compress(b"".join(blocks)), "x.warc.gz"


def expect(result, missing=(2,), errors=1, reason=""):
    documents, dropped, quarantined, _ = result
    assert [d["id"] for d in documents] == [str(i) for i in range(COUNT) if i not in missing]
    assert [d["text"] for d in documents] == [f"page {d['id']}" for d in documents]
    assert len(quarantined) == errors and not dropped
    assert all(reason in q["error"] and len(q["raw"]) <= 4096 for q in quarantined)
    return quarantined


@pytest.mark.parametrize("packing", ["plain", "members", "single"])
@pytest.mark.parametrize(
    "length, reason",
    [
        (0, "no record begins there"),
        (100, "no record begins there"),
        (1850, "no record begins there"),  # a few bytes short
        (1893, "Content-Length is 1893"),
        (3000, "no record begins there"),
        (10_000, "bytes follow"),
        (10**18, "above the limit"),
        ("9" * 5000, "above the limit"),
        (-5, "Content-Length is '-5'"),
        ("abc", "Content-Length is 'abc'"),
    ],
)
def test_wrong_content_length(tmp_path, packing, length, reason):
    blocks = [numbered(i, length if i == 2 else None) for i in range(COUNT)]
    data, name = packed(blocks, packing)
    (fault,) = expect(of_bytes(tmp_path, data, name), reason=reason)
    offsets = {"plain": sum(map(len, blocks[:2])), "members": sum(len(gzip.compress(b, mtime=0)) for b in blocks[:2])}
    assert fault["position"] == offsets.get(packing, 0)
    assert fault["raw"].startswith(blocks[2][:100])


@pytest.mark.parametrize("packing", ["plain", "members"])
@pytest.mark.parametrize("bad", [0, COUNT - 1])
def test_wrong_content_length_at_the_ends(tmp_path, packing, bad):
    for length in (100, 5000, 10**15):
        blocks = [numbered(i, length if i == bad else None) for i in range(COUNT)]
        data, name = packed(blocks, packing)
        expect(of_bytes(tmp_path, data, name), missing=(bad,))


def test_off_by_a_few_bytes_is_noticed(tmp_path):
    block = numbered(2)
    true = int(block.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    for wrong in (true - 2, true - 1, true + 1, true + 2, true + 3, true + 4, true + 5):
        blocks = [numbered(i, wrong if i == 2 else None) for i in range(COUNT)]
        expect(of_bytes(tmp_path, b"".join(blocks)), reason="no record begins there")


def test_every_truncation_of_a_gz_keeps_the_whole_records(tmp_path):
    members = [gzip.compress(numbered(i)) for i in range(COUNT)]
    data = b"".join(members)
    last = len(data) - len(members[-1])
    for size in [last + 1, last + 5, last + 20, last + 300, len(data) - 8, len(data) - 1]:
        (fault,) = expect(of_bytes(tmp_path, data[:size], "x.warc.gz"), missing=(4,), reason="the file ends inside")
        assert fault["position"] == last
    expect(of_bytes(tmp_path, data[:last], "x.warc.gz"), missing=(4,), errors=0)


def test_truncated_single_member_and_plain(tmp_path):
    blocks = [numbered(i) for i in range(COUNT)]
    data = gzip.compress(b"".join(blocks))
    expect(of_bytes(tmp_path, data[:-500], "x.warc.gz"), missing=(4,), reason="the file ends inside")
    expect(of_bytes(tmp_path, b"".join(blocks)[:-500]), missing=(4,), reason="bytes follow")


@pytest.mark.parametrize("bad", [0, 2, COUNT - 1])
@pytest.mark.parametrize("where", ["checksum", "length", "magic", "head", "middle", "cut", "zeros"])
def test_corrupt_gzip_member(tmp_path, bad, where):
    members = [bytearray(gzip.compress(numbered(i))) for i in range(COUNT)]
    member = members[bad]
    half = len(member) // 2
    if where == "cut":
        del member[half:]
    elif where == "zeros":
        member[half : half + 100] = bytes(100)
    else:
        at = {"checksum": -6, "length": -1, "magic": 0, "head": 11, "middle": half}[where]
        member[at] ^= 0xFF
    (fault,) = expect(of_bytes(tmp_path, b"".join(members), "x.warc.gz"), missing=(bad,), reason="gzip stream")
    assert fault["position"] == sum(map(len, members[:bad]))


def test_garbage_and_misnamed_files(tmp_path):
    noise = random.Random(1).randbytes(200_000)
    for data, name, reason in [
        (noise, "x.warc.gz", "corrupt"),
        (noise, "x.warc", "no WARC record begins here"),
        (gzip.compress(noise, mtime=0), "x.warc.gz", "no WARC record begins here"),
        (b"WARC/1.0\r\nWARC-Type", "x.warc", "the record header has no end"),
        (b"WARC/1.0\r\n" + b"x: y\r\n" * 50_000, "x.warc", "the record header has no end"),
    ]:
        documents, _, quarantined, _ = of_bytes(tmp_path, data, name)
        assert not documents
        assert [reason in q["error"] for q in quarantined] == [True], quarantined


@pytest.mark.parametrize("data, is_one", [
    (b"WARC/1.0\r\nWARC-Type: x", True), (b"text\nWARC/0.18 \nx", True), (b"text\nWARC/1.0", True),
    (b"text\r\n\r\nW", True),
    (b"text WARC/1.0\r\n", False), (b"text\nWARC/1.0 is a format\n", False), (b"text\nWe", False), (b"text\n", False),
])  # fmt: skip
def test_where_reading_goes_on_a_record_begins(data, is_one):
    assert web_pages._has_record(data) is is_one


PACK = {".gz": gzip.compress, ".zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data)}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n"])
def test_the_end_of_a_member_vouches_for_the_record_in_it(tmp_path, suffix, end):
    blocks = [numbered(i)[:-4] + end for i in range(COUNT)]
    expect(of_bytes(tmp_path, b"".join(map(PACK[suffix], blocks)), f"x.warc{suffix}"), missing=(), errors=0)
    blocks = [numbered(i)[:-4] + end if i == 2 else numbered(i) for i in range(COUNT)]
    expect(of_bytes(tmp_path, b"".join(map(PACK[suffix], blocks)), f"x.warc{suffix}"), missing=(), errors=0)


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("left", [40, 200, 1500, 1900])
def test_a_record_that_is_cut_within_its_member_costs_only_itself(tmp_path, suffix, left):
    """Even within its header, which the next record's must not be taken to continue."""
    count = 30
    blocks = [numbered(i)[:left] if i % 3 == 0 else numbered(i) for i in range(count)]
    members = [PACK[suffix](block) for block in blocks]
    documents, dropped, quarantined, _ = of_bytes(tmp_path, b"".join(members), f"x.warc{suffix}")
    assert [d["id"] for d in documents] == [str(i) for i in range(count) if i % 3]
    assert [d["text"] for d in documents] == [f"page {d['id']}" for d in documents] and not dropped
    assert sum(q["records"] for q in quarantined) == count // 3
    assert [q["position"] for q in quarantined] == [sum(map(len, members[:i])) for i in range(0, count, 3)]
    assert [q["bytes"] for q in quarantined] == [len(members[i]) for i in range(0, count, 3)]


def test_records_lost_in_memory_already_are_counted_in_bytes(tmp_path):
    """Ten records without anything between them: a fault stands for nine, and its bytes say so."""
    blocks = [numbered(i) for i in range(20)]
    data = gzip.compress(b"".join([*blocks[:5], *(block[:-4] for block in blocks[5:14]), *blocks[14:]]))
    documents, _, (fault,), _ = of_bytes(tmp_path, data, "x.warc.gz")
    assert [d["id"] for d in documents] == [str(i) for i in [*range(5), *range(15, 20)]]
    assert abs(fault["bytes"] - len(data) * 10 / 20) < len(data) * 0.02


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_millions_of_beginnings_of_records_are_passed_in_time(tmp_path, suffix):
    """Each header is looked for up to the next record, not to the end of what is in memory: that takes an hour, which
    no test has."""
    data = b"WARC/1.0\r\nContent-Length: 60000000\r\n\r\n" + b"WARC/1.0\nA: b\n" * 100_000 + bytes(59_000_000)
    path = tmp_path / f"x.warc{suffix}"
    path.write_bytes(PACK[suffix](data) if suffix else data)
    errors = {}
    for fault in warc.records(streams.chunks(str(path)), bool(suffix), 64 << 20):
        errors[fault.error] = errors.get(fault.error, 0) + 1
    assert errors == {
        "Content-Length is 60000000, but no record begins there": 1,
        "the record header has no end": 100_000,
    }


def test_a_header_beyond_its_limit_is_none(tmp_path):
    """However much of it is in memory already."""
    long = b"WARC/1.0\r\nWARC-Type: response\r\n" + b"a:\n" * 1_000_000 + b"\r\n"
    start = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 5000000\r\n\r\n"
    for data in (long, start + long):
        path = tmp_path / "x.warc"
        path.write_bytes(data + numbered(1))
        tracemalloc.start()
        documents, _, quarantined, _ = read(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
        tracemalloc.stop()
        assert [d["id"] for d in documents] == ["1"] and sum(q["bytes"] for q in quarantined) == len(data)
        assert quarantined[-1]["error"] == "the record header has no end"
    wide = numbered(2).replace(b"WARC-Date", b"X: " + b"y" * 200_000 + b"\r\nWARC-Date")
    assert one(tmp_path, wide)["text"] == "page 2"


@pytest.mark.parametrize("suffix", PACK)
def test_damage_costs_no_record_of_the_members_behind_it(tmp_path, suffix):
    """Records of 200 KB in members of 256 KiB that begin anywhere within them."""
    blocks = [
        record(random.Random(i).randbytes(100_000).hex().encode(), str(i), "conversion", media="text/plain")
        for i in range(14)
    ]
    whole, size = b"".join(blocks), 256 << 10
    ends = [sum(map(len, blocks[: i + 1])) for i in range(14)]
    members = [PACK[suffix](whole[start : start + size]) for start in range(0, len(whole), size)]
    for bad in range(1, len(members) - 1):
        broken = bytearray(members[bad])
        broken[len(broken) // 2] ^= 0xFF
        broken[len(broken) // 2 + 1] ^= 0xFF
        data = b"".join([*members[:bad], broken, *members[bad + 1 :]])
        documents, _, quarantined, _ = of_bytes(tmp_path, data, f"x.warc{suffix}")
        ids = {int(d["id"]) for d in documents}
        touched = {i for i in range(14) if ends[i] > bad * size and ends[i] - len(blocks[i]) < (bad + 1) * size}
        assert set(range(14)) - touched <= ids
        assert all(d["text"].encode() in blocks[int(d["id"])] for d in documents if int(d["id"]) not in touched)
        assert sum(q["bytes"] for q in quarantined) >= 0.9 * (14 - len(ids)) / 14 * len(data)


def test_garbage_between_records_and_padding_after(tmp_path):
    blocks = [numbered(i) for i in range(COUNT)]
    data = b"".join(blocks[:3]) + b"garbage\r\n\r\nmore\n" + b"".join(blocks[3:])
    (fault,) = expect(of_bytes(tmp_path, data), missing=())
    assert fault["raw"].startswith(b"garbage") and fault["bytes"] == len(b"garbage\r\n\r\nmore\n")
    unsure = [*blocks[:2], blocks[2][:-4], *blocks[3:]]  # no line ends after it: nothing tells its end from garbage
    expect(of_bytes(tmp_path, b"".join(unsure[:3]) + b"garbage\nmore\n" + b"".join(unsure[3:])), missing=(2,))
    members = b"".join(map(gzip.compress, blocks))
    expect(of_bytes(tmp_path, members + bytes(100_000), "x.warc.gz"), missing=(), errors=0)
    expect(of_bytes(tmp_path, members + b"trailing", "x.warc.gz"), missing=(), errors=1)


def test_a_record_above_the_limit_costs_only_itself(tmp_path):
    options = readers.ReadOptions(max_record_bytes=100_000)
    blocks = [numbered(i) for i in range(COUNT)]
    blocks[2] = record(response(b"<p>" + b"long " * 100_000), "2")
    for packing in ("plain", "members", "single"):
        data, name = packed(blocks, packing)
        (fault,) = expect(of_bytes(tmp_path, data, name, options), reason="above the limit")
        assert fault["records"] == 1 and (packing != "plain" or fault["bytes"] == len(blocks[2]))


def test_a_body_above_the_limit_once_decoded_is_quarantined(tmp_path):
    options = readers.ReadOptions(max_record_bytes=100_000)
    coded = b"Content-Type: text/html\r\nContent-Encoding: gzip\r\n"
    latin = b"Content-Type: text/html; charset=latin-1\r\n"  # longer in UTF-8
    data = record(response(gzip.compress(b"<p>" + b"long " * 50_000, mtime=0), head=coded), "coded")
    data += record(response(b"<p>" + b"\xe9" * 60_000, head=latin), "latin") + record(response(b"<p>page"), "page")
    documents, dropped, quarantined, _ = of_bytes(tmp_path, data, options=options)
    assert [d["id"] for d in documents] == ["page"] and not dropped
    errors = ["a body of more than 100000 bytes", "a text of 120000 bytes, above the limit of 100000"]
    assert [error in q["error"] for error, q in zip(errors, quarantined, strict=True)] == [True, True]


def test_a_page_that_hangs_the_extractor_is_quarantined(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "hanging_extractor.py").write_text(
        "from corpus.reading.html import extract_page\n"
        "from hostile_extractor import hostile\n"
        "def extract(data, *rest):\n"
        "    return hostile(b'late:loop') if b'page 2' in data else extract_page(data, *rest)\n"
    )
    path = tmp_path / "x.warc"
    path.write_bytes(b"".join(numbered(i) for i in range(COUNT)))
    monkeypatch.setitem(html.EXTRACTORS, "resiliparse", "hanging_extractor:extract")
    result = read(path, readers.ReadOptions(html_timeout=3600))
    expect(result, reason="HTML: extraction took longer than 3600 s")


def test_real_archives_agree_with_fastwarc(real_data):
    for path in sorted(real_data.glob("w*/sample-*.gz")):
        expected = {}
        for item in ArchiveIterator(str(path), quirks_mode=True):
            if item.record_type in (WarcRecordType.response, WarcRecordType.conversion):
                expected[item.record_id.strip("<>").removeprefix("urn:uuid:")] = item.headers["WARC-Target-URI"].strip(
                    "<>"
                )
        documents, dropped, quarantined, _ = read(path)
        assert not quarantined
        assert {d["id"]: d["url"] for d in documents + dropped} == expected


@pytest.mark.slow
def test_real_pages_have_the_text_of_their_wet_records(real_data):
    """part-00000 in both forms: the WET file's text was extracted by others from the same pages."""
    wet = {}
    for item in ArchiveIterator(str(real_data / "wet/part-00000.warc.wet.gz")):
        if item.record_type == WarcRecordType.conversion:
            wet[item.headers["WARC-Refers-To"].strip("<>").removeprefix("urn:uuid:")] = item.reader.read().decode()
    documents, dropped, quarantined, _ = read(real_data / "web/part-00000.warc.gz")
    assert not quarantined and len(documents) > 4500
    same = sum(document["text"] == wet[document["id"]].strip("\n") for document in documents)
    assert same >= 0.997 * len(documents)
