import numpy as np
import pytest

from corpus.tokens import manifest, packing
from corpus.tokens.megatron import IndexedDataset, ShardWriter

TOKENIZER = {"fingerprint": "abc", "family": "bpe", "path": "tokenizer.json"}


@pytest.fixture(scope="session")
def make_tokens(tmp_path_factory):
    """make_tokens(shards, pack=L) -> folder; `shards` is a list of lists of documents (lists of
    token ids); with `pack`, a plan named "plan" for sequences of L tokens."""

    def make(shards, vocab_size=1000, end_id=0, pad_id=None, pack=None) -> str:
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
                plan = packing.best_fit(IndexedDataset(prefix).document_lengths, pack, 1)
                packing.save(plan, packing.plan_path(folder, "plan", name))
                figures[name] = plan.figures
        manifest.write(folder, entries, vocab_size=vocab_size, tokenizer=TOKENIZER, end_id=end_id, pad_id=pad_id)
        if figures:
            packing.summarize(folder, "plan", figures)
        return folder

    return make
