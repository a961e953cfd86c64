"""One whole run, from a path to a path, in reading order."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import dask.array as da
from dask.utils import parse_bytes

from dasksom.arrays import as_weights
from dasksom.cluster import connect
from dasksom.config import OutputSection, RunConfig
from dasksom.estimator import BatchSOM
from dasksom.image import (
    Picture,
    Unfinished,
    check_format,
    check_output,
    chunk_alignment,
    create_writer,
    is_remote,
    locate_output,
    open_picture,
    publish,
    publish_object,
    publish_zarr,
    shown,
)
from dasksom.loading import codebook_at, from_codebook
from dasksom.passes import keep_with_mask
from dasksom.quantization import check_dither, quantize_into
from dasksom.som.quality import Quality
from dasksom.training import Epoch

CHUNK_BYTES = 64 << 20
"""Largest decoded chunk where memory allows."""
CHUNKS_PER_WORKER = 16
"""A worker's memory holds so many chunks: one in its several forms, those that come next, and the libraries."""
REFINEMENT = 80
"""Epochs that refine a palette, where they are not worth asking for: the colors are counted."""
SMALL_BYTES = 256 << 20
"""Images that decode to less are not worth starting processes for."""


class Watcher(Protocol):
    """Whoever looks on while a run goes on."""

    def stage(self, name: str, pixels: int) -> None:
        """Note that a stage begins whose passes go over so many pixels."""

    def progress(self, done: int, total: int) -> None:
        """Note that so many chunks of a pass are done."""

    def epoch(self, epoch: Epoch) -> None:
        """Note that an epoch ended."""


@dataclass
class Summary:
    """What a run did."""

    image: str
    shape: tuple[int, ...]
    dtype: str
    output: str
    units: int
    quality: Quality | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Time of each stage."""

    @property
    def mean_squared_error(self) -> float:
        """Mean squared error of the palette over all pixels; NaN where the run did not measure it."""
        return float("nan") if self.quality is None else self.quality.mean_squared_error


class _Run:
    """An open image on a running cluster, with a clock and a watcher."""

    def __init__(self, source: str, picture: Picture, output: str, watcher: Watcher) -> None:
        self.picture, self.watcher = picture, watcher
        self.image, self.mask = picture.pixels, picture.mask
        self.summary = Summary(shown(source), self.image.shape, str(self.image.dtype), shown(output), 0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        height, width, _ = self.image.shape
        self.watcher.stage(name, height * width)
        start = time.perf_counter()
        yield
        self.summary.seconds[name] = time.perf_counter() - start

    @property
    def has_gaps(self) -> bool:
        """Whether some pixels may have no label: masked, or with NaN."""
        return self.picture.mask is not None or self.image.dtype.kind == "f"

    def train(self, som: BatchSOM, config: RunConfig) -> None:
        cache = config.input.cache
        if config.map.refine is None and som.counts_colors(self.image):
            som.refine = REFINEMENT
        # Counting and writing are two passes, and what is read twice is not worth keeping unless the user knows better.
        if cache == "memory" or not som.counts_colors(self.image):
            self.image, self.mask = keep_with_mask(self.image, self.mask, cache)
        with self.stage("train"):
            som.fit(
                self.image,
                mask=self.mask,
                progress=self.watcher.progress,
                on_epoch=lambda epoch, _: self.watcher.epoch(epoch),
            )
        self.summary.units = som.units
        self.summary.quality = som.quality_

    def write(self, som: BatchSOM, path: Path | Unfinished, output: OutputSection) -> None:
        height, width, _ = self.image.shape
        codebook = som.codebook_
        writer = create_writer(
            path,
            height=height,
            width=width,
            chunks=self.image.chunksize[:2],
            palette=codebook.palette(self.image.dtype),
            metadata=dict(codebook.about),
            with_image=output.image,
            nodata=self.has_gaps,
            options=output.options(),
            picture=self.picture,
        )
        self.summary.units = som.units
        labeling = som.labeling_for(self.image.dtype).dithering(output.dither, self.image)
        # a dithered image has other errors than the palette that training measured
        measured = self.summary.quality is None or labeling.dither is not None
        with self.stage("write"):
            quality = quantize_into(
                self.image,
                labeling,
                writer,
                weights=as_weights(self.image, self.mask),
                measured=measured,
                progress=self.watcher.progress,
            )
        self.summary.quality = quality or self.summary.quality


def _chunk_bytes(config: RunConfig) -> int:
    """Give the largest decoded chunk: a function of what was asked for alone.

    The chunks of a streamed image decide in which order its sums are added, so they may not depend on the machine.
    """
    if config.input.chunk_size is not None:
        return int(parse_bytes(config.input.chunk_size))
    if config.cluster.memory_limit is None:
        return CHUNK_BYTES
    return min(CHUNK_BYTES, int(parse_bytes(config.cluster.memory_limit)) // CHUNKS_PER_WORKER)


def _open(source: str, config: RunConfig, align: int = 1) -> Picture:
    return open_picture(source, chunk_bytes=_chunk_bytes(config), align=align, **config.input.opening())


def _inputs(source: str, config: RunConfig) -> list[str]:
    """Give the paths and URLs that a run reads, which no output may touch."""
    return [path for path in (source, config.input.mask) if path is not None]


def _output_storage(source: str, output: str, config: RunConfig) -> dict[str, Any]:
    """Give the options of the output's store; what is told of the input's goes to no other kind of store."""
    if config.output.storage is not None:
        return config.output.storage
    same = urlsplit(source).scheme.lower() == urlsplit(output).scheme.lower()
    return config.input.storage if same else {}


def _publishing(
    source: str, output: str, config: RunConfig, model: str | None
) -> AbstractContextManager[Path | Unfinished]:
    """Refuse an image's output that could not be written; give what publishes it."""
    inputs, overwrite = _inputs(source, config) + ([] if model is None else [model]), config.output.overwrite
    if is_remote(output):
        location = locate_output(output, _output_storage(source, output, config), inputs=inputs)
        return publish_zarr(location, overwrite=overwrite)
    check_output(output, inputs=inputs, overwrite=overwrite)
    return publish(output, overwrite=overwrite)


