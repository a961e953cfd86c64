"""The cost of clusters.

scaling   a compute-bound fit on one and two workers, and over the plain kernel
scheduler a pass on 16 to 256 workers of one scheduler; a chunk waits as long as a real one takes to compute
chunks    images of 25,000 and 100,000 small chunks: time a chunk, tasks a chunk, memory of driver and scheduler
plan      the planned bound of a worker's memory over its peak in the kernel's count, over chunk sizes, units and types
limit     an image of twenty times the cluster's memory through workers that the kernel holds to their limit
"""

import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from math import ceil
from multiprocessing import get_context
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import psutil
import zarr
from distributed import Client, LocalCluster
from rich.console import Console
from rich.table import Table
from zarr.codecs import BloscCodec

from benchmarks.measuring import peak_memory, pid_and_spilled
from dasksom import BatchSOM, open_image
from dasksom.chunkwise import reduce_chunks
from dasksom.cluster import ClusterOptions, Workers, connect, count_tasks
from dasksom.config import RunConfig, load_config
from dasksom.image import Output, create_writer
from dasksom.quantization.write_pass import quantize_into
from dasksom.runs import image_run
from dasksom.runs.memory_plan import plan_run
from dasksom.runs.workflows import quantize_image
from dasksom.som.neighborhood import Neighborhood
from dasksom.training.streaming import _chunk_sums

BareRow = tuple[str, float, str, str]
"""Name, value, aim and detail."""
CGROUPS = Path("/sys/fs/cgroup/memory")


@lru_cache  # once in each worker
def _pattern(rows: int, columns: int, bands: int) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    waves = np.stack([np.sin(x / (50 + 9 * band)) + np.cos(y / (70 + 5 * band)) for band in range(bands)], axis=-1)
    return ((waves + 2) * 15).round().astype(np.float32) * 4


def _shifted(block_id, side, bands):
    return _pattern(side, side, bands) + np.float32(block_id[0] + block_id[1])


def _lazy(rows: int, columns: int, side: int, bands: int) -> da.Array:
    """Make an image of rows x columns chunks that costs next to nothing to generate."""
    chunks = ((side,) * rows, (side,) * columns, (bands,))
    meta = np.empty((0, 0, 0), np.float32)
    return da.map_blocks(_shifted, side=side, bands=bands, chunks=chunks, dtype=np.float32, meta=meta)


def _tiny(block_id):
    return np.full((64, 64, 3), (block_id[0] * 7 + block_id[1]) % 251, np.uint8)


# -------------------------------------------------------------------------------------------------------------- scaling


def _epoch_seconds(image: da.Array, workers: int) -> float:
    ends: list[float] = []
    with connect(ClusterOptions("local", workers, "3GiB"), small=False):
        som = BatchSOM(32, 32, epochs=4, cache="none", random_state=0)
        som.fit(image, on_epoch=lambda *_: ends.append(time.perf_counter()))
    return statistics.median(np.diff(ends))


def _bare_seconds(image: da.Array) -> float:
    """Run the kernel on every chunk in a plain loop; reading, here generating, included as in the tasks."""
    side, _, bands = image.chunksize
    som = BatchSOM(32, 32, epochs=1, random_state=0).fit(_pattern(side, side, bands)[:64])
    neighborhood = Neighborhood(som._lattice(), "gaussian", 4.0)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for at in np.ndindex(image.numblocks[:2]):
            block = _shifted(at, side, bands)
            _chunk_sums(
                block,
                (0, 0, 0),
                codebook=som._units(),
                neighborhood=neighborhood,
                search=som._search(),
                utilities=False,
            )
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _bare_at_once(shape: tuple[int, int, int, int]) -> float:
    """Run the plain loop in two processes, each over all chunks: how much slower is each than by itself?"""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return max(pool.map(_bare_of, [shape, shape]))


def _bare_of(shape: tuple[int, int, int, int]) -> float:
    return _bare_seconds(_lazy(*shape))


def scaling(side: int = 2048, columns: int = 16, repeats: int = 2) -> list[BareRow]:
    """Measure one and two workers, in turns."""
    shape = 1, columns, side, 4
    image = _lazy(*shape)
    bare, at_once = _bare_seconds(image), _bare_at_once(shape)
    turns = [(_epoch_seconds(image, 1), _epoch_seconds(image, 2)) for _ in range(repeats)]
    one, two = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
    size = f"{columns} chunks of {image.nbytes / columns / 2**20:.0f} MiB, 1024 units"
    return [
        ("one worker / two workers, an epoch", one / two, ">= 1.9", f"{one:.2f} s / {two:.2f} s; {size}"),
        ("... two loops / the same at once, no dask", 2 * bare / at_once, "", f"2 x {bare:.2f} s / {at_once:.2f} s"),
        ("one worker / bare kernel", one / bare, "<= 1.05", f"{one:.2f} s / {bare:.2f} s"),
    ]


