import dask
import dask.array as da
import numpy as np
import pytest

from dasksom import BatchSOM, InputError
from dasksom.chunkwise import ThrottledKeeper
from dasksom.cluster import Workers
from dasksom.config import RunConfig
from dasksom.runs.memory_plan import plan_run
from dasksom.som.bmu import search
from dasksom.som.bmu.search import Search
from dasksom.som.lattice import Lattice
from dasksom.som.schedule import WarmUp
from dasksom.training import warm_up as drawing
from dasksom.training.streaming import Stream
from dasksom.training.warm_up import WarmUpStreams
from dasksom.training.warm_up_plan import plan_warm_up

SHAPE = (160, 210, 3)
CHUNKINGS = ((160, 210), (37, 50), (160, 11))


def scene(shape=SHAPE, dtype="f4"):
    """Draw clusters of unequal size, one of them rare and distant."""
    draw = np.random.default_rng(4)
    kinds = draw.random((12, shape[-1]))
    kinds[0] = 3
    share = np.r_[0.002, 0.998 * np.linspace(1, 4, 11) / 27.5]
    values = kinds[draw.choice(12, shape[:-1], p=share)] + draw.normal(0, 0.05, shape)
    return (values * (1 if dtype[0] == "f" else 10_000)).clip(0 if dtype[0] == "u" else -60_000, 60_000).astype(dtype)


def lazy(array, chunks):
    return da.from_array(array, chunks=(*chunks, *array.shape[2:]))


def passes_of(som, image, **options):
    """Fit a map; return the number of its passes over the image, and the codebooks of the epochs on the sample."""
    complete, books = [], []
    som.fit(
        image,
        progress=lambda done, total: complete.append(done == total),
        on_epoch=lambda epoch, codebook: books.append(codebook.tobytes()) if epoch.sampled else None,
        **options,
    )
    return sum(complete), books


@pytest.mark.parametrize(
    ("parameters", "passes"),
    [
        ({}, 4),
        ({"scale": "standard", "topology": "hexagonal"}, 4),
        ({"init": "sample", "metric": "manhattan", "toroidal": True}, 4),
        ({"scale": "standard", "init": "sample"}, 4),
        ({"scale": "minmax", "missing": "bands"}, 6),
        ({"warm_up": "none"}, 8),
    ],
)
def test_epochs_on_the_sample__are_the_same_for_any_chunks_and_save_passes(parameters, passes):
    image = scene()
    image[5:9, 7:30, 1] = np.nan
    parameters = {"epochs": 7, "warm_up": 4000, "cache": "none", "random_state": 3, **parameters}
    runs = []
    for chunks in CHUNKINGS:
        som, pixels = BatchSOM(3, 4, **parameters), lazy(image, chunks)
        runs.append((som, *passes_of(som, pixels)))
        plan = plan_run(pixels, som, RunConfig(), Workers(1, 1, 0), trains=True, writes=False)
        assert runs[-1][1] == plan.train_passes == passes
    sampled = 0 if parameters["warm_up"] == "none" else 5
    assert [epoch.sampled for epoch in runs[0][0].history_] == [True] * sampled + [False] * (7 - sampled)
    assert len(runs[0][2]) == sampled
    assert all(np.allclose(som.weights_, runs[0][0].weights_, rtol=1e-7) for som, *_ in runs)
    if parameters.get("init") == "sample" and "scale" not in parameters:  # no moments, whose sums are by chunk
        assert all(books == runs[0][2] for *_, books in runs)


@pytest.mark.parametrize("kind", ["mask", "weights", "several"])
def test_the_sample__is_the_same_for_any_chunks_with_masks_weights_and_several_images(kind):
    image, maps = scene(), []
    for chunks in CHUNKINGS:
        som = BatchSOM(3, 4, epochs=6, warm_up=4000, init="sample", random_state=0, cache="none")
        pixels, options = lazy(image, chunks), {}
        if kind == "mask":
            options["mask"] = image[..., 0] > 0.5
        elif kind == "weights":
            options["sample_weight"] = np.arange(image[..., 0].size).reshape(image.shape[:2]) % 3
        else:
            pixels = [pixels, lazy(image[:50] + 1, (20, 30))]
        maps.append((som, passes_of(som, pixels, **options)))
    assert maps[0][1][0] == (8 if kind == "several" else 4)
    assert all(found == maps[0][1] for _, found in maps)
    assert all(np.allclose(som.weights_, maps[0][0].weights_, rtol=1e-9) for som, _ in maps)


