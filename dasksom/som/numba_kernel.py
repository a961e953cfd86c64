"""Compilation of the inner loops, and the cache of compiled code on disk.

Numba's own cache is valid as long as the file of a kernel does not change, whatever the kernel calls or imports. Here
it is valid as long as no source file of the rooms with kernels changes. Where neither the package nor the user's home
can be written to, the cache is in the temporary folder, or there is none.
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
"""Folders with kernels; these call nothing outside of them."""


@cache
def source_digest() -> str:
    """Return the SHA-256 of all source files in the rooms with kernels."""
    digest = hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in (_PACKAGE / room).rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _cache_folders(source: Path) -> Iterator[Path]:
    """List folders for compiled code, best first."""
    name = f"{source.parent.name}-{hashlib.sha256(str(source.parent).encode()).hexdigest()[:16]}"
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR) / name
    yield source.parent / "__pycache__"
    with suppress(RuntimeError):  # a user without a home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dasksom" / name
    with suppress(OSError):  # no folder for temporary files
        yield Path(tempfile.gettempdir()) / f"dasksom-{os.getuid() if hasattr(os, 'getuid') else 'cache'}" / name


@cache
def _is_writable(folder: Path) -> bool:
    """Create a folder if need be; return whether files can be created in it by this user, and by no other.

    Compiled code is unpickled, so that a folder in which others can write is not safe.
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
    """Where the compiled code of a function is kept, and what makes it stale."""

    def __init__(self, folder: Path, line: int) -> None:
        self._folder, self._line = folder, line

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Self | None:
        folder = next(filter(_is_writable, _cache_folders(Path(py_file).absolute())), None)
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
    """Numba's cache in our place. Files that cannot be read or written are as good as none."""

    _impl_class = _CacheFiles

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling damaged files raises
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call, and keep the result on disk for the next process.

    The GIL is released, so that dask's threads run side by side; Numba's own threads are left alone, because its
    default threading layer aborts when two of dask's threads start it; and no reordering of sums is allowed, so that
    results repeat bit for bit.
    """
    dispatcher = njit(nogil=True)(function)
    if not config.DISABLE_JIT:
        with suppress(RuntimeError):  # no folder: compiled anew by each process
            dispatcher._cache = _KernelCache(function)
    return cast("Callable[P, R]", dispatcher)
