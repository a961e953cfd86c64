"""``dasksom apply``: write images in the colors of a trained map."""

from typing import Any

import click

from dasksom import image, runs
from dasksom.cli.configuration import run_config
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import LOG, log_options
from dasksom.cli.options import classes_option, cluster_options, output_options, run_options, summary_option
from dasksom.cli.progress import ProgressDisplay
from dasksom.cli.run_results import print_line, print_record
from dasksom.errors import DasksomError, InputError


@click.command("apply", cls=GroupedCommand)
@click.argument("model_path", metavar="MODEL.npz|OUTPUT|PALETTE")
@click.argument("image_paths", metavar="IMAGE...", nargs=-1, required=True)
@click.argument("output_path", metavar="OUTPUT")
@click.option(
    "--format",
    "suffix",
    metavar="SUFFIX",
    help="Suffix of the outputs in a folder: .zarr, .ome.zarr, .tif, .png or .jpg.  [default: .zarr]",
)
@output_options
@classes_option
@run_options
@cluster_options
@summary_option
@log_options
def command(
    model_path: str,
    image_paths: tuple[str, ...],
    output_path: str,
    suffix: str | None,
    summary: str | None,
    **options: Any,
) -> None:
    """Write IMAGE in the colors of a map or a palette to OUTPUT, or several images to a folder.

    The map is a MODEL.npz; the one that made an OUTPUT (.zarr, .ome.zarr or paletted .tif) of another image; or the
    fixed colors of a PALETTE: .gpl (GIMP), .act (Adobe), .clr (QGIS), .txt (GDAL) or .png.

    With several images, a folder of images or --format, OUTPUT is a folder. Existing outputs are complete and are
    skipped: run the same command again to resume it.

    \b
    Examples:
      dasksom apply palette.npz photo.png same-colors.png
      dasksom apply reduced.zarr photo.png same-map.png
      dasksom apply palette.gpl photo.png fixed-colors.png
      dasksom apply palette.npz slides/*.tif reduced --format .ome.zarr
    """  # noqa: D301 - click takes the character itself
    settings = run_config(options)
    groups = image.image_groups(image_paths, settings.input.stack)
    if suffix is None and groups == [image_paths]:
        with ProgressDisplay() as display:
            record = runs.quantize_image(image_paths, output_path, settings, display, model=model_path, summary=summary)
        print_record(record)
        return
    if summary is not None or settings.output.report:
        raise InputError("--summary and --report are for one image; remove them, or apply the map to one at a time")
    failed = 0
    with ProgressDisplay() as display:
        for applied in runs.apply_to_many(model_path, image_paths, output_path, suffix or ".zarr", settings, display):
            if applied.record is not None:
                print_record(applied.record, names_next=False)
            elif applied.error is None:
                print_line(f"{applied.output}: exists already, skipped")
            else:
                failed += 1
                LOG.error(f"{applied.output}: {applied.error}")
    if failed:
        raise DasksomError(f"{failed} of the images could not be written; run the same command again to retry them")
