"""``dasksom resume``: continue a run that was interrupted."""

from typing import Any

import click

from dasksom import runs
from dasksom.cli.configuration import run_config
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.options import cluster_options, summary_option
from dasksom.cli.progress import ProgressDisplay
from dasksom.cli.run_results import print_line, print_record


@click.command("resume", cls=GroupedCommand)
@click.argument("output_path", metavar="OUTPUT")
@cluster_options
@summary_option
@log_options
def command(output_path: str, summary: str | None, **options: Any) -> None:
    """Continue the run that was making OUTPUT when it was interrupted or killed; the result has the same bits.

    Nothing else is needed. Name another cluster to continue there. Credentials of object stores are not saved; give
    them again with --config.

    \b
    Examples:
      dasksom resume slide-som.ome.zarr
      dasksom resume palette.npz --cluster slurm --config slurm.yaml
    """  # noqa: D301 - click takes the character itself
    settings = run_config(options)
    with ProgressDisplay() as display:
        lines = runs.resume_classes(output_path, display)
        if lines is not None:
            for line in lines:
                print_line(line)
            return
        record = runs.resume_run(output_path, settings, display, summary=summary)
    if record is None:
        print_line(f"{output_path}: was already complete and has now been published")
    else:
        print_record(record)
