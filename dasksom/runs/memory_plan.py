"""The plan of a run: passes, tasks, bytes, and the memory of workers, driver and scheduler.

The peak memory of a worker is bounded by

    400 MiB                                             Python, libraries, kernels, memory that the heap retains
    + 1 GiB                                             if workers have a GPU: CuPy and CUDA, and what is sent to it
    + 18 x possible colors bytes                        if colors are labeled with a table of all (288 MiB for 3 bands)
    or 8 x listed + 12 x colors bytes                   if more, and colors are counted: lists of 16 chunks, and merged
    + threads x pixels x (3.5 b + 4 c + 20) bytes       one chunk of `pixels`, with the margins of a blur, each of b
                                                        bytes in the image and c bands that are streamed as float32 (0
                                                        for counted colors): the chunk as stored, decoded and selected,
                                                        labels, and output; for at most as many threads as chunks
    + threads x 3.5 x stored bytes                      if the file decodes more than a chunk at once (photographs,
                                                        large strips), all bands, 5 bytes a pixel of WebP; for at most
                                                        as many threads as pieces
    + 20 x 8 x units x (bands + 2) bytes                the sums of 16 chunks, and their totals
    or 10 MiB x bands                                   if percentiles scale the bands: counts (x 4 for 32-bit types)
    + 2 x bytes of the sample                           if there is a warm-up: the drawn pixels, and their union
    + the worker's share of the image, if it is cached in memory

and that of driver and scheduler, above their initial memory, by

    128 MiB                                             the tasks in flight, for images of any size
    + 4 x 8 x units x (bands + 2) bytes                 the running total, the sums of the next window, and their total
    + 4 x bytes of the sample                           if there is a warm-up: joined and sorted; with a GPU 1 GiB more
    + 96 x colors bytes                                 if colors are counted: of at most two million colors

The constants were measured over chunk sizes, units and dtypes (`scripts/benchmark plan`): the bound is between the peak
memory of a worker reported by the kernel (VmHWM) and twice that value.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import dask.array as da
import numpy as np
from dask.utils import format_bytes

from dasksom.chunkwise import FAN_IN, chunk_count, pass_tasks
from dasksom.cluster import Workers
from dasksom.config import RunConfig
from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.estimator import BatchMap
from dasksom.quantization.labels import uses_table
from dasksom.som.counted_colors.cells import ColorType
from dasksom.som.features.scalings import ScalingCost
from dasksom.som.schedule import WarmUp

_measuring_cost: "Callable[..., ScalingCost]" = deferred("dasksom.features.fitting:measuring_cost")
_blur_margin: "Callable[[float], int]" = deferred("dasksom.som.features.smoothing:blur_margin")
RESERVED_BYTES = 400 << 20
GPU_HOST_BYTES = 1 << 30
"""Bytes for CuPy and the libraries of CUDA; an upper limit that was not measured."""
TABLE_BYTES, COLOR_BYTES = 18, 96
"""Bytes per possible color of a table of labels and its making, and per counted color of all counts and the epochs."""
CHUNK_COLORS, _MOST_COLORS = 1_300_000, 2_000_000
"""Maximum number of different colors in a chunk, and in an image; photographs have fewer."""
LISTED_BYTES, ADDED_BYTES = 8, 12
"""Bytes per color of a chunk, and of several chunks."""
COPIES, PIXEL_BYTES = 3.5, 20
"""Factor of a chunk's bytes (stored, decoded, selected, rebuilt), and bytes per pixel of labels, masks and output."""
DRIVER_BYTES = 128 << 20
"""Bytes of driver and scheduler for the tasks in flight and their messages, for images of any size."""
LEAST_CHUNK_BYTES = 1 << 16
_MOST_BITS = 40
"""Binary logarithm of the largest recommended chunk."""
USABLE = 0.9
"""Fraction of its memory at which dask pauses a worker started by dasksom; it would never continue."""


