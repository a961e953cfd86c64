"""The viewer: a local page that shows an output next to its original, with deep zoom and the map.

`run_viewer` is loaded when it is first used, because its server needs tornado.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.view.class_session import ClassActions
    from dasksom.view.server import run_viewer

__all__ = ["ClassActions", "run_viewer"]

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.view.class_session": "ClassActions",
        "dasksom.view.server": "run_viewer",
    },
)
