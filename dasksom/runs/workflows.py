"""Whole runs, from a path to a path, in reading order."""

import logging
from collections.abc import Sequence
from functools import partial

import dask.array as da

from dasksom.config import RunConfig
from dasksom.errors import InputError
from dasksom.estimator import BatchSOM
from dasksom.image import Manifest, RunFolder, check_alike, check_result, images_in, shown, size_on_disk, unfinished_run
from dasksom.image.write_formats import WRITERS
from dasksom.models import codebook_at, from_codebook
from dasksom.quantization.labels import check_dither
from dasksom.runs.input_image import most_chunk_bytes, open_for, open_source
from dasksom.runs.output_location import check_output_format, hold_model, hold_output
from dasksom.runs.resume import begin, begun, check_unchanged, config_of, has_written, how_of, trouble_in_words
from dasksom.runs.run import Run, Summary, Watcher, untrained

logger = logging.getLogger(__name__)


def quantize(
    source: str, output: str, config: RunConfig, watcher: Watcher, model: str | None = None, *, resume: bool = False
) -> Summary:
    """Train a map on every pixel of an image, and write the image in the map's colors.

    Parameters
    ----------
    source, output : str
        Paths; the output's suffix chooses its format.
    config : RunConfig
    watcher : Watcher
    model : str, optional
        A trained map to use instead of training one.
    resume : bool
        Whether to go on with the same run, which was stopped, instead of beginning one.

    Raises
    ------
    InputError
        For anything given that cannot be used; before any work where it can be known then. Nothing is left behind.
    DasksomError
        For what fails later. What is done is kept beside the output if it took more than seconds.
    """
    holding = hold_output(source, output, config, model, resume=resume)
    codebook = None if model is None else codebook_at(model, config.input.storage)
    som = untrained(config) if codebook is None else from_codebook(codebook)
    picture = open_for(output, source, config)
    image = picture.pixels
    if model is not None:
        _check_model(som, model, image, source)
    check_dither(config.output.dither, image)
    check_output_format(output, picture, som.units, config)
    if config.output.report:
        gaps = picture.has_gaps or config.input.skips
        check_result(output, dtype=image.dtype, bands=image.shape[2], units=som.units + gaps)
    how = how_of("quantize", [source], model, config, most_chunk_bytes(config))
    with trouble_in_words(output), holding as work, Manifest() as sums:
        keeper = begin(work, how, [picture], None if codebook is None else codebook.weights)
        run = Run(source, picture, output, config, watcher, keeper)
        # the cluster stops before the output is published, or swept away: no task writes any more then
        with run.on_cluster(config, som, trains=model is None, writes=True) as client:
            if config.input.skips:
                run.leave_out_unread(partial(open_for, output, source, config))
            if model is None:
                run.train(som, config)
            if not has_written(work):
                work.clear_place()
            writer = run.write(som, work.place, config.output, sums)
            run.end(som, writer, client, sums)
        check_unchanged(work, [source], [open_for(output, source, config)])
    run.summary.bytes_written = size_on_disk(output)
    return run.summary


def _check_model(som: BatchSOM, model: str, image: da.Array, source: str) -> None:
    """Refuse an image of other bands than a map was trained on; warn of one whose numbers mean something else."""
    if image.shape[2] != som.n_features_in_:
        raise InputError(
            f"{shown(source)}: has {image.shape[2]} bands, and {shown(model)} was trained on {som.n_features_in_}; "
            "take the bands that it knows (--select), or another map"
        )
    types = {som.dtype_ or str(image.dtype), str(image.dtype)}
    if som.color_space == "rgb" and len(types) > 1 and not types <= {"float16", "float32", "float64"}:
        logger.warning(
            "%s is %s and %s was trained on %s; numbers are compared as they are: if the scales differ, convert the "
            "image or train another map",
            shown(source),
            image.dtype,
            shown(model),
            som.dtype_,
        )


def train(sources: Sequence[str], model: str, config: RunConfig, watcher: Watcher, *, resume: bool = False) -> Summary:
    """Train one map on every pixel of one or several images, and save it.

    Parameters
    ----------
    sources : sequence of str
        Paths; of a folder that is no image itself all images are taken.
    model : str
        Path that ends in .npz.
    config : RunConfig
    watcher : Watcher
    resume : bool
        Whether to go on with the same run, which was stopped; not for a model on a store.
    """
    found = [path for source in sources for path in images_in(source)]
    holding = hold_model(found, model, config, resume=resume)
    som = untrained(config)
    pictures = [open_source(source, config) for source in found]
    check_alike(found, pictures)
    how = how_of("train", found, None, config, most_chunk_bytes(config))
    with trouble_in_words(model), holding as work:
        keeper = begin(work, how, pictures) if isinstance(work, RunFolder) else None
        run = Run(found[0], pictures[0], model, config, watcher, keeper)
        if len(found) > 1:
            run.summary.image = f"{run.summary.image} and {len(found) - 1} more"
            run.summary.more_pixels = sum(other.pixels[..., 0].size for other in pictures[1:])
        with run.on_cluster(config, som, trains=True, writes=False):
            more = pictures[1:]
            if config.input.skips:
                run.leave_out_unread(partial(open_source, found[0], config))
                more = [
                    run.readable(picture, partial(open_source, source, config))
                    for source, picture in zip(found[1:], more, strict=True)
                ]
            run.train(som, config, more)
        if isinstance(work, RunFolder):
            check_unchanged(work, found, [open_source(source, config) for source in found])
        som.save(work.place if isinstance(work, RunFolder) else work)
    run.summary.bytes_written = size_on_disk(model)
    return run.summary


def resume(output: str, given: RunConfig, watcher: Watcher) -> Summary | None:
    """Go on with a run that was stopped, on the cluster that is given or else on the one that it was begun on.

    Parameters
    ----------
    output : str
        The output of the run, whole path or URL.
    given : RunConfig
        Of it cluster, input.storage and output.storage are heeded.
    watcher : Watcher

    Returns
    -------
    Summary, or None if the run was killed while its output got its name, and nothing but that was left to do

    Raises
    ------
    InputError
        If there is no such run, another process has it, or what it depends on has changed.
    """
    storage = given.output.storage if given.output.storage is not None else given.input.storage
    work = unfinished_run(output, storage, (*WRITERS, ".npz"))
    if isinstance(work, RunFolder) and work.finish():
        return None
    how = begun(work)
    config = config_of(how, given)
    if how.command == "train":
        return train(how.sources, output, config, watcher, resume=True)
    return quantize(how.sources[0], output, config, watcher, how.model, resume=True)
