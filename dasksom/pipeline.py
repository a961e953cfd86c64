"""One whole run, from a path to a path, in reading order."""

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import dask.array as da
from dask.utils import parse_bytes

from dasksom.cluster import Workers, connect, count_tasks, expected_workers
from dasksom.config import RunConfig
from dasksom.estimator import BatchSOM
from dasksom.image import check_format, check_output, chunk_alignment, create_writer, open_image, publish
from dasksom.loading import from_codebook
from dasksom.passes import keep_in_memory, workers
from dasksom.planning import Plan, check_fits, describe, plan_run
from dasksom.probing import Probe, probe
from dasksom.quantization import quantize_into
from dasksom.som.codebook import load_codebook
from dasksom.som.quality import Quality
from dasksom.training import Epoch

CHUNK_BYTES = 64 << 20
"""Largest decoded chunk where memory allows."""
CHUNKS_PER_WORKER = 16
"""A worker's memory holds so many chunks: one in its several forms, those that come next, and the libraries."""
REFINEMENT = 80
"""Epochs that refine a palette, where they are not worth asking for: the colors are counted."""
VERSIONS_TOLD = ("dasksom", "dask", "distributed", "numpy", "numba", "zarr", "tifffile")
"""Packages that a summary names."""
SMALL_BYTES = 256 << 20
"""Images that decode to less are not worth starting processes for."""


class Watcher(Protocol):
    """Whoever looks on while a run goes on."""

    def plan(self, line: str) -> None:
        """Note what is going to be done."""

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
    plan: str = ""
    """What was planned, in a line."""
    passes: int = 0
    bytes_read: int = 0
    """Decoded, of the chunks of all passes."""
    bytes_written: int = 0
    """Of the output as it is stored."""
    workers: int | None = None
    """None where the run had the threads of its own process."""
    tasks: int | None = None
    retries: int | None = None
    lost_workers: int | None = None

    @property
    def mean_squared_error(self) -> float:
        """Mean squared error of the palette over all pixels; NaN where the run did not measure it."""
        return float("nan") if self.quality is None else self.quality.mean_squared_error

    def as_json(self) -> dict[str, Any]:
        """Give what the run did as plain values, with the versions that it ran on."""
        told = {name: value for name, value in asdict(replace(self, quality=None)).items() if name != "quality"}
        quality = self.quality
        return {
            **told,
            "mean_squared_error": None if quality is None else quality.mean_squared_error,
            "empty_units": None if quality is None else int(quality.empty_units),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS_TOLD}},
        }


