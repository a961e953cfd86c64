"""OME-Zarr and TIFF with all their levels, over copying their full resolution with plain dask and zarr."""

import os
import shutil
import statistics
from pathlib import Path

import dask.array as da
import zarr
from dask.utils import parse_bytes
from zarr.codecs import ZstdCodec

from benchmarks.measuring import GRID, Row, Sizes, cluster, peak_memory, shown, timed
from dasksom import BatchSOM, open_image
from dasksom.cluster import ClusterOptions, connect
from dasksom.demo.synthetic_mosaic import write_mosaic
from dasksom.image import Options, Output, chunk_alignment, create_writer
from dasksom.quantization.write_pass import quantize_into


def plain_copy(arrays: list[zarr.Array], folder: Path) -> None:
    """Write arrays again with plain dask.array and zarr, in chunks of 2048 x 2048 pixels with the same codec."""
    shutil.rmtree(folder, ignore_errors=True)
    images = [da.from_zarr(array, chunks=(*array.shape[:-2], 4096, 4096)) for array in arrays]
    targets = [
        zarr.create_array(
            folder / str(number),
            shape=array.shape,
            chunks=(*(1 for _ in array.shape[:-2]), 2048, 2048),
            dtype=array.dtype,
            compressors=ZstdCodec(level=1, checksum=True),
            config={"write_empty_chunks": True},
        )
        for number, array in enumerate(arrays)
    ]
    da.store(images, targets, lock=False)


def write_as(path: Path, output: Path, som: BatchSOM, options: Options) -> None:
    """Label every pixel of an image and write a picture with all its levels."""
    shutil.rmtree(output, ignore_errors=True)
    image = open_image(path, align=chunk_alignment(output, options))
    writer = create_writer(
        Output(
            output,
            height=image.shape[0],
            width=image.shape[1],
            chunks=image.chunksize[:2],
            palette=som.codebook_.palette(image.dtype),
            metadata={},
            options=options,
        )
    )
    quantize_into(image, som.labeling_for(image.dtype), writer, measured=False)


def pictures(sizes: Sizes, folder: Path) -> list[Row]:
    """Write a mosaic as pyramids, against writing the same pixels at full resolution with plain dask and zarr."""
    source, kept = folder / "mosaic.zarr", folder / "kept.ome.zarr"
    rows = []
    with (
        cluster(2, sizes.picture_memory) as plain,
        connect(ClusterOptions("local", 2, sizes.picture_memory), small=False) as own,
    ):
        with own.as_current():
            write_mosaic(source, side=sizes.side, chunk=sizes.chunk)
            som = BatchSOM(*GRID, epochs=20).fit(open_image(source))
            write_as(source, kept, som, Options(layout="flat"))
        group = zarr.open_group(kept, mode="r")
        image, labels = group["0"], group["labels/som/0"]
        before = own.run(os.getpid)
        for name, options, same, aim in (
            ("picture.ome.zarr", Options(), [image, labels], "<= 2.0"),
            ("palette.tif", Options(), [labels], "<= 2.5"),
            ("colors.tif", Options(pixels="colors"), [image], "<= 2.5"),
        ):

            def ours(name: str = name, options: Options = options) -> None:
                with own.as_current():
                    write_as(source, folder / name, som, options)

            def floor(same: list[zarr.Array] = same) -> None:
                with plain.as_current():
                    plain_copy(same, folder / "plain.zarr")

            written, copied = timed(ours, floor, repeats=sizes.repeats)
            ratio = statistics.median(written) / statistics.median(copied)
            rows.append(
                Row(
                    f"{name} / plain copy, {sizes.side} x {sizes.side}",
                    ratio,
                    aim,
                    f"{shown(written)} / {shown(copied)}",
                )
            )
        peak = max(own.run(peak_memory).values())
        restarted = own.run(os.getpid) != before
    limit = parse_bytes(sizes.picture_memory)
    detail = f"{peak / 2**20:.0f} MiB of {sizes.picture_memory}; workers restarted: {restarted}"
    (folder / "palette.tif").unlink()
    (folder / "colors.tif").unlink()
    return [*rows, Row("peak of a worker / its limit", peak / limit, "<= 1", detail)]
