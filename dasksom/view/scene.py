"""What a viewer shows: an output's labels and colors, its map, and the image that it was made of."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image import Picture, QuantizedImage, open_picture
from dasksom.provenance.original_image import CHUNK_BYTES, UNKNOWN_LATTICE, Original, lattice_of_output
from dasksom.provenance.run_record import RunRecord
from dasksom.show.colors import Palette, hexadecimal
from dasksom.som.lattice import Lattice
from dasksom.som.u_matrix import u_matrix
from dasksom.view.cache import Block, BlockCache
from dasksom.view.layers import TILE, Layer
from dasksom.view.levels import Level, levels_of

CACHE_BYTES = 128 << 20
"""Of decoded blocks, of all layers together."""
MOST_LEVELS = 32
OVERVIEW_THREADS = 2
SAMPLED_BLOCKS = 16
"""Of an original that is not of 8 bits, whose range is told from them."""
PERCENTILES = (0.5, 99.5)
"""Of such an original; what is beyond them is black, or full."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that the server of a viewer answers from."""

    result: QuantizedImage
    lattice: Lattice
    shades: Palette
    """How vectors, of the palette and of the original, become colors."""
    labels: Layer
    """Its tiles hold unit + 1, and 0 where there is no data."""
    original: Layer | None
    """Its tiles are red, green, blue and opacity, uint8."""
    shares: NDArray[np.float64] | None
    """Of the pixels that each unit stands for, 0 to 1; None where the output does not tell."""
    about: dict[str, Any]
    """What the page is told: JSON."""
    background: ThreadPoolExecutor
    """Reads overviews."""

    @classmethod
    def of(cls, result: QuantizedImage, given: str | None) -> "Scene":
        """Put together what there is.

        Parameters
        ----------
        result : QuantizedImage
            It stays open as long as the scene is used.
        given : str, optional
            The image that it was made of; by default the one that it names.

        Raises
        ------
        InputError
            If the original that was given cannot be read, or is not of the output's size.
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
        shades = _shades(result, levels)
        cache = BlockCache(CACHE_BYTES)
        numbers = np.min_scalar_type(len(result.palette)).newbyteorder("<")

        def units(block: Block) -> NDArray[Any]:
            return np.asarray((result.units_of(block[0]) + 1).astype(numbers))

        labels = Layer("labels", levels_of([(level,) for level in result.labels]), cache, units)
        shown = Layer("original", levels, cache, lambda block: opaque(shades, *block)) if levels else None
        shares = _shares(record, len(result.palette))
        about = {**_about(result, lattice, shades, shares), "notes": notes, "bytes": numbers.itemsize}
        about["original"] = original.path if levels else None
        pool = ThreadPoolExecutor(OVERVIEW_THREADS, thread_name_prefix="overview")
        return cls(result, lattice, shades, labels, shown, shares, about, pool)

    def unit(self, number: int) -> dict[str, Any]:
        """Tell what a unit is, as JSON; its number must be one."""
        values = self.result.palette[number]
        row, column = divmod(number, self.lattice.columns)
        share = None if self.shares is None else float(self.shares[number])
        told = {"unit": number, "row": row, "column": column, "share": share}
        return {**told, "values": _plain(values), "color": hexadecimal(self.shades.colors(values))}

    def pixel(self, row: int, column: int) -> dict[str, Any]:
        """Tell what is at a pixel of the image, as JSON: its unit, and what it was."""
        number = int(self.result.units_of(self.labels.take(0, np.array([row]), np.array([column]))[0][0, 0]))
        found: dict[str, Any] = {"x": column, "y": row, "found": None if number < 0 else self.unit(number)}
        if self.original is not None:
            block = self.original.take(0, np.array([row]), np.array([column]))
            values = block[0][0, 0]
            color = opaque(self.shades, *block).ravel()
            there = bool(color[3])
            found["original"] = {"values": _plain(values), "color": hexadecimal(color[:3] / 255) if there else None}
        return found

    def progress(self) -> dict[str, float]:
        """Tell how much of each overview is there, 0 to 1, of those that are being read."""
        layers = [self.labels] if self.original is None else [self.labels, self.original]
        surveys = {layer.name: layer.survey for layer in layers}
        return {name: survey.share for name, survey in surveys.items() if survey is not None and survey.started}

    def close(self) -> None:
        """Stop reading overviews."""
        self.background.shutdown(wait=True, cancel_futures=True)


def opaque(shades: Palette, pixels: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Turn pixels of shape (..., bands) into (..., 4): red, green, blue, opacity; all 0 where there is no data."""
    colors = shades.colors(pixels)
    there = np.asarray(np.isfinite(colors).all(axis=-1))
    if mask is not None:
        there = there & mask
    colors = np.where(there[..., None], colors, 0.0)
    return np.concatenate([colors * 255 + 0.5, there[..., None] * 255.0], axis=-1).astype(np.uint8)


