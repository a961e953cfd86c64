"""Forecast the passes, tasks, memory and time of a run without starting it, and choose chunks that fit its workers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dask.utils import format_bytes, format_time

from dasksom.cluster import Workers, expected_workers
from dasksom.config import RunConfig
from dasksom.estimator import BatchMap
from dasksom.image import Picture
from dasksom.runs.benchmark_chunk import TASK_SECONDS, Probe, estimate, probe
from dasksom.runs.image_run import SMALL_BYTES, new_map
from dasksom.runs.input_image import compared_pixels, fit_to_output, open_for_output
from dasksom.runs.memory_plan import USABLE, Plan, check_fits, plan_run
from dasksom.runs.output_location import check_output_format


@dataclass(frozen=True)
class Forecast:
    """A forecast, as shown by `dasksom plan`."""

    plan: Plan
    workers: Workers
    probe: Probe | None
    """None if no chunk was processed."""

    def as_text(self) -> dict[str, str]:
        """Return names and values for display."""
        plan, workers = self.plan, self.workers
        rows, columns = plan.chunk
        scaling = f", {plan.scaling.passes} to scale the bands" if plan.scaling.passes else ""
        exact = plan.epochs - plan.warm_up.epochs
        looks = "a first look" if not plan.warm_up.epochs else "a first look, 1 to draw the sample"
        training = "counting the colors" if plan.counted else f"{looks}{scaling} and {exact} epochs"
        limit = f"; available: {format_bytes(workers.memory)}" if workers.memory else ""
        checks = ", 1 before to find chunks that cannot be read" if plan.check_passes else ""
        text = {
            "chunks": f"{plan.chunks} of {columns} x {rows} pixels, {format_bytes(plan.chunk_bytes)} decoded",
            "passes": f"{plan.train_passes} to train ({training}), {plan.write_passes} to write{checks}",
            **({"warm-up": _describe_warm_up(plan)} if plan.warm_up.epochs else {}),
            "tasks": f"{plan.tasks} in total; about {plan.tasks * TASK_SECONDS:.3g} s of the scheduler",
            "read": f"{format_bytes(plan.read_bytes)} decoded",
            "written": f"at most {format_bytes(plan.written_bytes)}",
            "memory of a worker": f"at most {format_bytes(plan.worker_bytes)}{limit}",
            "memory of driver and scheduler": f"at most {format_bytes(plan.driver_bytes)} more than at their start",
        }
        if self.probe is not None:
            threads = workers.count * workers.threads
            seconds = estimate(plan, self.probe, threads)
            of = "one worker" if workers.count == 1 else f"{workers.count} workers"
            on = "one thread" if threads == 1 else f"{threads} threads"
            text["time"] = f"about {format_time(seconds)} on {on} of {of} like this machine"
        return text


def _describe_warm_up(plan: Plan) -> str:
    warm_up = plan.warm_up
    return (
        f"{warm_up.epochs} of {plan.epochs} epochs on a sample of about {warm_up.samples:,} pixels "
        f"({format_bytes(warm_up.sample_bytes)}); --warm-up none reads the image in every epoch"
    )


def _plan_on_expected(picture: Picture, som: BatchMap, config: RunConfig, *, trains: bool, writes: bool) -> Plan:
    """Plan a run on the workers that its configuration lets expect."""
    return plan_run(
        compared_pixels(picture, som.blur)[0],
        som,
        config,
        expected_workers(config.cluster.as_options(), small=picture.pixels.nbytes <= SMALL_BYTES),
        trains=trains,
        writes=writes,
        stored=picture.stored,
        decoded_pixel_bytes=picture.decoded_pixel_bytes,
    )


def fit_to_workers(
    picture: Picture,
    rechunk: Callable[..., Picture],
    som: BatchMap,
    config: RunConfig,
    *,
    trains: bool = True,
    writes: bool = True,
) -> tuple[Picture, RunConfig]:
    """Reduce the chunks of an open image until they fit the memory of the workers.

    Parameters
    ----------
    picture : Picture
    rechunk : callable (picture, config=config) -> picture
        Rechunks the picture to the chunk size of a configuration.
    som : BatchMap
    config : RunConfig
    trains, writes : bool
        As for `plan_run`.

    Returns
    -------
    picture : Picture
        In the largest chunks that fit; unchanged if they fit, if a size was given, or if none fits.
    config : RunConfig
        With the chunk size, from which the same run is resumed on any cluster.
    """
    workers = expected_workers(config.cluster.as_options(), small=picture.pixels.nbytes <= SMALL_BYTES)
    given, usable = (picture, config), int(workers.memory * USABLE)
    if config.input.chunk_size is not None or not usable:
        return given
    while True:
        plan = _plan_on_expected(picture, som, config, trains=trains, writes=writes)
        if plan.worker_bytes <= usable:
            return picture, config
        size = plan.chunk_bytes_that_fit(usable)
        if not size:
            return given
        config = config.model_copy(update={"input": config.input.model_copy(update={"chunk_size": f"{size}B"})})
        before = plan.chunk_bytes
        picture = rechunk(picture, config=config)
        if picture.pixels.chunksize[0] * picture.pixels.chunksize[1] * plan.pixel_bytes >= before:
            return given


def forecast(source: str | Sequence[str], output: str, config: RunConfig, *, probed: bool = True) -> Forecast:
    """Forecast a run of `quantize` on the configured cluster.

    Parameters
    ----------
    source : str or sequence of str
        Path, or those of the files of its bands.
    output : str
        Path; only its suffix matters.
    config : RunConfig
    probed : bool
        Whether to process one chunk to estimate the time.

    Raises
    ------
    InputError
        If an argument cannot be used, or a chunk does not fit a worker; the message then names a size that fits.
    """
    som = new_map(config)
    picture = open_for_output(output, source, config)
    picture, config = fit_to_workers(picture, partial(fit_to_output, output=output), som, config)
    image = picture.pixels
    check_output_format(output, picture, som, config)
    workers = expected_workers(config.cluster.as_options(), small=image.nbytes <= SMALL_BYTES)
    plan = _plan_on_expected(picture, som, config, trains=True, writes=True)
    check_fits(plan, workers.memory)
    suffix = "".join(Path(output).suffixes[-2:]) if output.endswith(".ome.zarr") else Path(output).suffix
    measured = probe(image, som, suffix, config.output.image) if probed else None
    return Forecast(plan, workers, measured)
