"""HTML to text, and the child process that does it."""

import itertools
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.reading import charset, html, http, streams, warc

PAGE = b"<html><title>One  title</title><body><ul><li>first</li><li>second&nbsp;\t item</li></ul><p>third"
HOSTILE = "hostile_extractor:hostile"


def end_waits(monkeypatch, *events):
    """Stand in for the parent's clock: each of the first waits for the child ends with nothing once its event has come.
    An event is a function that waits for it."""
    left = list(events)

    class Poll:
        def __init__(self):
            self.poll_ = select.poll()
            self.register = self.poll_.register

        def poll(self, milliseconds):
            if not left:
                return self.poll_.poll(milliseconds)
            left.pop(0)()
            return []

    monkeypatch.setattr(html, "select", types.SimpleNamespace(poll=Poll, POLLIN=select.POLLIN))


def test_title_first_then_a_line_a_block():
    assert html.extract_page(PAGE) == "One title\nfirst\nsecond item\nthird"


def test_title_is_not_repeated_and_empty_pages_are_empty():
    assert html.extract_page(b"<title>A</title><h1>A</h1><p>b") == "A\nb"
    assert html.extract_page(b"<title>A</title><h1>A</h1><h2>A</h2>") == "A\nA"
    assert html.extract_page(b"<title>A</title><h1>AB</h1>") == "A\nAB"
    assert html.extract_page(b"") == ""
    assert html.extract_page(b"<title>only</title>") == "only"
    assert html.extract_page(b"\0\0<p>a\0b") == "ab"


MENU = b"<nav><ul><li><a href=/>Home</a><li><a href=/shop>Shop</a></ul></nav>"
FOOTER = b"<footer><p>Imprint and terms of use</p></footer>"
PARAGRAPH = (
    b"<p>The harbour was rebuilt after the storm of 1902, "
    b"and the old lighthouse beside it was moved to the hill. %d</p>"
)


def article(*numbers):
    paragraphs = b"".join(PARAGRAPH % number for number in numbers)
    head, article = b"<html><head><title>Harbours</title></head><body>", b"<main><article><h1>Harbours</h1>"
    return head + MENU + article + paragraphs + b"</article></main>" + FOOTER + b"</body></html>"


def lines_of(*numbers):
    return [(PARAGRAPH[3:-4] % number).decode() for number in numbers]


def extracted(choice, *pages):
    with html.Extractor(60, html.EXTRACTORS[choice]) as child:
        return [text.decode() for text in child.extract([(page, None) for page in pages])]


def test_main_content_leaves_menu_and_footer_out():
    page = article(1, 2)
    assert html.extract_page(page).split("\n") == [
        "Harbours",
        "Home",
        "Shop",
        "Harbours",
        *lines_of(1, 2),
        "Imprint and terms of use",
    ]
    assert html.extract_main(page).split("\n") == ["Harbours", *lines_of(1, 2)]
    assert html.extract_main(b"") == ""


def fresh(page):
    """The oracle: trafilatura by itself, in a process that has read nothing before."""
    script = "import sys, trafilatura; page = sys.stdin.buffer.read().decode()\n"
    script += "text = trafilatura.extract(page, favor_precision=True, include_comments=False, deduplicate=True)\n"
    script += "sys.stdout.buffer.write((text or '').encode())"
    return subprocess.run([sys.executable, "-c", script], input=page, capture_output=True, check=True).stdout.decode()


def test_trafilatura_does_not_depend_on_pages_before():
    pytest.importorskip("trafilatura", reason="trafilatura is not installed: pip install 'winnow[html]'")
    pages = [article(1, 2, 3), article(4, 4, 4, 4, 4, 4, 5), article(*range(9)), b"", b"<p>short"]
    expected = [fresh(page) for page in pages]
    assert expected[0].split("\n") == ["Harbours", *lines_of(1, 2, 3)]
    assert expected[1].count(lines_of(4)[0]) < 6 and expected[1].endswith(lines_of(5)[0])
    assert extracted("trafilatura", *pages, *pages[::-1], *pages) == [*expected, *expected[::-1], *expected]


def test_trafilatura_on_real_pages_is_what_a_fresh_process_gives(real_data):
    pytest.importorskip("trafilatura", reason="trafilatura is not installed: pip install 'winnow[html]'")
    chunks = streams.chunks(str(real_data / "web/sample-commoncrawl-2020-34.warc.gz"))
    bodies = [
        http.parse(r.body).body for r in warc.records(chunks, True, 64 << 20) if r.headers["warc-type"] == "response"
    ]
    pages = [charset.decode(body).encode() for body in bodies[:6]]
    assert extracted("trafilatura", *pages, *pages)[6:] == [fresh(page) for page in pages]