@dataclass(frozen=True)
class Plan:
    """The work and resources of a run."""

    shape: tuple[int, ...]
    """Height, width, bands."""
    dtype: np.dtype[np.generic]
    chunk: tuple[int, int]
    """Rows and columns."""
    chunks: int
    counted: bool
    """Whether training counts colors, in one pass, instead of streaming."""
    tabled: bool
    """Whether labels are read from a table of all colors."""
    epochs: int
    """Number of epochs, including those of a refinement."""
    train_passes: int
    write_passes: int
    check_passes: int
    """Number of passes that find unreadable chunks."""
    tasks: int
    """Number of tasks in all passes, including those that only combine."""
    units: int
    threads: int
    """Number of threads of a worker."""
    kept_bytes: int
    """Bytes of the image cached in a worker's memory."""
    decoded_whole_bytes: int
    """Bytes of the pieces of the file that a worker's threads decode at once, if larger than a chunk."""
    stored_chunk_bytes: int
    """Decoded bytes of a chunk of the file, below which no chunk can be; 0 if the file can be read by any windows."""
    written_bytes: int
    """Maximum bytes of the output, before compression."""
    scaling: ScalingCost = field(default_factory=ScalingCost)
    """What the scaling of the bands adds."""
    margin: int = 0
    """Rows and columns that a blur reads on each side of a chunk."""
    warm_up: WarmUp = field(default_factory=WarmUp)
    """The epochs that run on a sample."""
    reserved_bytes: int = RESERVED_BYTES
    """Bytes of a worker that do not depend on the image."""

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel in the image."""
        return self.shape[2] * self.dtype.itemsize

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a decoded chunk."""
        return self.chunk[0] * self.chunk[1] * self.pixel_bytes

    @property
    def read_bytes(self) -> int:
        """Bytes that all passes read, decoded."""
        passes = 1 if self.kept_bytes else self.train_passes + self.write_passes
        return (passes + self.check_passes) * self.shape[0] * self.shape[1] * self.pixel_bytes

    @property
    def worker_bytes(self) -> int:
        """Upper bound of the peak memory of a worker."""
        return self.memory_for(self.chunk_bytes)

    @property
    def driver_bytes(self) -> int:
        """Upper bound of the additional memory of driver and scheduler, for images of up to 2,000,000 colors."""
        sums = 4 * 8 * self.units * (self.shape[2] + 2)  # the running total, the next window, and their total
        colors = min(_MOST_COLORS, self._all_colors, self.shape[0] * self.shape[1]) if self.counted else 0
        gpu = self.reserved_bytes - RESERVED_BYTES if self.warm_up.epochs else 0  # the driver searches the sample
        return DRIVER_BYTES + gpu + sums + COLOR_BYTES * colors + 4 * self.warm_up.sample_bytes

    def memory_for(self, chunk_bytes: int) -> int:
        """Return an upper bound of the peak memory of a worker for chunks of at most `chunk_bytes`, or as stored."""
        pixels = max(chunk_bytes, self.stored_chunk_bytes) / self.pixel_bytes
        bands = 0 if self.counted else self.shape[2]
        chunks = min(self.threads, math.ceil(self.shape[0] * self.shape[1] / pixels))
        chunk = chunks * self._with_margins(pixels) * (COPIES * self.pixel_bytes + 4 * bands + PIXEL_BYTES)
        sums = (FAN_IN + 4) * max(8 * self.units * (self.shape[2] + 2), self.scaling.chunk_bytes)
        sums += 2 * self.warm_up.sample_bytes
        # counting ends before labeling begins
        colors = max(TABLE_BYTES * self._all_colors if self.tabled else 0, self._counts_bytes(pixels))
        work = math.ceil(colors + chunk + COPIES * self.decoded_whole_bytes)
        return self.reserved_bytes + work + sums + self.kept_bytes

    @property
    def _all_colors(self) -> int:
        """Number of possible colors, if they are counted."""
        return ColorType(self.dtype, self.shape[2]).colors

    def _with_margins(self, pixels: float) -> float:
        """Return the pixels of a chunk and its margins, for chunks of `pixels` pixels in the shape of the plan's."""
        rows, columns = self.chunk
        side = math.sqrt(pixels / (rows * columns))
        return (side * rows + 2 * self.margin) * (side * columns + 2 * self.margin)

    def chunk_bytes_that_fit(self, memory: int) -> int:
        """Return the largest decoded chunk, as a power of two, that fits a worker with `memory` bytes; 0 if none."""
        least = max(self.stored_chunk_bytes, LEAST_CHUNK_BYTES)
        sizes = [least, *(size for size in (1 << bits for bits in range(_MOST_BITS + 1)) if size > least)]
        return max((size for size in sizes if self.memory_for(size) <= memory), default=0)

    def _counts_bytes(self, pixels: float) -> float:
        """Return the bytes of the lists of counted colors, for chunks of `pixels` pixels."""
        colors, image = self._all_colors, self.shape[0] * self.shape[1]
        if not self.counted or image <= pixels:
            return 0
        listed = min(image, FAN_IN * min(pixels, CHUNK_COLORS, colors))
        return LISTED_BYTES * listed + ADDED_BYTES * min(listed, colors)


