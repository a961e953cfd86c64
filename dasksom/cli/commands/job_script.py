"""``dasksom job-script``: the script of a batch job."""

from typing import Any

import click

from dasksom import cluster
from dasksom.cli.configuration import config_from
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.options import cluster_options


@click.command("job-script", cls=GroupedCommand)
@cluster_options
@log_options
def command(**options: Any) -> None:
    """Print the script that a batch system would get for each job of workers; submit nothing.

    \b
    Example:
      dasksom job-script --cluster slurm --config slurm.yaml
    """  # noqa: D301 - click takes the character itself
    click.echo(cluster.job_script(config_from(options).cluster.as_options()))
