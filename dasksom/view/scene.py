"""The content of a viewer: an output's labels and colors, its map, and the image that it was made of."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image import Picture, QuantizedImage, open_picture
from dasksom.model_files import compared_units
from dasksom.provenance.original_image import CHUNK_BYTES, UNKNOWN_LATTICE, Original, lattice_of_output
from dasksom.provenance.run_record import RunRecord
from dasksom.redaction import printable
from dasksom.show.colors import Palette, hexadecimal
from dasksom.som.lattice import Lattice
from dasksom.som.u_matrix import u_matrix
from dasksom.view.band_views import BandViews, opaque
from dasksom.view.cache import Block, BlockCache
from dasksom.view.layers import VIEW_TILE, Layer
from dasksom.view.levels import ImageLevel, levels_of

if TYPE_CHECKING:
    import dask.array as da

_CACHE_BYTES = 128 << 20
"""Capacity for decoded blocks of all layers together."""
_MOST_LEVELS = 32
_OVERVIEW_THREADS = 2


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that a viewer's server answers from."""

    result: QuantizedImage
    lattice: Lattice
    views: BandViews
    """Views of vectors, of the palette and of the original, as colors."""
    labels: Layer
    """Its tiles hold unit + 1, and 0 where there is no data."""
    shares: NDArray[np.float64] | None
    """Share of the pixels of each unit, 0 to 1; None where the output does not record it."""
    about: dict[str, Any]
    """Metadata for the page, as JSON."""
    background: ThreadPoolExecutor
    """Reads overviews."""

    @classmethod
    def of(cls, result: QuantizedImage, given: str | None) -> "Scene":
        """Assemble the scene of an output.

        Parameters
        ----------
        result : QuantizedImage
            Must stay open as long as the scene is used.
        given : str, optional
            Path of the original; by default the one that the output names.

        Raises
        ------
        InputError
            If the given original cannot be read, or is not of the output's size.
        """
        record = RunRecord.read(result.about.get("run", {})) or RunRecord()
        original, notes = Original.find(given, record), []
        levels = _original_levels(original, result, given is not None)
        if not levels:
            notes.append(original.missing or f"{original.path} is not of the size of the output any more.")
        lattice = lattice_of_output(result)
        if lattice is None:
            lattice = Lattice(1, len(result.palette))
            notes.append(UNKNOWN_LATTICE)
        cache = BlockCache(_CACHE_BYTES)
        views = BandViews(result, levels, cache)
        numbers = np.min_scalar_type(len(result.palette)).newbyteorder("<")

        def units(block: Block) -> NDArray[Any]:
            return np.asarray((result.units_of(block[0]) + 1).astype(numbers))

        labels = Layer("labels", levels_of([(level,) for level in result.labels]), cache, units)
        shares = _shares(record, len(result.palette))
        about = {
            **_about(result, lattice, shares),
            **views.view().about(result.palette),
            "notes": [printable(note) for note in notes],
            "bytes": numbers.itemsize,
        }
        about["original"] = printable(original.path or "") if levels else None
        names = result.band_names or (original.picture.band_names if original.picture else ())
        about["names"] = [printable(name) for name in names]
        pool = ThreadPoolExecutor(_OVERVIEW_THREADS, thread_name_prefix="overview")
        return cls(result, lattice, views, labels, shares, about, pool)

    @property
    def shades(self) -> Palette:
        """The view of vectors that is shown first."""
        return self.views.view().shades

    @property
    def original(self) -> Layer | None:
        """The original in that view."""
        return self.views.view().original

    def unit(self, number: int) -> dict[str, Any]:
        """Return a unit's position, share, values and color as JSON; the number must exist."""
        values = self.result.palette[number]
        row, column = divmod(number, self.lattice.columns)
        share = None if self.shares is None else float(self.shares[number])
        known = {"unit": number, "row": row, "column": column, "share": share}
        return {**known, "values": _plain(values), "color": hexadecimal(self.shades.colors(values))}

    def pixel(self, row: int, column: int) -> dict[str, Any]:
        """Return a pixel's unit and original values as JSON."""
        number = int(self.result.units_of(self.labels.take(0, np.array([row]), np.array([column]))[0][0, 0]))
        pixel: dict[str, Any] = {"x": column, "y": row, "unit": None if number < 0 else self.unit(number)}
        if self.original is not None:
            block = self.original.take(0, np.array([row]), np.array([column]))
            values = block[0][0, 0]
            color = opaque(self.shades, *block).ravel()
            has_data = bool(color[3])
            shown = hexadecimal(color[:3] / 255) if has_data else None
            pixel["original"] = {"values": _plain(values), "color": shown}
        return pixel

    def progress(self) -> dict[str, float]:
        """Return the share of each started overview that has been read, 0 to 1."""
        layers = [self.labels] if self.original is None else [self.labels, self.original]
        overviews = {layer.name: layer.overview for layer in layers}
        return {name: view.share for name, view in overviews.items() if view is not None and view.started}

    def close(self) -> None:
        """Stop reading overviews."""
        self.background.shutdown(wait=True, cancel_futures=True)


