"""A streaming run over an image of eight times the cluster's memory."""

import os
import time
from functools import lru_cache
from pathlib import Path

import dask.array as da
import numpy as np
import zarr
from zarr.codecs import BloscCodec

from benchmarks.measuring import Row, Sizes, cluster, peak_memory, pid_and_spilled
from dasksom import BatchSOM, open_image
from dasksom.cluster import ClusterOptions, connect


@lru_cache  # once in each worker
def _noise(rows: int, columns: int) -> np.ndarray:
    return (np.random.default_rng(7).standard_normal((rows, columns, 4), np.float32) * 25 + 100).round(1)


def _float_scene(block_id, rows, columns):
    return _noise(rows, columns) + np.float32(sum(block_id))


def memory(sizes: Sizes, folder: Path) -> list[Row]:
    """Stream over a float32 image of four bands that is eight times as large as the cluster's memory."""
    path, chunk = folder / "float.zarr", 512
    side = sizes.memory_side // chunk * chunk
    with cluster(2, "3GiB"):
        fast = BloscCodec(cname="lz4", clevel=1, shuffle="shuffle", typesize=4)
        shape, stored = (side, side, 4), (chunk, chunk, 4)
        target = zarr.create_array(path, shape=shape, chunks=stored, dtype=np.float32, compressors=fast)
        grid = (chunk,) * (side // chunk)
        scene = da.map_blocks(_float_scene, rows=chunk, columns=chunk, chunks=(grid, grid, (4,)), dtype=np.float32)
        da.store(scene, target, lock=False)
    options = ClusterOptions("local", 2, sizes.memory_limit)
    with connect(options, small=False) as client:
        before = client.run(os.getpid)
        image = open_image(path, chunk_bytes=options.worker_memory // 16)  # as a run of the command line plans it
        start = time.perf_counter()
        BatchSOM(8, 8, epochs=3).fit(image)
        seconds = time.perf_counter() - start
        peak = max(client.run(peak_memory).values())
        spilled = sum(worker["spilled"] for worker in client.run(pid_and_spilled).values())
        restarted = client.run(os.getpid) != before
        limit = sum(worker["memory_limit"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
    detail = f"{image.nbytes / 2**30:.1f} GiB through 2 workers of {sizes.memory_limit}, 4 passes, {seconds:.0f} s"
    return [
        Row("image / memory of the cluster", image.nbytes / limit, ">= 8", detail),
        Row("peak of a worker / its limit", peak / (limit / 2), "<= 1", f"{peak / 2**20:.0f} MiB"),
        Row("chunks spilled + workers restarted", spilled + restarted, "0", ""),
    ]
