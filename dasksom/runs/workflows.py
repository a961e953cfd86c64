"""Complete runs in reading order: quantize an image, train a model, resume a run."""

import json
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dasksom import image as image_files
from dasksom.config import RunConfig
from dasksom.deferred import deferred
from dasksom.errors import DasksomError, InputError
from dasksom.estimator import BatchMap
from dasksom.image import Manifest, Picture, RunFolder, check_output, is_remote, shown, size_on_disk
from dasksom.image.write_formats import WRITERS
from dasksom.provenance.run_record import RunRecord
from dasksom.quantization.labels import check_dither
from dasksom.runs.chunk_sizes import fit_to_workers
from dasksom.runs.error_translation import explained_system_errors
from dasksom.runs.image_run import ImageRun, map_settings, new_map
from dasksom.runs.input_image import (
    fit_to_output,
    in_chunks_of,
    most_chunk_bytes,
    open_input,
    paths_of,
    shown_image,
    without_regions,
)
from dasksom.runs.output_location import check_output_format, hold_model, hold_output, may_have_gaps
from dasksom.runs.run_state import (
    begin,
    check_inputs_unchanged,
    has_written,
    load_request,
    request_of,
    resumed_config,
)
from dasksom.storage.local_paths import absolute_path
from dasksom.storage.own_files import replace_file

if TYPE_CHECKING:
    from dasksom.runs.watcher import Watcher
    from dasksom.som.codebook import Codebook

_codebook_at: "Callable[..., Codebook]" = deferred("dasksom.model_files:codebook_at")
_in_one_order: "Callable[..., list[Picture]]" = deferred("dasksom.runs.band_order:in_one_order")
_in_order_of_map: "Callable[..., tuple[Picture, RunConfig]]" = deferred("dasksom.runs.band_order:in_order_of_map")
_check_bands_of_map = deferred("dasksom.runs.band_order:check_bands_of_map")
_check_report = deferred("dasksom.report:check_report")
_report_path: "Callable[[str], str]" = deferred("dasksom.report:report_path")
_write_report_file = deferred("dasksom.report:write_report")
_classify_output: "Callable[..., list[str]]" = deferred("dasksom.runs.classes.class_run:classify_output")
_check_class_files = deferred("dasksom.runs.classes.class_files:check_class_files")
_class_options = deferred("dasksom.runs.classes.class_choice:ClassOptions")
_restore_map: "Callable[..., BatchMap]" = deferred("dasksom.models:restore_map")
logger = logging.getLogger(__name__)


