"""``dasksom demo``: quantize a photograph or a mosaic of more than a gigapixel."""

from pathlib import Path

import click

from dasksom import demo
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.progress import ProgressDisplay
from dasksom.cli.run_results import print_line
from dasksom.errors import InputError


@click.command("demo", cls=GroupedCommand)
@click.argument("folder", default="demo-output", metavar="[FOLDER]")
@click.option("--gigapixel", is_flag=True, help="Build a mosaic of more than 10^9 pixels first and quantize that.")
@click.option("--side", type=int, metavar="PIXELS", help="Side of that mosaic.  [default: 32768]")
@log_options
def command(folder: str, gigapixel: bool, side: int | None) -> None:
    """Quantize a real photograph, or a mosaic of photographs of more than a gigapixel, in FOLDER.

    \b
    Examples:
      dasksom demo
      dasksom demo large --gigapixel --side 4096
    """  # noqa: D301 - click takes the character itself
    if side is not None and not gigapixel:
        raise InputError(f"--side {side}: sets the size of the mosaic of --gigapixel; give both or neither")
    with ProgressDisplay() as display:
        if gigapixel:
            lines = demo.mosaic_demo(Path(folder), display, demo.MOSAIC_SIDE if side is None else side)
        else:
            lines = demo.photograph_demo(Path(folder), display)
    for line in lines:
        print_line(line)
