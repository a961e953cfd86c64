"""Read mosaics: many adjacent or overlapping files as one image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from os.path import commonpath, realpath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.metadata.geo_tags import crs_name, georeference
from dasksom.image.read_formats import open_file
from dasksom.image.sources.header_cache import HeaderCache
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.protocol import PixelWindow, Tag, shown_window
from dasksom.image.sources.selection import Selection
from dasksom.storage.locations import Location, Member

_MOST_CELLS = 1 << 24
_HEADERS_AT_ONCE = 8


@dataclass(frozen=True)
class PlacedTile:
    """A rectangle of one file, and its position in the complete image."""

    location: Location
    y: int
    x: int
    height: int
    width: int
    top: int = 0
    """First row in the file."""
    left: int = 0
    """First column in the file."""
    bands: tuple[tuple[int, int], ...] = ()
    """(band of the image, band of the file); empty: all bands, in the same order."""
    nodata: float | None = None
    """Pixels of this value are transparent: they show the tile below."""


@dataclass(frozen=True, eq=False)
class Tiling:
    """Positions of tiles; later tiles cover earlier ones."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    tiles: tuple[PlacedTile, ...]
    fill: float = 0
    """Value of pixels that no tile covers."""
    nodata: float | None = None
    nodata_problem: str | None = None
    alpha: int | None = None
    geo_tags: tuple[Tag, ...] = ()
    unused_georeference: str | None = None
    """Note for users if a georeference cannot be represented."""
    band_names: tuple[str, ...] = ()
    scale: str = ""
    """Scales and offsets, as text for users."""

    @cached_property
    def _bounds(self) -> NDArray[np.int64]:
        return np.array([(t.y, t.y + t.height, t.x, t.x + t.width) for t in self.tiles], np.int64).reshape(-1, 4)

    def touching(self, rows: range, columns: range) -> Iterator[PlacedTile]:
        """Yield the tiles that intersect a window."""
        top, bottom, left, right = self._bounds.T
        hits = (top < rows.stop) & (bottom > rows.start) & (left < columns.stop) & (right > columns.start)
        return (self.tiles[number] for number in np.flatnonzero(hits))

    def has_gaps(self) -> bool:
        """Return whether there are pixels that no tile covers."""
        ys = np.unique(np.append(self._bounds[:, :2], (0, self.shape[0])))
        xs = np.unique(np.append(self._bounds[:, 2:], (0, self.shape[1])))
        if len(ys) * len(xs) > _MOST_CELLS:
            return False  # too irregular to check
        covered = np.zeros((len(ys) - 1, len(xs) - 1), bool)
        for top, bottom, left, right in self._bounds:
            covered[slice(*np.searchsorted(ys, (top, bottom))), slice(*np.searchsorted(xs, (left, right)))] = True
        return not covered.all()


Parser = Callable[[Location], Tiling]


