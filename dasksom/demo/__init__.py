"""Demonstrations, and the mosaic of photographs that one of them reads.

Public names are imported on first use, so that commands start quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dasksom.demo.demonstrations import MOSAIC_SIDE, mosaic_demo, photograph_demo

__all__ = ["MOSAIC_SIDE", "mosaic_demo", "photograph_demo"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.demonstrations"), name)
