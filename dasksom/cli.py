"""The command line: arguments -> RunConfig -> pipeline; errors as a person reads them."""

import json
import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
from dask.utils import format_bytes, format_time
from rich.console import Console
from rich.table import Table

from dasksom import __version__, pipeline
from dasksom.cluster import job_script, take_role
from dasksom.color_table import has_color_table
from dasksom.config import MapSection, RunConfig, load_config
from dasksom.demo import MOSAIC_SIDE, mosaic_demo, photograph_demo
from dasksom.errors import DasksomError, InputError
from dasksom.facts import how_unread
from dasksom.image import Picture, check_output, images_in, open_picture, verify
from dasksom.image.palette_files import write_palette
from dasksom.loading import codebook_at
from dasksom.options import (
    cluster_options,
    map_options,
    mask_options,
    output_options,
    part_options,
    run_options,
    summary_option,
)
from dasksom.probing import TASK_SECONDS, estimate
from dasksom.redaction import printable, redact
from dasksom.reporting import check_report, report_path, write_report
from dasksom.runs import Summary
from dasksom.terminal import JsonFormatter, TerminalWatcher
from dasksom.view import view as serve_view

MOST_TOLD = 20
"""Files that `verify` names."""


def _print_summary(summary: Summary) -> None:
    height, width, bands = summary.shape
    pixels = height * width + summary.more_pixels
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in summary.seconds.items())
    total = sum(summary.seconds.values())
    size = f"{width} x {height} pixels"
    if summary.more_pixels:
        size += f" and {summary.more_pixels / 1e6:.3g} Mpx of other images"
    click.echo(f"{summary.output}: {size}, {bands} bands of {summary.dtype}, {summary.units} colors")
    if summary.quality is not None and summary.quality.hits.any():
        empty = int((summary.quality.hits == 0).sum())
        used = f"{summary.units - empty} of {summary.units} units used"
        where = "" if summary.color_space == "rgb" else f" in {summary.color_space}"
        click.echo(f"mean squared error {summary.quality.mean_squared_error:.4g} per pixel{where}, {used}")
    if summary.not_read:
        click.echo(f"not all was read: {how_unread(summary.not_read)}")
    click.echo(f"{times}; {pixels / total / 1e6:.1f} Mpx/s")


def _config(given: dict[str, Any]) -> RunConfig:
    sections = {name: field.annotation for name, field in RunConfig.model_fields.items()}
    names = {section: getattr(model, "model_fields", {}) for section, model in sections.items()}
    laid = {section: {name: given.get(name) for name in fields} for section, fields in names.items()}
    laid["cluster"]["name"] = given.get("cluster")
    laid["input"]["select"] = given.get("select") or None
    tls = {name: given.get(name) for name in ("ca", "cert", "key")}
    laid["cluster"]["tls"] = tls if any(tls.values()) else None
    return load_config(given["config_paths"], laid)


def _run_config(given: dict[str, Any]) -> RunConfig:
    """Give the configuration of a run; of an allocation's processes only the one that makes the run returns."""
    config = _config(given)
    options = click.get_current_context().with_resource(take_role(config.cluster.as_options()))
    return config.model_copy(update={"cluster": config.cluster.reached_by(options)})


def _check_summary(path: str | None, inputs: Sequence[str]) -> None:
    """Refuse a summary that could not be written in the end, or would take the place of what is read."""
    if path is not None and Path(path).is_dir():
        raise InputError(f"--summary {path}: is a directory; give the name of a file")
    if path is not None:
        check_output(path, inputs=inputs, overwrite=True, suffixes=("",))


def _tell(summary: Summary, path: str | None) -> None:
    _print_summary(summary)
    if path is not None:
        Path(path).write_text(json.dumps(summary.as_json(), indent=1) + "\n")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dasksom")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens.")
