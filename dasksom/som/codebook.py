"""The trained map itself: the vectors of its units, on disk without pickle."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.samples import LARGEST
from dasksom.storage.embedded_checksums import seal_archive
from dasksom.storage.npz import read_npz

FORMAT = 1
"""Version of the file; raised when an older dasksom could not read a newer file."""
MOST_BYTES = 1 << 30
"""Largest codebook that is read from a file."""


@dataclass(frozen=True, eq=False)
class Codebook:
    """The vectors of a map's units; neither they nor what is said of them can be changed."""

    weights: NDArray[np.float64]
    """Shape (rows, columns, bands), float64, read-only, in the units of the image."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """How it was trained: JSON values by name."""

    def __post_init__(self) -> None:
        weights = np.array(self.weights, np.float64)
        if weights.ndim != 3 or 0 in weights.shape:
            raise InputError(f"a codebook has the shape (rows, columns, bands), none of them 0; got {weights.shape}")
        if not (np.abs(weights) <= LARGEST).all():
            raise InputError(f"a codebook holds finite numbers up to {LARGEST:g} only; this one holds others")
        weights.flags.writeable = False
        object.__setattr__(self, "weights", weights)

    @property
    def units(self) -> NDArray[np.float64]:
        """The vectors one after the other, row by row of the map: shape (units, bands)."""
        return self.weights.reshape(-1, self.weights.shape[2])

    @property
    def dtype(self) -> str | None:
        """Name of the type of the image that it was trained on; None if that is not told."""
        told = self.about.get("dtype")
        return told if isinstance(told, str) else None

    def palette(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Give the vectors in an image's type, shape (units, bands); rounded and clipped to an integer type's range."""
        if not np.issubdtype(dtype, np.integer):
            return self.units.astype(dtype)
        limits = np.iinfo(dtype)
        rounded = np.rint(self.units)
        # float64 cannot hold the largest 64-bit integers; the next lower float64 can be converted
        highest = np.float64(limits.max) if limits.bits < 64 else np.nextafter(np.float64(limits.max), 0)
        return np.clip(rounded, limits.min, highest).astype(dtype)

    def save(self, path: str | Path) -> None:
        """Write an npz of plain arrays: `weights`, and `about` as JSON text in UTF-8 bytes.

        Raises
        ------
        InputError
            If the name does not end in .npz, or its folder is not there.
        """
        path = Path(path).expanduser()
        if path.suffix.lower() != ".npz":
            raise InputError(f"{path}: a trained map is saved as .npz; give a name that ends so")
        if not path.absolute().parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.absolute().parent}; create it first (mkdir -p)")
        about = json.dumps({"format": FORMAT, **self.about}, sort_keys=True).encode()
        temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                np.savez(file, weights=self.weights, about=np.frombuffer(about, np.uint8))
            seal_archive(temporary)
            os.replace(temporary, path)  # whoever reads meanwhile finds the old file or the new one, whole
        finally:
            temporary.unlink(missing_ok=True)


def load_codebook(path: str | Path) -> Codebook:
    """Read a codebook that `Codebook.save` wrote.

    Raises
    ------
    InputError
        If there is no such file, or it is not a codebook, or one of a newer format.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"{path}: no such model file; `dasksom train IMAGE {path.name}` writes one")
    return read_codebook(path, str(path))


def read_codebook(file: Path | BytesIO, path: str) -> Codebook:
    """Read a codebook from a file or its content; `path` is what to call it in errors. See `load_codebook`."""
    try:
        arrays = read_npz(file, MOST_BYTES)
        weights, about = arrays["weights"], json.loads(arrays["about"].tobytes())
        version = about.pop("format")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: not a dasksom model ({error}); `dasksom train` writes them") from error
    if version != FORMAT:
        raise InputError(f"{path}: a model of format {version}; this dasksom reads format {FORMAT}")
    if weights.dtype.kind != "f":
        raise InputError(f"{path}: the weights are {weights.dtype}, not floating point")
    try:
        return Codebook(weights, about)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
