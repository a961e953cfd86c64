"""Forecast the passes, tasks, memory and time of a run without starting it; one chunk is timed."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import dask
import dask.array as da
import numpy as np
from dask.utils import format_bytes, format_time

from dasksom.cluster import Workers, expected_workers
from dasksom.config import RunConfig
from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.estimator import BatchMap
from dasksom.image import Output, create_writer
from dasksom.quantization.write_pass import quantize_into
from dasksom.runs.chunk_sizes import fit_to_workers, plan_on_expected
from dasksom.runs.image_run import SMALL_BYTES, new_map
from dasksom.runs.input_image import fit_to_output, open_for_output
from dasksom.runs.memory_plan import Plan, check_fits
from dasksom.runs.output_location import check_output_format
from dasksom.training.parameter_checks import search_from

Result = TypeVar("Result")

_bytes_on_gpu: Callable[[int, int], tuple[int, int]] = deferred("dasksom.som.gpu.device:gpu_bytes")

TASK_SECONDS = 1e-3
"""Seconds of scheduler and driver per task, independent of the number of workers."""
PROBE_WORK = 1 << 30
"""Maximum pixels x units x bands of a probe: a fraction of a second."""


@dataclass(frozen=True)
class Probe:
    """Measurements of one chunk, in seconds for a complete chunk and one thread."""

    read: float
    count: float
    """Counting colors, or the first pass of training."""
    epoch: float
    """With counted colors: an epoch on the colors of this chunk, which runs once for the complete image."""
    write: float


def probe(image: da.Array, som: BatchMap, suffix: str = ".zarr", with_image: bool = True) -> Probe:
    """Measure the work on one chunk in the middle of an image; outputs go to a temporary folder.

    Parameters
    ----------
    image : dask array of shape (height, width, bands)
    som : BatchMap
    suffix : str
        Suffix of the output.
    with_image : bool
    """
    with dask.config.set(scheduler="synchronous"):
        middle = image.blocks[tuple(n // 2 for n in image.numblocks)]
        block, read = _timed(middle.compute)
        part = block[: max(1, min(len(block), PROBE_WORK // (som.units * block.shape[1] * block.shape[2])))]
        array, share = da.from_array(part, chunks=part.shape), block.size / part.size
        quick = {"epochs": 3, "refine": 0, "cache": "none", "tol": 0.0, "warm_up": "none", "device": "cpu"}
        sample = BatchMap(**{**som.get_params(), **quick})
        sample.fit(array)  # compiles
        ends: list[float] = []
        begun = time.perf_counter()
        sample.fit(array, on_epoch=lambda *_: ends.append(time.perf_counter()))
        epoch = min(np.diff(ends))
        counted = som.counts_colors(image)
        count = max(0.0, ends[0] - begun - epoch) * share
        write = _timed(lambda: _write(array, sample, suffix, with_image))[1] * share
    return Probe(read, count, float(epoch) * (1 if counted else share), write)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def _write(array: da.Array, som: BatchMap, suffix: str, with_image: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = create_writer(
            Output(
                Path(folder) / f"probe{suffix}",
                height=array.shape[0],
                width=array.shape[1],
                chunks=array.chunksize[:2],
                palette=som.codebook_.palette(array.dtype),
                metadata={},
                with_image=with_image,
                nodata=array.dtype.kind == "f" or not som.labels_all(array.dtype),
            )
        )
        quantize_into(array, som.labeling_for(array.dtype), writer, measured=False)


def estimate(plan: Plan, found: Probe, workers: int) -> float:
    """Return the approximate seconds of a run on a number of worker threads."""
    reads = plan.read_bytes / (plan.shape[0] * plan.shape[1] * plan.pixel_bytes)
    chunk = reads * found.read + min(plan.train_passes, 1) * found.count + plan.write_passes * found.write
    warm_up = plan.warm_up
    epochs = (plan.epochs - warm_up.epochs) * found.epoch
    if not plan.counted:
        chunk += epochs
        # on the threads of one machine
        epochs = warm_up.epochs * found.epoch * warm_up.samples / (plan.chunk[0] * plan.chunk[1])
    return max(plan.chunks * chunk / workers, plan.tasks * TASK_SECONDS) + epochs


@dataclass(frozen=True)
class Forecast:
    """A forecast, as shown by `dasksom plan`."""

    plan: Plan
    workers: Workers
    probe: Probe | None
    """None if no chunk was processed."""
    gpu_bytes: int = 0
    """Most memory that is used of a GPU; 0 if none is used."""

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
        if self.gpu_bytes:
            available = format_bytes(workers.gpu_memory)
            text["memory of a GPU"] = f"at most {format_bytes(self.gpu_bytes)}; available: {available}"
        if self.probe is not None:
            threads = workers.count * workers.threads
            seconds = estimate(plan, self.probe, threads)
            of = "one worker" if workers.count == 1 else f"{workers.count} workers"
            on = "one thread" if threads == 1 else f"{threads} threads"
            text["time"] = f"about {format_time(seconds)} on {on} of {of} like this machine"
            text["time"] += ", without their GPUs" if self.gpu_bytes else ""
        return text


def _describe_warm_up(plan: Plan) -> str:
    warm_up = plan.warm_up
    return (
        f"{warm_up.epochs} of {plan.epochs} epochs on a sample of about {warm_up.samples:,} pixels "
        f"({format_bytes(warm_up.sample_bytes)}); --warm-up none reads the image in every epoch"
    )


def _gpu_bytes(plan: Plan, som: BatchMap, workers: Workers) -> int:
    """Return the most memory that a run uses of a GPU; 0 if it uses none.

    Raises
    ------
    InputError
        If the GPUs of the workers are too small, and the processor may not search.
    """
    if not workers.gpu_memory or plan.counted or not search_from(som.get_params(deep=False)).fits_devices:
        return 0
    least, most = _bytes_on_gpu(som.units, plan.shape[2])
    if least <= workers.gpu_memory:
        return int(min(most, workers.gpu_memory))
    if som.device == "cuda":
        raise InputError(
            f"device 'cuda': {som.units} units of {plan.shape[2]} bands need {format_bytes(least)} of a GPU, and the "
            f"smallest one has {format_bytes(workers.gpu_memory)}; use fewer units, or 'auto'"
        )
    return 0


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
    workers = expected_workers(config.cluster_options, small=image.nbytes <= SMALL_BYTES)
    plan = plan_on_expected(picture, som, config, trains=True, writes=True)
    check_fits(plan, workers.memory)
    on_gpu = _gpu_bytes(plan, som, workers)
    suffix = "".join(Path(output).suffixes[-2:]) if output.endswith(".ome.zarr") else Path(output).suffix
    measured = probe(image, som, suffix, config.output.image) if probed else None
    return Forecast(plan, workers, measured, on_gpu)
