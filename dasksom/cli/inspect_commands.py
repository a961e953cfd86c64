"""The commands that look at what there is: verify, report, view, palette, info."""

from typing import Any

import click
from dask.utils import format_bytes
from rich.console import Console
from rich.table import Table

from dasksom.cli.options import config_from, mask_options, part_options
from dasksom.config import RunConfig
from dasksom.errors import DasksomError, InputError
from dasksom.image import Picture, open_picture, verify
from dasksom.image.palette_files import write_palette
from dasksom.models import codebook_at
from dasksom.redaction import printable
from dasksom.report.build import report_path, write_report
from dasksom.training.color_histogram import has_color_table
from dasksom.view import view as serve_view

MOST_TOLD = 20
"""Files that `verify` names."""


@click.command("verify")
@click.argument("output_path", metavar="OUTPUT")
@click.option("--config", "config_paths", multiple=True, metavar="FILE", help="YAML file with input.storage, for URLs.")
def verify_output(output_path: str, **given: Any) -> None:
    """Read all of OUTPUT and tell every file of it that is not what was written: changed, cut off, missing, foreign.

    Zarr outputs hold the SHA-256 of each of their files (`sha256sum -c palette/SHA256SUMS` takes it too), others hold
    their own. Exit code 1 if anything is wrong.

    \b
    Example:
      dasksom verify slide-som.ome.zarr
    """  # noqa: D301 - click takes the character itself
    files = wrong = 0
    for checked in verify(output_path, config_from(given).input.storage):
        files += 1
        if checked.problem is not None:
            wrong += 1
            if wrong <= MOST_TOLD:
                click.echo(f"{checked.name}: {checked.problem}", err=True)
    if wrong:
        raise DasksomError(f"{output_path}: {wrong} of {files} files are not as they were written; make it anew")
    click.echo(f"{output_path}: {files} {'file' if files == 1 else 'files'}, each as it was written")


@click.command()
@click.argument("output_path", metavar="OUTPUT")
@click.argument("report_html", metavar="[REPORT.html]", required=False)
@click.option("--original", metavar="IMAGE", help="What OUTPUT was made of.  [default: what OUTPUT says]")
@click.option(
    "--all-pixels", is_flag=True, default=None, help="Compare all pixels of large images, not those of seeded tiles."
)
@click.option("--overwrite", is_flag=True, help="Replace a report that exists.")
def report(
    output_path: str, report_html: str | None, original: str | None, all_pixels: bool | None, overwrite: bool
) -> None:
    """Write a report of the run that made OUTPUT, a .zarr or a paletted .tif, as one HTML file.

    It needs nothing beside it: what ran, the error by epoch, the image before and after with PSNR, SSIM and CIEDE2000,
    the palette with each color's share of the pixels, U-matrix and component planes, sizes on disk. By default it is
    called as OUTPUT, with .report.html for the suffix.

    \b
    Examples:
      dasksom report classes.zarr
      dasksom report classes.zarr scene.html --original scene.zarr --all-pixels
    """  # noqa: D301 - click takes the character itself
    target = report_html or report_path(output_path)
    write_report(output_path, target, original=original, whole=all_pixels, overwrite=overwrite)
    click.echo(f"{target}: a report of {output_path}")


@click.command()
@click.argument("output_path", metavar="OUTPUT")
@click.option("--original", metavar="IMAGE", help="What OUTPUT was made of.  [default: what OUTPUT says]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Listen there, on loopback.  [default: a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the page's address, and leave opening it to you.")
def view(output_path: str, original: str | None, port: int, no_browser: bool) -> None:
    """Look at OUTPUT, a .zarr, .ome.zarr or paletted .tif, in a browser, beside the image that it was made of.

    Tiles are read from the files as they are looked at, so the size does not matter: pan and zoom, original and rebuilt
    side by side or under a swipe, a click on a color lights up its pixels, a click on a pixel shows its unit on the
    map, beside the U-matrix. The page is served to this machine alone, until Ctrl-C. Needs dasksom[view].

    \b
    Examples:
      dasksom view slide.ome.zarr
      dasksom view reduced.zarr --original photo.png --no-browser --port 8123
    """  # noqa: D301 - click takes the character itself
    serve_view(output_path, original, port=port, browser=not no_browser, say=click.echo)


