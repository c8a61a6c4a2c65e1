"""From token shards to batches, in an order that is a function and not a state.

    stream.py        TokenStream: start reading here
    run.py           how the samples of a run become steps, and which rank reads what; the last step
    configured.py    open_stream: as the recipe of the tokens has it
    mixture.py       Mixture: several folders as one run; schedule.py says which sample is of which
    order.py         sample number -> window number: a keyed permutation without a table
    account.py       what a rank has handed out; audit.py adds that up
    objective.py     what every objective is, and what it gets of a stream
    objectives/      what a batch is made of, one file each, and the registry
    vocabulary.py    which token has which role; sentinels, words, full stops
    layout.py        rows of an encoder; masking.py, spans.py, denoising.py, lanes.py: what several objectives share
    filling.py       which tokens a sample has, and how they are read
    boundaries.py    how a batch says where its documents begin and end
    kernel.py        the numba loops
    token_shards.py  the shards of a folder, opened when first touched, checked when first read
    cache.py         local copies of blocks of shards on object stores
    open_files.py    those stores' files, open as long as ranges of them are read
    read_ahead.py    threads that fetch blocks before they are read
    names.py         names that are none, and the nearest that is
    torch.py         the same behind torch's DataLoader

Needs numpy, numba and pyarrow only; torch only if `corpus.loader.torch` is imported."""

from corpus.loader.configured import open_stream
from corpus.loader.mixture import Mixture, Phase
from corpus.loader.stream import TokenStream

__all__ = ["Mixture", "Phase", "TokenStream", "open_stream"]
