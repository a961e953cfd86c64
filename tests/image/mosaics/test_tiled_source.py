"""Folders of tiles, and GDAL's virtual mosaics, of which rasterio is the judge."""

import pickle

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio.transform import from_origin

from dasksom import InputError, open_image, open_picture
from dasksom.image import open_pixels

ROWS, COLUMNS = [0, 40, 80, 101], [0, 30, 60, 90, 97]


@pytest.fixture
def pixels(random):
    return random.integers(0, 256, (101, 97, 3), np.uint8)


def _tiles(folder, pixels, name):
    folder.mkdir(exist_ok=True)
    for i in range(3):
        for j in range(4):
            part = pixels[ROWS[i] : ROWS[i + 1], COLUMNS[j] : COLUMNS[j + 1]]
            path = folder / name.format(i=i, j=j, y=ROWS[i], x=COLUMNS[j])
            if path.suffix == ".tif":
                tifffile.imwrite(path, part, photometric="rgb")
            else:
                Image.fromarray(part).save(path)
    return folder


@pytest.mark.parametrize(
    "name",
    ["{i}_{j}.png", "tile_r{i:03}_c{j:03}.tif", "x{j}_y{i}.png", "scan 7 col-{j} row-{i}.png", "a{j}x{i}y.tif"],
)
def test_folder__by_the_numbers_in_the_names(tmp_path, pixels, name):
    if name.startswith("a"):
        name = "a_x{j}_y{i}_z5.tif"
    folder = _tiles(tmp_path / "tiles", pixels, name)
    (folder / "notes.txt").write_text("no tile")
    (folder / ".hidden.png").write_text("no tile")
    image = open_image(folder, chunk_bytes=50 * 50 * 3)
    assert image.npartitions > 3
    assert np.array_equal(image.compute(), pixels)
    source = open_pixels(folder)
    assert len(pickle.dumps(source)) < 1000
    assert np.array_equal(pickle.loads(pickle.dumps(source))[33:85, 20:95, 1:3], pixels[33:85, 20:95, 1:3])


def test_folder__one_row_and_offsets(tmp_path, pixels):
    folder = tmp_path / "strip"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(pixels[i * 50 : i * 50 + 50]).save(folder / f"y{i * 50}.png")
    assert np.array_equal(open_image(folder).compute(), pixels[:100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("gone", "the tile of row 1 and column 2 is missing .11 of 3 x 4 are there"),
        ("row", "rows of its tiles are 0, 1, 3: some are missing in between"),
        ("size", r"r1_c2\.png: has 9 x 9 pixels of 3 bands, but its row and column of tiles have 40 x 30"),
        (
            "type",
            r"r1_c2\.png: has 40 x 30 pixels of 1 bands",
        ),
        ("damaged", r"r1_c2\.png: is not a PNG"),
        ("twice", "have the same row and column"),
        ("none", r"no Zarr metadata in this directory, and no tiles either; found no images"),
        ("photos", "0 numbers differ|no tiles either"),
    ],
)
def test_folder__refused(tmp_path, pixels, change, message):
    folder = _tiles(tmp_path / "tiles", pixels, "r{i}_c{j}.png")
    one = folder / "r1_c2.png"
    if change == "gone":
        one.unlink()
    elif change == "row":
        for j in range(4):
            (folder / f"r2_c{j}.png").rename(folder / f"r3_c{j}.png")
    elif change == "size":
        Image.fromarray(pixels[:9, :9]).save(one)
    elif change == "type":
        Image.fromarray(pixels[40:80, 60:90, 0].astype(np.uint16)).save(one)
    elif change == "damaged":
        one.write_bytes(b"rubbish")
    elif change == "twice":
        one.rename(folder / "r01_c3.png")
    else:
        for path in folder.iterdir():
            path.unlink()
        if change == "photos":
            for name in ("cat", "dog"):
                Image.fromarray(pixels).save(folder / f"{name}.png")
    with pytest.raises(InputError, match=message):
        open_image(folder)


def test_folder__changed_in_between_is_another_image(tmp_path, pixels):
    folder = _tiles(tmp_path / "tiles", pixels, "r{i}_c{j}.png")
    first = open_image(folder)
    assert open_image(folder).name == first.name
    Image.fromarray(255 - pixels[40:80, 60:90]).save(folder / "r1_c2.png")
    assert open_image(folder).name != first.name


def _vrt(path, sources, size, bands=3, nodata=None, kind="SimpleSource", extra=""):
    told = "" if nodata is None else f"<NoDataValue>{nodata}</NoDataValue>"
    parts = [
        f'<VRTDataset rasterXSize="{size[1]}" rasterYSize="{size[0]}"><SRS>EPSG:32633</SRS>'
        "<GeoTransform>500000, 10, 0, 5100000, 0, -10</GeoTransform>"
    ]
    for band in range(1, bands + 1):
        parts.append(f'<VRTRasterBand dataType="Byte" band="{band}">{told}')
        for name, (top, left), (y, x), (height, width) in sources:
            parts.append(
                f'<{kind}><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>{band}</SourceBand>'
                f'<SrcRect xOff="{left}" yOff="{top}" xSize="{width}" ySize="{height}"/>'
                f'<DstRect xOff="{x}" yOff="{y}" xSize="{width}" ySize="{height}"/>{extra}</{kind}>'
            )
        parts.append("</VRTRasterBand>")
    path.write_text("".join(parts) + "</VRTDataset>")
    return path


