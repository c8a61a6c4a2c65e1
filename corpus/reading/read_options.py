"""How input is read: the options of the step `read`, key `read` of a recipe."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import TYPE_CHECKING, Literal, TypeAlias

from corpus import closure, options
from corpus.options import option
from corpus.reading import formats, html

if TYPE_CHECKING:  # a checker cannot know what is registered
    Format: TypeAlias = str
    Extract: TypeAlias = str
else:
    Format = Literal[formats.CHOICES]
    Extract = Literal[tuple(html.EXTRACTORS)]

FIELDS = ("text", "id", "url", "date", "language")
"""Columns of the document table for which an option `NAME_field` says what they are called in the input."""
MOST_RECORD_BYTES = (1 << 31) - 1
"""What a string of Arrow's can hold."""


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How to read.

    "resiliparse" keeps the whole page, menus and footers too; "resiliparse_main" and "trafilatura" (settings of
    FineWeb; needs the extra `html`) the main content, as far as each can tell. `max_record_bytes` holds for a line of
    JSON, an object in an array, a row of CSV, the text of a row of a table, a record of an archive, the body of a page
    without its codings, a text file; what is longer is quarantined, and no decoder holds more. JSON lines, WET records,
    rows of tables and text files that are repaired are counted as `repaired_utf8`; web pages have charsets, and are
    always decoded.

    >>> from corpus.reading.read_options import ReadOptions
    >>> ReadOptions(text_field="content", max_record_bytes=1 << 20).format
    'auto'
    >>> ReadOptions(format="jsonlines")
    Traceback (most recent call last):
    corpus.options.OptionError: unknown value 'jsonlines' in option 'format' of read; did you mean 'jsonl'?
    """

    format: Format = option("auto", "Format of all input files; auto goes by their suffixes.")
    text_field: str = option(
        "text", "Field or column of the text, in formats that have any; data.text is the field text within data."
    )
    id_field: str = option("id", "Field or column of the id, in formats that have any.")
    url_field: str = option("url", "Field or column of the URL, in formats that have any.")
    date_field: str = option("date", "Field or column of the date; where there is no date, timestamp serves.")
    language_field: str = option("language", "Field or column of the language, in formats that have any.")
    extract: Extract = option(
        "resiliparse", "HTML to text: the whole page, or the main content by either of two extractors."
    )
    html_timeout: float = option(60.0, "Seconds that a page may take to extract.")
    max_record_bytes: int = option(
        64 << 20, "Decoded bytes that a line, a row, a record or a page may have.", ge=1, le=MOST_RECORD_BYTES
    )
    invalid_utf8: Literal["quarantine", "repair"] = option(
        "quarantine", "What becomes of text that is not UTF-8; repair puts U+FFFD for each sequence."
    )

    def __post_init__(self) -> None:
        options.validate(self, "read")

    def own_names(self) -> bool:
        """Whether every field is named as it is in the document table."""
        return all(getattr(self, f"{name}_field") == name for name in FIELDS)

    def check(self) -> None:
        """Raises ImportError if the package that `extract` names is missing."""
        if self.extract == "trafilatura" and importlib.util.find_spec("trafilatura") is None:
            raise ImportError(
                "read.extract 'trafilatura' needs the package trafilatura: "
                ".venv/bin/pip install '.[html]' in Winnow's folder"
            )

    def code(self) -> tuple[closure.Code, ...]:
        """The module that `extract` names, which only the child of `html` imports."""
        return (closure.Code(html.EXTRACTORS[self.extract].partition(":")[0]),)


options.document(ReadOptions)
