"""Measure dasksom next to plain input and output and next to other tools: ratios, never only times.

Each row is measured in this run on this machine, the two sides in turns, and the medians are compared.
"""

import argparse
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.classes import classes
from benchmarks.clusters import chunks, limit, plan, scaling, scheduler
from benchmarks.exact import exact
from benchmarks.features import features
from benchmarks.fits import fits
from benchmarks.flowsom import flowsom
from benchmarks.gigapixel import gigapixel
from benchmarks.gpu import gpu
from benchmarks.growth import growth
from benchmarks.maps import maps
from benchmarks.measuring import TOY, Row, Sizes
from benchmarks.memory import memory
from benchmarks.online import online
from benchmarks.palettes import palettes
from benchmarks.peers import peers
from benchmarks.photograph import photograph
from benchmarks.photographs import photographs
from benchmarks.pictures import pictures
from benchmarks.reports import report
from benchmarks.search import search
from benchmarks.starts import starts
from benchmarks.startup import startup
from benchmarks.stores import s3
from benchmarks.tools import tools
from benchmarks.values import values
from benchmarks.viewing import view
from benchmarks.warm_ups import warm_ups
from benchmarks.wide import wide


def rows_of(bare: list[tuple[str, float, str, str]]) -> list[Row]:
    """Make rows of their fields."""
    return [Row(*one) for one in bare]


# A group of rows: one line here, one module in this folder.
ROWS: dict[str, Callable[[Sizes, Path], list[Row]]] = {
    "gigapixel": gigapixel,
    "values": values,
    "peers": peers,
    "online": online,
    "palettes": palettes,
    "photographs": photographs,
    "maps": maps,
    "starts": starts,
    "warm-ups": warm_ups,
    "wide": wide,
    "tools": tools,
    "search": search,
    "fits": fits,
    "flowsom": flowsom,
    "gpu": gpu,
    "features": features,
    "pictures": pictures,
    "memory": memory,
    "s3": s3,
    "growth": growth,
    "scaling": lambda sizes, _: rows_of(scaling(*((256, 4, 1) if sizes.toy else ()))),
    "scheduler": lambda sizes, _: rows_of(scheduler(*(((4,), 4) if sizes.toy else ()))),
    "chunks": lambda sizes, _: rows_of(chunks(*(((500, 5_000),) if sizes.toy else ()))),
    "plan": lambda sizes, folder: rows_of(plan(folder, *(([(256, 64, "f4")],) if sizes.toy else ()))),
    "limit": lambda sizes, folder: rows_of(limit(folder, *((1,) if sizes.toy else ()))),
    "photograph": photograph,
    "report": report,
    "view": view,
    "exact": exact,
    "classes": classes,
    "startup": startup,
}


def processor() -> str:
    """Name this machine's processor."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()


def main() -> None:
    """Run the rows that were asked for; print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(ROWS)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(names)}; all by default")
    parser.add_argument(
        "--toy", action="store_true", help="small sizes: shows that it runs, measures nothing of interest"
    )
    parser.add_argument("--repeats", type=int, help="times that each side is measured")
    parser.add_argument(
        "--folder", type=Path, help="where images are written (up to 9 GB at a time); a temporary folder by default"
    )
    parser.add_argument("--photographs", type=Path, metavar="FOLDER", help="images of the row photographs")
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    if wrong := set(arguments.rows) - set(names):
        parser.error(f"unknown rows {', '.join(wrong)}; known are {', '.join(names)}")
    sizes = replace(TOY if arguments.toy else Sizes(), photographs=arguments.photographs)
    if arguments.repeats:
        sizes = replace(sizes, repeats=arguments.repeats)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        folder = Path(made)
        for name in arguments.rows or names:
            rows += ROWS[name](sizes, folder)
            for one in folder.glob("*.zarr"):
                shutil.rmtree(one)
    table = Table("what", "measured", "aim", "how")
    for row in rows:
        table.add_row(row.name, f"{row.value:.4g}", row.target, row.detail)
    print(processor())
    Console(width=180 if not sys.stdout.isatty() else None).print(table)
    if arguments.json:
        machine = {
            "cpu": processor(),
            "python": platform.python_version(),
            "toy": arguments.toy,
        }
        arguments.json.write_text(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