def quantize_image(
    source: str | Sequence[str],
    output: str,
    config: RunConfig,
    watcher: "Watcher",
    *,
    model: str | None = None,
    summary: str | None = None,
    resume: bool = False,
) -> RunRecord:
    """Train a map on every pixel of an image, and write the image in the colors of the map.

    Parameters
    ----------
    source : str or sequence of str
        Path or URL, or those of the files of its bands.
    output : str
        Path or URL; the suffix determines the format.
    config : RunConfig
    watcher : Watcher
    model : str, optional
        Trained map to use instead of training one.
    summary : str, optional
        Path of a JSON file for a summary of the run.
    resume : bool
        Whether to resume the same run after an interrupt.

    Raises
    ------
    InputError
        If an argument cannot be used; before any work where possible. No files are left behind.
    DasksomError
        If the run fails later. Finished work is kept next to the output if it took more than a few seconds.
    """
    paths, named = paths_of(source), shown_image(source)
    _check_summary(summary, [*paths, *([] if model is None else [model])])
    overwrite = config.output.overwrite or resume
    if config.output.report:
        _check_report(output, _report_path(output), overwrite=overwrite)
    reserved = hold_output(paths, output, config, model, resume=resume)
    codebook = None if model is None else _codebook_at(model, config.input.storage)
    som = new_map(config) if codebook is None else _restore_map(BatchMap(), codebook)
    picture = open_input(paths, config)
    if model is not None:
        picture, config = _in_order_of_map(picture, som, named, model, config)
    rechunk = partial(fit_to_output, output=output)
    picture = rechunk(picture, config=config)
    if model is not None:
        _check_bands_of_map(som, model, picture.pixels, named)
    _check_outputs(output, picture, som, config, overwrite=overwrite)
    picture, config = fit_to_workers(picture, rechunk, som, config, trains=model is None)
    request = request_of("quantize", paths, model, config, most_chunk_bytes(config), summary)
    with explained_system_errors(output), reserved as work, Manifest() as manifest:
        keeper = begin(work, request, [paths], [picture], codebook)
        run = ImageRun(paths, picture, output, config, watcher, keeper, som.blur)
        if model is not None:
            run.note(config={**run.record.config, "map": map_settings(som)})
        # stop the cluster before the output is published or removed, so that no task is still writing
        with run.on_cluster(config, som, trains=model is None, writes=True) as client:
            if config.input.skips:
                run.leave_out_unread(partial(fit_to_output, picture, output, config))
            if model is None:
                run.train(som, config)
            written = has_written(work)
            if not written:
                work.clear_place()
            writer = run.write(som, work.place, config.output, manifest, resumed=written)
            run.complete(som, writer, client, manifest)
        check_inputs_unchanged(work, [paths], [picture])
        # before the output is published: a run that is killed here can be resumed; with classes, after they are added
        problem = None
        if config.output.classes is None:
            problem = _write_report(run, paths, output, work.place, overwrite=overwrite)
        run.note(bytes_written=None if is_remote(output) else size_on_disk(str(work.place)))
        _write_summary(run.record, summary)
    if config.output.classes is not None:
        run.note(classes=_write_classes(output, config, watcher, overwrite=overwrite))
        problem = _write_report(run, paths, output, Path(output), overwrite=overwrite)
        _write_summary(run.record, summary)
    if problem is not None:
        raise DasksomError(
            f"{shown(output)}: is complete, but its report cannot be written: {problem}; `dasksom report` tries again"
        ) from problem
    return run.record


def _check_outputs(output: str, picture: Picture, som: BatchMap, config: RunConfig, *, overwrite: bool) -> None:
    """Refuse, before any work, what could not be written of an image."""
    image = picture.pixels
    check_dither(config.output.dither, image)
    check_output_format(output, picture, som, config)
    if config.output.report or config.output.classes is not None:
        gaps = may_have_gaps(picture, som, config)
        pixels = config.output.pixels if config.output.image else "labels"
        image_files.check_result(output, dtype=image.dtype, bands=image.shape[2], units=som.units + gaps, pixels=pixels)
    if config.output.classes is not None:
        _check_class_files(output, config.output.classes, som.units, overwrite=overwrite)


def _write_classes(output: str, config: RunConfig, watcher: "Watcher", *, overwrite: bool) -> tuple[str, ...]:
    try:
        options = _class_options(config.output.classes)
        return tuple(_classify_output(output, None, options, watcher, overwrite=overwrite))
    except DasksomError as error:
        raise DasksomError(
            f"{output}: is complete, but its classes are not: {error}; `dasksom classes` tries again"
        ) from error


def _write_report(
    run: ImageRun, paths: Sequence[str], output: str, place: "Path | image_files.StoreRun", *, overwrite: bool
) -> Exception | None:
    """Write the report of a run if requested; return an error message instead of raising, to preserve the output."""
    if not run.record.config["output"]["report"] or not isinstance(place, Path):
        return None
    recorded = not is_remote(paths[0]) and run.record.source == str(absolute_path(paths[0]))
    original = None if recorded else paths[0]
    target, just_made = _report_path(output), (run.record, run.overview)
    try:
        _write_report_file(str(place), target, original=original, overwrite=overwrite, just_made=just_made, name=output)
    except Exception as error:
        return error
    run.note(report=target)
    return None


def _check_summary(path: str | None, inputs: Sequence[str]) -> None:
    """Check that a summary can be written and does not replace an input."""
    if path is not None and Path(path).is_dir():
        raise InputError(f"--summary {path}: is a directory; give the name of a file")
    if path is not None:
        summary = check_output(path, inputs=inputs, overwrite=True, suffixes=("",))
        if summary.is_file() and not _is_json(summary.read_bytes()[:80]):
            raise InputError(f"--summary {path}: exists, and is not a summary of a run; give another name")


