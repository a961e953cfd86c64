"""A run over an open image: cluster, stages and record."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from dask.utils import format_bytes

from dasksom import cluster
from dasksom.chunkwise import Keeper, keep_in_memory, workers
from dasksom.cluster import connect, count_tasks
from dasksom.config import MapSection, OutputSection, RunConfig
from dasksom.config.feature_parameters import FEATURE_FIELDS, Features
from dasksom.deferred import deferred
from dasksom.estimator import BatchMap
from dasksom.image import Manifest, Output, Picture, Rectangle, Writer, create_writer, shown
from dasksom.provenance.run_record import RunRecord, cluster_of
from dasksom.quantization.labels import Labeling
from dasksom.quantization.write_journal import WriteJournal
from dasksom.quantization.write_pass import quantize_into
from dasksom.runs.error_translation import explained_deaths, explained_pixels
from dasksom.runs.input_image import ImagePaths, compared_pixels
from dasksom.runs.memory_plan import Plan, check_fits, plan_run
from dasksom.som.quality import Quality
from dasksom.som.statistics.unit_statistics import UnitStatistics
from dasksom.training.checkpoint import TRAINED, UNREAD
from dasksom.training.input_arrays import as_weights
from dasksom.training.trained_map import TrainedMap

if TYPE_CHECKING:
    from dasksom.image import StoreRun
    from dasksom.quantization.thumbnail import Overview
    from dasksom.runs.watcher import Watcher

_encode_statistics: "Callable[..., bytes]" = deferred("dasksom.classes.stored_statistics:encode_statistics")
_encode_codebook: "Callable[..., bytes]" = deferred("dasksom.model_files:encode_codebook")
_find_unread = deferred("dasksom.runs.bad_chunks:find_unread")
_features_from_state = deferred("dasksom.som.features.pixel_features:features_from_state")
_start_overview = deferred("dasksom.quantization.thumbnail:Overview")
_HOLD_MODELS, _HOLD_SUMS = (".zarr", ".tif", ".tiff"), (".zarr",)
"""Suffixes of outputs that hold the trained map, and the sums of its units."""
_MOST_SUMS = 1 << 18
"""Most values (units x bands) whose statistics are collected while an output is written."""
SMALL_BYTES = 256 << 20
"""Maximum decoded bytes of images for which no worker processes are started."""


def new_map(config: RunConfig) -> BatchMap:
    """Create the map of a run, with checked parameters.

    Raises
    ------
    InputError
    """
    parameters = config.map.model_dump(exclude={"grid", "seed", "preset", *FEATURE_FIELDS})
    features, seed = config.map.features(), config.map.seed
    som = BatchMap(*config.map.grid, **parameters, features=features, cache="none", random_state=seed)
    som.check_parameters()
    return som


def map_settings(som: BatchMap) -> dict[str, Any]:
    """Return the parameters of a map in the form of the configuration section `map`."""
    parameters = {**asdict(som.features or Features()), **som.get_params()}
    settings = {name: parameters.get(name) for name in MapSection.model_fields}
    return {**settings, "grid": [som.rows, som.columns], "seed": parameters["random_state"]}


class ImageRun:
    """A run over an open image; recorded in `record`, and reported to a watcher."""

    def __init__(
        self,
        paths: ImagePaths,
        picture: Picture,
        output: str,
        config: RunConfig,
        watcher: "Watcher",
        keeper: Keeper | None = None,
        blur: float = 0.0,
    ) -> None:
        self.watcher, self.keeper, self._blur = watcher, keeper, blur
        self._use(picture)
        self.quality: Quality | None = None
        """Quality of the palette, after it is measured."""
        self.overview: Overview | None = None
        """Small view of the image and its labels, for a report."""
        self._checked = 0
        self._statistics: UnitStatistics | None = None
        self.record = RunRecord.begin(
            tuple(map(shown, paths)), self.image, config.model_dump(mode="json"), shown(output)
        )

    def _use(self, picture: Picture) -> None:
        """Take the pixels of a picture: as they are stored, as the map compares them, and the mask."""
        self.picture, self.image = picture, picture.pixels
        self.compared, self.mask = compared_pixels(picture, self._blur)

    def note(self, **fields: Any) -> None:
        """Record values of some fields."""
        self.record = self.record.updated(**fields)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        height, width, _ = self.image.shape
        self.watcher.stage(name, height * width)
        start, before = time.perf_counter(), self.record.seconds
        yield
        self.note(seconds={**before, name: before.get(name, 0.0) + time.perf_counter() - start})

    def _progress(self, done: int, total: int) -> None:
        if done == total:
            self.note(passes=self.record.passes + 1, bytes_read=self.record.bytes_read + self.image.nbytes)
        self.watcher.progress(done, total)

    @contextmanager
    def on_cluster(self, config: RunConfig, som: BatchMap, *, trains: bool, writes: bool) -> Iterator[Any]:
        """Connect to the cluster, report the plan, and raise InputError if chunks cannot fit, before any read."""
        with (
            connect(config.cluster_options, small=self.image.nbytes <= SMALL_BYTES) as client,
            count_tasks(client) as counts,
        ):
            expected = cluster.expected_workers(config.cluster_options, small=self.image.nbytes <= SMALL_BYTES)
            available = replace(workers(), gpu_memory=expected.gpu_memory)
            plan = plan_run(
                self.compared,
                som,
                config,
                available,
                trains=trains,
                writes=writes,
                stored=self.picture.stored,
                decoded_pixel_bytes=self.picture.decoded_pixel_bytes,
            )
            self.note(plan=describe(plan))
            if self.image.nbytes > SMALL_BYTES:  # smaller images are finished before the line can be read
                self.watcher.plan(self.record.plan)
            check_fits(plan, available.memory)
            if client is not None:
                pixel = self.image[:1, :1]
                read = partial(pixel.compute, scheduler="synchronous")
                cluster.check_reads(client, read, self.record.source or "the image")
            with explained_deaths(plan, available.memory):
                yield client
        self.note(**asdict(counts))

    def readable(self, picture: Picture, without: Callable[[Sequence[Rectangle]], Picture]) -> Picture:
        """Read every chunk of a picture once; return it without the unreadable chunks."""
        name = f"{UNREAD}-{self._checked}"
        self._checked += 1
        parts = None if self.keeper is None else self.keeper.load(name)
        if parts is None:
            with self._stage("check"):
                parts = _find_unread(picture, self._progress).parts
            if self.keeper is not None:
                self.keeper.save(name, parts)
        self.note(not_read=self.record.not_read + parts)
        return without(parts)

    def leave_out_unread(self, without: Callable[[Sequence[Rectangle]], Picture]) -> None:
        """Exclude the unreadable chunks of the image."""
        self._use(self.readable(self.picture, without))

    def train(self, som: BatchMap, config: RunConfig, more: Sequence[Picture] = ()) -> None:
        """Train a map on all pixels of the image and of `more` images, or load the one trained before an interrupt."""
        trained = None if self.keeper is None else self.keeper.load(TRAINED)
        if trained is None:
            self._fit(som, config, more)
            if self.keeper is not None:
                trained = {"weights": som.weights_, "history": som.history_, "quality": som.quality_}
                trained["features"] = som.features_ and som.features_.state()
                trained["feature_weights"] = som.feature_weights_
                self.keeper.save(TRAINED, trained)
        else:
            refine = som.total_epochs(self.compared) - som.epochs
            if trained["features"] is not None:
                trained["features"] = _features_from_state(trained["features"])
            som.restore(TrainedMap(**trained, dtype=str(self.image.dtype)), refine)
        if self.picture.band_names:
            som.feature_names_in_ = np.array(self.picture.band_names, object)
        self.quality = som.quality_
        self.note(units=som.units, color_space=som.error_space)
        self.record = self.record.trained(som.history_, som.quality_)

    def _fit(self, som: BatchMap, config: RunConfig, more: Sequence[Picture]) -> None:
        if not more and _may_be_kept(self.compared, som, config):
            self.compared, self.mask = keep_in_memory(self.compared, self.mask, config.input.cache)
            som.cache = config.input.cache  # features of the image too
        others = [compared_pixels(picture, self._blur) for picture in more]
        with self._stage("train"), explained_pixels(self.record.image, self.picture):
            som.fit_with_keeper(
                [self.image, *(picture.pixels for picture in more)],
                self.keeper,
                blurred=[self.compared, *(pixels for pixels, _ in others)],
                mask=[self.mask, *(mask for _, mask in others)],
                band_names=self.picture.band_names,
                progress=self._progress,
                on_epoch=lambda epoch, _: self.watcher.epoch(epoch),
            )
        som.cache = "none"  # outputs hold the parameters, and are the same however a run is cached or resumed

    def write(
        self,
        som: BatchMap,
        place: "Path | StoreRun",
        settings: OutputSection,
        manifest: Manifest,
        *,
        resumed: bool = False,
    ) -> Writer:
        """Label every pixel and write the image in the map's colors; add the checksums of the files to the manifest."""
        height, width, bands = self.image.shape
        codebook, name = som.codebook_, self.record.output.lower()
        summed = name.endswith(_HOLD_SUMS) and codebook.units.size <= _MOST_SUMS
        output = Output(
            place,
            height=height,
            width=width,
            chunks=self.image.chunksize[:2],
            palette=codebook.palette(self.image.dtype),
            metadata={**codebook.about, "run": self.record.repeatable()},
            with_image=settings.image,
            nodata=self.picture.has_gaps or not som.labels_all(self.image.dtype),
            options=settings.options(),
            resumed=resumed,
            model=_encode_codebook(som.complete_codebook()) if name.endswith(_HOLD_MODELS) else b"",
        )
        writer = create_writer(output.placed_as(self.picture))
        self.note(units=som.units, color_space=som.error_space)
        labeling = self._labeling(som).dithering(settings.dither, self.image)
        # dithering changes the errors that training measured
        measured = self.quality is None or labeling.dither is not None
        overview = _start_overview(height, width, bands, self.image.dtype) if settings.report else None
        journal = WriteJournal(self.keeper, manifest.add)
        with self._stage("write"):
            quality, self._statistics = quantize_into(
                self.compared,
                labeling,
                writer,
                weights=as_weights(self.compared, self.mask),
                measured=measured,
                vectors=codebook.units if summed else None,
                progress=self._progress,
                observer=overview,
                journal=journal,
            )
        self.quality = quality or self.quality
        self.overview = None if journal.is_resumed else overview  # a resumed overview lacks chunks
        return writer

    def _labeling(self, som: BatchMap) -> Labeling:
        if not som.measures_each_image:
            return som.labeling_for(self.compared.dtype)
        with self._stage("measure"):
            weights = as_weights(self.compared, self.mask)
            return som.labeling_of(self.compared, weights, progress=self._progress, keeper=self.keeper)

    def complete(self, som: BatchMap, writer: Writer, client: Any, manifest: Manifest) -> None:
        """Complete the record, add it to the output if the format allows, and write the checksum manifest."""
        self.record = self.record.trained(som.history_, self.quality)
        self.note(cluster=cluster_of(client))
        if self._statistics is not None:
            writer.write_sums(_encode_statistics(self._statistics))
        writer.annotate({"run": self.record.stored()})
        writer.write_manifest(manifest)


def _may_be_kept(image: da.Array, som: BatchMap, config: RunConfig) -> bool:
    # Counting and writing are only two passes: caching does not pay off unless the user requests it.
    return config.input.cache == "memory" or not som.counts_colors(image)


def describe(plan: Plan) -> str:
    """Describe a plan in one line."""
    rows, columns = plan.chunk
    passes = plan.train_passes + plan.write_passes + plan.check_passes
    return (
        f"{passes} {'pass' if passes == 1 else 'passes'} over {plan.chunks} chunks of {columns} x {rows} pixels "
        f"({format_bytes(plan.chunk_bytes)}), {plan.tasks} tasks, {format_bytes(plan.read_bytes)} read, "
        f"at most {format_bytes(plan.worker_bytes)} of memory a worker"
    )
