"""``dasksom info``: the metadata of an image, a model or another file of dasksom."""

from typing import Any

import click

from dasksom import runs
from dasksom.cli.configuration import check_one_image, config_from
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.options import mask_options, part_options
from dasksom.cli.run_results import print_table


@click.command("info", cls=GroupedCommand)
@click.argument("paths", metavar="IMAGE...|FILE", nargs=-1, required=True)
@part_options
@mask_options
@click.option(
    "--config", "config_paths", multiple=True, metavar="FILE", help="YAML file with any of these, under input."
)
@log_options
def command(paths: tuple[str, ...], **options: Any) -> None:
    """Show the metadata of an image without reading pixels, or of FILE.

    FILE is an output, a model (.npz), a palette (.gpl, .act, .clr, .txt), a table of classes (.csv), a summary (.json)
    or a configuration (.yaml), which is checked.

    \b
    Examples:
      dasksom info slide.tif
      dasksom info palette.npz
    """  # noqa: D301 - click takes the character itself
    settings = config_from(options)
    check_one_image(paths, settings.input.stack)
    print_table(runs.describe_file(paths, settings.input))
