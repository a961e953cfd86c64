"""Options of the commands, in groups: map, image, masks, output, cluster."""

from collections.abc import Callable
from typing import Any

import click

from dasksom.cli.help_pages import option, options_group
from dasksom.cluster.kinds import ALLOCATIONS, CLUSTERS
from dasksom.config.map_parameters import CACHES, GRID, OPTIONS
from dasksom.config.parameter import Parameter
from dasksom.image.sources.selection import ALPHA, ON_BAD_CHUNK
from dasksom.image.writers.options import LAYOUTS, OME_VERSIONS, PIXELS
from dasksom.som.choices import DITHERS


def cluster_names() -> tuple[str, ...]:
    """Return the names of the kinds of cluster."""
    return (*CLUSTERS, *ALLOCATIONS)


def _complete_cluster(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ("auto", *cluster_names()) if name.startswith(incomplete)]


def _map_option(parameter: Parameter) -> Callable[[Any], Any]:
    """Make the option of one parameter of the map."""
    default = parameter.run_default
    name, text = f"--{parameter.option.replace('_', '-')}", f"{parameter.help}  [default: {parameter.default_text}]"
    if isinstance(default, bool):
        return option(name, parameter.option, is_flag=True, default=None, help=parameter.help)
    if parameter.choices:
        return option(name, parameter.option, type=click.Choice(parameter.choices), help=text)
    if parameter.multiple:
        return option(name, parameter.option, multiple=True, metavar=parameter.metavar, help=parameter.help)
    count, metavar = len(parameter.metavar.split()), parameter.metavar
    return option(name, parameter.option, type=parameter.value, nargs=count, metavar=metavar, help=text)


