"""Documents to look at: found by their id or URL, or made of a text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DOCUMENT_FIELDS
from corpus.reading import first_records, readers
from pipelines.recipe import Recipe, RecipeError
from pipelines.run import input_sources


class NotText(ValueError):
    """A string that no document can hold; the message is one sentence."""


def check_text(text: str, what: str) -> None:
    """Raises NotText for a string with lone surrogates, as a command line makes of bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotText(f"{what} is not UTF-8, as all text in documents is") from None


def is_named(batch: pa.RecordBatch, name: str) -> pa.BooleanArray:
    """For each document of a batch whether this is its id or URL; null where it has neither that id nor any URL."""
    same = pc.equal(batch["id"], name)
    return pc.or_kleene(same, pc.equal(batch["url"], name)) if "url" in batch.schema.names else same


def find(recipe: Recipe, name: str) -> pa.RecordBatch | None:
    """The document of a recipe's input with this id or URL, as a batch of one; the first, or None. Raises NotText,
    RecipeError where there is no input, or none with text."""
    check_text(name, f"the id or URL {name!r}")
    sources, _ = input_sources(recipe.input, options=recipe.read)
    try:
        first_records.check_fields(sources, recipe.read)
    except ValueError as error:
        raise RecipeError(str(error)) from None
    for unit in readers.split(sources, recipe.read, recipe.read_bytes):
        for reading in readers.read(unit, recipe.read):
            found = reading.documents.filter(is_named(reading.documents, name))
            if found.num_rows:
                return found.slice(0, 1)
    return None


def document_of(text: str, url: str | None = None) -> pa.RecordBatch:
    """A batch of one document. Raises NotText."""
    check_text(text, "the text")
    check_text(url or "", f"the URL {url!r}")
    columns = {name: pa.nulls(1, kind) for name, kind in DOCUMENT_FIELDS.items()}
    columns |= {"id": pa.array(["document"]), "text": pa.array([text]), "url": pa.array([url], pa.string())}
    return pa.record_batch(columns)