@click.option("--debug", is_flag=True, help="Show tracebacks and log everything.")
@click.option("--log-json", is_flag=True, help="Write the log as JSON, an object a line.")
def cli(verbose: bool, debug: bool, log_json: bool) -> None:
    """Reduce the colors of an image of any size with a self-organizing map that is trained on every pixel.

    \b
    Examples:
      dasksom demo
      dasksom quantize photo.png reduced.png --grid 3x3
      dasksom quantize slide.tif slide.zarr --workers 2 --memory-limit 1GiB
      dasksom train scene.zarr palette.npz --grid 16x16 --epochs 30
      dasksom apply palette.npz slide.tif again.zarr
      dasksom report slide.zarr
    """  # noqa: D301 - click takes the character itself
    handler = logging.StreamHandler()  # for our own messages alone: other libraries keep their ways
    handler.setFormatter(JsonFormatter() if log_json else logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("dasksom")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING)
    if not debug:  # whoever waits for a cluster wants to know for what, and where to watch it
        logging.getLogger("dasksom.cluster").setLevel(logging.INFO)
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is damaged is said in one line, by us


@cli.command()
@click.argument("image_path", metavar="IMAGE")
@click.argument("output_path", metavar="OUTPUT")
@click.option("--model", metavar="FILE", help="Use this trained map instead of training one.")
@output_options
@map_options
@run_options
@cluster_options
@summary_option
def quantize(image_path: str, output_path: str, model: str | None, summary: str | None, **given: Any) -> None:
    """Train a map on every pixel of IMAGE and write IMAGE in its colors to OUTPUT.

    IMAGE is a Zarr or OME-Zarr directory, a TIFF (OME-TIFF, GeoTIFF, SVS), a PNG, JPEG or WebP, a GDAL .vrt, a folder
    of tiles named by row and column, or the URL of a Zarr or TIFF (s3://, https://). OUTPUT is .ome.zarr (a pyramid of
    image and labels), .zarr (labels, image and palette), .tif, .png or .jpg. It appears under its name only when it is
    whole. The two kinds of Zarr may be written to an object store too (s3://).

    \b
    Examples:
      dasksom quantize photo.png reduced.png --grid 3x3
      dasksom quantize slide.tif slide.ome.zarr --workers 2 --memory-limit 1GiB
      dasksom quantize scene.zarr classes.zarr --grid 4x4 --metric cosine --no-image
    """  # noqa: D301 - click takes the character itself
    if model is not None and (told := [name for name in MapSection.model_fields if given.get(name) is not None]):
        raise InputError(f"--{told[0]}: --model brings a trained map, which is used as it is; leave one of the two out")
    _quantize(image_path, output_path, _run_config(given), model, summary)


@cli.command()
@click.argument("image_paths", metavar="IMAGE...", nargs=-1, required=True)
@click.argument("model_path", metavar="MODEL.npz")
@map_options
@run_options
@cluster_options
@summary_option
def train(image_paths: tuple[str, ...], model_path: str, summary: str | None, **given: Any) -> None:
    """Train one map on every pixel of IMAGE, or of several, and save it as MODEL.npz.

    Of a folder that is no image itself all images are taken.

    \b
    Examples:
      dasksom train scene.zarr palette.npz --grid 16x16 --epochs 30
      dasksom train slides palette.npz --grid 8x8 --sample 0.1
    """  # noqa: D301 - click takes the character itself
    _check_summary(summary, image_paths)
    with TerminalWatcher(Console(stderr=True)) as watcher:
        done = pipeline.train(image_paths, model_path, _run_config(given), watcher)
    _tell(done, summary)


@cli.command()
@click.argument("model_path", metavar="MODEL.npz")
@click.argument("image_paths", metavar="IMAGE...", nargs=-1, required=True)
@click.argument("output_path", metavar="OUTPUT")
@click.option(
    "--format",
    "suffix",
    metavar="SUFFIX",
    help="Of the outputs in a folder: .zarr, .ome.zarr, .tif, .png or .jpg.  [default: .zarr]",
)
@output_options
@run_options
@cluster_options
@summary_option
def apply(
    model_path: str,
    image_paths: tuple[str, ...],
    output_path: str,
    suffix: str | None,
    summary: str | None,
    **given: Any,
) -> None:
    """Write IMAGE in the colors of a trained map to OUTPUT; or several images, each to its own output in a folder.

    With several images, a folder of images or --format, OUTPUT is a folder. Outputs that are there already are whole,
    and passed over: the same command goes on where it was stopped.

    \b
    Examples:
      dasksom apply palette.npz photo.png same-colors.png
      dasksom apply palette.npz slides/*.tif reduced --format .ome.zarr
    """  # noqa: D301 - click takes the character itself
    config = _run_config(given)
    if suffix is None and len(image_paths) == 1 and images_in(image_paths[0]) == [image_paths[0]]:
        _quantize(image_paths[0], output_path, config, model_path, summary)
        return
    if summary is not None or config.output.report:
        raise InputError("--summary and --report are for one image; leave them out, or apply the map to one at a time")
    failed = 0
    with TerminalWatcher(Console(stderr=True)) as watcher:
        for one in pipeline.apply_to_all(model_path, image_paths, output_path, suffix or ".zarr", config, watcher):
            if one.summary is not None:
                _print_summary(one.summary)
            else:
                failed += one.error is not None
                click.echo(printable(f"{one.output}: {one.error or 'is there already'}"), err=one.error is not None)
    if failed:
        raise DasksomError(f"{failed} of the images could not be written; the same command tries these again")


