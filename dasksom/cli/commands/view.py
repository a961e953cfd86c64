"""``dasksom view``: an output and its original in a browser."""

import click

from dasksom import runs, view
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options


@click.command("view", cls=GroupedCommand)
@click.argument("output_path", metavar="OUTPUT")
@click.option("--original", metavar="IMAGE", help="Image that OUTPUT was made from.  [default: as recorded in OUTPUT]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on, on loopback.  [default: a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the address of the page and open no browser.")
@log_options
def command(output_path: str, original: str | None, port: int, no_browser: bool) -> None:
    """Show OUTPUT in a browser next to the image that it was made from.

    OUTPUT is a .zarr or .ome.zarr, or a .tif or .png with a palette or with labels.

    Tiles are read as they are shown, so the size does not matter: pan and zoom, compare original and result side by
    side or with a swipe, click a color to highlight its pixels, click a pixel to see its unit on the map and the
    U-matrix. Units are grouped, merged, named and colored as classes: every change is saved in the table of classes
    next to OUTPUT. The page is served to this machine only, until Ctrl-C. Requires dasksom[view].

    \b
    Examples:
      dasksom view slide.ome.zarr
      dasksom view reduced.zarr --original photo.png --no-browser --port 8123
    """  # noqa: D301 - click takes the character itself
    actions = view.ClassActions(runs.group_output, runs.write_edited_classes)
    view.run_viewer(output_path, original, actions=actions, port=port, browser=not no_browser, say=click.echo)
