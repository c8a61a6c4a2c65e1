"""From token shards to batches, in an order that is a function and not a state.

    order.py     sample number -> window number: a keyed permutation without a table
    token_shards.py  the shards of a folder, opened when first touched
    cache.py     local copies of shards on object stores
    filling.py   rows of a batch from windows of the stream, or bins of a plan
    kernel.py    the numba loops for it
    stream.py    TokenStream: start reading here
    torch.py     the same behind torch's DataLoader

Needs numpy, numba and pyarrow only; torch only if `corpus.loader.torch` is imported."""

from corpus.loader.stream import TokenStream

__all__ = ["TokenStream"]
