"""Demonstrations, and the mosaic of photographs that one of them reads.

Public names are imported on first use, so that commands start quickly.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.demo.demonstrations import MOSAIC_SIDE, mosaic_demo, photograph_demo
    from dasksom.demo.synthetic_mosaic import mosaic_array, write_mosaic

__all__ = ["MOSAIC_SIDE", "mosaic_array", "mosaic_demo", "photograph_demo", "write_mosaic"]

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.demo.demonstrations": "MOSAIC_SIDE mosaic_demo photograph_demo",
        "dasksom.demo.synthetic_mosaic": "mosaic_array write_mosaic",
    },
)
