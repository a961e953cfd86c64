"""The command line: arguments -> RunConfig -> pipeline; errors as a person reads them."""

import json
import logging
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
from dask.utils import format_bytes, format_time
from rich.console import Console
from rich.table import Table

from dasksom import __version__, pipeline
from dasksom.cluster import ALLOCATIONS, CLUSTERS, job_script, take_role
from dasksom.color_table import has_color_table
from dasksom.config import MapSection, RunConfig, load_config
from dasksom.demo import MOSAIC_SIDE, mosaic_demo, photograph_demo
from dasksom.errors import DasksomError, InputError
from dasksom.image import open_image
from dasksom.probing import TASK_SECONDS, estimate
from dasksom.som.codebook import load_codebook
from dasksom.terminal import JsonFormatter, TerminalWatcher


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
    click.option("--init", metavar="NAME", help="Colors to start from: pca, sample or random.  [default: pca]"),
    click.option("--method", metavar="NAME", help="How the image is read: auto, colors or stream.  [default: auto]"),
    click.option("--seed", type=int, metavar="N", help="Seed of --init sample or random.  [default: 0]"),
)
_cluster_options = _options(
    click.option(
        "--cluster",
        metavar="NAME|ADDRESS|FILE",
        help=f"auto, {', '.join((*CLUSTERS, *ALLOCATIONS))}, tls://host:port, or a scheduler file.",
    ),
    click.option(
        "--workers", type=int, metavar="N", help="Workers to ask for.  [default: one per core here, 1 elsewhere]"
    ),
    click.option("--memory-limit", metavar="SIZE", help="Memory of each worker, such as 4GiB."),
    click.option(
        "--adapt",
        nargs=2,
        type=int,
        metavar="FEWEST MOST",
        help="Let the cluster grow and shrink with the work, in place of --workers.",
    ),
    click.option("--minimum-workers", type=int, metavar="N", help="Begin when so many are there.  [default: 1]"),
    click.option("--wait", metavar="TIME", help="How long to wait for them, such as 30min."),
    click.option("--tls-ca-file", "ca", metavar="FILE", help="Certificate authority of the cluster, for tls://."),
    click.option("--tls-cert", "cert", metavar="FILE", help="This side's certificate."),
    click.option("--tls-key", "key", metavar="FILE", help="This side's key."),
    click.option(
        "--insecure",
        is_flag=True,
        default=None,
        help="Connect to other machines without encryption; whoever reaches them can then run code there.",
    ),
    click.option(
        "--allow-shell",
        is_flag=True,
        default=None,
        help="Let cluster.options of the configuration carry commands, such as job_script_prologue.",
    ),
    click.option(
        "--config",
        "config_paths",
        multiple=True,
        metavar="FILE",
        help="YAML file with any of these, more than once: later ones win. configs/ explains them.",
    ),
)
_summary_option = click.option(
    "--summary", metavar="FILE", help="Write what the run did as JSON: times, bytes, tasks, retries, versions."
)
_run_options = _options(
    click.option("--component", metavar="NAME", help="Array inside a Zarr group."),
    click.option("--chunk-size", metavar="SIZE", help="Largest chunk that a task reads, decoded, such as 64MiB."),
    click.option(
        "--cache", metavar="NAME", help="Keep the image in the cluster's memory between passes: auto, memory or none."
    ),
    click.option(
        "--overwrite", is_flag=True, default=None, help="Replace an output that exists, once the new one is whole."
    ),
)
_image_option = click.option(
    "--no-image",
    "image",
    flag_value=False,
    default=None,
    type=bool,
    help="Write labels and palette only (.zarr outputs).",
)


def _config(given: dict[str, Any]) -> RunConfig:
    sections = {name: field.annotation for name, field in RunConfig.model_fields.items()}
    names = {section: getattr(model, "model_fields", {}) for section, model in sections.items()}
    laid = {section: {name: given.get(name) for name in fields} for section, fields in names.items()}
    laid["cluster"]["name"] = given.get("cluster")
    tls = {name: given.get(name) for name in ("ca", "cert", "key")}
    laid["cluster"]["tls"] = tls if any(tls.values()) else None
    return load_config(given["config_paths"], laid)


def _run_config(given: dict[str, Any]) -> RunConfig:
    """Give the configuration of a run; of an allocation's processes only the one that makes the run returns."""
    config = _config(given)
    options = click.get_current_context().with_resource(take_role(config.cluster.as_options()))
    return config.model_copy(update={"cluster": config.cluster.reached_by(options)})


