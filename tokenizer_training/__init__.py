"""Tokenizers from text: count in parallel, then train on the counts on one machine.

    configuration   TrainTokenizer: what to train
    families        one record a family, and their registry: how it counts, how it trains, what it leaves
    counts          words of a batch and how often they occur; the sum of such tables
    merges          byte-pair merges from counts, the numba trainer of bpe and wordpiece
    export          parts of the files that several families write
    train           one entry point for all families, and the description of the result
    evaluate        figures about a tokenizer on a text

Imports `corpus`, never `pipelines`. Start with `train`. The public names are loaded when they are asked for:

    >>> import tempfile, tokenizer_training
    >>> encoder = tokenizer_training.train_tokenizer(["to be or not to be"] * 2, tempfile.mkdtemp(), vocab_size=260)
    >>> encoder.vocab_size
    260
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus import __version__ as __version__
from corpus import lazy

if TYPE_CHECKING:
    from corpus.encoding.encoder import Encoder as Encoder
    from corpus.encoding.encoder import load_encoder as load_encoder
    from tokenizer_training.configuration import TrainTokenizer as TrainTokenizer
    from tokenizer_training.counts import count as count
    from tokenizer_training.counts import merge_counts as merge_counts
    from tokenizer_training.train import train_tokenizer as train_tokenizer

__all__, __getattr__, __dir__ = lazy.names(__name__)
