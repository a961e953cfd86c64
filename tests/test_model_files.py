import json
import pickle

import numpy as np
import pytest
from PIL import Image

from dasksom import BatchSOM
from dasksom.cli.progress import ProgressDisplay
from dasksom.config import RunConfig
from dasksom.errors import InputError
from dasksom.image.palette_files import write_palette
from dasksom.model_files import codebook_at, load_codebook, save_codebook
from dasksom.models import restore_map
from dasksom.runs.workflows import quantize_image
from dasksom.som.codebook import Codebook


def test_save_and_load__round_trip(tmp_path):
    weights = np.random.default_rng(0).random((3, 4, 5))
    save_codebook(Codebook(weights, {"epochs": 7}), tmp_path / "map.npz")
    loaded = load_codebook(tmp_path / "map.npz")
    assert np.array_equal(loaded.weights, weights)
    assert loaded.about == {"epochs": 7}


def test_save__names_the_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder .*nowhere; create it first"):
        save_codebook(Codebook(np.zeros((1, 2, 3))), tmp_path / "nowhere" / "map.npz")


def test_save__refuses_another_suffix(tmp_path):
    with pytest.raises(InputError, match=r"\.npz"):
        save_codebook(Codebook(np.ones((1, 1, 1))), tmp_path / "map.txt")


def _write(path, weights, **about):
    np.savez(path, weights=weights, about=np.frombuffer(json.dumps(about).encode(), np.uint8))


class _Canary:
    def __reduce__(self):
        return (open, ("canary", "w"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such model"),
        (lambda path: path.write_bytes(b"hello"), "not a dasksom model"),
        (lambda path: path.write_bytes(b""), "not a dasksom model"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + b"0" * 40), "not a dasksom model"),
        (lambda path: np.savez(path, other=np.ones(3)), "not a dasksom model"),
        (lambda path: _write(path, np.ones((1, 1, 1)), format=99), "format 99"),
        (lambda path: _write(path, np.ones((1, 1, 1))), "not a dasksom model"),
        (lambda path: _write(path, np.full((1, 1, 1), np.inf), format=1), "finite"),
        (lambda path: _write(path, np.ones((2, 2)), format=1), "shape"),
        (lambda path: _write(path, np.array([[["a"]]]), format=1), "floating"),
        (lambda path: np.savez(path, weights=np.array([_Canary()], object), about=np.zeros(1)), "not a dasksom model"),
        (lambda path: path.write_bytes(pickle.dumps(_Canary())), "not a dasksom model"),
    ],
)
def test_load__refuses_and_says_why(tmp_path, monkeypatch, make, message):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "map.npz")
    with pytest.raises(InputError, match=message) as caught:
        load_codebook(tmp_path / "map.npz")
    assert "map.npz" in str(caught.value)
    assert not (tmp_path / "canary").exists()


def test_load__refuses_a_truncated_file(tmp_path):
    path = tmp_path / "map.npz"
    save_codebook(Codebook(np.ones((8, 8, 3))), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a dasksom model"):
        load_codebook(path)


@pytest.mark.parametrize("name", ["out.zarr", "out.ome.zarr", "out.tif"])
def test_codebook_at__an_output_is_that_of_its_map(tmp_path, patch, name):
    Image.fromarray(patch).save(tmp_path / "photo.png")
    config = RunConfig.model_validate({"map": {"grid": [2, 3], "epochs": 3, "color_space": "oklab"}})
    quantize_image(str(tmp_path / "photo.png"), str(tmp_path / name), config, ProgressDisplay())
    som = BatchSOM(2, 3, epochs=3, color_space="oklab", refine=80, random_state=0).fit(patch)
    found = restore_map(BatchSOM(), codebook_at(tmp_path / name))
    assert np.array_equal(found.weights_, som.weights_)
    assert found.get_params()["color_space"] == "oklab"
    assert np.array_equal(found.predict(patch), som.predict(patch))


def test_codebook_at__a_palette_has_fixed_colors(tmp_path, patch):
    colors = np.array([[0, 0, 0], [200, 120, 40], [255, 255, 255]], np.uint8)
    write_palette(tmp_path / "palette.gpl", colors[np.newaxis])
    som = restore_map(BatchSOM(), codebook_at(tmp_path / "palette.gpl"))
    away = ((patch[:, :, np.newaxis].astype(int) - colors.astype(int)) ** 2).sum(axis=-1)
    assert np.array_equal(som.predict(patch), away.argmin(axis=-1))
    assert np.array_equal(som.quantize(patch), colors[away.argmin(axis=-1)])
