"""Assembly of the report of a run from its output."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dasksom import show
from dasksom.image import QuantizedImage, check_output, open_result, publish, size_on_disk
from dasksom.model_files import compared_units
from dasksom.provenance.original_image import UNKNOWN_LATTICE, Original, lattice_of_output
from dasksom.provenance.run_record import RunRecord, describe_unread
from dasksom.quantization.thumbnail import Overview
from dasksom.report.classes import class_section
from dasksom.report.html import Figure, ImageView, Report, Row, render
from dasksom.report.image_metrics import compare, count_units
from dasksom.report.inline_svg import inline_png, inline_svg
from dasksom.report.notes import describe_colors, describe_comparison, describe_palette
from dasksom.report.regions import tiles
from dasksom.report.tables import fact_tables, headline
from dasksom.show.colors import Palette, hexadecimal
from dasksom.show.drawing import matplotlib_figure
from dasksom.som.lattice import Lattice
from dasksom.storage.own_files import write_file

if TYPE_CHECKING:
    import dask.array as da

_TABLE_ROWS = 1024
"""Most rows of the palette's table."""
_NO_DATA = "None of the pixels that were to be compared with the original has data (--all-pixels compares all)."
_DETAIL_SIDE = 192
"""Pixels a side of the detail at full resolution."""


@dataclass(frozen=True, eq=False)
class StoredMap:
    """A trained map as far as an output records it, with the attributes that figures need."""

    weights_: NDArray[Any]
    topology: str
    toroidal: bool
    history_: tuple[Any, ...]
    quality_: Any
    feature_names_in_: tuple[str, ...] | None
    feature_weights_: NDArray[Any]
    """In what the map compares, of shape (rows, columns, features)."""


def report_path(output: str) -> str:
    """Return the name of an output's report: a different one for each output.

    Examples
    --------
    >>> [report_path(f"photo{suffix}") for suffix in (".zarr", ".ome.zarr", ".tif")]
    ['photo.report.html', 'photo.ome.report.html', 'photo.tif.report.html']
    """
    path = Path(output)
    stem = path.name[:-5] if path.name.lower().endswith(".zarr") else path.name
    return str(path.parent / f"{stem}.report.html")


def check_report(output: str, target: str, *, overwrite: bool) -> None:
    """Refuse a report that could not be written, before any work.

    Raises
    ------
    InputError
        If it exists and may not be replaced, or its folder or matplotlib is missing.
    """
    matplotlib_figure()
    check_output(target, inputs=[output], overwrite=overwrite, suffixes=[".html"])


def write_report(
    output: str,
    target: str,
    *,
    original: str | None = None,
    all_pixels: bool | None = None,
    overwrite: bool = False,
    just_made: tuple[RunRecord | None, Overview | None] = (None, None),
    name: str | None = None,
) -> None:
    """Write the report of a run as one HTML file.

    Parameters
    ----------
    output : str
        Output of the run: .zarr, .ome.zarr, or a .tif or .png with a palette or labels.
    target : str
        Path of the report.
    original : str, optional
        Image that the run read; by default the one that the output names. Without it nothing is compared.
    all_pixels : bool, optional
        Whether to compare all pixels; by default only those of tiles, where there are many.
    overwrite : bool
        Whether an existing report may be replaced.
    just_made : (RunRecord or None, Overview or None)
        Record and overview of a run that has just ended; by default they are read from the files.
    name : str, optional
        Path that the output is going to have; by default the one that it has.

    Raises
    ------
    InputError
        If the output holds no palette, or the original is not of its size.
    """
    import dask

    start = time.perf_counter()
    check_report(output, target, overwrite=overwrite)
    record, overview = just_made
    with open_result(output) as result, dask.config.set(scheduler="threads"):
        run_record = record or RunRecord.read(result.about.get("run", {})) or RunRecord()
        report = _report(
            result,
            run_record,
            Original.find(original, run_record, just_ran=record is not None),
            all_pixels,
            overview,
            name,
            start,
        )
    with publish(target, overwrite=overwrite) as path:
        write_file(path, [render(report).encode()])


def _report(
    result: QuantizedImage,
    record: RunRecord,
    original: Original,
    all_pixels: bool | None,
    overview: Overview | None,
    name: str | None,
    start: float,
) -> Report:
    names = result.band_names or (() if original.picture is None else original.picture.band_names)
    som, notes = _stored_map(result, record, names)
    comparison, before = None, None if original.picture is None else original.picture.pixels
    if before is not None:
        comparison = compare(before, result.labels[0], result.rebuilt, result.palette, all_pixels=all_pixels)
        notes.append(_NO_DATA if comparison is None else describe_comparison(comparison, result))
    else:
        notes.append(original.missing)
    if record.not_read:
        notes.append(f"Not all of the image was read: {describe_unread(record.not_read)}.")
    palette = Palette.of(result.palette)
    if result.palette.shape[1] != 3 or result.palette.dtype != np.uint8:
        notes.append(describe_colors(palette, result, names))
    rows = _rows(som, palette, result)
    sizes = [None if path is None else size_on_disk(path) for path in (original.path, result.path)]
    small, units, step = _overview(result, before, overview)
    size = "all pixels" if step == 1 else f"one pixel of {step} x {step}"
    views = [tuple(_pair(small, result.colors_of(units), units, palette, size))]
    if step > 1:
        views.append(_detail(result, before, palette))
    classes = class_section(result, names, som, units, size)
    result = replace(result, path=name or result.path)
    training, maps = tuple(_training(som)), tuple(_maps(som))
    return Report(
        title=f"{Path(result.path).name}: {len(result.palette)} colors by a self-organizing map",
        subtitle=f"made from {record.source or original.path or 'an unknown image'}",
        headline=tuple(headline(result, record, comparison, sizes)),
        notes=tuple(notes),
        views=tuple(views),
        classes=classes,
        training=training,
        palette=rows[:_TABLE_ROWS],
        palette_note=describe_palette(rows, _TABLE_ROWS, names),
        maps=maps,
        facts=fact_tables(result, record, comparison, sizes, time.perf_counter() - start),
    )


