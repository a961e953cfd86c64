"""How long a run takes, from the work on one chunk."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dask
import dask.array as da
import numpy as np

from dasksom.estimator import BatchSOM
from dasksom.image import Output, create_writer
from dasksom.quantization.write_pass import quantize_into
from dasksom.runs.memory_plan import Plan

Result = TypeVar("Result")

TASK_SECONDS = 1e-3
"""Time of scheduler and driver for one task, which no number of workers shortens."""
PROBE_WORK = 1 << 30
"""Pixels times units times bands that a probe works on at most: a fraction of a second."""


@dataclass(frozen=True)
class Probe:
    """What was measured on one chunk, in seconds for a whole chunk and one thread."""

    read: float
    count: float
    """Counting its colors, or the pass that training begins with."""
    epoch: float
    """For counted colors: of those of this chunk, once for the whole image."""
    write: float


def probe(image: da.Array, som: BatchSOM, suffix: str = ".zarr", with_image: bool = True) -> Probe:
    """Measure the work on one chunk in the middle of an image; what it writes goes to a temporary folder.

    Parameters
    ----------
    image : dask array of shape (height, width, bands)
    som : BatchSOM
    suffix : str
        Of the output.
    with_image : bool
    """
    with dask.config.set(scheduler="synchronous"):
        middle = image.blocks[tuple(n // 2 for n in image.numblocks)]
        block, read = _timed(middle.compute)
        part = block[: max(1, min(len(block), PROBE_WORK // (som.units * block.shape[1] * block.shape[2])))]
        array, share = da.from_array(part, chunks=part.shape), block.size / part.size
        sample = BatchSOM(**{**som.get_params(), "epochs": 3, "refine": 0, "cache": "none", "tol": 0.0})
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


def _write(array: da.Array, som: BatchSOM, suffix: str, with_image: bool) -> None:
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
                nodata=array.dtype.kind == "f",
            )
        )
        quantize_into(array, som.labeling_for(array.dtype), writer, measured=False)


def estimate(plan: Plan, found: Probe, workers: int) -> float:
    """Return the seconds that a run takes, about, on so many threads of workers."""
    reads = plan.read_bytes / (plan.shape[0] * plan.shape[1] * plan.pixel_bytes)
    chunk = reads * found.read + min(plan.train_passes, 1) * found.count + plan.write_passes * found.write
    epochs = plan.epochs * found.epoch
    if not plan.counted:
        chunk, epochs = chunk + epochs, 0.0
    return max(plan.chunks * chunk / workers, plan.tasks * TASK_SECONDS) + epochs
