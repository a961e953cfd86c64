"""Read a folder of tiles, with row and column in their names, as one image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise, product
from pathlib import Path

from dasksom.errors import InputError
from dasksom.image.mosaics.tiled_source import PlacedTile, Tiling, headers, open_tile, open_tiles
from dasksom.image.read_formats import FILE_OPENERS
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.protocol import Source
from dasksom.image.sources.selection import Selection
from dasksom.storage.local_paths import stamp_of
from dasksom.storage.locations import Location

_ROW, _COLUMN = {"r", "row", "y"}, {"c", "col", "column", "x"}
_NUMBER = re.compile(r"([A-Za-z]*)([ _=-]?)(\d+)")
_ACCEPTED = (
    "the images of a mosaic have one suffix and names that give row and column and differ in nothing else, such as "
    "tile_r003_c012.tif or x3_y12.png; name them so, or write a GDAL .vrt"
)
TilePlace = tuple[int, int]
"""Row and column of a tile."""


def names_a_mosaic(folder: Path) -> bool:
    """Return whether the images in a folder are tiles of one image: their names differ only in row and column."""
    paths = tile_names(folder)
    return len(paths) > 1 and _places(paths) is not None


def tile_names(folder: Path) -> list[Path]:
    """Return the image files of a folder that have its most frequent suffix, sorted."""
    suffixes: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        if path.suffix.lower() in FILE_OPENERS and not path.name.startswith(".") and path.is_file():
            suffixes.setdefault(path.suffix.lower(), []).append(path)
    most: list[Path] = max(suffixes.values(), key=len, default=[])
    return sorted(most)


def open_tile_folder(location: Location, selection: Selection) -> OpenedImage:
    """Open a folder of tiles; read the header of each."""
    names = tile_names(location.local)
    grid = _grid(location, names)
    newest = max(stamp_of(path)[1] for path in names)
    total = sum(stamp_of(path)[0] for path in names)
    about = {"format": f"folder of {names[0].suffix.lower()} tiles", "grid": f"{len(grid)} rows of {len(grid[0])}"}
    return open_tiles(location, (len(names), total, newest), parse_folder, selection, about)


def parse_folder(location: Location) -> Tiling:
    """Determine the positions of the tiles of a folder."""
    grid = _grid(location, tile_names(location.local))
    # `open_tiles` checks (or allows) missing data and tiles that cannot be opened
    found = headers([Location(str(path)) for row in grid for path in row], fill_missing=True, lenient=True)
    sources = {path: found[Location(str(path))].source for row in grid for path in row if Location(str(path)) in found}
    heights = [_side(row, sources, 0) for row in grid]
    widths = [_side(column, sources, 1) for column in zip(*grid, strict=True)]
    first = next(iter(found.values()))
    for i, j in product(range(len(grid)), range(len(grid[0]))):
        source = sources.get(grid[i][j])
        if source is not None and source.shape != (heights[i], widths[j], first.source.shape[2]):
            raise InputError(
                f"{grid[i][j]}: has {source.shape[0]} x {source.shape[1]} pixels of {source.shape[2]} bands, "
                f"but its row and column of tiles have {heights[i]} x {widths[j]} of {first.source.shape[2]}; "
                "tiles must not overlap or leave gaps"
            )
    tops, lefts = list(accumulate(heights, initial=0)), list(accumulate(widths, initial=0))
    tiles = tuple(
        PlacedTile(Location(str(path)), tops[i], lefts[j], heights[i], widths[j])
        for i, row in enumerate(grid)
        for j, path in enumerate(row)
    )
    shape = tops[-1], lefts[-1], first.source.shape[2]
    for tile, opened in found.items():
        if opened.nodata != first.nodata and not (opened.nodata != opened.nodata and first.nodata != first.nodata):
            raise InputError(
                f"{tile}: has the no-data value {opened.nodata}, and other tiles {first.nodata}; give them one "
                "(GDAL: gdal_edit -a_nodata), or write a GDAL .vrt"
            )
    return Tiling(shape, first.source.dtype, tiles, nodata=first.nodata, alpha=first.alpha)


def _side(tiles: Sequence[Path], sources: Mapping[Path, Source], axis: int) -> int:
    """Return the height of a row of tiles, or the width of a column, from the first tile that can be opened."""
    for path in tiles:
        if path in sources:
            return sources[path].shape[axis]
    return open_tile(Location(str(tiles[0])), fill_missing=True, lenient=True).source.shape[axis]  # raises the error


def _places(paths: Sequence[Path]) -> list[TilePlace] | None:
    """Return row and column of each file; None if a name lacks them, or names differ in anything else."""
    places, others = [], set()
    for path in paths:
        numbers = list(_NUMBER.finditer(path.stem))
        rows = [number for number in numbers if number[1].lower() in _ROW]
        columns = [number for number in numbers if number[1].lower() in _COLUMN]
        if len(rows) != 1 or len(columns) != 1:
            return None
        places.append((int(rows[0][3]), int(columns[0][3])))
        first, last = sorted((rows[0], columns[0]), key=lambda number: number.start())
        others.add((path.stem[: first.start(3)], path.stem[first.end() : last.start(3)], path.stem[last.end() :]))
    return places if len(others) == 1 else None


def _grid(location: Location, paths: Sequence[Path]) -> list[list[Path]]:
    """Return the files as a grid: a list of rows."""
    places = _places(paths)
    if len(paths) < 2 or places is None:
        raise _refusal(location, paths, "no Zarr metadata in this directory, and no tiles of one image either")
    by_place: dict[TilePlace, Path] = {}
    for path, place in zip(paths, places, strict=True):
        if place in by_place:
            raise _refusal(location, paths, f"{path.name} and {by_place[place].name} have the same row and column")
        by_place[place] = path
    down, across = (_steps(location, sorted({place[axis] for place in places}), axis) for axis in (0, 1))
    missing = next(((i, j) for i in down for j in across if (i, j) not in by_place), None)
    if missing is not None:
        raise InputError(
            f"{location}: the tile of row {missing[0]} and column {missing[1]} is missing ({len(by_place)} of "
            f"{len(down)} x {len(across)} are there); copy it too, or write a GDAL .vrt of the tiles that there are"
        )
    return [[by_place[i, j] for j in across] for i in down]


def _steps(location: Location, numbers: list[int], axis: int) -> list[int]:
    steps = {after - before for before, after in pairwise(numbers)}
    if len(steps) > 1:
        shown = ", ".join(map(str, numbers[:20]))
        raise InputError(
            f"{location}: {('rows', 'columns')[axis]} of its tiles are {shown}: some are missing in between; copy them "
            "too, or write a GDAL .vrt of the tiles that there are"
        )
    return numbers


def _refusal(location: Location, names: Sequence[Path], why: str) -> InputError:
    found = ", ".join(path.name for path in names[:3]) or "no images"
    return InputError(f"{location}: {why}; found {found}{', ...' if len(names) > 3 else ''}; {_ACCEPTED}")
