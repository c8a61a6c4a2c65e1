"""TokenStream: batches of a token folder as numpy arrays."""

from __future__ import annotations

import difflib
import hashlib
import json

import numpy as np

from corpus.loader import kernel, order
from corpus.loader.filling import empty_rows, fill_bins, fill_windows
from corpus.loader.token_shards import Shards
from corpus.tokens import packing as plans

OBJECTIVES = ("causal",)
BOUNDARIES = ("document_ids", "positions", "cu_seqlens")
DTYPES = ("int64", "int32")
STATE_VERSION = 1


class TokenStream:
    """Iterates over batches, dicts of numpy arrays, of the token shards in a folder.

    A *sample* is one row: a window of `sequence_length` tokens of the stream, or with `packing`
    one sequence of that plan. A run is `epochs` epochs of all samples, each in an order of its
    own, without a break between them. Samples are numbered 0, 1, .. over the run; sample n is a
    pure function of (shards, seed, n), and ranks only share them out: global step s is the samples
    s W B to (s + 1) W B - 1, of which rank r reads the r-th B. Every token is a label exactly once
    an epoch. All ranks have the same number of batches: the last step of the run is filled up with
    empty rows, all padding.

    path              folder with manifest.json, or a URI (then name a local folder as `cache`)
    sequence_length   L, tokens a row; batch_size   B, rows of a batch of this rank
    objective         "causal": next token
    packing           None: windows of the stream; else the name of a plan under packing/
    boundaries        None, or one or more of "document_ids", "positions", "cu_seqlens"
    seed, shuffle     order of the samples; stream order if not `shuffle`
    epochs            length of the run; None: endless
    dtype             of tokens and labels: "int64" or "int32"
    mask_document_starts   give no label to a document's first token, which nothing announces

    A batch has
    tokens        [B, L] inputs: the token before each label; the end-of-document token before the
                  first document; padding is the pad id, or the end id if there is none
    labels        [B, L] what is to be predicted; -100 where there is padding
    document_ids  int32[B, L] documents of a row (of its labels) as 1, 2, ..; 0 is padding
    positions     int32[B, L] from 0 in each document; documents begin anew with each row
    cu_seqlens    int32[segments + 1] ends of the documents of the rows laid end to end, 0 first and
                  B L last; the padding of a row is a segment of its own; with it
    max_seqlen    int, the longest segment

    A stream is an iterator: leaving a loop and entering another goes on where the first stopped, and
    after the end of the run there is nothing more; `rewind` starts over. Raises ValueError for bad
    arguments or damaged files, FileNotFoundError for missing ones.
    """

    def __init__(
        self,
        path: str,
        *,
        sequence_length: int,
        batch_size: int,
        objective: str = "causal",
        packing: str | None = None,
        boundaries: str | tuple[str, ...] | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        epochs: int | None = 1,
        shuffle: bool = True,
        dtype: str = "int64",
        mask_document_starts: bool = False,
        cache: str | None = None,
    ) -> None:
        self.boundaries = (boundaries,) if isinstance(boundaries, str) else tuple(boundaries or ())
        _check_names(objective, self.boundaries, str(dtype))
        for name, value in [
            ("sequence_length", sequence_length),
            ("batch_size", batch_size),
            ("world_size", world_size),
            ("epochs", 1 if epochs is None else epochs),
        ]:
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} is not one of {world_size} ranks")
        if not 0 <= seed < 1 << 63:
            raise ValueError(f"seed must be 0 to 2^63 - 1, not {seed}")
        self.shards = Shards(str(path), cache)
        self.sequence_length, self.batch_size = sequence_length, batch_size
        self.objective, self.packing, self.seed, self.shuffle = objective, packing, seed, shuffle
        self.rank, self.world_size = rank, world_size
        self.dtype, self.mask_document_starts = np.dtype(dtype), mask_document_starts
        self.figures, self._bin_starts = self._measure()
        self.samples = self.figures["samples"]
        """Samples of an epoch."""
        self.total = None if epochs is None and self.samples else self.samples * (epochs or 1)
        """Samples of the run; None if it is endless."""
        self.sample = 0
        """The sample that the next global step begins with."""

    @property
    def step(self) -> int:
        """Samples of a global step."""
        return self.world_size * self.batch_size

    @property
    def batches_left(self) -> int | None:
        """Batches from here to the end of the run, the same on every rank; None if it is endless."""
        return None if self.total is None else max(0, -(-(self.total - self.sample) // self.step))

    def __iter__(self) -> TokenStream:
        return self

    def __next__(self) -> dict:
        if self.batches_left == 0:
            raise StopIteration
        batch = self.batch_at(self.sample)
        self.skip()
        return batch

    def skip(self) -> None:
        """Move on by one global step, not beyond the end of the run."""
        self.sample += self.step
        if self.total is not None:
            self.sample = min(self.sample, self.total)

    def rewind(self, epoch: int = 0) -> None:
        """Go to the first sample of an epoch of the run."""
        self.sample = epoch * self.samples

    def batch_at(self, sample: int) -> dict:
        """This rank's batch of the global step that begins with `sample` (0, 1, .. over the run);
        does not move the stream. Raises IndexError outside the run."""
        if sample < 0 or (self.total is not None and sample >= self.total):
            raise IndexError(f"sample {sample} is not one of the run's {self.total}")
        first = sample + self.rank * self.batch_size
        numbers = order.windows(first, self.batch_size, self.samples, self.seed, self.shuffle)
        if self.total is not None:
            numbers[max(0, self.total - first) :] = -1
        wanted = bool(self.boundaries or self.packing)
        rows = empty_rows(self.batch_size, self.sequence_length, self.dtype, wanted, self.mask_document_starts)
        if self.packing:
            fill_bins(self.shards, self.packing, self._bin_starts, numbers, rows)
        else:
            fill_windows(self.shards, numbers, rows)
        batch = {"tokens": rows.tokens, "labels": rows.labels}
        return batch | _describe(rows.document_ids, self.boundaries)

    def state_dict(self) -> dict:
        """Where the stream is, as a few numbers, the same on every rank after the same number of
        batches. A stream that differs only in rank, world size, batch size, epochs or what a
        batch holds resumes from it with the very next sample: `sample` need be a multiple of
        nothing, since global steps are counted from the sample resumed at."""
        return {
            "version": STATE_VERSION,
            "fingerprint": self.fingerprint,
            "seed": self.seed,
            "sample": self.sample,
        }

    def load_state_dict(self, state: dict) -> None:
        """Resume. Raises ValueError if the state is of another order of samples: other shards,
        seed, sequence length, packing plan or shuffle."""
        if state.get("version") != STATE_VERSION:
            raise ValueError(f"state has version {state.get('version')}, not {STATE_VERSION}")
        if state["seed"] != self.seed:
            raise ValueError(f"state was saved with seed {state['seed']}, this stream has {self.seed}")
        if state["fingerprint"] != self.fingerprint:
            raise ValueError(
                "state belongs to another order of samples: the shards, objective, sequence_length, "
                "packing or shuffle are not what they were"
            )
        if state["sample"] < 0:
            raise ValueError(f"state has sample {state['sample']}")
        self.sample = int(state["sample"])

    @property
    def fingerprint(self) -> str:
        """Hash of everything that the order of samples depends on."""
        content = [self.shards.fingerprint, self.objective, self.packing, self.figures]
        content += [self.sequence_length, self.shuffle, self.seed]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()

    def _measure(self) -> tuple[dict, np.ndarray | None]:
        """(figures of an epoch, first packed sequence of each shard if packed)."""
        if self.packing is None:
            tokens = self.shards.tokens
            samples = -(-tokens // self.sequence_length)
            padding = samples * self.sequence_length - tokens
            share = padding / (samples * self.sequence_length) if samples else 0.0
            counts = {"samples": samples, "tokens": tokens}
            return counts | {"padding": padding, "padding_share": share}, None
        summary = plans.load_summary(self.shards.folder, self.packing)
        if summary["sequence_length"] != self.sequence_length:
            raise ValueError(
                f"plan {self.packing!r} is for sequence_length {summary['sequence_length']}, not {self.sequence_length}"
            )
        bins = summary.pop("shards")
        names = [shard["name"] for shard in self.shards.manifest["shards"]]
        if list(bins) != names:
            raise ValueError(f"plan {self.packing!r} is for other shards than the manifest's")
        starts = np.concatenate([[0], np.cumsum(list(bins.values()))]).astype(np.int64)
        return {"samples": summary["bins"]} | summary, starts


def _describe(document_ids: np.ndarray | None, boundaries: tuple[str, ...]) -> dict:
    """The entries of a batch that `boundaries` asks for."""
    described = {}
    if "document_ids" in boundaries:
        described["document_ids"] = document_ids
    if "positions" in boundaries:
        described["positions"] = kernel.count_positions(document_ids)
    if "cu_seqlens" in boundaries:
        ends, longest = kernel.cumulative_lengths(document_ids)
        described |= {"cu_seqlens": ends, "max_seqlen": int(longest)}
    return described


def _check_names(objective: str, boundaries: tuple[str, ...], dtype: str) -> None:
    """Raise ValueError, with the nearest valid name, for a name that is none."""
    asked = [("objective", objective, OBJECTIVES), ("dtype", dtype, DTYPES)]
    asked += [("boundaries", name, BOUNDARIES) for name in boundaries]
    for option, name, valid in asked:
        if name not in valid:
            near = difflib.get_close_matches(name, valid, 1, 0)[0]
            names = ", ".join(valid)
            raise ValueError(f"{option} {name!r} is unknown; did you mean {near!r}? Valid: {names}")
