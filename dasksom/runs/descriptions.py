"""Describe images and trained maps, and export palettes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dask.utils import format_bytes

from dasksom.deferred import deferred
from dasksom.image import Picture, open_picture
from dasksom.image.sources.bands import BandPicks, find_bands, listed_bands
from dasksom.som.counted_colors.cells import ColorType

if TYPE_CHECKING:
    from dasksom.som.codebook import Codebook

_write_palette = deferred("dasksom.image.palette_files:write_palette")
_codebook_at: "Callable[..., Codebook]" = deferred("dasksom.model_files:codebook_at")
_bands_of_model: "Callable[..., tuple[str, ...]]" = deferred("dasksom.models:band_names_of_model")


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
        "map": f"{rows} x {columns} units, {bands} bands",
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
    description = {
        **about,
        "size": f"{width} x {height} pixels ({height * width / 1e6:.3g} Mpx), {bands} bands of {image.dtype}",
        **({"bands": listed_bands(picture.band_names, bands)} if picture.band_names else {}),
        "decoded": format_bytes(image.nbytes),
        "chunks": f"{image.npartitions} of {columns} x {rows} pixels, {format_bytes(chunk_bytes)} each",
        "training": "counts colors, two passes"
        if ColorType(image.dtype, bands).is_counted
        else "streams, five passes with a warm-up, else one per epoch and two more",
        "pixels used": _pixels_used(picture),
    }
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
