"""A stream as the recipe of its tokens has it: the section `stream` of the recipe, which the manifest keeps."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

from corpus.loader import names
from corpus.loader.mixture import Mixture
from corpus.loader.objectives import OBJECTIVES
from corpus.loader.stream import TokenStream, objective_of
from corpus.tokens import manifest as manifests

_OF_RANKS = ("self", "path", "rank", "world_size", "batch_size", "cache", "cache_bytes", "verify", "audit", "options")
"""What a recipe does not say: which rank this is, and what belongs to its machine."""
OWN = ("global_batch", "sampling_alpha")
"""Rows of a step, of all ranks; of several folders, the power of its tokens that a folder's weight is (mT5: 0.3)."""

_PARTS = 1 << 16
"""Into which weights are rounded: a mixture's repeat themselves after as many samples at most."""


def _known() -> list[str]:
    """Options of a section whatever its objective."""
    return [*(name for name in inspect.signature(TokenStream.__init__).parameters if name not in _OF_RANKS), *OWN]


def check(section: Mapping[str, Any], method: str | None = None) -> None:
    """Raises ValueError for a section that no stream can have, whatever the tokens, and where it is known for one with
    a packing plan by this `method` ("": none)."""
    known = _known()
    objective = section.get("objective", "causal")
    own = {name: value for name, value in section.items() if name not in known}
    for name in ("sequence_length", "global_batch"):
        names.count(name, section.get(name, 0), 1)
    if "sampling_alpha" in section:
        names.within("sampling_alpha", section["sampling_alpha"], 0, 1)
    names.check("objective", objective, OBJECTIVES)
    try:
        made = objective_of(objective, own, known)
    except TypeError as error:
        raise ValueError(str(error)) from None
    if method is not None:
        made.check_plan(objective, section.get("packing"), method)


def section_of(path: str) -> tuple[str, dict[str, Any]]:
    """(path of the tokens, their section) of OUT, OUT/tokens, or a set OUT/tokens/NAME. Raises FileNotFoundError, or
    ValueError where the recipe had none, or they are divided into sets."""
    tokens, manifest = manifests.of_run(path)
    if "stream" not in manifest:
        raise ValueError(f"the recipe of {path} has no section `stream`: open {tokens} as a TokenStream")
    return tokens, manifest["stream"]


def open_stream(
    path: str | os.PathLike[str] | Sequence[str], *, rank: int = 0, world_size: int = 1, **changes: Any
) -> TokenStream | Mixture:
    """The stream that the recipe of a run describes in its section `stream`. `changes` are options of TokenStream, of
    the objective, or `global_batch`, and stand in place of the recipe's; with another `objective` those of the recipe's
    own are left out. Of several runs it is a mixture, which has no
    end, by weights of tokens ** sampling_alpha (1, where the recipe of the first has none). Raises ValueError as
    TokenStream, and where ranks cannot share a step evenly.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pq.write_table(corpus.as_table(["to be or not to be"] * 20), "docs.parquet")
    >>> steps = [pipelines.TrainTokenizer(vocab_size=266), pipelines.Tokenize()]
    >>> stream = {"sequence_length": 16, "global_batch": 4, "objective": "prefix_lm"}
    >>> result = pipelines.run_recipe(pipelines.Recipe(input="docs.parquet", steps=steps, stream=stream), "OUT")
    >>> sorted(next(corpus.open_stream("OUT", rank=0, world_size=2)))
    ['labels', 'prefix_mask', 'tokens']
    """
    one = isinstance(path, (str, os.PathLike))
    several = [str(path)] if isinstance(path, (str, os.PathLike)) else [str(each) for each in path]
    if not several:
        raise ValueError("there is no folder of tokens to open")
    if "batch_size" in changes:
        raise ValueError("rows are shared out by ranks: give `global_batch`, the rows of a step, for `batch_size`")
    found = [section_of(each) for each in several]
    options = found[0][1]
    if changes.get("objective", options.get("objective", "causal")) != options.get("objective", "causal"):
        options = {name: value for name, value in options.items() if name in _known()}  # the others are of the former
    options = {**options, **changes}
    check({name: value for name, value in options.items() if name not in _OF_RANKS})
    rows, alpha = options.pop("global_batch"), options.pop("sampling_alpha", 1)
    if rows % world_size:
        raise ValueError(
            f"global_batch {rows} cannot be shared evenly by {world_size} ranks: give another global_batch"
        )
    options |= {"rank": rank, "world_size": world_size, "batch_size": rows // world_size}
    if one:
        return TokenStream(found[0][0], **options)
    powers = [manifests.of_run(folder)[1]["tokens"] ** alpha for folder, _ in found]
    parts = [max(1, round(_PARTS * power / sum(powers))) for power in powers]
    return Mixture([(folder, part) for (folder, _), part in zip(found, parts)], **options)
