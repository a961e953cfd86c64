"""Statistics of each image: maps, labels and files next to those of images that NumPy has scaled one by one."""

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from dasksom import BatchSOM, Features, InputError, load
from dasksom.cluster import Workers
from dasksom.config import RunConfig
from dasksom.runs import image_run, run_state
from dasksom.runs.memory_plan import plan_run
from tests.cli.test_commands import run

BANDS = 4
GRID = {"rows": 3, "columns": 3, "random_state": 1}


def slides(dtype):
    """Return three images of one kind, whose bands are brighter by other factors in each."""
    draw = np.random.default_rng(5)
    shapes, gains = [(60, 70), (50, 40), (30, 30)], [[1, 30, 5, 200], [9, 3, 50, 20], [50, 2, 1, 90]]
    return [
        (draw.gamma(2, 1, (*shape, BANDS)) * gain + 3).astype(dtype) for shape, gain in zip(shapes, gains, strict=True)
    ]


def lazy(image):
    return da.from_array(image, chunks=(20, 30, -1), name=f"slide of {len(image)} rows")


def flat(image):
    return image.reshape(-1, BANDS).astype(np.float64)


def standardized(image):
    return ((flat(image) - flat(image).mean(axis=0)) / flat(image).std(axis=0)).astype(np.float32).reshape(image.shape)


def over_percentiles(image):
    shares = flat(image) / np.percentile(flat(image), 99, axis=0)
    shares /= shares.sum(axis=1, keepdims=True)
    held = shares.astype(np.float32).astype(np.float64)  # percentiles are those of features in float32
    scaled = shares / np.percentile(held, 99.9, axis=0)
    return scaled.astype(np.float32).reshape(image.shape)


CASES = {
    "standard": ({"scale": "standard"}, standardized),
    "row sum": ({"scale": "percentile:99.9", "row_sum": "percentile:99"}, over_percentiles),
}


def by_image(scale="none", row_sum="none", **options):
    return BatchSOM(**GRID, scale=scale, features=Features(row_sum=row_sum, statistics="image"), **options)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("warm_up", ["none", 3000])
def test_a_map__is_that_of_images_that_are_scaled_one_by_one(dtype, case, warm_up, tmp_path):
    settings, reference = CASES[case]
    first, second, new = slides(dtype)
    som = by_image(**settings, warm_up=warm_up, epochs=8).fit([lazy(first), lazy(second)])
    plain = BatchSOM(**GRID, warm_up=warm_up, epochs=8).fit([lazy(reference(first)), lazy(reference(second))])
    np.testing.assert_allclose(som.feature_weights_, plain.weights_, rtol=1e-5, atol=1e-5)
    som.save(tmp_path / "map.npz")
    other = load(tmp_path / "map.npz")
    for image in (first, second, new):
        labels = plain.predict(reference(image))
        assert np.mean(som.predict(image) != labels) < 1e-3
        np.testing.assert_array_equal(other.predict(lazy(image)), som.predict(image))
        quality = plain.evaluate(reference(image))
        assert other.evaluate(image).mean_squared_error == pytest.approx(quality.mean_squared_error, rel=1e-4)
    both = np.concatenate([som.predict(one).reshape(-1) for one in (first, second)])
    pixels = np.concatenate([flat(first), flat(second)])
    for unit in np.unique(both):  # units have the means of their pixels
        np.testing.assert_allclose(som.weights_.reshape(9, -1)[unit], pixels[both == unit].mean(axis=0), rtol=2e-2)


def test_one_image__has_the_map_of_pooled_statistics():
    image = lazy(slides("u2")[0])
    som, pooled = by_image("standard", epochs=3).fit(image), BatchSOM(**GRID, scale="standard", epochs=3).fit(image)
    np.testing.assert_array_equal(som.weights_, pooled.weights_)
    assert som.features_.center == pooled.features_.center
    other = lazy(slides("u2")[1])
    assert (som.predict(other) != pooled.predict(other)).mean().compute() > 0.5
    np.testing.assert_array_equal(som.predict(image), pooled.predict(image))


