"""Whole runs, from a path to a path, in reading order."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dask.utils import parse_bytes

from dasksom.cluster import Workers, expected_workers
from dasksom.config import RunConfig
from dasksom.errors import DasksomError, InputError
from dasksom.estimator import BatchSOM
from dasksom.image import (
    Part,
    Picture,
    RunFolder,
    StoreRun,
    Sums,
    check_alike,
    check_folder,
    check_format,
    check_output,
    check_result,
    check_unfinished,
    chunk_alignment,
    images_in,
    is_remote,
    locate_output,
    open_picture,
    output_suffix,
    publish_object,
    run_folder,
    run_on_disk,
    run_on_store,
    shown,
    unfinished_run,
)
from dasksom.loading import codebook_at, from_codebook
from dasksom.planning import Plan, check_fits
from dasksom.probing import Probe, probe
from dasksom.quantization import check_dither
from dasksom.resuming import begin, begun, check_unchanged, config_of, has_written, how_of, trouble_in_words
from dasksom.runs import SMALL_BYTES, Run, Summary, Watcher, plan_of

CHUNK_BYTES = 64 << 20
"""Largest decoded chunk where memory allows."""
CHUNKS_PER_WORKER = 16
"""A worker's memory holds so many chunks: one in its several forms, those that come next, and the libraries."""


