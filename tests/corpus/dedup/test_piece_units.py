"""Forms and layouts of units against plain Python."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pieces_oracle import form_of

from corpus.dedup import piece_units
from corpus.text import arrow

CHARACTERS = st.sampled_from("aAzßİΑΣς é\u0301ñ\u0303Å½٣7９½-—。、¿“”$+\t\u3000\r日本ガ한각ổ\u0f43ா\u0bca\u16ff\u302eَ😀")
TEXTS = st.text(CHARACTERS, max_size=12)


def written(texts, form):
    data, offsets = arrow.buffers(pa.array(texts, pa.string()))
    one = np.arange(len(texts))
    return piece_units.forms(data, (offsets[:-1], offsets[1:]), one, one + 1, form).to_pylist()


@settings(deadline=None, max_examples=400)
@given(st.lists(TEXTS, max_size=5), st.sampled_from(["case", "ccnet", "none"]))
@example(["Ünïcode 1.234 «ΑΣ.» 한국어"], "ccnet")
@example(["", " ", "."], "ccnet")
def test_forms_equal_plain_python(texts, form):
    assert [each.decode() for each in written(texts, form)] == [form_of(text, form) + "\n" for text in texts]


def test_what_ccnet_leaves_of_every_character():
    import unicodedata

    characters = [chr(i) for i in range(0x3000) if unicodedata.category(chr(i)) not in ("Cs", "Cn")]
    assert written(characters, "ccnet") == [(form_of(c, "ccnet") + "\n").encode() for c in characters]


def test_hashes_are_of_the_forms_and_those_of_lines_are_c4s():
    lines = [" One. ", "ÉT\u00c9", "", "x" * 1000]
    column = pa.array(["\n".join(lines)])
    found = piece_units.layout(column, "line")
    keys = [line.strip().lower().encode() for line in lines]
    assert found.hashes.tolist() == [[xxhash.xxh64_intdigest(key, seed) for seed in (0, 1)] for key in keys]
    assert len(np.unique(piece_units.layout(column, "line", "ccnet").hashes, axis=0)) == 4


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_layouts(kind):
    column = pa.array(["skipped", "One. Two.\n\n--\n 3 \n", None, "", "x"], kind).slice(1)
    data, offsets = arrow.buffers(column)

    def texts(found):
        whole = [data[start:end].tobytes().decode() for start, end in zip(found.starts, found.ends)]
        return [whole[first:after] for first, after in zip(found.first, found.first[1:])]

    assert texts(piece_units.layout(column, "line")) == [["One. Two.", "", "--", " 3 ", ""], [""], [""], ["x"]]
    assert texts(piece_units.layout(column, "line", blank=False)) == [["One. Two.", "--", " 3 "], [], [], ["x"]]
    assert texts(piece_units.layout(column, "line", "none", False)) == [["One. Two.", "--", " 3 "], [], [], ["x"]]
    assert texts(piece_units.layout(column, "paragraph", "ccnet")) == [["One. Two.", " 3 "], [], [], ["x"]]
    assert texts(piece_units.layout(column, "sentence", "ccnet")) == [["One.", "Two.", "--", "3"], [], [], ["x"]]
    assert piece_units.layout(column.slice(0, 0), "line").first.tolist() == [0]