# ------------------------------------------------------------------------------------------------------------ scheduler

# Each in-process worker would otherwise list all files of the process twice a second, and wake up every 20 ms; it costs
# more than its tasks.
_WORKERS_IN_THIS_PROCESS = {
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.admin.tick.interval": "5s",
    "distributed.worker.profile.enabled": False,
}
_CHUNK_SECONDS = 0.5


def _wait(block, corner):
    time.sleep(_CHUNK_SECONDS)
    return np.ones((256, 10))


def scheduler(workers: tuple[int, ...] = (16, 64, 256), chunks: int = 32) -> list[BareRow]:
    """Measure passes on many workers: scheduler, driver and all workers share the cores of this machine."""
    rows = []
    for count in workers:
        image = da.zeros((chunks * 64, count * 64, 1), chunks=(64, 64, 1), dtype=np.uint8)
        with (
            dask.config.set(_WORKERS_IN_THIS_PROCESS),
            LocalCluster(
                n_workers=count, threads_per_worker=1, processes=False, memory_limit=0, dashboard_address=None
            ) as cluster,
            Client(cluster),
        ):
            reduce_chunks(image[: 64 * 2], _wait, sum)
            start, cpu = time.perf_counter(), time.process_time()
            reduce_chunks(image, _wait, sum)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        ideal = chunks * _CHUNK_SECONDS
        detail = f"{ideal:.1f} s / {seconds:.1f} s, {cpu / image.npartitions * 1e3:.2f} ms of CPU a chunk"
        aim = {16: ">= 0.98", 64: ">= 0.97", 256: ">= 0.92", 1024: ">= 0.75"}.get(count, "")
        rows.append((f"{count} workers, {chunks} chunks each: efficiency", ideal / seconds, aim, detail))
    return rows


# --------------------------------------------------------------------------------------------------------------- chunks