def _chunk_bytes(config: RunConfig) -> int:
    """Give the largest decoded chunk: a function of what was asked for alone.

    The chunks of a streamed image decide in which order its sums are added, so they may not depend on the machine.
    """
    if config.input.chunk_size is not None:
        return int(parse_bytes(config.input.chunk_size))
    if config.cluster.memory_limit is None:
        return CHUNK_BYTES
    return min(CHUNK_BYTES, int(parse_bytes(config.cluster.memory_limit)) // CHUNKS_PER_WORKER)


def _open(source: str, config: RunConfig, align: int = 1, unread: Sequence[Part] = ()) -> Picture:
    how = config.input.opening() | ({"unread": unread} if unread else {})
    return open_picture(source, chunk_bytes=_chunk_bytes(config), align=align, **how)


def _open_for(output: str, source: str, config: RunConfig, unread: Sequence[Part] = ()) -> Picture:
    """Open an image in chunks that an output can be written in; without parts that cannot be read."""
    pixels = _open(source, config).pixels
    # chunks are planned anew, now that it is known how wide the pixels are
    pixel_bytes = pixels.shape[2] * pixels.dtype.itemsize
    return _open(source, config, chunk_alignment(output, config.output.options(), pixel_bytes), unread)


def _check_output_format(output: str, picture: Picture, units: int, config: RunConfig) -> None:
    check_format(
        output,
        shape=picture.pixels.shape,
        dtype=picture.pixels.dtype,
        units=units,
        with_image=config.output.image,
        nodata=picture.has_gaps or config.input.skips,
        options=config.output.options(),
    )


def _inputs(source: str, config: RunConfig) -> list[str]:
    """Give the paths and URLs that a run reads, which no output may touch."""
    return [path for path in (source, config.input.mask) if path is not None]


def _output_storage(source: str, output: str, config: RunConfig) -> dict[str, Any]:
    """Give the options of the output's store; what is told of the input's goes to no other kind of store."""
    if config.output.storage is not None:
        return config.output.storage
    same = urlsplit(source).scheme.lower() == urlsplit(output).scheme.lower()
    return config.input.storage if same else {}


def _held(
    source: str, output: str, config: RunConfig, model: str | None, resume: bool
) -> AbstractContextManager[RunFolder | StoreRun]:
    """Refuse an image's output that could not be written; give what holds its place."""
    inputs, overwrite = _inputs(source, config) + ([] if model is None else [model]), config.output.overwrite
    if is_remote(output):
        location = locate_output(output, _output_storage(source, output, config), inputs=inputs)
        return run_on_store(location, overwrite=overwrite, resume=resume)
    return _held_on_disk(output, inputs, overwrite, resume)


def _held_on_disk(
    output: str, inputs: list[str], overwrite: bool, resume: bool, **suffixes: list[str]
) -> AbstractContextManager[RunFolder]:
    final = check_output(output, inputs=inputs, overwrite=overwrite, **suffixes)
    if not resume:
        check_unfinished(final, overwrite)
    return run_on_disk(final, overwrite=overwrite, resume=resume)


def _held_model(
    sources: Sequence[str], model: str, config: RunConfig, resume: bool
) -> AbstractContextManager[RunFolder | Path]:
    inputs = [path for source in sources for path in _inputs(source, config)]
    if not is_remote(model):
        return _held_on_disk(model, inputs, config.output.overwrite, resume, suffixes=[".npz"])
    storage = _output_storage(sources[0], model, config)
    location = locate_output(model, storage, inputs=inputs, suffixes=(".npz",))
    return publish_object(location, overwrite=config.output.overwrite)


def _untrained(config: RunConfig) -> BatchSOM:
    """Make the map that a run trains, with its parameters checked."""
    given = config.map.model_dump(exclude={"grid", "seed", "refine"})
    refine = config.map.refine or 0
    som = BatchSOM(*config.map.grid, cache="none", random_state=config.map.seed, refine=refine, **given)
    som.check_parameters()
    return som


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
    holding = _held(source, output, config, model, resume)
    codebook = None if model is None else codebook_at(model, config.input.storage)
    som = _untrained(config) if codebook is None else from_codebook(codebook)
    picture = _open_for(output, source, config)
    image = picture.pixels
    if model is not None and image.shape[2] != som.n_features_in_:
        raise InputError(
            f"{shown(source)}: has {image.shape[2]} bands, and {shown(model)} was trained on {som.n_features_in_}; "
            "take the bands that it knows (--select), or another map"
        )
    check_dither(config.output.dither, image)
    _check_output_format(output, picture, som.units, config)
    if config.output.report:
        gaps = picture.has_gaps or config.input.skips
        check_result(output, dtype=image.dtype, bands=image.shape[2], units=som.units + gaps)
    how = how_of("quantize", [source], model, config, _chunk_bytes(config))
    with trouble_in_words(output), holding as work, Sums() as sums:
        keeper = begin(work, how, [picture], None if codebook is None else codebook.weights)
        run = Run(source, picture, output, config, watcher, keeper)
        # the cluster stops before the output is published, or swept away: no task writes any more then
        with run.on_cluster(config, som, trains=model is None, writes=True) as client:
            if config.input.skips:
                run.leave_out_unread(partial(_open_for, output, source, config))
            if model is None:
                run.train(som, config)
            if not has_written(work):
                work.clear_place()
            run.write(som, work.place, config.output, sums)
            run.end(som, work.place, client, sums)
        check_unchanged(work, [source], [_open_for(output, source, config)])
    run.summary.bytes_written = None if is_remote(output) else _stored_bytes(Path(output))
    return run.summary


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
    holding = _held_model(found, model, config, resume)
    som = _untrained(config)
    pictures = [_open(source, config) for source in found]
    check_alike(found, pictures)
    how = how_of("train", found, None, config, _chunk_bytes(config))
    with trouble_in_words(model), holding as work:
        keeper = begin(work, how, pictures) if isinstance(work, RunFolder) else None
        run = Run(found[0], pictures[0], model, config, watcher, keeper)
        if len(found) > 1:
            run.summary.image = f"{run.summary.image} and {len(found) - 1} more"
            run.summary.more_pixels = sum(other.pixels[..., 0].size for other in pictures[1:])
        with run.on_cluster(config, som, trains=True, writes=False):
            more = pictures[1:]
            if config.input.skips:
                run.leave_out_unread(lambda unread: _open(found[0], config, unread=unread))
                again = [lambda unread, source=source: _open(source, config, unread=unread) for source in found[1:]]
                more = list(map(run.readable, more, again))
            run.train(som, config, more)
        if isinstance(work, RunFolder):
            check_unchanged(work, found, [_open(source, config) for source in found])
        som.save(work.place if isinstance(work, RunFolder) else work)
    run.summary.bytes_written = None if is_remote(model) else _stored_bytes(Path(model))
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
    work = unfinished_run(output, storage)
    if isinstance(work, RunFolder) and work.finish():
        return None
    how = begun(work)
    config = config_of(how, given)
    if how.command == "train":
        return train(how.sources, output, config, watcher, resume=True)
    return quantize(how.sources[0], output, config, watcher, how.model, resume=True)


@dataclass(frozen=True)
class Applied:
    """What became of one of several images."""

    source: str
    output: str
    summary: Summary | None = None
    """None where the output was there before, and so is whole; or where it failed."""
    error: DasksomError | None = None


def apply_to_all(
    model: str, sources: Sequence[str], folder: str, suffix: str, config: RunConfig, watcher: Watcher
) -> Iterator[Applied]:
    """Write several images in the colors of a trained map, each to an output of its name in a folder.

    Outputs that are there already are passed over, unless they are to be overwritten: what has its name is whole. So
    the same call goes on where another one was stopped. An image that fails does not stop the others.

    Parameters
    ----------
    model : str
    sources : sequence of str
        Paths; of a folder that is no image itself all images are taken.
    folder : str
        Made if it is not there.
    suffix : str
        Of the outputs; chooses their format.
    config : RunConfig
    watcher : Watcher

    Raises
    ------
    InputError
        Before anything is written, if two outputs would have one name, or the folder or the suffix cannot be used.
    """
    if is_remote(folder):
        raise InputError(f"{folder}: the outputs of several images go to a folder; write to a store image by image")
    if output_suffix(f"a{suffix}") != suffix:
        near = f"; did you mean .{suffix}?" if output_suffix(f"a.{suffix}") == f".{suffix}" else ""
        raise InputError(
            f"--format {suffix}: is not what outputs may end in, such as .ome.zarr, .zarr, .tif or .png{near}"
        )
    outputs: dict[str, str] = {}
    for source in (path for given in sources for path in images_in(given)):
        name = Path(shown(source)).name
        output = str(Path(folder).expanduser() / (name.removesuffix(output_suffix(name) or Path(name).suffix) + suffix))
        if output in outputs:
            raise InputError(
                f"{shown(source)} and {shown(outputs[output])} would both be written to {output}; rename one of them"
            )
        outputs[output] = source
    check_folder(folder, sources, outputs)
    try:
        Path(folder).expanduser().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: no folder for the outputs can be there: {error.strerror}") from error
    for output, source in outputs.items():
        if Path(output).exists() and not config.output.overwrite:
            yield Applied(source, output)
            continue
        try:
            resume = not config.output.overwrite and run_folder(Path(output)).is_dir()
            yield Applied(source, output, quantize(source, output, config, watcher, model, resume=resume))
        except DasksomError as error:
            yield Applied(source, output, error=error)


def _stored_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(one.stat().st_size for one in files if one.is_file())


@dataclass(frozen=True)
class Forecast:
    """What `dasksom plan` tells."""

    plan: Plan
    workers: Workers
    probe: Probe | None
    """None where it was not wanted."""


def forecast(source: str, output: str, config: RunConfig, *, probed: bool = True) -> Forecast:
    """Tell what a run of `quantize` would do and need on the cluster that the configuration describes; nothing starts.

    Parameters
    ----------
    source, output : str
        Paths; of the output the suffix matters alone.
    config : RunConfig
    probed : bool
        Whether a chunk is read and worked on, to estimate the time.

    Raises
    ------
    InputError
        For what cannot be used or does not fit a worker; the message names the chunk size that does.
    """
    som = _untrained(config)
    picture = _open_for(output, source, config)
    image = picture.pixels
    _check_output_format(output, picture, som.units, config)
    there = expected_workers(config.cluster.as_options(), small=image.nbytes <= SMALL_BYTES)
    plan = plan_of(image, som, config, there, trains=True, writes=True)
    check_fits(plan, there.memory)
    suffix = "".join(Path(output).suffixes[-2:]) if output.endswith(".ome.zarr") else Path(output).suffix
    found = probe(image, som, suffix, config.output.image) if probed else None
    return Forecast(plan, there, found)