@pytest.mark.slow
def test_epochs_on_the_sample__are_the_same_on_a_cluster(client):
    image = lazy(scene(), (37, 50))
    on_cluster = passes_of(BatchSOM(3, 4, epochs=6, warm_up=4000, init="sample", random_state=0), image)
    with dask.config.set(scheduler="threads"):
        here = passes_of(BatchSOM(3, 4, epochs=6, warm_up=4000, init="sample", random_state=0), image)
    assert on_cluster == here


def test_warm_up__its_weights_estimate_sums_over_all_pixels():
    image, weights = scene((300, 400, 3)), np.arange(120_000.0).reshape(300, 400, 1) % 5
    stream = Stream(lazy(image, (90, 80)), da.from_array(weights, chunks=(90, 80, 1)))
    sample = WarmUpStreams((stream,), 6000, 1).warm_up()
    values, times = sample.image.compute(), sample.weights.compute()[:, 0]
    assert abs(len(values) - 6000) < 400
    assert times.sum() == pytest.approx(weights.sum(), rel=1e-6)
    assert times @ values == pytest.approx((weights * image).sum(axis=(0, 1)), rel=1e-3)
    rare, drawn = (image > 2.5).all(axis=-1), (values > 2.5).all(axis=-1)
    assert times[drawn].sum() == pytest.approx(weights[rare].sum(), rel=0.2)
    assert drawn.mean() > 3 * rare.mean()  # distant pixels are drawn more often


def test_warm_up__this_process_needs_no_gpu(monkeypatch):
    devices = []
    monkeypatch.setattr(search, "_array_module", devices.append)
    monkeypatch.setattr(search, "_LEAST_WORK", 0)
    stream = Stream(lazy(scene((40, 50, 3)), (40, 50)), search=Search(device="cuda"))
    lattice, codebook = Lattice(2, 2), np.arange(12.0).reshape(4, 3)
    sample = WarmUpStreams((stream,), 500, 1).warm_up()
    assert {*devices} == {"auto", "cuda"}  # workers assign pixels to strata
    devices.clear()
    sample.quality(codebook, lattice)
    assert {*devices} == {"auto"}
    stream.quality(codebook, lattice)
    assert {*devices} == {"auto", "cuda"}


def test_warm_up__uses_all_of_the_pixels_if_few_are_unmasked(monkeypatch):
    monkeypatch.setattr(drawing, "_PILOT", 1)
    mask = np.zeros((160, 210, 1), bool)
    mask[3, 4:9] = True
    stream = Stream(lazy(scene(), (37, 50)), da.from_array(mask, chunks=(37, 50, 1)))
    sample = WarmUpStreams((stream,), 1000, 0).warm_up()
    assert sorted(sample.image.compute()[:, 0]) == sorted(scene()[3, 4:9, 0])
    assert (sample.weights.compute() == 1).all()


@pytest.mark.parametrize("dtype", ["f4", "u2"])
def test_fit__is_as_good_as_exact_epochs_and_keeps_the_rare_class(dtype):
    image = scene((500, 600, 3), dtype)
    rare = image[(image > image.max() * 0.6).all(axis=-1)]
    exact, warm = (BatchSOM(5, 5, warm_up=size).fit(image) for size in ("none", 60_000))
    errors = [som.evaluate(image).mean_squared_error for som in (exact, warm)]
    assert errors[1] < 1.01 * errors[0]
    lost = [som.evaluate(rare).mean_squared_error for som in (exact, warm)]
    assert lost[1] < 1.05 * lost[0]
    assert warm.history_[-1].mean_squared_error == pytest.approx(exact.history_[-1].mean_squared_error, rel=0.02)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("parameters", [{}, {"scale": "standard", "refine": 4}])
