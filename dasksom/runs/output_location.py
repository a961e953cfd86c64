"""Validate and reserve output paths."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dasksom import image
from dasksom.config import RunConfig
from dasksom.estimator import BatchMap
from dasksom.image import Picture, RunFolder, check_format, check_output, check_unfinished, is_remote, run_on_disk
from dasksom.image.write_formats import WRITERS

if TYPE_CHECKING:
    from dasksom.image import StoreRun


def may_have_gaps(picture: Picture, som: BatchMap, config: RunConfig) -> bool:
    """Return whether some pixels may get no label: those without data, or without a feature."""
    return picture.has_gaps or config.input.skips or not som.labels_all(picture.pixels.dtype)


def check_output_format(output: str, picture: Picture, som: BatchMap, config: RunConfig) -> None:
    """Check that an output's format can hold an image in the colors of a map.

    Raises
    ------
    InputError
    """
    check_format(
        output,
        shape=picture.pixels.shape,
        dtype=picture.pixels.dtype,
        units=som.units,
        with_image=config.output.image,
        nodata=may_have_gaps(picture, som, config),
        options=config.output.options(),
    )


def hold_output(
    sources: Sequence[str], output: str, config: RunConfig, model: str | None, *, resume: bool
) -> "AbstractContextManager[RunFolder | StoreRun]":
    """Check that an image's output can be written; return a context manager that reserves it.

    Raises
    ------
    InputError
    """
    inputs, overwrite = _inputs(sources, config) + ([] if model is None else [model]), config.output.overwrite
    if is_remote(output):
        location = image.locate_output(output, _storage(sources, output, config), inputs=inputs)
        return image.run_on_store(location, overwrite=overwrite, resume=resume)
    return _hold_on_disk(output, inputs, overwrite=overwrite, resume=resume, suffixes=list(WRITERS))


def hold_model(
    sources: Sequence[str], model: str, config: RunConfig, *, resume: bool
) -> AbstractContextManager[RunFolder | Path]:
    """Check that a model's file can be written; return a context manager that reserves it.

    Raises
    ------
    InputError
    """
    inputs = _inputs(sources, config)
    if not is_remote(model):
        return _hold_on_disk(model, inputs, overwrite=config.output.overwrite, resume=resume, suffixes=[".npz"])
    location = image.locate_output(model, _storage(sources, model, config), inputs=inputs, suffixes=(".npz",))
    return image.publish_object(location, overwrite=config.output.overwrite)


def _hold_on_disk(
    output: str, inputs: list[str], *, overwrite: bool, resume: bool, **suffixes: list[str]
) -> AbstractContextManager[RunFolder]:
    final = check_output(output, inputs=inputs, overwrite=overwrite, **suffixes)
    if not resume:
        check_unfinished(final, overwrite)
    return run_on_disk(final, overwrite=overwrite, resume=resume)


def _inputs(sources: Sequence[str], config: RunConfig) -> list[str]:
    """Return the paths and URLs that a run reads, which outputs must not overlap."""
    return [*sources, *config.input.mask_paths]


def _storage(sources: Sequence[str], output: str, config: RunConfig) -> dict[str, Any]:
    """Return the options of the output's store; those of the input are only used for the same kind of store."""
    if config.output.storage is not None:
        return config.output.storage
    same = bool(sources) and urlsplit(sources[0]).scheme.lower() == urlsplit(output).scheme.lower()
    return config.input.storage if same else {}
