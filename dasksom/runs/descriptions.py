"""Describe images and other files of dasksom, and export palettes."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dask.utils import format_bytes

from dasksom import config
from dasksom.config.map_parameters import MOST_UNITS
from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image import Picture, open_picture
from dasksom.image.sources.bands import BandPicks, find_bands, listed_bands
from dasksom.som.counted_colors.cells import ColorType

if TYPE_CHECKING:
    from dasksom.som.codebook import Codebook

_open_result = deferred("dasksom.image.read_results:open_result")
_read_palette = deferred("dasksom.image.palette_readers:read_palette")
_read_class_table = deferred("dasksom.classes.class_table:read_class_table")
_write_palette = deferred("dasksom.image.palette_files:write_palette")
_codebook_at: "Callable[..., Codebook]" = deferred("dasksom.model_files:codebook_at")
_bands_of_model: "Callable[..., tuple[str, ...]]" = deferred("dasksom.models:band_names_of_model")


_MOST_SUMMARY_BYTES = 16 << 20
_MARK = b'{"dasksom"'
"""Beginning of the description that TIFF and PNG outputs hold."""
_MOST_LISTED = 8


def describe_file(paths: Sequence[str], settings: Any) -> dict[str, str]:
    """Describe a file that dasksom writes or reads: an image, an output, a model, a palette, a table, a summary.

    Parameters
    ----------
    paths : sequence of str
        Path or URL, or those of the files of the bands of an image.
    settings : InputSection
        Options for opening an image or a model.

    Raises
    ------
    InputError
    """
    describe = _FILES.get(Path(paths[0]).suffix.lower()) if len(paths) == 1 else None
    return describe_image(paths, settings) if describe is None else describe(paths[0], settings)


def _describe_palette(path: str, _: Any) -> dict[str, str]:
    colors = [f"#{bytes(color).hex()}" for color in _read_palette(path)]
    more = f" and {len(colors) - _MOST_LISTED} more" if len(colors) > _MOST_LISTED else ""
    return {"format": "palette", "colors": f"{len(colors)}: {', '.join(colors[:_MOST_LISTED])}{more}"}


def _describe_class_table(path: str, _: Any) -> dict[str, str]:
    table = _read_class_table(path, MOST_UNITS)
    rows = {"format": "table of classes", "classes": f"{len(table.used)}"}
    for number in table.used:
        units = int((table.numbers == number).sum())
        rows[f"class {number}"] = (
            f"{table.names[number - 1]}, {table.hexadecimal[number - 1]}, {units} unit{'s' * (units != 1)}"
        )
    return rows


def _describe_summary(path: str, _: Any) -> dict[str, str]:
    try:
        with Path(path).expanduser().open("rb") as file:
            summary = json.loads(file.read(_MOST_SUMMARY_BYTES))
        rows = {name: summary[name] for name in ("image", "output", "units", "plan", "mean_squared_error")}
        return {
            "format": f"summary of a run of dasksom {summary['versions'].get('dasksom', '')}",
            **{name.replace("_", " "): f"{value}" for name, value in rows.items() if value is not None},
            "seconds": ", ".join(f"{name} {seconds:.1f}" for name, seconds in summary["seconds"].items()),
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}; check the path") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: is not the summary of a run, which `--summary` writes") from None


def _describe_configuration(path: str, _: Any) -> dict[str, str]:
    given = config.load_config(path, {}).model_dump(exclude_unset=True, exclude_none=True)
    rows = {f"{section}.{name}": f"{value}" for section, values in given.items() for name, value in values.items()}
    return {"format": "configuration", **rows}


def _describe_output(path: str) -> dict[str, str]:
    """Describe the run that made an output; empty for other images."""
    with suppress(InputError):
        with _open_result(path) as result:
            about, units, classes = result.about, len(result.palette), result.classes
        run = about.get("run")
        source = run.get("source") if isinstance(run, Mapping) else None
        return {
            "made by": f"dasksom {about.get('dasksom', '')}" + (f" from {source}" if source else ""),
            "holds": f"labels and palette of {units} unit{'s' * (units != 1)}"
            + ("" if classes is None else ", classes"),
        }
    return {}


def _is_output(path: str) -> bool:
    """Return whether an image may be an output, which is read again without decoding other images."""
    if path.lower().rstrip("/").endswith(".zarr"):
        return os.path.isdir(path)
    if not path.lower().endswith((".png", ".tif", ".tiff")) or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return _MARK in file.read(1 << 16)


def describe_model(path: str, settings: Any) -> dict[str, str]:
    """Describe a trained map.

    Parameters
    ----------
    path : str
        Path or URL of a .npz.
    settings : InputSection
        Only `storage` is used.

    Raises
    ------
    InputError
    """
    codebook = _codebook_at(path, settings.storage)
    rows, columns, bands = codebook.weights.shape
    parameters = codebook.about.get("parameters", {})
    named = parameters.items() if isinstance(parameters, dict) else ()
    trained = ", ".join(f"{name} {value}" for name, value in named if value is not None)
    names = _bands_of_model(codebook)
    return {
        "map": f"{rows} x {columns} units, {bands} band{'s' * (bands != 1)}",
        **({"bands": listed_bands(names, bands)} if names else {}),
        "range": f"{codebook.weights.min():.6g} to {codebook.weights.max():.6g}",
        "trained on": codebook.dtype or "unknown data type",
        "trained with": f"dasksom {codebook.about.get('dasksom', '?')}: {trained}",
        **_described_epochs(codebook),
    }


def _described_epochs(codebook: "Codebook") -> dict[str, str]:
    """Describe the epochs of a map, if it keeps its history."""
    state = codebook.about.get("state")
    history = state.get("history") if isinstance(state, dict) else None
    if not history:
        return {}
    sampled = sum(isinstance(epoch, dict) and bool(epoch.get("sampled")) for epoch in history)
    return {"epochs": f"{len(history)}{f', {sampled} of them on a sample of the pixels' if sampled else ''}"}


def describe_image(paths: Sequence[str], settings: Any) -> dict[str, str]:
    """Describe an image without reading pixels.

    Parameters
    ----------
    paths : sequence of str
        Path or URL, or those of the files of its bands.
    settings : InputSection
        Options for opening the image.

    Raises
    ------
    InputError
    """
    picture = open_picture(paths[0] if len(paths) == 1 else list(paths), **settings.opening())
    image, about = picture.pixels, dict(picture.about)
    height, width, bands = image.shape
    rows, columns = image.chunksize[:2]
    chunk_bytes = rows * columns * bands * image.dtype.itemsize
    about.pop("mask", None)
    values = f"{bands} band{'s' * (bands != 1)} of {image.dtype}"
    description = {
        **about,
        "size": f"{width} x {height} pixels ({height * width / 1e6:.3g} Mpx), {values}",
        **({"bands": listed_bands(picture.band_names, bands)} if picture.band_names else {}),
        "decoded": format_bytes(image.nbytes),
        "chunks": f"{image.npartitions} of {columns} x {rows} pixels, {format_bytes(chunk_bytes)} each",
        "training": "counts colors, two passes"
        if ColorType(image.dtype, bands).is_counted
        else "streams, five passes with a warm-up, else one per epoch and two more",
        "pixels used": _pixels_used(picture),
    }
    if len(paths) == 1 and _is_output(paths[0]):
        description.update(_describe_output(paths[0]))
    if picture.pixel_size:
        height_of_pixel, width_of_pixel = picture.pixel_size
        description["pixel"] = f"{width_of_pixel:.6g} x {height_of_pixel:.6g} {picture.unit}"
    return description


def _pixels_used(picture: Picture) -> str:
    excluded = (
        [] if picture.mask is None else [_excluded_by(mask, picture) for mask in picture.about["mask"].split(", ")]
    )
    if picture.pixels.dtype.kind == "f":
        excluded.append("NaN")
    return f"all except {', '.join(excluded)}" if excluded else "all"


def _excluded_by(mask: str, picture: Picture) -> str:
    """Describe the pixels that a mask excludes, by the source of the mask."""
    if mask == "no-data value":
        return f"no-data ({picture.about.get('no data', picture.nodata)})"
    return {"alpha": "transparent pixels"}.get(mask, f"pixels outside the {mask}")


def export_palette(model: str, output: str, bands: BandPicks | None, *, overwrite: bool) -> None:
    """Write the palette of a trained map to a file for other programs.

    Parameters
    ----------
    model : str
        Path or URL of a .npz.
    output : str
        Path; its suffix determines the format (`dasksom.image.palette_files`).
    bands : names or numbers from 0, optional
        Bands to use as red, green and blue, or one as gray.
    overwrite : bool
        Whether an existing file is replaced.

    Raises
    ------
    InputError
    """
    codebook = _codebook_at(model)
    bands_of_map = codebook.weights.shape[-1]
    chosen = None if bands is None else find_bands(model, bands, _bands_of_model(codebook), bands_of_map)
    _write_palette(output, codebook.weights, chosen, overwrite=overwrite)


_FILES: dict[str, Callable[[str, Any], dict[str, str]]] = {
    ".npz": describe_model,
    **dict.fromkeys((".act", ".clr", ".gpl", ".txt"), _describe_palette),
    ".csv": _describe_class_table,
    ".json": _describe_summary,
    **dict.fromkeys((".yaml", ".yml"), _describe_configuration),
}
"""How files other than images are described, by suffix."""
