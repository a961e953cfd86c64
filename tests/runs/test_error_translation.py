"""Pixels that cannot be trained on are refused with the image's name and an option of the command line."""

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from dasksom.cli.main import cli
from dasksom.errors import InputError


def _refusal(path, *options):
    arguments = ["quantize", str(path), str(path.with_name("out.zarr")), "--grid", "2x2", "--epochs", "1", *options]
    done = CliRunner().invoke(cli, arguments)
    assert isinstance(done.exception, InputError), done.output
    return str(done.exception)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent__images_name_the_option(tmp_path, mode):
    Image.fromarray(np.zeros((8, 9, len(mode)), np.uint8), mode).save(tmp_path / "clear.png")
    text = _refusal(tmp_path / "clear.png")
    assert text == (
        f"{tmp_path}/clear.png: no pixel holds data: all are excluded (alpha); --alpha drop uses transparent pixels too"
    )


def test_nodata__of_every_pixel_names_the_option(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 9), 7, np.int16))
    assert "(no-data value); --nodata none uses" in _refusal(tmp_path / "a.tif", "--nodata", "7")


@pytest.mark.parametrize(("value", "option"), [(np.inf, "--nodata inf"), (-np.inf, "-inf"), (1e200, "--nodata VALUE")])
def test_infinite__pixels_name_the_option_and_not_python(tmp_path, value, option):
    data = np.ones((8, 9), np.float64)
    data[3, 4] = value
    tifffile.imwrite(tmp_path / "a.tif", data)
    text = _refusal(tmp_path / "a.tif")
    assert f"{tmp_path}/a.tif: contains " in text
    assert "at row 3, column 4, band 0" in text
    assert option in text
    assert "dask.array" not in text
