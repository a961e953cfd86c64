"""One run over an image: where it is computed, what it trains and writes, and what it tells of itself."""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import dask.array as da

from dasksom.chunkwise import Keeper, keep_in_memory, workers
from dasksom.cluster import connect, count_tasks
from dasksom.config import OutputSection, RunConfig
from dasksom.estimator import BatchSOM
from dasksom.image import Manifest, Output, Picture, Rectangle, StoreRun, Writer, create_writer, shown
from dasksom.provenance.run_record import RunRecord, cluster_of
from dasksom.quantization.thumbnail import Overview
from dasksom.quantization.write_journal import Ledger
from dasksom.quantization.write_pass import quantize_into
from dasksom.runs.bad_chunks import find_unread
from dasksom.runs.memory_plan import check_fits, describe, explained, plan_run, refinement
from dasksom.som.map_state import Epoch
from dasksom.som.quality import Quality
from dasksom.training.checkpoint import TRAINED, UNREAD
from dasksom.training.input_arrays import as_weights

SMALL_BYTES = 256 << 20
"""Images that decode to less are not worth starting processes for."""
VERSIONS_TOLD = ("dasksom", "dask", "distributed", "numpy", "numba", "zarr", "tifffile")
"""Packages that a summary names."""
NOT_PLAIN = ("quality", "record", "overview")
"""Fields of a summary that are told in other words, or elsewhere."""


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
    more_pixels: int = 0
    """Of the images after the first, where a map is trained on several."""
    color_space: str = "rgb"
    """In which errors are told."""
    quality: Quality | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Time of each stage."""
    record: RunRecord = field(default_factory=RunRecord)
    """What the run tells of itself."""
    not_read: tuple[Rectangle, ...] = ()
    """Parts of the image that could not be read: first and last row, first and last column."""
    overview: Overview | None = None
    """A small view of the image and its labels, where a report is made of the run."""
    plan: str = ""
    """What was planned, in a line."""
    passes: int = 0
    bytes_read: int = 0
    """Decoded, of the chunks of all passes."""
    bytes_written: int | None = 0
    """Of the output as it is stored; None on a remote store."""
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
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in NOT_PLAIN}
        quality = self.quality
        return {
            **told,
            "mean_squared_error": None if quality is None else quality.mean_squared_error,
            "empty_units": None if quality is None else int(quality.empty_units),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS_TOLD}},
        }


def untrained(config: RunConfig) -> BatchSOM:
    """Make the map that a run trains, with its parameters checked.

    Raises
    ------
    InputError
    """
    given = config.map.model_dump(exclude={"grid", "seed", "refine"})
    refine = config.map.refine or 0
    som = BatchSOM(*config.map.grid, cache="none", random_state=config.map.seed, refine=refine, **given)
    som.check_parameters()
    return som


class Run:
    """An open image on a running cluster, with a clock and a watcher."""

    def __init__(
        self,
        source: str,
        picture: Picture,
        output: str,
        config: RunConfig,
        watcher: Watcher,
        keeper: Keeper | None = None,
    ) -> None:
        self.picture, self.watcher, self.keeper = picture, watcher, keeper
        self.image, self.mask = picture.pixels, picture.mask
        self._checked = 0
        self.summary = Summary(shown(source), self.image.shape, str(self.image.dtype), shown(output), 0)
        self.record = RunRecord.begin(shown(source), self.image, config.model_dump(mode="json"))

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        height, width, _ = self.image.shape
        self.watcher.stage(name, height * width)
        start = time.perf_counter()
        yield
        self.summary.seconds[name] = self.summary.seconds.get(name, 0.0) + time.perf_counter() - start

    def _progress(self, done: int, total: int) -> None:
        if done == total:
            self.summary.passes += 1
            self.summary.bytes_read += self.image.nbytes
        self.watcher.progress(done, total)

    @contextmanager
    def on_cluster(self, config: RunConfig, som: BatchSOM, *, trains: bool, writes: bool) -> Iterator[Any]:
        """Connect to the cluster; print the plan and refuse what cannot fit before anything is read."""
        with (
            connect(config.cluster.as_options(), small=self.image.nbytes <= SMALL_BYTES) as client,
            count_tasks(client) as counts,
        ):
            there = workers()
            plan = plan_run(self.image, som, config, there, trains=trains, writes=writes)
            self.summary.plan = describe(plan)
            if self.image.nbytes > SMALL_BYTES:  # others are done before the line is read
                self.watcher.plan(self.summary.plan)
            check_fits(plan, there.memory)
            with explained(plan, there.memory):
                yield client
        self.summary = replace(self.summary, **asdict(counts))

    def readable(self, picture: Picture, again: Callable[[Sequence[Rectangle]], Picture]) -> Picture:
        """Have every chunk of a picture read once, and open it again without those that cannot be."""
        name = f"{UNREAD}-{self._checked}"
        self._checked += 1
        parts = None if self.keeper is None else self.keeper.load(name)
        if parts is None:
            with self._stage("check"):
                parts = find_unread(picture, self._progress).parts
            if self.keeper is not None:
                self.keeper.save(name, parts)
        self.summary.not_read += parts
        return again(parts)

    def leave_out_unread(self, again: Callable[[Sequence[Rectangle]], Picture]) -> None:
        """Leave out of the run's own image what cannot be read."""
        self.picture = self.readable(self.picture, again)
        self.image, self.mask = self.picture.pixels, self.picture.mask
        self.record = self.record.model_copy(update={"not_read": self.summary.not_read})

    def train(self, som: BatchSOM, config: RunConfig, more: Sequence[Picture] = ()) -> None:
        """Train a map on all pixels of the image, and of more images; or take up the one that was trained."""
        som.refine = refinement(self.image, som, config)
        trained = None if self.keeper is None else self.keeper.load(TRAINED)
        if trained is None:
            self._fit(som, config, more)
            if self.keeper is not None:
                told = {"weights": som.weights_, "history": som.history_, "quality": som.quality_}
                self.keeper.save(TRAINED, told)
        else:
            som.take_up(trained["weights"], trained["history"], trained["quality"], str(self.image.dtype))
        self.summary.units, self.summary.color_space = som.units, som.color_space
        self.summary.quality = som.quality_
        self.record = self.record.trained(som.history_, som.quality_)

    def _fit(self, som: BatchSOM, config: RunConfig, more: Sequence[Picture]) -> None:
        if not more and _may_be_kept(self.image, som, config):
            self.image, self.mask = keep_in_memory(self.image, self.mask, config.input.cache)
        with self._stage("train"):
            som.fit(
                [self.image, *(picture.pixels for picture in more)],
                mask=[self.mask, *(picture.mask for picture in more)],
                progress=self._progress,
                on_epoch=lambda epoch, _: self.watcher.epoch(epoch),
                checkpoint=self.keeper,
            )

    def write(self, som: BatchSOM, place: Path | StoreRun, output: OutputSection, sums: Manifest) -> Writer:
        """Label every pixel and write the image in the map's colors; add the checksums of the files to the manifest."""
        height, width, bands = self.image.shape
        codebook = som.codebook_
        described = Output(
            place,
            height=height,
            width=width,
            chunks=self.image.chunksize[:2],
            palette=codebook.palette(self.image.dtype),
            metadata={**codebook.about, "run": self.record.lasting()},
            with_image=output.image,
            nodata=self.picture.has_gaps,
            options=output.options(),
        )
        writer = create_writer(described.placed_as(self.picture))
        self.summary.units, self.summary.color_space = som.units, som.color_space
        labeling = som.labeling_for(self.image.dtype).dithering(output.dither, self.image)
        # a dithered image has other errors than the palette that training measured
        measured = self.summary.quality is None or labeling.dither is not None
        overview = Overview(height, width, bands, self.image.dtype) if output.report else None
        ledger = Ledger(self.keeper, sums.add)
        with self._stage("write"):
            quality = quantize_into(
                self.image,
                labeling,
                writer,
                weights=as_weights(self.image, self.mask),
                measured=measured,
                progress=self._progress,
                observer=overview,
                ledger=ledger,
            )
        self.summary.quality = quality or self.summary.quality
        self.summary.overview = None if ledger.went_on else overview  # which has not seen all chunks
        return writer

    def end(self, som: BatchSOM, writer: Writer, client: Any, sums: Manifest) -> None:
        """Complete the run record, add it to the output if its format allows, and write the checksum manifest."""
        record = self.record.trained(som.history_, self.summary.quality)
        known = {"seconds": self.summary.seconds, "cluster": cluster_of(client)}
        self.summary.record = record.model_copy(update=known)
        writer.annotate({"run": self.summary.record.whole()})
        writer.write_manifest(sums)


def _may_be_kept(image: da.Array, som: BatchSOM, config: RunConfig) -> bool:
    # Counting and writing are two passes, and what is read twice is not worth keeping unless the user knows better.
    return config.input.cache == "memory" or not som.counts_colors(image)
