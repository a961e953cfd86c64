"""Read arrays from an untrusted NumPy archive: no pickle, bounded memory."""

from __future__ import annotations

import zipfile
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ENTRIES = 1 << 16
_MOST_HEADER = 10_000
"""Maximum characters of an array's header; NumPy writes fewer than 200 for plain types."""


def read_npz(file: Path | BytesIO, most: int) -> dict[str, NDArray[Any]]:
    """Read all arrays of an archive, by name.

    Parameters
    ----------
    file : path, or content
    most : maximum total size in bytes after decompression

    Raises
    ------
    ValueError
        Not a NumPy archive, holds anything but numeric arrays, or exceeds `most`.
    OSError
        The file cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if total > most or len(entries) > MOST_ENTRIES:
                raise ValueError(f"{len(entries)} entries of {total} bytes in all; at most {most} bytes are read")
            return {_array_name(entry): _array(archive, entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, zipfile.LargeZipFile) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    except ImportError as error:  # compression method not supported by this Python
        raise ValueError(str(error)) from error


def _array_name(entry: zipfile.ZipInfo) -> str:
    name = entry.filename.removesuffix(".npy")
    if name == entry.filename or not name.isidentifier():
        raise ValueError(f"an entry called {entry.filename[:60]!r}, which is no array")
    return name


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(entry) as stored:
        content = bytearray(stored.read(entry.file_size))  # otherwise the array would be read-only
    file = BytesIO(content)
    version = np.lib.format.read_magic(file)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if reader is None:
        raise ValueError(f"{entry.filename}: an array of format {version}; (1, 0) and (2, 0) are read")
    shape, fortran, dtype = reader(file, max_header_size=_MOST_HEADER)
    if dtype.kind not in "biuf":
        raise ValueError(f"{entry.filename}: an array of {dtype}; integers and floating point numbers are read")
    # NumPy would allocate what the header declares before checking the size of the data
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"{entry.filename}: says that it has the shape {shape}, but holds {len(content)} bytes")
    flat = np.frombuffer(content, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C")
