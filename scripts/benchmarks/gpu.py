"""The device of this process against its processor: the same labels on hard data, and seconds side by side.

At toy size NumPy takes the place of CuPy, so that the row runs on machines without a GPU.
"""

import statistics
from functools import partial
from pathlib import Path

import numpy as np
import zarr

from benchmarks.fits import _clusters
from benchmarks.measuring import Row, Sizes, shown, timed
from dasksom import BatchSOM, open_image
from dasksom.som.bmu.nearest import two_nearest_units
from dasksom.som.gpu import device


def _hard_data(count: int, units: int, bands: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return kinds of samples and codebooks on which rounding decides."""
    draw = np.random.default_rng(0)
    samples, codebook = draw.normal(size=(count, bands)), draw.normal(size=(units, bands))
    far = draw.random(count) < 0.5
    outliers = samples.copy()
    outliers[0] = 1e6
    counts = draw.integers(0, 65536, (count, bands)).astype(np.uint16)
    return {
        "ordinary": (samples, codebook),
        "an outlier": (outliers, np.vstack([codebook[:-1], outliers[:1]])),
        "groups far apart": (samples + 1e5 * far[:, np.newaxis], np.vstack([codebook[::2], codebook[1::2] + 1e5])),
        "ties": (draw.integers(0, 4, (count, bands)) / 2, draw.integers(0, 3, (units, bands)).astype(float)),
        "16 bits": (counts, counts[:units].astype(float) + draw.random((units, bands))),
        "an offset": (samples + 1e7, codebook + 1e7),
    }


def gpu(sizes: Sizes, folder: Path) -> list[Row]:
    """Compare labels, codebooks and seconds of the device and the processor; and fastersom and XPySom if installed."""
    arrays = device.array_module("auto")
    if arrays is None and not sizes.toy:
        device.array_module("cuda")  # raises, with the reason
    arrays = np if arrays is None else arrays
    device._cuda = lambda: (arrays, "")
    rows = []
    count = 1000 if sizes.toy else 200_000
    for name, (samples, codebook) in _hard_data(count, 20 if sizes.toy else 900, 10).items():
        wrong = (
            np.array(two_nearest_units(samples, codebook))
            != np.array(two_nearest_units(samples, codebook, arrays=arrays))
        ).sum()
        rows.append(
            Row(f"labels that differ, {name}", int(wrong), "0", f"{samples.shape} samples, {len(codebook)} units")
        )
    for side in (30, 100):
        rows += _fit_rows(sizes, side)
    return [*rows, *_image_rows(sizes, folder)]


def _fit_rows(sizes: Sizes, side: int) -> list[Row]:
    samples, epochs = _clusters(sizes.fit_samples[0], 34), 10
    start = np.random.default_rng(1).choice(samples, side * side).astype(np.float64).reshape(side, side, -1)
    maps = [
        BatchSOM(side, side, epochs=epochs, sigma=(side / 4, 0.5), init=start, warm_up="none", device=kind)
        for kind in ("cuda", "cpu")
    ]
    maps[0].fit(samples[:5000])  # compiles
    (seconds,) = timed(partial(maps[0].fit, samples), repeats=sizes.repeats)
    job, ours = f"{len(samples):,} x 34, {side * side:,} units, {epochs} epochs", statistics.median(seconds)
    rows = [Row(f"seconds, {job}", ours, "", shown(seconds))]
    if side == 30:
        difference = np.abs(maps[1].fit(samples).weights_ - maps[0].weights_).max() / np.abs(maps[1].weights_).max()
        rows.append(Row("... difference from the codebook of the processor", float(difference), "<= 1e-9", ""))
    try:
        from fastersom import SOM

        peer = SOM(
            side, side, epochs, side / 4, 0.5, init=start.reshape(side * side, -1).astype(np.float32), device="cuda"
        )
        (theirs,) = timed(partial(peer.fit, samples), repeats=sizes.repeats)
    except Exception as error:  # not installed, or without a device
        return [*rows, Row("... fastersom: not measured", float("nan"), "", str(error).splitlines()[0][:80])]
    return [*rows, Row(f"dasksom / fastersom, {job}", ours / statistics.median(theirs), "<= 1.5", shown(theirs))]


def _image_rows(sizes: Sizes, folder: Path) -> list[Row]:
    side = 64 if sizes.toy else 4096
    path = folder / "image.zarr"
    values = _clusters(side * side, 20).reshape(side, side, 20)
    zarr.create_array(path, data=(values * 1000).clip(0, 65535).astype(np.uint16), chunks=(min(side, 512),) * 2 + (20,))
    image, seconds = open_image(path), {}
    for kind in ("cuda", "cpu"):
        som = BatchSOM(10, 10, epochs=5, device=kind, random_state=0)

        def run(som: BatchSOM = som) -> None:
            som.fit(image).predict(image).sum().compute()

        run()
        (seconds[kind],) = timed(run, repeats=sizes.repeats)
    gain = statistics.median(seconds["cpu"]) / statistics.median(seconds["cuda"])
    detail = f"{shown(seconds['cpu'])} / {shown(seconds['cuda'])}"
    return [Row(f"processor / device, {side}² x 20 bands from Zarr to labels", gain, "", detail)]
