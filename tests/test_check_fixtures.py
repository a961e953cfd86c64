"""scripts/check-fixtures on a small set of images, of which some are damaged or of other formats."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import tifffile
import zarr
from PIL import Image

SCRIPT = Path(__file__).parents[1] / "scripts" / "check_fixtures.py"


def _check(folder):
    done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True, timeout=300, check=False)
    lines = [line.split(" | ") for line in done.stdout.splitlines() if " | " in line]
    return done, {line[0]: line[1] for line in lines}


def test_check_fixtures__of_a_small_set(tmp_path):
    pixels = np.random.default_rng(5).integers(0, 256, (40, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).quantize(16).save(tmp_path / "palette.png", transparency=3)
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    Image.fromarray(pixels).save(tmp_path / "a.webp")
    Image.fromarray(pixels).save(tmp_path / "a.gif")
    (tmp_path / "deep").mkdir()
    tifffile.imwrite(tmp_path / "deep" / "strips.tif", pixels, photometric="rgb", rowsperstrip=7)
    tifffile.imwrite(tmp_path / "deep" / "gray.tif", pixels[:, :, 0], photometric="miniswhite", tile=(16, 16))
    tifffile.imwrite(tmp_path / "deep" / "float.tif", pixels[:, :, 0].astype(np.float32), compression="deflate")
    zarr.create_array(tmp_path / "a.zarr", data=pixels)
    (tmp_path / "damaged.tif").write_bytes((tmp_path / "deep" / "strips.tif").read_bytes()[:900])
    (tmp_path / "notes.txt").write_text("no image")
    done, kinds = _check(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    refused = {"damaged.tif"}
    assert {name for name, kind in kinds.items() if kind == "refused"} == refused
    assert kinds.pop("a.zarr") == "read by dasksom only"
    assert {kind for name, kind in kinds.items() if name not in refused} == {"agrees"}
    assert "8 agrees, 1 read by dasksom only, 1 refused" in done.stdout
