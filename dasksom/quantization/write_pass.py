"""An image labeled and written in one pass, chunk by chunk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Progress, map_chunks, run_tasks
from dasksom.image.writers.protocol import EncodedChunk, Writer
from dasksom.quantization.labels import Labeling
from dasksom.quantization.write_journal import Ledger
from dasksom.som.counted_colors.cells import colors_from_numbers
from dasksom.som.counted_colors.counts import count_colors
from dasksom.som.quality import Quality, quality_of
from dasksom.som.samples import Samples
from dasksom.som.unit_sums import add_up
from dasksom.storage.checksum_manifests import FileSums

Place = tuple[int, int]
"""(y, x) of a chunk's first pixel, or its (height, width)."""
Look = Callable[[NDArray[Any], NDArray[Any], Place], Any]
"""Takes a chunk, its labels and its corner, and gives what is wanted of it: small."""


class Observer(Protocol):
    """What sees the chunks and labels of a pass go by, and keeps a little of each."""

    @property
    def look(self) -> Look:
        """What is called on each chunk's worker; must be picklable."""

    def note(self, corner: Place, seen: Any) -> None:
        """Take what `look` gave of a chunk, on the driver and in row-major order.

        Windows of chunks that an earlier process wrote are left out.
        """


@dataclass(frozen=True)
class _Labeled:
    """Neighboring chunks of one pass: what the sink made of each, and their quality where it was measured."""

    encoded: tuple[EncodedChunk, ...]
    quality: Quality | None
    seen: tuple[tuple[Place, Any], ...] = ()
    """Corner of a chunk and what a look at it gave."""


def _by_color(samples: Samples, labeling: Labeling) -> tuple[Samples, NDArray[Any]]:
    """Give each color once, weighted by how many samples have it, and its label: there are fewer to measure."""
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
    sink: Writer,
    through_table: bool,
    measured: bool,
    look: Look | None,
) -> _Labeled:
    labels, samples = labeling.labels(block, corner, weights, through_table)
    quality = None
    if measured:
        flat = labels.reshape(-1)
        best = flat if samples.kept is None else flat[samples.kept]
        if through_table and labeling.dither is None and samples.weights is None:
            samples, best = _by_color(samples, labeling)
        compared = labeling.search.convert(samples, block.dtype)
        quality = quality_of(labeling.search.gather(compared, labeling.codebook, best), labeling.codebook)
    place = corner[0], corner[1]
    seen = () if look is None else ((place, look(block, labels, place)),)
    return _Labeled(((place, (labels.shape[0], labels.shape[1]), sink.encode(labels, place)),), quality, seen)


def _join(parts: Sequence[_Labeled]) -> _Labeled:
    measured = [part.quality for part in parts if part.quality is not None]
    encoded, seen = (sum((getattr(part, name) for part in parts), ()) for name in ("encoded", "seen"))
    return _Labeled(encoded, add_up(measured) if measured else None, seen)


def quantize_into(
    image: da.Array,
    labeling: Labeling,
    sink: Writer,
    *,
    weights: da.Array | None = None,
    measured: bool = True,
    progress: Progress | None = None,
    observer: Observer | None = None,
    ledger: Ledger | None = None,
) -> Quality | None:
    """Label every pixel and hand the labels to a sink, in one pass and one task a chunk.

    Parameters
    ----------
    image : dask array of shape (rows, columns, bands), real
    labeling : Labeling
    sink : Writer
    weights : dask array of shape (rows, columns, 1), bool or real, optional
    measured : bool
        Whether to count hits and errors on the way; a caller that knows them already saves the time.
    progress : callable, optional
    observer : Observer, optional
    ledger : Ledger, optional
        Takes what was written; the pass goes on where the ledger of an earlier process ends.

    Returns
    -------
    Quality, or None if not measured
    """
    ledger = Ledger() if ledger is None else ledger
    qualities: list[Quality | None] = []
    if sink.keeps_chunks:
        label = tokenize(image.name, image.chunks, labeling.codebook, labeling.dither, measured)
        qualities = ledger.go_on(label, sink.are_whole)

    def encoded() -> Iterator[EncodedChunk]:
        windows = map_chunks(
            image,
            _quantize_chunk,
            _join,
            beside=[weights],
            progress=progress,
            first=len(qualities),
            labeling=labeling,
            sink=sink,
            through_table=labeling.through_table(image),
            measured=measured,
            look=None if observer is None else observer.look,
        )
        for window in windows:
            if observer is not None:
                for corner, seen in window.seen:
                    observer.note(corner, seen)
            qualities.append(window.quality)
            if sink.keeps_chunks:
                ledger.add(tuple(chain.from_iterable(stored for _, _, stored in window.encoded)), window.quality)
            yield from window.encoded

    def run(function: Callable[[Place], FileSums], places: Sequence[Place]) -> None:
        for stored in run_tasks(function, places):
            ledger.tell(stored)

    try:
        sink.collect(encoded(), run)
    finally:
        ledger.keep()
    found = [quality for quality in qualities if quality is not None]
    return add_up(found) if found else None
