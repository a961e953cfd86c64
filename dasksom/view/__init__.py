"""A local page to look at an output and its original in a browser: deep zoom, both side by side, and the map."""

from dasksom.view.server import view

__all__ = ["view"]
