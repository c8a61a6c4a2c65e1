"""What a module runs: the closure of its imports, found by reading source and never by importing, and hashed.

The identity of tasks (`pipelines.engine.tasks.code_fingerprint`) and the key of compiled kernels
(`corpus.kernel_cache`) both come from here, so that nothing is listed by hand. What counts:

    our own modules     by their source, without comments, docstrings and blank lines
    a user's modules    the same: those in the folder that is named, and what else is of no installed distribution
    libraries           by installed version
    data files          beside a module and named in it, by their bytes
    standard library    not at all

Imports inside functions count, those under `if TYPE_CHECKING` do not. `from package import name` counts the submodule
of that name if there is one; where the package's `__init__` only re-exports the name, the module that it is from; the
`__init__` itself where it defines the name, or nobody can say who does; what `import package` gives lazily
(`corpus.lazy`) counts all. `from module import name` counts all of the
module. What is imported by a string (`importlib.import_module`) is not seen: who does that says so in a method
`code` (`NamesCode`). Imports nothing but the standard library.
"""

from __future__ import annotations

import ast
import functools
import gc
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OWN = ("corpus", "tokenizer_training", "pipelines")
"""Our packages, which lie in ROOT."""
STAR = "*"


class Code(NamedTuple):
    """A module, or a library, by the name under which it is imported. Modules of a user are looked for in `folder`."""

    name: str
    folder: str = ""


@runtime_checkable
class NamesCode(Protocol):
    """What a configuration may have: code that only it can know of, for example what an option or a user names."""

    def code(self) -> tuple[Code, ...]:
        """Further code that decides what is done."""


class Source(NamedTuple):
    """What a file of source says. `imports` and `exports` are pairs (module, name), the name None for the module as
    a whole; `exports` are those of its top level, TYPE_CHECKING included, by the names that they get; `defines` are the
    names that its top level makes itself; `stars` the modules of which it takes all; `typed` are those of the
    exports that only type checkers import."""

    digest: str
    imports: tuple[tuple[str, str | None], ...]
    exports: dict[str, list[tuple[str, str | None]]]
    defines: frozenset[str]
    stars: tuple[str, ...]
    typed: frozenset[str] = frozenset()


def digest(start: Iterable[Code]) -> str:
    """Hex digest of everything that these modules run."""
    total = hashlib.blake2b(digest_size=16)
    for name, content in sorted(contents(tuple(start)).items()):
        total.update(f"{name}\0{content}\0".encode())
    return total.hexdigest()


@functools.cache
def contents(start: tuple[Code, ...]) -> dict[str, str]:
    """The closure: the digest of each module's source, the version of each library. Source is read once a process."""
    collects = gc.isenabled()
    gc.disable()  # nothing here is garbage, and looking for it takes as long as the rest
    try:
        return _closure(start)
    finally:
        if collects:
            gc.enable()


def exports(package: str) -> dict[str, list[tuple[str, str | None]]]:
    """The names that one of our packages imports for type checkers only, each with (module, name in it): what
    `corpus.lazy` gives to whoever asks."""
    file = _file(package, ROOT)
    source = _read(file or "", package)
    return {name: pairs for name, pairs in source.exports.items() if name in source.typed}


def forget() -> None:
    """Read all source anew from now on."""
    for function in (contents, _file, _version, _distributions, _folder, _parsed):
        function.cache_clear()


def look_again() -> None:
    """Read source that has changed anew; what lies with us, and libraries, change in no process."""
    contents.cache_clear()
    _file.cache_clear()


