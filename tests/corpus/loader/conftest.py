import base64

import numpy as np
import pytest

from corpus.tokens import manifest, packing
from corpus.tokens.megatron import IndexedDataset, ShardWriter

IGNORE = -100
ROLES = {"cls": 990, "sep": 991, "mask": 992, "fim_prefix": 993, "fim_middle": 994, "fim_suffix": 995, "nlu": 996,
         "nlg": 997, "s2s": 998}  # fmt: skip
STARTS = np.arange(1000) % 3 != 0  # ids that a multiple of three has go on with a word
VOCABULARY = {
    "roles": ROLES, "special": [0, *ROLES.values(), 999], "sentinels": list(range(989, 889, -1)), "full_stops": [13],
    "word_starts": base64.b64encode(np.packbits(STARTS).tobytes()).decode(),
}  # fmt: skip
"""Of make_tokens with vocabulary=True: ids 1 to 889 are words and what goes on with them."""
TOKENIZER = {"fingerprint": "abc", "family": "bpe", "path": "tokenizer.json"}


@pytest.fixture(scope="session")
def make_tokens(tmp_path_factory):
    """make_tokens(shards, pack=L) -> folder; `shards` is a list of lists of documents (lists of
    token ids); with `pack`, a plan named "plan" for sequences of L tokens, by `method`; with
    `vocabulary`, VOCABULARY."""

    def make(
        shards,
        vocab_size=1000,
        end_id=0,
        pad_id=None,
        pack=None,
        method="best_fit",
        vocabulary=False,
        family="bpe",
        sentinels=100,
    ) -> str:
        folder = str(tmp_path_factory.mktemp("tokens"))
        entries, figures = [], {}
        for number, documents in enumerate(shards):
            name = f"{number:05d}"
            prefix = manifest.shard_prefix(folder, name)
            with ShardWriter(prefix, vocab_size) as writer:
                lengths = [len(document) for document in documents]
                tokens = np.concatenate([np.zeros(0, np.int64), *map(np.asarray, documents)])
                writer.add(tokens.astype(np.int64), np.cumsum([0] + lengths))
            entries.append(manifest.describe_shard(prefix))
            if pack:
                plan = packing.pack(IndexedDataset(prefix).document_lengths, pack, method, 1)
                packing.save(plan, packing.plan_path(folder, "plan", name))
                figures[name] = plan.figures
        known = VOCABULARY | {"sentinels": list(range(989, 989 - sentinels, -1))} if vocabulary else None
        tokenizer = TOKENIZER | {"family": family}
        ids = {"vocab_size": vocab_size, "end_id": end_id, "pad_id": pad_id}
        manifest.write(folder, entries, tokenizer=tokenizer, vocabulary=known, **ids)
        if figures:
            packing.summarize(folder, "plan", figures)
        return folder

    return make


def _rows_of(batch):
    """The rows of a batch as dicts of what they have in each array with a row a sample, all as nested lists."""
    arrays = {name: array for name, array in batch.items() if isinstance(array, np.ndarray) and name != "cu_seqlens"}
    return [{name: array[row].tolist() for name, array in arrays.items()} for row in range(len(batch["labels"]))]


@pytest.fixture(scope="session")
def global_rows():
    """global_rows(ranks) -> the rows of all samples in the order of the run, of the batches of each rank. Asserts that
    every rank has as many batches, of one shape in a step, and a label in each; that empty rows are behind the others;
    and that rows which ranks share are equal but for their labels, each of which one of them has."""

    def gather(ranks):
        found = []
        for step in zip(*ranks, strict=True):
            assert len({batch["labels"].shape for batch in step}) == 1
            whole = []
            for batch in step:
                assert (batch["labels"] != IGNORE).any()
                rows = _rows_of(batch)
                kept = [row for row in rows if set(row["labels"]) != {IGNORE}]
                assert rows[: len(kept)] == kept
                for row in kept:
                    before = whole[-1] if whole else None
                    rest = [{k: v for k, v in each.items() if k != "labels"} for each in (row, before or {})]
                    shared = [i for i in range(len(row["labels"])) if row["labels"][i] != IGNORE]
                    if before and rest[0] == rest[1] and all(before["labels"][i] == IGNORE for i in shared):
                        for i in shared:
                            before["labels"][i] = row["labels"][i]
                    else:
                        whole.append(row)
            found += whole
        return found

    return gather