def _quantize(image_path: str, output_path: str, config: RunConfig, model: str | None, summary: str | None) -> None:
    _check_summary(summary, [image_path, *([] if model is None else [model])])
    target, overwrite = report_path(output_path), config.output.overwrite
    if config.output.report:
        check_report(output_path, target, overwrite=overwrite)
    with TerminalWatcher(Console(stderr=True)) as watcher:
        done = pipeline.quantize(image_path, output_path, config, watcher, model)
    _tell(done, summary)
    _report_if_wanted(output_path, done, image_path)


def _report_if_wanted(output_path: str, done: Summary, original: str | None = None) -> None:
    told = done.record.config.get("output", {})
    if told.get("report"):
        target, just_made = report_path(output_path), (done.record, done.overview)
        write_report(output_path, target, original=original, overwrite=told["overwrite"], just_made=just_made)
        click.echo(f"{target}: a report of it")


@cli.command()
@click.argument("output_path", metavar="OUTPUT")
@cluster_options
@summary_option
def resume(output_path: str, summary: str | None, **given: Any) -> None:
    """Go on with the run that was making OUTPUT when it was stopped or killed; the result has the same bits.

    Nothing else is needed. A cluster may be named, if it is not to be the one that the run was begun on; credentials of
    stores are not kept, and are given again with --config.

    \b
    Examples:
      dasksom resume slide-som.ome.zarr
      dasksom resume palette.npz --cluster slurm --config slurm.yaml
    """  # noqa: D301 - click takes the character itself
    with TerminalWatcher(Console(stderr=True)) as watcher:
        done = pipeline.resume(output_path, _run_config(given), watcher)
    if done is None:
        click.echo(f"{output_path}: was whole already, and has its name now")
    else:
        _tell(done, summary)
        _report_if_wanted(output_path, done)


@cli.command("verify")
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
    for checked in verify(output_path, _config(given).input.storage):
        files += 1
        if checked.problem is not None:
            wrong += 1
            if wrong <= MOST_TOLD:
                click.echo(f"{checked.name}: {checked.problem}", err=True)
    if wrong:
        raise DasksomError(f"{output_path}: {wrong} of {files} files are not as they were written; make it anew")
    click.echo(f"{output_path}: {files} {'file' if files == 1 else 'files'}, each as it was written")


@cli.command()
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


