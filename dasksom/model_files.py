"""Read and write trained maps as .npz files, without pickle; and read those that outputs hold."""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom import image as image_files
from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.som.codebook import Codebook
from dasksom.storage.embedded_checksums import seal_archive
from dasksom.storage.file_checks import read_object
from dasksom.storage.locations import is_remote
from dasksom.storage.npz import read_npz
from dasksom.storage.own_files import replace_file

_OUTPUTS = (".zarr", ".tif", ".tiff")
_PALETTES = (".act", ".clr", ".gpl", ".png", ".txt")
_read_palette: "Callable[..., NDArray[np.uint8]]" = deferred("dasksom.image.palette_readers:read_palette")
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
    # concurrent readers see the old file or the new one, no mixture
    replace_file(path, encode_codebook(codebook), is_ours=lambda head: head.startswith(b"PK\x03\x04"))


def encode_codebook(codebook: Codebook) -> bytes:
    """Return the content of a model file."""
    file = BytesIO()
    np.savez(file, **codebook.to_arrays())  # type: ignore[arg-type]
    seal_archive(file)
    return file.getvalue()


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
    """Read a codebook from a model, an output of a run, or a palette; from a URL, with the options of its store.

    A palette is a map of one row whose units have its colors.

    Raises
    ------
    InputError
        If the file is missing, or none of these.
    """
    if not is_remote(path):
        name = str(path).lower()
        if name.endswith(_PALETTES):
            return Codebook(_read_palette(path)[np.newaxis].astype(np.float64), {"dtype": "uint8"})
        return codebook_of_output(path) if name.endswith(_OUTPUTS) else load_codebook(path)
    name, content = read_object(str(path), storage, MOST_MODEL_BYTES)
    return read_codebook(BytesIO(content), name)


def codebook_of_output(path: str | Path) -> Codebook:
    """Read the codebook of the map that made an output.

    Raises
    ------
    InputError
        If it is not an output that can be read.
    """
    with image_files.open_result(path) as result:
        if result.model:
            return read_codebook(BytesIO(result.model), str(path))
        # of an older version: its palette is the map, rounded to the dtype of the image
        parameters = result.about.get("parameters", {})
        units, bands = result.palette.shape
        rows = parameters.get("rows") if isinstance(parameters, dict) else None
        if not isinstance(rows, int) or rows < 1 or units % rows:
            raise InputError(f"{path}: does not record the size of its map; give the model (.npz)")
        weights = result.palette.reshape(rows, units // rows, bands).astype(np.float64)
        return Codebook(weights, {**result.about, "dtype": str(result.palette.dtype)})


def compared_units(result: image_files.QuantizedImage) -> NDArray[Any]:
    """Return the units of an output as its map compares them: in its features if the output holds the map and has some.

    Returns
    -------
    array of shape (units, features) or, without features, (units, bands)
    """
    try:
        features = read_codebook(BytesIO(result.model), result.path).feature_weights if result.model else None
    except InputError:
        features = None  # a damaged copy of the map: its palette is still known
    matches = features is not None and features.shape[0] * features.shape[1] == len(result.palette)
    return features.reshape(len(result.palette), -1) if features is not None and matches else result.palette
