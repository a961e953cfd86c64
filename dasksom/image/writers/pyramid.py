"""The levels of a pyramid: their sizes, how they are stored, and which task writes what.

A level is half as high and as wide as the one before, rounded up. A task that has made a block of one level goes on to
the next ones as long as what it makes there is whole stored pieces, so that most levels cost no reading. What is left
is a small pass over the last level that was made, in larger blocks, and so on. No two tasks ever write to one piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil

Size = tuple[int, int]
"""Rows and columns, or y and x of a first pixel."""


@dataclass(frozen=True)
class LevelPlan:
    """One level."""

    size: Size
    """Height and width."""
    piece: Size
    """What one task writes at once, whole: a multiple of `chunk`; it may reach past the level's end."""
    chunk: Size
    """What is compressed at once."""


@dataclass(frozen=True)
class Stage:
    """Levels that are made in one pass."""

    first: int
    """The level whose blocks the pass's tasks start from."""
    last: int
    """The coarsest one that they make."""
    block: Size
    """Rows and columns of a block of the level `first`."""


@dataclass(frozen=True)
class PyramidPlan:
    """All levels, finest first; the first stage starts from the image's chunks and writes level 0 too."""

    levels: tuple[LevelPlan, ...]
    stages: tuple[Stage, ...]

    def corners(self, stage: Stage) -> list[Size]:
        """Return the first pixels of a stage's blocks, in row-major order."""
        height, width = self.levels[stage.first].size
        return list(product(range(0, height, stage.block[0]), range(0, width, stage.block[1])))

    def pieces(self, level: int) -> Iterator[tuple[Size, Size]]:
        """Yield first pixel and size of a level's pieces as they are written, in row-major order."""
        size, piece = self.levels[level].size, self.levels[level].piece
        for corner in product(range(0, size[0], piece[0]), range(0, size[1], piece[1])):
            yield corner, (min(piece[0], size[0] - corner[0]), min(piece[1], size[1] - corner[1]))


def plan_pyramid(size: Size, chunks: Size, tile: int, *, least: int, levels: int | None = None) -> PyramidPlan:
    """Plan the levels of an image down to one that fits a tile.

    Parameters
    ----------
    size : height and width of the image
    chunks : rows and columns of the image's chunks
    tile : wanted rows and columns of what is compressed at once, an even number
    least : smaller tiles that will do where `tile` would end the stage: `tile` itself, or half of it
    levels : at most so many; 1 is the image alone

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
    """Return the side of later stages' blocks: the one given times a power of two, about the pixels of a chunk."""
    while 4 * side * side <= chunks[0] * chunks[1]:
        side *= 2
    return side


def _level(size: Size, base: Size, block: Size, tiles: tuple[int, ...], steps: int = 0) -> LevelPlan | None:
    """Return a level that is made from blocks of a level of size `base`; None where no piece of a block is whole."""
    down, across = (_stored(size[axis], base[axis], block[axis], tiles, steps) for axis in (0, 1))
    if down is None or across is None:
        return None
    return LevelPlan(size, (down[0], across[0]), (down[1], across[1]))


def _stored(length: int, base: int, block: int, tiles: tuple[int, ...], steps: int) -> tuple[int, int] | None:
    if block >= base:  # one task makes all of it: it ends where it ends
        return ceil(length / tiles[0]) * tiles[0], tiles[0]
    for tile in tiles:
        if block % (tile << steps) == 0:
            return block >> steps, tile
    return None
