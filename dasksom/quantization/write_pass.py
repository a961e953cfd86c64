"""Label and write an image, in one pass over its chunks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Progress, map_chunks, run_tasks
from dasksom.image.writers.protocol import EncodedChunk, Origin, Writer
from dasksom.quantization.labels import Labeling
from dasksom.quantization.write_journal import WriteJournal
from dasksom.som.counted_colors.cells import colors_from_numbers, type_of
from dasksom.som.counted_colors.counts import count_colors
from dasksom.som.quality import Quality, quality_of
from dasksom.som.samples import Samples
from dasksom.som.statistics.unit_statistics import UnitStatistics, added, unit_statistics
from dasksom.som.unit_sums import add_up
from dasksom.storage.checksum_manifests import FileSums


class Observer(Protocol):
    """Collects a small extract of every chunk and its labels."""

    @property
    def extract(self) -> Callable[[NDArray[Any], NDArray[Any], Origin], Any]:
        """Function of a chunk, its labels and its corner, called on a worker; must be picklable, its result small."""

    def add(self, corner: Origin, extracted: Any) -> None:
        """Add the result of `extract` for a chunk; called on the driver in row-major order.

        Windows written by an earlier process are skipped.
        """


@dataclass(frozen=True)
class WrittenChunks:
    """Neighboring chunks of one pass: the writer's result for each, and what was measured of them."""

    encoded: tuple[EncodedChunk, ...]
    quality: Quality | None = None
    statistics: UnitStatistics | None = None
    extracted: tuple[tuple[Origin, Any], ...] = ()
    """Corner of each chunk and what an observer extracted from it."""


def _by_color(samples: Samples, labeling: Labeling) -> tuple[Samples, NDArray[Any]]:
    """Return each color once, weighted by its number of samples, and its label: fewer values to measure."""
    numbers, counts = count_colors(samples.values)
    colors = colors_from_numbers(numbers, type_of(samples.values))
    best, _ = labeling.labels(colors, (0, 0), None, through_table=True)
    return Samples(colors, counts.astype(np.float64), None), best


def _quantize_chunk(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    labeling: Labeling,
    writer: Writer,
    through_table: bool,
    measured: bool,
    vectors: NDArray[np.float64] | None,
    extract: Callable[[NDArray[Any], NDArray[Any], Origin], Any] | None,
) -> WrittenChunks:
    labels, samples = labeling.labels(block, corner, weights, through_table)
    quality = statistics = None
    if vectors is not None:
        statistics = unit_statistics(block.reshape(-1, block.shape[-1]), labels.reshape(-1), vectors)
    if measured:
        flat = labels.reshape(-1)
        best = flat if samples.kept is None else flat[samples.kept]
        if through_table and labeling.dither is None and samples.weights is None:
            samples, best = _by_color(samples, labeling)
        compared = labeling.search.convert(samples, block.dtype)
        quality = quality_of(labeling.search.gather(compared, labeling.codebook, best), labeling.codebook)
    origin = corner[0], corner[1]
    extracted = () if extract is None else ((origin, extract(block, labels, origin)),)
    encoded = (origin, (labels.shape[0], labels.shape[1]), writer.encode(labels, origin))
    return WrittenChunks((encoded,), quality, statistics, extracted)


def _join(parts: Sequence[WrittenChunks]) -> WrittenChunks:
    return WrittenChunks(
        encoded=tuple(chain.from_iterable(part.encoded for part in parts)),
        quality=_total([part.quality for part in parts]),
        statistics=_combined([part.statistics for part in parts]),
        extracted=tuple(chain.from_iterable(part.extracted for part in parts)),
    )


def _total(qualities: Sequence[Quality | None]) -> Quality | None:
    measured = [quality for quality in qualities if quality is not None]
    return add_up(measured) if measured else None


def _combined(parts: Sequence[UnitStatistics | None]) -> UnitStatistics | None:
    known = [part for part in parts if part is not None]
    return added(known) if known else None


def quantize_into(
    image: da.Array,
    labeling: Labeling,
    writer: Writer,
    *,
    weights: da.Array | None = None,
    measured: bool = True,
    vectors: NDArray[np.float64] | None = None,
    progress: Progress | None = None,
    observer: Observer | None = None,
    journal: WriteJournal | None = None,
) -> tuple[Quality | None, UnitStatistics | None]:
    """Label every pixel and pass the labels to a writer, in one pass with one task per chunk.

    Parameters
    ----------
    image : dask array of shape (rows, columns, bands), real
    labeling : Labeling
    writer : Writer
    weights : dask array of shape (rows, columns, 1), bool or real, optional
    measured : bool
        Whether to measure hits and errors; not needed if the caller knows them.
    vectors : ndarray of shape (units, bands), float64, optional
        Vectors of the units in the units of the image, for the statistics of their pixels; None: no statistics.
    progress : callable, optional
    observer : Observer, optional
    journal : WriteJournal, optional
        Records the written windows; the pass resumes at the end of the journal of an earlier process.

    Returns
    -------
    quality : Quality, or None if not measured
    statistics : UnitStatistics, or None without vectors
    """
    return write_chunks(
        image,
        _quantize_chunk,
        writer,
        label=tokenize(image.name, image.chunks, labeling.codebook, labeling.dither, measured, vectors is None),
        beside=[weights],
        progress=progress,
        observer=observer,
        journal=journal,
        labeling=labeling,
        through_table=labeling.through_table(image),
        measured=measured,
        vectors=vectors,
        extract=None if observer is None else observer.extract,
    )


def write_chunks(
    image: da.Array,
    function: Callable[..., WrittenChunks],
    writer: Writer,
    *,
    label: str,
    beside: Sequence[da.Array | None] = (),
    progress: Progress | None = None,
    observer: Observer | None = None,
    journal: WriteJournal | None = None,
    **arguments: Any,
) -> tuple[Quality | None, UnitStatistics | None]:
    """Encode every chunk on the workers, pass the results to a writer, and record the written windows in a journal.

    Parameters
    ----------
    image : dask array of shape (rows, columns, bands)
    function : callable (block, corner, *beside, writer, **arguments) -> WrittenChunks
        As for `map_chunks`.
    writer : Writer
    label : str
        Identifies image, function and arguments; an earlier process's windows of another label are written again.
    beside, progress, **arguments
        As for `map_chunks`.
    observer, journal
        As for `quantize_into`.
    """
    journal = WriteJournal() if journal is None else journal
    measures = journal.resume(label, writer.are_intact) if writer.keeps_chunks else []

    def encoded() -> Iterator[EncodedChunk]:
        windows = map_chunks(
            image,
            function,
            _join,
            beside=beside,
            progress=progress,
            first=len(measures),
            writer=writer,
            **arguments,
        )
        for window in windows:
            if observer is not None:
                for corner, extracted in window.extracted:
                    observer.add(corner, extracted)
            measures.append((window.quality, window.statistics))
            if writer.keeps_chunks:
                journal.add(tuple(chain.from_iterable(stored for _, _, stored in window.encoded)), measures[-1])
            yield from window.encoded

    def run(function: Callable[[Origin], FileSums], corners: Sequence[Origin]) -> None:
        for stored in run_tasks(function, corners):
            journal.report(stored)

    try:
        writer.collect(encoded(), run)
    finally:
        journal.save()
    return _total([quality for quality, _ in measures]), _combined([statistics for _, statistics in measures])
