"""The GPU of this process against its processor, fastersom and XPySom: equal results, and seconds side by side.

At toy size NumPy takes the place of CuPy, so that every line runs on machines without a GPU.
"""

import statistics
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import dask
import numpy as np
import zarr

from benchmarks.fits import clusters
from benchmarks.measuring import Row, Sizes, shown, timed
from dasksom import BatchSOM, open_image
from dasksom.som.bmu.nearest import two_nearest_units
from dasksom.som.gpu import device
from dasksom.som.gpu.array_sums import gather_on_device
from dasksom.som.samples import Samples
from dasksom.som.unit_sums import gather

BANDS, EPOCHS = 34, 10


def gpu(sizes: Sizes, folder: Path) -> list[Row]:
    """Compare results with those of the processor, and seconds with those of the processor, fastersom and XPySom."""
    if sizes.toy:
        device._cuda = lambda: (np, "")  # in the place of CuPy
    arrays = device.array_module("cuda")  # refused in words where no GPU can be used
    rows = [
        _differences(arrays, name, *data)
        for name, data in _hard_data(1000 if sizes.toy else 200_000, 20 if sizes.toy else 900, 10).items()
    ]
    for side in (30, 100):
        rows += _fit_rows(arrays, sizes, side)
    return [*rows, *_image_rows(sizes, folder)]


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


def _differences(arrays: object, name: str, samples: np.ndarray, codebook: np.ndarray) -> Row:
    """Count the labels, and the sums of units, that are not those of the processor."""
    best, second = two_nearest_units(samples, codebook)
    wrong = sum(
        int((one != other).sum())
        for one, other in zip((best, second), two_nearest_units(samples, codebook, arrays=arrays), strict=True)
    )
    weighed = Samples(samples, np.random.default_rng(1).random(len(samples)), None)
    ours, theirs = (run(weighed, codebook, best, second) for run in (gather, partial(gather_on_device, arrays)))
    wrong += sum(
        int((np.asarray(getattr(ours, field.name)) != np.asarray(getattr(theirs, field.name))).sum())
        for field in fields(ours)
    )
    return Row(f"labels and sums that differ, {name}", wrong, "0", f"{samples.shape} samples, {len(codebook)} units")


def _fit_rows(arrays: object, sizes: Sizes, side: int) -> list[Row]:
    samples = clusters(sizes.fit_samples[0], BANDS)
    start = np.random.default_rng(1).choice(samples, side * side).astype(np.float64)
    given = {"epochs": EPOCHS, "sigma": (side / 4, 0.5), "init": start.reshape(side, side, -1), "warm_up": "none"}
    som, expected = (BatchSOM(side, side, **given, device=kind) for kind in ("cuda", "cpu"))
    som.fit(samples[:5000])  # compiles
    (seconds,) = timed(partial(som.fit, samples), repeats=sizes.repeats)
    job = f"{len(samples):,} x {BANDS}, {side * side:,} units, {EPOCHS} epochs"
    rows = [Row(f"seconds, {job}", statistics.median(seconds), "", shown(seconds))]
    if side == 30:
        expected.fit(samples)
        labels, others = som.predict(samples), expected.predict(samples)
        wrong = int((som.weights_ != expected.weights_).sum()) + int((labels != others).sum())
        rows.append(Row("... values and labels that differ from the processor's map", wrong, "0", ""))
    for name, target, make in (
        ("fastersom", "<= 1.5", partial(_fastersom, sizes, side, start)),
        ("XPySom", "< 1", partial(_xpysom, arrays, side)),
    ):
        rows.append(_against(name, target, job, seconds, make, samples, sizes))
    return rows


def _against(
    name: str,
    target: str,
    job: str,
    ours: list[float],
    make: Callable[[], Callable[[np.ndarray], object]],
    samples: np.ndarray,
    sizes: Sizes,
) -> Row:
    """Return our seconds over those of another package, if it is installed and runs here."""
    try:
        fit = make()
        fit(samples[:5000])  # compiles
        (theirs,) = timed(partial(fit, samples), repeats=sizes.repeats)
    except Exception as error:  # not installed, or without a device
        return Row(f"... {name}: not measured", float("nan"), target, " ".join(str(error).split())[:80])
    ratio = statistics.median(ours) / statistics.median(theirs)
    return Row(f"dasksom / {name}, {job}", ratio, target, f"{shown(ours)} / {shown(theirs)}")


def _fastersom(sizes: Sizes, side: int, start: np.ndarray) -> Callable[[np.ndarray], object]:
    from fastersom import SOM

    kind = "cpu" if sizes.toy else "cuda"
    return SOM(side, side, EPOCHS, side / 4, 0.5, init=start.astype(np.float32), device=kind).fit


def _xpysom(arrays: object, side: int) -> Callable[[np.ndarray], object]:
    from xpysom import XPySom

    def fit(samples: np.ndarray) -> object:
        som = XPySom(side, side, samples.shape[1], sigma=side / 4, sigmaN=0.5, xp=arrays, random_seed=0)
        som.random_weights_init(samples)
        som.train(samples, EPOCHS)
        return som.get_weights()  # waits for the device

    return fit


def _image_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """Compare the times from a Zarr to labels, on two threads that read."""
    side, rows = (64, 64) if sizes.toy else (4096, 512)
    path = folder / "image.zarr"
    stored = zarr.create_array(path, shape=(side, side, 20), chunks=(rows, rows, 20), dtype=np.uint16)
    for begin in range(0, side, rows):
        values = clusters(rows * side, 20).reshape(rows, side, 20)
        stored[begin : begin + rows] = (values * 1000).clip(0, 65535).astype(np.uint16)
    image = open_image(path)

    def run(som: BatchSOM) -> int:
        return int(som.fit(image).predict(image).sum(dtype=np.int64).compute())

    maps = [BatchSOM(10, 10, epochs=5, device=kind, random_state=0) for kind in ("cpu", "cuda")]
    with dask.config.set(pool=ThreadPool(2)):
        wrong = run(maps[0]) != run(maps[1])
        processor, on_gpu = timed(*(partial(run, som) for som in maps), repeats=sizes.repeats)
    job = f"{side}² x 20 bands from Zarr to labels, two threads"
    gain = statistics.median(processor) / statistics.median(on_gpu)
    return [
        Row("maps and sums of labels that differ, from Zarr", int(wrong), "0", ""),
        Row(f"processor / GPU, {job}", gain, "", f"{shown(processor)} / {shown(on_gpu)}"),
    ]
