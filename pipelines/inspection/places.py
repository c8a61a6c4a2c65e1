"""Places in a text, said in a line each: the line's number, the rule, the words."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable

from rich.text import Text

from corpus.step import Place

SHOWN = 80
"""Characters of a line that are shown at most."""

NUMBERS = 4
"""Numbers of lines that are said at most where the same words stand in several."""


def say(text: str, places: Iterable[Place], most: int) -> list[Text]:
    """Lines that say where in `text` places are: line, or line:column, from 1 (lines of `str.splitlines`).

    Equal words by one rule share a line; there are at most `most`, and one that says how many more there
    would be. Words within a longer line are marked in it. White space at the ends of a place is left out."""
    data, lines = text.encode(), [*text.splitlines(keepends=True), ""]
    begins = list(itertools.accumulate((len(line.encode()) for line in lines), initial=0))
    groups: dict[tuple[str, str], tuple[Text, list[str]]] = {}
    for rule, start, end, _ in places:
        words = data[start:end].decode()
        if words.strip() or start not in begins:  # a blank line may have either of its newlines with it
            start += len(words.encode()) - len(words.lstrip().encode())
        words = words.strip()
        line = bisect.bisect_right(begins, start, hi=len(lines)) - 1
        last = bisect.bisect_left(begins, start + len(words.encode()), lo=line + 1, hi=len(lines))
        before = data[begins[line] : start].decode()
        after = data[start + len(words.encode()) : begins[last]].decode()
        number = f"{line + 1}:{len(before) + 1}" if before.strip() else str(line + 1)
        quote = _quote(before.lstrip(), words, after.rstrip())
        groups.setdefault((rule, words), (quote, []))[1].append(number)
    said = [_line(rule, numbers, quote) for (rule, _), (quote, numbers) in list(groups.items())[:most]]
    if len(groups) > most:
        said.append(Text(f"and {len(groups) - most} more such lines", "dim"))
    return said


def _line(rule: str, numbers: list[str], quote: Text) -> Text:
    where = ("line " if len(numbers) == 1 else "lines ") + ", ".join(numbers[:NUMBERS])
    where += f" and {len(numbers) - NUMBERS} more" if len(numbers) > NUMBERS else ""
    return Text.assemble((where, "cyan"), ": ", (rule, "yellow"), ": ", quote)


def _quote(before: str, words: str, after: str) -> Text:
    """Words in quotation marks within their line, which is cut down to SHOWN characters about them."""
    if len(words) > SHOWN:
        words = f"{words[: SHOWN // 2]}…{words[-SHOWN // 2 + 1 :]}"
    room = SHOWN - len(words)
    left = max(room // 2, room - len(after))
    if len(before) > left:
        before = f"…{before[len(before) - left :]}"
    right = max(0, room - len(before))
    if len(after) > right:
        after = f"{after[:right]}…"
    within = "bold red" if before or after else ""
    return Text.assemble('"', printable(before), (printable(words), within), printable(after), '"')


def printable(text: str) -> str:
    """The text with escapes in place of what would move the cursor, or worse."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
