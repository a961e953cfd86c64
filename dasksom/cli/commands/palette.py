"""``dasksom palette``: the colors of a map for other programs."""

import click

from dasksom import runs
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.run_results import print_line


@click.command("palette", cls=GroupedCommand)
@click.argument("model_path", metavar="MODEL.npz|OUTPUT")
@click.argument("output_path", metavar="OUTPUT")
@click.option(
    "--bands", metavar="R,G,B", help="Bands to use as red, green and blue, or one as gray: names or numbers from 0."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
@log_options
def command(model_path: str, output_path: str, bands: str | None, overwrite: bool) -> None:
    """Write the colors of a trained map, or of the map that made an output, for other programs.

    OUTPUT is .gpl (GIMP, Krita, Inkscape), .act (Adobe), .clr (QGIS), .txt (GDAL), or .png (a swatch, laid out like the
    map). Numbers in .clr and .txt are those of label files: unit + 1, and 0 for no data.

    \b
    Examples:
      dasksom palette palette.npz palette.gpl
      dasksom palette palette.npz swatch.png --bands 2,1,0
    """  # noqa: D301 - click takes the character itself
    runs.export_palette(model_path, output_path, bands, overwrite=overwrite)
    print_line(f"{output_path}: written")