def _closure(start: tuple[Code, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting: list[tuple[str, str | None, str]] = [(name, None, folder) for name, folder in start]
    seen = set(waiting)
    while waiting:
        module, name, folder = waiting.pop()
        new = [(*pair, folder) for pair in _visit(module, name, folder, found)]
        waiting += [each for each in dict.fromkeys(new) if each not in seen]
        seen.update(new)
    return found


def _visit(module: str, name: str | None, folder: str, found: dict[str, str]) -> Iterator[tuple[str, str | None]]:
    """Enter what counts of a module, or of a name in it, into `found`; what is to be visited for it."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return
    folder, version = _place(module, top, folder)
    file = _file(module, folder)
    if file is None:
        found[top] = version
        return
    source = _read(file, module)
    if name is not None and (os.path.isdir(file) or os.path.basename(file) == "__init__.py"):
        parts = list(_exported(module, name, folder, source))
        if parts:
            yield from parts
            return
    found[module] = source.digest
    yield from source.imports
    if name is None and os.path.basename(file) == "__init__.py":  # `import package`: what it gives when it is asked
        yield from (pair for bound in sorted(source.typed) for pair in source.exports[bound])


def _place(module: str, top: str, folder: str) -> tuple[str, str]:
    """(The folder of a module's source, or "", the version of the library that it is from)."""
    if top in OWN:
        return ROOT, ""
    file = _file(module, folder)
    if file and os.path.isfile(file):
        return folder, ""
    version = _version(top)  # a folder is a package only where there is nothing else
    return ("", version) if version else (folder if file else _folder(top), "")


def _exported(module: str, name: str, folder: str, source: Source) -> Iterator[tuple[str, str | None]]:
    """Where a name of a package is from; nothing if it is from the package's own `__init__`, as far as can be seen."""
    if name in source.defines:
        return
    if _file(f"{module}.{name}", folder):
        yield f"{module}.{name}", None
    yield from source.exports.get(name, ())
    for star in source.stars:
        file = _file(star, folder)
        if file and (name in (other := _read(file, star)).defines or name in other.exports):
            yield star, name


@functools.cache
def _file(module: str, folder: str) -> str | None:
    """The source of a module in a folder; the directory of a package that has no `__init__.py`."""
    if not folder:
        return None
    path = os.path.join(folder, *module.split("."))
    for file in (os.path.join(path, "__init__.py"), path + ".py"):
        if os.path.isfile(file):
            return file
    return path if os.path.isdir(path) else None


@functools.cache
def _version(top: str) -> str:
    """Version of the installed library that is imported under a name; "" if it is of no distribution, or not there."""
    import importlib.metadata

    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        distributions = _distributions().get(top, ()) if _folder(top).endswith("-packages") else ()
    return " ".join(f"{each} {importlib.metadata.version(each)}" for each in sorted(set(distributions)))


@functools.cache
def _distributions() -> dict[str, list[str]]:
    """Slow; only for a library whose distribution has another name."""
    import importlib.metadata

    return dict(importlib.metadata.packages_distributions())


@functools.cache
def _folder(top: str) -> str:
    """The folder on the path in which a module without a distribution lies, "" if it is nowhere."""
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ""
    if found is None:
        return ""
    if found.submodule_search_locations:
        return os.path.dirname(list(found.submodule_search_locations)[0])
    return os.path.dirname(found.origin or "") if found.has_location else ""


# ------------------------------------------------------------------ one file


def _read(file: str, module: str) -> Source:
    """See `Source`; of what is not Python only the bytes count."""
    if not os.path.isfile(file):
        return Source("", (), {}, frozenset(), ())
    if file.startswith(ROOT + os.sep):
        return _parsed(file, module)
    return _parsed.__wrapped__(file, module)


@functools.cache
def _parsed(file: str, module: str) -> Source:
    """`_read` of a file; ours are read once a process."""
    with open(file, "rb") as opened:
        data = opened.read().replace(b"\r\n", b"\n") + b"\n"
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return Source(_hash([data]), (), {}, frozenset(), ())
    package = module if os.path.basename(file) == "__init__.py" else module.rpartition(".")[0]
    statements = _statements(tree.body)
    imported = [(each, *found) for each in statements for found in _imported(each.node, package)]
    exports: dict[str, list[tuple[str, str | None]]] = {}
    for each, bound, pair in imported:
        if each.top and bound:
            exports.setdefault(bound, []).append(pair)
    code = _without_remarks(data, [each.node for each in statements])
    return Source(
        _hash([code, *_data_files(code, os.path.dirname(file))]),
        tuple(dict.fromkeys(pair for each, _, pair in imported if not each.typing)),
        exports,
        frozenset(name for each in statements if each.top for name in _defined(each.node)),
        tuple(pair[0] for each, bound, pair in imported if each.top and bound == STAR),
        frozenset(bound for each, bound, _ in imported if each.top and each.typing and bound),
    )


def _hash(parts: list[bytes]) -> str:
    total = hashlib.blake2b(digest_size=16)
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()


class Statement(NamedTuple):
    """A statement, whether it is in no function or class, and whether it is for type checkers only."""

    node: ast.stmt
    top: bool
    typing: bool


def _statements(body: list[ast.stmt]) -> list[Statement]:
    """All statements of a module, those within others too, in any order."""
    found: list[Statement] = []
    waiting = [(body, True, False)]
    while waiting:
        body, top, typing = waiting.pop()
        for node in body:
            found.append(Statement(node, top, typing))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                waiting.append((node.body, False, typing))
            elif isinstance(node, ast.If):
                checking = "TYPE_CHECKING" in (getattr(node.test, "id", ""), getattr(node.test, "attr", ""))
                waiting += [(node.body, top, typing or checking), (node.orelse, top, typing)]
            elif not isinstance(node, (ast.Expr, ast.Assign, ast.Return)):  # which are most, and hold none
                parts = (node, *getattr(node, "handlers", ()), *getattr(node, "cases", ()))
                fields = ("body", "orelse", "finalbody")
                waiting += [(getattr(each, field, []), top, typing) for each in parts for field in fields]
    return found


def _imported(node: ast.stmt, package: str) -> Iterator[tuple[str | None, tuple[str, str | None]]]:
    """What a statement imports, each with the name it is bound to (None for a package on the way)."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name, (alias.name, None)
            while not alias.asname and "." in alias.name:  # `import a.b` gives `a`, and all that is in it
                alias = ast.alias(alias.name.rpartition(".")[0])
                yield alias.name if "." not in alias.name else None, (alias.name, None)
    elif isinstance(node, ast.ImportFrom):
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            yield (STAR, (module, None)) if alias.name == STAR else (alias.asname or alias.name, (module, alias.name))


def _defined(node: ast.stmt) -> Iterator[str]:
    """The names that a statement makes: functions, classes, what it assigns to."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


_STRINGS_AND_GAPS = re.compile(
    rb'("""(?:[^"\\]|\\.|"(?!""))*"""'
    + rb"|'''(?:[^'\\]|\\.|'(?!''))*'''"
    + rb'|"(?:[^"\\\n]|\\.)*"'
    + rb"|'(?:[^'\\\n]|\\.)*')"
    rb"|(\n)(?:[ \t]*(?:\#[^\n]*)?\n)*|[ \t]+(?=[#\n])|\#[^\n]*",
    re.DOTALL,
)
"""A string; a line end, with the lines that say nothing after it; what precedes a line end and says nothing."""


def _without_remarks(data: bytes, statements: list[ast.stmt]) -> bytes:
    """Source without docstrings (any statement that is only a string), comments, blank lines and space at line ends."""
    remarks = [
        node for node in statements
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]  # fmt: skip
    lines = data.split(b"\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    kept, end = [], 0
    for node in sorted(remarks, key=lambda node: node.lineno):
        assert node.end_lineno is not None and node.end_col_offset is not None  # as the parser made it
        kept.append(data[end : starts[node.lineno - 1] + node.col_offset])
        end = starts[node.end_lineno - 1] + node.end_col_offset
    return _STRINGS_AND_GAPS.sub(lambda match: match[1] or match[2] or b"", b"".join([b"\n", *kept, data[end:]]))


def _data_files(code: bytes, folder: str) -> Iterator[bytes]:
    """Contents of the files beside a module, or in a folder beside it, that are named in it."""
    for name in sorted(set(re.findall(rb"[\"'](\w[\w./-]*\.\w+)[\"']", code))):
        path = os.path.join(folder, name.decode())
        if os.path.isfile(path):
            with open(path, "rb") as file:
                yield file.read()
