"""An image of one band of 16 bits through fit and label writing, over plain dask and zarr."""

import statistics
from pathlib import Path

import dask.array as da
import numpy as np
import zarr

from benchmarks.gigapixel import bare_read, bare_read_and_write, fit_and_label
from benchmarks.measuring import Row, Sizes, cluster, shown, timed
from dasksom import BatchSOM
from dasksom.cluster import ClusterOptions, connect
from dasksom.demo.synthetic_mosaic import mosaic_array


def _one_band(block: np.ndarray) -> np.ndarray:
    return (block[..., :1].astype(np.uint16) << 8) | block[..., 1:2]


def values(sizes: Sizes, folder: Path) -> list[Row]:
    """Fit and label 16-bit values, against reading them and writing labels."""
    path, times = folder / "values.zarr", dict[str, list[float]]()
    soms: list[BatchSOM] = []
    with cluster(2, "3GiB") as plain, connect(ClusterOptions("local", 2, "3GiB"), small=False) as own:
        pixels = mosaic_array(sizes.side, sizes.chunk)
        pixels = pixels.map_blocks(_one_band, chunks=(*pixels.chunks[:2], (1,)), dtype=np.uint16)
        codec = zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle")
        target = zarr.create_array(
            path, shape=pixels.shape, chunks=pixels.chunksize, dtype=pixels.dtype, compressors=codec
        )
        with own.as_current():
            da.store(pixels, target, lock=False)

        def floor() -> None:
            with plain.as_current():
                bare_read(path)
                bare_read_and_write(path, folder / "bare.zarr")

        def ours() -> None:
            with own.as_current():
                soms.append(fit_and_label(path, folder / "ours.zarr", "none", times))

        seconds: list[list[float]] = timed(floor, ours, repeats=sizes.repeats)
    bare, fitted = map(statistics.median, seconds)
    different = sum(som.weights_.tobytes() != soms[0].weights_.tobytes() for som in soms)
    detail = f"{shown(seconds[1])} / {shown(seconds[0])}; fit {shown(times['fit'])}, write {shown(times['write'])}"
    return [
        Row(f"fit + labels / floor, uint16, {sizes.side**2 / 1e6:.0f} Mpx", fitted / bare, "<= 1.2", detail),
        Row("codebooks of uint16 that differ", different, "0", f"of {len(soms)} fits"),
    ]
