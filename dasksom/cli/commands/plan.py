"""``dasksom plan``: what a run would do and need."""

from typing import Any

import click

from dasksom import runs
from dasksom.cli.configuration import check_one_image, config_from
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.options import cluster_options, map_options, output_options, run_options
from dasksom.cli.run_results import print_table


@click.command("plan", cls=GroupedCommand)
@click.argument("paths", metavar="IMAGE... [OUTPUT]", nargs=-1, required=True)
@click.option(
    "--no-probe", "probed", is_flag=True, flag_value=False, default=True, help="Read no pixels and estimate no time."
)
@output_options
@map_options
@run_options
@cluster_options
@log_options
def command(paths: tuple[str, ...], probed: bool, **options: Any) -> None:
    """Show the passes, memory and time of `quantize` with the same options; fail if it cannot fit.

    Only OUTPUT's suffix matters, by default .zarr. One chunk is processed to estimate the run time; no cluster is
    started.

    \b
    Example:
      dasksom plan slide.tif slide.ome.zarr --workers 2 --memory-limit 1GiB
    """  # noqa: D301 - click takes the character itself
    images, output = (paths, "output.zarr") if len(paths) == 1 else (paths[:-1], paths[-1])
    settings = config_from(options)
    check_one_image(images, settings.input.stack)
    print_table(runs.forecast(images, output, settings, probed=probed).as_text())
