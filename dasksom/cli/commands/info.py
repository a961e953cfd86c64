"""``dasksom info``: the metadata of an image or a model."""

from typing import Any

import click

from dasksom import runs
from dasksom.cli.configuration import check_one_image, config_from
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.options import mask_options, part_options
from dasksom.cli.run_results import print_table


@click.command("info", cls=GroupedCommand)
@click.argument("paths", metavar="IMAGE...|MODEL.npz", nargs=-1, required=True)
@part_options
@mask_options
@click.option(
    "--config", "config_paths", multiple=True, metavar="FILE", help="YAML file with any of these, under input."
)
@log_options
def command(paths: tuple[str, ...], **options: Any) -> None:
    """Show the metadata of an image or a model without reading pixels.

    \b
    Examples:
      dasksom info slide.tif
      dasksom info palette.npz
    """  # noqa: D301 - click takes the character itself
    settings = config_from(options)
    check_one_image(paths, settings.input.stack)
    if paths[0].lower().endswith(".npz"):
        print_table(runs.describe_model(paths[0], settings.input))
    else:
        print_table(runs.describe_image(paths, settings.input))
