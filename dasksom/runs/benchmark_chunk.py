"""Estimate the time of a run from one chunk."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dask
import dask.array as da
import numpy as np

from dasksom.estimator import BatchMap
from dasksom.image import Output, create_writer
from dasksom.quantization.write_pass import quantize_into
from dasksom.runs.memory_plan import Plan

Result = TypeVar("Result")

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
        sample = BatchMap(
            **{**som.get_params(), "epochs": 3, "refine": 0, "cache": "none", "tol": 0.0, "warm_up": "none"}
        )
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
