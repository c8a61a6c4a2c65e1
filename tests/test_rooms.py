"""Which part of the project may import which: packages point one way, subject rooms know nothing of each other, nobody
imports what another keeps private. Read from the imports themselves, those inside functions too."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = {"corpus": set(), "tokenizer_training": {"corpus"}, "pipelines": {"corpus", "tokenizer_training"}}
"""Of ours, what each package may import beside itself."""
BELOW = {"closure", "options", "documents", "step", "io", "text", "tables"}
"""What every subject room in corpus may stand on."""
SUBJECTS = {"cleaning", "contamination", "dedup", "encoding", "language", "reading", "tokens", "views"}
ROOMS = {
    "closure": set(), "kernel_cache": {"closure"}, "options": set(), "documents": {"text"},
    "step": {"closure", "options"}, "io": set(), "text": set(), "loader": {"io", "text", "tokens", "encoding"},
    **dict.fromkeys(SUBJECTS, BELOW),
    "dedup": BELOW | {"encoding"}, "contamination": BELOW | {"encoding"},
    "lazy": {"closure"}, "imported": {"closure"}, "tables": {"documents", "text"},
    "filtering": {"documents", "step", "tables", "cleaning"},
}  # fmt: skip
"""Rooms in corpus, and what each may import of the others; `loader` is what a training image installs."""
ENGINE = {"corpus.closure", "corpus.kernel_cache", "corpus.io", "pipelines.stopping"}
EXAMPLES = {f"corpus.loader.examples.train_{name}" for name in ("ddp", "ray", "small", "transformers")}
COMMANDS = {
    f"pipelines.commands.{name}" for name in ("looking", "running", "sets", "shared", "study", "tokens", "verbs")
}
HEAVY = {
    "ray": {"pipelines.engine.backends", "pipelines.engine.workers", "corpus.loader.examples.train_ray"},
    "typer": {"pipelines.cli", *COMMANDS}, "torch": {"corpus.loader.torch", *EXAMPLES},
    "datasketch": {"corpus.dedup.sketches"}, "pydantic": {"corpus.options"},
    "tokenizers": {
        "corpus.encoding.components", "corpus.encoding.huggingface_build", "tokenizer_training.families.wordpiece"
    },
}  # fmt: skip
"""Libraries that these modules alone import."""
BY_STRING = ("importlib.import_module", "import_module", "__import__")
OFFERED = {"corpus": {"__version__"}}
"""What is defined at the top of a package, and may be taken from there; all else from where it is."""


def modules():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


def imports(path):
    """(module, name or None) of every import, in functions too; not those for type checkers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checked = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for part in block.body
        for n in ast.walk(part)
    }
    for node in ast.walk(tree):
        if id(node) in checked:
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func) in BY_STRING and path.stem != "lazy":
            for given in node.args[:1]:  # one that is put together at run time is seen by nobody but the reader
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield given.value, None
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from ((node.module, alias.name) for alias in node.names)


def target(module, name):
    """The module that an import means."""
    folder = ROOT / module.replace(".", "/")
    return (
        f"{module}.{name}"
        if name and ((folder / f"{name}.py").exists() or (folder / str(name) / "__init__.py").exists())
        else module
    )


EVERY = list(modules())


def test_there_is_something_to_look_at():
    assert len(EVERY) > 130 and {name.split(".")[1] for name, _ in EVERY if name.startswith("corpus.")} == set(ROOMS)


@pytest.mark.parametrize("name, path", EVERY, ids=[name for name, _ in EVERY])
def test_imports_go_where_they_may(name, path):
    package, *rest = name.split(".")
    for module, imported in imports(path):
        meant = target(module, imported).split(".")
        top = meant[0]
        if top in HEAVY:
            assert name in HEAVY[top], f"{name} imports {top}"
        if top not in PACKAGES:
            continue
        assert not (imported or "").replace("__version__", "").startswith("_"), (
            f"{name} imports {module}.{imported}, which is private"
        )
        assert top == package or top in PACKAGES[package], f"{name} imports {top}"
        if module in PACKAGES and meant == [module]:
            assert imported in OFFERED.get(module, ()), (
                f"{name} imports {module}'s {imported or 'all'}, not where it is"
            )
        if package == top == "corpus" and rest and len(meant) > 1 and meant[1] != rest[0]:
            assert meant[1] in ROOMS[rest[0]], f"{name} imports {'.'.join(meant)}"
        if name.startswith(("pipelines.maps", "pipelines.near")):
            assert meant[:2] != ["pipelines", "steps"], f"{name} imports {'.'.join(meant)}"
        if name.startswith("pipelines.engine") and meant[:2] != ["pipelines", "engine"]:
            assert ".".join(meant[:2]) in ENGINE, f"{name} imports {'.'.join(meant)}"


@pytest.mark.parametrize("name, path", EVERY, ids=[name for name, _ in EVERY])
def test_nobody_uses_what_another_keeps_private(name, path):
    """As an attribute of a module that it imports."""
    modules = {
        imported
        for module, imported in imports(path)
        if imported and module.partition(".")[0] in PACKAGES and target(module, imported) != module
    }
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert not node.attr.startswith("_"), f"{name} uses {node.value.id}.{node.attr}"


def test_the_rules_are_rules(tmp_path):
    """A planted import of each kind that must not be is seen."""
    planted = tmp_path / "planted.py"
    for name, line in [
        ("corpus.text.planted", "import pipelines.run"),
        ("corpus.cleaning.planted", "def f():\n    from corpus.dedup import exact"),
        ("corpus.loader.planted", "from corpus.documents import address"),
        ("pipelines.maps.planted", "import ray"),
        ("pipelines.engine.planted", "from corpus.views import ShardView"),
        ("pipelines.maps.planted", "from corpus.io.paths import _address"),
        ("corpus.cleaning.planted", "from corpus import near_duplicates"),
        ("corpus.cleaning.planted", "from corpus import *"),
        ("corpus.cleaning.planted", "import corpus\nnear = corpus.near_duplicates"),
        ("corpus.cleaning.planted", "import importlib\nimportlib.import_module('corpus.dedup.near')"),
        ("corpus.cleaning.planted", "near = __import__('corpus.dedup.near')"),
        ("corpus.cleaning.planted", "if not TYPE_CHECKING:\n    import ray"),
        ("corpus.cleaning.planted", "if TYPE_CHECKING:\n    import json\nelse:\n    import ray"),
        ("corpus.loader.planted", "import tokenizers"),
        ("corpus.loader.planted", "def f():\n    import pydantic"),
        ("pipelines.maps.planted", "from pipelines.steps.near_dedup import NearDedup"),
        ("pipelines.near.planted", "from pipelines.steps.near_dedup import NearDedup"),
        ("corpus.text.planted", "from corpus.io import paths\npaths._address('x')"),
    ]:
        planted.write_text(line)
        with pytest.raises(AssertionError):
            test_imports_go_where_they_may(name, planted)
            test_nobody_uses_what_another_keeps_private(name, planted)
