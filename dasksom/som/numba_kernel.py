"""Compilation of the inner loops, with a disk cache of compiled code.

Numba's own cache only detects changes of a kernel's file, not of the functions that it calls or imports. This cache is
valid as long as no source file in the folders with kernels changes. If neither the package nor the user's home is
writable, the cache is in the temporary folder, or disabled.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar, cast

from numba import njit
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE = Path(__file__).parents[1]
_ROOMS = ("som", "minisom")
"""Folders with kernels, which only call functions in these folders."""


@cache
def source_digest() -> str:
    """Return the SHA-256 of all source files in the folders with kernels."""
    digest = hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in (_PACKAGE / room).rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _cache_folder(sources: Path, chosen: str) -> Path | None:
    """Return the folder for the compiled code of a folder's modules; None if none is writable.

    Parameters
    ----------
    sources : Path
    chosen : str
        The user's choice (``NUMBA_CACHE_DIR``), or an empty text.
    """
    return next(filter(_is_writable, _cache_folders(sources, chosen)), None)


def _cache_folders(sources: Path, chosen: str) -> Iterator[Path]:
    """Yield folders for compiled code, best first."""
    name = f"{sources.name}-{hashlib.sha256(str(sources).encode()).hexdigest()[:16]}"
    if chosen:
        yield Path(chosen) / name
    yield sources / "__pycache__"
    with suppress(RuntimeError):  # a user without a home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dasksom" / name
    with suppress(OSError):  # no folder for temporary files
        yield Path(tempfile.gettempdir()) / f"dasksom-{os.getuid() if hasattr(os, 'getuid') else 'cache'}" / name


def _is_writable(folder: Path) -> bool:
    """Create a folder if necessary; return whether this user, and no other, can create files in it.

    Compiled code is unpickled, so a folder that others can write to is not safe.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        if folder.is_relative_to(tempfile.gettempdir()) and hasattr(os, "getuid"):
            for owned in (folder, folder.parent):
                state = owned.lstat()
                if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
                    return False
    except OSError:
        return False
    return True


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Locates the compiled code of a function, and determines whether it is stale."""

    def __init__(self, folder: Path, line: int) -> None:
        self._folder, self._line = folder, line

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Self | None:
        folder = _cache_folder(Path(py_file).absolute().parent, config.CACHE_DIR)
        return None if folder is None else cls(folder, py_func.__code__.co_firstlineno)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return source_digest()

    def get_disambiguator(self) -> str:
        return str(self._line)


class _CacheFiles(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's cache in our folder. Files that cannot be read or written are ignored."""

    _impl_class = _CacheFiles

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling damaged files may raise anything
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call, and cache the result on disk.

    The GIL is released, so that dask's threads run in parallel. Numba's threads are not used, because its default
    threading layer aborts if two dask threads start it. Sums are not reordered, so that results are bitwise
    reproducible.
    """
    dispatcher = njit(nogil=True)(function)
    if not config.DISABLE_JIT:
        with suppress(RuntimeError):  # no folder: each process compiles again
            dispatcher._cache = _KernelCache(function)
    return cast("Callable[P, R]", dispatcher)
