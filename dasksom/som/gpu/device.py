"""The device on which a process searches: its processor, or its GPU by CuPy; and the memory of GPUs."""

import logging
import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import DeviceMemoryError, InputError
from dasksom.som.unit_sums import BLOCK_SAMPLES

logger = logging.getLogger(__name__)
DEVICE_LOCK = RLock()
"""Held during work on the device: of the threads of a process one uses the GPU, while the others read."""
MOST_PIECE_BYTES = 1 << 30
"""Largest piece of work on a device: enough for all of its cores."""
_LEAST_PIECE_BYTES = 64 << 20
"""Memory for a piece if the module reports none: NumPy in tests."""
_FREE_SHARE = 0.5
"""Share of a device's free memory that a piece takes."""
_PACKAGE = "cupy"
_OUT_OF_MEMORY = ("cudaErrorMemoryAllocation", "CUBLAS_STATUS_ALLOC_FAILED")


def array_module(device: str) -> Any:
    """Return the module of the arrays of a device; None for the processor.

    Parameters
    ----------
    device : str
        One of ``dasksom.som.choices.DEVICES``; "auto" is a GPU if this process has one that CuPy can use.

    Raises
    ------
    InputError
        If the device is "cuda" and this process cannot use one.
    """
    if device == "cpu":
        return None
    module, problem = _cuda()
    if device == "cuda" and module is None:
        raise InputError(f"device 'cuda': {problem}; or use 'auto', which searches on the processor where needed")
    return module


@cache
def _cuda() -> tuple[Any, str]:
    """Return CuPy if it can use a GPU; else None, and the reason with the way out."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):  # before the import, which takes a second
        return None, "CUDA_VISIBLE_DEVICES hides all GPUs from this process; set it to one, or unset it"
    if find_spec(_PACKAGE) is None:
        return None, "CuPy is not installed; run pip install 'dasksom[cuda]'"
    try:
        cupy = import_module(_PACKAGE)
        count = cupy.cuda.runtime.getDeviceCount()
        if count and not _multiplies_exactly(cupy):
            return None, "CuPy multiplies float32 with fewer digits (TF32); unset CUPY_TF32"
    except Exception as error:  # of the driver, the toolkit, or the package
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return None, f"CuPy cannot use a GPU here ({reason}); install an NVIDIA driver and 'dasksom[cuda]'"
    return (cupy, "") if count else (None, "this machine has no NVIDIA GPU; run on one that has")


def _multiplies_exactly(xp: Any) -> bool:
    """Return whether products of float32 matrices keep all 24 bits, as the bound of the filter requires."""
    values = (1 + np.arange(64 * 64, dtype=np.float32) * np.float32(2.0**-23)).reshape(64, 64)
    return bool((to_host(xp.asarray(values) @ xp.asarray(np.eye(64, dtype=np.float32))) == values).all())


def to_host(array: Any) -> NDArray[Any]:
    """Return a device's array as one of NumPy."""
    return np.asarray(array.get() if hasattr(array, "get") else array)


def piece_bytes(xp: Any) -> int:
    """Return the memory for a piece of work: half of what is free on the device, and at most 1 GiB."""
    if not hasattr(xp, "cuda"):
        return _LEAST_PIECE_BYTES
    free = xp.cuda.Device().mem_info[0] + xp.get_default_memory_pool().free_bytes()
    return min(int(free * _FREE_SHARE), MOST_PIECE_BYTES)


def gpu_bytes(units: int, bands: int) -> tuple[int, int]:
    """Return the least memory of a GPU with which a codebook is searched, and the most that is used.

    CUDA takes some hundred MiB more for itself.
    """
    codebook = 28 * units * bands
    least = max(search_bytes(units, bands), sums_bytes(units, bands))
    return codebook + least, codebook + max(least, MOST_PIECE_BYTES)


def search_bytes(units: int, bands: int) -> int:
    """Return the memory for the search of a sample: totals, their comparison, and conversions of the sample."""
    return 10 * units + 40 * bands


def sums_bytes(units: int, bands: int) -> int:
    """Return the memory for the sums of a block: its units' sums twice, and its samples in several orders."""
    return (bands + 4) * (16 * units + 40 * BLOCK_SAMPLES)


def work_in_pieces(xp: Any, work: Callable[[slice], None], count: int, rows: int, least: int = 1) -> None:
    """Work on `count` samples in pieces; a piece for which a device's memory is too small is halved.

    Parameters
    ----------
    xp : module
        numpy, cupy, or another with the same interface.
    work : callable (slice) -> None
        Works on some of the samples; a call that fails must change nothing.
    count : int
    rows : int
        Samples of the first piece.
    least : int
        Samples of the smallest piece; pieces are multiples of it.

    Raises
    ------
    DeviceMemoryError
        If the smallest piece does not fit.
    """
    begin, rows = 0, max(rows // least, 1) * least
    while begin < count:
        failure = ""
        try:
            work(slice(begin, begin + rows))
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            failure = " ".join(str(error).split())[:200]  # the error itself would keep arrays alive
        if not failure:
            begin += rows
            continue
        if rows <= least:
            raise DeviceMemoryError(
                f"device: the memory of the GPU is too small for {least} samples ({failure}); end other programs on "
                "it, use fewer units, or search on the processor (--device cpu)"
            )
        rows = max(min(rows, -(-(count - begin) // least) * least) // least // 2, 1) * least
        if hasattr(xp, "get_default_memory_pool"):
            xp.get_default_memory_pool().free_all_blocks()
        logger.warning("the GPU is out of memory; continuing with %d samples at once", rows)


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether an array module reports that memory is missing; CuPy's own error is a MemoryError."""
    return isinstance(error, MemoryError) or any(name in str(error) for name in _OUT_OF_MEMORY)
