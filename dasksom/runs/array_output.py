"""Write an image in the colors of a trained map from Python: arrays, opened pictures and files."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from dasksom.chunkwise import Progress
from dasksom.config import OutputSection, RunConfig
from dasksom.errors import InputError
from dasksom.estimator import BatchMap
from dasksom.image import Manifest, Options, Picture, open_picture
from dasksom.image.opening import picture_of_array
from dasksom.image.sources.dtypes_and_axes import is_data_array
from dasksom.quantization.labels import check_dither
from dasksom.runs.band_order import check_bands_of_map, in_order_of_map
from dasksom.runs.error_translation import explained_system_errors
from dasksom.runs.image_run import ImageRun, map_settings
from dasksom.runs.input_image import fit_to_output
from dasksom.runs.output_location import check_output_format, hold_output
from dasksom.training.input_arrays import as_image, computing

_THE_MAP = "the map"


class _ProgressWatcher:
    """A watcher that only passes on the progress of passes."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def plan(self, line: str) -> None:
        pass

    def stage(self, name: str, pixels: int) -> None:
        pass

    def progress(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)

    def epoch(self, epoch: Any) -> None:
        pass


def write_image(
    som: BatchMap,
    X: Any,
    output: str | os.PathLike[str],
    *,
    mask: Any,
    image: bool,
    dither: str,
    overwrite: bool,
    progress: Progress | None,
    storage: Mapping[str, Any] | None,
    options: Options,
) -> None:
    """Write labels, palette and rebuilt image as `dasksom apply` does; parameters are those of `BatchSOM.write`.

    Parameters
    ----------
    som : BatchMap
    X : array, DataArray, Picture or path
    output : str or path
    mask : array of shape (height, width), bool, or None
    image, dither, overwrite, progress, storage, options
    """
    output, described, picture = os.fspath(output), _description(X), _opened(X, mask)
    check_dither(dither, picture.pixels)
    section = OutputSection(
        image=image, dither=dither, overwrite=overwrite, storage=dict(storage or {}), **asdict(options)
    )
    config = RunConfig(output=section)
    paths = (os.fspath(X),) if isinstance(X, (str, os.PathLike)) else ()
    reserved = hold_output(paths, output, config, None, resume=False)
    picture, config = in_order_of_map(picture, som, described, _THE_MAP, config)
    picture = fit_to_output(picture, output, config)
    check_bands_of_map(som, _THE_MAP, picture.pixels, described)
    check_output_format(output, picture, som, config)
    with explained_system_errors(output), reserved as work, Manifest() as manifest, computing(X):
        work.clear_place()
        run = ImageRun(paths or (described,), picture, output, config, _ProgressWatcher(progress), None, som.blur)
        run.note(config={**run.record.config, "map": map_settings(som)})
        if not paths:
            run.note(source=None)
        writer = run.write(som, work.place, config.output, manifest)
        run.complete(som, writer, None, manifest)


def _opened(image: Any, mask: Any) -> Picture:
    if isinstance(image, Picture):
        if mask is not None:
            raise InputError("mask: the picture has its own; give this one to open_picture(..., mask=)")
        return image
    if isinstance(image, (str, os.PathLike)) or is_data_array(image):
        return open_picture(image, mask=mask)
    if getattr(image, "ndim", None) != 3:
        raise InputError(
            f"{_description(image)} of shape {np.shape(image)} is not an image: give an array of (height, width, "
            "bands), a DataArray, a Picture or a path"
        )
    pixels, own_mask = as_image(image)
    return picture_of_array(pixels, None if own_mask is None else own_mask[..., 0], mask)


def _description(image: Any) -> str:
    return os.fspath(image) if isinstance(image, (str, os.PathLike)) else f"the {type(image).__name__}"
