"""Virtual datasets with masks, scaling and resampling, next to NumPy and to rasterio's own reading."""

import pickle

import numpy as np
import pytest
import rasterio
import tifffile

from dasksom.errors import InputError
from dasksom.image import fingerprint, images_in, open_picture, open_pixels

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
SOURCE = """<{kind} {attributes}><SourceFilename relativeToVRT="1">{file}</SourceFilename>
<SourceBand>{band}</SourceBand>{more}<SrcRect xOff="0" yOff="0" xSize="300" ySize="200"/>
<DstRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/></{kind}>"""


def source(file="a.tif", kind="ComplexSource", band=1, more="", width=300, height=200, attributes=""):
    return SOURCE.format(**locals())


def write(folder, parts, mask="", size=(200, 300), dtype="UInt16"):
    band = f'<VRTRasterBand dataType="{dtype}" band="1">{parts}</VRTRasterBand>'
    mask = f'<MaskBand><VRTRasterBand dataType="Byte">{mask}</VRTRasterBand></MaskBand>' if mask else ""
    path = folder / "a.vrt"
    path.write_text(f'<VRTDataset rasterXSize="{size[1]}" rasterYSize="{size[0]}">{band}{mask}</VRTDataset>')
    return path


@pytest.fixture
def pixels(tmp_path, random):
    pixels = random.integers(1, 9000, (200, 300), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(16, 16))
    tifffile.imwrite(tmp_path / "m.tif", ((pixels > 4000) * 255).astype(np.uint8))
    return pixels


CASES = {
    "scaled": (
        {"parts": source(more="<ScaleOffset>3</ScaleOffset><ScaleRatio>2</ScaleRatio>")},
        lambda pixels: 2 * pixels + 3,
    ),
    "repeated": (
        {"parts": source(kind="SimpleSource", width=600, height=400), "size": (400, 600)},
        lambda pixels: np.kron(pixels, np.ones((2, 2), np.uint16)),
    ),
    "averaged": (
        {"parts": source(kind="SimpleSource", width=150, height=100, attributes='resampling="average"'),
         "size": (100, 150), "dtype": "Float32"},
        lambda pixels: pixels.reshape(100, 2, 150, 2).mean(axis=(1, 3)),
    ),
    "masked": ({"parts": source(kind="SimpleSource"), "mask": source("m.tif")}, lambda pixels: pixels),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_pixels_are_those_of_numpy_and_gdal(tmp_path, pixels, case):
    settings, reference = CASES[case]
    path = write(tmp_path, **settings)
    picture = open_picture(path, chunk_bytes=1000)
    assert picture.pixels.npartitions > 1
    found = picture.pixels[..., 0].compute(scheduler="threads", num_workers=3)
    np.testing.assert_allclose(found, reference(pixels), atol=0.51 if case == "averaged" else 0)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(found, file.read(1))
        valid = file.dataset_mask() > 0
    np.testing.assert_array_equal(np.ones_like(valid) if picture.mask is None else picture.mask, valid)
    assert (picture.mask is not None) == (case == "masked")
    copy = pickle.loads(pickle.dumps(open_pixels(path)))
    np.testing.assert_array_equal(copy[3:18, 5:29, 0:1][..., 0], found[3:18, 5:29])
    before = fingerprint(picture)
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(32, 32))
    assert fingerprint(picture) != before
    assert images_in(tmp_path) == [str(tmp_path / name) for name in ("a.vrt", *(["m.tif"] * (case != "masked")))]


def _inside(folder):
    (folder / "b").mkdir()
    return folder / "b"


@pytest.mark.parametrize(
    ("file", "make", "message"),
    [
        ("../a.tif", _inside, "outside of its own folder"),
        ("gone.tif", None, "gone.tif is not a file"),
        ("/vsicurl/http://host/a.tif", None, "is no file on a disk"),
        ("wms.tif", lambda folder: (folder / "wms.tif").write_text("<GDAL_WMS></GDAL_WMS>"), "is not a TIFF, PNG"),
        ("b.vrt", lambda folder: (folder / "b.vrt").write_text("<VRTDataset/>"), "is not a TIFF, PNG"),
        ("a.tif", lambda folder: (folder / "a.tif.msk").write_text("<GDAL_WMS/>"), r"a.tif.msk is not a TIFF"),
        ("a.tif", lambda folder: (folder / "a.tif").write_bytes(b"II*\0" + bytes(99)), "cannot be"),
    ],
)
def test_files_that_name_others__are_refused_before_gdal_opens_them(tmp_path, pixels, file, make, message):
    made = make(tmp_path) if make is not None else None
    folder = made if made is not None and not isinstance(made, int) else tmp_path
    path = write(folder, source(file, more="<ScaleRatio>2</ScaleRatio>"))
    with pytest.raises(InputError, match=message):
        open_picture(path).pixels.compute()
