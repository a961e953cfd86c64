"""How time and memory grow with pixels, bands, units, epochs and workers: curves, and their slopes on log axes.

Each curve changes one size of a fit with exact epochs; its workers are started for it and see sizes in rising order.
"""

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import dask.array as da
import numpy as np

from benchmarks.measuring import Row, Sizes, peak_memory
from dasksom import BatchSOM
from dasksom.cluster import ClusterOptions, connect

_CHUNK = 1 << 19
"""Pixels."""


@dataclass(frozen=True)
class _Job:
    pixels: int = 2 << 20
    bands: int = 4
    units: int = 256
    epochs: int = 4
    workers: int = 1


_CURVES: dict[str, tuple[tuple[int, ...], str, str]] = {
    "pixels": ((1 << 20, 2 << 20, 4 << 20, 8 << 20), "<= 1.05", "<= 0.1"),
    "bands": ((3, 6, 12, 24), "<= 1.05", "<= 1"),
    "units": ((64, 256, 1024, 4096), "<= 1.1", "<= 0.5"),
    "epochs": ((2, 4, 8, 16), "<= 1.05", "<= 0.05"),
    "workers": ((1, 2), "<= -0.9", "<= 0.05"),
}
"""Values of each size, and the aims for the slopes of time and memory."""


@lru_cache(1)  # once in each worker
def _waves(pixels: int, bands: int) -> np.ndarray:
    place = np.arange(pixels, dtype=np.float32)[:, np.newaxis]
    return np.sin(place / np.arange(40, 40 + 7 * bands, 7, dtype=np.float32))


def _shifted(block_id: tuple[int, ...], pixels: int, bands: int) -> np.ndarray:
    return _waves(pixels, bands) + np.float32(block_id[0] % 8 / 8)


def _fit(job: _Job) -> float:
    """Fit a map; return the seconds."""
    size = min(_CHUNK, job.pixels // 2)
    chunks = ((size,) * (job.pixels // size), (job.bands,))
    meta = np.empty((0, 0), np.float32)
    image = da.map_blocks(_shifted, pixels=size, bands=job.bands, chunks=chunks, dtype=np.float32, meta=meta)
    side = round(job.units**0.5)
    start = time.perf_counter()
    BatchSOM(side, side, epochs=job.epochs, warm_up="none", cache="none", random_state=0).fit(image)
    return time.perf_counter() - start


def _slope(sizes: tuple[int, ...], values: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _measured(name: str, sizes: tuple[int, ...], base: _Job, repeats: int) -> tuple[list[float], list[float]]:
    """Return the least seconds, and the peak MiB of a worker, for each size."""
    seconds, peaks = [], []
    workers = sizes if name == "workers" else (base.workers,)
    for count in workers:
        with connect(ClusterOptions("local", count, "2GiB"), small=False) as client:
            for size in (count,) if name == "workers" else sizes:
                job = replace(base, **{name: size})
                _fit(replace(job, epochs=1))  # compiles
                seconds.append(min(_fit(job) for _ in range(repeats)))
                peaks.append(max(client.run(peak_memory).values()) / 2**20)
    return seconds, peaks


def growth(sizes: Sizes, _: Path) -> list[Row]:
    """Fit maps of growing sizes on workers of this machine."""
    rows = []
    base = _Job(pixels=1 << 14, epochs=2, units=16) if sizes.toy else _Job()
    for name, (values, of_time, of_memory) in _CURVES.items():
        some = tuple(value >> 8 for value in values) if sizes.toy and name == "pixels" else values
        seconds, peaks = _measured(name, some, base, 1 if sizes.toy else 2)
        curve = "; ".join(f"{value}: {each:.2f} s" for value, each in zip(some, seconds, strict=True))
        memory = "; ".join(f"{value}: {each:.0f} MiB" for value, each in zip(some, peaks, strict=True))
        rows.append(Row(f"time of a fit with {name}, slope", _slope(some, seconds), of_time, curve))
        rows.append(Row(f"peak of a worker with {name}, slope", _slope(some, peaks), of_memory, memory))
    return rows