def class_count(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    """Parse a number of classes, or "auto"."""
    if value is None or value == "auto":
        return value
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is not a number of classes, or auto", context, parameter)
    return int(value)


classes_option = options_group(
    "Output",
    option(
        "--classes",
        callback=class_count,
        metavar="N|auto",
        help="Also group the units into classes and write the class of every pixel (see `dasksom classes`).",
    ),
)
_COLORS = option(
    "--colors",
    type=click.IntRange(1, 65536),
    metavar="N",
    help="Number of units, in place of --grid, such as 12 for 3x4.",
)
map_options = options_group(
    "Map", _map_option(GRID), _COLORS, *(_map_option(one) for one in OPTIONS if one is not GRID)
)
part_options = options_group(
    "Image",
    option(
        "--component",
        multiple=True,
        metavar="NAME",
        help="Array or image inside a Zarr group; if repeated, the arrays are bands of one image.",
    ),
    option(
        "--stack",
        is_flag=True,
        default=None,
        help="The files given are bands of one image; a folder of one file per band is one image.",
    ),
    option("--series", type=int, metavar="N", help="Number of the image in a file of several."),
    option("--level", type=int, metavar="N", help="Level of a pyramid.  [default: 0, the full resolution]"),
    option(
        "--select",
        multiple=True,
        metavar="AXIS=POSITIONS",
        help="Position along an axis, such as z=3, or bands, such as c=0,2 or c=0:3; may be repeated.",
    ),
    option(
        "--bands",
        metavar="NAMES",
        help="Bands by name or number from 0, in this order, such as CD3,CD45 or 3,2,1 (see `dasksom info`).  "
        "[default: all]",
    ),
    option("--axes", metavar="LETTERS", help="Names of the stored axes, such as cyx, if the file has none."),
    option(
        "--fill-missing",
        is_flag=True,
        default=None,
        help="Treat missing chunks and tiles as the fill value.  [default: an error]",
    ),
    option("--allow-outside", is_flag=True, default=None, help="Let a .vrt name files outside of its own folder."),
)
mask_options = options_group(
    "Pixels that are used",
    option(
        "--mask",
        multiple=True,
        metavar="IMAGE",
        help="Use only pixels where this image, of any lower resolution, is not 0; if repeated, one for each image.",
    ),
    option(
        "--nodata",
        metavar="VALUE",
        help="Value of pixels without data; `none` ignores the value that the file declares.",
    ),
    option(
        "--alpha",
        type=click.Choice(ALPHA),
        help="Opacity: exclude transparent pixels (mask), drop it, or treat it as a band.  [default: mask]",
    ),
)
cluster_options = options_group(
    "Cluster",
    option(
        "--cluster",
        metavar="NAME|ADDRESS|FILE",
        shell_complete=_complete_cluster,
        help=f"{', '.join(['auto', *cluster_names()])}, tls://host:port, or a scheduler file.",
    ),
    option("--workers", type=int, metavar="N", help="Workers to request.  [default: one per core here, 1 elsewhere]"),
    option("--memory-limit", metavar="SIZE", help="Memory of each worker, such as 4GiB."),
    option(
        "--adapt",
        nargs=2,
        type=int,
        metavar="FEWEST MOST",
        help="Let the cluster grow and shrink with the work, instead of --workers.",
    ),
    option("--minimum-workers", type=int, metavar="N", help="Start with this number of workers.  [default: 1]"),
    option(
        "--wait", metavar="TIME", help="How long to wait for workers, or for new ones once all are lost, such as 30min."
    ),
    option("--tls-ca-file", "ca", metavar="FILE", help="Certificate authority of the cluster, for tls://."),
    option("--tls-cert", "cert", metavar="FILE", help="Certificate of this machine."),
    option("--tls-key", "key", metavar="FILE", help="Key of this machine."),
    option(
        "--insecure",
        is_flag=True,
        default=None,
        help="Connect to other machines without encryption; anyone who reaches them can then run code there.",
    ),
    option(
        "--allow-shell",
        is_flag=True,
        default=None,
        help="Let cluster.options of the configuration contain commands, such as job_script_prologue.",
    ),
    option(
        "--config",
        "config_paths",
        multiple=True,
        metavar="FILE",
        help="YAML file with any of these; may be repeated, later files win. See configs/.",
    ),
)
summary_option = options_group(
    "Run",
    option("--summary", metavar="FILE", help="Write a summary as JSON: times, bytes, tasks, retries, versions."),
)
run_options = options_group(
    "Run",
    part_options,
    mask_options,
    option(
        "--on-bad-chunk",
        type=click.Choice(ON_BAD_CHUNK),
        help="Chunks that cannot be read: stop, or skip them as no data, which costs a pass.  [default: stop]",
    ),
    option("--chunk-size", metavar="SIZE", help="Largest chunk that a task reads, decoded, such as 64MiB."),
    option(
        "--cache",
        type=click.Choice(CACHES),
        help="Hold the image in the memory of the cluster between passes.  [default: auto, if it fits]",
    ),
    option("--overwrite", is_flag=True, default=None, help="Replace an existing output once the new one is complete."),
)
output_options = options_group(
    "Output",
    option(
        "--no-image",
        "image",
        flag_value=False,
        default=None,
        type=bool,
        help="Write only labels and palette (.zarr, .ome.zarr, or a .tif of unit + 1 with a color table).",
    ),
    option(
        "--pixels",
        type=click.Choice(PIXELS),
        help="Content of a .tif or .png: palette (up to 256 colors), colors, or labels (unit + 1, 0 is no data).  "
        "[default: auto, palette if possible, else colors]",
    ),
    option(
        "--layout",
        type=click.Choice(LAYOUTS),
        help="Coarser levels of a .tif or .ome.zarr: pyramid, flat (none), or cog (cloud-optimized GeoTIFF).  "
        "[default: auto, cog for a georeferenced .tif, else pyramid]",
    ),
    option(
        "--dither",
        type=click.Choice(DITHERS),
        help="Spread neighboring colors over a pattern, in images of 1 or 3 bands.  [default: none]",
    ),
    option(
        "--chunk",
        type=int,
        metavar="PIXELS",
        help="Side of Zarr chunks or TIFF tiles.  [default: 1024 in .ome.zarr, 512 in .tif]",
    ),
    option(
        "--shard",
        type=int,
        metavar="PIXELS",
        help="Side of the files of an .ome.zarr; 0: a file per chunk.  [default: what a task writes]",
    ),
    option(
        "--codec",
        metavar="NAME",
        help="zstd, blosc, gzip or none in Zarr; zlib, zstd or none in TIFF.  [default: the first]",
    ),
    option(
        "--ome-version",
        type=click.Choice(OME_VERSIONS),
        help="Version of an .ome.zarr; 0.4 for older readers.  [default: 0.5]",
    ),
    option("--report", is_flag=True, default=None, help="Also write OUTPUT.report.html (see `dasksom report`)."),
)
