"""The options of the commands, in groups: what a map, an image, an output and a cluster may be told."""

from collections.abc import Callable
from typing import Any

import click

from dasksom.cluster import ALLOCATIONS, CLUSTERS
from dasksom.config import RunConfig, load_config
from dasksom.config.map_parameters import OPTIONS, Parameter
from dasksom.errors import InputError

TLS = {"ca": "--tls-ca-file", "cert": "--tls-cert", "key": "--tls-key"}
"""Options of the files of a TLS connection, by their key in a configuration."""


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _map_option(parameter: Parameter) -> Callable[[Any], Any]:
    """Make the option of one parameter of the map."""
    default = parameter.run_default
    name, text = f"--{parameter.option.replace('_', '-')}", f"{parameter.help}  [default: {parameter.default_text}]"
    if isinstance(default, bool):
        return click.option(name, parameter.option, is_flag=True, default=None, help=parameter.help)
    if parameter.choices:
        return click.option(name, parameter.option, type=click.Choice(parameter.choices), help=text)
    count, metavar = len(parameter.metavar.split()), parameter.metavar
    return click.option(name, parameter.option, type=parameter.value, nargs=count, metavar=metavar, help=text)


map_options = _options(*map(_map_option, OPTIONS))
part_options = _options(
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
    click.option(
        "--allow-outside", is_flag=True, default=None, help="Let a .vrt name files outside of its own folder."
    ),
)
mask_options = _options(
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
cluster_options = _options(
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
    click.option(
        "--wait", metavar="TIME", help="How long to wait for them, or for others once all are gone, such as 30min."
    ),
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
summary_option = click.option(
    "--summary", metavar="FILE", help="Write what the run did as JSON: times, bytes, tasks, retries, versions."
)
run_options = _options(
    part_options,
    mask_options,
    click.option(
        "--on-bad-chunk",
        metavar="NAME",
        help="Chunks that cannot be read: stop, or skip (they count as no data; costs a pass).  [default: stop]",
    ),
    click.option("--chunk-size", metavar="SIZE", help="Largest chunk that a task reads, decoded, such as 64MiB."),
    click.option(
        "--cache", metavar="NAME", help="Keep the image in the cluster's memory between passes: auto, memory or none."
    ),
    click.option(
        "--overwrite", is_flag=True, default=None, help="Replace an output that exists, once the new one is whole."
    ),
)
output_options = _options(
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
    click.option(
        "--report", is_flag=True, default=None, help="Write OUTPUT.report.html besides: `dasksom report` explains it."
    ),
)


def config_from(given: dict[str, Any]) -> RunConfig:
    """Read the configuration files that a command was given, and lay its options over them."""
    sections = {name: field.annotation for name, field in RunConfig.model_fields.items()}
    names = {section: getattr(model, "model_fields", {}) for section, model in sections.items()}
    laid = {section: {name: given.get(name) for name in fields} for section, fields in names.items()}
    laid["cluster"]["name"] = given.get("cluster")
    laid["input"]["select"] = given.get("select") or None
    tls = {name: given.get(name) for name in TLS}
    laid["cluster"]["tls"] = _whole(tls) if any(tls.values()) else None
    return load_config(given["config_paths"], laid)


def _whole(tls: dict[str, str | None]) -> dict[str, str | None]:
    lacking = [TLS[name] for name, path in tls.items() if path is None]
    if lacking:
        raise InputError(f"{' and '.join(lacking)}: also needed; {', '.join(TLS.values())} go together")
    return tls
