"""TokenStream: batches of a token folder as numpy arrays."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from corpus.loader import names, order
from corpus.loader.account import Account, labels_of
from corpus.loader.boundaries import BOUNDARIES, INPUTS, finish
from corpus.loader.filling import Bins, Windows, count_pieces, cut_windows, load_plan, open_bins
from corpus.loader.objective import Objective, Samples, Setting
from corpus.loader.objectives import OBJECTIVES
from corpus.loader.read_ahead import Call
from corpus.loader.run import Run
from corpus.loader.token_shards import Shards

DTYPES = ("int64", "int32")
STATE_VERSION = 1


class TokenStream(Run):
    """Iterates over batches, dicts of numpy arrays, of the token shards in a folder.

    A *sample* is one row: a window of the stream, of as many tokens as the objective makes a row of (for "causal",
    `sequence_length`), or with `packing` one sequence of that plan. A run is `epochs` epochs of all samples, each in an
    order of its own, without a break between them. Samples are numbered 0, 1, .. over the run; sample n is a
    pure function of (shards, seed, n), and ranks only share them out: global step s is the samples
    s W B to (s + 1) W B - 1, of which rank r reads the r-th B. Every token is in one sample an epoch.
    All ranks have the same number of batches, `len(stream)`; what the last of them are, `last` says.

    path              folder with manifest.json, or FOLDER/SET, a set of documents that its manifest names; or a URI
    cache             local folder for what is read of a URI: whole blocks, named by what they hold, which several
                      processes share; cache_bytes   how much it may hold, about; None: as much as there is
    sequence_length   L, tokens a row; batch_size   B, rows of a batch of this rank
    objective         what is to be learnt, a name in `corpus.loader.objectives`: "causal", "prefix_lm", "fim", "mlm",
                      "spanbert", "electra", "bart", "span_corruption", "ul2", "transformer_xl", "xlnet"
    packing           None: windows of the stream; else the name of a plan under packing/
    boundaries        None, or one or more of "document_ids", "segment_ids", "positions", "cu_seqlens", "attention_mask"
    inputs            what arrays are called: "tokens"; or as Hugging Face's models call them, "input_ids",
                      "position_ids", "decoder_input_ids", "token_type_ids", "next_sentence_label"
    seed, shuffle     order of the samples: True, any of all; "blocks", by blocks, for stores far away (corpus.loader.
                      order says how); False, that of the stream
    epochs            length of the run; None: endless
    last              what becomes of the samples at the end of the run that make no whole step (corpus.loader.run):
                      "pad": shared out so that each rank has labels, all labels once; "drop": left out; "wrap": the
                      step is filled up with samples of the next epoch
    dtype             of tokens and labels: "int64" or "int32"
    verify            compare each block of tokens that is read with its checksum, once, and its ids with the vocabulary
    audit             keep an account of what is handed out: `account()`, for corpus.loader.audit
    options           those of the objective, fields of its class; causal: mask_document_starts, and labels: "shifted",
                      or "hf" for models that shift them once more, as those of Hugging Face do

    A batch has what its objective makes, for "causal" tokens and labels [B, L] (`objectives.causal.Causal` says which),
    and by `boundaries`
    document_ids  int32[B, L] documents of a row (of its labels) as 1, 2, ..; 0 is padding
    segment_ids   the same, as JAX's libraries call them
    positions     int32[B, L] from 0 in each document; documents begin anew with each row
    cu_seqlens    int32[segments + 1] ends of the documents of the rows laid end to end, 0 first and
                  B L last; the padding of a row is a segment of its own; with it
    max_seqlen    int, the longest segment
    attention_mask  [B, L] 1, and 0 for padding

    A stream is an iterator: leaving a loop and entering another goes on where the first stopped, and
    after the end of the run there is nothing more; `rewind` starts over. Raises ValueError for bad
    arguments or damaged files, FileNotFoundError for missing ones, TypeError for an option that there is not.

    A folder of tokens, as `winnow tokenize` leaves it, here with two documents that each have their end token, 0:

    >>> import tempfile
    >>> import numpy as np
    >>> from corpus.tokens import manifest, megatron
    >>> folder = tempfile.TemporaryDirectory()
    >>> with megatron.ShardWriter(folder.name + "/00000", vocab_size=100) as shard:
    ...     shard.add(np.array([11, 12, 13, 0, 21, 22, 0]), np.array([0, 4, 7]))
    >>> shards = [manifest.describe_shard(folder.name + "/00000")]
    >>> tokenizer = {"fingerprint": "", "family": "byte", "path": ""}
    >>> _ = manifest.write(folder.name, shards, vocab_size=100, tokenizer=tokenizer, end_id=0, pad_id=99)

    >>> from corpus.loader import TokenStream
    >>> stream = TokenStream(folder.name, sequence_length=4, batch_size=2, shuffle=False, boundaries="document_ids")
    >>> batch = next(stream)
    >>> batch["tokens"].tolist()
    [[0, 11, 12, 13], [0, 21, 22, 99]]
    >>> batch["labels"].tolist()
    [[11, 12, 13, 0], [21, 22, 0, -100]]
    >>> batch["document_ids"].tolist()
    [[1, 1, 1, 1], [1, 1, 1, 0]]
    >>> stream.state_dict()["sample"]
    2
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
        inputs: str = "tokens",
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        epochs: int | None = 1,
        shuffle: bool | str = True,
        last: str = "pad",
        dtype: str = "int64",
        cache: str | None = None,
        cache_bytes: int | None = None,
        verify: bool = True,
        audit: bool = False,
        **options: Any,
    ) -> None:
        self.boundaries = (boundaries,) if isinstance(boundaries, str) else tuple(boundaries or ())
        self._objective = objective_of(objective, options)
        names.check("dtype", np.dtype(dtype).name if isinstance(dtype, type) else str(dtype), DTYPES)
        names.check("inputs", inputs, INPUTS)
        if isinstance(shuffle, np.bool_):
            shuffle = bool(shuffle)
        if not isinstance(shuffle, bool):
            names.check("shuffle", shuffle, ("blocks",))
        for name in self.boundaries:
            names.check("boundaries", name, BOUNDARIES)
        super().__init__(rank, world_size, batch_size, last, shuffle)
        sequence_length = names.count("sequence_length", sequence_length, 1)
        epochs = None if epochs is None else names.count("epochs", epochs, 1)
        seed = names.count("seed", seed)
        if not isinstance(packing, str | None):
            raise ValueError(f"packing must be the name of a plan, not {packing!r}")
        if seed >= 1 << 63:
            raise ValueError(f"seed must be 0 to 2^63 - 1, not {seed}")
        self.shards = Shards(str(path), cache, cache_bytes, verify)
        self.sequence_length, self.inputs = sequence_length, inputs
        self.objective, self.packing, self.seed, self.shuffle = objective, packing, seed, shuffle
        self.dtype = np.dtype(dtype)
        plan = None if packing is None else load_plan(self.shards, packing)
        self._setting = Setting(
            sequence_length, self.boundaries, seed, bool(shuffle), self.dtype, self.shards.manifest,
            folder=self.shards.folder, plan=plan, count_pieces=functools.partial(count_pieces, self.shards, packing),
        )  # fmt: skip
        self._objective.check_plan(objective, packing, self._setting.method)
        self._source = self._open_source()
        if shuffle == "blocks":
            self._setting = dataclasses.replace(self._setting, block=self._source.samples_of_a_block())
        if shuffle is not True:
            self.look_ahead(self._samples_ahead())
        self.figures = self._source.figures
        """Counts of an epoch: samples, tokens, padding, and those of the packing plan."""
        self.samples: int = self.figures["samples"]
        """Samples of an epoch."""
        self.tokens: int = self.figures["tokens"]
        """Tokens of an epoch."""
        self.total = None if epochs is None and self.samples else self.samples * (epochs or 1)
        self._account = Account(self.samples) if audit else None
        if self.total and self.total < world_size:
            self._steps_from(0)  # refuses a run with fewer labels than ranks before any work

    def _samples_ahead(self) -> int:
        """How many samples further blocks are fetched. What was fetched and not read yet is closed before what was read
        after it, if too much is open: so blocks in order may be half as far ahead as blocks may be open. In the order
        by blocks the whole next group is wanted at its beginning, and some of the one after, so that there is something
        to fetch while that is waited for; where fewer groups may be open, less."""
        most, a_block = self.shards.most_blocks, max(1, self.shards.block_tokens // self.sequence_length)
        if not self._setting.block:
            return min(order.GROUP * 5 // 4, most // 2 - 2) * a_block
        group = self._setting.block * order.GROUP
        by_groups_open = (0, 0, group // 8, group, group, group * 5 // 4)  # none, one, .. five of them
        return by_groups_open[min(5, most * a_block // group)]

    def rewind(self, epoch: int = 0) -> None:
        """Go to the first sample of an epoch of the run."""
        self.sample = epoch * self.samples
        self._begin_account()

    def _begin_account(self) -> None:
        if self._account is not None:
            self._account = Account(self.samples)

    def note(self, batch: dict[str, Any]) -> None:
        """See Run: counts the batch in the account, if one is kept."""
        if self._account is not None:
            taken = self.taken(self.sample)
            part = self.part(self.sample, taken, self.rank)
            places = np.arange(part.first, part.first + part.count)
            self._account.add_step(self.sample, taken)
            self._account.add(places, self.numbers(part.first, part.count), labels_of(batch, part.count), part.share)

    def account(self) -> dict[str, Any]:
        """What this rank has handed out since the stream was opened, resumed or rewound, for JSON: to be written by
        every rank whenever it saves its state. Raises ValueError for a stream without `audit`."""
        if self._account is None:
            raise ValueError("no account was kept: open the stream with audit=True")
        ranks = {"rank": self.rank, "world_size": self.world_size, "batch_size": self.batch_size, "last": self.last}
        epochs = None if self.total is None else self.total // max(1, self.samples)
        known = {"version": STATE_VERSION, "fingerprint": self.fingerprint, "options": self.options, "epochs": epochs}
        return known | ranks | {"steps": self._account.steps, "counts": self._account.counts()}

    @property
    def options(self) -> dict[str, Any]:
        """What makes a stream with the same samples of the same tokens, for JSON."""
        options: dict[str, Any] = {"sequence_length": self.sequence_length, "seed": self.seed, "shuffle": self.shuffle}
        return options | {"objective": self.objective, "packing": self.packing, **self._objective.decisive()}

    def numbers(self, first: int, count: int) -> np.ndarray:
        """int64[count]: the windows (or packed sequences) that samples first, first + 1, .. of the run are."""
        return self._samples(first, count, count).numbers

    def locate(self, window: int, epoch: int) -> int:
        """The sample of the run that is window (or packed sequence) `window` in this epoch. Raises ValueError for an
        objective with an order of its own."""
        if type(self._objective).numbers is not Objective.numbers:
            raise ValueError(f"{self.objective} has an order of its own, which cannot be looked up")
        key, index = np.uint64(order.epoch_key(self.seed, epoch)), window
        if self._setting.block is not None:
            index = order.index_by_blocks(window, self.samples, self._setting.block, key)
        elif self.shuffle:
            index = order.unpermute(window, self.samples, key)
        return epoch * self.samples + int(index)

    def windows_of(self, document: int) -> list[int]:
        """The windows (or packed sequences) that hold tokens of a document, counted 0, 1, .. over all shards. Raises
        IndexError."""
        return self._source.windows_of(*self.shards.find_document(document))

    def _read(self, first: int, count: int, rows: int) -> dict[str, Any]:
        return finish(self.unfinished(first, count, rows), self.boundaries, self.inputs, self.dtype)

    def unfinished(self, first: int, count: int, rows: int) -> dict[str, Any]:
        """What the objective makes of samples first to first + count - 1 of the run, in the first of `rows` rows, the
        others being empty; with document_ids in place of all `boundaries`."""
        return self._objective.batch(self._samples(first, count, rows))

    @property
    def at_hand(self) -> bool:
        """See Run."""
        return self.shards.at_hand

    def missing(self, first: int, count: int) -> Iterator[Call]:
        """See Run."""
        return self.shards.missing(self._source.ranges(self._samples(first, count, count).numbers))

    def _count_labels(self, first: int, count: int) -> np.ndarray | None:
        return self.count_labels(first, count)

    def count_labels(self, first: int, count: int) -> np.ndarray | None:
        """int64[count]: labels of each of the samples first, first + 1, .. of the run; None where there are none."""
        return self._objective.count_labels(self._samples(first, count, count))

    def _samples(self, first: int, count: int, rows: int) -> Samples:
        """Samples first to first + count - 1 of the run, and rows without one."""
        numbers = self._objective.numbers(self._setting, self.samples, first, rows)
        numbers[count:] = -1
        return Samples(self._setting, self._source, numbers, first)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is, as a few numbers, the same on every rank after the same number of
        batches. A stream that differs only in rank, world size, batch size, epochs, `last` or what a
        batch holds resumes from it with the very next sample: `sample` need be a multiple of
        nothing, since global steps are counted from the sample resumed at."""
        return {
            "version": STATE_VERSION,
            "fingerprint": self.fingerprint,
            "seed": self.seed,
            "sample": self.sample,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume. Raises ValueError if the state is of another order of samples: other shards,
        seed, objective, sequence length, packing plan or shuffle."""
        sample = sample_of(state)
        if state["seed"] != self.seed:
            raise ValueError(f"state was saved with seed {state['seed']}, this stream has {self.seed}")
        if state["fingerprint"] != self.fingerprint:
            raise ValueError(
                "state belongs to another order of samples: the shards, objective or its options, sequence_length, "
                "packing or shuffle are not what they were"
            )
        self.sample = sample
        self._begin_account()

    @property
    def fingerprint(self) -> str:
        """Hash of everything that the order of samples depends on."""
        content: list[Any] = [self.shards.fingerprint, self.objective, self.packing, self.figures]
        content += [self.sequence_length, self.shuffle, self.seed]
        decisive = self._objective.decisive()
        content += [decisive] if decisive else []
        content += [] if self._setting.block is None else [["block", self._setting.block]]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()

    def _open_source(self) -> Windows | Bins:
        """Where the samples are."""
        lengths = self._objective.windows(self._setting)
        if self.packing is None or self._setting.plan is None:
            return cut_windows(self.shards, lengths)
        return open_bins(self.shards, self.packing, self._setting.plan, lengths)


def sample_of(state: dict[str, Any]) -> int:
    """The sample of a state. Raises ValueError for what is no state of this version."""
    if state.get("version") != STATE_VERSION:
        raise ValueError(f"state has version {state.get('version')}, not {STATE_VERSION}")
    for key in ("fingerprint", "seed", "sample"):
        if key not in state:
            raise ValueError(f"state lacks {key!r}: it is none of a stream")
    return names.count("sample of a state", state["sample"])


def objective_of(objective: str, options: dict[str, Any], others: Sequence[str] | None = None) -> Objective:
    """The objective of that name with its options. Raises ValueError for a name that is none, TypeError for an option
    that is none, which might have been one of the `others`: None for the stream's."""
    names.check("objective", objective, OBJECTIVES)
    kind = OBJECTIVES[objective]
    own = [field.name for field in dataclasses.fields(kind)]
    for name in options:
        if name not in own:
            valid = [*own, *(list(inspect.signature(TokenStream).parameters)[:-1] if others is None else others)]
            raise TypeError(names.unknown(f"option of {objective!r}", name, valid))
    return kind(**options)
