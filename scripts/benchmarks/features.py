"""Epochs with features next to epochs without: the CPU time of reading, converting and searching all pixels."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import zarr

from benchmarks.measuring import Row, Sizes
from dasksom import BatchSOM, Features

_EPOCHS = 4
_SIDE = 10
"""Of the map; the features of larger ones are a smaller share of an epoch."""
_KINDS: dict[str, dict[str, Any]] = {
    "none": {},
    "standard": {"scale": "standard"},
    "percentile": {"scale": "percentile"},
    "arcsinh, standard": {"scale": "standard", "features": Features(transform="arcsinh:5")},
}


def _store(side: int, dtype: str, folder: Path) -> Path:
    """Write 20 channels of unequal brightness, in zarr's default compression."""
    draw = np.random.default_rng(0)
    cells = draw.gamma(2, 1, (side, side, 20)) * np.linspace(1, 300, 20)
    place = folder / f"features-{dtype}.zarr"
    zarr.create_array(place, data=cells.astype(dtype), chunks=(side // 2, side // 2, 20), overwrite=True)
    return place


def _epoch_seconds(som: BatchSOM, image: da.Array) -> float:
    """Return the least CPU seconds of an epoch after the first, which ends with the passes of the start."""
    ends: list[float] = []
    som.fit(image, on_epoch=lambda *_: ends.append(time.process_time()))
    return min(np.diff(ends))


def features(sizes: Sizes, folder: Path) -> list[Row]:
    """Compare epochs on one thread: of a stored image that is read in each epoch, and of one that stays in memory."""
    rows = []
    logging.getLogger("dasksom").setLevel(logging.ERROR)  # channels of unequal brightness are meant
    loads: dict[str, Callable[[Path], da.Array]] = {
        "read": da.from_zarr,
        "in memory": lambda at: da.from_zarr(at).persist(),
    }
    with dask.config.set(scheduler="threads", num_workers=1):
        for dtype in ("u2", "f4"):
            place = _store(100 if sizes.toy else 1000, dtype, folder)
            for how, load in loads.items():
                seconds = dict.fromkeys(_KINDS, np.inf)
                for _ in range(sizes.repeats):  # in turns
                    for name, options in _KINDS.items():
                        cache = "none" if how == "read" else "auto"
                        som = BatchSOM(_SIDE, _SIDE, epochs=_EPOCHS, random_state=0, cache=cache, **options)
                        seconds[name] = min(seconds[name], _epoch_seconds(som, load(place)))
                for name in list(_KINDS)[1:]:
                    job = f"{name} / no features, {dtype}, 20 bands, {_SIDE * _SIDE} units, {how}"
                    detail = f"{1000 * seconds[name]:.0f} / {1000 * seconds['none']:.0f} ms of CPU"
                    rows.append(Row(job, seconds[name] / seconds["none"], "<= 1.1", detail))
    return rows
