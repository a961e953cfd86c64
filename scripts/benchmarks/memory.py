"""A streaming run over an image of eight times the cluster's memory."""

import os
import time
from pathlib import Path

import dask.array as da
import numpy as np
import zarr

from benchmarks.measuring import Row, Sizes, cluster, peak_memory, pid_and_spilled
from dasksom import BatchSOM, open_image
from dasksom.cluster import ClusterOptions, connect


def _float_scene(block_id, rows, columns):
    draw = np.random.default_rng([7, *block_id])
    return (draw.standard_normal((rows, columns, 4), np.float32) * 25 + 100).round(1)


def memory(sizes: Sizes, folder: Path) -> list[Row]:
    """Stream over a float32 image of four bands that is eight times as large as the cluster's memory."""
    path, chunk = folder / "float.zarr", 512
    side = sizes.memory_side // chunk * chunk
    with cluster(2, "3GiB"):
        target = zarr.create_array(
            path, shape=(side, side, 4), chunks=(chunk, chunk, 4), dtype=np.float32, fill_value=0
        )
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
