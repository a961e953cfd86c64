"""The command line: arguments -> RunConfig -> pipeline; errors as a person reads them."""

import logging
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
from dask.utils import format_bytes
from rich.console import Console
from rich.table import Table

from dasksom import __version__, pipeline
from dasksom.color_table import has_color_table
from dasksom.config import MapSection, RunConfig, load_config
from dasksom.demo import MOSAIC_SIDE, mosaic_demo, photograph_demo
from dasksom.errors import DasksomError, InputError
from dasksom.image import Picture, open_picture
from dasksom.image.palette_files import write_palette
from dasksom.loading import codebook_at
from dasksom.terminal import TerminalWatcher


def _print_summary(summary: pipeline.Summary) -> None:
    height, width, bands = summary.shape
    pixels = height * width
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in summary.seconds.items())
    total = sum(summary.seconds.values())
    click.echo(f"{summary.output}: {width} x {height} pixels, {bands} bands of {summary.dtype}, {summary.units} colors")
    if summary.quality is not None:
        empty = int((summary.quality.hits == 0).sum())
        used = f"{summary.units - empty} of {summary.units} units used"
        click.echo(f"mean squared error {summary.quality.mean_squared_error:.4g} per pixel, {used}")
    click.echo(f"{times}; {pixels / total / 1e6:.1f} Mpx/s")


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_map_options = _options(
    click.option(
        "--grid", metavar="ROWSxCOLUMNS", help="Size of the map: as many colors as ROWS x COLUMNS.  [default: 16x16]"
    ),
    click.option("--epochs", type=int, metavar="N", help="Times that every pixel is presented.  [default: 20]"),
    click.option(
        "--sigma",
        nargs=2,
        type=float,
        metavar="FIRST LAST",
        help="Radius of the neighborhood, in lattice units.  [default: half a side, 0.1; 0.5 before a refinement]",
    ),
    click.option(
        "--refine",
        type=int,
        metavar="N",
        help="Epochs after those in which units move to where the error is; 0 keeps the order of the map.  "
        "[default: 80 for 8-bit colors, else 0]",
    ),
    click.option(
        "--color-space",
        metavar="NAME",
        help="Space in which colors are compared: rgb (the image's numbers), lab or oklab.  [default: rgb]",
    ),
    click.option(
        "--metric",
        metavar="NAME",
        help="How far a pixel is from a unit: euclidean, cosine, manhattan or chebyshev.  [default: euclidean]",
    ),
    click.option(
        "--topology", metavar="NAME", help="rectangular (8 neighbors) or hexagonal (6).  [default: rectangular]"
    ),
    click.option(
        "--toroidal", is_flag=True, default=None, help="Let the map have no edge: last row next to the first."
    ),
    click.option(
        "--neighborhood",
        metavar="NAME",
        help="How much neighbors learn: gaussian, bubble, triangle or epanechnikov.  [default: gaussian]",
    ),
    click.option(
        "--decay",
        metavar="NAME",
        help="How sigma shrinks: exponential, inverse, linear or asymptotic.  [default: exponential]",
    ),
    click.option(
        "--sample",
        type=float,
        metavar="SHARE",
        help="Train on this share of the pixels, such as 0.01, for a quick look.  [default: 1, all of them]",
    ),
    click.option("--init", metavar="NAME", help="Colors to start from: pca, sample or random.  [default: pca]"),
    click.option("--method", metavar="NAME", help="How the image is read: auto, colors or stream.  [default: auto]"),
    click.option("--seed", type=int, metavar="N", help="Seed of --init sample or random.  [default: 0]"),
)
_part_options = _options(
    click.option("--component", metavar="NAME", help="Array or image inside a Zarr group."),
    click.option("--series", type=int, metavar="N", help="Number of the image in a file of several."),
    click.option("--level", type=int, metavar="N", help="Level of a pyramid.  [default: 0, the full resolution]"),
    click.option(
        "--select",
        multiple=True,
        metavar="AXIS=PLACES",
        help="Place along an axis, such as z=3, or bands, such as c=0,2 or c=0:3; may be repeated.",
    ),
    click.option("--axes", metavar="LETTERS", help="What the stored axes are, such as cyx, if the file does not tell."),
    click.option(
        "--fill-missing",
        is_flag=True,
        default=None,
        help="Take chunks and tiles that the file lacks for its fill value; else they are an error.",
    ),
)
_mask_options = _options(
    click.option("--mask", metavar="IMAGE", help="Image, of any lower resolution too: pixels count where it is not 0."),
    click.option(
        "--nodata", metavar="VALUE", help="Value of pixels that do not count; none: the file's is not heeded."
    ),
    click.option(
        "--alpha",
        metavar="NAME",
        help="Opacity: mask (transparent pixels do not count), drop or band.  [default: mask]",
    ),
)
_run_options = _options(
    _part_options,
    _mask_options,
    click.option("--chunk-size", metavar="SIZE", help="Largest chunk that a task reads, decoded, such as 64MiB."),
    click.option(
        "--cache", metavar="NAME", help="Keep the image in the cluster's memory between passes: auto, memory or none."
    ),
    click.option(
        "--cluster", metavar="NAME|ADDRESS|FILE", help="auto, local, threads, tcp://host:port, or a scheduler file."
    ),
    click.option("--workers", type=int, metavar="N", help="Workers of a local cluster.  [default: one per core]"),
    click.option("--memory-limit", metavar="SIZE", help="Memory of each local worker, such as 4GiB."),
    click.option(
        "--config",
        "config_path",
        metavar="FILE",
        help="YAML file with any of these; configs/quantize.yaml explains them.",
    ),
    click.option(
        "--overwrite", is_flag=True, default=None, help="Replace an output that exists, once the new one is whole."
    ),
)
_output_options = _options(
    click.option(
        "--no-image",
        "image",
        flag_value=False,
        default=None,
        type=bool,
        help="Write labels and palette only (.zarr outputs).",
    ),
    click.option(
        "--pixels",
        metavar="NAME",
        help="What a .tif or .png holds: palette (up to 256 colors), colors, or labels (unit + 1, 0 is no data).  "
        "[default: palette where it can be, else colors]",
    ),
    click.option(
        "--layout",
        metavar="NAME",
        help="Coarser levels of a .tif or .ome.zarr: pyramid, flat (none), or cog (cloud-optimized GeoTIFF).  "
        "[default: pyramid; cog for a .tif that lies on earth]",
    ),
    click.option(
        "--dither",
        metavar="NAME",
        help="Spread neighboring colors over a pattern: none, or bayer (images of 1 or 3 bands).  [default: none]",
    ),
    click.option(
        "--chunk",
        type=int,
        metavar="PIXELS",
        help="Side of Zarr chunks or TIFF tiles.  [default: 1024 in .ome.zarr, 512 in .tif]",
    ),
    click.option(
        "--shard",
        type=int,
        metavar="PIXELS",
        help="Side of the files of an .ome.zarr; 0: a file per chunk.  [default: what a task writes]",
    ),
    click.option(
        "--codec",
        metavar="NAME",
        help="zstd, blosc, gzip or none in Zarr; zlib, zstd or none in TIFF.  [default: the first]",
    ),
    click.option(
        "--ome-version", metavar="VERSION", help="Of an .ome.zarr: 0.5, or 0.4 for older readers.  [default: 0.5]"
    ),
)