@cli.command()
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
    """
    serve_view(output_path, original, port=port, browser=not no_browser, say=click.echo)


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


@cli.command()
@click.argument("image_path", metavar="IMAGE")
@click.argument("output_path", metavar="[OUTPUT]", default="output.zarr")
@click.option("--no-probe", "probed", is_flag=True, flag_value=False, default=True, help="Read nothing: tell no time.")
@output_options
@map_options
@run_options
@cluster_options
def plan(image_path: str, output_path: str, probed: bool, **given: Any) -> None:
    """Tell what `quantize` with the same options would do and need; refuse what cannot fit.

    Of OUTPUT the suffix matters alone. A chunk is read and worked on, to estimate the time; no cluster is started.

    \b
    Example:
      dasksom plan slide.tif slide.ome.zarr --workers 2 --memory-limit 1GiB
    """  # noqa: D301 - click takes the character itself
    forecast = pipeline.forecast(image_path, output_path, _config(given), probed=probed)
    table = Table(show_header=False, box=None)
    for name, value in _about_plan(forecast).items():
        table.add_row(name, value)
    Console(soft_wrap=True).print(table)


def _about_plan(forecast: pipeline.Forecast) -> dict[str, str]:
    plan, there = forecast.plan, forecast.workers
    rows, columns = plan.chunk
    way = "counting the colors" if plan.counted else f"a first look and {plan.epochs} epochs"
    limit = f"; has {format_bytes(there.memory)}" if there.memory else ""
    checks = ", 1 before to find chunks that cannot be read" if plan.check_passes else ""
    told = {
        "chunks": f"{plan.chunks} of {columns} x {rows} pixels, {format_bytes(plan.chunk_bytes)} decoded",
        "passes": f"{plan.train_passes} to train ({way}), {plan.write_passes} to write{checks}",
        "tasks": f"{plan.tasks} in all; about {plan.tasks * TASK_SECONDS:.3g} s of the scheduler",
        "read": f"{format_bytes(plan.read_bytes)} decoded",
        "written": f"at most {format_bytes(plan.written_bytes)}",
        "memory of a worker": f"at most {format_bytes(plan.worker_bytes)}{limit}",
        "memory of driver and scheduler": f"at most {format_bytes(plan.driver_bytes)} above what they start with",
    }
    if forecast.probe is not None:
        threads = there.count * there.threads
        seconds = estimate(plan, forecast.probe, threads)
        told["time"] = f"about {format_time(seconds)} on {threads} threads of {there.count} workers like this machine"
    return told


@cli.command("job-script")
@cluster_options
def print_job_script(**given: Any) -> None:
    """Print the script that a batch system would get for each job of workers; nothing is submitted.

    \b
    Example:
      dasksom job-script --cluster slurm --config slurm.yaml
    """  # noqa: D301 - click takes the character itself
    click.echo(job_script(_config(given).cluster.as_options()))


@cli.command()
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
    about = _about_model(path, _config(given)) if path.lower().endswith(".npz") else _about_image(path, _config(given))
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
    """Quantize a real photograph, or a mosaic of photographs of over a gigapixel, in FOLDER.

    \b
    Examples:
      dasksom demo
      dasksom demo large --gigapixel --side 4096
    """  # noqa: D301 - click takes the character itself
    if side is not None and not gigapixel:
        raise InputError(f"--side {side}: is of the mosaic that --gigapixel builds; give both or neither")
    side = MOSAIC_SIDE if side is None else side
    with TerminalWatcher(Console(stderr=True)) as watcher:
        lines = mosaic_demo(Path(folder), watcher, side) if gigapixel else photograph_demo(Path(folder), watcher)
    for line in lines:
        click.echo(line)


def _fail(error: BaseException, code: int, text: str) -> NoReturn:
    if "--debug" in sys.argv:
        click.echo(redact("".join(traceback.format_exception(error))).rstrip(), err=True)
    click.echo(f"dasksom: {printable(redact(text))}", err=True)
    _tell_notes(error)
    sys.exit(code)


def _tell_notes(error: BaseException) -> None:
    interrupt = error.__cause__ if isinstance(error, click.Abort) else error
    for note in getattr(interrupt, "__notes__", ()):
        click.echo(f"dasksom: {note}", err=True)


def main() -> None:
    """Run the command line: exit 0 done, 2 bad input, 1 failed, 129, 130 or 143 interrupted."""
    # A batch system's SIGTERM, and the SIGHUP of a terminal that closes, take the same way out as Ctrl-C, past every
    # `finally`; what `nohup` has ignored stays so.
    for ending in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, lambda number, _: sys.exit(128 + number))
    try:
        code = cli(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except SystemExit as error:  # of a signal
        _tell_notes(error)
        raise
    except (KeyboardInterrupt, click.Abort) as error:
        _fail(error, 130, "interrupted")
    except DasksomError as error:
        _fail(error, error.exit_code, " ".join(str(error).split()))
    except Exception as error:  # what nobody foresaw still ends in one line; --debug shows the rest
        _fail(error, 1, f"{type(error).__name__}: {error} (dasksom --debug ... shows where)")
