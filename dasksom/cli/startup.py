"""Faster imports for the command line: skip libraries that dask.array imports if they are installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module

_UNUSED = ("cupy", "jinja2", "pandas", "scipy", "scipy.fftpack", "scipy.sparse", "sparse", "xarray")
"""Packages of which dask.array registers the arrays and Fourier transforms, or draws HTML; no command needs that."""


class _Process:
    """Whether this process runs a command and nothing else: a library may not hide what its users installed."""

    is_command = False


def own_process() -> None:
    """Declare that this process runs a command and nothing else."""
    _Process.is_command = True


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


def import_numba() -> None:
    """Import the functions of NumPy that Numba compiles, without scipy.linalg: no kernel uses BLAS."""
    with _hidden(*(("scipy.linalg", "scipy.linalg.cython_blas") if _Process.is_command else ())), suppress(ImportError):
        import_module("numba.np.arraymath")


def import_dask_array() -> None:
    """Import dask.array; in a process of a command, in less than half of the usual time."""
    with _hidden(*_UNUSED if _Process.is_command else ()):
        import_module("dask.array")
