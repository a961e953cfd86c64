"""``dasksom classes``: group the units of an output, and write named classes."""

import click

from dasksom import runs
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.options import class_count
from dasksom.cli.progress import ProgressDisplay
from dasksom.cli.run_results import print_line


@click.command("classes", cls=GroupedCommand)
@click.argument("output_path", metavar="OUTPUT")
@click.argument("target_path", metavar="[CLASSES.tif]", required=False)
@click.option(
    "--count",
    callback=class_count,
    metavar="N|auto",
    help="Number of classes; auto: the one from 2 to 30 with the lowest Davies-Bouldin index.  [default: the classes "
    "that OUTPUT has, else auto]",
)
@click.option(
    "--method",
    type=click.Choice(["ward", "consensus", "leiden"]),
    default="ward",
    help="Ward's linkage, consensus of random samples of the units, or the Leiden algorithm.  [default: ward]",
)
@click.option(
    "--seed", type=int, default=0, metavar="N", help="Seed of consensus, leiden and the held-out tiles.  [default: 0]"
)
@click.option(
    "--names",
    metavar="FILE.csv",
    help="Table with columns class, name and color; with a column unit it also sets the class of each unit.",
)
@click.option(
    "--reference",
    metavar="IMAGE",
    help="Image of known classes, 0 where not known: each unit gets the class of most of its pixels.",
)
@click.option(
    "--held-out",
    type=float,
    default=0.25,
    metavar="SHARE",
    help="Share of the tiles of --reference on which the classes are tested instead.  [default: 0.25]",
)
@click.option(
    "--smooth",
    type=int,
    default=0,
    metavar="N",
    help="Give each pixel the most frequent class of N x N pixels around it; N is odd.",
)
@click.option(
    "--min-area",
    type=int,
    default=0,
    metavar="N",
    help="Merge connected regions of fewer than N pixels into their largest neighbor, after --smooth.",
)
@click.option("--overwrite", is_flag=True, help="Replace classes that were written before.")
@log_options
def command(
    output_path: str,
    target_path: str | None,
    count: int | str | None,
    method: str,
    seed: int,
    names: str | None,
    reference: str | None,
    held_out: float,
    smooth: int,
    min_area: int,
    overwrite: bool,
) -> None:
    """Group the units of OUTPUT into classes, and write the class of every pixel.

    The image is not read, only the labels of OUTPUT: a .zarr, .ome.zarr, or a .tif or .png with a palette or
    labels. In a Zarr the classes are added to OUTPUT, as label image labels/classes or as array classes. With
    CLASSES.tif, or for a .tif or .png, they are written as a GeoTIFF with color table, attribute table (.tif.aux.xml)
    and QGIS style (.qml). A table of units, classes, names and colors is written as CSV; edit it and pass it with
    --names. Class 0 means no class.

    With --reference, purity.csv, confusion.csv and accuracy.json are written next to that table.

    An interrupted run is resumed by the same command, or by `dasksom resume`.

    \b
    Examples:
      dasksom classes reduced.zarr --count 3
      dasksom classes reduced.zarr --names reduced.classes.csv --overwrite
      dasksom classes reduced.zarr classes.tif --smooth 3 --min-area 20
    """  # noqa: D301 - click takes the character itself
    options = runs.ClassOptions(count, method, seed, names, runs.Tidying(smooth, min_area), reference, held_out)
    with ProgressDisplay() as display:
        lines = runs.classify_output(output_path, target_path, options, display, overwrite=overwrite)
    for line in lines:
        print_line(line)
