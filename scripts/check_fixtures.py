"""Compare what dasksom reads of every image below a folder with Pillow, rasterio, tifffile and pyvips.

A file agrees if at least one of them reads the same pixels: they differ among themselves in orientation, white as 0 and
the like. Decoders of lossy codecs may differ by rounding. Files are read in another process, which is ended after a
time limit; a refusal in words is fine, anything but pixels or a refusal is a crash.
"""

import argparse
import collections
import contextlib
import io
import multiprocessing
import sys
import warnings
from pathlib import Path

import numpy as np

MOST_BYTES, SECONDS = 100 << 20, 60
SUFFIXES = [
    ".bmp",
    ".gif",
    ".j2k",
    ".jp2",
    ".jpeg",
    ".jpg",
    ".jpx",
    ".lsm",
    ".msk",
    ".ndpi",
    ".pbm",
    ".pgm",
    ".png",
    ".ppm",
    ".qptiff",
    ".scn",
    ".svs",
    ".tif",
    ".tiff",
    ".vrt",
    ".webp",
]
CLOSE_MEAN, CLOSE_MOST = 0.003, 0.5
"""Mean and largest difference, as a share of the range, that decoders of lossy codecs may have."""


def read_dasksom(path):
    """Return the stored pixels; InputError where the file is refused."""
    from dasksom import open_picture

    return open_picture(path, alpha="band", nodata="none").pixels.compute(scheduler="synchronous")


def read_pillow(path):
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode in ("P", "PA", "1"):
            image = image.convert("L" if image.mode == "1" else "RGBA" if "transparency" in image.info else "RGB")
        if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I", "F"):
            raise ValueError(f"mode {image.mode}")
        return np.asarray(image)


def read_rasterio(path):
    import rasterio

    with rasterio.open(path) as file:
        bands = file.read().transpose(1, 2, 0)
        with contextlib.suppress(ValueError):
            colors = file.colormap(1)
            return np.array([colors[n] for n in range(max(colors) + 1)], np.uint8)[bands[:, :, 0], :3]
        return bands


def read_tifffile(path):
    import tifffile

    with tifffile.TiffFile(path) as file:
        array = file.series[0].asarray()
        channels_first = array.ndim == 3 and file.series[0].axes[0] in "SCI"
        return array.transpose(1, 2, 0) if channels_first else array


def read_pyvips(path):
    import pyvips

    return pyvips.Image.new_from_file(str(path)).autorot().numpy()


REFERENCES = {"Pillow": read_pillow, "rasterio": read_rasterio, "tifffile": read_tifffile, "pyvips": read_pyvips}


def compare(ours, other):
    """Return "equal", "close" or "differs"."""
    other = other if other.ndim == 3 else other[..., np.newaxis]
    if ours.shape[:2] != other.shape[:2] or other.ndim != 3:
        return "differs"
    bands = min(ours.shape[2], other.shape[2])
    ours, other = ours[:, :, :bands].astype(np.float64), other[:, :, :bands].astype(np.float64)
    if np.array_equal(ours, other, equal_nan=True):
        return "equal"
    span = max(np.nanmax(ours) - np.nanmin(ours), 1) if np.isfinite(ours).any() else 1
    apart = np.abs(ours - other)
    return "close" if np.nanmean(apart) <= CLOSE_MEAN * span and np.nanmax(apart) <= CLOSE_MOST * span else "differs"


def agrees(results):
    """Return whether another reader has the same pixels; tifffile converts no colors, so others come first."""
    others = [result for name, result in results.items() if name != "tifffile" and result != "-"]
    return any(result in ("equal", "close") for result in others or results.values())


def check(path):
    """Return what happened: our result, and that of each reference."""
    from dasksom import InputError

    warnings.simplefilter("ignore")
    try:
        ours = read_dasksom(path)
    except InputError as error:
        return f"refused: {error}", {}
    except Exception as error:
        return f"crash: {type(error).__name__}: {error}", {}
    results = {}
    for name, read in REFERENCES.items():
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                results[name] = compare(ours, read(path))
        except Exception:
            results[name] = "-"
    return "read", results


def _serve(connection):
    while True:
        try:
            connection.send(check(connection.recv()))
        except EOFError:
            return


class Checker:
    """A process that checks one file after another, and is started again where it dies or takes too long."""

    def __init__(self):
        self._process = None

    def check(self, path):
        if self._process is None:
            self._ours, theirs = multiprocessing.Pipe()
            context = multiprocessing.get_context("spawn")
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        try:
            self._ours.send(path)
            if self._ours.poll(SECONDS):
                return self._ours.recv()
            outcome = f"crash: took more than {SECONDS} seconds"
        except (EOFError, OSError):
            outcome = "crash: the process died"
        self.close()
        return outcome, {}

    def close(self):
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def images_below(folder):
    """Yield the files that look like images, and Zarr directories, by name."""
    for path in sorted(folder.rglob("*")):
        zarr = path.is_dir() and path.suffix == ".zarr"
        small_file = path.is_file() and path.suffix.lower() in SUFFIXES and path.stat().st_size <= MOST_BYTES
        if zarr or (small_file and not any(parent.suffix == ".zarr" for parent in path.parents)):
            yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quiet", action="store_true", help="print crashes, disagreements and counts only")
    options = parser.parse_args()
    counts, bad, checker = collections.Counter(), [], Checker()
    for path in images_below(options.folder):
        outcome, results = checker.check(path)
        judged = [result for result in results.values() if result != "-"]
        kind = outcome.partition(":")[0]
        if kind == "read":
            kind = "agrees" if agrees(results) else "disagrees" if judged else "read by dasksom only"
        counts[kind] += 1
        line = f"{path.relative_to(options.folder)} | {kind} | " + ", ".join(f"{n} {r}" for n, r in results.items())
        line = line + outcome.removeprefix(kind) if not results else line
        if kind in ("crash", "disagrees"):
            bad.append(line)
        if not options.quiet:
            print(line, flush=True)
    checker.close()
    print("\n" + ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items())))
    for line in bad:
        print(line)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
