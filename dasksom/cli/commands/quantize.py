"""``dasksom quantize``: train a map and write the image in its colors."""

from typing import Any

import click

from dasksom import config, runs
from dasksom.cli.configuration import check_one_image, run_config
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.options import (
    classes_option,
    cluster_options,
    map_options,
    output_options,
    run_options,
    summary_option,
)
from dasksom.cli.progress import ProgressDisplay
from dasksom.cli.run_results import print_record
from dasksom.errors import InputError


@click.command("quantize", cls=GroupedCommand)
@click.argument("image_paths", metavar="IMAGE...", nargs=-1, required=True)
@click.argument("output_path", metavar="OUTPUT")
@click.option("--model", metavar="FILE", help="Use this trained map instead of training one.")
@output_options
@classes_option
@map_options
@run_options
@cluster_options
@summary_option
@log_options
def command(
    image_paths: tuple[str, ...], output_path: str, model: str | None, summary: str | None, **options: Any
) -> None:
    """Train a map on every pixel of IMAGE and write IMAGE in its colors to OUTPUT.

    IMAGE is a Zarr or OME-Zarr directory, a TIFF (OME-TIFF, GeoTIFF, SVS), a photograph (PNG, JPEG ...), a GDAL .vrt, a
    folder of tiles named by row and column, or the URL of a Zarr or TIFF (s3://, https://). OUTPUT is .ome.zarr (a
    pyramid of image and labels), .zarr (labels, image and palette), .tif, .png or .jpg; both kinds of Zarr can be
    written to an object store (s3://). OUTPUT appears under its name when it is complete.

    With --stack the images are bands of one image, in files of their own.

    \b
    Examples:
      dasksom quantize photo.png reduced.png --grid 3x3
      dasksom quantize slide.tif slide.ome.zarr --workers 2 --memory-limit 1GiB
      dasksom quantize scene.zarr classes.zarr --grid 4x4 --metric cosine --no-image
      dasksom quantize B02.tif B03.tif B8A.tif classes.tif --stack
    """  # noqa: D301 - click takes the character itself
    settings = run_config(options)
    given = [name for name in config.MapSection.model_fields if options.get(name) not in (None, ())]
    if model is not None and given:
        raise InputError(f"--{given[0]}: --model brings a trained map, which is used as it is; remove one of the two")
    check_one_image(image_paths, settings.input.stack)
    with ProgressDisplay() as display:
        record = runs.quantize_image(image_paths, output_path, settings, display, model=model, summary=summary)
    print_record(record)
