"""The device on which a worker searches: its processor, or its GPU by CuPy."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dasksom.errors import InputError

_PACKAGE = "cupy"


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
        raise InputError(
            f"device: 'cuda' cannot be used: {problem}; use cpu, or auto for a GPU only where there is one"
        )
    return module


@cache
def _cuda() -> tuple[Any, str]:
    """Return CuPy if it can use a GPU, else None and the reason."""
    if find_spec(_PACKAGE) is None:
        return None, "CuPy is not installed (pip install 'dasksom[cuda]')"
    try:
        cupy = import_module(_PACKAGE)
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # of the driver, the toolkit, or the package
        return (
            None,
            f"CuPy finds no working driver ({str(error).splitlines()[0] if str(error) else type(error).__name__})",
        )
    return (cupy, "") if count else (None, "this machine has no GPU")
