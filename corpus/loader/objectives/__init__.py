"""What a model learns from a sample: one objective a file, and here the registry. To add one, copy `causal.py`
(`corpus.loader.objective` says what it may ask for and what it owes), add a line here, and a test with rows by hand."""

from corpus.loader.objective import Objective
from corpus.loader.objectives.bart import Bart
from corpus.loader.objectives.causal import Causal
from corpus.loader.objectives.electra import Electra
from corpus.loader.objectives.fim import Fim
from corpus.loader.objectives.mlm import Mlm
from corpus.loader.objectives.prefix_lm import PrefixLm
from corpus.loader.objectives.span_corruption import SpanCorruption
from corpus.loader.objectives.spanbert import SpanBert
from corpus.loader.objectives.transformer_xl import TransformerXl
from corpus.loader.objectives.ul2 import Ul2
from corpus.loader.objectives.xlnet import XlNet

OBJECTIVES: dict[str, type[Objective]] = {
    "causal": Causal,
    "prefix_lm": PrefixLm,
    "fim": Fim,
    "mlm": Mlm,
    "spanbert": SpanBert,
    "electra": Electra,
    "bart": Bart,
    "span_corruption": SpanCorruption,
    "ul2": Ul2,
    "transformer_xl": TransformerXl,
    "xlnet": XlNet,
}
