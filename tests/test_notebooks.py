"""What notebooks show: progress, pictures and maps."""

import base64
import io
import pickle
import re
import sys

import numpy as np
import pytest
from PIL import Image

from dasksom import BatchSOM, InputError, open_picture, show


def shown(som):
    return som._repr_mimebundle_()["text/html"]


def test_map__shows_its_colors(patch):
    som = BatchSOM(3, 5, epochs=3)
    assert "<img" not in shown(som)
    page = shown(som.fit(patch))
    assert "3 x 5 units, 3 bands of uint8" in page
    png = base64.b64decode(re.search(r"image/png;base64,([^']+)'", page)[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), np.rint(som.weights_).astype(np.uint8))


def test_map__of_other_bands_shows_its_u_matrix(random):
    page = shown(BatchSOM(4, 4, epochs=3).fit(random.normal(size=(60, 7))))
    assert "7 bands of float64" in page
    assert "U-matrix" in page


def test_picture__shows_its_metadata(patch, tmp_path):
    Image.fromarray(patch).save(tmp_path / "<b>.png")
    picture = open_picture(tmp_path / "<b>.png")
    assert repr(picture) == "<Picture of 60 x 48 pixels, 3 bands of uint8>"
    page = picture._repr_html_()
    assert "PNG" in page
    assert "<b>" not in page.replace("<b> ", "")


def test_progress__bars_of_each_pass(random, capsys):
    pytest.importorskip("tqdm")
    BatchSOM(2, 2, epochs=2).fit(random.normal(size=(60, 7)), progress=True)
    assert "pass 2" in capsys.readouterr().err


def test_progress__without_tqdm_the_extra_is_named(random, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(InputError, match=r"needs tqdm; install dasksom\[notebook\], or give a callable"):
        BatchSOM(2, 2).fit(random.normal(size=(60, 7)), progress=True)


def test_figures__show_themselves(random):
    pytest.importorskip("matplotlib")
    figure = show.plot_u_matrix(BatchSOM(3, 3, epochs=2).fit(random.normal(size=(60, 7))))
    size = Image.open(io.BytesIO(figure._repr_png_())).size
    assert size == pytest.approx(tuple(figure.get_size_inches() * figure.dpi), abs=1)
    assert pickle.loads(pickle.dumps(figure))._repr_png_() == figure._repr_png_()
