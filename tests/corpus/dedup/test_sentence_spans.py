"""Sentence span deduplication against the rule in plain Python, on texts put together from sentences."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spans_oracle import join, md5, reference

from corpus.dedup import pieces, sentence_spans
from corpus.dedup.exact import partition_of
from corpus.documents import DECISION_SCHEMA, address, replace_column
from corpus.reading import readers
from corpus.text import sentences


def batch_of(pages, kind=pa.string()):
    texts = [join(page) if isinstance(page, list) else page for page in pages.values()]
    columns = {"id": pa.array([f"id{i}" for i in range(len(pages))], pa.string()), "text": pa.array(texts, kind)}
    return pa.record_batch({**columns, "url": pa.array(list(pages), pa.string())})


def concatenate(parts):
    return type(parts[0])(*[np.concatenate(columns) for columns in zip(*parts)])


def run(batches, min_sentences=0, partitions=3, length=3):
    """The whole exchange: decisions of each batch, which is shard number i."""
    addresses = [address(i, np.arange(len(b))) for i, b in enumerate(batches)]
    # Batches in reverse: what is decided must not depend on the order of arrival.
    found = concatenate([sentence_spans.span_keys(b, a, length) for b, a in zip(batches[::-1], addresses[::-1])])
    parts = partition_of(found.keys, partitions)
    repeats = [pieces.repeated(pieces.Pieces(*[c[parts == p] for c in found]), True) for p in range(partitions)]
    repeats = pieces.sort(concatenate(repeats))
    count = sentences.count_texts
    return [sentence_spans.decisions(b, a, repeats, count, min_sentences) for b, a in zip(batches, addresses)]


def apply(batch, decisions):
    """Texts after the decisions, or the reason to drop them."""
    results = [value.as_py() or "" for value in batch.column("text")]
    cuts = {}
    for decision in decisions.to_pylist():
        if decision["action"] == "drop":
            results[decision["row"]] = (decision["reason"],)
        else:
            cuts.setdefault(decision["row"], []).append((decision["start"], decision["end"]))
    for row, ranges in cuts.items():
        assert ranges == sorted(ranges) and all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:]))
        left = bytearray(results[row].encode())
        for start, end in reversed(ranges):
            del left[start:end]
        results[row] = left.decode()
    return results


FIRST, SECOND = sorted(["http://a.org", "http://b.org"], key=md5)


def test_spans_and_their_keys():
    batch = batch_of({"u": "One. Two!\n\n  Three? Four", "v": "ONE. two!  three?", "w": "One. Two.", "x": ""})
    found = sentence_spans.span_keys(batch, np.array([5, 6, 7, 8]))
    assert found.addresses.tolist() == [5, 5, 6]
    assert list(zip(found.starts.tolist(), found.ends.tolist())) == [(0, 19), (5, 24), (0, 17)]
    assert (found.keys[0] == found.keys[2]).all() and (found.keys[0] != found.keys[1]).any()
    assert f"{found.ranks[2, 0]:016x}{found.ranks[2, 1]:016x}" == md5("v")
    assert len(sentence_spans.span_keys(batch, np.arange(4), length=1).starts) == 4 + 3 + 2
    with pytest.raises(ValueError, match="at least 1 sentence"):
        sentence_spans.span_keys(batch, np.arange(4), length=0)


def test_smallest_md5_keeps_the_span():
    span = ["Here is one.", "Then two.", "And three."]
    batch = batch_of({SECOND: [["Mine.", *span, "Also mine."]], FIRST: [span, ["Something else."]]})
    [decisions] = run([batch])
    assert apply(batch, decisions) == ["Mine. Also mine.", join([span, ["Something else."]])]
    assert decisions.schema == DECISION_SCHEMA
    assert decisions.to_pylist()[0] == {
        "row": 0, "action": "cut", "start": 5, "end": 18, "step": "sentence_spans",
        "reason": "duplicate_span", "by": "0:1", "score": None, "separator": None,
    }  # fmt: skip


def test_two_sentences_in_common_are_no_span():
    batch = batch_of({FIRST: "AA. BB. CC.", SECOND: "AA. BB. DD."})
    assert run([batch])[0].num_rows == 0


def test_spans_cross_lines_and_lines_go_with_their_newlines():
    batch = batch_of({FIRST: "AA. BB. CC.", SECOND: "XX. AA.\nBB.\nCC.\nYY.\n\nZZ."})
    assert apply(batch, *run([batch]))[1] == "XX.\nYY.\n\nZZ."
    batch = batch_of({FIRST: "AA. BB. CC.", SECOND: "AA.\nBB.\n  CC. YY. \nZZ."})
    assert apply(batch, *run([batch]))[1] == "  YY. \nZZ."


def test_first_place_in_a_page_stays_whole():
    batch = batch_of({"u": "AA. " * 9 + "BB."})
    assert apply(batch, *run([batch])) == ["AA. AA. AA. BB."]
    batch = batch_of({"u": "AA. BB. CC. XX. AA. BB. CC."})
    assert apply(batch, *run([batch])) == ["AA. BB. CC. XX."]


def test_an_owned_span_shields_its_sentences():
    # SECOND's "B C D" is the only one but for a later page, so that it keeps B and C, which FIRST has too.
    last = next(f"http://{i}.org" for i in range(99) if md5(f"http://{i}.org") > md5(SECOND))
    batch = batch_of({FIRST: "AA. BB. CC.", SECOND: "AA. BB. CC. DD. EE.", last: "BB. CC. DD."})
    assert apply(batch, *run([batch])) == ["AA. BB. CC.", "BB. CC. DD. EE.", ("empty",)]


def test_dropped_pages():
    batch = batch_of({FIRST: "AA. BB. CC.", SECOND: "aa. bb. cc. DD.", "x": "", "y": "Too short."})
    [decisions] = run([batch], min_sentences=3)
    assert apply(batch, decisions) == ["AA. BB. CC.", ("too_few_sentences",), ("empty",), ("too_few_sentences",)]
    assert decisions["score"].to_pylist() == [1.0, 0.0, 1.0]
    assert decisions["by"].to_pylist() == ["0:0", None, None]
    assert apply(batch, *run([batch], min_sentences=0)) == ["AA. BB. CC.", "DD.", ("empty",), "Too short."]


def test_one_url_twice_is_decided_in_corpus_order():
    batch = pa.record_batch({"id": ["b", "a"], "text": ["AA. BB. CC.", "AA. BB. CC."], "url": ["u", "u"]})
    assert apply(batch, *run([batch])) == ["AA. BB. CC.", ("empty",)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_slices_nulls_and_nothing(kind):
    span = "😀 one. Été two. 三 three."
    batch = batch_of({"q": span, FIRST: None, SECOND: f"{span} Mine. Mine too. And mine.", "x": span}, kind)
    part = batch.slice(1)
    expected = [("empty",), "Mine. Mine too. And mine.", span]
    if md5(SECOND) < md5("x"):
        expected = [("empty",), batch["text"][2].as_py(), ("empty",)]
    assert apply(part, *run([part])) == expected
    [decisions] = run([batch.slice(0, 0)])
    assert decisions.num_rows == 0 and decisions.schema == DECISION_SCHEMA


SENTENCES = ["One.", "ONE.", "Two is!", "Drei größer?", "😀 here.", 'So "five."']
PAGES = st.dictionaries(
    st.sampled_from([f"http://site{i}.org" for i in range(6)]),
    st.lists(st.lists(st.sampled_from(SENTENCES), max_size=5), min_size=1, max_size=4),
    max_size=6,
)


@settings(deadline=None, max_examples=200)
@given(PAGES, st.integers(1, 3), st.sampled_from([0, 3]), st.integers(1, 4), st.integers(1, 4))
def test_equals_the_rule(pages, length, min_sentences, batch_size, partitions):
    names = list(pages)
    parts = [names[i : i + batch_size] for i in range(0, len(names), batch_size)] or [[]]
    batches = [batch_of({name: pages[name] for name in part}) for part in parts]
    results = {}
    for part, batch, decisions in zip(parts, batches, run(batches, min_sentences, partitions, length)):
        rows = decisions.column("row").to_pylist()
        assert rows == sorted(rows)
        results |= dict(zip(part, apply(batch, decisions)))
    assert results == reference(pages, length, min_sentences)


@settings(deadline=None, max_examples=100)
@given(PAGES)
def test_every_repeated_span_stays_in_one_place(pages):
    [decisions] = run([batch := batch_of(pages)])
    texts = [text for text in apply(batch, decisions) if isinstance(text, str)]

    counts = {}
    for page in pages.values():
        flat = [s.lower() for line in page for s in line]
        for i in range(len(flat) - 2):
            counts[tuple(flat[i : i + 3])] = counts.get(tuple(flat[i : i + 3]), 0) + 1
    left = [" " + " ".join(text.lower().split()) + " " for text in texts]
    for span, count in counts.items():
        if count > 1:
            assert any(f" {' '.join(span)} " in text for text in left)


@pytest.mark.slow
def test_repeated_spans_of_real_text_stay_in_one_place(real_data):
    unit = readers.Unit(str(real_data / "wet" / "part-00000.warc.wet.gz"), "warc")
    batch = (
        pa.Table.from_batches([r.documents for r in readers.read(unit, readers.ReadOptions())])
        .combine_chunks()
        .to_batches()[0]
    )
    results = [text if isinstance(text, str) else "" for text in apply(batch, *run([batch]))]
    before = sentence_spans.span_keys(batch, np.arange(len(batch))).keys
    after = sentence_spans.span_keys(replace_column(batch, "text", pa.array(results)), np.arange(len(batch))).keys
    keys, counts = np.unique(before, axis=0, return_counts=True)
    left, left_counts = np.unique(after, axis=0, return_counts=True)
    left = set(map(tuple, left.tolist()))
    missing = [key for key in map(tuple, keys[counts > 1].tolist()) if key not in left]
    print(len(keys), (counts > 1).sum(), len(missing), (left_counts > 1).sum())
    assert not missing
