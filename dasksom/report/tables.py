"""Tables of a report: the headline numbers, and everything that ran."""

from collections.abc import Iterator, Sequence
from typing import Any

from dasksom.image import QuantizedImage
from dasksom.provenance.run_record import RunRecord, describe_unread
from dasksom.report.html import Fact
from dasksom.report.image_metrics import Comparison


def _bytes(size: int) -> str:
    from dask.utils import format_bytes

    return str(format_bytes(size))


def _compared_facts(comparison: Comparison | None) -> Iterator[Fact]:
    if comparison is None:
        return
    psnr, ssim, color = comparison.psnr, comparison.ssim, comparison.ciede2000

    def note(spread: float, form: str) -> str:
        return "all pixels" if comparison.all_pixels else f"± {spread:{form}}, {comparison.regions} tiles"

    yield Fact("PSNR", f"{psnr:.2f} dB", note(comparison.psnr_spread, ".2f"))
    if ssim is not None:
        yield Fact("SSIM", f"{ssim:.4f}", note(comparison.ssim_spread, ".4f"))
    if color is not None:
        worst = f"95 % below {comparison.ciede2000_95:.1f}; "
        yield Fact("CIEDE2000", f"{color:.2f}", worst + note(comparison.ciede2000_spread, ".2f"))


def headline(
    result: QuantizedImage, record: RunRecord, comparison: Comparison | None, sizes: Sequence[int | None]
) -> Iterator[Fact]:
    """Return the numbers to read first.

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
        yield Fact("Mean squared error", _number(record.quality.mean_squared_error), "all pixels" + _in_space(record))
    yield from _compared_facts(comparison)
    before, after = sizes
    if after is not None:
        ratio = "" if not before else f"{after / before:.0%} of the original's {_bytes(before)}"
        yield Fact("Size on disk", _bytes(after), ratio)
    if record.seconds:
        yield Fact("Time", f"{sum(record.seconds.values()):.1f} s", _rate(record, height * width))


def _number(value: float) -> str:
    """Return a number of four digits, without an exponent where it is large."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def _in_space(record: RunRecord) -> str:
    settings = record.config.get("map", {})
    space = "features" if settings.get("scale", "none") != "none" else settings.get("color_space", "rgb")
    return "" if space == "rgb" else f", in {space}"


def _rate(record: RunRecord, pixels: int) -> str:
    seconds = sum(record.seconds.values())
    return f"{pixels / seconds / 1e6:.3g} Mpx/s" if seconds else ""


def fact_tables(
    result: QuantizedImage,
    record: RunRecord,
    comparison: Comparison | None,
    sizes: Sequence[int | None],
    seconds: float,
) -> dict[str, tuple[Fact, ...]]:
    """Return everything that ran, by heading; parameters as for `headline`, and the seconds that the report took."""
    before, after = (None if size is None else _bytes(size) for size in sizes)
    decoded = None if record.decoded_bytes is None else f"{_bytes(record.decoded_bytes)} decoded"
    shape = "" if record.size is None else " x ".join(str(side) for side in record.size)
    files = [
        Fact("image", record.source or "unknown", ", ".join(filter(None, [shape, record.dtype, decoded]))),
        Fact("image on disk", before or "unknown"),
        Fact("output", result.path),
        Fact("output on disk", after or "unknown"),
    ]
    if record.not_read:
        files.insert(2, Fact("not read", describe_unread(record.not_read)))
    times = [Fact(name, f"{seconds_taken:.2f} s") for name, seconds_taken in record.seconds.items()]
    if record.started:
        times.insert(0, Fact("started", record.started))
    tables: dict[str, list[Fact]] = {
        "Files": files,
        "Quality": [*_quality_facts(record), *_compared_facts(comparison)],
        "Timings": [*times, Fact("this report", f"{seconds:.2f} s", "figures and comparison")],
        "Cluster": [Fact(name, _written(name, value)) for name, value in record.cluster.items()],
        **{
            f"Configuration: {section}": [Fact(name, _written(name, value)) for name, value in values.items()]
            for section, values in record.config.items()
        },
        "Versions": [Fact(name, value) for name, value in record.versions.items()],
    }
    return {heading: tuple(rows) for heading, rows in tables.items() if rows}


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


def _written(name: str, value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "memory" and isinstance(value, int):
        return _bytes(value)
    return " x ".join(map(str, value)) if name == "grid" and isinstance(value, list) else str(value)
