"""Places in a text are said with their lines, short, and harmless to a terminal."""

from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.step import Place
from pipelines.inspection import places


def said(text, *found, most=9):
    return [line.plain for line in places.say(text, found, most)]


def place_of(text, words, rule="r", after=0):
    start = text.encode().index(words.encode(), after)
    return Place(rule, start, start + len(words.encode()))


def test_a_line_and_words_in_a_line():
    text = "é one\r\ntwo {\u2028  three  \n"
    assert said(text, place_of(text, "two {")) == ['line 2: r: "two {"']
    assert said(text, place_of(text, "{")) == ['line 2:5: r: "two {"']
    assert said(text, place_of(text, "one"), place_of(text, "  three  ")) == [
        'line 1:3: r: "é one"',
        'line 3: r: "three"',
    ]
    [line] = places.say(text, [place_of(text, "{")], 9)
    assert [
        text[span.start : span.end] for text, span in ((line.plain, s) for s in line.spans) if span.style == "bold red"
    ] == ["{"]


def test_white_space_around_a_place_does_not_count():
    assert said("one\ntwo\n", Place("r", 3, 7)) == ['line 2: r: "two"']  # cut with the newline before
    for start, end in ((3, 4), (4, 4), (4, 5)):
        assert said("one\n\n", Place("r", start, end)) == ['line 2: r: ""']
    assert said("", Place("r", 0, 0)) == ['line 1: r: ""']


def test_equal_words_share_a_line_and_the_rest_is_counted():
    text = "home\nx\n" * 6
    found = [Place("r", at, at + 4) for at in range(0, 42, 7)]
    assert said(text, *found) == ['lines 1, 3, 5, 7 and 2 more: r: "home"']
    found += [Place("s", 5, 6), Place("t", 5, 6)]
    assert said(text, *found, most=1)[1:] == ["and 2 more such lines"]
    assert said(text, *found, most=0) == ["and 3 more such lines"]


def test_long_lines_are_cut_about_the_words():
    text = "a" * 500 + "{" + "b" * 500
    [line] = said(text, place_of(text, "{"))
    assert line == f'line 1:501: r: "…{"a" * 39}{{{"b" * 39}…"' and len(line) < 100
    [line] = said(text, Place("r", 0, 1001))
    assert line == f'line 1: r: "{"a" * 40}…{"b" * 39}"'


def test_nothing_moves_the_cursor():
    assert said("a\x1b[2J\tb\nc", Place("r", 0, 9)) == ['line 1: r: "a\\x1b[2J\\tb\\nc"']


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \n\r\u2028\té😀{"), max_size=30), st.data())
def test_any_place_is_said_once(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = Place("r", len(text[:start].encode()), len(text[:end].encode()))
    [line] = said(text, found)
    words = text[start:end]
    if words.strip():
        before = text[: end - len(words.lstrip())] + "x"
        column = len(before.splitlines()[-1])
        number = str(len(before.splitlines()))
        assert line.split(": ")[0] in (f"line {number}", f"line {number}:{column}")
        assert places.printable(words.strip()) in line
