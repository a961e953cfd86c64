"""Plan the levels of a pyramid: their sizes, their storage, and the task that writes each piece.

Each level has half the height and width of the previous one, rounded up. A task that has made a block of one level
continues with coarser levels as long as its blocks are complete stored pieces, so most levels need no reading. The
remaining levels are made in further stages, each from the last level of the previous stage, in larger blocks. No two
tasks write to the same piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil

Size = tuple[int, int]
"""(rows, columns), or (y, x) of a first pixel."""


@dataclass(frozen=True)
class LevelPlan:
    """Size and storage of one level."""

    size: Size
    """Height and width."""
    piece: Size
    """Rows and columns that one task writes completely: a multiple of `chunk`; may exceed the level's end."""
    chunk: Size
    """Rows and columns of the unit of compression."""


@dataclass(frozen=True)
class Stage:
    """Levels that are made in one pass."""

    first: int
    """The level from whose blocks the tasks start."""
    last: int
    """The coarsest level that the tasks make."""
    block: Size
    """Rows and columns of a block of level `first`."""


@dataclass(frozen=True)
class PyramidPlan:
    """All levels, finest first; the first stage starts from the image's chunks and also writes level 0."""

    levels: tuple[LevelPlan, ...]
    stages: tuple[Stage, ...]

    def corners(self, stage: Stage) -> list[Size]:
        """Return the first pixels of a stage's blocks, in row-major order."""
        height, width = self.levels[stage.first].size
        return list(product(range(0, height, stage.block[0]), range(0, width, stage.block[1])))

    def pieces(self, level: int) -> Iterator[tuple[Size, Size]]:
        """Yield first pixel and size of each piece of a level, in row-major order."""
        size, piece = self.levels[level].size, self.levels[level].piece
        for corner in product(range(0, size[0], piece[0]), range(0, size[1], piece[1])):
            yield corner, (min(piece[0], size[0] - corner[0]), min(piece[1], size[1] - corner[1]))


def plan_pyramid(size: Size, chunks: Size, tile: int, *, least: int, levels: int | None = None) -> PyramidPlan:
    """Plan the levels of an image, down to a level that fits in one tile.

    Parameters
    ----------
    size : height and width of the image
    chunks : rows and columns of the image's chunks
    tile : wanted side of the unit of compression, an even number
    least : accepted side where `tile` would end the stage: `tile` itself, or half of it
    levels : maximum number of levels; 1: only the image

    Examples
    --------
    >>> pyramid = plan_pyramid((10_000, 20_000), (4096, 4096), 512, least=512)
    >>> [level.size for level in pyramid.levels]
    [(10000, 20000), (5000, 10000), (2500, 5000), (1250, 2500), (625, 1250), (313, 625), (157, 313)]
    >>> [(stage.first, stage.last, stage.block) for stage in pyramid.stages]
    [(0, 3, (4096, 4096)), (3, 6, (4096, 4096))]
    """
    finest = _level(size, size, chunks, (tile,))
    if finest is None:
        raise ValueError(f"internal error: chunks of {chunks} are no multiples of {tile}")
    made = [finest]
    stages: list[Stage] = []
    block, side = chunks, _side(chunks, 2 * least)
    while True:
        first = len(made) - 1
        while max(made[-1].size) > tile and (levels is None or len(made) < levels):
            steps = len(made) - first
            size = ceil(made[-1].size[0] / 2), ceil(made[-1].size[1] / 2)
            found = _level(size, made[first].size, block, (tile, least), steps)
            if found is None:
                break
            made.append(found)
        stages.append(Stage(first, len(made) - 1, block))
        if max(made[-1].size) <= tile or len(made) == levels:
            return PyramidPlan(tuple(made), tuple(stages))
        block = side, side


def _side(chunks: Size, side: int) -> int:
    """Return the block side of later stages: `side` times a power of two, with about as many pixels as a chunk."""
    while 4 * side * side <= chunks[0] * chunks[1]:
        side *= 2
    return side


def _level(size: Size, base: Size, block: Size, tiles: tuple[int, ...], steps: int = 0) -> LevelPlan | None:
    """Return a level made from blocks of a level of size `base`; None if blocks do not consist of complete pieces."""
    down, across = (_stored(size[axis], base[axis], block[axis], tiles, steps) for axis in (0, 1))
    if down is None or across is None:
        return None
    return LevelPlan(size, (down[0], across[0]), (down[1], across[1]))


def _stored(length: int, base: int, block: int, tiles: tuple[int, ...], steps: int) -> tuple[int, int] | None:
    if block >= base:  # one task makes all of it, so any length is possible
        return ceil(length / tiles[0]) * tiles[0], tiles[0]
    for tile in tiles:
        if block % (tile << steps) == 0:
            return block >> steps, tile
    return None