def chunks(counts: tuple[int, ...] = (25_000, 100_000)) -> list[BareRow]:
    """Train on images of many small chunks, a pass each, and watch the process of driver and scheduler."""
    rows, grown = [], []
    for count in counts:
        grid = ((64,) * 250, (64,) * (count // 250), (3,))
        image = da.map_blocks(_tiny, chunks=grid, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8))
        with connect(ClusterOptions("local", 2, "1GiB"), small=False) as client, count_tasks(client) as counted:
            before = psutil.Process().memory_info().rss
            Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the peak so far
            start = time.perf_counter()
            BatchSOM(4, 4, epochs=1, random_state=0).fit(image)
            seconds = time.perf_counter() - start
            grown.append((peak_memory() - before) / 2**20)
        detail = f"{seconds:.0f} s, {seconds / count * 1e3:.2f} ms a chunk"
        rows += [
            (f"{count} chunks: driver + scheduler above start (MiB)", grown[-1], "<= 400", detail),
            (f"{count} chunks: tasks a chunk and pass", counted.tasks / count, "<= 1.1", f"{counted.tasks} tasks"),
        ]
    return [*rows, ("memory, most chunks / fewest", grown[-1] / grown[0], "about 1", "")]


# ----------------------------------------------------------------------------------------------------------------- plan

COMBINATIONS = [
    (side, units, dtype) for side in (256, 512, 1024, 2048) for units in (64, 256, 1024) for dtype in ("u1", "u2", "f4")
]


class _Silent:
    def stage(self, *_):
        pass

    plan = progress = epoch = stage


def plan(folder: Path, combinations: list[tuple[int, int, str]] = COMBINATIONS) -> list[BareRow]:
    """Run complete jobs, each on a new worker, and compare its peak with the plan."""
    ratios, table = [], Table("chunk", "units", "type", "measured", "planned")
    for side, units, dtype in combinations:
        path, grid = folder / f"plan-{side}-{dtype}.zarr", round(units**0.5)
        if not path.exists():
            array = zarr.create_array(path, shape=(2 * side, 3 * side, 3), chunks=(side, side, 3), dtype=dtype)
            noise = np.random.default_rng(1).normal(0, 6, (2 * side, 3 * side, 3))
            array[...] = np.clip(_pattern(2 * side, 3 * side, 3) + noise, 0, 255).astype(dtype)
        chunk_size = side * side * 3 * np.dtype(dtype).itemsize
        given = {
            "map": {"grid": (grid, grid), "epochs": 2},
            "cluster": {"name": "local", "workers": 1, "memory_limit": "4GiB"},
            "input": {"cache": "none", "chunk_size": str(chunk_size)},
            "output": {"overwrite": True},
        }
        config = load_config(None, given)
        peaks: list[int] = []
        with _peaks_into(peaks):
            quantize_image(str(path), str(folder / "planned.zarr"), config, _Silent())
        image, som = open_image(path, chunk_bytes=chunk_size), BatchSOM(grid, grid)
        planned = plan_run(image, som, config, Workers(1, 1, 0), trains=True, writes=True).worker_bytes
        ratios.append(planned / peaks[0])
        table.add_row(f"{side}²", str(units), dtype, f"{peaks[0] >> 20} MiB", f"{planned >> 20} MiB")
    Console(width=100).print(table)
    detail = f"{len(ratios)} runs, each on a worker of its own"
    return [
        ("planned memory / measured, least", min(ratios), ">= 1", detail),
        ("planned memory / measured, most", max(ratios), "<= 2", detail),
    ]


@contextmanager
def _peaks_into(peaks: list[int]):
    real = image_run.connect

    @contextmanager
    def watched(*arguments, **options):
        with real(*arguments, **options) as client:
            yield client
            peaks.append(max(client.run(peak_memory).values()))

    image_run.connect = watched
    try:
        yield
    finally:
        image_run.connect = real


# ---------------------------------------------------------------------------------------------------------------- limit


@contextmanager
def _held_to(limit: int, pids: list[int]):
    """Hold processes together to a limit of memory that the kernel enforces by killing; needs root and cgroups 1."""
    group = CGROUPS / f"dasksom-{os.getpid()}"
    group.mkdir()
    home = CGROUPS / next(
        line.split(":", 2)[2].lstrip("/")
        for line in Path("/proc/self/cgroup").read_text().splitlines()
        if line.split(":")[1] == "memory"
    )
    try:
        (group / "memory.limit_in_bytes").write_text(str(limit))
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (home / "cgroup.procs").write_text(pid)
        group.rmdir()


def limit(folder: Path, times: int = 20, memory: str = "512MiB") -> list[BareRow]:
    """Train on an image and label it on two workers whose memory the kernel limits."""
    if not os.access(CGROUPS, os.W_OK):
        print("SKIPPED: no cgroups here that can be written to")
        return []
    options, side, bands = ClusterOptions("local", 2, memory), 512, 8
    columns = ceil(times * 2 * options.worker_memory / (side * side * bands * 4) / 16)
    path = folder / "limit.zarr"
    fast = BloscCodec(cname="lz4", clevel=1, shuffle="shuffle", typesize=4)
    shape, stored = (16 * side, columns * side, bands), (side, side, bands)
    target = zarr.create_array(path, shape=shape, chunks=stored, dtype=np.float32, compressors=fast)
    with connect(ClusterOptions("local", 2, "3GiB"), small=False):
        da.store(_lazy(16, columns, side, bands), target, lock=False)
    with connect(options, small=False) as client, count_tasks(client) as counted:
        pids = [worker["pid"] for worker in _ids(client)]
        with _held_to(2 * options.worker_memory, pids) as group:
            image = open_image(path, chunk_bytes=side * side * bands * 4)
            start = time.perf_counter()
            som = BatchSOM(8, 8, epochs=1, cache="none", random_state=0).fit(image)
            writer = create_writer(
                Output(
                    folder / "limit-som.zarr",
                    height=image.shape[0],
                    width=image.shape[1],
                    chunks=image.chunksize[:2],
                    palette=som.codebook_.palette(image.dtype),
                    metadata={},
                    with_image=False,
                    nodata=True,
                )
            )
            quantize_into(image, som.labeling_for(image.dtype), writer, measured=False)
            seconds = time.perf_counter() - start
            peak = max(client.run(peak_memory).values())
            failed = int((group / "memory.failcnt").read_text())
            killed = "oom_kill 0" not in (group / "memory.oom_control").read_text()
            after = [worker["pid"] for worker in _ids(client)]
            spilled = sum(worker["spilled"] for worker in _ids(client))
    trouble = spilled + (sorted(after) != sorted(pids)) + counted.retries + killed
    planned = plan_run(image, som, RunConfig(), Workers(2, 1, 0), trains=True, writes=True).worker_bytes
    detail = f"{image.nbytes / 2**30:.1f} GiB through 2 x {memory}, 3 passes, {seconds:.0f} s"
    return [
        ("image / memory that the kernel allows", image.nbytes / 2 / options.worker_memory, ">= 20", detail),
        ("peak of a worker / planned", peak / planned, "<= 1", f"{peak >> 20} MiB / {planned >> 20} MiB"),
        ("spilled + restarted + done again + killed", trouble, "0", f"pages reclaimed at the limit {failed} times"),
    ]


def _ids(client) -> list[dict[str, int]]:
    return list(client.run(pid_and_spilled).values())
