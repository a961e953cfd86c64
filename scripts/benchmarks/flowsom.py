"""A slide of 22 channels, file to labels, against pyFlowSOM on a tenth of its pixels, which then labels all of them.

Their errors differ by the last radius too: pyFlowSOM's is 0, and dasksom's, which keeps maps ordered, 0.5.

pyFlowSOM 0.1.16 asks for NumPy below 2, and is not installed with the other peers. It works with later ones: install it
by hand first, with `pip install --no-deps pyFlowSOM`.
"""

import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import dask.array as da
import numpy as np
import zarr

from benchmarks.measuring import Row, Sizes, shown, timed

BANDS, SIDE = 22, 10
"""Channels, and units on a side of the map."""


def _kinds(block_id: tuple[int, ...], side: int) -> np.ndarray:
    kinds = np.random.default_rng(0).random((60, BANDS), np.float32)
    draw = np.random.default_rng(block_id)
    noise = draw.standard_normal((side, side, BANDS), np.float32)
    return kinds[draw.integers(0, len(kinds), (side, side))] + np.float32(0.15) * noise


def _quantization_error(pixels: np.ndarray, units: np.ndarray) -> float:
    parts = np.array_split(pixels, 50)
    squares = [((part[:, None] - units) ** 2).sum(axis=2).min(axis=1) for part in parts]
    return float(np.sqrt(np.concatenate(squares)).mean())


def flowsom(sizes: Sizes, folder: Path) -> list[Row]:
    """Label every pixel of a file with both, from start to end."""
    if not find_spec("pyFlowSOM"):
        return [Row("pyFlowSOM: NOT INSTALLED, not measured", float("nan"), "", "pip install --no-deps pyFlowSOM")]
    from pyFlowSOM import map_data_to_nodes, som

    side, chunk = (256, 128) if sizes.toy else (4096, 1024)
    path, output = folder / "channels.zarr", folder / "classes.zarr"
    chunks = ((chunk,) * (side // chunk), (chunk,) * (side // chunk), (BANDS,))
    codec = zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle")
    target = zarr.create_array(
        path, shape=(side, side, BANDS), chunks=(chunk, chunk, BANDS), dtype=np.float32, compressors=codec
    )
    meta = np.empty((0, 0, 0), np.float32)
    da.store(da.map_blocks(_kinds, side=chunk, chunks=chunks, dtype=np.float32, meta=meta), target, lock=False)
    nodes: list[np.ndarray] = []

    def ours() -> None:
        options = ["--grid", f"{SIDE}x{SIDE}", "--no-image", "--overwrite", "--workers", "2", "-q"]
        subprocess.run([sys.executable, "-m", "dasksom", "quantize", str(path), str(output), *options], check=True)

    def theirs() -> None:
        image = zarr.open_array(path, mode="r")
        labels = zarr.create_array(
            folder / "theirs.zarr", shape=(side, side), chunks=(chunk, chunk), dtype=np.uint8, overwrite=True
        )
        places = [np.s_[y : y + chunk, x : x + chunk] for y in range(0, side, chunk) for x in range(0, side, chunk)]
        draw = np.random.default_rng(1)
        sample = [image[place].reshape(-1, BANDS) for place in places]
        sample = np.concatenate([draw.choice(part, len(part) // 10, replace=False) for part in sample])
        nodes.append(som(np.asfortranarray(sample, np.float64), xdim=SIDE, ydim=SIDE, seed=1))
        for place in places:
            found, _ = map_data_to_nodes(nodes[-1], image[place].reshape(-1, BANDS).astype(np.float64))
            labels[place] = found.reshape(chunk, chunk)

    mine, peer = timed(ours, theirs, repeats=min(2, sizes.repeats))
    pixels = target[:chunk, :chunk].reshape(-1, BANDS)[::20]
    units = zarr.open_group(output, mode="r")["palette"][:].reshape(-1, BANDS)
    errors = _quantization_error(pixels, units), _quantization_error(pixels, nodes[-1])
    name = f"{side * side / 1e6:.0f} Mpx of {BANDS} bands, {SIDE} x {SIDE} units, file to labels"
    return [
        Row(
            f"pyFlowSOM on a tenth / dasksom on all, {name}",
            statistics.median(peer) / statistics.median(mine),
            ">= 5",
            f"{shown(peer)}, one thread / {shown(mine)}, two workers",
        ),
        Row(
            "... quantization error, dasksom / pyFlowSOM",
            errors[0] / errors[1],
            "",
            f"{errors[0]:.4f} / {errors[1]:.4f}",
        ),
    ]
