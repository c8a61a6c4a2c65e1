"""Compressed files: bounded, and damage costs the member it is in and no more."""

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import tracemalloc
import zlib

import hypothesis
import hypothesis.strategies as st
import pytest
import zstandard

from corpus.reading import jsonl, read_options, readers, streams
from corpus.reading.readers import ReadOptions, Unit


def chunks_of(path, data, **options):
    path.write_bytes(data)
    return list(streams.chunks(str(path), **options))


def content(found):
    return b"".join(chunk.data for chunk in found if isinstance(chunk, streams.Chunk))


def damages(found):
    return [chunk for chunk in found if isinstance(chunk, streams.Damage)]


def zstd(data, **options):
    return zstandard.ZstdCompressor(**options).compress(data)


def streamed(data, size=None, **options):
    """A frame that was written piece by piece, without the size of its content."""
    compressor = zstandard.ZstdCompressor(**options).compressobj()
    pieces = [data[i : i + (size or len(data) or 1)] for i in range(0, len(data), size or len(data) or 1)]
    return b"".join(
        [
            *(compressor.compress(p) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for p in pieces),
            compressor.flush(),
        ]
    )


def text_of(number, size=3000):
    noise = random.Random(number)
    return b"".join(
        json.dumps({"id": f"{number}-{i}", "text": noise.randbytes(60).hex()}).encode() + b"\n"
        for i in range(size // 150)
    )


PACKED = {
    ".gz": gzip.compress,
    ".zst": lambda data: zstd(data, write_checksum=True),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


# What is whole comes out whole


@pytest.mark.parametrize("size", [0, 1, streams.BLOCK - 1, streams.BLOCK, streams.BLOCK + 1, 5 * streams.BLOCK + 7])
@pytest.mark.parametrize("fill", ["zeros", "noise"])
def test_whole_files(tmp_path, size, fill):
    data = bytes(size) if fill == "zeros" else random.Random(size).randbytes(size)
    frames = [
        zstd(data),
        zstd(data, write_checksum=True, write_content_size=False),
        streamed(data, 100_000, write_checksum=True),
    ]
    for number, packed in enumerate([gzip.compress(data, 1), *frames]):
        found = chunks_of(tmp_path / ("x.zst" if number else "x.gz"), packed * 2)
        assert content(found) == data * 2 and not damages(found)
        assert all(0 < len(chunk.data) <= streams.BLOCK for chunk in found)
        assert {chunk.member for chunk in found} == ({0, len(packed)} if size else set())
        ends = [chunk.end for chunk in found]
        assert ends == sorted(ends) and (not found or {len(packed), 2 * len(packed)} <= set(ends))


def test_a_member_that_swells_and_is_followed_by_another_ends(tmp_path):
    """CPython keeps `unconsumed_tail` after the end of a member."""
    first, second = b'{"text":"' + b"abc def " * 200_000 + b'"}\n', b'{"text":"second"}\n'
    found = chunks_of(tmp_path / "x.jsonl.gz", gzip.compress(first) + gzip.compress(second))
    assert content(found) == first + second and not damages(found)


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(
    st.lists(st.tuples(st.binary(max_size=40), st.integers(1, 3 * streams.BLOCK)), max_size=3), st.integers(0, 9)
)
def test_gzip_of_anything_is_what_gzip_says(tmp_path_factory, parts, level):
    members = [(unit * (size // max(len(unit), 1)))[:size] for unit, size in parts]
    path = tmp_path_factory.getbasetemp() / "any.gz"
    found = chunks_of(path, b"".join(gzip.compress(member, level) for member in members))
    assert content(found) == b"".join(members) and not damages(found)


def test_a_dictionary_in_front_of_the_frames(tmp_path):
    """As the WARC files of the Archive Team have one, plain or compressed."""
    texts = [text_of(i, 600) for i in range(40)]
    dictionary = zstandard.train_dictionary(4000, texts)
    frames = b"".join(zstd(text, dict_data=dictionary) for text in texts)
    for stored in (dictionary.as_bytes(), zstd(dictionary.as_bytes())):
        data = b"\x5d\x2a\x4d\x18" + struct.pack("<I", len(stored)) + stored + frames
        found = chunks_of(tmp_path / "x.zst", data)
        assert content(found) == b"".join(texts) and not damages(found)
    assert content(chunks_of(tmp_path / "x.zst", frames)) == b""


def with_dictionary(texts, number, size=4000, compressed=False):
    """Frames of the texts behind the frame of a dictionary that was made for them."""
    dictionary = zstandard.train_dictionary(size, texts, dict_id=number)
    stored = zstd(dictionary.as_bytes()) if compressed else dictionary.as_bytes()
    head = streams.DICTIONARY_MAGIC + struct.pack("<I", len(stored)) + stored
    return head, [zstd(text, dict_data=dictionary, write_checksum=True) for text in texts]


def test_a_dictionary_is_taken_wherever_it_stands(tmp_path):
    """Two such files put together, and one behind a skippable frame."""
    texts = [text_of(i, 600) for i in range(80)]
    first, one = with_dictionary(texts[:40], 40_001)
    second, two = with_dictionary(texts[40:], 40_002, 3000, compressed=True)
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"abcd"
    found = chunks_of(tmp_path / "x.zst", b"".join([skippable, first, *one, second, *two, first, *one]))
    assert content(found) == b"".join(texts + texts[:40]) and not damages(found)
    broken = bytearray(one[-1])  # damage right before the second: it is part of no damage
    broken[len(broken) // 2] ^= 0xFF
    found = chunks_of(tmp_path / "x.zst", b"".join([first, *one[:-1], broken, second, *two]))
    assert content(found).startswith(b"".join(texts[:39])) and content(found).endswith(b"".join(texts[40:]))
    (damage,) = damages(found)
    assert len(first) + sum(map(len, one[:-1])) <= damage.start < damage.end == len(first) + sum(map(len, one))
    found = chunks_of(tmp_path / "x.zst", first[:-100])  # a dictionary that is cut off is no place to go on at
    assert [(damage.start, damage.end) for damage in damages(found)] == [(0, len(first) - 100)]


def test_dictionaries_are_bounded_in_number_and_size(tmp_path, monkeypatch):
    texts = [text_of(i, 600) for i in range(40)]
    files = [with_dictionary(texts, 40_000 + i, 1000) for i in range(3)]
    data = b"".join(b"".join([head, *frames]) for head, frames in files)
    assert content(chunks_of(tmp_path / "x.zst", data)) == b"".join(texts) * 3
    monkeypatch.setattr(streams, "DICTIONARIES", 2)
    found = chunks_of(tmp_path / "x.zst", data)
    assert content(found) == b"".join(texts) * 2 and damages(found)[-1].end == len(data)
    monkeypatch.setattr(streams, "DICTIONARY", 1500)
    assert content(chunks_of(tmp_path / "x.zst", data)).startswith(b"".join(texts))


# What is not


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("bad", [0, 3, 7])
@pytest.mark.parametrize("how", ["magic", "middle", "checksum", "zeros", "cut", "removed_end", "garbage_before"])
def test_damage_costs_its_member(tmp_path, suffix, bad, how):
    parts = [text_of(i) for i in range(8)]
    members = [bytearray(PACKED[suffix](part)) for part in parts]
    member, half = members[bad], len(members[bad]) // 2
    if how == "zeros":
        member[half : half + 60] = bytes(60)
    elif how == "cut":
        del member[half : half + 60]
    elif how == "removed_end":
        del member[half:]
    elif how == "garbage_before":
        member[:0] = b"garbage \x1f\x8b\x08 \x28\xb5\x2f\xfd and more of it"
    else:
        member[{"magic": 1, "middle": half, "checksum": -6 if suffix == ".gz" else -2}[how]] ^= 0x55
    data = b"".join(members)
    found = chunks_of(tmp_path / f"x{suffix}", data, hold=1 << 20)
    (damage,) = damages(found)
    start = sum(map(len, members[:bad]))
    assert start <= damage.start <= damage.end <= start + len(member)
    assert (
        damage.member == start and f"from byte {start} to" in damage.error or f"begins at byte {start}" in damage.error
    )
    whole = b"".join(parts[:bad]), b"".join(parts[bad + 1 :])
    assert content(found).startswith(whole[0]) and content(found).endswith(whole[1])
    if how == "checksum":  # its content decodes, and is in doubt as a whole
        assert (damage.start, damage.end) == (start, start + len(member))
        assert content(found) == b"".join(whole)
    if how == "garbage_before":
        assert content(found) == b"".join(parts) and damage.end - damage.start == len(member) - len(
            PACKED[suffix](parts[bad])
        )


@pytest.mark.parametrize("suffix", PACKED)
def test_no_record_of_an_undamaged_member_is_lost(tmp_path, suffix):
    """Every place in a file of 12 members is damaged once, in three ways."""
    parts = [text_of(i, 600) for i in range(12)]
    members = [PACKED[suffix](part) for part in parts]
    starts = [sum(map(len, members[:i])) for i in range(13)]
    path = tmp_path / f"x.jsonl{suffix}"
    lost_somewhere = 0
    for place in range(0, starts[-1] - 20, 61):
        for change in (b"\xff", bytes(16), b""):  # a byte, a run of zeros, 16 bytes less
            data = bytearray(b"".join(members))
            data[place : place + (len(change) or 16)] = change
            path.write_bytes(data)
            ids, faulty, lost = read_ids(path)
            touched = [i for i in range(12) if starts[i] < place + 16 and starts[i + 1] > place]
            good = [
                row["id"]
                for i, part in enumerate(parts)
                if i not in touched
                for row in map(json.loads, part.splitlines())
            ]
            assert set(good) <= set(ids) and len(set(ids)) == len(ids)
            every = 12 * len(parts[0].splitlines())
            assert len(ids) == every or faulty or lost
            lost_somewhere += len(ids) < every
    assert lost_somewhere > 50


def read_ids(path, **options):
    """(ids of the documents, faulty records, bytes lost) of a file."""
    ids, faulty, lost = [], 0, 0
    for reading in readers.read(Unit(str(path), "jsonl"), ReadOptions(**options)):
        ids += reading.documents["id"].to_pylist()
        faulty += sum(row["records"] for row in reading.quarantined)
        lost += sum(row["bytes"] for row in reading.quarantined)
    return ids, faulty, lost


@pytest.mark.parametrize("suffix", PACKED)
def test_lines_that_straddle_members(tmp_path, suffix):
    whole = b"".join(text_of(i, 1500) for i in range(10))
    cuts = [0, *sorted(random.Random(1).sample(range(len(whole)), 30)), len(whole)]
    parts = [whole[a:b] for a, b in zip(cuts, cuts[1:])]
    members = [PACKED[suffix](part) for part in parts]
    path = tmp_path / f"x.jsonl{suffix}"
    path.write_bytes(b"".join(members))
    every = [json.loads(line)["id"] for line in whole.splitlines()]
    assert read_ids(path) == (every, 0, 0)
    for bad in (0, 7, 30):
        broken = bytearray(members[bad])
        broken[1] ^= 0xFF
        path.write_bytes(b"".join([*members[:bad], bytes(broken), *members[bad + 1 :]]))
        ids, faulty, lost = read_ids(path)
        before = whole[: cuts[bad]].count(b"\n")
        after = whole[cuts[bad + 1] :].count(b"\n") - (not whole[: cuts[bad + 1]].endswith(b"\n"))
        assert ids == every[:before] + (every[-after:] if after > 0 else [])
        assert faulty <= 2 and lost == len(broken)  # the records that straddle it


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_one_flipped_byte_in_a_file_of_one_member_is_never_a_small_loss(tmp_path, suffix):
    """What came before is kept, and what is lost is counted in bytes, since its records cannot be."""
    lines = [
        json.dumps({"id": str(i), "text": f"{i} " * 40 + random.Random(i).randbytes(30).hex()}).encode()
        for i in range(20_000)
    ]
    data = bytearray(PACKED[suffix](b"\n".join(lines)))
    path, stopped = tmp_path / f"x.jsonl{suffix}", 0
    for share in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        place = int(len(data) * share)
        data[place] ^= 0x10
        path.write_bytes(data)
        ids, faulty, lost = read_ids(path)
        data[place] ^= 0x10
        known = set(map(str, range(20_000)))
        missing = 1 - len(known & set(ids)) / 20_000
        assert missing <= max(lost / len(data), faulty / (len(ids) + faulty)) + 0.1 and lost > 0
        if lost < 0.999 * len(data):  # it does not decode on from there: what came before does
            assert len(ids) > 20_000 * share * 0.7 and ids[: len(ids) * 9 // 10] == [
                str(i) for i in range(len(ids) * 9 // 10)
            ]
            stopped += 1
    assert stopped >= (suffix == ".zst")  # deflate decodes on to the end, to something else


def test_truncation_at_any_place(tmp_path):
    parts = [text_of(i, 900) for i in range(4)]
    for suffix, pack in PACKED.items():
        members = [pack(part) for part in parts]
        data = b"".join(members)
        starts = [sum(map(len, members[:i])) for i in range(5)]
        for size in [1, 2, 3, 4, 9, 17, 25, *range(30, len(data), 97), len(data) - 1]:
            found = chunks_of(tmp_path / f"x{suffix}", data[:size])
            whole = max(i for i in range(5) if starts[i] <= size)
            assert content(found).startswith(b"".join(parts[:whole]))
            assert b"".join(parts).startswith(content(found))
            assert len(damages(found)) == (size not in starts)
            assert all("the file ends inside" in damage.error and damage.end == size for damage in damages(found))


def test_zeros_pad_a_file_but_not_many_and_not_in_the_middle(tmp_path):
    one, two = gzip.compress(b"one"), gzip.compress(b"two")
    found = chunks_of(tmp_path / "x.gz", one + bytes(1000))
    assert content(found) == b"one" and not damages(found)
    for data, size in [
        (one + bytes(1000) + two, 1000),
        (one + bytes(500_000), 500_000),
        (one + two + bytes(200_000), 200_000),
    ]:
        found = chunks_of(tmp_path / "x.gz", data)
        (damage,) = damages(found)
        assert damage.end - damage.start == size and content(found) in (b"onetwo", b"one")


def test_where_reading_goes_on_is_what_the_format_expects(tmp_path):
    """A gzip member inside a broken one (a coded body, stored as it is) is not taken for the next."""
    inner = gzip.compress(random.Random(2).randbytes(5000))
    outer = bytearray(gzip.compress(b"WARC/1.0\r\nx: y\r\n\r\n" + inner + random.Random(3).randbytes(500)))
    outer[4 + len(outer) // 2] ^= 0xFF
    following = gzip.compress(b"WARC/1.0\r\nz: w\r\n\r\n")
    expected = lambda data: data.startswith(b"WARC/")
    found = chunks_of(tmp_path / "x.gz", bytes(outer) + following, plausible=expected)
    assert content(found).endswith(b"WARC/1.0\r\nz: w\r\n\r\n") and damages(found)[0].end == len(outer)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_member_within_a_long_record_is_one(tmp_path, suffix):
    """What is plausible comes late in it; a member without any of that is passed over."""
    noise = random.Random(5).randbytes(400_000).hex().encode()
    late = noise[:300_000] + b"\nWARC/1.0\nx: y\n\n" + noise[300_000:400_000]
    contents = [b"WARC/1.0\nx: y\n\n" + noise[400_000:500_000], noise[500_000:], late, noise[:100_000]]
    members = [bytearray(PACKED[suffix](each)) for each in contents]
    members[0][1] ^= 0xFF
    expected = lambda data: b"\nWARC/" in data or data.startswith(b"WARC/")
    found = chunks_of(tmp_path / f"x{suffix}", b"".join(members), plausible=expected)
    assert content(found) == late + noise[:100_000]
    assert [(damage.start, damage.end) for damage in damages(found)] == [(0, len(members[0]) + len(members[1]))]


def test_members_that_turn_out_to_be_none_are_decoded_within_a_budget(tmp_path, monkeypatch):
    """200 members of 8 MiB each, in 8 KiB, behind damage: without a budget 1.6 GB are decoded to find that out."""
    decoded = 0

    def never(data):
        nonlocal decoded
        decoded += len(data)
        return False

    bomb = bytes(8 << 20)
    for suffix, member in ((".gz", gzip.compress(bomb)), (".zst", zstd(bomb, write_checksum=True))):
        decoded = 0
        found = chunks_of(tmp_path / f"x{suffix}", b"damage" + member * 200, plausible=never)
        (damage,) = damages(found)
        assert damage.end == 6 + 200 * len(member) and not content(found)
        assert streams.DECODED_AGAIN // 2 < decoded < 2 * streams.DECODED_AGAIN


# What would swell


def rle_frame(blocks, window=None):
    """A zstd frame of 128 KiB blocks of one repeated byte: four bytes each."""
    descriptor = b"\x00" + bytes([window]) if window is not None else b"\x00\x88"
    block = lambda last: struct.pack("<I", (128 << 10) << 3 | 1 << 1 | last)[:3] + b"a"
    return streams.ZSTD_MAGIC + descriptor + block(0) * (blocks - 1) + block(1)


def test_a_bomb_comes_out_in_bounded_pieces(tmp_path):
    zeros = zlib.compressobj(9, wbits=31)
    packed = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(200)) + zeros.flush()
    for name, data, size in [
        ("x.gz", packed, 200 << 20),
        ("x.zst", rle_frame(1600), 200 << 20),
        ("x.zst", zstd(bytes(200 << 20)), 200 << 20),
        ("x.bz2", bz2.compress(bytes(200 << 20), 1), 200 << 20),
        ("x.xz", lzma.compress(bytes(200 << 20), preset=0), 200 << 20),
    ]:
        (tmp_path / name).write_bytes(data)
        assert len(data) < 300_000
        tracemalloc.start()
        assert sum(len(chunk.data) for chunk in streams.chunks(str(tmp_path / name))) == size
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
        tracemalloc.stop()


def test_a_line_without_end_is_one_fault_in_bounded_memory(tmp_path):
    options = {"max_record_bytes": 4 << 20}
    data = b'{"id": "a", "text": "b"}\n' + b"x" * (60 << 20) + b'\n{"id": "c", "text": "d"}'
    for name, packed in [("x.jsonl", data), ("x.jsonl.gz", gzip.compress(data, 1)), ("x.jsonl.zst", zstd(data))]:
        path = tmp_path / name
        path.write_bytes(packed)
        tracemalloc.start()
        ids, faulty, lost = read_ids(path, **options)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
        tracemalloc.stop()
        assert (ids, faulty) == (["a", "c"], 1)
        assert lost == 60 << 20 if name == "x.jsonl" else 0.6 * len(packed) < lost <= len(packed)


def test_a_window_above_the_limit_is_refused_with_the_remedy(tmp_path):
    small = zstd(b"after")
    data = rle_frame(3, window=(31 - 10) << 3) + small  # 2 GiB
    found = chunks_of(tmp_path / "x.zst", data)
    (damage,) = damages(found)
    assert damage.error.endswith(
        "window of 2147483648 bytes is above the limit of 134217728"
    )  # the option does not go so far
    assert (damage.start, damage.end) == (0, len(data) - len(small)) and content(found) == b"after"
    assert content(chunks_of(tmp_path / "x.zst", data, limit=(1 << 31) - 1)) == b"after"
    data = rle_frame(3, window=(30 - 10) << 3) + small
    assert damages(chunks_of(tmp_path / "x.zst", data))[0].error.endswith(
        "limit of 134217728; raise read.max_record_bytes"
    )
    assert content(chunks_of(tmp_path / "x.zst", data, limit=1 << 30)).endswith(b"aafter")
    assert streams.MOST_WINDOW == read_options.MOST_RECORD_BYTES


def test_a_dictionary_of_xz_above_the_limit_is_refused_with_the_remedy(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    compressor = lzma.LZMACompressor(filters=filters)
    data = compressor.compress(b"text") + compressor.flush()
    (damage,) = chunks_of(tmp_path / "x.xz", data)
    assert damage.error.endswith("Memory usage limit exceeded; raise read.max_record_bytes")
    assert content(chunks_of(tmp_path / "x.xz", data, limit=1 << 30)) == b"text"


def test_a_file_of_beginnings_of_members_is_given_up_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "TRIALS", 50 * (streams.A_PLACE + streams.A_PIECE))
    tried = []
    sound = streams._Members._sound
    monkeypatch.setattr(streams._Members, "_sound", lambda self, offset: tried.append(offset) or sound(self, offset))
    data = (gzip.compress(b"x" * 100)[:14] + b"\xff" * 6) * 3000
    found = chunks_of(tmp_path / "x.gz", data)
    assert len(tried) <= 50
    assert sum(damage.end - damage.start for damage in damages(found)) > len(data) * 0.95


@pytest.mark.parametrize("line, fails", [
    (b'{"text": "a", "x": [' + b"{}," * 500_000 + b"{}]}", True),
    (b'{"text": "a", "x": [' + b"1," * 1_000_000 + b"1]}", True),
    (b'{"text": "' + b"a,[{\\\\\\\"" * 300_000 + b'"}', False),
    (b'{"text": "' + b"comma, " * 300_000 + b'"}', False),
])  # fmt: skip
def test_a_line_of_millions_of_values_is_not_parsed(tmp_path, line, fails):
    path = tmp_path / "x.jsonl"
    path.write_bytes(line + b'\n{"id": "last", "text": "b"}')
    (reading,) = readers.read(Unit(str(path), "jsonl"), ReadOptions(max_record_bytes=4 << 20))
    assert reading.documents["id"].to_pylist()[-1] == "last" and reading.documents.num_rows == 2 - fails
    assert [row["error"] for row in reading.quarantined] == ["a line of more than 262144 values"] * fails


@hypothesis.settings(deadline=None, max_examples=200)
@hypothesis.given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda e: st.lists(e) | st.dictionaries(st.text(), e)
    )
)
def test_values_are_counted_outside_of_strings(value):
    def depth(value):
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if values is None else 1 + max(map(depth, values), default=0)

    def count(value):
        if isinstance(value, dict):
            return 1 + max(len(value) - 1, 0) + sum(map(count, value.values()))
        return 1 + max(len(value) - 1, 0) + sum(map(count, value)) if isinstance(value, list) else 0

    import numpy as np

    for ascii_ in (True, False):
        line = np.frombuffer(json.dumps(value, ensure_ascii=ascii_).encode("utf-8", "surrogatepass"), np.uint8)
        assert jsonl._shape(line) == (count(value), depth(value))


def test_storage_that_fails_is_raised_and_not_taken_for_damage(tmp_path, monkeypatch):
    class Failing(io.BytesIO):
        def read(self, *_):
            raise OSError("the disk is gone")

        def size(self):
            return 1000

    for name in ("x.gz", "x.zst", "x"):
        monkeypatch.setattr(streams.paths, "open_input", lambda path: Failing(b""))
        with pytest.raises(OSError, match="the disk is gone"):
            list(streams.chunks(name))