def test_more_epochs__measure_the_images_that_they_get():
    first, second, new = slides("f4")
    som = by_image("standard", epochs=3).fit([lazy(first), lazy(second)]).partial_fit(new)
    plain = BatchSOM(**GRID, epochs=3).fit([lazy(standardized(first)), lazy(standardized(second))])
    plain.partial_fit(standardized(new))
    np.testing.assert_allclose(som.feature_weights_, plain.weights_, rtol=1e-5, atol=1e-5)


def test_a_killed_training__resumes_with_the_statistics_of_each_image(tmp_path):
    images = [lazy(one) for one in slides("u2")[:2]]
    expected = by_image("minmax", epochs=4).fit(images)

    def killed(epoch, _):
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    som = by_image("minmax", epochs=4)
    with pytest.raises(KeyboardInterrupt):
        som.fit(images, checkpoint=tmp_path, on_epoch=killed)
    som.fit(images, checkpoint=tmp_path)
    np.testing.assert_array_equal(som.weights_, expected.weights_)
    np.testing.assert_array_equal(som.feature_weights_, expected.feature_weights_)


def test_an_image_without_data__has_no_statistics_and_no_labels():
    first, second, _ = slides("f4")
    empty = np.full_like(second, np.nan)
    som = by_image("standard", epochs=2).fit([lazy(first), lazy(empty)])
    np.testing.assert_array_equal(
        som.feature_weights_, by_image("standard", epochs=2).fit(lazy(first)).feature_weights_
    )
    assert (som.predict(empty) == -1).all()


def test_commands__train_apply_and_resume(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = slides("u2")
    for number, image in enumerate(images):
        tifffile.imwrite(f"{number}.tif", image, photometric="minisblack", planarconfig="contig", rowsperstrip=10)
    grid = ("--grid", "3x3", "--epochs", "3", "--seed", "1", "--statistics", "image")
    assert run("train", "0.tif", "1.tif", "map.npz", *grid, "--scale", "standard")[0] == 0
    plain = BatchSOM(**GRID, epochs=3).fit([lazy(standardized(one)) for one in images[:2]])
    expected = plain.predict(standardized(images[2])) + 1
    with monkeypatch.context() as patch:
        patch.setattr(run_state, "SMALL_RECORD_SECONDS", 0)
        patch.setattr(image_run, "quantize_into", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run("apply", "map.npz", "2.tif", "out.zarr")[0] == 130
    assert run("resume", "out.zarr")[0] == 0
    assert np.mean(zarr.open("out.zarr")["labels"][...] != expected) < 1e-3
    load("map.npz").write("2.tif", "python.zarr")
    np.testing.assert_array_equal(zarr.open("python.zarr")["labels"], zarr.open("out.zarr")["labels"])
    code, _, error = run("train", "0.tif", "other.npz", *grid)
    assert (code, "add one" in error) == (2, True)


def test_what_has_no_meaning__is_refused():
    image = slides("u1")[0][..., :3]
    with pytest.raises(InputError, match="statistics='image' use 'auto'"):
        by_image("standard", method="colors").fit(image)
    with pytest.raises(InputError, match="init='pca'"):
        by_image("standard", init=np.ones((3, 3, 3))).fit([lazy(image), lazy(image)])


@pytest.mark.parametrize(
    ("scale", "row_sum", "passes"), [("standard", "none", 1), ("minmax", "none", 1), ("minmax", "positive", 3)]
)
def test_the_plan__has_the_passes_that_measure_an_image(scale, row_sum, passes):
    image, begun = lazy(slides("u2")[0]), []
    som = by_image(scale, row_sum, epochs=2).fit(image)
    plan = plan_run(image, som, RunConfig(), Workers(1, 1, 0), trains=False, writes=True)
    som.labeling_of(image, progress=lambda done, total: begun.append(done == total))
    assert sum(begun) == plan.train_passes == passes
