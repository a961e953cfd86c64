"""Training on the color histogram of an image of 8-bit colors, or of one band of 16 bits.

A batch epoch depends only on the counts of the image's colors: photographs of any size have 10^5 to 10^6 colors, and
one band of 16 bits has at most 65,536. One pass counts them; the epochs then run on the counted colors. All updates
are sums of integers, so the map is exactly that of training on all pixels, for any chunks and number of workers.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import dask.array as da
import numpy as np
from dask.system import CPU_COUNT
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Keeper, Progress, reduce_chunks
from dasksom.errors import InputError
from dasksom.som.batch import BatchSums, weigh
from dasksom.som.color_spaces import scale_of, to_space
from dasksom.som.counted_colors.bmu_search import match_colors, match_two_colors
from dasksom.som.counted_colors.cells import Cells, ColorType, Line, colors_from_numbers, searchable, split_by_cells
from dasksom.som.counted_colors.counts import ColorCounts, count_colors, merge_counts
from dasksom.som.counted_colors.palette_search import search_palette
from dasksom.som.counted_colors.unit_sums import ColorSums, gather_colors
from dasksom.som.initialization import sample_positions
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.quality import Quality, quality_of
from dasksom.som.samples import NO_SAMPLES, take_samples
from dasksom.som.statistics.moments import Moments, moments, scatter_products
from dasksom.som.unit_sums import UnitSums

COLORS = "colors"
"""Name of the record of all colors and their counts."""
_COLORS_A_TASK = 1 << 14
"""Approximate number of colors per task of a thread, in complete cells; fewer are not worth a thread."""


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CPU_COUNT, thread_name_prefix="colors")


@dataclass(frozen=True, eq=False)
class ColorTable:
    """The colors of an image and their numbers of pixels."""

    numbers: NDArray[np.uint32]
    """Color numbers (`dasksom.som.counted_colors.cells`), ascending, shape (colors,)."""
    counts: NDArray[np.int64]
    """Number of pixels of each color, shape (colors,)."""
    kind: ColorType

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def _pieces(self) -> list[tuple[Cells | Line, NDArray[Any], NDArray[np.int64]]]:
        """Colors, for the search and as arrays, and counts, split for the threads."""
        colors = self.colors()
        slices = split_by_cells(self.numbers, self.kind.bands, _COLORS_A_TASK)
        return [(searchable(self.numbers[these], self.kind), colors[these], self.counts[these]) for these in slices]

    def colors(self) -> NDArray[Any]:
        """Return the colors, shape (colors, bands)."""
        return colors_from_numbers(self.numbers, self.kind)

    def moments(self) -> Moments:
        """Return the moments of all pixels."""
        return moments(self.colors(), self.counts)

    def scatter_products(self, mean: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scatter of all pixels about a mean times some vectors."""
        return scatter_products(self.colors(), self.counts, mean, basis)

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Draw pixels at random, without replacement if there are enough.

        Returns
        -------
        ndarray of shape (units, bands), float64
        """
        up_to = np.cumsum(self.counts)
        chosen = np.searchsorted(up_to, sample_positions(int(up_to[-1]), units, seed), side="right")
        return colors_from_numbers(self.numbers[chosen], self.kind).astype(np.float64)

    def unit_sums(
        self, codebook: NDArray[np.float64], *, utilities: bool = False, lattice: Lattice | None = None
    ) -> tuple[UnitSums, float | None]:
        """Find the best unit of every pixel and sum the pixels of each unit.

        Parameters
        ----------
        codebook : ndarray of shape (units, bands), float64
        utilities : bool
            Whether to compute the units' utilities too.
        lattice : Lattice, optional
            If given, count the pixels whose best and second-best units are not neighbors on it.

        Returns
        -------
        UnitSums
        misplaced : float or None
        """

        def match(piece: tuple[Cells | Line, NDArray[Any], NDArray[np.int64]]) -> tuple[ColorSums, int]:
            cells, colors, counts = piece
            apart, second = 0, None
            if utilities or lattice is not None:
                best, second = match_two_colors(cells, codebook)
                apart = 0 if lattice is None else int(counts[~lattice.adjacent(best, second)].sum())
            else:
                best = match_colors(cells, codebook)
            return gather_colors(colors, counts, best, second, codebook), apart

        parts = list(_threads().map(match, self._pieces))
        hits, sums, errors, distances, gains = zip(*(part[0] for part in parts), strict=True)
        counted = np.sum(hits, axis=0).astype(np.float64)
        gathered = UnitSums(
            sums=np.sum(sums, axis=0).astype(np.float64),
            counts=counted[:, None],
            hits=counted,
            squared_errors=np.sum(errors, axis=0),
            distance=float(sum(distances)),
            utilities=np.sum(gains, axis=0) if utilities else None,
        )
        return gathered, None if lattice is None else float(sum(part[1] for part in parts))

    def batch_sums(
        self, codebook: NDArray[np.float64], neighborhood: Neighborhood, utilities: bool = False
    ) -> BatchSums:
        """Return the sums of the batch update over all pixels."""
        return weigh(self.unit_sums(codebook, utilities=utilities)[0], codebook, neighborhood)

    def search_palette(
        self, codebook: NDArray[np.float64], seed: int, fixed: Sequence[int] = (), color_space: str = "rgb"
    ) -> NDArray[np.float64]:
        """Return the best of several palettes, in a color space; see `palette_search`."""
        colors = self.colors()
        values = to_space(colors, color_space, scale_of(colors.dtype)).astype(np.float64)
        return search_palette(self.numbers, values, self.counts, codebook, seed, fixed)

    def quality(self, codebook: NDArray[np.float64], lattice: Lattice) -> Quality:
        """Return the quality of a codebook over all pixels, with its topographic error."""
        gathered, misplaced = self.unit_sums(codebook, lattice=lattice)
        return quality_of(gathered, codebook, misplaced)


def has_color_table(image: da.Array) -> bool:
    """Return whether an image's colors can be counted: uint8 with 1 to 3 bands, or 16-bit integers with one."""
    return ColorType(image.dtype, image.shape[-1]).is_counted


