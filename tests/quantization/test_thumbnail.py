import dask.array as da
import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.quantization.thumbnail import Overview
from dasksom.quantization.write_pass import quantize_into


class Discard:
    """A writer that stores nothing."""

    keeps_chunks = False

    def encode(self, labels, corner):
        return None

    def collect(self, encoded, *_):
        for _ in encoded:
            pass


@pytest.mark.parametrize("chunks", [(7, 11), (48, 60), (48, 1), (13, 60)])
@pytest.mark.parametrize("side", [5, 20, 60, 1000])
def test_overview__is_every_nth_pixel_however_it_was_chunked(patch, chunks, side):
    som = BatchSOM(2, 3, epochs=2).fit(patch)
    overview = Overview(48, 60, 3, patch.dtype, side)
    image = da.from_array(patch, chunks=(*chunks, 3))
    quantize_into(image, som.labeling_for(image.dtype), Discard(), observer=overview)
    step = overview.extract.step
    assert max(overview.labels.shape) <= side
    assert np.array_equal(overview.pixels, patch[::step, ::step])
    assert np.array_equal(overview.labels, som.predict(patch)[::step, ::step])
