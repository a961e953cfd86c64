"""A folder of image files whose names give their row and column, as one image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise, product
from pathlib import Path

from dasksom.errors import InputError
from dasksom.image.mosaics.tiled_source import PlacedTile, Tiling, headers, open_tiles, tile_found
from dasksom.image.read_formats import FILE_OPENERS
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.protocol import Source
from dasksom.image.sources.selection import Selection
from dasksom.storage.local_paths import stamp_of
from dasksom.storage.locations import Location

_ROW, _COLUMN = {"r", "row", "y"}, {"c", "col", "column", "x"}
_NUMBER = re.compile(r"([A-Za-z]*)[ _=-]?(\d+)")
_HOW = (
    "a folder of tiles holds images of one suffix whose names give row and column and differ in nothing else, such as "
    "tile_r003_c012.tif, x3_y12.png or 003_012.png (row first)"
)


def tile_names(folder: Path) -> list[Path]:
    """Return the image files of a folder, of the suffix that most have."""
    suffixes: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        if path.suffix.lower() in FILE_OPENERS and not path.name.startswith(".") and path.is_file():
            suffixes.setdefault(path.suffix.lower(), []).append(path)
    most: list[Path] = max(suffixes.values(), key=len, default=[])
    return sorted(most)


def open_tile_folder(location: Location, selection: Selection) -> OpenedImage:
    """Open a folder of tiles; reads the header of each."""
    names = tile_names(location.local)
    grid = _grid(location, names)
    newest = max(stamp_of(path)[1] for path in names)
    total = sum(stamp_of(path)[0] for path in names)
    about = {"format": f"folder of {names[0].suffix.lower()} tiles", "grid": f"{len(grid)} rows of {len(grid[0])}"}
    return open_tiles(location, (len(names), total, newest), parse_folder, selection, about)


def parse_folder(location: Location) -> Tiling:
    """Find out where the tiles of a folder lie."""
    grid = _grid(location, tile_names(location.local))
    # what tiles lack, and whether all can be opened, is checked, or allowed, where the image is opened
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
    nodata = first.nodata if all(one.nodata == first.nodata for one in found.values()) else None
    return Tiling(shape, first.source.dtype, tiles, nodata=nodata, alpha=first.alpha)


def _side(tiles: Sequence[Path], sources: Mapping[Path, Source], axis: int) -> int:
    """Return the height of a row of tiles, or the width of a column, by the first one that can be opened."""
    for path in tiles:
        if path in sources:
            return sources[path].shape[axis]
    return tile_found(Location(str(tiles[0])), fill_missing=True, lenient=True).source.shape[
        axis
    ]  # which tells why not


def _grid(location: Location, names: Sequence[Path]) -> list[list[Path]]:
    """Return the files by row and column."""
    numbered = [_NUMBER.findall(path.stem) for path in names]
    if len(names) < 2 or len({len(parts) for parts in numbered}) != 1:
        raise _refusal(location, names, "no Zarr metadata in this directory, and no tiles either")
    differing = [at for at in range(len(numbered[0])) if len({parts[at][1] for parts in numbered}) > 1]
    if not 1 <= len(differing) <= 2:
        raise _refusal(location, names, f"{len(differing)} numbers differ in the names of its images")
    letters = [numbered[0][at][0].lower() for at in differing]
    rows, columns = _which(letters)
    places: dict[tuple[int, int], Path] = {}
    for path, parts in zip(names, numbered, strict=True):
        numbers = [int(parts[at][1]) for at in differing]
        place = (numbers[rows] if rows is not None else 0, numbers[columns] if columns is not None else 0)
        if place in places:
            raise _refusal(location, names, f"{path.name} and {places[place].name} have the same row and column")
        places[place] = path
    down, across = (_steps(location, sorted({place[axis] for place in places}), axis) for axis in (0, 1))
    missing = next(((i, j) for i in down for j in across if (i, j) not in places), None)
    if missing is not None:
        raise InputError(
            f"{location}: the tile of row {missing[0]} and column {missing[1]} is missing ({len(places)} of "
            f"{len(down)} x {len(across)} are there); copy it too, or write a GDAL .vrt of the tiles that there are"
        )
    return [[places[i, j] for j in across] for i in down]


def _which(letters: list[str]) -> tuple[int | None, int | None]:
    """Return which of the numbers is the row and which the column."""
    if len(letters) == 1:
        return (0, None) if letters[0] in _ROW else (None, 0)
    swapped = letters[0] in _COLUMN or letters[1] in _ROW
    return (1, 0) if swapped else (0, 1)


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
    return InputError(f"{location}: {why}; found {found}{', ...' if len(names) > 3 else ''}; {_HOW}")