def _config(given: dict[str, Any]) -> RunConfig:
    sections = {name: field.annotation for name, field in RunConfig.model_fields.items()}
    names = {section: getattr(model, "model_fields", {}) for section, model in sections.items()}
    laid = {section: {name: given.get(name) for name in fields} for section, fields in names.items()}
    laid["cluster"]["name"] = given.get("cluster")
    laid["input"]["select"] = given.get("select") or None
    return load_config(given["config_path"], laid)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dasksom")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens.")
@click.option("--debug", is_flag=True, help="Show tracebacks and log everything.")
def cli(verbose: bool, debug: bool) -> None:
    """Reduce the colors of an image of any size with a self-organizing map that is trained on every pixel.

    \b
    Examples:
      dasksom demo
      dasksom quantize photo.jpg reduced.png --grid 3x3
      dasksom quantize slide.tif slide-som.zarr --workers 4 --memory-limit 4GiB
      dasksom train scene.zarr palette.npz --grid 16x16 --epochs 30
      dasksom apply palette.npz another.zarr reduced.zarr
    """  # noqa: D301 - click takes the character itself
    handler = logging.StreamHandler()  # for our own messages alone: other libraries keep their ways
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("dasksom")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING)


@cli.command()
@click.argument("image_path", metavar="IMAGE")
@click.argument("output_path", metavar="OUTPUT")
@click.option("--model", metavar="FILE", help="Use this trained map instead of training one.")
@_output_options
@_map_options
@_run_options
def quantize(image_path: str, output_path: str, model: str | None, **given: Any) -> None:
    """Train a map on every pixel of IMAGE and write IMAGE in its colors to OUTPUT.

    IMAGE is a Zarr or OME-Zarr directory, a TIFF (OME-TIFF, GeoTIFF, SVS), a PNG, JPEG or WebP, a GDAL .vrt, a folder
    of tiles named by row and column, or the URL of a Zarr or TIFF (s3://, https://). OUTPUT is .ome.zarr (a pyramid of
    image and labels), .zarr (labels, image and palette), .tif, .png or .jpg. It appears under its name only when it is
    whole. The two kinds of Zarr may be written to an object store too (s3://).
    """
    if model is not None and (told := [name for name in MapSection.model_fields if given.get(name) is not None]):
        raise InputError(f"--{told[0]}: --model brings a trained map, which is used as it is; leave one of the two out")
    with TerminalWatcher(Console(stderr=True)) as watcher:
        summary = pipeline.quantize(image_path, output_path, _config(given), watcher, model)
    _print_summary(summary)


