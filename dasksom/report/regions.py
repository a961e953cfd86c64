"""The regions of an image that are compared: a grid that covers it, or seeded tiles spread over it.

Each is read with a margin, so that the windows of SSIM reach over its edge as they do in the complete image.
"""

from dataclasses import dataclass

import numpy as np

TILES, TILE_SIDE = 24, 256
"""Number of tiles that represent a large image, and their pixels a side."""
REGION_SIDE = 1024
"""Pixels a side of the regions that cover an image: about 300 MB with all intermediate arrays."""
WINDOW = 7
"""Pixels a side of SSIM's windows, scikit-image's own."""
MARGIN = WINDOW // 2


@dataclass(frozen=True)
class ComparedRegion:
    """A region of an image to compare, and the region to read for it."""

    top: int
    left: int
    bottom: int
    right: int
    height: int
    """Of the image."""
    width: int
    """Of the image."""

    @property
    def read(self) -> tuple[slice, slice]:
        """Rows and columns with the margin, clipped to the image."""
        rows = slice(max(0, self.top - MARGIN), min(self.height, self.bottom + MARGIN))
        return rows, slice(max(0, self.left - MARGIN), min(self.width, self.right + MARGIN))

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the region within what is read."""
        rows, columns = self.read
        return (
            slice(self.top - rows.start, self.bottom - rows.start),
            slice(self.left - columns.start, self.right - columns.start),
        )


def covering(height: int, width: int, side: int = REGION_SIDE) -> list[ComparedRegion]:
    """Cut an image into regions, in row-major order."""
    return [
        ComparedRegion(top, left, min(top + side, height), min(left + side, width), height, width)
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def tiles(height: int, width: int, *, count: int = TILES, side: int = TILE_SIDE, seed: int = 0) -> list[ComparedRegion]:
    """Draw tiles, one at a seeded position in each cell of a grid, so that they are spread over the image."""
    down = min(max(1, round((count * height / width) ** 0.5)), count, height)
    across = min(max(1, count // down), width)
    draw = np.random.default_rng(seed)
    regions = []
    for row in range(down):
        for column in range(across):
            top, bottom = _position(height * row // down, height * (row + 1) // down, side, draw)
            left, right = _position(width * column // across, width * (column + 1) // across, side, draw)
            regions.append(ComparedRegion(top, left, bottom, right, height, width))
    return regions


def _position(start: int, end: int, side: int, draw: np.random.Generator) -> tuple[int, int]:
    """Draw the start and end of a tile within its cell."""
    size = min(side, end - start)
    first = int(draw.integers(start, end - size + 1))
    return first, first + size
