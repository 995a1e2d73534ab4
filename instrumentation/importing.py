"""Run a function right after a module is first imported, so that no library is imported just to be instrumented."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from typing_extensions import override


def when_imported(name: str, run: Callable[[], None]) -> Callable[[], None]:
    """Call `run` once the module `name` has been imported: at once if it has been.

    Returns:
        A function that withdraws the wish if it has not come true.
    """
    module = sys.modules.get(name)
    # A module that is just being imported is in sys.modules, but half empty.
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        run()
        return lambda: None
    finder = _Finder(name, run)
    sys.meta_path.insert(0, finder)
    return finder.withdraw


class _Finder(MetaPathFinder):
    """Finds its one module by asking the other finders, and wraps the loader."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._name = name
        self._run = run

    def withdraw(self) -> None:
        """Stop watching."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        self.withdraw()
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._run)
        return spec


class _Loader(Loader):
    """Loads by another loader, then runs a function."""

    def __init__(self, loader: Loader, run: Callable[[], None]) -> None:
        self._loader = loader
        self._run = run

    @override
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    @override
    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._run()
