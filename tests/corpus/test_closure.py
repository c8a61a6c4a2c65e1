"""What a module runs, found by reading: every kind of import, edited in turn."""

import ast
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from corpus import closure
from corpus.closure import Code

ROOT = pathlib.Path(closure.ROOT)
FILES = {
    "recipe_filter.py": """
        from __future__ import annotations
        import json, plain
        import whole.part
        import aliased.part as part
        from typing import TYPE_CHECKING
        from package import exported, inner, own, beside as b
        from package.lazy import *
        from stars import starred, listed
        from bare import module_of_a_folder
        if TYPE_CHECKING:
            from for_checkers import Type
        else:
            import for_everybody
        try:
            import library
        except ImportError:
            library = None

        def judge(text):
            from in_a_function import value
            with open("table.txt") as file:
                return value
        """,
    "plain.py": "def f(): return 1",
    "whole/__init__.py": "from whole import of_whole",
    "whole/part.py": "X = 1",
    "whole/of_whole.py": "X = 1",
    "aliased/__init__.py": "from aliased import not_taken",
    "aliased/part.py": "X = 1",
    "aliased/not_taken.py": "X = 1",
    "package/__init__.py": """
        from .definer import exported
        from .other import not_asked_for
        from package import beside
        """,
    "package/definer.py": "from .helper import help\nfrom ..plain import f\nexported = 1",
    "package/helper.py": "def help(): return 1",
    "package/other.py": "not_asked_for = 1",
    "package/inner.py": "from . import sibling",
    "package/sibling.py": "X = 1",
    "package/own.py": "X = 1",
    "package/beside.py": "X = 1",
    "package/lazy.py": "def __getattr__(name): return name",
    "stars/__init__.py": "from stars.first import *\nfrom stars.second import *\nlisted = [1]",
    "stars/first.py": "starred = 1",
    "stars/second.py": "unrelated = 1",
    "bare/module_of_a_folder.py": "X = 1",
    "for_checkers.py": "Type = int",
    "for_everybody.py": "X = 1",
    "in_a_function.py": "value = 1\nif value:\n    import deeper",
    "deeper.py": "import recipe_filter",
    "table.txt": "1",
    "not_named.txt": "1",
    "not_imported.py": "X = 1",
    "site-packages/library/__init__.py": "X = 1",
}
COUNTED = {
    *("recipe_filter.py", "plain.py", "whole/__init__.py", "whole/part.py", "whole/of_whole.py", "aliased/part.py"),
    *(
        "package/definer.py",
        "package/helper.py",
        "package/inner.py",
        "package/sibling.py",
        "package/own.py",
        "package/beside.py",
    ),
    *("package/lazy.py", "stars/__init__.py", "stars/first.py", "stars/second.py", "bare/module_of_a_folder.py"),
    *("for_everybody.py", "in_a_function.py", "deeper.py", "table.txt"),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The folder of the project; its library is installed."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.split("\n")
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in lines))
    install(tmp_path, "1.0")
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    yield tmp_path
    closure.forget()


def install(project, version):
    shutil.rmtree(project / "site-packages" / "library-1.0.dist-info", ignore_errors=True)
    shutil.rmtree(project / "site-packages" / "library-2.0.dist-info", ignore_errors=True)
    info = project / "site-packages" / f"library-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: library\nVersion: {version}\n")


def of(project, name="recipe_filter"):
    closure.forget()
    return closure.digest([Code(name, str(project))])


def test_editing_each_file_in_turn_changes_what_runs_it(project):
    before, found = of(project), set()
    for name in FILES:
        path = project / name
        text = path.read_text()
        path.write_text(text + "\nEDITED = 1\n")
        if of(project) != before:
            found.add(name)
        path.write_text(text)
    assert found == COUNTED
    assert of(project) == before


def test_a_package_that_gives_names_lazily_counts_by_what_is_asked_of_it(project):
    (project / "package/__init__.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from package.definer import exported as exported\n    from package.other import not_asked_for as renamed\n"
    )
    for start, inside, outside in [
        ("from package import exported", "package.definer", "package.other"),
        ("from package import renamed", "package.other", "package.definer"),
        ("import package", "package.definer", None),
        ("import package", "package.other", None),
    ]:
        (project / "start.py").write_text(start)
        closure.forget()
        found = closure.contents((Code("start", str(project)),))
        assert inside in found and outside not in found, start
    closure.forget()


def test_the_names_that_our_packages_give_are_read_from_their_source():
    found = closure.exports("corpus")
    assert found["near_duplicates"] == [("corpus.dedup.near", "near_duplicates")] and "kernel_cache" not in found
    assert closure.exports("pipelines")["run_recipe"] == [("pipelines.run", "run")]
    assert {"corpus.dedup.near", "corpus.cleaning.c4"} <= closure.contents((Code("corpus"),)).keys()


def test_a_library_counts_by_its_version(project):
    before = of(project)
    install(project, "2.0")
    assert of(project) != before
    assert closure.contents((Code("recipe_filter", str(project)),))["library"] == "2.0"


