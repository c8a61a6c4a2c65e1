"""report.html: the report of a run as one static page, with nothing to fetch and no script.

`page.html.j2` holds the page; here are its filters (how numbers and long texts read) and its
charts (inline SVG). Documents are hostile: the template escapes everything by default, charts escape
their labels, and the page's policy forbids whatever would slip through from loading or running.
"""

from __future__ import annotations

import functools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

MAX_ITEMS = 40
"""Bars, rows and list entries that one chart or table shows at most; the rest is counted."""

LETTER, LETTERS, BAR, ROW = 8, 24, 440, 24
"""Of a bar chart, in SVG units (CSS pixels at full size): room for a letter of a label, its letters at
most, the longest bar, the height of a row."""

CONTROLS = (
    {c: 0x2400 + c for c in range(32) if c not in (9, 10)} | {127: 0x2421} | dict.fromkeys(range(55296, 57344), 65533)
)
"""Characters that may not stand in a page: control characters become their pictures (NUL is shown
as U+2400), lone surrogates the replacement character."""


def render(report: dict[str, Any]) -> str:
    """The dict of `pipelines.report.report.build` as a self-contained HTML page. Sections whose part of
    the report is missing or empty are left out."""
    return _template().render(report=report).lstrip().translate(CONTROLS)


@functools.cache
def _template() -> jinja2.Template:
    """Compiled once a process, which takes longer than a small run."""
    loader = jinja2.FileSystemLoader(pathlib.Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {f.__name__: f for f in (number, size, share, seconds, rate, short, words, figure, kind)}
    environment.globals |= {"bars": bars, "histogram": histogram, "length_edges": length_edges, "MAX_ITEMS": MAX_ITEMS}
    return environment.get_template("page.html.j2")


# ------------------------------------------------------------------ numbers and words


def number(value: float | None) -> str:
    """With thousands separators; fractions to four significant digits; a dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"


def size(value: float) -> str:
    """Bytes in decimal units: 12.3 MB is 12,300,000 bytes."""
    power = min(max(len(str(abs(int(value)))) - 1, 0) // 3, 5)
    return f"{number(value)} bytes" if not power else f"{value / 1000**power:,.1f} {'kMGTP'[power - 1]}B"


def share(part: float, whole: float) -> str:
    """`part` of `whole` in per cent; small but not zero shares never read as zero."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if percent < 0.01:
        return "< 0.01 %" if percent else "0 %"
    return f"{percent:.2f} %" if percent < 10 else f"{percent:.1f} %"


def seconds(value: float) -> str:
    """Milliseconds below one second, tenths up to 100 seconds, whole seconds above."""
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def rate(size_in_bytes: float, value: float) -> str:
    """Megabytes a second; a dash where too little time was spent to say."""
    return f"{size_in_bytes / 1e6 / value:,.1f} MB/s" if value >= 0.001 else "–"


def short(value: Any, limit: int = 500) -> str:
    """Text of at most `limit` code points, with an ellipsis where it was cut."""
    text = "" if value is None else str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def words(name: str) -> str:
    """A key as words: "bytes_per_token" is "bytes per token"."""
    return short(name, 80).replace("_", " ")


def figure(value: Any, key: str = "") -> str:
    """A figure in the unit that its key names: `..._share`, `..._rate`, `bytes`, `seconds`; else as it is."""
    if value is None or value in ([], (), {}):
        return "–"
    if isinstance(value, (list, tuple)):
        return short(", ".join(map(str, value[:MAX_ITEMS])))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)) or key == "seed":
        return short(value)
    if not math.isfinite(value):
        return "–"
    if key.endswith(("share", "_rate")):
        return share(value, 1)
    if key.endswith("seconds"):
        return seconds(value)
    return size(value) if "bytes" in key and "_per_" not in key else number(value)


def kind(value: Any) -> str:
    """How a figure is shown: "bars" (numbers by number), "histogram" (a list of numbers), "matrix" (a dict of `names`
    and `documents`), "table" (any other), "rows" (a list of dicts) or "text"."""
    if isinstance(value, Mapping) and value:
        if value.keys() == {"names", "documents"}:
            return "matrix"
        numbered = all(str(key).isdigit() for key in value) and _numbers(value.values())
        return "bars" if numbered and len(value) > 1 else "table"
    if isinstance(value, (list, tuple)) and len(value) > 1:
        if _numbers(value):
            return "histogram"
        if all(isinstance(each, (list, tuple)) and len(each) == 2 and _numbers(each) for each in value):
            return "bars"
    if isinstance(value, (list, tuple)) and value and all(isinstance(each, Mapping) for each in value):
        return "rows"
    return "text"