def test_fit__resumes_wherever_it_was_killed(tmp_path, monkeypatch, parameters):
    monkeypatch.setattr(ThrottledKeeper, "is_due", True)
    image = lazy(scene(), (80, 210))
    options = {"epochs": 5, "warm_up": 4000, "random_state": 1, "cache": "none", **parameters}
    straight, calls = BatchSOM(3, 3, **options), []
    straight.fit(image, progress=lambda *_: calls.append(0), on_epoch=lambda *_: calls.append(0))
    for until in range(1, len(calls) + 1):
        left = [until]

        def kill(*_, left=left):
            left[0] -= 1
            if not left[0]:
                raise KilledError

        with pytest.raises(KilledError):
            BatchSOM(3, 3, **options).fit(image, progress=kill, on_epoch=kill, checkpoint=tmp_path / "kept")
        som = BatchSOM(3, 3, **options).fit(image, checkpoint=tmp_path / "kept")
        assert som.weights_.tobytes() == straight.weights_.tobytes(), until
        assert som.history_ == straight.history_


@pytest.mark.parametrize(
    ("shape", "dtype", "parameters", "samples"),
    [
        ((4096, 4096, 10), "f4", {}, 1 << 19),
        ((4096, 4096, 10), "f4", {"rows": 32, "columns": 32}, 2_048_000),
        ((8192, 8192, 34), "f4", {"rows": 40, "columns": 40}, (256 << 20) // (34 * 4 + 16)),
        ((8192, 8192, 34), "f4", {"rows": 50, "columns": 50}, 0),  # less than 1,000 samples per unit fit
        ((65_536, 65_536, 1), "f4", {"rows": 256, "columns": 256}, 0),
        ((1024, 1024, 4), "u2", {}, 0),  # small
        ((1024, 1024, 4), "u2", {"warm_up": 1000}, 1000),
        ((20, 20, 4), "u2", {"warm_up": 1000}, 0),
        ((4096, 4096, 10), "f4", {"warm_up": "none"}, 0),
        ((4096, 4096, 10), "f4", {"sample": 0.5}, 0),
    ],
)
def test_plan_warm_up__by_the_size_of_image_and_map(shape, dtype, parameters, samples):
    image, given = da.zeros(shape, dtype=dtype, chunks=-1), {**BatchSOM().get_params(), **parameters}
    found = plan_warm_up(given, [image], 20)
    assert (found.samples, found.epochs) == (samples, 18 if samples else 0)
    assert plan_warm_up(given, [image], 4) == WarmUp()


def test_planned_warm_up__is_none_for_colors_that_can_be_counted():
    image = da.zeros((8192, 8192, 4), dtype=np.uint8, chunks=2048)
    assert BatchSOM(10, 10).planned_warm_up(image).samples == 1 << 19
    assert BatchSOM(10, 10).planned_warm_up(image[..., :3]) == WarmUp()


def test_fit__of_counted_colors_and_partial_fit_are_exact(photograph):
    colors = BatchSOM(3, 3, epochs=8, warm_up=1000).fit(photograph)
    assert colors.weights_.tobytes() == BatchSOM(3, 3, epochs=8).fit(photograph).weights_.tobytes()
    image = scene()
    books = [BatchSOM(3, 3, epochs=8, warm_up=size).partial_fit(image).weights_ for size in (1000, "none")]
    assert books[0].tobytes() == books[1].tobytes()


@pytest.mark.parametrize("value", [0, -3, 1.5, True, "some", None])
def test_fit__refuses_what_is_no_size(value):
    with pytest.raises(InputError, match=r"'warm_up' parameter of BatchSOM must be \"auto\", \"none\" or a number"):
        BatchSOM(2, 2, warm_up=value).fit(scene())


def test_warm_up__refuses_what_would_not_fit(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_OF_MEMORY", 1e-9)
    monkeypatch.setattr(drawing, "MOST_BYTES", 0)
    with pytest.raises(InputError, match="use fewer"):
        WarmUpStreams((Stream(lazy(scene(), (80, 105))),), 5000).warm_up()
