"""Training on the counted values of images of one band of 16 bits."""

import dask.array as da
import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.config.feature_parameters import Features
from dasksom.errors import InputError
from dasksom.training.color_histogram import count_images


@pytest.fixture(params=["u2", "i2"])
def elevations(request):
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:300, :400]
    heights = 900 * np.sin(rows / 40) * np.cos(columns / 60) + draw.normal(0, 30, (300, 400))
    return (heights + (20_000 if request.param == "u2" else -200)).astype(request.param)[..., None]


def nearest(values, som):
    return ((values.astype(float) - som.weights_.reshape(-1)) ** 2).argmin(axis=-1)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"metric": "manhattan"},
        {"scale": "standard"},
        {"scale": "percentile"},
        {"features": Features(transform="log1p")},
        {"topology": "hexagonal", "toroidal": True, "init": "random", "random_state": 0},
    ],
    ids=str,
)
def test_fit__counted_values_give_the_map_of_all_pixels(elevations, given):
    som = BatchSOM(4, 5, epochs=8, sigma=(2, 0.3), method="colors", **given).fit(elevations)
    other = BatchSOM(4, 5, epochs=8, sigma=(2, 0.3), method="stream", **given).fit(elevations)
    assert np.allclose(som.weights_, other.weights_, rtol=1e-6)
    assert [epoch.sampled for epoch in som.history_] == [False] * 8
    assert np.array_equal(som.predict(elevations), other.predict(elevations))
    if not given:
        labels = som.predict(elevations)
        assert np.array_equal(labels, nearest(elevations, som))
        assert som.quality_.hits.tolist() == np.bincount(labels.reshape(-1), minlength=20).tolist()


@pytest.mark.parametrize("refine", [0, 10])
def test_fit__same_bits_for_any_chunks_masks_and_images(elevations, refine):
    mask = elevations[..., 0] % 5 != 0
    start = BatchSOM(6, 6, epochs=5, refine=refine, random_state=3)
    maps = [
        start.fit(da.from_array(elevations, chunks=chunks), mask=da.from_array(mask, chunks=chunks[:2])).weights_
        for chunks in [(300, 400, 1), (64, 90, 1), ((1, 200, 99), (400,), (1,))]
    ]
    halves = slice(0, 100), slice(100, 300)
    images, masks = ([da.from_array(whole[half]) for half in halves] for whole in (elevations, mask))
    maps.append(start.fit(images, mask=masks).weights_)
    maps.append(start.fit(elevations[mask]).weights_)
    assert all(np.array_equal(one, maps[0]) for one in maps)
    labels = start.predict(elevations, mask=mask)
    assert np.array_equal(labels[mask], nearest(elevations, start)[mask])
    assert (labels[~mask] == -1).all()


def test_fit__keeps_the_order_of_maps_by_default(elevations):
    assert BatchSOM(3, 3).fit(elevations).history_[-1].sigma == 0.5
    assert BatchSOM(3, 3).fit((elevations // 256).astype(np.uint8)).history_[-1].sigma == 0.1


def test_fit__sample_weights_are_streamed(elevations):
    weights = np.random.default_rng(0).random((300, 400))
    som = BatchSOM(3, 3, epochs=4).fit(elevations, sample_weight=weights)
    assert not som.counts_colors(da.from_array(elevations), da.from_array(weights[..., None]))
    with pytest.raises(InputError, match="uint16 and int16 images with one band, without sample weights"):
        BatchSOM(3, 3, method="colors").fit(elevations, sample_weight=weights)


def test_partial_fit__is_an_epoch_on_the_counted_values(elevations):
    steps = [BatchSOM(3, 4, sigma=(1, 1), method=method, random_state=0) for method in ("colors", "stream")]
    for som in steps:
        som.partial_fit(elevations).partial_fit(elevations)
    assert np.allclose(steps[0].weights_, steps[1].weights_, rtol=1e-9)


def test_count_images__are_resumed_from_a_record(elevations):
    class Records(dict):
        save, load = dict.__setitem__, dict.get

        def delete(self, name):
            self.pop(name, None)

    records = Records()
    image = da.from_array(elevations, chunks=(100, 100, 1))
    table = count_images([(image, None)], keeper=records)
    unread = da.map_blocks(lambda block: 1 / 0, image, dtype=image.dtype, meta=image._meta)
    again = count_images([(unread, None)], keeper=records)
    assert np.array_equal(again.colors(), table.colors())
    assert np.array_equal(again.counts, table.counts)
