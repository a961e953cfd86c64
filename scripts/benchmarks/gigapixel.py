"""A Zarr mosaic of photographs through fit and label writing, over plain dask and zarr."""

import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import dask.array as da
import numpy as np
import zarr
from distributed import Client
from zarr.codecs import ZstdCodec

from benchmarks.measuring import GRID, Row, Sizes, cluster, shown, timed
from dasksom import BatchSOM, open_image
from dasksom.chunkwise import keep_in_memory
from dasksom.cluster import ClusterOptions, connect
from dasksom.demo.synthetic_mosaic import mosaic_array, write_mosaic
from dasksom.image import Output, create_writer
from dasksom.quantization.write_pass import quantize_into


def _seen(block):
    return np.zeros((1, 1, 1), np.uint8)


def _as_labels(block):
    band = block[..., block.shape[-1] // 2]
    # about as hard to compress as labels of 256 units
    return (band >> (2 if band.dtype == np.uint8 else 6)).astype(np.uint16) + 1


def bare_read(path: Path) -> None:
    """Read every chunk with plain dask.array and zarr."""
    da.from_zarr(path).map_blocks(_seen, chunks=(1, 1, 1), dtype=np.uint8).sum().compute()


def bare_read_and_write(path: Path, labels: Path) -> None:
    """Read every chunk and write labels with plain dask.array and zarr, in the type, chunks and codec of ours."""
    image = da.from_zarr(path)
    shutil.rmtree(labels, ignore_errors=True)
    target = zarr.create_array(
        labels,
        shape=image.shape[:2],
        chunks=image.chunksize[:2],
        dtype=np.uint16,
        compressors=ZstdCodec(level=1, checksum=True),
        fill_value=0,
        config={"write_empty_chunks": True},
    )
    da.store(image.map_blocks(_as_labels, drop_axis=2, dtype=np.uint16), target, lock=False)


def fit_and_label(path: Path, output: Path, cache: str, times: dict[str, list[float]]) -> BatchSOM:
    """Train on every pixel and write every label."""
    shutil.rmtree(output, ignore_errors=True)
    epochs: list[float] = []
    start = time.perf_counter()
    image, _ = keep_in_memory(open_image(path), None, cache)
    som = BatchSOM(*GRID, epochs=20).fit(image, on_epoch=lambda *_: epochs.append(time.perf_counter()))
    fitted = time.perf_counter()
    height, width, _ = image.shape
    writer = create_writer(
        Output(
            output,
            height=height,
            width=width,
            chunks=image.chunksize[:2],
            palette=som.codebook_.palette(image.dtype),
            metadata={},
            with_image=False,
        )
    )
    quantize_into(image, som.labeling_for(image.dtype), writer, measured=False)
    times.setdefault("fit", []).append(fitted - start)
    times.setdefault("write", []).append(time.perf_counter() - fitted)
    times.setdefault("epoch", []).extend(np.diff(epochs))
    return som


def gigapixel(sizes: Sizes, folder: Path) -> list[Row]:
    """Fit and label a mosaic, against reading it and writing labels.

    The floor is measured twice: on dask's own local cluster, and on the cluster that dasksom starts, whose workers
    reuse their memory for the next chunk.
    """
    first, second = folder / "mosaic.zarr", folder / "mosaic-half-chunks.zarr"
    times: dict[str, list[float]] = {}
    soms: list[BatchSOM] = []
    with cluster(2, "3GiB") as plain, connect(ClusterOptions("local", 2, "3GiB"), small=False) as own:

        def on(client: Client, job: Callable[[], object]) -> Callable[[], object]:
            def run() -> object:
                with client.as_current():
                    return job()

            return run

        def both_passes() -> None:
            bare_read(first)
            bare_read_and_write(first, folder / "bare.zarr")

        def ours(cache: str) -> None:
            soms.append(fit_and_label(first, folder / "ours.zarr", cache, times if cache == "none" else {}))

        write_mosaic(first, side=sizes.side, chunk=sizes.chunk)
        read, floor, own_floor, fitted, kept = (
            (seconds, statistics.median(seconds))
            for seconds in timed(
                on(plain, lambda: bare_read(first)),
                on(plain, both_passes),
                on(own, both_passes),
                on(own, lambda: ours("none")),
                on(own, lambda: ours("memory")),
                repeats=sizes.repeats,
            )
        )
        sizes_written = [
            sum(one.stat().st_size for one in (folder / name).rglob("*")) for name in ("ours.zarr", "bare.zarr")
        ]
        write_mosaic(second, side=sizes.side, chunk=sizes.chunk // 2)
        with own.as_current():
            soms += [BatchSOM(*GRID, epochs=20).fit(image) for image in (open_image(second), da.from_zarr(second))]
    with cluster(1, "3GiB"):
        soms.append(BatchSOM(*GRID, epochs=20).fit(open_image(first)))
    pixels, epoch = f"{sizes.side**2 / 1e6:.0f} Mpx", statistics.median(times["epoch"])
    parts = f"fit {shown(times['fit'])}, write {shown(times['write'])}"
    written = " / ".join(f"{size / 1e6:.0f} MB" for size in sizes_written)
    different = sum(som.weights_.tobytes() != soms[0].weights_.tobytes() for som in soms)
    return [
        Row(
            f"fit + labels / floor, {pixels}", fitted[1] / floor[1], "<= 1.3", f"{shown(fitted[0])} / {shown(floor[0])}"
        ),
        Row(
            "... the floor on dasksom's cluster",
            fitted[1] / own_floor[1],
            "<= 1.3",
            f"/ {shown(own_floor[0])}; {parts}",
        ),
        Row("... chunks kept in memory", kept[1] / floor[1], "< 1", f"{shown(kept[0])} / the first floor"),
        Row("labels written, ours / floor's", sizes_written[0] / sizes_written[1], "about 1", written),
        Row("one more epoch / bare read", epoch / read[1], "<= 0.02", f"{epoch * 1e3:.1f} ms / {shown(read[0])}"),
        Row("codebooks that differ", different, "0", f"of {len(soms)} fits: 1 and 2 workers, two chunkings"),
        same_colors(sizes),
    ]


def same_colors(sizes: Sizes) -> Row:
    """Time epochs on an image and on the same image repeated 16 times."""
    tile = mosaic_array(min(sizes.side, 4096)).compute()
    small, large = (
        da.from_array(tile, chunks=(1024, 1024, 3)),
        da.tile(da.from_array(tile, chunks=(1024, 1024, 3)), (4, 4, 1)),
    )
    seconds = []
    for image in (small, large):
        epochs: list[float] = []
        BatchSOM(*GRID, epochs=30).fit(image, on_epoch=lambda *_, epochs=epochs: epochs.append(time.perf_counter()))
        seconds.append(statistics.median(np.diff(epochs)))
    detail = f"{seconds[1] * 1e3:.1f} ms an epoch / {seconds[0] * 1e3:.1f} ms"
    return Row("epoch on 16 times the pixels, same colors", seconds[1] / seconds[0], "about 1", detail)
