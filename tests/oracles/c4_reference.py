"""C4's own code: `text/c4_utils.py` of an installed tensorflow-datasets (4.9.10, C4 3.1.0), run without
TensorFlow, Beam or NLTK.

`pip install --no-deps tensorflow-datasets==4.9.10` is all it needs. What the module takes from TensorFlow
and Beam is a few lines each, written here; sentences are counted by the function given to `load`, because
Punkt's model is a download of its own.
"""

from __future__ import annotations

import collections
import importlib.util
import pathlib
import types
from collections.abc import Callable, Iterable
from unittest import mock


class Collection:
    """A Beam PCollection that is a list."""

    def __init__(self, items: Iterable):
        self.items = list(items)

    def __or__(self, transform):
        return Collection(transform.run(self.items))


class Transform:
    """A function of lists; `"label" >> transform` and `{...} | transform` work as in Beam."""

    def __init__(self, run: Callable):
        self.run = run

    def __rrshift__(self, label: str):
        return self

    def __ror__(self, collections: dict):
        return Collection(self.run({name: each.items for name, each in collections.items()}))


def _flat_map(function, **options):
    return Transform(lambda items: [out for item in items for out in function(item, **options)])


def _map(function):
    return Transform(lambda items: [function(item) for item in items])


def _group(items: Iterable) -> dict:
    groups = collections.defaultdict(list)
    for key, value in items:
        groups[key].append(value)
    return groups


def _top_per_key(count, key, reverse):
    """The `count` values of each key that are last by `key`, first if `reverse`."""

    def run(items):
        return [(k, sorted(values, key=key, reverse=not reverse)[:count]) for k, values in _group(items).items()]

    return Transform(run)


def _co_group_by_key():
    def run(named):
        groups = {name: _group(items) for name, items in named.items()}
        keys = dict.fromkeys(key for each in groups.values() for key in each)
        return [(key, {name: each.get(key, []) for name, each in groups.items()}) for key in keys]

    return Transform(run)


def path() -> pathlib.Path | None:
    """The file c4_utils.py, if tensorflow-datasets is installed."""
    spec = importlib.util.find_spec("tensorflow_datasets")
    return pathlib.Path(spec.origin).parent / "text" / "c4_utils.py" if spec else None


def load(count_sentences: Callable[[str], int]) -> types.ModuleType:
    """The module c4_utils; `.counters` counts what it counts, by (namespace, counter)."""
    counters = collections.Counter()

    def counter(namespace, name):
        return types.SimpleNamespace(inc=lambda amount: counters.update({(namespace, name): amount}))

    beam = types.SimpleNamespace(
        FlatMap=_flat_map,
        Map=_map,
        CoGroupByKey=_co_group_by_key,
        combiners=types.SimpleNamespace(Top=types.SimpleNamespace(PerKey=_top_per_key)),
        metrics=types.SimpleNamespace(Metrics=types.SimpleNamespace(counter=counter)),
    )
    tensorflow = types.SimpleNamespace(
        compat=types.SimpleNamespace(as_text=lambda text: text),
        io=types.SimpleNamespace(gfile=types.SimpleNamespace(GFile=open)),
    )
    public_api = types.ModuleType("public_api")
    public_api.core = types.SimpleNamespace(lazy_imports=_LazyImports(beam))
    stand_ins = {
        "absl": types.SimpleNamespace(logging=types.SimpleNamespace(info=lambda *_: None)),
        "tensorflow_datasets": types.SimpleNamespace(public_api=public_api),
        "tensorflow_datasets.core": None,
        "tensorflow_datasets.core.utils": None,
        "tensorflow_datasets.core.utils.lazy_imports_utils": types.SimpleNamespace(tensorflow=tensorflow),
        "tensorflow_datasets.public_api": public_api,
    }
    spec = importlib.util.spec_from_file_location("c4_utils_reference", path())
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict("sys.modules", {**stand_ins, spec.name: module}):
        spec.loader.exec_module(module)
    module._SENTENCE_TOKENIZER = types.SimpleNamespace(tokenize=lambda text: range(count_sentences(text)))
    module.counters = counters
    return module


class _LazyImports:
    """tfds.core.lazy_imports, as far as c4_utils goes."""

    def __init__(self, apache_beam):
        self.apache_beam = apache_beam

    @property
    def langdetect(self):
        import langdetect

        return langdetect

    @property
    def tldextract(self):
        import tldextract

        return tldextract
