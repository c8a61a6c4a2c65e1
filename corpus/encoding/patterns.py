"""Patterns of pre-tokenizers as tables that one kernel follows: a regular expression becomes a finite automaton.

The patterns by which tokenizers divide text are ordered alternatives of sets of characters, repeated, with at most a
look at the character after. For such the first match in the order of alternatives, which backtracking finds, can be
found in one pass (the priority of threads in Cox 2010, "Regular Expression Matching in the Wild"): a state stands for
all places in the pattern where a match may be, best first. Sets of characters are of Unicode 16.0, as those of
Oniguruma (Hugging Face `tokenizers` 0.23) and of fancy-regex (tiktoken 0.14) are.

What is understood: literals, `\\p{L}` and other properties, their negation `\\P{L}`, `\\s \\S \\d \\D \\r \\n \\t
\\uXXXX`, `.`, sets in brackets with ranges and negation, `( ) (?: ) (?i: ) |`, `? * + {m} {m,n} {m,}`, and of
assertions `(?!set)` and `(?=set)` with one character, and `\\z`. All else is refused, possessive and lazy repetition
too, and `$`, which is the end of a line to one library and the end of the text to another.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from corpus.encoding import huggingface
from corpus.text import unicode

CLASSES = 64
"""Classes of characters that the patterns of a table tell apart, at most, the end among them: a row of the table."""
END = CLASSES - 1
"""The class of what comes after the last character."""
MATCH, LETTERS, LOWER = 1 << 31, 1 << 30, 1 << 29
"""Bits of a transition: a match ends before the character; the next state stays itself, and matches, at all ASCII
letters, or at lower-case ones."""
STATE = LOWER - 1
"""The other bits: the next state times CLASSES; 0 where no match can go on."""
MATCHES, GAPS = 1, 2
"""What a pattern keeps: its matches, and the text between them."""
MOST_PATTERNS = 16
_MOST_STATES = 1 << 14
_MOST_REPEATS = 1000


class PatternError(ValueError):
    """A pattern that this module does not understand."""


class Table(NamedTuple):
    """Patterns one after the other, as `pretokenize` follows them: each divides the pieces that the one before left.

    classes      uint8[0x110000], class of every code point
    transitions  uint32[states * CLASSES], by state and class
    starts       int64[patterns], the state in which a match begins, times CLASSES
    keeps        uint8[patterns], MATCHES, GAPS or both: whether matches are pieces, and what lies between them
    """

    classes: np.ndarray
    transitions: np.ndarray
    starts: np.ndarray
    keeps: np.ndarray


class _Node(NamedTuple):
    """A place in the pattern: `kind` set (consumes a character of set `set`), not (the next is none), is (the next is
    one), split (two ways, the first preferred) or match."""

    kind: str
    set: int
    first: int
    second: int


@functools.cache
def table(*patterns: tuple[str, int]) -> Table:
    r"""The table of patterns, one to MOST_PATTERNS, each with what it keeps. Raises PatternError for one that is not
    understood or matches the empty string, and for too many.

    >>> from corpus.encoding.patterns import CLASSES, MATCHES, table
    >>> made = table((r"\p{L}+|\d", MATCHES))
    >>> len(made.transitions) // CLASSES, made.starts // CLASSES
    (4, array([1]))
    """
    if not 1 <= len(patterns) <= MOST_PATTERNS:
        raise PatternError(f"{len(patterns)} patterns; a table has 1 to {MOST_PATTERNS}")
    compiler = _Compiler()
    roots = [_Parser(pattern, compiler).whole() for pattern, _ in patterns]
    classes, members = compiler.partition()
    transitions, starts = _automaton(compiler.nodes, members, roots, [pattern for pattern, _ in patterns])
    _mark_runs(transitions, classes)
    keeps = np.array([kept for _, kept in patterns], np.uint8)
    made = Table(classes, transitions.reshape(-1), np.array(starts, np.int64) * CLASSES, keeps)
    for part in made:
        part.setflags(write=False)
    return made


class _Compiler:
    """The sets and places of patterns, numbered."""

    def __init__(self) -> None:
        self.nodes: list[_Node] = []
        self.sets: list[np.ndarray] = []
        self.known: dict[bytes, int] = {}

    def node(self, kind: str, set: int = -1, first: int = -1, second: int = -1) -> int:
        self.nodes.append(_Node(kind, set, first, second))
        if len(self.nodes) > _MOST_STATES:
            raise PatternError("the pattern is too long")
        return len(self.nodes) - 1

    def set(self, members: np.ndarray) -> int:
        key = np.packbits(members).tobytes()
        if key not in self.known:
            self.known[key] = len(self.sets)
            self.sets.append(members)
        return self.known[key]

    def partition(self) -> tuple[np.ndarray, np.ndarray]:
        """(class of every code point uint8[0x110000], which classes each set has bool[sets, CLASSES])."""
        changes = np.zeros(unicode.CODE_POINTS, np.bool_)
        changes[0] = True
        for members in self.sets:
            changes[1:] |= members[1:] != members[:-1]
        begins = np.flatnonzero(changes)
        columns = np.array([members[begins] for members in self.sets]).reshape(len(self.sets), len(begins))
        kinds, index = np.unique(columns, axis=1, return_inverse=True)
        if kinds.shape[1] > END:
            raise PatternError(f"the pattern tells {kinds.shape[1]} classes of characters apart; {END} are the most")
        members = np.zeros((len(self.sets), CLASSES), np.bool_)
        members[:, : kinds.shape[1]] = kinds
        lengths = np.diff(np.append(begins, unicode.CODE_POINTS))
        return np.repeat(index.reshape(-1).astype(np.uint8), lengths), members


def _automaton(
    nodes: list[_Node], members: np.ndarray, roots: list[int], patterns: list[str]
) -> tuple[np.ndarray, list[int]]:
    """(transitions uint32[states, CLASSES], start of each pattern). States are made when first met; 0 is dead."""
    states: dict[tuple[int, ...], int] = {(): 0}
    rows = [np.zeros(CLASSES, np.uint32)]
    waiting: list[tuple[int, ...]] = []

    def number(threads: tuple[int, ...]) -> int:
        if threads not in states:
            states[threads] = len(rows)
            rows.append(np.zeros(CLASSES, np.uint32))
            waiting.append(threads)
            if len(rows) > _MOST_STATES:
                raise PatternError("the pattern has too many states")
        return states[threads]

    starts = [number((root,)) for root in roots]
    for root, pattern in zip(roots, patterns):
        if any(_followed((root,), kind, nodes, members)[1] for kind in range(CLASSES)):
            raise PatternError(f"the pattern {pattern!r} matches the empty string")
    while waiting:
        threads = waiting.pop()
        row = rows[states[threads]]
        for kind in range(CLASSES):
            after, matched = _followed(threads, kind, nodes, members)
            row[kind] = number(after) * CLASSES | (MATCH if matched else 0)
    return np.array(rows), starts


def _followed(
    threads: tuple[int, ...], kind: int, nodes: list[_Node], members: np.ndarray
) -> tuple[tuple[int, ...], bool]:
    """The places after a character of class `kind`, best first, and whether a match ends before it; what is worse than
    a match is given up."""
    after: dict[int, None] = {}
    seen: set[int] = set()
    stack = list(reversed(threads))
    while stack:
        at = stack.pop()
        if at in seen:
            continue
        seen.add(at)
        node = nodes[at]
        if node.kind == "match":
            return tuple(after), True
        if node.kind == "split":
            stack += (node.second, node.first)
        elif node.kind == "set":
            if members[node.set, kind]:
                after[node.first] = None
        elif bool(members[node.set, kind]) == (node.kind == "is"):
            stack.append(node.first)
    return tuple(after), False


def _mark_runs(transitions: np.ndarray, classes: np.ndarray) -> None:
    """Marks every transition into a state that stays itself at ASCII letters and matches whatever comes."""
    lower, upper = np.unique(classes[ord("a") : ord("z") + 1]), np.unique(classes[ord("A") : ord("Z") + 1])
    marks = np.zeros(len(transitions), np.uint32)
    for state in range(1, len(transitions)):
        if (transitions[state] & MATCH).all():
            stays = transitions[state] & STATE == state * CLASSES
            if stays[lower].all():
                marks[state] = LETTERS if stays[upper].all() else LOWER
    transitions |= marks[(transitions & STATE) // CLASSES]


Part = Callable[[int], int]
"""From the place after a part of a pattern to the first place of the part."""


class _Parser:
    """A pattern, read from left to right."""

    def __init__(self, pattern: str, compiler: _Compiler) -> None:
        self.pattern, self.at, self.compiler, self.ignore_case = pattern, 0, compiler, False

    def whole(self) -> int:
        """The first place of the whole pattern."""
        part = self.alternatives()
        if self.at < len(self.pattern):
            raise self.error("an unmatched )")
        return part(self.compiler.node("match"))

    def error(self, what: str) -> PatternError:
        return PatternError(f"{what} at character {self.at} of the pattern {self.pattern!r} is not understood")

    def next(self, text: str) -> bool:
        """Whether `text` comes next, which is then passed."""
        found = self.pattern.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise self.error("the end")
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self) -> Part:
        parts = [self.sequence()]
        while self.next("|"):
            parts.append(self.sequence())

        def build(after: int) -> int:
            first = parts[-1](after)
            for part in reversed(parts[:-1]):
                first = self.compiler.node("split", first=part(after), second=first)
            return first

        return build

    def sequence(self) -> Part:
        parts = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            parts.append(self.repeated(self.atom()))

        def build(after: int) -> int:
            for part in reversed(parts):
                after = part(after)
            return after

        return build

    def repeated(self, part: Part) -> Part:
        if self.next("?"):
            least, most = 0, 1
        elif self.next("*"):
            least, most = 0, None
        elif self.next("+"):
            least, most = 1, None
        elif self.next("{"):
            least, most = self.bounds()
        else:
            return part
        if self.at < len(self.pattern) and self.pattern[self.at] in "?+*{":
            raise self.error("a possessive, lazy or doubled repetition")

        def build(after: int) -> int:
            if most is None:
                place = len(self.compiler.nodes)
                self.compiler.node("split")  # filled in when its ways are known
                self.compiler.nodes[place] = _Node("split", -1, part(place), after)
                after = place
            else:
                end = after
                for _ in range(most - least):
                    after = self.compiler.node("split", first=part(after), second=end)
            for _ in range(least):
                after = part(after)
            return after

        return build

    def bounds(self) -> tuple[int, int | None]:
        close = self.pattern.find("}", self.at)
        least, comma, most = self.pattern[self.at : max(close, self.at)].partition(",")
        if not least.isdecimal() or (most and not most.isdecimal()):
            raise self.error("a repetition")
        self.at = close + 1
        bounds = int(least), (int(most) if most else None if comma else int(least))
        if max(bounds[0], bounds[1] or 0) > _MOST_REPEATS or (bounds[1] is not None and bounds[1] < bounds[0]):
            raise self.error("a repetition")
        return bounds

    def atom(self) -> Part:
        if self.next("(?!"):
            return self.looking("not")
        if self.next("(?="):
            return self.looking("is")
        if self.next("(?i:"):
            before, begin, self.ignore_case = self.ignore_case, self.at, True
            part = self.alternatives()
            self.ignore_case = before
            letters = re.sub(
                r"\[[^]]*\]|[(?:)]", lambda left: "|"[: left.group()[0] == "["], self.pattern[begin : self.at]
            )
            if any(folded in letters.lower() for folded in _TOGETHER):
                raise self.error(f"{letters!r} without regard to case")
            return self.closed(part)
        if self.next("(?:"):
            return self.closed(self.alternatives())
        if self.next("("):
            if self.next("?"):
                raise self.error("a group of a kind that")
            return self.closed(self.alternatives())
        if self.next("\\z"):
            return self.step("not", np.ones(unicode.CODE_POINTS, np.bool_))
        return self.step("set", self.one_set())

    def closed(self, part: Part) -> Part:
        if not self.next(")"):
            raise self.error("a group without its )")
        return part

    def looking(self, kind: str) -> Part:
        members = self.one_set()
        return self.closed(self.step(kind, members))

    def step(self, kind: str, members: np.ndarray) -> Part:
        number = self.compiler.set(members)
        return lambda after: self.compiler.node(kind, number, after)

    def one_set(self) -> np.ndarray:
        """The set of characters that comes next."""
        if self.next("["):
            return self.bracket()
        character = self.take()
        if character == ".":
            return ~_of("\n")
        if character == "\\":
            found = self.escape()
            return found if isinstance(found, np.ndarray) else self.literal(found)
        if character in "^$*+?{}()|[":
            raise self.error(f"{character!r}")
        return self.literal(character)

    def literal(self, character: str) -> np.ndarray:
        if not self.ignore_case:
            return _of(character)
        if not character.isascii():
            raise self.error(f"{character!r} without regard to case")
        return _of(character.lower() + character.upper() + _ALSO.get(character.lower(), ""))

    def bracket(self) -> np.ndarray:
        negated = self.next("^")
        members = np.zeros(unicode.CODE_POINTS, np.bool_)
        first = True
        while first or not self.next("]"):
            first = False
            if self.pattern.startswith("&&", self.at) or self.pattern.startswith("[", self.at):
                raise self.error("a set within a set")
            low = self.member()
            if isinstance(low, np.ndarray):
                members |= low
            elif self.pattern.startswith("-", self.at) and not self.pattern.startswith("-]", self.at):
                self.at += 1
                high = self.member()
                if isinstance(high, np.ndarray) or ord(high) < ord(low) or self.ignore_case:
                    raise self.error("a range")
                members[ord(low) : ord(high) + 1] = True
            else:
                members |= self.literal(low)
        return ~members if negated else members

    def member(self) -> str | np.ndarray:
        character = self.take()
        return self.escape() if character == "\\" else character

    def escape(self) -> str | np.ndarray:
        """What an escape means: a character, or a set of them."""
        character = self.take()
        if character in "pP":
            members = self.property()
            return members if character == "p" else ~members
        if character in "sSdD":
            members = property_set("White_Space" if character in "sS" else "Nd")
            return members if character.islower() else ~members
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character == "u":
            digits = self.pattern[self.at : self.at + 4]
            if len(digits) < 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise self.error("the escape \\u")
            self.at += 4
            return chr(int(digits, 16))
        if character.isalnum():
            raise self.error(f"the escape \\{character}")
        return character

    def property(self) -> np.ndarray:
        if self.next("{"):
            close = self.pattern.find("}", self.at)
            name = self.pattern[self.at : max(close, self.at)]
            self.at = close + 1
        else:
            name = self.take()
        try:
            negated = name.startswith("^")
            members = property_set(name.removeprefix("^"))
        except KeyError:
            raise self.error(f"the property {name!r}") from None
        if self.ignore_case and name[-1] in "ult":
            raise self.error(f"the property {name!r} without regard to case")
        return ~members if negated else members


_CONTROLS = {"r": "\r", "n": "\n", "t": "\t"}
_ALSO = {"s": "\u017f", "k": "\u212a"}
"""What beside its two forms an ASCII letter is equal to without regard to case (CaseFolding.txt, Unicode 16.0)."""
_TOGETHER = ("ss", "ff", "fi", "fl", "st")
"""ASCII letters that together are equal to one other character, an \u00df or a ligature, by the same file. Oniguruma
matches those, too."""


def _of(characters: str) -> np.ndarray:
    members = np.zeros(unicode.CODE_POINTS, np.bool_)
    members[[ord(character) for character in characters]] = True
    return members


def property_set(name: str) -> np.ndarray:
    """The code points of a general category ("Lu"), of all categories that begin with a letter ("L"), of White_Space,
    or of one of `huggingface.CLASSES` after "hf_" (what regular expressions call `punctuation` is another set):
    bool[0x110000]. Raises KeyError for another name."""
    if name.startswith("hf_"):
        return huggingface.members(name.removeprefix("hf_"))
    if name == "White_Space":
        return (unicode.class_table() & unicode.WHITE_SPACE) != 0
    found = [i for i, category in enumerate(unicode.CATEGORIES) if category == name or category[0] == name]
    if not found:
        raise KeyError(name)
    return np.isin(unicode.category_table(), found)
