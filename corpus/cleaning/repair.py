"""Text whose bytes were once decoded with the wrong charset ("mojibake"), repaired by ftfy."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import replace_column
from corpus.options import option
from corpus.step import Filter, Outcome

NOTHING_TO_REPAIR = r"^[\t\n\r -%'-~]*$"
"""Texts that ftfy leaves alone but for their line breaks: printable ASCII without "&", which may begin an
entity."""


@dataclass(frozen=True)
class TextRepair(Filter):
    """Repairs texts with ftfy (Speer 2019); drops none. Needs the extra `repair`.

    The defaults are those that datatrove's FTFYFormatter uses: wrong decodings, C1 control characters and
    terminal escapes are repaired, HTML entities outside of HTML decoded; quotes, ligatures, line ends, widths
    and Unicode normalisation are left alone. Counter: `repaired`, texts that changed. ftfy works at a few
    MB/s a core; plain ASCII texts are passed over.

    >>> import corpus
    >>> corpus.apply_filters(["schÃ¶n"], corpus.TextRepair()).kept["text"].to_pylist()
    ['schön']
    """

    unescape_html: Literal["auto"] | bool = option("auto", "Decode HTML entities: auto does so in texts without tags.")
    uncurl_quotes: bool = option(False, "Make curly quotes straight.")
    fix_latin_ligatures: bool = option(False, "Take ligatures such as ﬁ apart.")
    fix_character_width: bool = option(False, "Make full-width letters and half-width kana normal ones.")
    fix_line_breaks: bool = option(False, "Make every kind of line end a newline.")
    remove_control_chars: bool = option(False, "Take control characters out.")
    normalization: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = option(None, "Unicode normalisation.")

    name: ClassVar[str] = "repair"
    rules: ClassVar[tuple[str, ...]] = ()

    def check(self) -> None:
        """Raises ImportError if ftfy is missing."""
        ftfy_module()

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """The batch with repaired texts. Raises ImportError if ftfy is missing."""
        ftfy = ftfy_module()
        config = ftfy.TextFixerConfig(**dataclasses.asdict(self), fix_surrogates=False, explain=False)
        column = pc.fill_null(batch["text"], "")
        clean = pc.match_substring_regex(column, NOTHING_TO_REPAIR).to_pylist()
        texts = column.to_pylist()
        repaired = 0
        for row, text in enumerate(texts):
            if self.fix_line_breaks or not clean[row]:
                texts[row] = ftfy.fix_text(text, config)
                repaired += texts[row] != text
        kept = replace_column(batch, "text", pa.array(texts, column.type)) if repaired else batch
        return Outcome(kept, counters={"repaired": repaired} if repaired else {})


def ftfy_module() -> ModuleType:
    """The module ftfy. Raises ImportError that says how to get it."""
    try:
        import ftfy
    except ImportError as error:
        raise ImportError("the step repair needs ftfy: .venv/bin/pip install '.[repair]' in Winnow's folder") from error
    return ftfy
