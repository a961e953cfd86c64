"""One codebook for several images."""

import dask.array as da
import numpy as np
import pytest

from dasksom import BatchSOM, InputError

CUT = 150


@pytest.mark.parametrize("dtype", ["u1", "f4"])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_several_images__give_the_map_of_all_their_pixels(photograph, dtype, init):
    image = photograph.astype(dtype)
    parts = [da.from_array(part, chunks=(64, 200, 3)) for part in (image[:CUT], image[CUT:])]
    one, several = (
        BatchSOM(4, 4, epochs=6, init=init, precision="float64", random_state=1).fit(X)
        for X in (da.from_array(image, chunks=(64, 200, 3)), parts)
    )
    assert np.allclose(one.weights_, several.weights_, rtol=1e-9)
    if dtype == "u1":
        assert one.weights_.tobytes() == several.weights_.tobytes()
        assert several.quality_.hits.sum() == 400 * 600
    assert several.score(parts) == pytest.approx(one.score(image), rel=1e-9)


@pytest.mark.parametrize("options", [{"init": "sample"}, {"color_space": "lab"}, {"sample": 0.1}, {"metric": "cosine"}])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_several_images__with_every_way_to_start_and_compare(photograph, dtype, options):
    image = photograph.astype(dtype) / (1 if dtype == "u1" else np.float32(255))
    parts = [da.from_array(part) for part in (image[:CUT], image[CUT:])]
    maps = [BatchSOM(3, 3, epochs=4, random_state=2, **options).fit(parts).weights_ for _ in range(2)]
    assert np.array_equal(*maps)
    assert np.isfinite(maps[0]).all()


def test_several_images__each_with_its_mask(patch):
    float_patch = patch.astype(np.float32)
    masks = [np.arange(20)[:, None] + np.zeros((20, 60), int) < 7, None]
    parts = [da.from_array(float_patch[:20]), da.from_array(float_patch[20:])]
    several = BatchSOM(2, 2, epochs=4, precision="float64").fit(parts, mask=masks)
    rest = np.concatenate([float_patch[:7].reshape(-1, 3), float_patch[20:].reshape(-1, 3)])
    assert np.allclose(several.weights_, BatchSOM(2, 2, epochs=4, precision="float64").fit(rest).weights_)
    nothing = [np.zeros((20, 60), bool), None]
    alone = BatchSOM(2, 2, epochs=4).fit(parts[1]).weights_
    assert np.allclose(BatchSOM(2, 2, epochs=4).fit(parts, mask=nothing).weights_, alone)
    for kind in (np.float32, np.uint8):
        with pytest.raises(InputError, match="no sample"):
            BatchSOM(2, 2).fit(
                [part.astype(kind) for part in parts], mask=[np.zeros(part.shape[:2], bool) for part in parts]
            )


def test_several_images__of_different_types_or_bands_are_refused(patch):
    one = da.from_array(patch)
    with pytest.raises(InputError, match="float32 and uint8"):
        BatchSOM(2, 2).fit([one, one.astype("f4")])
    with pytest.raises(InputError, match="2 features"):
        BatchSOM(2, 2).fit([one, one[..., :2]])