class _Run:
    """An open image on a running cluster, with a clock and a watcher."""

    def __init__(self, source: str, image: da.Array, output: str, watcher: Watcher) -> None:
        self.image, self.watcher = image, watcher
        self.summary = Summary(source, image.shape, str(image.dtype), output, 0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        height, width, _ = self.image.shape
        self.watcher.stage(name, height * width)
        start = time.perf_counter()
        yield
        self.summary.seconds[name] = time.perf_counter() - start

    def _progress(self, done: int, total: int) -> None:
        if done == total:
            self.summary.passes += 1
            self.summary.bytes_read += self.image.nbytes
        self.watcher.progress(done, total)

    @contextmanager
    def on_cluster(self, config: RunConfig, som: BatchSOM, *, trains: bool, writes: bool) -> Iterator[None]:
        """Connect to the cluster; print the plan and refuse what cannot fit before anything is read."""
        with (
            connect(config.cluster.as_options(), small=self.image.nbytes <= SMALL_BYTES) as client,
            count_tasks(client) as counts,
        ):
            there = workers()
            plan = _plan(self.image, som, config, there, trains=trains, writes=writes)
            self.summary.plan = describe(plan)
            if self.image.nbytes > SMALL_BYTES:  # others are done before the line is read
                self.watcher.plan(self.summary.plan)
            check_fits(plan, there.memory)
            yield
        self.summary = replace(self.summary, **asdict(counts))

    def train(self, som: BatchSOM, config: RunConfig) -> None:
        cache = config.input.cache
        if config.map.refine is None and som.counts_colors(self.image):
            som.refine = REFINEMENT
        if _may_be_kept(self.image, som, config):
            self.image = keep_in_memory(self.image, cache)
        with self.stage("train"):
            som.fit(self.image, progress=self._progress, on_epoch=lambda epoch, _: self.watcher.epoch(epoch))
        self.summary.units = som.units
        self.summary.quality = som.quality_

    def write(self, som: BatchSOM, path: Path, with_image: bool) -> None:
        height, width, _ = self.image.shape
        codebook = som.codebook_
        writer = create_writer(
            path,
            height=height,
            width=width,
            chunks=self.image.chunksize[:2],
            palette=codebook.palette(self.image.dtype),
            metadata=dict(codebook.about),
            with_image=with_image,
            nodata=self.image.dtype.kind == "f",  # pixels with NaN have no label
        )
        self.summary.units = som.units
        labeling, measured = som.labeling_for(self.image.dtype), self.summary.quality is None
        with self.stage("write"):
            quality = quantize_into(self.image, labeling, writer, measured=measured, progress=self._progress)
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


def _open(source: str, config: RunConfig, align: int = 1) -> da.Array:
    return open_image(source, component=config.input.component, chunk_bytes=_chunk_bytes(config), align=align)


def _may_be_kept(image: da.Array, som: BatchSOM, config: RunConfig) -> bool:
    # Counting and writing are two passes, and what is read twice is not worth keeping unless the user knows better.
    return config.input.cache == "memory" or not som.counts_colors(image)


def _plan(image: da.Array, som: BatchSOM, config: RunConfig, there: Workers, *, trains: bool, writes: bool) -> Plan:
    refine = config.map.refine
    if refine is None:
        refine = REFINEMENT if som.counts_colors(image) else 0
    return plan_run(
        image,
        som,
        epochs=config.map.epochs + refine if trains else 0,
        # what is kept where it fits ("auto") leaves room for the work
        kept=trains and config.input.cache == "memory",
        writes=writes,
        with_image=config.output.image,
        threads=there.threads,
        workers=there.count,
    )


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
    align = chunk_alignment(output)
    check_output(output, inputs=[source], overwrite=config.output.overwrite)
    som = _untrained(config) if model is None else from_codebook(load_codebook(model))
    image = _open(source, config, align)
    if model is not None:
        som.check_bands(image)
    check_format(output, shape=image.shape, dtype=image.dtype, units=som.units, with_image=config.output.image)
    run = _Run(source, image, output, watcher)
    # the cluster stops before the output is published, or swept away: no task writes any more then
    with (
        publish(output, overwrite=config.output.overwrite) as path,
        run.on_cluster(config, som, trains=model is None, writes=True),
    ):
        if model is None:
            run.train(som, config)
        run.write(som, path, config.output.image)
    run.summary.bytes_written = _stored_bytes(Path(output))
    return run.summary


def train(source: str, model: str, config: RunConfig, watcher: Watcher) -> Summary:
    """Train a map on every pixel of an image, and save it.

    Parameters are those of `quantize`, the model's path in place of the output's.
    """
    check_output(model, inputs=[source], overwrite=config.output.overwrite, suffixes=[".npz"])
    som = _untrained(config)
    image = _open(source, config)
    run = _Run(source, image, model, watcher)
    with (
        publish(model, overwrite=config.output.overwrite) as path,
        run.on_cluster(config, som, trains=True, writes=False),
    ):
        run.train(som, config)
        som.save(path)
    run.summary.bytes_written = _stored_bytes(Path(model))
    return run.summary


def _stored_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(one.stat().st_size for one in files if one.is_file())


@dataclass(frozen=True)
class Forecast:
    """What `dasksom plan` tells."""

    plan: Plan
    workers: Workers
    probe: Probe | None
    """None where it was not wanted."""


def forecast(source: str, output: str, config: RunConfig, *, probed: bool = True) -> Forecast:
    """Tell what a run of `quantize` would do and need on the cluster that the configuration describes; nothing starts.

    Parameters
    ----------
    source, output : str
        Paths; of the output the suffix matters alone.
    config : RunConfig
    probed : bool
        Whether a chunk is read and worked on, to estimate the time.

    Raises
    ------
    InputError
        For what cannot be used or does not fit a worker; the message names the chunk size that does.
    """
    align = chunk_alignment(output)
    som = _untrained(config)
    image = _open(source, config, align)
    check_format(output, shape=image.shape, dtype=image.dtype, units=som.units, with_image=config.output.image)
    options = config.cluster.as_options()
    there = expected_workers(options, small=image.nbytes <= SMALL_BYTES)
    plan = _plan(image, som, config, there, trains=True, writes=True)
    check_fits(plan, there.memory)
    suffix = "".join(Path(output).suffixes[-2:]) if output.endswith(".ome.zarr") else Path(output).suffix
    found = probe(image, som, suffix, config.output.image) if probed else None
    return Forecast(plan, there, found)
