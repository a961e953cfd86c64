"""PSNR, SSIM and CIEDE2000 of a quantized image out of core, over all pixels or a sample of tiles.

Each region gives sums, which are added in the order of the regions. A grid of regions gives the result of scikit-image
on the complete image, to rounding, with a few regions in memory at a time.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.report.regions import WINDOW, ComparedRegion, covering, tiles
from dasksom.som.color_spaces import scale_of

if TYPE_CHECKING:
    import dask.array as da
    from dask.delayed import Delayed

MOST_PIXELS_COMPARED = 1 << 22
"""Largest number of pixels of images that are compared completely by default; larger ones are compared by tiles."""
_BATCH = 64
"""Regions that are read together, so that chunks they share are read once."""
_BIN = 0.1
"""Width of the classes of color differences, from which the percentile is taken."""

Rebuild = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[np.bool_]]]
"""Turns numbers of a label file, shape (rows, columns), into pixels (rows, columns, bands) and their mask."""


@dataclass(frozen=True, eq=False)
class RegionSums:
    """Sums over the pixels of a region."""

    pixels: int = 0
    squared: float = 0.0
    """Squared differences over pixels and bands."""
    windows: int = 0
    similarity: float = 0.0
    """SSIM of the windows, averaged over the bands."""
    difference: float = 0.0
    """CIEDE2000 of the pixels."""
    classes: NDArray[np.int64] | None = None
    """Pixels by CIEDE2000, in classes of `_BIN`; None where colors are not sRGB."""


@dataclass(frozen=True)
class Comparison:
    """Differences between a quantized image and the original."""

    pixels: int
    """Number compared; pixels without data, and NaN, never are."""
    all_pixels: bool
    """Whether all pixels were compared, not only tiles."""
    regions: int
    peak: float
    """Range of the values that PSNR and SSIM refer to."""
    mean_squared_error: float
    """Mean over pixels and bands, as PSNR takes it."""
    psnr: float
    """Decibels; infinite where nothing differs."""
    psnr_spread: float
    """Standard error of tiles, in decibels; 0 for all pixels."""
    ssim: float | None
    """-1 to 1; None where no window of 7 x 7 pixels fits."""
    ssim_spread: float
    ciede2000: float | None
    """Mean color difference; 1 is just noticeable. None where the bands are not sRGB."""
    ciede2000_spread: float
    ciede2000_95: float | None
    """95 % of the pixels differ by less, to 0.1."""


def compare(
    original: "da.Array",
    labels: "da.Array",
    rebuild: Rebuild,
    palette: NDArray[Any],
    *,
    all_pixels: bool | None = None,
    seed: int = 0,
) -> Comparison | None:
    """Compare an image with its quantized form, on dask's current scheduler.

    Parameters
    ----------
    original : dask array of shape (height, width, bands)
        In small chunks: tiles are cut out of them.
    labels : dask array of shape (height, width)
        Numbers of a label file.
    rebuild : callable
        Turns those numbers into pixels.
    palette : ndarray of shape (units, bands)
        PSNR and SSIM refer to its range; for 8-bit images to 255.
    all_pixels : bool, optional
        Whether to compare all pixels; by default where there are at most 2^22.
    seed : int
        Seed of the tiles' positions.

    Returns
    -------
    Comparison, or None if no pixel of the regions has data

    Raises
    ------
    InputError
        If the shapes differ.
    """
    import dask

    height, width = labels.shape
    if original.shape != (height, width, palette.shape[1]):
        raise InputError(
            f"the original has shape {original.shape}, but the output was made from ({height}, {width}, "
            f"{palette.shape[1]}); give the image that the run read (--original)"
        )
    if all_pixels is None:
        all_pixels = height * width <= MOST_PIXELS_COMPARED
    peak = 255.0 if palette.dtype == np.uint8 else float(palette.max()) - float(palette.min())
    regions = covering(height, width) if all_pixels else tiles(height, width, seed=seed)
    scale = _color_scale(palette)
    task = dask.delayed(_compare_region, pure=False)
    parts: list[RegionSums] = []
    for start in range(0, len(regions), _BATCH):
        batch: list[Delayed] = [
            task(original[region.read], labels[region.read], region, rebuild, peak, scale)
            for region in regions[start : start + _BATCH]
        ]
        parts += dask.compute(*batch)
    return _summary(parts, palette.shape[1], peak, all_pixels)


def count_units(
    labels: "da.Array", units_of: Callable[[NDArray[Any]], NDArray[np.int64]], units: int
) -> NDArray[np.int64]:
    """Count the pixels of each unit in a label file.

    Parameters
    ----------
    labels : dask array of shape (height, width)
    units_of : callable
        Turns its numbers into units, negative where there is no data.
    units : int

    Returns
    -------
    ndarray of shape (units,), int64
    """
    import dask

    blocks = labels.to_delayed().ravel()
    task = dask.delayed(_count_block, pure=False)
    total = np.zeros(units, np.int64)
    for start in range(0, len(blocks), _BATCH):
        for counts in dask.compute(*(task(block, units_of, units) for block in blocks[start : start + _BATCH])):
            total += counts
    return total


def _count_block(
    numbers: NDArray[Any], units_of: Callable[[NDArray[Any]], NDArray[np.int64]], units: int
) -> NDArray[np.int64]:
    found = units_of(numbers)
    return np.bincount(found[found >= 0], minlength=units)


def _color_scale(palette: NDArray[Any]) -> float | None:
    """Return the value of full intensity where three bands are sRGB: integers, or floats from 0 to 1."""
    if palette.shape[1] != 3 or palette.dtype.kind not in "uf":
        return None
    inside = palette.dtype.kind == "u" or (palette.min() >= 0 and palette.max() <= 1)
    return scale_of(palette.dtype) if inside else None


def _compare_region(
    original: NDArray[Any],
    numbers: NDArray[Any],
    region: ComparedRegion,
    rebuild: Rebuild,
    peak: float,
    scale: float | None,
) -> RegionSums:
    rebuilt, counts = rebuild(numbers)
    before, after = original.astype(np.float64), rebuilt.astype(np.float64)
    counts = counts & np.isfinite(before).all(axis=2)
    before[~counts] = after[~counts] = 0.0  # no difference, and no invalid color
    inner = region.inner
    chosen = counts[inner]
    windows, similarity = _similarity(before, after, counts, inner, peak)
    differences, classes = 0.0, None
    if scale is not None:
        found = _color_differences(before[inner][chosen] / scale, after[inner][chosen] / scale)
        differences, classes = float(found.sum()), np.bincount((found / _BIN).astype(np.int64))
    return RegionSums(
        pixels=int(chosen.sum()),
        squared=float(((before[inner] - after[inner]) ** 2).sum()),
        windows=windows,
        similarity=similarity,
        difference=differences,
        classes=classes,
    )


def _color_differences(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    from skimage.color import deltaE_ciede2000, rgb2lab

    return np.asarray(deltaE_ciede2000(rgb2lab(np.clip(before, 0, 1)), rgb2lab(np.clip(after, 0, 1))))


def _similarity(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    counts: NDArray[np.bool_],
    inner: tuple[slice, slice],
    peak: float,
) -> tuple[int, float]:
    """Return the number of windows inside the image that have data throughout, and the sum of their SSIM."""
    from scipy.ndimage import minimum_filter
    from skimage.metrics import structural_similarity

    if min(counts.shape) < WINDOW or peak <= 0:
        return 0, 0.0
    _, found = structural_similarity(
        before, after, win_size=WINDOW, data_range=peak, channel_axis=2, full=True, gradient=False
    )
    centers = minimum_filter(counts, size=WINDOW, mode="constant", cval=0)  # no window reaches past the edge
    chosen = centers[inner]
    return int(chosen.sum()), float(found.mean(axis=2)[inner][chosen].sum())


def _summary(parts: Sequence[RegionSums], bands: int, peak: float, all_pixels: bool) -> Comparison | None:
    used = [part for part in parts if part.pixels]
    pixels = sum(part.pixels for part in used)
    if not pixels:
        return None
    error = math.fsum(part.squared for part in used) / (pixels * bands)
    windows = sum(part.windows for part in used)
    classes: NDArray[np.int64] | None = None
    for part in used:
        if part.classes is not None:
            classes = part.classes if classes is None else _add(classes, part.classes)
    spread = 0.0 if all_pixels else _spread([part.squared / (part.pixels * bands) for part in used])
    return Comparison(
        pixels=pixels,
        all_pixels=all_pixels,
        regions=len(parts),
        peak=peak,
        mean_squared_error=error,
        psnr=10 * math.log10(peak**2 / error) if error and peak else math.inf,
        psnr_spread=10 / math.log(10) * spread / error if error else 0.0,
        ssim=math.fsum(part.similarity for part in used) / windows if windows else None,
        ssim_spread=0.0 if all_pixels else _spread([part.similarity / part.windows for part in used if part.windows]),
        ciede2000=None if classes is None else math.fsum(part.difference for part in used) / pixels,
        ciede2000_spread=0.0 if all_pixels else _spread([part.difference / part.pixels for part in used]),
        ciede2000_95=None if classes is None else _percentile(classes, 0.95),
    )


def _add(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    length = max(len(first), len(second))
    return np.asarray(sum(np.pad(counts, (0, length - len(counts))) for counts in (first, second)))


def _percentile(classes: NDArray[np.int64], share: float) -> float:
    """Return the upper end of the class in which a share of the pixels is reached."""
    return round(_BIN * (int(np.searchsorted(np.cumsum(classes), share * classes.sum())) + 1), 10)


def _spread(means: Sequence[float]) -> float:
    """Return the standard error of the mean of tiles."""
    return float(np.std(means, ddof=1) / len(means) ** 0.5) if len(means) > 1 else 0.0