def _count_chunk(block: NDArray[Any], corner: Corner, mask: NDArray[Any] | None = None) -> ColorCounts:
    return count_colors(take_samples(block, corner, mask).values)


def count_images(
    images: Sequence[tuple[da.Array, da.Array | None]],
    progress: Progress | None = None,
    keeper: Keeper | None = None,
) -> ColorTable:
    """Count the colors of some images together, in one pass over each.

    Parameters
    ----------
    images : sequence of (image, mask)
        Dask arrays of shape (..., bands), of the same type, which is counted (`ColorType`), and masks of shape
        (..., 1), bool, in the same chunks: True for pixels to use. None: all pixels.
    progress : callable, optional
    keeper : Keeper, optional
        Saves and restores the counts, partial and complete.

    Raises
    ------
    InputError
        If no pixel is used.
    """
    kind = ColorType(images[0][0].dtype, images[0][0].shape[-1])
    known = None if keeper is None else keeper.load(COLORS)
    if known is not None:
        return ColorTable(known[0], known[1], kind)
    combine = partial(merge_counts, all_colors=kind.colors)
    numbers, counts = combine(
        [
            reduce_chunks(image, _count_chunk, combine, beside=[mask], progress=progress, keeper=keeper)
            for image, mask in images
        ]
    )
    if not len(numbers):
        raise InputError(NO_SAMPLES)
    if keeper is not None:
        keeper.save(COLORS, (numbers, counts))
    return ColorTable(numbers, counts, kind)


def count_image(image: da.Array, mask: da.Array | None = None, progress: Progress | None = None) -> ColorTable:
    """Count the colors of one image; see `count_images`."""
    return count_images([(image, mask)], progress)
