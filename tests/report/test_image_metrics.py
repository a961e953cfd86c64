import dask.array as da
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dasksom.errors import InputError
from dasksom.report import image_metrics as comparison
from dasksom.report.image_metrics import compare, count_units
from dasksom.report.regions import TILES, covering, tiles


@pytest.fixture
def quantized(photograph):
    """A photograph, its numbers (unit + 1), and its palette of 27 colors."""
    levels = np.array([40, 120, 210], np.uint8)
    digits = np.abs(photograph[..., None].astype(int) - levels).argmin(axis=3)
    palette = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    return photograph, (digits @ [9, 3, 1] + 1).astype(np.uint8), palette


def rebuilder(palette):
    def rebuild(numbers):
        return palette[numbers.astype(int) - 1], numbers > 0

    return rebuild


def compared(original, numbers, palette, chunk=100, **how):
    return compare(
        da.from_array(original, chunks=(chunk, chunk, -1)),
        da.from_array(numbers, chunks=(2 * chunk, chunk)),
        rebuilder(palette),
        palette,
        **how,
    )


@pytest.mark.parametrize("side", [64, 1024])
def test_whole__is_what_scikit_image_gives_of_the_whole_image(monkeypatch, quantized, side):
    original, numbers, palette = quantized
    rebuilt = palette[numbers.astype(int) - 1]
    monkeypatch.setattr(comparison, "covering", lambda height, width: covering(height, width, side))
    found = compared(original, numbers, palette)
    assert found.all_pixels
    assert found.pixels == 240_000
    assert found.psnr == pytest.approx(peak_signal_noise_ratio(original, rebuilt), rel=1e-12)
    assert found.ssim == pytest.approx(structural_similarity(original, rebuilt, channel_axis=2), rel=1e-9)
    away = deltaE_ciede2000(rgb2lab(original), rgb2lab(rebuilt))
    assert found.ciede2000 == pytest.approx(away.mean(), rel=1e-9)
    assert found.ciede2000_95 == pytest.approx(np.quantile(away, 0.95), abs=0.1)
    assert found.psnr_spread == found.ssim_spread == found.ciede2000_spread == 0


def test_tiles__estimate_the_whole(monkeypatch, quantized):
    original, numbers, palette = quantized
    monkeypatch.setattr(comparison, "tiles", lambda height, width, seed: tiles(height, width, side=48, seed=seed))
    whole, some = (compared(original, numbers, palette, all_pixels=choice) for choice in (True, False))
    assert not some.all_pixels
    assert some.pixels == TILES * 48**2
    for name in ("psnr", "ssim", "ciede2000"):
        spread = getattr(some, f"{name}_spread")
        assert 0 < abs(getattr(some, name) - getattr(whole, name)) < 4 * spread
    assert compared(original, numbers, palette, all_pixels=False) == some
    assert compared(original, numbers, palette, all_pixels=False, seed=1) != some


def test_pixels_without_data__do_not_count(quantized):
    original, numbers, palette = quantized
    numbers = numbers.copy()
    numbers[:100], numbers[150, 200] = 0, 0
    floats = original / np.float32(255)
    floats[300] = np.nan
    found = compared(floats, numbers, (palette / 255).astype(np.float32))
    counts = (numbers > 0) & np.isfinite(floats).all(axis=2)
    rebuilt = palette[np.maximum(numbers.astype(int), 1) - 1] / 255
    assert found.pixels == counts.sum() == 300 * 600 - 601
    error = ((floats - rebuilt)[counts] ** 2).mean()
    assert found.mean_squared_error == pytest.approx(error, rel=1e-6)
    away = deltaE_ciede2000(rgb2lab(floats[counts]), rgb2lab(rebuilt[counts]))
    assert found.ciede2000 == pytest.approx(away.mean(), rel=1e-4)
    _, similar = structural_similarity(
        np.nan_to_num(floats), np.nan_to_num(rebuilt), channel_axis=2, data_range=found.peak, full=True
    )
    full = np.lib.stride_tricks.sliding_window_view(counts, (7, 7)).all(axis=(2, 3))
    assert found.ssim == pytest.approx(similar[3:-3, 3:-3][full].mean(), rel=1e-5)


def test_other_bands__have_no_color_difference(quantized):
    original, numbers, palette = quantized
    four = np.concatenate([original, original[..., :1]], axis=2).astype(np.uint16) * 16
    found = compared(four, numbers, np.column_stack([palette, palette[:, 0]]).astype(np.uint16) * 16)
    assert found.ciede2000 is None
    assert found.ciede2000_95 is None
    assert found.peak == (210 - 40) * 16
    assert 0 < found.ssim < 1


def test_identical__has_no_error(quantized):
    _, numbers, palette = quantized
    found = compared(palette[numbers.astype(int) - 1], numbers, palette)
    assert (found.psnr, found.ssim, found.ciede2000) == (np.inf, pytest.approx(1), 0)


def test_smaller_than_a_window__has_no_ssim(quantized):
    original, numbers, palette = quantized
    assert compared(original[:5, :5], numbers[:5, :5], palette).ssim is None


def test_refuses__another_image(quantized):
    original, numbers, palette = quantized
    with pytest.raises(InputError, match="--original"):
        compared(original[1:], numbers, palette)


def test_no_data_at_all__is_no_comparison(quantized):
    original, numbers, palette = quantized
    assert compared(original, numbers * 0, palette) is None


def test_count__is_of_every_pixel(quantized):
    _, numbers, palette = quantized
    numbers = numbers.copy()
    numbers[:7] = 0
    lazy = da.from_array(numbers, chunks=(33, 50))  # more chunks than are planned together
    found = count_units(lazy, lambda stored: stored.astype(np.int64) - 1, len(palette))
    assert np.array_equal(found, np.bincount(numbers.ravel(), minlength=28)[1:])
