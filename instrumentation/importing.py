"""Run a function right after a module is first imported, so that no library is imported just to be instrumented."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec


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


class _Finder:
    """Finds its one module by asking the other finders, and wraps the loader.

    No heir of importlib's abstract classes, which bring tempfile, shutil and archives.
    """

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._name = name
        self._run = run

    def withdraw(self) -> None:
        """Stop watching."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> "ModuleSpec | None":
        """Find the module, as each member of `sys.meta_path` does; None if it is another."""
        if fullname != self._name:
            return None
        self.withdraw()
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._run)  # pyright: ignore[reportAttributeAccessIssue] no heir, see above
        return spec


class _Loader:
    """Loads by another loader, then runs a function."""

    def __init__(self, loader: "Loader", run: Callable[[], None]) -> None:
        self._loader = loader
        self._run = run

    def create_module(self, spec: "ModuleSpec") -> ModuleType | None:
        """Make the module that is to be filled; None: an ordinary one."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module, then run the function."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._run()
