"""Sentences of a report: what was compared, and what the colors show."""

from collections.abc import Sequence

import numpy as np

from dasksom.image import QuantizedImage
from dasksom.report.html import Row
from dasksom.report.image_metrics import Comparison
from dasksom.report.regions import TILE_SIDE
from dasksom.show.colors import Palette


def describe_comparison(comparison: Comparison, result: QuantizedImage) -> str:
    """Describe which pixels were compared with the original."""
    height, width = result.shape
    what = (
        f"PSNR, SSIM and CIEDE2000 compare all {comparison.pixels:,} pixels that have data with the original."
        if comparison.all_pixels
        else f"PSNR, SSIM and CIEDE2000 compare {comparison.pixels:,} of {height * width:,} pixels with the original: "
        f"{comparison.regions} tiles of {TILE_SIDE} x {TILE_SIDE} at seeded positions all over the image; "
        "± is their standard error (dasksom report --all-pixels compares all)."
    )
    scale = f" PSNR and SSIM use a value range of {comparison.peak:.6g}"
    scale += "." if result.palette.dtype == np.uint8 else ", that of the palette."
    none = "" if comparison.ciede2000 is not None else " CIEDE2000 is defined for sRGB of three bands only."
    return what + scale + none + " Hits, errors and shares of the palette are of all pixels."


def describe_colors(palette: Palette, result: QuantizedImage, names: Sequence[str]) -> str:
    """Describe how vectors that are not sRGB are shown as colors."""
    count, kind = result.palette.shape[1], result.palette.dtype
    what = f"{count} bands of {kind}" if count > 1 else f"one band of {kind}"
    one, two, three = (names[band] if names else str(band) for band in palette.bands)
    shown = (
        f"bands {one}, {two} and {three} as red, green and blue"
        if len(set(palette.bands)) > 1
        else f"band {one} as gray"
    )
    return f"Colors are a view of {what}: {shown}, from {palette.low.min():.6g} to {palette.high.max():.6g}."


def describe_palette(rows: Sequence[Row], most: int, names: Sequence[str]) -> str:
    """Describe the table of colors."""
    shown = f"The {most:,} most frequent of {len(rows):,} colors" if len(rows) > most else "All colors"
    values = f" Values are {', '.join(names[:8])}{' …' if len(names) > 8 else ''}." if names else ""
    return f"{shown}, with their share of the pixels that have data.{values} Click a heading to sort."
