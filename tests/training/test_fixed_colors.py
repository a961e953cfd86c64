import dask.array as da
import numpy as np
import pytest
from scipy.spatial.distance import cdist

import dasksom
from dasksom import BatchSOM, InputError
from dasksom.config.feature_parameters import Features
from dasksom.som.color_spaces import to_space
from dasksom.training.parameter_checks import fixed_colors

KEPT = [[255, 0, 0], [0, 0, 0], [255, 255, 255]]
WAYS = {
    "several starts": {"refine": 20},
    "refinement": {"refine": 40, "method": "stream"},
    "oklab": {"refine": 30, "color_space": "oklab"},
    "counted, no refinement": {"epochs": 30, "sigma": (2, 0), "decay": "linear", "empty_units": "reseed"},
    "scaled": {"epochs": 30, "sigma": (2, 0), "decay": "linear", "scale": "standard"},
    "sample": {"refine": 20, "sample": 0.5},
}


def best_of_lloyd(pixels, fixed, moving, starts=4):
    """Return the least mean squared error of k-means with fixed centers, in plain NumPy."""
    errors = []
    for seed in range(starts):
        centers = np.concatenate([fixed, np.random.default_rng(seed).choice(pixels, moving, replace=False)])
        for _ in range(30):
            best = cdist(pixels, centers, "sqeuclidean").argmin(axis=1)
            for unit in range(len(fixed), len(centers)):
                if (best == unit).any():
                    centers[unit] = pixels[best == unit].mean(axis=0)
        errors.append(cdist(pixels, centers, "sqeuclidean").min(axis=1).mean())
    return min(errors)


@pytest.mark.parametrize("way", WAYS)
def test_fit__holds_colors_and_the_other_units_are_means_of_their_pixels(patch, way):
    som = BatchSOM(3, 3, keep=["#ff0000, 0/0/0", (255, 255, 255)], random_state=0, **WAYS[way]).fit(patch)
    units = som.weights_.reshape(-1, 3)
    held = np.array([(units == color).all(axis=1) for color in KEPT])
    assert held.any(axis=1).all()
    if way in ("sample", "scaled"):
        return
    space = WAYS[way].get("color_space", "rgb")
    pixels, codebook = (to_space(values, space, 255.0) for values in (patch.reshape(-1, 3), units))
    best = som.predict(patch).ravel()
    for unit in set(best.tolist()) - set(held.argmax(axis=1).tolist()):
        assert codebook[unit] == pytest.approx(pixels[best == unit].mean(axis=0), rel=0.02, abs=0.01)
    error = cdist(pixels, codebook, "sqeuclidean").min(axis=1).mean()
    limit = 1.001 if som.refine_ else 1.5  # without a refinement units end in a local minimum
    assert error <= limit * best_of_lloyd(pixels.astype(float), to_space(np.array(KEPT), space, 255.0), 6)


def test_fit__colors_are_held_in_every_epoch_and_each_unit_has_one(patch):
    seen = []
    kept = np.array(KEPT, float)
    BatchSOM(2, 2, keep=kept, epochs=3, method="stream").fit(patch, on_epoch=lambda _, units: seen.append(units.copy()))
    assert all((units[:, None] == kept).all(axis=2).any(axis=0).all() for units in seen)
    same = BatchSOM(2, 2, keep=[*KEPT, (9, 9, 9)], refine=12).fit(patch)  # none is left to move
    assert sorted(map(tuple, same.weights_.reshape(-1, 3))) == sorted(map(tuple, [*KEPT, (9, 9, 9)]))


@pytest.mark.parametrize("way", [{}, {"method": "stream"}])
def test_fit__a_killed_training_continues_to_the_same_bits(patch, tmp_path, way):
    image, records = da.from_array(patch, chunks=(30, 30, 3)), tmp_path / "records"
    som = BatchSOM(3, 3, keep=KEPT, refine=14, epochs=4, random_state=1, **way)

    def stop(epoch, _):
        if epoch.epoch == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        som.fit(image, checkpoint=records, on_epoch=stop)
    with pytest.raises(InputError, match="checkpoints of another training"):
        BatchSOM(**{**som.get_params(), "keep": KEPT[:2]}).fit(image, checkpoint=records)
    resumed = som.fit(image, checkpoint=records).weights_
    assert np.array_equal(resumed, BatchSOM(**som.get_params()).fit(image).weights_)


def test_save__continues_with_the_same_colors(patch, tmp_path):
    som = BatchSOM(3, 3, keep="#ff0000", epochs=3, warm_start=True).fit(patch)
    som.save(tmp_path / "map.npz")
    loaded = dasksom.load(tmp_path / "map.npz")
    assert loaded.keep == ["#ff0000"]
    continued = [one.set_params(epochs=6).fit(patch).weights_ for one in (som, loaded)]
    assert (continued[0].reshape(-1, 3) == [255, 0, 0]).all(axis=1).any()
    assert np.array_equal(*continued)


@pytest.mark.parametrize(
    ("values", "dtype", "bands", "message"),
    [
        (["300/0/0"], "u1", 3, "300/0/0 is not a color of uint8"),
        ([(0.5, 0, 0)], "u2", 3, "0.5/0/0 is not a color of uint16"),
        (["#ff0000"], "u2", 3, "a color of 8 bits, and the image has 3 bands of uint16"),
        (["#ff0000"], "u1", 1, "give one number per band, such as 0"),
        (["#ff000080"], "u1", 3, "has 4 numbers; one for each of the 3 bands"),
        (["1/2"], "f4", 5, "has 2 numbers; one for each of the 5 bands"),
    ],
)
def test_fixed_colors__refuses_what_an_image_cannot_have(values, dtype, bands, message):
    with pytest.raises(InputError, match=message):
        fixed_colors(values, np.dtype(dtype), bands)


def test_fit__refuses_colors(patch):
    with pytest.raises(InputError, match=r"'keep' parameter of BatchSOM must be a list of colors: #RRGGBB"):
        BatchSOM(2, 2, keep="red").fit(patch)
    with pytest.raises(InputError, match="keep: 3 colors, and the map has 2 units"):
        BatchSOM(1, 2, keep=KEPT).fit(patch)
    with pytest.raises(InputError, match="keep: 0/0/0 has no value of a feature"):
        BatchSOM(2, 2, keep=KEPT, features=Features(transform="log1p", row_sum="raw")).fit(patch)
    assert fixed_colors("#01020304,#010203", np.dtype("u1"), 4).tolist() == [[1, 2, 3, 4], [1, 2, 3, 255]]
