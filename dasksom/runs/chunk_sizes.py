"""Choose chunks that fit the memory of the workers."""

from collections.abc import Callable

from dasksom.cluster import expected_workers
from dasksom.config import RunConfig
from dasksom.estimator import BatchMap
from dasksom.image import Picture
from dasksom.runs.image_run import SMALL_BYTES
from dasksom.runs.input_image import compared_pixels
from dasksom.runs.memory_plan import USABLE, Plan, plan_run


def plan_on_expected(picture: Picture, som: BatchMap, config: RunConfig, *, trains: bool, writes: bool) -> Plan:
    """Plan a run on the workers that its configuration lets expect."""
    return plan_run(
        compared_pixels(picture, som.blur)[0],
        som,
        config,
        expected_workers(config.cluster_options, small=picture.pixels.nbytes <= SMALL_BYTES),
        trains=trains,
        writes=writes,
        stored=picture.stored,
        decoded_pixel_bytes=picture.decoded_pixel_bytes,
    )


def fit_to_workers(
    picture: Picture,
    rechunk: Callable[..., Picture],
    som: BatchMap,
    config: RunConfig,
    *,
    trains: bool = True,
    writes: bool = True,
) -> tuple[Picture, RunConfig]:
    """Reduce the chunks of an open image until they fit the memory of the workers.

    Parameters
    ----------
    picture : Picture
    rechunk : callable (picture, config=config) -> picture
        Rechunks the picture to the chunk size of a configuration.
    som : BatchMap
    config : RunConfig
    trains, writes : bool
        As for `plan_run`.

    Returns
    -------
    picture : Picture
        In the largest chunks that fit; unchanged if they fit, if a size was given, or if none fits.
    config : RunConfig
        With the chunk size, from which the same run is resumed on any cluster.
    """
    workers = expected_workers(config.cluster_options, small=picture.pixels.nbytes <= SMALL_BYTES)
    given, usable = (picture, config), int(workers.memory * USABLE)
    if config.input.chunk_size is not None or not usable:
        return given
    while True:
        plan = plan_on_expected(picture, som, config, trains=trains, writes=writes)
        if plan.worker_bytes <= usable:
            return picture, config
        size = plan.chunk_bytes_that_fit(usable)
        if not size:
            return given
        config = config.model_copy(update={"input": config.input.model_copy(update={"chunk_size": f"{size}B"})})
        before = plan.chunk_bytes
        picture = rechunk(picture, config=config)
        if picture.pixels.chunksize[0] * picture.pixels.chunksize[1] * plan.pixel_bytes >= before:
            return given
