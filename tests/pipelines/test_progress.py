"""The bar shows where a map is, in one line, and goes away from any state; without a terminal there are plain lines."""

import io
import sys
import threading
import time
import types

import pytest
from stop_campaign import screen

from pipelines import progress
from pipelines.engine import MapSummary, Reached
from pipelines.progress import MapProgress


class Terminal(io.StringIO):
    """A terminal of 80 columns, for it has no file descriptor to ask."""

    encoding = "utf-8"

    def isatty(self):
        return True

    def shown(self):
        return screen(self.getvalue(), 80)


class Broken(Terminal):
    """A terminal that is gone."""

    refused = 0

    def write(self, text):
        self.refused += 1
        raise OSError(5, "Input/output error")


@pytest.fixture
def clock(monkeypatch):
    """The seconds that `progress` sees; a test sets clock[0]."""
    now = [100.0]
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    return now


@pytest.fixture(autouse=True)
def terminal_type(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


def summary(step="02-c4", tasks=4, done=0, **reasons):
    return MapSummary(step, tasks, done, reasons or {"not done yet": tasks - done})


def test_the_bar_shows_megabytes_rate_and_time_left(clock, monkeypatch):
    monkeypatch.setattr(progress, "BAR_SECONDS", 1000.0)
    terminal = Terminal()
    shown = MapProgress(terminal)
    shown.start(summary(), 100_000_000)
    assert terminal.shown() == ["  02-c4 0/100 MB " + "╺" * 38 + " 0.0 MB/s -:--:--"]
    clock[0] += 2
    shown.advance(25_000_000, {"documents": 5000})
    assert terminal.shown() == ["  02-c4 25/100 MB " + "━" * 4 + "╺" * 13 + " 12.5 MB/s, 2,500 documents/s 0:00:06"]
    shown.say("something happened")
    assert terminal.shown()[0] == "something happened" and terminal.shown()[1].startswith("  02-c4 25/100 MB ━")
    shown.finish()
    assert terminal.shown() == ["something happened", "02-c4: 1 task, 12.5 MB/s, 2,500 documents/s, 2.0 s", ""]
    assert "\x1b[?25l" not in terminal.getvalue()  # the cursor is never hidden


def test_the_bar_is_not_written_more_often_than_can_be_seen(clock, monkeypatch):
    monkeypatch.setattr(progress, "BAR_SECONDS", 1000.0)
    terminal = Terminal()
    shown = MapProgress(terminal)
    shown.start(summary(tasks=1000), 1000)
    for _ in range(1000):
        clock[0] += 0.001
        shown.advance(1, {})
    assert 5 <= terminal.getvalue().count("MB/s") <= 11
    shown.finish()
    assert terminal.shown() == ["02-c4: 1000 tasks, 0.0 MB/s, 1.0 s", ""]


def test_the_bar_is_written_again_once_in_a_while(monkeypatch):
    monkeypatch.setattr(progress, "BAR_SECONDS", 0.01)
    terminal = Terminal()
    shown = MapProgress(terminal)
    shown.start(summary(), 100)
    while terminal.getvalue().count("-:--:--") < 5:
        time.sleep(0.01)
    shown.close()
    written = terminal.getvalue()
    time.sleep(0.1)
    assert terminal.getvalue() == written and terminal.shown() == [""]


@pytest.mark.parametrize("step", ["s" * 60, "s" * 200])
def test_the_bar_never_needs_a_second_line(step):
    terminal = Terminal()
    shown = MapProgress(terminal)
    shown.start(summary(step), 100)
    (line,) = terminal.shown()
    assert line.startswith("  sss") and len(line) <= 72  # and the terminal may write ^C behind it
    shown.close()
    assert terminal.shown() == [""]


def test_a_map_that_is_partly_done_says_why_it_runs():
    terminal = Terminal()
    shown = MapProgress(terminal)
    shown.start(summary(tasks=5, done=3, **{"inputs changed": 2}), 100)
    assert terminal.shown()[0] == "02-c4: 2 of 5 tasks to run (3 done already; 2 inputs changed)"
    shown.close()


def test_close_takes_the_bar_down_from_any_state():
    terminal = Terminal()
    shown = MapProgress(terminal)
    before = sys.stdout, sys.stderr
    shown.close()
    assert terminal.getvalue() == ""
    for _ in range(2):
        shown.start(summary(), 100)
        assert (sys.stdout, sys.stderr) == before
        shown.advance(10, {})
        assert terminal.shown()[-1].startswith("  02-c4")
        shown.close()
        shown.close()
        assert terminal.shown() == [""]
    shown.start(summary(), 100)
    with pytest.raises(KeyboardInterrupt), shown._lock:
        raise KeyboardInterrupt
    shown.close()
    assert terminal.shown() == [""]


def test_close_does_not_wait_for_a_terminal_that_takes_nothing(monkeypatch):
    monkeypatch.setattr(progress, "BAR_SECONDS", 0.01)

    class Stuck(Terminal):
        free, stuck = threading.Event(), threading.Event()

        def flush(self):
            if threading.current_thread() is not threading.main_thread():
                self.stuck.set()
                self.free.wait()

    terminal = Stuck()
    shown = MapProgress(terminal)
    shown.start(summary(), 100)
    assert terminal.stuck.wait(60)  # the thread that keeps the bar going
    shown.close()
    terminal.free.set()


def test_a_terminal_that_is_gone_ends_nothing():
    terminal = Broken()
    shown = MapProgress(terminal)
    shown.start(summary(done=1), 100)
    shown.say("x")
    shown.advance(10, {})
    shown.finish()
    shown.close()
    assert terminal.refused > 1  # the bar and what was said were tried


def test_plain_lines_where_there_is_no_terminal(clock, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.01)
    stream = io.StringIO()
    shown = MapProgress(stream)
    shown.start(summary(), 100_000_000)
    assert stream.getvalue() == ""
    clock[0] += 2
    shown.advance(25_000_000, {"documents": 5000})
    while "12.5" not in stream.getvalue():
        time.sleep(0.01)
    shown.finish()
    lines = stream.getvalue().splitlines()
    assert "  02-c4: 25 %, 1/4 tasks, 12.5 MB/s, 2,500 documents/s, 2 s gone, 6 s left" in lines
    assert lines[-1] == "02-c4: 1 task, 12.5 MB/s, 2,500 documents/s, 2.0 s"
    assert "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue()


def test_the_bar_of_a_small_map_shows_kilobytes(clock, monkeypatch):
    monkeypatch.setattr(progress, "BAR_SECONDS", 1000.0)
    terminal = Terminal()
    shown = MapProgress(terminal)
    shown.start(summary(), 227_400)
    clock[0] += 2
    shown.advance(100_000, {})
    assert terminal.shown()[0].startswith("  02-c4 100/227 kB ━")
    shown.finish()


def test_a_dumb_terminal_gets_plain_lines(clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    shown = MapProgress(terminal)
    shown.start(summary(), 100)
    shown.finish()
    assert terminal.getvalue() == "02-c4: 0 tasks, 0.0 MB/s, 0.0 s\n"


def test_tasks_that_are_under_way_count_and_time_left_is_reckoned_without_what_is_no_work(clock, monkeypatch):
    monkeypatch.setattr(progress, "BAR_SECONDS", 1000.0)
    terminal = Terminal()
    shown = MapProgress(terminal)
    now = [Reached(0, 0, "starting Ray")]
    shown.start(summary(), 100_000_000, lambda: now[0])
    assert terminal.shown() == ["  02-c4 0/100 MB " + "╺" * 34 + " starting Ray -:--:--"]
    clock[0] += 10
    shown._draw()
    now[0] = Reached(20_000_000, 4000)
    clock[0] += 2
    shown._draw()
    assert terminal.shown()[0].endswith("1.7 MB/s, 333 documents/s 0:00:08")
    clock[0] += 1
    now[0] = Reached(500_000_000, 0)  # never more than there is
    shown.advance(50_000_000, {})
    assert terminal.shown()[0].startswith("  02-c4 100/100 MB ━") and terminal.shown()[0].endswith("0:00:00")
    now[0] = Reached(0, 0, "", 12.25)
    shown._draw()
    assert terminal.shown()[0].startswith("  02-c4 50/100 MB ━")
    shown.finish()
    assert terminal.shown() == ["02-c4: 1 task, 3.8 MB/s, 13.0 s, 12.2 s of them compiling kernels, once", ""]


def test_a_long_name_leaves_room_for_the_time_left(clock, monkeypatch):
    monkeypatch.setattr(progress, "BAR_SECONDS", 1000.0)
    terminal = Terminal()
    shown = MapProgress(terminal)
    shown.start(summary("00-read+gopher_quality+gopher_repetition+language+documents"), 100_000_000)
    (line,) = terminal.shown()
    assert line.startswith("  00-read+gopher_quality+") and line.endswith(" 0/100 MB  0.0 MB/s -:--:--")


def test_plain_lines_name_what_begins_and_do_not_repeat_themselves(clock, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.01)
    stream = io.StringIO()
    shown = MapProgress(stream)
    now, asked = [Reached(0, 0, "starting Ray")], []
    shown.start(summary(), 100_000_000, lambda: asked.append(1) or now[0])
    while len(asked) < 20:
        time.sleep(0.01)
    assert stream.getvalue() == "  02-c4: 0 %, 0/4 tasks, starting Ray, 0 s gone, unknown left\n"
    now[0] = Reached(50_000_000, 10, "compiling kernels, once")
    while len(asked) < 40:
        time.sleep(0.01)
    shown.close()
    assert stream.getvalue().splitlines()[1:] == [
        "  02-c4: 50 %, 0/4 tasks, compiling kernels, once, 0 s gone, unknown left"
    ]
