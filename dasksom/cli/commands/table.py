"""``dasksom table``: pixels, shares, areas and band statistics of units, classes or objects."""

import sys

import click

from dasksom import runs
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.progress import ProgressDisplay
from dasksom.cli.run_results import print_columns, print_line


@click.command("table", cls=GroupedCommand)
@click.argument("output_path", metavar="OUTPUT")
@click.option(
    "--by",
    type=click.Choice(["unit", "class", "image"]),
    help="What a row is.  [default: a class if OUTPUT has classes, else a unit]",
)
@click.option(
    "--within",
    metavar="CELLS",
    help="Label image of the same size, such as cells: pixels of each class in each of its objects.",
)
@click.option("--output", "table_path", metavar="FILE", help="Write the table as .csv, .parquet or .h5ad.")
@click.option("--original", metavar="IMAGE", help="Image that OUTPUT was made from, if OUTPUT does not hold the sums.")
@click.option("--overwrite", is_flag=True, help="Replace an existing table.")
@log_options
def command(
    output_path: str,
    by: str | None,
    within: str | None,
    table_path: str | None,
    original: str | None,
    overwrite: bool,
) -> None:
    """Show a table of the classes of OUTPUT: pixels, share, area, and mean, standard deviation and range of each band.

    Zarr outputs hold the sums of their units, so the image is not read; for others it is read once. Areas are in mm2 or
    ha, if the size of a pixel is known. On a terminal the table is text, elsewhere CSV.

    \b
    Examples:
      dasksom table reduced.zarr --by unit
      dasksom table reduced.zarr --output classes.csv
    """  # noqa: D301 - click takes the character itself
    if table_path is not None:
        runs.check_table_file(table_path, overwrite=overwrite)
    with ProgressDisplay() as display:
        columns = runs.table_of_output(output_path, display, by=by, within=within, original=original)
    if table_path is None:
        print_columns(columns, as_text=sys.stdout.isatty())
        return
    runs.write_table_file(table_path, columns, overwrite=overwrite)
    print_line(f"{table_path}: written")
