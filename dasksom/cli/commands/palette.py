"""``dasksom palette``: the colors of a map for other programs."""

import click

from dasksom import runs
from dasksom.cli.log import log_options
from dasksom.cli.run_results import print_line
from dasksom.errors import InputError


@click.command("palette")
@click.argument("model_path", metavar="MODEL.npz")
@click.argument("output_path", metavar="OUTPUT")
@click.option("--bands", metavar="R,G,B", help="Bands to use as red, green and blue, or one as gray; the first is 1.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
@log_options
def command(model_path: str, output_path: str, bands: str | None, overwrite: bool) -> None:
    """Write the colors of a trained map for other programs.

    OUTPUT is .gpl (GIMP, Krita, Inkscape), .act (Adobe), .clr (QGIS), .txt (GDAL), or .png (a swatch, laid out like the
    map). Numbers in .clr and .txt are those of label files: unit + 1, and 0 for no data.

    \b
    Examples:
      dasksom palette palette.npz palette.gpl
      dasksom palette palette.npz swatch.png --bands 3,2,1
    """  # noqa: D301 - click takes the character itself
    try:
        chosen = None if bands is None else [int(band) - 1 for band in bands.split(",")]
    except ValueError:
        raise InputError(f"--bands {bands}: not band numbers with commas between them, such as 4,3,2") from None
    runs.export_palette(model_path, output_path, chosen, overwrite=overwrite)
    print_line(f"{output_path}: written")