@dataclass(frozen=True)
class TiledSource(NumpyIndexing):
    """Many files read as one image; each process parses their positions once."""

    location: Location
    stamp: tuple[Any, ...]
    parse: Parser
    fill_missing: bool
    lenient: bool
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    storage_chunks: tuple[int, int]

    @property
    def identity(self) -> tuple[Any, ...]:
        """Path, and a stamp of the version of the files."""
        return "tiles", self.location.name, self.stamp

    def members(self) -> Iterator[Member]:
        """Yield the file that declares the positions, and the files of each tile."""
        if not self.location.local.is_dir():
            yield self.location.member()
        tiles = tiling_of(self.parse, self.location, self.stamp).tiles
        for location in sorted({tile.location for tile in tiles}, key=str):
            try:
                yield from open_tile(location, self.fill_missing, self.lenient).source.members()
            except InputError:  # tiles that cannot be opened may be skipped
                yield location.member()

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; see `Source`."""
        try:
            return self._read(window)
        except InputError as error:
            raise InputError(f"{self.location}: {shown_window(window)}: {error}") from error.__cause__

    def _read(self, window: PixelWindow) -> NDArray[Any]:
        tiling = tiling_of(self.parse, self.location, self.stamp)
        rows, columns, bands = (range(length)[part] for part, length in zip(window, self.shape, strict=True))
        out = np.full((len(rows), len(columns), len(bands)), tiling.fill, self.dtype)
        for tile in tiling.touching(rows, columns):
            top, bottom = max(rows.start, tile.y), min(rows.stop, tile.y + tile.height)
            left, right = max(columns.start, tile.x), min(columns.stop, tile.x + tile.width)
            inside = (
                slice(top - tile.y + tile.top, bottom - tile.y + tile.top),
                slice(left - tile.x + tile.left, right - tile.x + tile.left),
            )
            source = open_tile(tile.location, self.fill_missing, self.lenient).source
            pixels = source.read((*inside, slice(0, source.shape[2])))
            target = out[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
            for band, stored in tile.bands or [(band, band) for band in range(self.shape[2])]:
                if band not in bands:
                    continue
                plane, place = pixels[:, :, stored], target[:, :, band - bands.start]
                place[...] = plane if tile.nodata is None else np.where(_is_nodata(plane, tile.nodata), place, plane)
        return out


def _is_nodata(plane: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    is_nodata: NDArray[np.bool_] = np.isnan(plane) if nodata != nodata else plane == nodata
    return is_nodata


def tiling_of(parse: Parser, location: Location, stamp: tuple[Any, ...]) -> Tiling:
    """Return the positions of the tiles, parsed once per process and version."""
    return _tilings.get((parse, location, stamp), lambda: parse(location))


def open_tile(location: Location, fill_missing: bool, lenient: bool) -> OpenedImage:
    """Open a tile, once per process."""
    selection = Selection(fill_missing=fill_missing, lenient=lenient)
    return _tiles.get((location, fill_missing, lenient), lambda: open_file(location, selection))


_tilings: HeaderCache[Tiling] = HeaderCache(4)
_tiles: HeaderCache[OpenedImage] = HeaderCache(1 << 14)


def headers(locations: list[Location], fill_missing: bool, lenient: bool) -> dict[Location, OpenedImage]:
    """Open files in parallel; if lenient, omit those that cannot be opened."""

    def opened(location: Location) -> OpenedImage | None:
        try:
            return open_tile(location, fill_missing, lenient)
        except InputError:
            if not lenient:
                raise
            return None

    with ThreadPoolExecutor(_HEADERS_AT_ONCE) as pool:
        found = zip(locations, pool.map(opened, locations), strict=True)
        return {location: one for location, one in found if one is not None}


def _check_inside(location: Location, tiling: Tiling) -> None:
    """Refuse a mosaic that refers to files outside of its folder: one from an untrusted source could read any file."""
    folder = realpath(location.path if location.local.is_dir() else location.local.parent)
    outside = next(
        (t.location for t in tiling.tiles if commonpath((folder, realpath(t.location.path))) != folder), None
    )
    if outside is not None:
        raise InputError(
            f"{location}: takes pixels of {outside}, outside of its own folder; if the mosaic is yours, say "
            "--allow-outside (in Python allow_outside=True)"
        )


def _changed_on_reading(opened: OpenedImage) -> str | None:
    """Return why the pixels that are read differ from the stored ones; None if they are equal."""
    if "palette" in opened.about or opened.about.get("colors") in ("P", "PA"):
        return "indices into a palette"
    if "gray levels" in opened.about or opened.about.get("colors") == "1":
        return "gray levels of few bits, or with 0 as white"
    return "rows and columns that its orientation turns" if opened.orientation != 1 else None


def _check_tiles(
    location: Location, tiling: Tiling, readable: Sequence[PlacedTile], found: Mapping[Location, OpenedImage]
) -> None:
    """Refuse tiles of another dtype, smaller than declared, or with masks or palettes of their own."""
    for tile in readable:
        source = found[tile.location].source
        most = max((stored for _, stored in tile.bands), default=tiling.shape[2] - 1)
        if source.dtype != tiling.dtype or most >= source.shape[2]:
            raise InputError(
                f"{location}: {tile.location} has {source.shape[2]} bands of {source.dtype}, but "
                f"{most + 1} of {tiling.dtype} are needed; convert the tiles to one type"
            )
        if found[tile.location].masks:
            raise InputError(
                f"{location}: {tile.location} has a mask of its own, which a mosaic leaves out; make one file of them "
                "first (GDAL: gdal_translate -co TILED=YES IN.vrt OUT.tif), or give one mask with --mask"
            )
        changed = _changed_on_reading(found[tile.location])
        if tile.bands and changed is not None:
            raise InputError(
                f"{location}: {tile.location} holds {changed}, which a .vrt takes as they are stored; make one file of "
                "them first (GDAL: gdal_translate -co TILED=YES IN.vrt OUT.tif)"
            )
        if tile.top + tile.height > source.shape[0] or tile.left + tile.width > source.shape[1]:
            raise InputError(
                f"{location}: {tile.location} has {source.shape[0]} x {source.shape[1]} pixels, fewer than "
                f"are taken from it; is it an older version?"
            )


def open_tiles(
    location: Location, stamp: tuple[Any, ...], parse: Parser, selection: Selection, about: dict[str, str]
) -> OpenedImage:
    """Open an image of many files; read the header of each.

    Raises
    ------
    InputError
        A tile is missing, of another dtype, or smaller than declared; or there are gaps but no no-data value.
    """
    for name in ("component", "series", "level", "axes", "select"):
        if getattr(selection, name):
            raise InputError(f"{location}: --{name} is for single files; leave it out for an image of many")
    tiling = tiling_of(parse, location, stamp)
    if not selection.allow_outside:
        _check_inside(location, tiling)
    names = sorted({tile.location for tile in tiling.tiles}, key=str)
    found = headers(names, selection.fill_missing, selection.lenient)
    readable = [tile for tile in tiling.tiles if tile.location in found]
    if not readable:
        raise InputError(f"{location}: none of its {len(names)} tiles can be opened; is {names[0]} an image?")
    _check_tiles(location, tiling, readable, found)
    if tiling.has_gaps() and tiling.nodata is None and tiling.nodata_problem is None and not selection.fill_missing:
        raise InputError(
            f"{location}: its tiles leave gaps, and it has no no-data value; say --fill-missing to take the gaps for "
            "0, and --nodata 0 if pixels of 0 are not to count"
        )
    first = found[readable[0].location].source
    source = TiledSource(
        location=location,
        stamp=stamp,
        parse=parse,
        fill_missing=selection.fill_missing,
        lenient=selection.lenient,
        shape=tiling.shape,
        dtype=tiling.dtype,
        storage_chunks=(min(first.storage_chunks[0], tiling.shape[0]), min(first.storage_chunks[1], tiling.shape[1])),
    )
    about = {**about, "tiles": str(len(names))}
    if place := crs_name(tiling.geo_tags) or tiling.unused_georeference:
        about["place on earth"] = place
    if way := georeference(tiling.geo_tags):
        about["georeference"] = way
    if tiling.scale:
        about["scale and offset"] = f"{tiling.scale}; not applied: values are as stored"
    return OpenedImage(
        source=source,
        nodata=tiling.nodata,
        nodata_problem=tiling.nodata_problem,
        alpha=tiling.alpha,
        geo_tags=tiling.geo_tags,
        band_names=tiling.band_names,
        about=about,
    )