def _geotiff(path, pixels, **options):
    profile = {"driver": "GTiff", "height": pixels.shape[0], "width": pixels.shape[1], "count": 3, "dtype": "uint8"}
    profile |= {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_100_000, 10, 10)}
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("nodata", [None, 9])
def test_vrt__as_gdal_reads_it(tmp_path, pixels, nodata):
    pixels[70:80, 40:60] = 9
    (tmp_path / "parts").mkdir()
    _geotiff(tmp_path / "parts/a.tif", pixels[:60])
    _geotiff(tmp_path / "parts/b.tif", pixels[50:], tiled=True, blockxsize=16, blockysize=16)
    sources = [
        ("parts/a.tif", (0, 0), (0, 0), (60, 97)),
        ("parts/b.tif", (3, 5), (53, 7), (45, 80)),  # laid over some of the first, with a gap to the right
    ]
    kind, extra = ("SimpleSource", "") if nodata is None else ("ComplexSource", f"<NODATA>{nodata}</NODATA>")
    path = _vrt(tmp_path / "a.vrt", sources, (98, 97), nodata=nodata, kind=kind, extra=extra)
    if nodata is None:
        with pytest.raises(InputError, match="its tiles leave gaps, and it has no no-data value; say --fill-missing"):
            open_image(path)
    found = open_picture(path, fill_missing=nodata is None, chunk_bytes=50 * 50 * 3)
    with rasterio.open(path) as file:
        assert np.array_equal(found.pixels.compute(), file.read().transpose(1, 2, 0))
        if nodata is not None:
            assert np.array_equal(found.mask.compute(), file.dataset_mask() > 0)
        tifffile.imwrite(
            tmp_path / "b.tif", found.pixels.compute(), photometric="rgb", extratags=found.geo_tags, metadata=None
        )
        with rasterio.open(tmp_path / "b.tif") as again:
            assert (again.crs, again.transform) == (file.crs, file.transform)


def test_vrt__bands_of_different_files(tmp_path, pixels):
    for band in range(3):
        Image.fromarray(pixels[..., band]).save(tmp_path / f"band{band + 1}.png")
    parts = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="1">band{band}.png'
        '</SourceFilename><SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="97" ySize="101"/>'
        '<DstRect xOff="0" yOff="0" xSize="97" ySize="101"/></SimpleSource></VRTRasterBand>'
        for band in (1, 2, 3)
    )
    (tmp_path / "a.vrt").write_text(f'<VRTDataset rasterXSize="97" rasterYSize="101">{parts}</VRTDataset>')
    assert np.array_equal(open_image(tmp_path / "a.vrt").compute(), pixels)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<SimpleSource>", '<SimpleSource resampling="cubic">', "changes pixels; make a file of it first"),
        ("</SimpleSource>", "<ScaleRatio>2</ScaleRatio></SimpleSource>", "ScaleRatio changes pixels"),
        (
            "<VRTDataset ",
            '<VRTDataset subClass="VRTWarpedDataset" ',
            "VRTWarpedDataset is more than files side by side",
        ),
        (
            "<VRTRasterBand ",
            '<VRTRasterBand subClass="VRTDerivedRasterBand" ',
            "bands of subClass VRTDerivedRasterBand",
        ),
        ('ySize="101"/></Simp', 'ySize="50"/></Simp', "is resampled"),
        ('xSize="97" ySize="101"/><Dst', 'xSize="9.5" ySize="101"/><Dst', "is no whole number of pixels"),
        ("a.png<", "/vsicurl/http://host/a.png<", "is no file on a disk"),
        ("a.png<", "gone.png<", r"gone\.png: cannot be opened: No such file"),
        ("Byte", "UInt16", r"has 3 bands of uint8, but 1 of uint16 are needed"),
        ("Byte", "CFloat32", "bands of CFloat32"),
        ("<SourceBand>1", "<SourceBand>4", r"has 3 bands of uint8, but 4 of uint8 are needed"),
        ("<SourceBand>1", "<SourceBand>mask,1", "takes its band 'mask,1'"),
        ("<VRTDataset ", "<!DOCTYPE a [<!ENTITY b 'c'>]><VRTDataset ", "declares XML entities"),
        ("</VRTDataset>", "", "is not a GDAL .vrt: no element found"),
        ("VRTDataset", "Other", "its root is <Other>"),
    ],
)
def test_vrt__refused(tmp_path, pixels, old, new, message):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    path = _vrt(tmp_path / "a.vrt", [("a.png", (0, 0), (0, 0), (101, 97))], (101, 97), bands=1)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        open_image(path)


def test_refused__options_of_single_files(tmp_path, pixels):
    folder = _tiles(tmp_path / "tiles", pixels, "r{i}_c{j}.png")
    with pytest.raises(InputError, match="--level is for single files"):
        open_image(folder, level=1)
