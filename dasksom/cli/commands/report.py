"""``dasksom report``: the report of a run as an HTML page."""

import click

from dasksom import report
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.cli.run_results import print_line


@click.command("report", cls=GroupedCommand)
@click.argument("output_path", metavar="OUTPUT")
@click.argument("report_html", metavar="[REPORT.html]", required=False)
@click.option("--original", metavar="IMAGE", help="Image that OUTPUT was made from.  [default: as recorded in OUTPUT]")
@click.option(
    "--all-pixels", is_flag=True, default=None, help="Compare all pixels of large images instead of sampled tiles."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
@log_options
def command(
    output_path: str, report_html: str | None, original: str | None, all_pixels: bool | None, overwrite: bool
) -> None:
    """Write a report of the run that made OUTPUT as one self-contained HTML file.

    OUTPUT is a .zarr or .ome.zarr, or a .tif or .png with a palette or with labels.

    It has the settings, the error by epoch, the image before and after with PSNR, SSIM and CIEDE2000, the palette with
    the share of each color, U-matrix and component planes, and sizes on disk; of an
    output with classes also their table, heatmap and signatures. The default name is that of OUTPUT with
    .report.html in place of .zarr, or after other suffixes.

    \b
    Examples:
      dasksom report classes.zarr
      dasksom report classes.zarr scene.html --original scene.zarr --all-pixels
    """  # noqa: D301 - click takes the character itself
    target = report_html or report.report_path(output_path)
    report.write_report(output_path, target, original=original, all_pixels=all_pixels, overwrite=overwrite)
    print_line(f"{target}: report of {output_path}")
