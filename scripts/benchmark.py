"""Measure dasksom side by side with the bare input and output, and with its peers: ratios, never times alone.

Each row is measured in this run on this machine, the two sides in turns, and the medians are compared. Rows:

gigapixel   a Zarr mosaic of photographs through fit and label writing, over what reading it and writing labels costs
plain dask and zarr peers       a whole fit against XPySom and MiniSom (timed on a part of the pixels; their cost is
linear in them) memory      a streaming run over an image of eight times the cluster's memory
photograph  the command line on an ordinary photograph
scaling, chunks, plan, limit    what clusters cost: see cluster_rows.py
exact       labels against a brute-force search in float64
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cluster_rows
import dask.array as da
import numpy as np
import zarr
from distributed import Client, LocalCluster
from rich.console import Console
from rich.table import Table
from skimage import data
from zarr.codecs import ZstdCodec

from dasksom import BatchSOM, open_image
from dasksom.cluster import ClusterOptions, local
from dasksom.image import create_writer, mosaic_array, write_mosaic
from dasksom.passes import keep_in_memory
from dasksom.quantization import quantize_into

GRID = (16, 16)


@dataclass(frozen=True)
class Row:
    """One measured figure."""

    name: str
    value: float
    target: str
    detail: str


@dataclass(frozen=True)
class Sizes:
    """How large the jobs are."""

    side: int = 32768
    """Of the mosaic, in pixels."""
    chunk: int = 2048
    repeats: int = 3
    peer_pixels: tuple[int, ...] = (1 << 20, 1 << 24)
    peer_part: int = 1 << 18
    """Pixels that XPySom is timed on."""
    minisom_part: int = 1 << 13
    """Pixels that MiniSom is timed on."""
    memory_side: int = 23_552
    """Of the float32 image with four bands: 8.9 GB."""
    memory_limit: str = "512MiB"


TOY = Sizes(4096, 2048, 1, (1 << 16,), 1 << 12, 1 << 9, 1536, "512MiB")


@contextmanager
def cluster(workers: int, memory_limit: str):
    """Start single-thread workers on this machine, as dask does it by itself."""
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory_limit,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as started,
        Client(started) as client,
    ):
        yield client


def timed(*sides: Callable[[], object], repeats: int) -> list[list[float]]:
    """Time the sides in turns; give the seconds of each."""
    seconds: list[list[float]] = [[] for _ in sides]
    for _ in range(repeats):
        for side, found in zip(sides, seconds, strict=True):
            start = time.perf_counter()
            side()
            found.append(time.perf_counter() - start)
    return seconds


def shown(seconds: list[float]) -> str:
    """Write the median and what was measured."""
    return f"{statistics.median(seconds):.2f} s ({', '.join(f'{one:.2f}' for one in seconds)})"


# ------------------------------------------------------------------------------------------------------------ gigapixel


def _seen(block):
    return np.zeros((1, 1, 1), np.uint8)


def _as_labels(block):
    return (block[..., 1] >> 2).astype(np.uint16) + 1  # about as hard to compress as labels of 256 units


def bare_read(path: Path) -> None:
    """Read every chunk with plain dask.array and zarr."""
    da.from_zarr(path).map_blocks(_seen, chunks=(1, 1, 1), dtype=np.uint8).sum().compute()


def bare_read_and_write(path: Path, labels: Path) -> None:
    """Read every chunk and write labels with plain dask.array and zarr, in the type, chunks and codec of ours."""
    image = da.from_zarr(path)
    shutil.rmtree(labels, ignore_errors=True)
    target = zarr.create_array(
        labels,
        shape=image.shape[:2],
        chunks=image.chunksize[:2],
        dtype=np.uint16,
        compressors=ZstdCodec(level=1, checksum=True),
        fill_value=0,
        config={"write_empty_chunks": True},
    )
    da.store(image.map_blocks(_as_labels, drop_axis=2, dtype=np.uint16), target, lock=False)


def fit_and_label(path: Path, output: Path, cache: str, times: dict[str, list[float]]) -> BatchSOM:
    """Train on every pixel and write every label."""
    shutil.rmtree(output, ignore_errors=True)
    epochs: list[float] = []
    start = time.perf_counter()
    image = keep_in_memory(open_image(path), cache)
    som = BatchSOM(*GRID, epochs=20).fit(image, on_epoch=lambda *_: epochs.append(time.perf_counter()))
    fitted = time.perf_counter()
    height, width, _ = image.shape
    writer = create_writer(
        output,
        height=height,
        width=width,
        chunks=image.chunksize[:2],
        palette=som.codebook_.palette(image.dtype),
        metadata={},
        with_image=False,
    )
    quantize_into(image, som.labeling_for(image.dtype), writer, measured=False)
    times.setdefault("fit", []).append(fitted - start)
    times.setdefault("write", []).append(time.perf_counter() - fitted)
    times.setdefault("epoch", []).extend(np.diff(epochs))
    return som


def gigapixel(sizes: Sizes, folder: Path) -> list[Row]:
    """Fit and label a mosaic, against reading it and writing labels.

    The floor is measured twice: on dask's own local cluster, as somebody without dasksom has it, and on the cluster
    that dasksom starts, whose workers keep their memory for the next chunk.
    """
    first, second = folder / "mosaic.zarr", folder / "mosaic-half-chunks.zarr"
    times: dict[str, list[float]] = {}
    soms: list[BatchSOM] = []
    with cluster(2, "3GiB") as plain, local(ClusterOptions("local", 2, "3GiB")) as own:

        def on(client: Client, job: Callable[[], object]) -> Callable[[], object]:
            def run() -> object:
                with client.as_current():
                    return job()

            return run

        def both_passes() -> None:
            bare_read(first)
            bare_read_and_write(first, folder / "bare.zarr")

        def ours(cache: str) -> None:
            soms.append(fit_and_label(first, folder / "ours.zarr", cache, times if cache == "none" else {}))

        write_mosaic(first, side=sizes.side, chunk=sizes.chunk)
        read, floor, own_floor, fitted, kept = (
            (seconds, statistics.median(seconds))
            for seconds in timed(
                on(plain, lambda: bare_read(first)),
                on(plain, both_passes),
                on(own, both_passes),
                on(own, lambda: ours("none")),
                on(own, lambda: ours("memory")),
                repeats=sizes.repeats,
            )
        )
        sizes_written = [
            sum(one.stat().st_size for one in (folder / name).rglob("*")) for name in ("ours.zarr", "bare.zarr")
        ]
        write_mosaic(second, side=sizes.side, chunk=sizes.chunk // 2)
        with own.as_current():
            soms += [BatchSOM(*GRID, epochs=20).fit(image) for image in (open_image(second), da.from_zarr(second))]
    with cluster(1, "3GiB"):
        soms.append(BatchSOM(*GRID, epochs=20).fit(open_image(first)))
    pixels, epoch = f"{sizes.side**2 / 1e6:.0f} Mpx", statistics.median(times["epoch"])
    parts = f"fit {shown(times['fit'])}, write {shown(times['write'])}"
    written = " / ".join(f"{size / 1e6:.0f} MB" for size in sizes_written)
    different = sum(som.weights_.tobytes() != soms[0].weights_.tobytes() for som in soms)
    return [
        Row(
            f"fit + labels / floor, {pixels}", fitted[1] / floor[1], "<= 1.3", f"{shown(fitted[0])} / {shown(floor[0])}"
        ),
        Row(
            "... the floor on dasksom's cluster",
            fitted[1] / own_floor[1],
            "<= 1.3",
            f"/ {shown(own_floor[0])}; {parts}",
        ),
        Row("... chunks kept in memory", kept[1] / floor[1], "< 1", f"{shown(kept[0])} / the first floor"),
        Row("labels written, ours / floor's", sizes_written[0] / sizes_written[1], "about 1", written),
        Row("one more epoch / bare read", epoch / read[1], "<= 0.02", f"{epoch * 1e3:.1f} ms / {shown(read[0])}"),
        Row("codebooks that differ", different, "0", f"of {len(soms)} fits: 1 and 2 workers, two chunkings"),
        same_colors(sizes),
    ]


def same_colors(sizes: Sizes) -> Row:
    """Time epochs on an image and on the same image repeated 16 times."""
    tile = mosaic_array(min(sizes.side, 4096)).compute()
    small, large = (
        da.from_array(tile, chunks=(1024, 1024, 3)),
        da.tile(da.from_array(tile, chunks=(1024, 1024, 3)), (4, 4, 1)),
    )
    seconds = []
    for image in (small, large):
        epochs: list[float] = []
        BatchSOM(*GRID, epochs=30).fit(image, on_epoch=lambda *_, epochs=epochs: epochs.append(time.perf_counter()))
        seconds.append(statistics.median(np.diff(epochs)))
    detail = f"{seconds[1] * 1e3:.1f} ms an epoch / {seconds[0] * 1e3:.1f} ms"
    return Row("epoch on 16 times the pixels, same colors", seconds[1] / seconds[0], "about 1", detail)


# ---------------------------------------------------------------------------------------------------------------- peers


def peers(sizes: Sizes) -> list[Row]:
    """Fit in memory against XPySom and MiniSom: the same map, 10 epochs, sigma from half a side."""
    from minisom import MiniSom
    from xpysom import XPySom

    side = int(max(sizes.peer_pixels) ** 0.5)
    pixels = mosaic_array(side).compute().reshape(-1, 3)
    pixels = np.random.default_rng(0).permutation(pixels)  # every part is then a fair sample

    def xpysom(part: np.ndarray) -> np.ndarray:
        som = XPySom(*GRID, 3, sigma=GRID[0] / 2, xp=np)
        som.random_seed = 0
        som.pca_weights_init(part.astype(np.float32))
        som.train(part.astype(np.float32), 10)
        return som.get_weights().reshape(-1, 3)

    def minisom(part: np.ndarray) -> np.ndarray:
        som = MiniSom(*GRID, 3, sigma=GRID[0] / 2, learning_rate=1.0, random_seed=0)
        som.random_weights_init(part.astype(float))
        som.train_batch_offline(part.astype(float), 10)
        return som.get_weights().reshape(-1, 3)

    rows = []
    for name, train, part, targets in (
        ("XPySom", xpysom, sizes.peer_part, (">= 40", ">= 300")),
        ("MiniSom", minisom, sizes.minisom_part, (">= 1000", ">= 1000")),
    ):
        start = time.perf_counter()
        theirs = train(pixels[:part])
        rate = part / (time.perf_counter() - start)
        own = BatchSOM(*GRID, epochs=10).fit(pixels[:part]).quality_.mean_squared_error
        error = (
            BatchSOM(*GRID, epochs=1, init=theirs.reshape(*GRID, 3)).fit(pixels[:part]).history_[0].mean_squared_error
        )
        for count, target in zip(sizes.peer_pixels, targets, strict=False):
            image = pixels[:count].reshape(1, -1, 3)
            [seconds] = timed(lambda image=image: BatchSOM(*GRID, epochs=10).fit(image), repeats=max(3, sizes.repeats))
            ours = statistics.median(seconds)
            detail = f"{count / rate:.1f} s from {part} pixels / {shown(seconds)}"
            rows.append(Row(f"{name} / dasksom, fit of {count / 1e6:.1f} Mpx", count / rate / ours, target, detail))
        rows.append(Row(f"error, dasksom / {name}", own / error, "<= 1", f"{own:.2f} / {error:.2f}, {part} pixels"))
    return rows


# --------------------------------------------------------------------------------------------------------------- memory


def _peak_memory() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def _spilled(dask_worker) -> int:
    slow = getattr(dask_worker.data, "slow", None)
    return 0 if slow is None else len(slow)


def _float_scene(block_id, rows, columns):
    draw = np.random.default_rng([7, *block_id])
    return draw.normal(100, 25, (rows, columns, 4)).astype(np.float32).round(1)


def memory(sizes: Sizes, folder: Path) -> list[Row]:
    """Stream over a float32 image of four bands that is eight times as large as the cluster's memory."""
    path, chunk = folder / "float.zarr", 512
    side = sizes.memory_side // chunk * chunk
    with cluster(2, "3GiB"):
        target = zarr.create_array(
            path, shape=(side, side, 4), chunks=(chunk, chunk, 4), dtype=np.float32, fill_value=0
        )
        grid = (chunk,) * (side // chunk)
        scene = da.map_blocks(_float_scene, rows=chunk, columns=chunk, chunks=(grid, grid, (4,)), dtype=np.float32)
        da.store(scene, target, lock=False)
    options = ClusterOptions("local", 2, sizes.memory_limit)
    with local(options) as client:
        before = client.run(os.getpid)
        image = open_image(path, chunk_bytes=options.worker_memory // 16)  # as a run of the command line plans it
        start = time.perf_counter()
        BatchSOM(8, 8, epochs=3).fit(image)
        seconds = time.perf_counter() - start
        peak = max(client.run(_peak_memory).values())
        spilled = sum(client.run(_spilled).values())
        restarted = client.run(os.getpid) != before
        limit = sum(worker["memory_limit"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
    detail = f"{image.nbytes / 2**30:.1f} GiB through 2 workers of {sizes.memory_limit}, 4 passes, {seconds:.0f} s"
    return [
        Row("image / memory of the cluster", image.nbytes / limit, ">= 8", detail),
        Row("peak of a worker / its limit", peak / (limit / 2), "<= 1", f"{peak / 2**20:.0f} MiB"),
        Row("chunks spilled + workers restarted", spilled + restarted, "0", ""),
    ]


# ------------------------------------------------------------------------------------------------- photograph and exact


def photograph(folder: Path, repeats: int) -> list[Row]:
    """Run the command line on a photograph of 0.4 Mpx."""
    from PIL import Image

    path = folder / "photograph.png"
    Image.fromarray(data.hubble_deep_field()[:632, :632]).save(path)
    command = [sys.executable, "-m", "dasksom", "quantize", str(path), str(folder / "out.png"), "--overwrite"]
    subprocess.run(command, check=True, capture_output=True)  # compiles
    [seconds] = timed(lambda: subprocess.run(command, check=True, capture_output=True), repeats=max(3, repeats))
    return [Row("dasksom quantize, 0.4 Mpx photograph (s)", statistics.median(seconds), "< 5", shown(seconds))]


def exact() -> list[Row]:
    """Compare labels with a brute-force float64 search on every pixel of some photographs."""
    rows = []
    for name, image in (("astronaut", data.astronaut()), ("retina", data.retina()), ("coffee", data.coffee())):
        som = BatchSOM(*GRID, epochs=10).fit(image)
        labels, units = som.predict(image).reshape(-1), som.codebook_.units
        pixels = image.reshape(-1, 3).astype(np.float64)
        wrong = 0
        for start in range(0, len(pixels), 1 << 14):
            part = slice(start, start + (1 << 14))
            distances = ((pixels[part, None] - units) ** 2).sum(axis=2)
            wrong += int((distances[np.arange(len(distances)), labels[part]] > distances.min(axis=1)).sum())
        rows.append(Row(f"labels that are not nearest, {name}", wrong, "0", f"of {len(pixels)} pixels"))
    return rows


def own(rows: list[cluster_rows.BareRow]) -> list[Row]:
    """Take the rows of clusters into the table."""
    return [Row(*row) for row in rows]


def main() -> None:
    """Run the rows that were asked for; print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["gigapixel", "peers", "memory", "photograph", "exact", "scaling", "chunks", "plan", "limit"]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(names)}; all by default")
    parser.add_argument(
        "--toy", action="store_true", help="small sizes: shows that it runs, measures nothing of interest"
    )
    parser.add_argument("--repeats", type=int, help="times that each side is measured")
    parser.add_argument(
        "--folder", type=Path, help="where the images go (up to 9 GB at a time); by default a temporary folder"
    )
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    if wrong := set(arguments.rows) - set(names):
        parser.error(f"unknown rows {', '.join(wrong)}; known are {', '.join(names)}")
    sizes = TOY if arguments.toy else Sizes()
    if arguments.repeats:
        sizes = Sizes(**{**asdict(sizes), "repeats": arguments.repeats})
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        folder = Path(made)
        jobs = {
            "gigapixel": lambda: gigapixel(sizes, folder),
            "peers": lambda: peers(sizes),
            "memory": lambda: memory(sizes, folder),
            "photograph": lambda: photograph(folder, sizes.repeats),
            "exact": exact,
            "scaling": lambda: own(cluster_rows.scaling(*((256, 4) if arguments.toy else ()))),
            "chunks": lambda: own(cluster_rows.chunks(*(((500, 5_000),) if arguments.toy else ()))),
            "plan": lambda: own(cluster_rows.plan(folder, *(([(256, 64, "f4")],) if arguments.toy else ()))),
            "limit": lambda: own(cluster_rows.limit(folder, *((1,) if arguments.toy else ()))),
        }
        for name in arguments.rows or names:
            rows += jobs[name]()
            for one in folder.glob("*.zarr"):
                shutil.rmtree(one)
    table = Table("what", "measured", "aim", "how")
    for row in rows:
        table.add_row(row.name, f"{row.value:.4g}", row.target, row.detail)
    Console(width=180 if not sys.stdout.isatty() else None).print(table)
    if arguments.json:
        machine = {
            "cpu": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "toy": arguments.toy,
        }
        arguments.json.write_text(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