def _stored_map(result: QuantizedImage, record: RunRecord, names: tuple[str, ...]) -> tuple[StoredMap, list[str]]:
    units, notes = len(result.palette), []
    lattice = lattice_of_output(result)
    if lattice is None:
        lattice = Lattice(1, units)
        notes.append(UNKNOWN_LATTICE)
    quality = record.quality
    if quality is not None and len(quality.hits) == units and sum(quality.hits) > 0:
        hits = np.array(quality.hits)
    else:
        hits = count_units(result.labels[0], result.units_of, units).astype(np.float64)
    weights = result.palette.reshape(lattice.rows, lattice.columns, -1)
    counted = SimpleNamespace(hits=hits)
    compared = compared_units(result).reshape(lattice.rows, lattice.columns, -1)
    stored = StoredMap(weights, lattice.topology, lattice.toroidal, record.history, counted, names or None, compared)
    return stored, notes


# --------------------------------------------------------------------------------------------------------- in pictures


def _overview(
    result: QuantizedImage, original: "da.Array | None", overview: Overview | None
) -> tuple[NDArray[Any] | None, NDArray[np.int64], int]:
    """Return the image and the unit of each pixel (-1 is no data), both made small, and the pixels of a small one."""
    step = -(-max(result.shape) // show.THUMBNAIL_SIDE)
    if overview is not None:
        return overview.pixels, np.where(overview.labels < len(result.palette), overview.labels, -1), step
    before = None if original is None else show.thumbnail(original)
    return before, result.units_of(show.thumbnail(result.labels)), step


def _detail(result: QuantizedImage, original: "da.Array | None", palette: Palette) -> tuple[ImageView, ...]:
    """Return views of a part of the image at full resolution."""
    regions = tiles(*result.shape, count=9, side=_DETAIL_SIDE)
    chosen = regions[len(regions) // 2]
    part = slice(chosen.top, chosen.bottom), slice(chosen.left, chosen.right)
    before = None if original is None else np.asarray(original[part])
    units = result.units_of(np.asarray(result.labels[0][part]))
    where = f"every pixel of rows {chosen.top:,} to {chosen.bottom:,}, columns {chosen.left:,} to {chosen.right:,}"
    return tuple(_pair(before, result.colors_of(units), units, palette, where))


def _pair(
    before: NDArray[Any] | None, after: NDArray[Any], units: NDArray[np.int64], palette: Palette, what: str
) -> Iterator[ImageView]:
    if before is not None:
        yield ImageView(f"Before: {what}", inline_png(palette.colors(before)))
    yield ImageView(f"After: {what}", inline_png(np.where((units >= 0)[..., None], palette.colors(after), np.nan)))


def _training(som: StoredMap) -> Iterator[Figure]:
    if som.history_:
        sampled = sum(record.sampled for record in som.history_)
        pixels = f"a sample of the pixels ({sampled} epochs) or all pixels (the last)" if sampled else "all pixels"
        caption = (
            f"Error of the codebook that each of {len(som.history_)} epochs began with, over {pixels}, and the "
            "radius of the neighborhood; at radius 0 units move independently, as in k-means. In a refinement the error"
            " dips where units are added for a few epochs, and rises again where as many are removed."
        )
        svg = inline_svg(partial(show.plot_training, som), "Error and sigma by epoch", "training")
        yield Figure("Training", caption, svg)


def _maps(som: StoredMap) -> Iterator[Figure]:
    drawn: list[tuple[str, str, Callable[[StoredMap], Any]]] = [
        ("Palette", "Color of each unit at its position on the map.", show.plot_palette),
        ("U-matrix", "Distance of each unit to its neighbors: ridges separate groups of colors.", show.plot_u_matrix),
        ("Hits", "Share of the pixels of each unit.", show.plot_hits),
        ("Component planes", "Value of each band over the map.", show.plot_component_planes),
    ]
    for title, caption, plot in drawn:
        name = title.lower().replace(" ", "-")
        yield Figure(title, caption, inline_svg(partial(plot, som), title, name))


def _rows(som: StoredMap, palette: Palette, result: QuantizedImage) -> tuple[Row, ...]:
    """Return the colors, the most frequent first."""
    hits, columns = som.quality_.hits, som.weights_.shape[1]
    total, colors = max(float(hits.sum()), 1.0), palette.colors(result.palette)
    return tuple(
        Row(
            unit=int(unit),
            row=int(unit) // columns,
            column=int(unit) % columns,
            color=hexadecimal(colors[unit]),
            values=", ".join(f"{value:.6g}" for value in result.palette[unit, :8].astype(float))
            + (", …" if result.palette.shape[1] > 8 else ""),
            pixels=round(float(hits[unit])),
            share=float(hits[unit]) / total,
        )
        for unit in np.argsort(-hits, kind="stable")
    )