@pytest.mark.parametrize("choice", html.EXTRACTORS)
def test_a_page_that_hangs_or_crashes_costs_only_itself_whatever_the_extractor(tmp_path, monkeypatch, choice):
    if choice == "trafilatura":
        pytest.importorskip("trafilatura", reason="trafilatura is not installed: pip install 'winnow[html]'")
    module, _, name = html.EXTRACTORS[choice].partition(":")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "chosen_extractor.py").write_text(
        f"from hostile_extractor import hostile\nfrom {module} import {name} as chosen\n"
        "def extract(data, declared=None):\n"
        "    return (hostile if data in (b'late:loop', b'kill') else chosen)(data, declared)\n"
    )
    with html.Extractor(3600, "chosen_extractor:extract") as child:
        pages = [article(1, 2), b"late:loop", b"kill", article(3, 4)]
        first, hung, crashed, last = child.extract([(page, None) for page in pages])
    assert [first.decode(), last.decode()] == extracted(choice, article(1, 2), article(3, 4))
    assert hung == "extraction took longer than 3600 s"
    assert crashed == "the extractor was killed by signal 9 at this page, twice"


@pytest.mark.parametrize("choice", html.EXTRACTORS)
def test_odd_pages_have_some_text_or_a_reason(choice):
    if choice == "trafilatura":
        pytest.importorskip("trafilatura", reason="trafilatura is not installed: pip install 'winnow[html]'")
    odd = [b"", b"\xff\xfe", b"\0" * 100, b"<", b"<?xml version='1.0' encoding='utf-8'?><html><p>x", b"<div>" * 5_000]
    odd += [b"<p>&#xD800;&#0;&#x110000;", "<p>𝄞".encode(), bytes(range(256)), b"<p>" + b"\x01\x0b" * 9]
    with html.Extractor(60, html.EXTRACTORS[choice]) as child:
        for answer in child.extract([(page, None) for page in odd]):
            assert isinstance(answer, html.Failed) or isinstance(answer.decode(), str)


def test_child_gives_what_the_function_gives():
    pages = [(PAGE, None), ("<p>grün".encode("latin-1"), "iso-8859-1"), ("<p>𝄞 日本".encode(), None)]
    with html.Extractor(10) as child:
        assert child.extract(pages) == [html.extract_page(*page).encode() for page in pages]
        assert child.extract([]) == []


def test_a_batch_larger_than_the_pipes_in_both_directions():
    pages = [(b"<p>" + b"word " * 200_000, None)] * 8
    with html.Extractor(30) as child:
        assert [len(text) for text in child.extract(pages)] == [999_999] * 8


@pytest.mark.parametrize("page", ["loop", "sleep"])
def test_a_page_that_takes_too_long_is_given_up_and_its_neighbours_come_through(page):
    with html.Extractor(3600, extractor=HOSTILE) as child:
        answers = child.extract([(b"a", None), (b"late:" + page.encode(), None), (b"b", None)])
        assert answers == [b"A", "extraction took longer than 3600 s", b"B"]
        assert [type(answer) for answer in answers] == [bytes, html.Failed, bytes]
        assert child.extract([(b"c", None)]) == [b"C"]


def test_crash_exit_exception_and_output_are_confined_to_their_page():
    pages = [b"a", b"kill", b"b", b"exit", b"raise", b"print", b"memory", b"c"]
    with html.Extractor(10, extractor=HOSTILE) as child:
        answers = child.extract([(page, None) for page in pages])
    assert answers[0::2][:2] == [b"A", b"B"]
    assert answers[1] == "the extractor was killed by signal 9 at this page, twice"
    assert answers[3] == "the extractor exited with status 3 at this page, twice"
    assert answers[4] == "RuntimeError: cannot"
    assert answers[5] == b"PRINT"
    assert isinstance(answers[6], html.Failed) and "MemoryError" in answers[6]
    assert answers[7] == b"C"


def test_a_page_is_tried_again_after_a_crash(tmp_path):
    page = b"once:" + str(tmp_path / "seen").encode()
    with html.Extractor(10, extractor=HOSTILE) as child:
        assert child.extract([(page, None), (b"x", None)]) == [page.decode().upper().encode(), b"X"]


def test_answers_outlive_the_child_that_gave_them(tmp_path):
    page = b"count:" + bytes(tmp_path / "count")
    with html.Extractor(10, extractor=HOSTILE) as child:
        assert child.extract([(page, None), (b"kill", None), (b"b", None)])[::2] == [
            page.decode().upper().encode(),
            b"B",
        ]
    assert (tmp_path / "count").read_bytes() == b"."


