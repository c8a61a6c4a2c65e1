"""A packing plan beside the token shards: which documents share a sequence."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from corpus.io import paths
from corpus.options import option
from corpus.tokens import megatron, packing, sentence_packing
from pipelines.context import Context, TokenStep
from pipelines.engine import File, Outputs, Task, check_file, task_key


@dataclasses.dataclass(frozen=True)
class Pack(TokenStep):
    """A packing plan for sequences of `sequence_length` tokens: documents longer than that are cut, the rest are never
    split, but by `concat`; best_fit leaves the least padding (arXiv 2404.10830).

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pq.write_table(corpus.as_table(["to be or not to be"] * 20), "docs.parquet")
    >>> steps = [pipelines.TrainTokenizer(vocab_size=266), pipelines.Tokenize(), pipelines.Pack(sequence_length=16)]
    >>> result = pipelines.run_recipe(pipelines.Recipe(input="docs.parquet", steps=steps), "OUT")
    >>> stream = corpus.TokenStream("OUT/tokens", sequence_length=16, batch_size=2, packing="best_fit-16")
    >>> next(stream)["tokens"].shape
    (2, 16)
    """

    name: ClassVar[str] = "pack"
    sequence_length: int = option(2048, "Tokens of a sequence.", ge=1)

    method: Literal[
        "best_fit", "contiguous", "document", "concat",
        "sentences", "document_sentences", "next_sentence", "sentence_order", "sentence_pairs", "segments",
    ] = option(
        "best_fit",
        "Into which sequence a document goes: the fullest with room, the one before, its own; or end to end. Of tokens "
        "by sentence: as many sentences as fit, of one document or not; pairs of segments for BERT, ALBERT, RoBERTa, "
        "ELECTRA.",
    )  # fmt: skip
    variants: int = option(1, "Pairs: how often sentences are gone through, each time cut otherwise.", ge=1, le=1000)
    short_share: float = option(0.1, "Pairs: share of the documents with a random, shorter length.", ge=0, le=1)

    @property
    def work_name(self) -> str:
        """Beginning of the names of its maps."""
        return self.plan

    @property
    def plan(self) -> str:
        """Name of the plan: the folder in tokens/packing, and the loader's `packing`."""
        often = f"-x{self.variants}" if self.variants > 1 else ""
        return f"{self.method}-{self.sequence_length}{often}"

    def refuse(self) -> None:
        """Raises ValueError for options of pairs with another method."""
        defaults = {"variants": 1, "short_share": 0.1}
        given = [name for name, value in defaults.items() if getattr(self, name) != value]
        if given and self.method not in sentence_packing.PAIRS:
            raise ValueError(f"{', '.join(given)} is for methods {', '.join(sentence_packing.PAIRS)}")

    def run(self, context: Context) -> None:
        """One map. Leaves OUT/tokens/packing/PLAN."""
        indexes = context.found.token_indexes
        tasks = [
            Task(
                task_key(i),
                PackShard(file, self.sequence_length, self.method, context.seed, self.variants, self.short_share),
                ((f"index {name}", file.hash),),
                file.bytes,
            )
            for i, (file, name) in enumerate(indexes)
        ]
        packed = context.map("plan", pack_shard, tasks, (self, context.seed))
        folder = context.path("tokens")
        plans = {f"{name}.arrow": m.outputs["plan.arrow"] for m, (_, name) in zip(packed, indexes)}
        context.publish(f"tokens/packing/{self.plan}", plans, keep=("figures.json",))
        if packed and not context.dry_run:
            figures = {name: m.counters["figures"] for m, (_, name) in zip(packed, indexes)}
            context.found.figures[f"pack {self.plan}"] = packing.summarize(
                folder, self.plan, figures, put=context.published.put, sets=context.found.token_sets
            )


@dataclasses.dataclass(frozen=True)
class PackShard:
    """Argument of a packing task: one token shard, by its index."""

    index: File
    sequence_length: int
    method: str
    seed: int
    variants: int
    short_share: float


def pack_shard(argument: PackShard, outputs: Outputs) -> dict:
    """Map: the plan of one token shard."""
    check_file(argument.index)
    prefix, how = paths.without_suffix(argument.index.path, ".idx"), (argument.sequence_length, argument.method)
    if argument.method in sentence_packing.METHODS:
        sentences = megatron.read_sentences(prefix)
        plan = sentence_packing.pack(*sentences, *how, argument.seed, argument.variants, argument.short_share)
    else:
        plan = packing.pack(megatron.read_document_lengths(prefix), *how, argument.seed)
    packing.save(plan, outputs.path("plan.arrow"))
    return {"figures": plan.figures, "documents": plan.figures["documents"]}