@cli.command()
@click.argument("image_path", metavar="IMAGE")
@click.argument("model_path", metavar="MODEL.npz")
@_map_options
@_run_options
def train(image_path: str, model_path: str, **given: Any) -> None:
    """Train a map on every pixel of IMAGE and save it as MODEL.npz."""
    with TerminalWatcher(Console(stderr=True)) as watcher:
        summary = pipeline.train(image_path, model_path, _config(given), watcher)
    _print_summary(summary)


@cli.command()
@click.argument("model_path", metavar="MODEL.npz")
@click.argument("image_path", metavar="IMAGE")
@click.argument("output_path", metavar="OUTPUT")
@_output_options
@_run_options
def apply(model_path: str, image_path: str, output_path: str, **given: Any) -> None:
    """Write IMAGE in the colors of a trained map to OUTPUT."""
    with TerminalWatcher(Console(stderr=True)) as watcher:
        summary = pipeline.quantize(image_path, output_path, _config(given), watcher, model_path)
    _print_summary(summary)


@cli.command()
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
    """
    try:
        chosen = None if bands is None else [int(band) - 1 for band in bands.split(",")]
    except ValueError:
        raise InputError(f"--bands {bands}: numbers with commas between them are needed, such as 4,3,2") from None
    write_palette(output_path, codebook_at(model_path).weights, chosen, overwrite=overwrite)
    click.echo(f"{output_path}: written")


@cli.command()
@click.argument("path", metavar="IMAGE|MODEL.npz")
@_part_options
@_mask_options
@click.option("--config", "config_path", metavar="FILE", help="YAML file with any of these, under input.")
def info(path: str, **given: Any) -> None:
    """Tell what an image or a trained map is, reading none of the pixels."""
    table = Table(show_header=False, box=None)
    about = _about_model(path, _config(given)) if path.lower().endswith(".npz") else _about_image(path, _config(given))
    for name, value in about.items():
        table.add_row(name, value)
    Console(soft_wrap=True).print(table, markup=False)


def _about_model(path: str, config: RunConfig) -> dict[str, str]:
    codebook = codebook_at(path, config.input.storage)
    rows, columns, bands = codebook.weights.shape
    trained = ", ".join(
        f"{name} {value}" for name, value in codebook.about.get("parameters", {}).items() if value is not None
    )
    return {
        "map": f"{rows} x {columns} units, {bands} bands",
        "range": f"{codebook.weights.min():.6g} to {codebook.weights.max():.6g}",
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


@cli.command()
@click.argument("folder", default="demo-output", metavar="[FOLDER]")
@click.option("--gigapixel", is_flag=True, help="Build a mosaic of over 10^9 pixels first and quantize that.")
@click.option("--side", type=int, metavar="PIXELS", help="Side of that mosaic.  [default: 32768]")
def demo(folder: str, gigapixel: bool, side: int | None) -> None:
    """Quantize a real photograph, or a mosaic of photographs of over a gigapixel, in FOLDER."""
    if side is not None and not gigapixel:
        raise InputError(f"--side {side}: is of the mosaic that --gigapixel builds; give both or neither")
    side = MOSAIC_SIDE if side is None else side
    with TerminalWatcher(Console(stderr=True)) as watcher:
        lines = mosaic_demo(Path(folder), watcher, side) if gigapixel else photograph_demo(Path(folder), watcher)
    for line in lines:
        click.echo(line)


def _fail(error: BaseException, code: int, text: str) -> NoReturn:
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    click.echo(f"dasksom: {text}", err=True)
    sys.exit(code)


def main() -> None:
    """Run the command line: exit 0 done, 2 bad input, 1 failed, 130 or 143 interrupted."""
    # A batch system's SIGTERM takes the same way out as Ctrl-C, past every `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        code = cli(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort) as error:
        _fail(error, 130, "interrupted")
    except DasksomError as error:
        _fail(error, error.exit_code, " ".join(str(error).split()))
    except Exception as error:  # what nobody foresaw still ends in one line; --debug shows the rest
        _fail(error, 1, f"{type(error).__name__}: {error} (dasksom --debug ... shows where)")