def _is_json(content: bytes) -> bool:
    return content.lstrip()[:1] in (b"{", b"")


def _write_summary(record: RunRecord, path: str | None) -> None:
    if path is not None:
        replace_file(Path(path), f"{json.dumps(record.summary(), indent=1)}\n".encode(), is_ours=_is_json)


def train_model(
    sources: Sequence[str],
    model: str,
    config: RunConfig,
    watcher: "Watcher",
    *,
    summary: str | None = None,
    resume: bool = False,
) -> RunRecord:
    """Train one map on every pixel of one or several images, and save it.

    Parameters
    ----------
    sources : sequence of str
        Paths or URLs; a folder means every image in it.
    model : str
        Path with the suffix .npz.
    config : RunConfig
    watcher : Watcher
    summary : str, optional
        Path of a JSON file for a summary of the run.
    resume : bool
        Whether to resume the same run after an interrupt; not supported for models on object stores.
    """
    _check_summary(summary, sources)
    images = image_files.image_groups(sources, config.input.stack)
    paths = [path for group in images for path in group]
    named = [shown_image(group) for group in images]
    inputs = config.input.of_each_image(len(images))
    reserved = hold_model(paths, model, config, resume=resume)
    som = new_map(config)
    pictures = [open_input(group, config, own) for group, own in zip(images, inputs, strict=True)]
    pictures = _in_one_order(named, pictures)
    image_files.check_alike(named, pictures)
    for picture in pictures:
        _, config = fit_to_workers(picture, in_chunks_of, som, config, writes=False)
    pictures = [in_chunks_of(picture, config) for picture in pictures]
    request = request_of("train", paths, None, config, most_chunk_bytes(config), summary)
    with explained_system_errors(model), reserved as work:
        keeper = begin(work, request, images, pictures) if isinstance(work, RunFolder) else None
        run = ImageRun(images[0], pictures[0], model, config, watcher, keeper, som.blur)
        if len(images) > 1:
            run.note(
                image=f"{run.record.image} and {len(images) - 1} more",
                more_pixels=sum(other.pixels[..., 0].size for other in pictures[1:]),
            )
        with run.on_cluster(config, som, trains=True, writes=False):
            more = pictures[1:]
            if config.input.skips:
                run.leave_out_unread(partial(without_regions, pictures[0], config))
                more = [run.readable(picture, partial(without_regions, picture, config)) for picture in more]
            run.train(som, config, more)
        if isinstance(work, RunFolder):
            check_inputs_unchanged(work, images, pictures)
        place = work.place if isinstance(work, RunFolder) else work
        som.save(place)
        run.note(bytes_written=None if is_remote(model) else size_on_disk(str(place)))
        _write_summary(run.record, summary)
    return run.record


def resume_run(output: str, given: RunConfig, watcher: "Watcher", *, summary: str | None = None) -> RunRecord | None:
    """Resume an interrupted run, on the given cluster or the one that it began on.

    Parameters
    ----------
    output : str
        Path or URL of the run's output.
    given : RunConfig
        Only `cluster`, `input.storage` and `output.storage` are used.
    watcher : Watcher
    summary : str, optional
        Path of a JSON file for a summary of the run; by default the one that the run began with, if any.

    Returns
    -------
    RunRecord, or None if the run was killed during publishing and only that had to be completed

    Raises
    ------
    InputError
        If there is no such run, another process owns it, or its inputs or versions have changed.
    """
    _check_summary(summary, [])
    storage = given.output.storage if given.output.storage is not None else given.input.storage
    work = image_files.unfinished_run(output, storage, (*WRITERS, ".npz"))
    if isinstance(work, RunFolder) and work.finish():
        return None
    request = load_request(work)
    config = resumed_config(request, given)
    summary = summary or request.summary
    if request.command == "train":
        return train_model(request.sources, output, config, watcher, summary=summary, resume=True)
    return quantize_image(request.sources, output, config, watcher, model=request.model, summary=summary, resume=True)
