"""What a model learns from a sample: one objective a file, and here the registry. To add one, copy `causal.py`
(`corpus.loader.objective` says what it may ask for and what it owes), add a line here, and a test with rows by hand."""

from corpus.loader.objective import Objective
from corpus.loader.objectives.causal import Causal

OBJECTIVES: dict[str, type[Objective]] = {
    "causal": Causal,
}
