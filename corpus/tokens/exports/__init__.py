"""Token shards as other trainers read them: a format a file, and here the registry. To add one, copy `olmo.py` (whose
payload is ours) or `mds.py` (which is not), add a line here, and a test with bytes that the other's own writer made.

What is exported holds what the shards hold, document by document, in their order. Where the other reads our payload as
it lies, the files are hard links to it, and only their indices are written."""

from collections.abc import Callable

from corpus.tokens.exports.arrow import Arrow
from corpus.tokens.exports.datatrove import Datatrove
from corpus.tokens.exports.format import Format
from corpus.tokens.exports.llmc import LlmC
from corpus.tokens.exports.mds import MosaicShards
from corpus.tokens.exports.nanogpt import NanoGpt
from corpus.tokens.exports.olmo import Olmo

FORMATS: dict[str, Callable[..., Format]] = {
    "datatrove": Datatrove,
    "olmo": Olmo,
    "nanogpt": NanoGpt,
    "llmc": LlmC,
    "mds": MosaicShards,
    "arrow": Arrow,
}