def test_where_the_folder_lies_does_not_matter(project, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "copy"
    shutil.copytree(project, other)
    assert of(other) == of(project)


@pytest.mark.parametrize("before, after, same", [
    ("X = 1", "# why\nX = 1  # because", True),
    ("X = 1", '"""About."""\n\n\nX = 1\n"""What it is."""\n', True),
    ("def f():\n    return 1", 'def f():\n    """One."""\n\n    # one\n    return 1', True),
    ("class A:\n    x: int", 'class A:\n    """An A."""\n\n    x: int\n    """It\'s x."""', True),
    ("x = [1,\n2]", "x = [1,  # one\n\n2]", True),
    ("x = 1\r\n", "x = 1\n", True),
    ("x = '# a'", "x = '# b'", False),
    ('x = """\n# a\n"""', 'x = """\n# b\n"""', False),
    ('x = """\na\n"""', 'x = """\n\na\n"""', False),
    ("x = 'it\\'s # a'", "x = 'it\\'s # b'", False),
    ("x = r'\\' # a'", "x = r'\\' # b'", False),
    ("f(\n'a'\n)", "f(\n'b'\n)", False),
    ("x = 'é'; y = '# a'", "x = 'é'; y = '# b'", False),
    ('"""ä"""; y = 1', '"""ö"""; y = 1', True),
    ('"""ä"""; y = 1', '"""ä"""; y = 2', False),
    ("if x:\n    y = 1\nz = 1", "if x:\n    y = 1\n    z = 1", False),
    ("x = {'a': f'{1}#a'}", "x = {'a': f'{1}#b'}", False),
    ("this is no Python", "this is no  Python", False),
])  # fmt: skip
def test_remarks_do_not_count_and_all_else_does(tmp_path, before, after, same):
    (tmp_path / "mine.py").write_bytes(before.encode())
    first = of(tmp_path, "mine")
    (tmp_path / "mine.py").write_bytes(after.encode())
    assert (of(tmp_path, "mine") == first) is same


def test_a_module_of_no_distribution_counts_by_its_source(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("import from_the_path")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "from_the_path.py").write_text("import beside_it")
    (tmp_path / "elsewhere" / "beside_it.py").write_text("X = 1")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    before = of(tmp_path, "mine")
    (tmp_path / "elsewhere" / "beside_it.py").write_text("X = 2")
    assert of(tmp_path, "mine") != before
    (tmp_path / "mine.py").write_text("import not_installed_anywhere")
    assert closure.digest([Code("mine", str(tmp_path))])


# ------------------------------------------------------------------ this project


def map_modules():
    """Modules of ours that hold a map's function: one of (argument, outputs)."""
    found = set()
    for file in (ROOT / "pipelines").rglob("*.py"):
        for node in ast.parse(file.read_bytes()).body:
            if isinstance(node, ast.FunctionDef) and [each.arg for each in node.args.args] == ["argument", "outputs"]:
                found.add(".".join(file.relative_to(ROOT).with_suffix("").parts))
    return sorted(found)


FOLLOW = """
import builtins, importlib.util, json, sys
edges, plain = {}, builtins.__import__
def follow(name, globals=None, locals=None, fromlist=(), level=0):
    module = plain(name, globals, locals, fromlist, level)
    importer = (globals or {}).get("__name__", "")
    full = importlib.util.resolve_name("." * level + name, globals["__package__"]) if level else name
    edges.setdefault(importer, []).extend((full, each) for each in fromlist or [None])
    return module
builtins.__import__ = follow
for start in sys.argv[1:]:
    importlib.import_module(start)
for start in sys.argv[1:]:
    seen, waiting = set(), [start]
    while waiting:
        module = waiting.pop()
        if module.partition(".")[0] in ("corpus", "pipelines", "tokenizer_training") and module not in seen:
            seen.add(module)
            for target, name in edges.get(module, []):
                if not hasattr(sys.modules[target], "__path__") or name is None:
                    waiting.append(target)
                elif f"{target}.{name}" in sys.modules:
                    waiting.append(f"{target}.{name}")
                else:  # a name that a package exports: where its value says it is from
                    waiting.append(getattr(getattr(sys.modules[target], name), "__module__", target))
    print(json.dumps([start, sorted(seen)]))
"""


@pytest.fixture(scope="module")
def followed():
    command = [sys.executable, "-c", FOLLOW, *map_modules()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return dict(map(json.loads, done.stdout.splitlines()))


@pytest.mark.parametrize("module", map_modules())
def test_what_a_maps_function_imports_is_in_its_closure(followed, module):
    """Followed at run time from import to import, through the `__init__` of a package only to what is asked of it."""
    imported = set(followed[module])
    closed = closure.contents((Code(module),))
    assert len(imported) > 10
    assert imported - closed.keys() == set()


def test_libraries_that_lie_beside_us_where_we_are_installed_count_by_version(tmp_path, monkeypatch):
    shutil.copytree(
        ROOT / "corpus" / "text", tmp_path / "corpus" / "text", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("import something")
    expected = closure.contents((Code("corpus.text.spans"),))
    monkeypatch.setattr(closure, "ROOT", str(tmp_path))
    closure.forget()
    assert closure.contents((Code("corpus.text.spans"),)) == expected
    assert expected["numpy"] == __import__("numpy").__version__ and "corpus.text.leaf" in expected
    closure.forget()


def test_the_standard_library_alone_is_imported():
    code = (
        "import sys; before = set(sys.modules); from corpus import closure, kernel_cache; "
        "print({*sys.modules} - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    imported = {name.partition(".")[0] for name in ast.literal_eval(done.stdout)}
    assert imported - sys.stdlib_module_names == {"corpus"}


def test_a_source_is_parsed_once_whatever_asks_for_it(monkeypatch):
    """So that it takes little time: a tenth of a second for all of a run."""
    opened, parsed, parse = set(), [], ast.parse
    monkeypatch.setattr(closure, "open", lambda *given: opened.add(given[0]) or open(*given), raising=False)
    monkeypatch.setattr(ast, "parse", lambda data: parsed.append(data) or parse(data))
    modules = map_modules()
    closure.forget()
    parsed.clear()
    found = [closure.contents((Code(module),)) for module in modules]
    ours = {name for each in found for name in each if name.partition(".")[0] in closure.OWN}
    assert 60 < len(ours) <= len(parsed) == sum(path.endswith(".py") for path in opened)