def _plain(values: NDArray[Any]) -> list[float | None]:
    """Return numbers as JSON; NaN and infinity are null."""
    return [float(value) if np.isfinite(value) else None for value in np.asarray(values).astype(np.float64)]


def _original_levels(original: Original, result: QuantizedImage, insist: bool) -> list[ImageLevel]:
    picture = original.picture
    if picture is None:
        return []
    height, width, bands = picture.pixels.shape
    if (height, width) != result.shape or bands != result.palette.shape[1]:
        if not insist:
            return []
        down, across = result.shape
        raise InputError(
            f"{original.path}: has {width} x {height} pixels and {bands} bands, but {result.path} was made of an "
            f"image of {across} x {down} pixels and {result.palette.shape[1]} bands; give that image with --original"
        )
    pictures = [picture]
    first = original.opening.get("level")
    for number in range(int(str(first or 0)) + 1, _MOST_LEVELS):
        coarser = _level(original, number)
        if coarser is None or max(coarser.pixels.shape[:2]) >= max(pictures[-1].pixels.shape[:2]):
            break
        if coarser.pixels.shape[2] != bands or (coarser.mask is None) != (picture.mask is None):
            break
        pictures.append(coarser)
    return levels_of([_arrays(level) for level in pictures])


def _level(original: Original, number: int) -> Picture | None:
    try:
        return open_picture(original.path, chunk_bytes=CHUNK_BYTES, **{**original.opening, "level": number})
    except InputError:
        return None


def _arrays(picture: Picture) -> "tuple[da.Array, ...]":
    return (picture.pixels,) if picture.mask is None else (picture.pixels, picture.mask)


def _shares(record: RunRecord, units: int) -> NDArray[np.float64] | None:
    quality = record.quality
    if quality is None or len(quality.hits) != units or sum(quality.hits) <= 0:
        return None
    return np.array(quality.hits) / sum(quality.hits)


def _about(result: QuantizedImage, lattice: Lattice, shares: NDArray[np.float64] | None) -> dict[str, Any]:
    height, width = result.shape
    steps = 0
    while max(height, width) > VIEW_TILE << steps:
        steps += 1
    distances = u_matrix(compared_units(result).reshape(lattice.rows, lattice.columns, -1), lattice).ravel()
    return {
        "title": printable(Path(result.path).name),
        "output": printable(result.path),
        "height": height,
        "width": width,
        "tile": VIEW_TILE,
        "steps": steps,
        "bands": result.palette.shape[1],
        "dtype": str(result.palette.dtype),
        "rows": lattice.rows,
        "columns": lattice.columns,
        "hexagonal": lattice.topology == "hexagonal",
        "places": lattice.positions().round(6).tolist(),
        "distances": distances.tolist(),
        "shares": None if shares is None else shares.tolist(),
    }