def _numbers(values: Any) -> bool:
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) and math.isfinite(each) for each in values)


# ------------------------------------------------------------------ charts


def bars(rows: Sequence[tuple[Any, ...]], title: str, whole: float | None = None) -> Markup:
    """Horizontal bars. A row is (label, value) or (label, [(CSS class, value), ...], text beside the
    bar): segments side by side. The longest possible bar is `whole` (else the longest there is)."""
    drawn = [row if len(row) == 3 else (row[0], [("kept", row[1])], number(row[1])) for row in rows[:MAX_ITEMS]]
    longest = max([whole or 0, *(sum(value for _, value in parts) for _, parts, _ in drawn)])
    start, end = (8 + LETTER * min(LETTERS, max([len(str(row[i])) for row in drawn], default=0)) for i in (0, 2))
    shapes = []
    for top, (label, parts, text) in zip(range(0, ROW * len(drawn), ROW), drawn):
        shapes.append(_text(start - 8, top + ROW - 8, short(label, LETTERS), "end", title=f"{label}: {text}"))
        x = start
        for style, value in parts:
            width = max(value, 0) * BAR / (longest or 1)
            shapes.append(_rectangle(x, top + 3, width, ROW - 6, style, f"{label}: {number(value)}"))
            x += width
        shapes.append(_text(x + 6, top + ROW - 8, text))
    return _svg(start + BAR + end, ROW * len(drawn), shapes, title) + _more(rows, drawn)


def histogram(values: Sequence[float], title: str, edges: Sequence[str] = ()) -> Markup:
    """Upright bars, one a value. `edges`: the len(values) + 1 labels between them, and each bar then
    bears its share; without, the first and the last bar are numbered."""
    drawn, height, last = values[:MAX_ITEMS], 150, min(len(values), MAX_ITEMS) - 1
    width = min(56, 840 / len(drawn)) if edges else 12
    shapes = []
    for place, value in enumerate(drawn):
        x, tall = 20 + place * width, max(value, 0) / (max(drawn) or 1) * (height - 20)
        span = f"{edges[place]} to {edges[place + 1]}" if edges else str(place)
        shapes.append(_rectangle(x + 1, height - tall, width - 2, tall, "kept", f"{span}: {number(value)}"))
        if edges and value:
            shapes.append(
                _text(x + width / 2, height - tall - 5, share(value, sum(values)).replace(" ", ""), "middle", "small")
            )
    labels = enumerate(edges) if edges else [(0.5, "0"), (last + 0.5, number(last))]
    shapes += [_text(20 + place * width, height + 16, label, "middle", "small") for place, label in labels]
    return _svg(40 + width * len(drawn), height + 22, shapes, title) + _more(values, drawn)


BYTE_UNITS = ("", " KiB", " MiB", " GiB", " TiB")


def length_edges(counts: Sequence[int], units: Sequence[str] = BYTE_UNITS) -> tuple[list[int], list[str]]:
    """The bins from the first to the last that hold anything, and the labels of their edges: bin 0 holds
    what is empty, bin b lengths of 2^(b-1) to 2^b - 1, the last bin all longer ones too. `units` name the
    powers of 1,024."""
    filled = [b for b, count in enumerate(counts) if count] or [0]
    first, end = filled[0], filled[-1] + 1
    edges = ["0", *(f"{2 ** (b % 10)}{units[b // 10]}" for b in range(len(counts) - 1)), "∞"]
    return list(counts[first:end]), edges[first : end + 1]


def _svg(width: float, height: float, shapes: list[Markup], title: str) -> Markup:
    start = Markup('<svg viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" role="img" aria-label="{2}">')
    return start.format(width, height, title) + Markup("").join(shapes) + Markup("</svg>")


def _rectangle(x: float, y: float, width: float, height: float, style: str, title: str) -> Markup:
    shape = '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
    return Markup(shape).format(style, x, y, width, height, short(title))


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "", title: str = "") -> Markup:
    shape = '<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}"><title>{}</title>{}</text>'
    return Markup(shape).format(style, x, y, anchor, short(title or text), text)


def _more(found: Sequence[Any], drawn: Sequence[Any]) -> Markup:
    left = len(found) - len(drawn)
    return Markup('<p class="note">and {} more</p>').format(number(left)) if left else Markup("")
