"""``dasksom train``: train a map and save it."""

from typing import Any

import click

from dasksom import runs
from dasksom.cli.configuration import run_config
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.options import cluster_options, map_options, run_options, summary_option
from dasksom.cli.progress import ProgressDisplay
from dasksom.cli.run_results import print_record


@click.command("train", cls=GroupedCommand)
@click.argument("image_paths", metavar="IMAGE...", nargs=-1, required=True)
@click.argument("model_path", metavar="MODEL.npz")
@map_options
@run_options
@cluster_options
@summary_option
@log_options
def command(image_paths: tuple[str, ...], model_path: str, summary: str | None, **options: Any) -> None:
    """Train one map on every pixel of IMAGE, or of several images, and save it as MODEL.npz.

    A folder means every image in it.

    \b
    Examples:
      dasksom train scene.zarr palette.npz --grid 16x16 --epochs 30
      dasksom train slides palette.npz --grid 8x8 --sample 0.1
    """  # noqa: D301 - click takes the character itself
    settings = run_config(options)
    with ProgressDisplay() as display:
        record = runs.train_model(image_paths, model_path, settings, display, summary=summary)
    print_record(record)
