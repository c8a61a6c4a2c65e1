"""Whether what this process has imported of a user's code is what the files say now.

`closure` hashes files. A module that is edited after it was imported goes on running as it was, while its file has
another hash: a run would take for done what nobody did. Imports nothing but the standard library.
"""

from __future__ import annotations

import ast
import collections
import contextlib
import importlib.machinery
import inspect
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from corpus import closure
from corpus.closure import Code


def changed_since_import(start: Iterable[Code]) -> list[str]:
    """Files of a user's modules in the closure that this process has imported, and that say something else now: what
    runs here is not what their source is hashed as. Sees functions, and constants of the module."""
    found = []
    for name in closure.contents(tuple(start)):
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None) or ""
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        ours = name.partition(".")[0] in closure.OWN or "-packages" in file
        # a loader of another kind, such as pytest's, may have made something else of the source
        if module and not ours and type(loader) is importlib.machinery.SourceFileLoader:
            found += [] if _is_as_imported(module, file) else [file]
    return found


def _is_as_imported(module: types.ModuleType, file: str) -> bool:
    try:
        with open(file, "rb") as opened:
            data = opened.read()
        waiting: list[types.CodeType] = [compile(data, file, "exec", dont_inherit=True)]
        written: set[types.CodeType] = set()
        while waiting:
            inner = [each for each in waiting.pop().co_consts if isinstance(each, types.CodeType)]
            waiting += inner
            written.update(inner)
        constants = _constants(ast.parse(data))
    except (OSError, SyntaxError, ValueError):
        return False
    same = all(repr(vars(module)[name]) == repr(value) for name, value in constants.items() if name in vars(module))
    return same and written.issuperset(_functions(module, file))


def _constants(tree: ast.Module) -> dict[str, object]:
    """Names to which the top level gives a plain value, and nobody another; but for values that stand for "not yet"."""
    nodes = list(ast.walk(tree))
    bound = collections.Counter(
        each.id for each in nodes if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    )
    bound.update(name for each in nodes if isinstance(each, ast.Global) for name in each.names)
    found: dict[str, object] = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(target, ast.Name) and node.value:
            with contextlib.suppress(ValueError, TypeError):
                value = ast.literal_eval(node.value)
                if bound[target.id] == 1 and type(value) in (str, bytes, int, float, tuple):
                    found[target.id] = value
    return found


def _functions(module: types.ModuleType, file: str) -> Iterator[types.CodeType]:
    """The code of the functions that a file defines, those of classes too."""
    waiting: list[Any] = [*vars(module).values()]
    seen: set[type] = set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, property):
            waiting += [value.fget, value.fset]
        elif isinstance(value, type) and value.__module__ == module.__name__ and value not in seen:
            seen.add(value)
            waiting += vars(value).values()
        with contextlib.suppress(Exception):  # whatever a module holds; what is no function has no code
            value = inspect.unwrap(value)  # staticmethod, functools.wraps, what numba compiles
        if isinstance(value, types.FunctionType) and value.__code__.co_filename == file:
            yield value.__code__
