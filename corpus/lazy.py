"""What a package offers by name, imported when it is first asked for, so that importing the package costs nothing.

The names stand once, in the package's `__init__.py`, as imports for type checkers:

    if TYPE_CHECKING:
        from corpus.cleaning.length import Length as Length

    __all__, __getattr__, __dir__ = lazy.names(__name__)
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from corpus import closure


def names(package: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """(`__all__`, `__getattr__`, `__dir__`) of a package, from its own source."""
    homes = {name: home for name, [*_, home] in closure.exports(package).items()}
    offered = sorted(homes)

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        module, attribute = homes[name]
        value = importlib.import_module(module)
        value = value if attribute is None else getattr(value, attribute)
        setattr(sys.modules[package], name, value)
        return value

    return offered, load, lambda: sorted({*vars(sys.modules[package]), *offered})
