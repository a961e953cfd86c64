"""The commands that run over images: quantize, train, apply, resume; what they would do; the demonstration."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from dask.utils import format_bytes, format_time
from rich.console import Console
from rich.table import Table

from dasksom.cli.options import cluster_options, config_from, map_options, output_options, run_options, summary_option
from dasksom.cli.progress import TerminalWatcher
from dasksom.cluster import job_script, take_role
from dasksom.config import MapSection, RunConfig
from dasksom.demo.demonstrations import MOSAIC_SIDE, mosaic_demo, photograph_demo
from dasksom.errors import DasksomError, InputError
from dasksom.image import check_output, images_in
from dasksom.redaction import printable
from dasksom.report.build import check_report, report_path, write_report
from dasksom.report.tables import how_unread
from dasksom.runs import workflows as pipeline
from dasksom.runs.apply_many import apply_to_all
from dasksom.runs.benchmark_chunk import TASK_SECONDS, estimate
from dasksom.runs.dry_run import Forecast, forecast
from dasksom.runs.run import Summary


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


def run_config(given: dict[str, Any]) -> RunConfig:
    """Give the configuration of a run; of an allocation's processes only the one that makes the run returns."""
    config = config_from(given)
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


@click.command()
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
    _quantize(image_path, output_path, run_config(given), model, summary)


@click.command()
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
        done = pipeline.train(image_paths, model_path, run_config(given), watcher)
    _tell(done, summary)


@click.command()
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
    config = run_config(given)
    if suffix is None and len(image_paths) == 1 and images_in(image_paths[0]) == [image_paths[0]]:
        _quantize(image_paths[0], output_path, config, model_path, summary)
        return
    if summary is not None or config.output.report:
        raise InputError("--summary and --report are for one image; leave them out, or apply the map to one at a time")
    failed = 0
    with TerminalWatcher(Console(stderr=True)) as watcher:
        for one in apply_to_all(model_path, image_paths, output_path, suffix or ".zarr", config, watcher):
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


@click.command()
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
        done = pipeline.resume(output_path, run_config(given), watcher)
    if done is None:
        click.echo(f"{output_path}: was whole already, and has its name now")
    else:
        _tell(done, summary)
        _report_if_wanted(output_path, done)


@click.command()
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
    found = forecast(image_path, output_path, config_from(given), probed=probed)
    table = Table(show_header=False, box=None)
    for name, value in _about_plan(found).items():
        table.add_row(name, value)
    Console(soft_wrap=True).print(table)


def _about_plan(found: Forecast) -> dict[str, str]:
    plan, there = found.plan, found.workers
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
    if found.probe is not None:
        threads = there.count * there.threads
        seconds = estimate(plan, found.probe, threads)
        told["time"] = f"about {format_time(seconds)} on {threads} threads of {there.count} workers like this machine"
    return told


@click.command("job-script")
@cluster_options
def print_job_script(**given: Any) -> None:
    """Print the script that a batch system would get for each job of workers; nothing is submitted.

    \b
    Example:
      dasksom job-script --cluster slurm --config slurm.yaml
    """  # noqa: D301 - click takes the character itself
    click.echo(job_script(config_from(given).cluster.as_options()))


@click.command()
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
