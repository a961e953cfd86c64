"""The parts of an image that are compared: a grid that covers all of it, or seeded tiles spread over it.

Each is read with a margin, so that the windows of SSIM reach over its edge as they do in the whole image.
"""

from dataclasses import dataclass

import numpy as np

TILES, TILE_SIDE = 24, 256
"""How many tiles of how many pixels a side stand for a larger image."""
REGION_SIDE = 1024
"""Pixels a side of the regions that cover an image: about 300 MB in the several forms that colors take."""
WINDOW = 7
"""Pixels a side of SSIM's windows, scikit-image's own."""
MARGIN = WINDOW // 2


@dataclass(frozen=True)
class Region:
    """A part of an image to compare, and the part to read for it."""

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
        """Rows and columns with the margin, as far as the image reaches."""
        rows = slice(max(0, self.top - MARGIN), min(self.height, self.bottom + MARGIN))
        return rows, slice(max(0, self.left - MARGIN), min(self.width, self.right + MARGIN))

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where the region itself lies in what is read."""
        rows, columns = self.read
        return (
            slice(self.top - rows.start, self.bottom - rows.start),
            slice(self.left - columns.start, self.right - columns.start),
        )


def covering(height: int, width: int, side: int = REGION_SIDE) -> list[Region]:
    """Cut an image into regions, in row-major order."""
    return [
        Region(top, left, min(top + side, height), min(left + side, width), height, width)
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def tiles(height: int, width: int, *, count: int = TILES, side: int = TILE_SIDE, seed: int = 0) -> list[Region]:
    """Draw tiles, one at a seeded place in each cell of a grid, so that they are spread over the image."""
    down = min(max(1, round((count * height / width) ** 0.5)), count, height)
    across = min(max(1, count // down), width)
    draw = np.random.default_rng(seed)
    regions = []
    for row in range(down):
        for column in range(across):
            top, bottom = _place(height * row // down, height * (row + 1) // down, side, draw)
            left, right = _place(width * column // across, width * (column + 1) // across, side, draw)
            regions.append(Region(top, left, bottom, right, height, width))
    return regions


def _place(start: int, end: int, side: int, draw: np.random.Generator) -> tuple[int, int]:
    """Draw where a tile begins and ends between the ends of its cell."""
    size = min(side, end - start)
    first = int(draw.integers(start, end - size + 1))
    return first, first + size
