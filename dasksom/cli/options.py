"""The options of the commands, in groups: what a map, an image, an output and a cluster may be told."""

from collections.abc import Callable
from typing import Any

import click

from dasksom.cluster import ALLOCATIONS, CLUSTERS
from dasksom.config import RunConfig, load_config
from dasksom.errors import InputError

TLS = {"ca": "--tls-ca-file", "cert": "--tls-cert", "key": "--tls-key"}
"""Options of the files of a TLS connection, by their key in a configuration."""


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


map_options = _options(
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