def _tell(summary: pipeline.Summary, path: str | None) -> None:
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
      dasksom quantize photo.jpg reduced.png --grid 3x3
      dasksom quantize slide.tif slide-som.zarr --workers 4 --memory-limit 4GiB
      dasksom train scene.zarr palette.npz --grid 16x16 --epochs 30
      dasksom apply palette.npz another.zarr reduced.zarr
    """  # noqa: D301 - click takes the character itself
    handler = logging.StreamHandler()  # for our own messages alone: other libraries keep their ways
    handler.setFormatter(JsonFormatter() if log_json else logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("dasksom")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING)
    if not debug:  # whoever waits for a cluster wants to know for what, and where to watch it
        logging.getLogger("dasksom.cluster").setLevel(logging.INFO)


@cli.command()
@click.argument("image_path", metavar="IMAGE")
@click.argument("output_path", metavar="OUTPUT")
@click.option("--model", metavar="FILE", help="Use this trained map instead of training one.")
@_image_option
@_map_options
@_run_options
@_cluster_options
@_summary_option
def quantize(image_path: str, output_path: str, model: str | None, summary: str | None, **given: Any) -> None:
    """Train a map on every pixel of IMAGE and write IMAGE in its colors to OUTPUT.

    IMAGE is a Zarr array or group, a TIFF, or a photograph (PNG, JPEG, WebP). OUTPUT is .zarr (labels, image and
    palette), .tif, .png or .jpg. It appears under its name only when it is whole.
    """
    if model is not None and (told := [name for name in MapSection.model_fields if given.get(name) is not None]):
        raise InputError(f"--{told[0]}: --model brings a trained map, which is used as it is; leave one of the two out")
    with TerminalWatcher(Console(stderr=True)) as watcher:
        done = pipeline.quantize(image_path, output_path, _run_config(given), watcher, model)
    _tell(done, summary)


@cli.command()
@click.argument("image_path", metavar="IMAGE")
@click.argument("model_path", metavar="MODEL.npz")
@_map_options
@_run_options
@_cluster_options
@_summary_option
def train(image_path: str, model_path: str, summary: str | None, **given: Any) -> None:
    """Train a map on every pixel of IMAGE and save it as MODEL.npz."""
    with TerminalWatcher(Console(stderr=True)) as watcher:
        done = pipeline.train(image_path, model_path, _run_config(given), watcher)
    _tell(done, summary)


@cli.command()
@click.argument("model_path", metavar="MODEL.npz")
@click.argument("image_path", metavar="IMAGE")
@click.argument("output_path", metavar="OUTPUT")
@_image_option
@_run_options
@_cluster_options
@_summary_option
def apply(model_path: str, image_path: str, output_path: str, summary: str | None, **given: Any) -> None:
    """Write IMAGE in the colors of a trained map to OUTPUT."""
    with TerminalWatcher(Console(stderr=True)) as watcher:
        done = pipeline.quantize(image_path, output_path, _run_config(given), watcher, model_path)
    _tell(done, summary)


@cli.command()
@click.argument("image_path", metavar="IMAGE")
@click.argument("output_path", metavar="[OUTPUT]", default="output.zarr")
@click.option("--no-probe", "probed", is_flag=True, flag_value=False, default=True, help="Read nothing: tell no time.")
@_image_option
@_map_options
@_run_options
@_cluster_options
def plan(image_path: str, output_path: str, probed: bool, **given: Any) -> None:
    """Tell what `quantize` with the same options would do and need; refuse what cannot fit.

    Of OUTPUT the suffix matters alone. A chunk is read and worked on, to estimate the time; no cluster is started.
    """
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
    told = {
        "chunks": f"{plan.chunks} of {columns} x {rows} pixels, {format_bytes(plan.chunk_bytes)} decoded",
        "passes": f"{plan.train_passes} to train ({way}), {plan.write_passes} to write",
        "tasks": f"{plan.tasks} in all; about {plan.tasks * TASK_SECONDS:.3g} s of the scheduler",
        "read": f"{format_bytes(plan.read_bytes)} decoded",
        "written": f"at most {format_bytes(plan.written_bytes)}",
        "memory of a worker": f"at most {format_bytes(plan.worker_bytes)}{limit}",
        "memory of driver and scheduler": f"at most {format_bytes(plan.driver_bytes)}",
    }
    if forecast.probe is not None:
        threads = there.count * there.threads
        seconds = estimate(plan, forecast.probe, threads)
        told["time"] = f"about {format_time(seconds)} on {threads} threads of {there.count} workers like this machine"
    return told


@cli.command("job-script")
@_cluster_options
def print_job_script(**given: Any) -> None:
    """Print the script that a batch system would get for each job of workers; nothing is submitted."""
    click.echo(job_script(_config(given).cluster.as_options()))


@cli.command()
@click.argument("path", metavar="IMAGE|MODEL.npz")
@click.option("--component", metavar="NAME", help="Array inside a Zarr group.")
def info(path: str, component: str | None) -> None:
    """Tell what an image or a trained map is, reading none of the pixels."""
    table = Table(show_header=False, box=None)
    for name, value in (_about_model(path) if path.lower().endswith(".npz") else _about_image(path, component)).items():
        table.add_row(name, value)
    Console(soft_wrap=True).print(table)


def _about_model(path: str) -> dict[str, str]:
    codebook = load_codebook(path)
    rows, columns, bands = codebook.weights.shape
    trained = ", ".join(
        f"{name} {value}" for name, value in codebook.about.get("parameters", {}).items() if value is not None
    )
    return {
        "map": f"{rows} x {columns} units, {bands} bands",
        "range": f"{codebook.weights.min():.6g} to {codebook.weights.max():.6g}",
        "trained with": f"dasksom {codebook.about.get('dasksom', '?')}: {trained}",
    }


def _about_image(path: str, component: str | None) -> dict[str, str]:
    image = open_image(path, component=component)
    height, width, bands = image.shape
    rows, columns = image.chunksize[:2]
    chunk_bytes = rows * columns * bands * image.dtype.itemsize
    counted = has_color_table(image)
    return {
        "size": f"{width} x {height} pixels ({height * width / 1e6:.3g} Mpx), {bands} bands of {image.dtype}",
        "decoded": format_bytes(image.nbytes),
        "read in": f"{image.npartitions} chunks of {columns} x {rows} pixels, {format_bytes(chunk_bytes)} each",
        "trained by": "counting its colors: two passes in all" if counted else "streaming: a pass per epoch, and two",
    }


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
