"""Faster imports for the command line: skip libraries that dask and scikit-learn load but no command uses."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

_UNUSED = ("cupy", "pandas", "sparse", "xarray")
"""Packages that `dask.array` and `sklearn.base` import to recognize their arrays, if installed; no command has such."""
_POSTPONED = ("scipy.stats",)
"""Modules that `sklearn.base` imports at once and uses in a few functions only."""


class _PostponingFinder(MetaPathFinder):
    """Finds modules that are loaded when one of their names is first used."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in _POSTPONED else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Make imports of some packages fail, as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def own_process() -> None:
    """Declare that this process runs a command and nothing else; a library may not hide what its users installed."""
    sys.meta_path.insert(0, _PostponingFinder())


def import_quickly(*modules: str) -> None:
    """Import modules of dask and scikit-learn; in a process of a command, in a fourth of the usual time."""
    if not any(isinstance(finder, _PostponingFinder) for finder in sys.meta_path):
        return
    with _hidden(*_UNUSED):
        for module in modules:
            import_module(module)
