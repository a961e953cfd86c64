"""What a run would do and need, told without starting anything."""

from dataclasses import dataclass
from pathlib import Path

from dasksom.cluster import Workers, expected_workers
from dasksom.config import RunConfig
from dasksom.runs.benchmark_chunk import Probe, probe
from dasksom.runs.input_image import open_for
from dasksom.runs.memory_plan import Plan, check_fits, plan_run
from dasksom.runs.output_location import check_output_format
from dasksom.runs.run import SMALL_BYTES, untrained


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
    som = untrained(config)
    picture = open_for(output, source, config)
    image = picture.pixels
    check_output_format(output, picture, som.units, config)
    there = expected_workers(config.cluster.as_options(), small=image.nbytes <= SMALL_BYTES)
    plan = plan_run(image, som, config, there, trains=True, writes=True)
    check_fits(plan, there.memory)
    suffix = "".join(Path(output).suffixes[-2:]) if output.endswith(".ome.zarr") else Path(output).suffix
    found = probe(image, som, suffix, config.output.image) if probed else None
    return Forecast(plan, there, found)
