"""Functions whose modules are imported when they are called, for tables of which a run needs one entry."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def deferred(home: str) -> Callable[..., Any]:
    """Return a function that imports another one on its first call, and calls it.

    Parameters
    ----------
    home : str
        Module and function, such as ``dasksom.image.tiff.source:open_tiff``.
    """
    module, name = home.split(":")

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **options)

    call.__name__ = call.__qualname__ = name
    return call
