import numpy as np
import pytest
import zarr
from PIL import Image

from dasksom.errors import InputError
from dasksom.image import open_result
from dasksom.show.colors import Palette
from dasksom.som.lattice import Lattice
from dasksom.view.band_views import opaque
from dasksom.view.layers import VIEW_TILE as TILE
from tests.view.conftest import quantize, scene_of


def tile(scene, name, step, row, column):
    found, whole = getattr(scene, name).tile(step, row, column, scene.background)
    assert whole
    return found


@pytest.mark.parametrize(("name", "levels"), [("hexagons.zarr", 1), ("levels.ome.zarr", 5), ("levels.tif", 5)])
def test_scene__shows_labels_and_original_pixel_by_pixel(folder, name, levels):
    photograph = np.asarray(Image.open(folder / "photo.png"))
    with scene_of(str(folder / name)) as scene, open_result(folder / name) as result:
        assert len(scene.labels.levels) == levels
        units = result.units_of(np.asarray(result.labels[0]))
        for step in (1, 2, 4):
            labels, original = tile(scene, "labels", step, 0, 1), tile(scene, "original", step, 0, 1)
            there = np.zeros((TILE, TILE), bool)
            part = units[::step, ::step][:TILE, TILE : 2 * TILE]
            there[: part.shape[0], : part.shape[1]] = True
            assert labels.dtype == np.uint8
            assert np.array_equal(labels[there], part.ravel() + 1)
            assert np.array_equal(
                original[there][:, :3], photograph[::step, ::step][:TILE, TILE : 2 * TILE].reshape(-1, 3)
            )
            assert (original[there][:, 3] == 255).all()
            assert not labels[~there].any()
            assert not original[~there].any()


def test_scene__tells_what_the_page_needs(folder):
    with scene_of(str(folder / "hexagons.zarr")) as scene:
        about = scene.about
        assert (about["height"], about["width"], about["tile"], about["steps"]) == (700, 1100, 256, 3)
        assert about["hexagonal"]
        assert about["places"] == Lattice(3, 4, "hexagonal").positions().round(6).tolist()
        assert about["colors"] == ["#" + bytes(color).hex() for color in scene.result.palette]
        assert about["original"] == str(folder / "photo.png")
        assert about["notes"] == []
        assert sum(about["shares"]) == pytest.approx(1)
        assert len(about["distances"]) == 12
        assert min(about["distances"]) > 0


def test_pixel__names_its_unit_and_what_it_was(folder):
    photograph = np.asarray(Image.open(folder / "photo.png"))
    with scene_of(str(folder / "hexagons.zarr")) as scene:
        numbers = np.asarray(scene.result.labels[0])
        for row, column in [(0, 0), (699, 1099), (123, 456)]:
            found = scene.pixel(row, column)
            unit = int(numbers[row, column]) - 1
            assert found["unit"]["unit"] == unit
            assert (found["unit"]["row"], found["unit"]["column"]) == divmod(unit, 4)
            assert found["unit"]["values"] == scene.result.palette[unit].tolist()
            assert found["unit"]["share"] == pytest.approx((numbers == unit + 1).mean())
            assert found["original"]["values"] == photograph[row, column].tolist()
            assert found["original"]["color"] == "#" + bytes(photograph[row, column]).hex()


def test_scene__stretches_other_types_by_percentiles_and_leaves_no_data_out(many_bands):
    with scene_of(many_bands) as scene:
        assert scene.about["shown"] == [0, 1, 2]
        assert scene.shades.low.min() > 1000
        assert scene.shades.high.max() < 10000  # not the outlier's 60000
        original, labels = tile(scene, "original", 1, 0, 0), tile(scene, "labels", 1, 0, 0)
        assert not original[:40, 50:].any()
        assert not labels[:40, 50:].any()
        assert (original[40:, :, 3] == 255).all()
        assert original[0, 0].tolist() == [255, 255, 255, 255]
        assert original[40:, :, 0].std() > 10  # there is something to see
        found = scene.pixel(0, 60)
        assert found["unit"] is None
        assert found["original"]["color"] is None
        assert len(scene.pixel(50, 60)["original"]["values"]) == 5


def test_scene__of_one_band_is_gray(tmp_path, photograph):
    Image.fromarray(photograph[..., 0]).save(tmp_path / "gray.png")
    with scene_of(quantize(tmp_path / "gray.png", tmp_path / "gray.zarr")) as scene:
        original = tile(scene, "original", 1, 0, 0)
        assert np.array_equal(original[..., 0], photograph[:TILE, :TILE, 0])
        assert np.array_equal(original[..., 1], original[..., 2])
        assert scene.about["shown"] == [0, 0, 0]


def test_scene__takes_the_levels_of_the_original(folder):
    output = quantize(folder / "levels.ome.zarr", folder / "again.zarr")
    pyramid = zarr.open_group(folder / "levels.ome.zarr", mode="r")
    with scene_of(output) as scene:
        assert [level.size for level in scene.original.levels] == [
            (700, 1100),
            (350, 550),
            (175, 275),
            (88, 138),
            (44, 69),
        ]
        shown = tile(scene, "original", 4, 0, 0)[:175, :256, :3]
        assert np.array_equal(shown, np.moveaxis(pyramid["2"][:], 0, -1)[:, :256])


def test_scene__without_its_original_says_so(folder, tmp_path, photograph):
    source = tmp_path / "gone.png"
    Image.fromarray(photograph).save(source)
    output = quantize(source, tmp_path / "out.zarr")
    Image.fromarray(photograph[:100]).save(source)
    with scene_of(output) as scene:
        assert scene.original is None
        assert "not of the size" in scene.about["notes"][0]
        assert "original" not in scene.pixel(3, 4)
    source.unlink()
    with scene_of(output) as scene:
        assert scene.about["original"] is None
        assert "cannot be read any more" in scene.about["notes"][0]
    with pytest.raises(InputError, match=r"1100 x 700 pixels.*600 x 400"), scene_of(output, str(folder / "photo.png")):
        pass
    with pytest.raises(InputError), scene_of(output, str(source)):
        pass


def test_opaque__has_no_color_where_there_is_no_data():
    shades = Palette((0, 0, 0), np.zeros(3), np.full(3, 10.0))
    pixels = np.array([[[0.0], [5.0], [np.nan], [30.0]]])
    assert opaque(shades, pixels, np.array([[True, True, True, False]])).tolist() == [
        [[0, 0, 0, 255], [128, 128, 128, 255], [0, 0, 0, 0], [0, 0, 0, 0]]
    ]