def _plain(values: NDArray[Any]) -> list[float | None]:
    """Give numbers as JSON knows them."""
    return [float(value) if np.isfinite(value) else None for value in np.asarray(values).astype(np.float64)]


def _original_levels(original: Original, result: QuantizedImage, insist: bool) -> list[Level]:
    picture = original.picture
    if picture is None:
        return []
    height, width, bands = picture.pixels.shape
    if (height, width) != result.shape or bands != result.palette.shape[1]:
        if not insist:
            return []
        down, across = result.shape
        raise InputError(
            f"{original.path}: is of {width} x {height} pixels and {bands} bands, but {result.path} was made of an "
            f"image of {across} x {down} pixels and {result.palette.shape[1]} bands; give that one with --original"
        )
    pictures = [picture]
    first = original.opening.get("level")
    for number in range(int(str(first or 0)) + 1, MOST_LEVELS):
        coarser = _level(original, number)
        if coarser is None or max(coarser.pixels.shape[:2]) >= max(pictures[-1].pixels.shape[:2]):
            break
        if coarser.pixels.shape[2] != bands or (coarser.mask is None) != (picture.mask is None):
            break
        pictures.append(coarser)
    return levels_of([_arrays(one) for one in pictures])


def _level(original: Original, number: int) -> Picture | None:
    try:
        return open_picture(original.path, chunk_bytes=CHUNK_BYTES, **{**original.opening, "level": number})
    except InputError:
        return None


def _arrays(picture: Picture) -> tuple[da.Array, ...]:
    return (picture.pixels,) if picture.mask is None else (picture.pixels, picture.mask)


def _shades(result: QuantizedImage, levels: list[Level]) -> Palette:
    """Choose how to show vectors: as the report does, but where they are stretched, by percentiles of the original."""
    shades = Palette.of(result.palette)
    as_they_are = set(shades.low) == {0.0} and set(shades.high) <= {1.0, 255.0}
    if not levels or as_they_are:
        return shades
    level = levels[-1]
    places = [(down, across) for down in range(len(level.chunks[0])) for across in range(len(level.chunks[1]))]
    found = []
    for at in np.linspace(0, len(places) - 1, min(SAMPLED_BLOCKS, len(places))).astype(int):
        pixels, *mask = level.read(*places[at])
        every = max(1, max(pixels.shape[:2]) // 256)
        values = pixels[::every, ::every][..., list(shades.bands)].astype(np.float64)
        there = np.isfinite(values).all(axis=-1)
        found.append(values[there & mask[0][::every, ::every] if mask else there])
    values = np.concatenate(found)
    if not len(values):
        return shades
    low, high = np.percentile(values, PERCENTILES, axis=0)
    return Palette(shades.bands, low, high)


def _shares(record: RunRecord, units: int) -> NDArray[np.float64] | None:
    quality = record.quality
    if quality is None or len(quality.hits) != units or sum(quality.hits) <= 0:
        return None
    return np.array(quality.hits) / sum(quality.hits)


def _about(
    result: QuantizedImage, lattice: Lattice, shades: Palette, shares: NDArray[np.float64] | None
) -> dict[str, Any]:
    height, width = result.shape
    steps = 0
    while max(height, width) > TILE << steps:
        steps += 1
    away = u_matrix(result.palette.reshape(lattice.rows, lattice.columns, -1), lattice).ravel()
    return {
        "title": Path(result.path).name,
        "output": result.path,
        "height": height,
        "width": width,
        "tile": TILE,
        "steps": steps,
        "bands": result.palette.shape[1],
        "dtype": str(result.palette.dtype),
        "shown": [int(band) for band in shades.bands],
        "range": [float(shades.low.min()), float(shades.high.max())],
        "rows": lattice.rows,
        "columns": lattice.columns,
        "hexagonal": lattice.topology == "hexagonal",
        "places": lattice.positions().round(6).tolist(),
        "colors": [hexadecimal(color) for color in shades.colors(result.palette)],
        "distances": away.tolist(),
        "shares": None if shares is None else shares.tolist(),
    }
