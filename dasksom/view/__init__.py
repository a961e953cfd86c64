"""A local page to look at an output and its original in a browser: deep zoom, both side by side, and the map.

Public names are imported when they are first used, so that commands start quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dasksom.view.server import view

__all__ = ["view"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.server"), name)
