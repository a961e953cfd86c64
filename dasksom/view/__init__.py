"""The viewer: a local page that shows an output next to its original, with deep zoom and the map.

`run_viewer` is loaded when it is first used, because its server needs tornado.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dasksom.view.server import run_viewer

__all__ = ["run_viewer"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("dasksom.view.server"), name)
    raise AttributeError(f"module 'dasksom.view' has no attribute {name!r}")
