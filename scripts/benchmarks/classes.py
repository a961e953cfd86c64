"""Classes of a mosaic: their pass over the labels against a copy of them, sums of units, and merges in the viewer."""

import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import zarr

from benchmarks.measuring import GRID, Row, Sizes, cluster, peak_memory, shown, timed
from benchmarks.viewing import CLASSES, repaints
from dasksom import BatchSOM, open_image
from dasksom.classes import ClassTable
from dasksom.classes.class_image import Tidying
from dasksom.classes.class_pass import write_class_labels
from dasksom.demo.synthetic_mosaic import write_mosaic
from dasksom.image import Output, create_writer, open_result
from dasksom.quantization.write_pass import quantize_into

LEAST_AREA = 20
TIDIED_SIDE, SUMMED_SIDE = 8192, 16384
"""Pixels a side of the images that are tidied, and written with and without sums."""


def write_labels(mosaic: Path, output: Path, som: BatchSOM, *, sums: bool, side: int | None = None) -> None:
    """Write the labels of a mosaic, or of its first pixels, as a run does, with the sums of its units or without."""
    shutil.rmtree(output, ignore_errors=True)
    image = open_image(mosaic)[:side, :side]
    palette = som.codebook_.palette(image.dtype)
    target = Output(output, *image.shape[:2], image.chunksize[:2], palette, {"bands": []}, with_image=False)
    vectors = som.codebook_.units if sums else None
    quantize_into(image, som.labeling_for(image.dtype), create_writer(target), measured=False, vectors=vectors)


def write_classes(output: Path, target: Path, tidying: Tidying) -> None:
    """Write ten classes of the labels of an output."""
    shutil.rmtree(target, ignore_errors=True)
    with open_result(output) as result:
        write_class_labels(result, ClassTable.of(np.arange(len(result.palette)) % CLASSES + 1), target, tidying=tidying)


def copy_labels(output: Path, target: Path) -> None:
    """Read and write the labels in the chunks and with the codecs that they have, with plain dask and zarr."""
    shutil.rmtree(target, ignore_errors=True)
    source = zarr.open_array(output / "labels", mode="r")
    copy = zarr.create_array(
        target,
        shape=source.shape,
        chunks=source.chunks,
        shards=source.shards,
        dtype=source.dtype,
        compressors=source.compressors,
        fill_value=0,
        config={"write_empty_chunks": True},
    )
    with dask.config.set(scheduler="threads"):
        da.store(da.from_zarr(source), copy, lock=False)


def classes(sizes: Sizes, folder: Path) -> list[Row]:
    """Measure the passes of classes and sums."""
    mosaic, output, small = folder / "mosaic.zarr", folder / "out.zarr", folder / "small.zarr"
    write_mosaic(mosaic, side=sizes.side, chunk=sizes.chunk)
    part = open_image(mosaic)[: sizes.chunk, : sizes.chunk].compute(scheduler="threads")
    som = BatchSOM(*GRID, epochs=3).fit(da.from_array(part, chunks=part.shape))
    with cluster(2, "3GiB"):
        write_labels(mosaic, output, som, sums=True)  # compiles
        plain, with_sums = timed(
            lambda: write_labels(mosaic, small, som, sums=False, side=SUMMED_SIDE),
            lambda: write_labels(mosaic, small, som, sums=True, side=SUMMED_SIDE),
            repeats=sizes.repeats,
        )
    added = statistics.median(with_sums) / statistics.median(plain) - 1
    write_classes(output, folder / "classes.zarr", Tidying())
    copied, classified = timed(
        lambda: copy_labels(output, folder / "copy.zarr"),
        lambda: write_classes(output, folder / "classes.zarr", Tidying()),
        repeats=sizes.repeats,
    )
    ratio = statistics.median(classified) / statistics.median(copied)
    return [
        Row("classes over a copy of the labels", ratio, "<= 1.3", f"{shown(classified)} / {shown(copied)}"),
        Row("what sums add to the writing pass", added, "<= 0.05", f"{shown(with_sums)} / {shown(plain)}"),
        *repaints(output, mosaic, toy=sizes.toy),
        *_tidied(mosaic, small, som, min(sizes.side, TIDIED_SIDE)),
    ]


def _tidied(mosaic: Path, output: Path, som: BatchSOM, side: int) -> list[Row]:
    """Measure `--min-area` in a process of its own, whose peak memory is that of the pass."""
    corner = output.with_name("corner.zarr")
    write_mosaic(corner, side=side, chunk=2048)
    write_labels(corner, output, som, sums=False)
    rows = []
    for least in (0, LEAST_AREA):
        script = "from benchmarks.classes import tidied; import sys; tidied(sys.argv[1], int(sys.argv[2]))"
        command = [sys.executable, "-c", script, str(output), str(least)]
        seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        name = f"min-area {least}" if least else "no min-area"
        speed = side * side / 1e6 / float(seconds)
        rows.append(Row(f"{name}, {side} x {side}: Mpx/s", speed, "", f"{seconds} s, {peak} MiB at the peak"))
    return rows


def tidied(output: str, least: int) -> None:
    """Write tidied classes twice; print the seconds of the second time and the peak memory in MiB."""
    target = Path(output).with_name("tidied.zarr")
    ((_, seconds),) = timed(lambda: write_classes(Path(output), target, Tidying(min_area=least)), repeats=2)
    print(f"{seconds:.2f} {peak_memory() >> 20}")
