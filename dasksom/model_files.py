"""Read and write trained maps as .npz files, without pickle."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from dasksom.errors import InputError
from dasksom.som.codebook import Codebook
from dasksom.storage.embedded_checksums import seal_archive
from dasksom.storage.file_checks import read_object
from dasksom.storage.locations import is_remote
from dasksom.storage.npz import read_npz
from dasksom.storage.own_files import replace_file

MOST_MODEL_BYTES = 1 << 30
"""Largest codebook that is read from a file."""


def save_codebook(codebook: Codebook, path: str | Path) -> None:
    """Write the arrays of a codebook (`Codebook.to_arrays`), and a checksum of the file in its archive comment.

    Raises
    ------
    InputError
        If the name does not end in .npz, or its folder does not exist.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() != ".npz":
        raise InputError(f"{path}: a trained map is saved as .npz; give a name that ends so")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.absolute().parent}; create it first (mkdir -p)")
    file = BytesIO()
    np.savez(file, **codebook.to_arrays())  # type: ignore[arg-type]
    seal_archive(file)
    replace_file(path, file.getvalue())  # concurrent readers see the old file or the new one, never a mixture


def load_codebook(path: str | Path) -> Codebook:
    """Read a codebook that `save_codebook` wrote.

    Raises
    ------
    InputError
        If there is no such file, or it is not a codebook, or one of a newer format.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"{path}: no such model file; `dasksom train IMAGE {path.name}` writes one")
    return read_codebook(path, str(path))


def read_codebook(file: Path | BytesIO, name: str) -> Codebook:
    """Read a codebook from a file or its content, called `name` in errors; see `load_codebook`."""
    try:
        arrays = read_npz(file, MOST_MODEL_BYTES)
    except (OSError, ValueError, MemoryError) as error:
        raise InputError(f"{name}: not a dasksom model ({error}); `dasksom train` writes them") from error
    try:
        return Codebook.from_arrays(arrays)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def codebook_at(path: str | Path, storage: Mapping[str, Any] | None = None) -> Codebook:
    """Read a codebook from a path, or from a URL with the options of its store's file system.

    Raises
    ------
    InputError
        If the file is missing or not a model.
    """
    if not is_remote(path):
        return load_codebook(path)
    name, content = read_object(str(path), storage, MOST_MODEL_BYTES)
    return read_codebook(BytesIO(content), name)