def plan_run(
    image: da.Array,
    som: BatchMap,
    config: RunConfig,
    workers: Workers,
    *,
    trains: bool,
    writes: bool,
    stored: tuple[int, int] = (1, 1),
    decoded_pixel_bytes: int = 0,
) -> Plan:
    """Plan the work and resources of a run without reading anything.

    Parameters
    ----------
    image : dask array of shape (height, width, bands)
        In the chunks of the run.
    som : BatchMap
    config : RunConfig
    workers : Workers
    trains : bool
        Whether a map is trained.
    writes : bool
        Whether the image is written in the colors of the map.
    stored : (int, int)
        Rows and columns of the pieces that the file decodes at once.
    decoded_pixel_bytes : int
        Bytes per pixel of these pieces, if more than those of the image.
    """
    height, width, bands = image.shape
    decoded_whole_bytes = _decoded_whole_bytes(image, stored, decoded_pixel_bytes, workers.threads)
    stored_chunk = (min(stored[0], height), min(stored[1], width))
    by_window = decoded_whole_bytes or stored_chunk == (height, width)
    epochs = som.total_epochs(image) if trains else 0
    counted = bool(epochs) and som.counts_colors(image)
    scaling, warm_up = ScalingCost(), som.planned_warm_up(image) if trains else WarmUp()
    if (epochs and not counted) or (not trains and som.measures_each_image):
        measured = trains and (som.init in ("pca", "random") or bool(warm_up.epochs))  # draws from the sample
        scaling = _measuring_cost(som.features, som.scale, image.dtype, bands, has_moments=measured)
    train_passes = 1 if counted else scaling.passes + (1 + epochs - warm_up.saved_passes if epochs else 0)
    write_passes, check_passes = int(writes), int(config.input.skips)
    kept = trains and config.input.cache == "memory"  # "auto" leaves enough free memory for the work
    pixel = np.min_scalar_type(som.units).itemsize + (bands * image.dtype.itemsize if config.output.image else 0)
    return Plan(
        shape=(height, width, bands),
        dtype=image.dtype,
        chunk=(image.chunksize[0], image.chunksize[1]),
        chunks=chunk_count(image),
        counted=counted,
        tabled=writes and uses_table(image),
        epochs=epochs,
        train_passes=train_passes,
        write_passes=write_passes,
        check_passes=check_passes,
        tasks=pass_tasks(image, workers.count * workers.threads) * (train_passes + write_passes + check_passes),
        units=som.units,
        threads=workers.threads,
        kept_bytes=math.ceil(image.nbytes / workers.count) if kept else 0,
        decoded_whole_bytes=decoded_whole_bytes,
        stored_chunk_bytes=0 if by_window else math.prod(stored_chunk) * bands * image.dtype.itemsize,
        written_bytes=height * width * pixel if writes else 0,
        scaling=scaling,
        margin=_blur_margin(som.blur) if som.blur else 0,
        warm_up=warm_up,
        reserved_bytes=RESERVED_BYTES + (GPU_HOST_BYTES if workers.gpu_memory else 0),
    )


def _decoded_whole_bytes(image: da.Array, stored: tuple[int, int], pixel_bytes: int, threads: int) -> int:
    height, width, bands = image.shape
    rows, columns = min(stored[0], height), min(stored[1], width)
    own_bytes = bands * image.dtype.itemsize
    pixel_bytes = max(pixel_bytes, own_bytes)
    if rows * columns * pixel_bytes <= image.chunksize[0] * image.chunksize[1] * own_bytes:
        return 0
    pieces = -(-height // rows) * -(-width // columns)
    return int(min(threads, pieces) * rows * columns * pixel_bytes)


def check_fits(plan: Plan, memory: int, where: str = "a worker") -> None:
    """Check that the chunks of a run fit the memory of a worker.

    Parameters
    ----------
    plan : Plan
    memory : int
        Memory of each worker, in bytes; 0 without a limit. Dask pauses a worker before all of it is used.

    Raises
    ------
    InputError
        If they do not fit; it names a chunk size that fits, or the memory needed.
    """
    usable = int(memory * USABLE)
    if not memory or plan.worker_bytes <= usable:
        return
    (rows, columns), size = plan.chunk, plan.chunk_bytes_that_fit(usable)
    least = math.ceil(plan.memory_for(LEAST_CHUNK_BYTES) / USABLE / 2**20)
    more = f"give each worker {least}MiB or more (--memory-limit)"
    way = f"add --chunk-size {chunk_size_text(size)}" if size else more
    if plan.decoded_whole_bytes:
        pieces = format_bytes(plan.decoded_whole_bytes)
        way = f"the file decodes {pieces} at once, so convert it to a tiled TIFF or to Zarr, or {way}"
    elif not size and plan.stored_chunk_bytes:
        way = f"these are the chunks of the file, so store it in smaller ones, or {way}"
    elif not size:
        way = f"no chunk is small enough, so {way}"
    raise InputError(
        f"needs {format_bytes(plan.worker_bytes)} per worker for chunks of {rows} x {columns} pixels "
        f"({format_bytes(plan.chunk_bytes)} decoded), and {format_bytes(usable)} of the {format_bytes(memory)} of "
        f"{where} is usable; {way}"
    )


def chunk_size_text(size: int) -> str:
    """Return a size as `--chunk-size` takes it; not less than the smallest chunk."""
    size = max(size, LEAST_CHUNK_BYTES)
    return f"{size >> 20}MiB" if size >= 1 << 20 else f"{size >> 10}KiB"
