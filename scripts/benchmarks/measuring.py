"""Sizes, clocks and clusters that all rows share."""

import os
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distributed import Client, LocalCluster

GRID = (16, 16)


@dataclass(frozen=True)
class Row:
    """One measured figure."""

    name: str
    value: float
    target: str
    detail: str


@dataclass(frozen=True)
class Sizes:
    """How large the jobs are."""

    side: int = 32768
    """Of the mosaic, in pixels."""
    chunk: int = 2048
    repeats: int = 3
    peer_pixels: tuple[int, ...] = (1 << 20, 1 << 24)
    peer_part: int = 1 << 18
    """Pixels that XPySom is timed on."""
    minisom_part: int = 1 << 13
    """Pixels that MiniSom is timed on."""
    memory_side: int = 23_552
    """Of the float32 image with four bands: 8.9 GB."""
    memory_limit: str = "512MiB"
    search_pairs: int = 3 * 10**9
    """Pairs of a sample and a unit that searches are timed on, over the number of bands."""
    fit_samples: tuple[int, ...] = (480_000, 96_000)
    """Samples of 34 bands for maps of 30 x 30 and 100 x 100 units."""
    memory_samples: int = 40_000
    picture_memory: str = "2GiB"
    photographs: Path | None = None
    """Folder of the photographs that palettes are made of."""
    toy: bool = False
    """Only check that it runs; the figures mean nothing."""


TOY = Sizes(4096, 2048, 1, (1 << 16,), 1 << 12, 1 << 9, 1536, "512MiB", 10**7, (2_000, 2_000), 500, toy=True)


@contextmanager
def cluster(workers: int, memory_limit: str):
    """Start single-thread workers on this machine, as dask does by default."""
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory_limit,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as started,
        Client(started) as client,
    ):
        yield client


def timed(*sides: Callable[[], object], repeats: int) -> list[list[float]]:
    """Time the sides in turns; return the seconds of each."""
    seconds: list[list[float]] = [[] for _ in sides]
    for _ in range(repeats):
        for side, durations in zip(sides, seconds, strict=True):
            start = time.perf_counter()
            side()
            durations.append(time.perf_counter() - start)
    return seconds


def shown(seconds: list[float]) -> str:
    """Format the median and all measurements."""
    return f"{statistics.median(seconds):.2f} s ({', '.join(f'{one:.2f}' for one in seconds)})"


def peak_memory() -> int:
    """Return the peak memory of this process in bytes, as the kernel counts it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def pid_and_spilled(dask_worker) -> dict[str, int]:
    """Return the process of a worker and its number of spilled results.

    Workers import the module of a function that they run: this one imports little, so their memory stays that of a run.
    """
    slow = getattr(dask_worker.data, "slow", None)
    return {"pid": os.getpid(), "spilled": 0 if slow is None else len(slow)}
