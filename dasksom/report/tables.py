"""What a report says in words and numbers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from dask.utils import format_bytes

from dasksom.image import QuantizedImage, Rectangle
from dasksom.provenance.run_record import RunRecord
from dasksom.report.html import Fact, Row
from dasksom.report.image_metrics import Comparison
from dasksom.report.regions import TILE_SIDE
from dasksom.show.colors import Palette

MOST_PARTS = 20
"""Parts that could not be read, of which the places are told."""


def how_compared(comparison: Comparison, result: QuantizedImage) -> str:
    """Say which pixels were compared with the original, and by what."""
    height, width = result.shape
    what = (
        f"PSNR, SSIM and CIEDE2000 compare all {comparison.pixels:,} pixels that have data with the original."
        if comparison.whole
        else f"PSNR, SSIM and CIEDE2000 compare {comparison.pixels:,} of {height * width:,} pixels with the original: "
        f"{comparison.regions} tiles of {TILE_SIDE} x {TILE_SIDE}, spread over the image at seeded places; "
        "± is their standard error (dasksom report --all-pixels compares all)."
    )
    scale = f" PSNR and SSIM refer to a range of values of {comparison.peak:.6g}"
    scale += "." if result.palette.dtype == np.uint8 else ", which is the palette's."
    none = "" if comparison.ciede2000 is not None else " CIEDE2000 is for sRGB of three bands alone."
    return what + scale + none + " Hits, errors and shares of the palette are of all pixels."


def how_shown(palette: Palette, result: QuantizedImage) -> str:
    """Say how vectors that are no sRGB became colors."""
    count, kind = result.palette.shape[1], result.palette.dtype
    what = f"{count} bands of {kind}" if count > 1 else f"one band of {kind}"
    one, two, three = palette.bands
    shown = (
        f"bands {one}, {two} and {three} as red, green and blue"
        if len(set(palette.bands)) > 1
        else f"band {one} as gray"
    )
    return f"Colors here are a view of {what}: {shown}, from {palette.low.min():.6g} to {palette.high.max():.6g}."


def how_unread(parts: Sequence[Rectangle]) -> str:
    """Say which pixels could not be read, so that they are without data: the first parts by rows and columns."""
    pixels = sum((bottom - top) * (right - left) for top, bottom, left, right in parts)
    ranges = [f"rows {top}:{bottom}, columns {left}:{right}" for top, bottom, left, right in parts[:MOST_PARTS]]
    more = [f"and {len(parts) - MOST_PARTS} more"] if len(parts) > MOST_PARTS else []
    where = "one place" if len(parts) == 1 else f"{len(parts)} places"
    return f"{pixels:,} pixels in {where} could not be, and are without data ({'; '.join(ranges + more)})"


def _compared_facts(comparison: Comparison | None) -> Iterator[Fact]:
    if comparison is None:
        return
    psnr, ssim, color = comparison.psnr, comparison.ssim, comparison.ciede2000

    def note(spread: float, form: str) -> str:
        return "all pixels" if comparison.whole else f"± {spread:{form}}, {comparison.regions} tiles"

    yield Fact("PSNR", f"{psnr:.2f} dB", note(comparison.psnr_spread, ".2f"))
    if ssim is not None:
        yield Fact("SSIM", f"{ssim:.4f}", note(comparison.ssim_spread, ".4f"))
    if color is not None:
        worst = f"95 % below {comparison.ciede2000_95:.1f}; "
        yield Fact("CIEDE2000", f"{color:.2f}", worst + note(comparison.ciede2000_spread, ".2f"))


def headline(
    result: QuantizedImage, record: RunRecord, comparison: Comparison | None, sizes: Sequence[int | None]
) -> Iterator[Fact]:
    """Give the numbers to read first.

    Parameters
    ----------
    result : QuantizedImage
    record : RunRecord
    comparison : Comparison, optional
    sizes : (int or None, int or None)
        Bytes on disk, before and after.
    """
    height, width = result.shape
    yield Fact("Pixels", f"{height * width:,}", f"{width:,} x {height:,}")
    yield Fact("Colors", f"{len(result.palette):,}")
    if record.quality is not None:
        yield Fact("Mean squared error", f"{record.quality.mean_squared_error:.4g}", "all pixels" + _in_space(record))
    yield from _compared_facts(comparison)
    before, after = sizes
    if after is not None:
        ratio = "" if not before else f"{after / before:.0%} of the original's {format_bytes(before)}"
        yield Fact("Size on disk", format_bytes(after), ratio)
    if record.seconds:
        yield Fact("Time", f"{sum(record.seconds.values()):.1f} s", _rate(record, height * width))


def _in_space(record: RunRecord) -> str:
    space = record.config.get("map", {}).get("color_space", "rgb")
    return "" if space == "rgb" else f", in {space}"


def _rate(record: RunRecord, pixels: int) -> str:
    seconds = sum(record.seconds.values())
    return f"{pixels / seconds / 1e6:.1f} Mpx/s" if seconds else ""


def facts(
    result: QuantizedImage,
    record: RunRecord,
    comparison: Comparison | None,
    sizes: Sequence[int | None],
    seconds: float,
) -> dict[str, tuple[Fact, ...]]:
    """Give everything that ran, by heading; parameters as for `headline`, and the seconds that the report took."""
    before, after = (None if size is None else format_bytes(size) for size in sizes)
    decoded = None if record.decoded_bytes is None else f"{format_bytes(record.decoded_bytes)} decoded"
    shape = "" if record.size is None else " x ".join(str(side) for side in record.size)
    files = [
        Fact("image", record.source or "unknown", ", ".join(filter(None, [shape, record.dtype, decoded]))),
        Fact("image on disk", before or "unknown"),
        Fact("output", result.path),
        Fact("output on disk", after or "unknown"),
    ]
    if record.not_read:
        files.insert(2, Fact("not read", how_unread(record.not_read)))
    times = [Fact(name, f"{taken:.2f} s") for name, taken in record.seconds.items()]
    if record.started:
        times.insert(0, Fact("started", record.started))
    found: dict[str, list[Fact]] = {
        "Files": files,
        "Quality": [*_quality_facts(record), *_compared_facts(comparison)],
        "Timings": [*times, Fact("this report", f"{seconds:.2f} s", "figures and comparison")],
        "Cluster": [Fact(name, _said(name, value)) for name, value in record.cluster.items()],
        **{
            f"Configuration: {section}": [Fact(name, _said(name, value)) for name, value in values.items()]
            for section, values in record.config.items()
        },
        "Versions": [Fact(name, value) for name, value in record.versions.items()],
    }
    return {heading: tuple(rows) for heading, rows in found.items() if rows}


def _quality_facts(record: RunRecord) -> Iterator[Fact]:
    quality = record.quality
    if quality is None:
        return
    yield Fact("mean squared error", f"{quality.mean_squared_error:.6g}", "all pixels, summed over bands")
    yield Fact("quantization error", f"{quality.quantization_error:.6g}", "mean distance of all pixels to their color")
    if quality.explained_variance is not None:
        yield Fact("explained variance", f"{quality.explained_variance:.4%}")
    if quality.topographic_error is not None:
        yield Fact("topographic error", f"{quality.topographic_error:.4%}", "pixels whose two best units are apart")
    yield Fact("units without pixels", str(sum(hits == 0 for hits in quality.hits)), f"of {len(quality.hits)}")


def _said(name: str, value: Any) -> str:
    if value is None:
        return "by default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "memory" and isinstance(value, int):
        return str(format_bytes(value))
    return " x ".join(map(str, value)) if name == "grid" and isinstance(value, list) else str(value)


def palette_note(rows: Sequence[Row], most: int) -> str:
    """Say what the table of colors shows."""
    shown = f"The {most:,} most frequent of {len(rows):,} colors" if len(rows) > most else "All colors"
    return f"{shown}, with their share of the pixels that have data. A click on a heading sorts."