def test_a_batch_may_take_longer_than_a_page(tmp_path, monkeypatch):
    """As long as another answer comes in the time that a page may take."""
    with html.Extractor(3600, extractor=HOSTILE) as child:

        def answer(number):
            def wait():
                if number:  # the page waits for it; not sooner, for then the parent may see two answers at once
                    (tmp_path / str(number)).touch()
                while len(html._parsed(os.pread(child._answers, 1 << 16, 0))) <= number:
                    time.sleep(0.001)

            return wait

        end_waits(monkeypatch, *map(answer, range(5)))
        pages = [b"first", *(b"wait:" + bytes(tmp_path / str(number)) for number in range(1, 5))]
        assert child.extract([(page, None) for page in pages]) == [page.upper() for page in pages]


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=9)), max_size=5), st.integers(0, 200))
def test_answers_cut_anywhere_are_those_that_are_whole(found, size):
    parts = [html._ANSWER.pack(good, len(text.encode())) + text.encode() for good, text in found]
    expected = [text.encode() if good else html.Failed(text) for good, text in found]
    whole = sum(end <= size for end in itertools.accumulate(map(len, parts)))
    assert html._parsed(b"".join(parts)[:size]) == expected[:whole]


def test_a_child_killed_between_batches_is_replaced():
    with html.Extractor(10, extractor=HOSTILE) as child:
        (pid,) = child.extract([(b"pid", None)])
        os.kill(int(pid), signal.SIGKILL)
        assert child.extract([(b"a", None)]) == [b"A"]
    assert child.child is None


def test_a_stopped_child_is_not_waited_for(monkeypatch):
    """Its own timer cannot end it."""
    with html.Extractor(3600, extractor=HOSTILE) as child:

        def stopped():
            while state(child.child.process.pid) != "T":
                time.sleep(0.001)

        end_waits(monkeypatch, stopped)
        assert child.extract([(b"stop", None), (b"b", None)]) == ["no answer within 3630 s", b"B"]


@pytest.mark.parametrize("busy", [False, True])
def test_the_child_dies_with_its_killed_parent(busy):
    program = textwrap.dedent(
        f"""
        import sys, threading, time
        sys.path[:0] = {sys.path!r}
        from corpus.reading import html
        child = html.Extractor(60, extractor={HOSTILE!r})
        print(child.extract([(b"pid", None)])[0].decode(), flush=True)
        child.extract([(b"loop", None)]) if {busy} else time.sleep(60)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    time.sleep(0.2)
    parent.kill()
    parent.wait()
    while state(pid) != "Z":
        time.sleep(0.01)


def state(pid):
    """R, S, T (stopped) or Z (ended), as ps says; Z also of a process that is not there."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


@pytest.mark.parametrize(
    "encoding, text",
    [
        ("utf-8", "naïve 日本語"),
        ("cp1252", "“quoted” naïve"),
        ("cp1250", "Příliš žluťoučký kůň"),
        ("koi8-r", "Съешь ещё этих булок"),
        ("shift_jis", "日本語のページです"),
        ("euc_jp", "日本語のページです"),
        ("iso2022_jp", "日本語のページです"),
        ("gb18030", "中文网页的内容"),
        ("euc_kr", "한국어 페이지"),
        ("utf-16-le", "plain and 日本"),
    ],
)
def test_declared_charset_decides(encoding, text):
    data = text.encode(encoding)
    assert charset.decode(data, encoding) == text
    page = f'<meta charset="{encoding}"><p>{text}'
    if encoding != "utf-16-le":
        assert charset.decode(page.encode(encoding)) == page


def test_charset_of_meta_http_equiv_and_xml_declaration():
    page = "<meta http-equiv=Content-Type content='text/html; charset=windows-1251'><p>Съешь"
    assert charset.decode(page.encode("cp1251")) == page
    page = "<?xml version='1.0' encoding='iso-8859-2'?><p>żółw"
    assert charset.decode(page.encode("iso-8859-2")) == page


def test_an_escape_does_not_make_utf8_another_charset():
    for text in ("\x1b[1mnaïve 日本\x1b[0m", "\x1b", "\ufeff\x1bé"):
        assert charset.decode(text.encode(), "iso-8859-1") == text.removeprefix("\ufeff")


def test_byte_order_mark_beats_the_label():
    assert charset.decode(b"\xef\xbb\xbf\xc3\xa9", "latin-1") == "é"
    assert charset.decode(b"\xff\xfe" + "hé".encode("utf-16-le"), "utf-8") == "hé"


def test_wrong_labels_do_not_lose_the_page():
    german = "Äpfel, Öl und Übermut gehören für Jürgen zum schönen Frühstück. " * 5
    assert charset.decode(german.encode(), "iso-8859-1") == german  # labelled latin-1, is UTF-8
    assert charset.decode(german.encode("cp1252"), "utf-8") == german  # and the other way
    assert charset.decode(german.encode("cp1252"), "no-such-charset") == german
    assert charset.decode(german.encode("cp1252"), "utf-16") == german
    assert charset.decode(german.encode()[:-3] + b"\xc3", "utf-8").startswith(german[:50])  # cut in a character


def test_any_bytes_decode():
    for data in (b"", b"\xff", bytes(range(256)), b"\x80" * 1000):
        assert isinstance(charset.decode(data, "utf-8").encode(), bytes)
        assert isinstance(charset.decode(data, "euc-kr").encode(), bytes)
