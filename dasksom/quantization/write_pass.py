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
from dasksom.som.counted_colors.cells import colors_from_numbers
from dasksom.som.counted_colors.counts import count_colors
from dasksom.som.quality import Quality, quality_of
from dasksom.som.samples import Samples
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
class _LabeledChunks:
    """Neighboring chunks of one pass: the writer's result for each, and their quality if it was measured."""

    encoded: tuple[EncodedChunk, ...]
    quality: Quality | None
    extracted: tuple[tuple[Origin, Any], ...] = ()
    """Corner of each chunk and what an observer extracted from it."""


def _by_color(samples: Samples, labeling: Labeling) -> tuple[Samples, NDArray[Any]]:
    """Return each color once, weighted by its number of samples, and its label: fewer values to measure."""
    numbers, counts = count_colors(samples.values)
    colors = colors_from_numbers(numbers, samples.values.shape[1])
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
    extract: Callable[[NDArray[Any], NDArray[Any], Origin], Any] | None,
) -> _LabeledChunks:
    labels, samples = labeling.labels(block, corner, weights, through_table)
    quality = None
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
    return _LabeledChunks((encoded,), quality, extracted)


def _join(parts: Sequence[_LabeledChunks]) -> _LabeledChunks:
    return _LabeledChunks(
        encoded=tuple(chain.from_iterable(part.encoded for part in parts)),
        quality=_total([part.quality for part in parts]),
        extracted=tuple(chain.from_iterable(part.extracted for part in parts)),
    )


def _total(qualities: Sequence[Quality | None]) -> Quality | None:
    measured = [quality for quality in qualities if quality is not None]
    return add_up(measured) if measured else None


def quantize_into(
    image: da.Array,
    labeling: Labeling,
    writer: Writer,
    *,
    weights: da.Array | None = None,
    measured: bool = True,
    progress: Progress | None = None,
    observer: Observer | None = None,
    journal: WriteJournal | None = None,
) -> Quality | None:
    """Label every pixel and pass the labels to a writer, in one pass with one task per chunk.

    Parameters
    ----------
    image : dask array of shape (rows, columns, bands), real
    labeling : Labeling
    writer : Writer
    weights : dask array of shape (rows, columns, 1), bool or real, optional
    measured : bool
        Whether to measure hits and errors; not needed if the caller knows them.
    progress : callable, optional
    observer : Observer, optional
    journal : WriteJournal, optional
        Records the written windows; the pass resumes at the end of the journal of an earlier process.

    Returns
    -------
    Quality, or None if not measured
    """
    journal = WriteJournal() if journal is None else journal
    qualities: list[Quality | None] = []
    if writer.keeps_chunks:
        label = tokenize(image.name, image.chunks, labeling.codebook, labeling.dither, measured)
        qualities = journal.resume(label, writer.are_intact)

    def encoded() -> Iterator[EncodedChunk]:
        windows = map_chunks(
            image,
            _quantize_chunk,
            _join,
            beside=[weights],
            progress=progress,
            first=len(qualities),
            labeling=labeling,
            writer=writer,
            through_table=labeling.through_table(image),
            measured=measured,
            extract=None if observer is None else observer.extract,
        )
        for window in windows:
            if observer is not None:
                for corner, extracted in window.extracted:
                    observer.add(corner, extracted)
            qualities.append(window.quality)
            if writer.keeps_chunks:
                journal.add(tuple(chain.from_iterable(stored for _, _, stored in window.encoded)), window.quality)
            yield from window.encoded

    def run(function: Callable[[Origin], FileSums], corners: Sequence[Origin]) -> None:
        for stored in run_tasks(function, corners):
            journal.report(stored)

    try:
        writer.collect(encoded(), run)
    finally:
        journal.save()
    return _total(qualities)
