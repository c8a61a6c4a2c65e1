import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.url_removal import UrlRemoval, top_level_domains

TAIL = r"[-a-zA-Z0-9()@:%_+.~#?&//=]*"
URL = re.compile(
    rf"\s{{0,10}}(?:((https?|ftp)://)?)[-a-zA-Z0-9@:%._\+~#=]{{1,256}}\.({'|'.join(top_level_domains())})\b({TAIL})",
    re.ASCII,
)
ADDRESS = re.compile(rf"\s{{0,10}}\b((https?|ftp)://)?(?:[0-2]?[0-9]{{1,2}}\.){{3}}[0-2]?[0-9]{{1,2}}{TAIL}", re.ASCII)


def cut(text, type=pa.string(), **options):
    outcome = UrlRemoval(**options).apply(pa.record_batch({"id": ["a"], "text": pa.array([text], type)}))
    assert outcome.kept.schema.field("text").type == type and not len(outcome.rows)
    assert outcome.counters == ({"changed": 1} if outcome.kept["text"][0].as_py() != text else {})
    return outcome.kept["text"][0].as_py()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", ""),
        ("See https://www.example.com/a?b=c#d for more.", "See for more."),
        ("Mail me@mail.example.org, please", "Mail, please"),
        ("\n  http://example.com\nnext", "\nnext"),
        ("one. Two", "one. Two"),
        ("one.Two", "one.Two"),
        ("notes.community and notes.communityx", " and notes.communityx"),
        ("from 10.0.0.1:80/x to 8.8.8.8.", "from to"),
        ("version 1.2.3 of it", "version 1.2.3 of it"),
        ("看 example.com网", "看网"),
        ("𝒳 ftp://example.com 😀", "𝒳 😀"),
    ],
)
def test_cuts_urls_and_addresses(text, expected):
    assert cut(text) == expected
    assert cut(text, pa.large_string()) == expected


def test_options():
    assert cut("to 8.8.8.8 now", ip_addresses=False) == "to 8.8.8.8 now"
    assert cut("a\n\n\n\nb\n\nc", max_newlines=2) == "a\n\nb\n\nc"
    assert cut("a\n\n\n\nb") == "a\n\n\n\nb"
    with pytest.raises(
        ValueError, match="option 'max_newlines' of step 'url_removal' should be greater than or equal to 1"
    ):
        UrlRemoval(max_newlines=0)


def test_top_level_domains_of_a_list(tmp_path):
    (tmp_path / "list.dat").write_text("// comment\ncom\n*.zz\n!city.yy\n\nрф\n", encoding="utf-8")
    assert top_level_domains(str(tmp_path / "list.dat")) == ["com", "yy", "zz"]
    assert cut("a.com b.org", public_suffixes=str(tmp_path / "list.dat")) == " b.org"
    assert UrlRemoval(public_suffixes="x").inputs() == ["x"]


@given(st.text() | st.text("ac.om://htps 1\n\x0b\t()?é", max_size=60))
@settings(deadline=None, max_examples=300)
def test_equals_the_definition(text):
    assert cut(text, max_newlines=2) == re.sub(r"\n{3,}", "\n\n", ADDRESS.sub("", URL.sub("", text)))


def test_slices_and_nulls():
    batch = pa.record_batch({"id": list("abc"), "text": ["x", "see a.com", None]}).slice(1)
    assert UrlRemoval().apply(batch).kept["text"].to_pylist() == ["see", ""]