@click.command()
@click.argument("model_path", metavar="MODEL.npz")
@click.argument("output_path", metavar="OUTPUT")
@click.option(
    "--bands", metavar="R,G,B", help="Bands that are red, green and blue, or one that is gray, counted from 1."
)
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
def palette(model_path: str, output_path: str, bands: str | None, overwrite: bool) -> None:
    """Write the colors of a trained map for other programs.

    OUTPUT is .gpl (GIMP, Krita, Inkscape), .act (Adobe), .clr (QGIS), .txt (GDAL), or .png (a swatch, laid out as the
    map). Numbers in .clr and .txt are those of label files: unit + 1, and 0 for no data.

    \b
    Examples:
      dasksom palette palette.npz palette.gpl
      dasksom palette palette.npz swatch.png --bands 3,2,1
    """  # noqa: D301 - click takes the character itself
    try:
        chosen = None if bands is None else [int(band) - 1 for band in bands.split(",")]
    except ValueError:
        raise InputError(f"--bands {bands}: numbers with commas between them are needed, such as 4,3,2") from None
    write_palette(output_path, codebook_at(model_path).weights, chosen, overwrite=overwrite)
    click.echo(f"{output_path}: written")


@click.command()
@click.argument("path", metavar="IMAGE|MODEL.npz")
@part_options
@mask_options
@click.option(
    "--config", "config_paths", multiple=True, metavar="FILE", help="YAML file with any of these, under input."
)
def info(path: str, **given: Any) -> None:
    """Tell what an image or a trained map is, reading none of the pixels.

    \b
    Examples:
      dasksom info slide.tif
      dasksom info palette.npz
    """  # noqa: D301 - click takes the character itself
    table = Table(show_header=False, box=None)
    config = config_from(given)
    about = _about_model(path, config) if path.lower().endswith(".npz") else _about_image(path, config)
    for name, value in about.items():
        table.add_row(name, printable(value))
    Console(soft_wrap=True).print(table, markup=False)


def _about_model(path: str, config: RunConfig) -> dict[str, str]:
    codebook = codebook_at(path, config.input.storage)
    rows, columns, bands = codebook.weights.shape
    parameters = codebook.about.get("parameters", {})
    told = parameters.items() if isinstance(parameters, dict) else ()
    trained = ", ".join(f"{name} {value}" for name, value in told if value is not None)
    return {
        "map": f"{rows} x {columns} units, {bands} bands",
        "range": f"{codebook.weights.min():.6g} to {codebook.weights.max():.6g}",
        "trained on": codebook.dtype or "a type that is not told",
        "trained with": f"dasksom {codebook.about.get('dasksom', '?')}: {trained}",
    }


def _about_image(path: str, config: RunConfig) -> dict[str, str]:
    picture = open_picture(path, **config.input.opening())
    image, about = picture.pixels, dict(picture.about)
    height, width, bands = image.shape
    rows, columns = image.chunksize[:2]
    chunk_bytes = rows * columns * bands * image.dtype.itemsize
    counted = has_color_table(image)
    about.pop("mask", None)
    return {
        **about,
        "size": f"{width} x {height} pixels ({height * width / 1e6:.3g} Mpx), {bands} bands of {image.dtype}",
        "decoded": format_bytes(image.nbytes),
        "read in": f"{image.npartitions} chunks of {columns} x {rows} pixels, {format_bytes(chunk_bytes)} each",
        "trained by": "counting its colors: two passes in all" if counted else "streaming: a pass per epoch, and two",
        "pixels that count": _about_mask(picture),
        **({"pixel": _about_pixel(picture)} if picture.pixel_size else {}),
    }


def _about_mask(picture: Picture) -> str:
    without = " but those with NaN" if picture.pixels.dtype.kind == "f" else ""
    if picture.mask is None:
        return f"all{without}"
    return f"those of the {picture.about['mask']}; how many is not known before it is read"


def _about_pixel(picture: Picture) -> str:
    height, width = picture.pixel_size or (0.0, 0.0)
    return f"{width:.6g} x {height:.6g} {picture.unit}"