def _publishing_model(source: str, model: str, config: RunConfig) -> AbstractContextManager[Path]:
    inputs, overwrite = _inputs(source, config), config.output.overwrite
    if is_remote(model):
        storage = _output_storage(source, model, config)
        return publish_object(locate_output(model, storage, inputs=inputs, suffixes=(".npz",)), overwrite=overwrite)
    check_output(model, inputs=inputs, overwrite=overwrite, suffixes=[".npz"])
    return publish(model, overwrite=overwrite)


def _connect(config: RunConfig, image: da.Array) -> AbstractContextManager[Any]:
    return connect(config.cluster.options(), small=image.nbytes <= SMALL_BYTES)


def _untrained(config: RunConfig) -> BatchSOM:
    """Make the map that a run trains, with its parameters checked."""
    given = config.map.model_dump(exclude={"grid", "seed", "refine"})
    refine = config.map.refine or 0
    som = BatchSOM(*config.map.grid, cache="none", random_state=config.map.seed, refine=refine, **given)
    som.check_parameters()
    return som


def quantize(source: str, output: str, config: RunConfig, watcher: Watcher, model: str | None = None) -> Summary:
    """Train a map on every pixel of an image, and write the image in the map's colors.

    Parameters
    ----------
    source, output : str
        Paths; the output's suffix chooses its format.
    config : RunConfig
    watcher : Watcher
    model : str, optional
        A trained map to use instead of training one.

    Raises
    ------
    InputError
        For anything given that cannot be used; before any work where it can be known then. Nothing is left behind.
    """
    options = config.output.options()
    publishing = _publishing(source, output, config, model)
    som = _untrained(config) if model is None else from_codebook(codebook_at(model, config.input.storage))
    pixels = _open(source, config).pixels
    # chunks are planned anew, now that it is known how wide the pixels are
    picture = _open(source, config, chunk_alignment(output, options, pixels.shape[2] * pixels.dtype.itemsize))
    image = picture.pixels
    if model is not None:
        som.check_bands(image)
    check_dither(config.output.dither, image)
    run = _Run(source, picture, output, watcher)
    check_format(
        output,
        shape=image.shape,
        dtype=image.dtype,
        units=som.units,
        with_image=config.output.image,
        nodata=run.has_gaps,
        options=options,
    )
    # the cluster stops before the output is published, or swept away: no task writes any more then
    with publishing as path, _connect(config, image):
        if model is None:
            run.train(som, config)
        run.write(som, path, config.output)
    return run.summary


def train(source: str, model: str, config: RunConfig, watcher: Watcher) -> Summary:
    """Train a map on every pixel of an image, and save it.

    Parameters are those of `quantize`, the model's path in place of the output's.
    """
    publishing = _publishing_model(source, model, config)
    som = _untrained(config)
    picture = _open(source, config)
    run = _Run(source, picture, model, watcher)
    with publishing as path, _connect(config, picture.pixels):
        run.train(som, config)
        som.save(path)
    return run.summary
