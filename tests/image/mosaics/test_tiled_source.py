"""Folders of tiles, and GDAL's virtual mosaics, of which rasterio is the judge."""

import pickle
import re

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio.transform import from_origin

from dasksom import InputError, open_image, open_picture
from dasksom.image import images_in, open_pixels
from dasksom.image.tiff import layout

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
    ["tile_r{i:03}_c{j:03}.tif", "x{j}_y{i}.png", "scan 7 col-{j} row-{i}.png", "a{j}x{i}y.tif"],
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
        Image.fromarray(pixels[i * 50 : i * 50 + 50]).save(folder / f"x0_y{i * 50}.png")
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
        ("none", r"no Zarr metadata in this directory, and no tiles of one image either; found no images"),
        ("photos", "no tiles of one image either; found cat.png, dog.png"),
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


@pytest.mark.parametrize(
    "names",
    [
        ["LC08_042034_B2.TIF", "LC08_042034_B3.TIF", "LC08_042034_B4.TIF"],
        ["T33UUP_20200101_B02.tif", "T33UUP_20200101_B03.tif"],
        ["0_0.tif", "0_1.tif", "1_0.tif", "1_1.tif"],
        ["scan_2023_01.tif", "scan_2023_02.tif", "scan_2024_01.tif", "scan_2024_02.tif"],
        ["frame001.tif", "frame002.tif"],
        ["x0.tif", "x1.tif"],
        ["y0.tif", "y1.tif"],
        ["red_r0_c0.tif", "red_r0_c1.tif", "nir_r0_c0.tif", "nir_r0_c1.tif"],
        ["r0_c0.tif", "r0_c1.tif", "overview.tif"],
    ],
)
def test_folder__of_other_names_is_separate_images(tmp_path, pixels, names):
    for name in names:
        tifffile.imwrite(tmp_path / name, pixels, photometric="rgb")
    assert images_in(tmp_path) == sorted(str(tmp_path / name) for name in names)
    with pytest.raises(InputError, match="names that give row and column and differ in nothing else"):
        open_image(tmp_path)


def test_folder__that_lacks_a_tile_is_not_taken_for_separate_images(tmp_path, pixels):
    folder = _tiles(tmp_path / "tiles", pixels, "r{i}_c{j}.png")
    assert images_in(folder) == [str(folder)]
    assert open_picture(folder).about["grid"] == "3 rows of 4"
    (folder / "r1_c2.png").unlink()
    assert images_in(folder) == [str(folder)]


def test_folder__of_tiles_with_masks_or_other_nodata_is_refused(tmp_path, pixels):
    folder = _tiles(tmp_path / "tiles", pixels, "r{i}_c{j}.tif")
    part = pixels[ROWS[1] : ROWS[2], COLUMNS[2] : COLUMNS[3]]
    tifffile.imwrite(folder / "r1_c2.tif", part, photometric="rgb", extratags=[(42113, "s", 0, "7", True)])
    with pytest.raises(InputError, match=r"no-data value"):
        open_image(folder)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        folder = _tiles(tmp_path / "masked", pixels, "r{i}_c{j}.tif")
        _geotiff(folder / "r1_c2.tif", part)
        with rasterio.open(folder / "r1_c2.tif", "r+") as file:
            file.write_mask(part[:, :, 0] > 100)
    with pytest.raises(InputError, match=r"r1_c2\.tif has a mask of its own"):
        open_image(folder)


def test_folder__of_many_tiles_parses_each_header_once(tmp_path, monkeypatch):
    for i in range(12):
        for j in range(12):
            tifffile.imwrite(tmp_path / f"r{i}_c{j}.tif", np.full((16, 16), i * j, np.uint8), tile=(16, 16))
    parsed = []
    real = layout._parsed
    monkeypatch.setattr(layout, "_parsed", lambda *given: parsed.append(given[0]) or real(*given))
    image = open_image(tmp_path)
    assert image.compute().shape == (192, 192, 1)
    image.compute()
    assert len(parsed) == len(set(parsed)) == 144


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


def test_vrt__tiles_without_data_in_nan_as_gdal_reads_them(tmp_path):
    below, above = np.arange(20, dtype=np.float32).reshape(4, 5), np.full((4, 5), 50, np.float32)
    below[0, 0] = above[1:3, 2:4] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", below)
    tifffile.imwrite(tmp_path / "b.tif", above)
    sources = [("a.tif", (0, 0), (0, 0), (4, 5)), ("b.tif", (0, 0), (0, 0), (4, 5))]
    path = _vrt(
        tmp_path / "a.vrt", sources, (4, 5), bands=1, nodata="nan", kind="ComplexSource", extra="<NODATA>nan</NODATA>"
    )
    path.write_text(path.read_text().replace('"Byte"', '"Float32"'))
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(open_image(path).compute()[..., 0], file.read(1))


def test_folder__a_vrt_is_the_image_of_its_parts(tmp_path, pixels):
    for name in ("a.tif", "b.tif", "other.tif"):
        _geotiff(tmp_path / name, pixels[:60])
    sources = [("a.tif", (0, 0), (0, 0), (60, 97)), ("b.tif", (0, 0), (60, 0), (60, 97))]
    path = _vrt(tmp_path / "scene.vrt", sources, (120, 97))
    assert images_in(tmp_path) == [str(tmp_path / "other.tif"), str(path)]
    path.write_text("<VRTDataset/>")
    assert images_in(tmp_path) == [str(tmp_path / name) for name in ("a.tif", "b.tif", "other.tif", "scene.vrt")]


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
        ("<SimpleSource>", "<SimpleSource><PixelFunction/>", "with PixelFunction is not read; make a file of it first"),
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
        ('xSize="97" ySize="101"/><Dst', 'xSize="nan" ySize="101"/><Dst', "xSize='nan' of SrcRect is no position"),
        ("a.png<", "/vsicurl/http://host/a.png<", "is no file on a disk"),
        ("a.png<", "gone.png<", r"gone\.png: cannot be opened: No such file"),
        ("Byte", "UInt16", r"has 3 bands of uint8, but 1 of uint16 are needed"),
        ("Byte", "CFloat32", "bands of CFloat32"),
        ("<SourceBand>1", "<SourceBand>4", r"has 3 bands of uint8, but 4 of uint8 are needed"),
        ("<SourceBand>1", "<SourceBand>x,1", "takes its band 'x,1'"),
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


def _with_metadata(path, pixels, metadata):
    _geotiff(path.with_name("a.tif"), pixels)
    _vrt(path, [("a.tif", (0, 0), (0, 0), (101, 97))], (101, 97))
    text = re.sub(r"<SRS>.*</GeoTransform>", lambda match: metadata, path.read_text())
    path.write_text(text)
    return path


def test_vrt__ground_control_points_as_gdal_reads_them(tmp_path, pixels):
    points = "".join(f'<GCP Pixel="{x}" Line="{y}" X="{5e5 + x}" Y="{6e6 - y}" Z="3"/>' for x, y in ((0, 0), (9, 50)))
    crs = rasterio.CRS.from_epsg(32633).to_wkt().replace('"', "&quot;")
    path = _with_metadata(tmp_path / "a.vrt", pixels, f'<GCPList Projection="{crs}">{points}</GCPList>')
    picture = open_picture(path)
    with rasterio.open(path) as file:
        gcps, system = file.gcps
    values = next(tag[3] for tag in picture.geo_tags if tag[0] == 33922)
    assert values == tuple(number for gcp in gcps for number in (gcp.col, gcp.row, 0, gcp.x, gcp.y, gcp.z))
    assert picture.about["place on earth"] == f"EPSG:{system.to_epsg()}"
    assert picture.about["georeference"] == "2 ground control points"


def test_vrt__rpcs_as_gdal_reads_them(tmp_path, pixels):
    keys = ["LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF", "LINE_SCALE", "SAMP_SCALE", "LAT_SCALE"]
    keys += ["LONG_SCALE", "HEIGHT_SCALE"]
    lines = [f'<MDI key="{key}">{number + 0.5}</MDI>' for number, key in enumerate(keys)]
    for key in ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF"):
        lines.append(f'<MDI key="{key}">{" ".join(str(n / 8) for n in range(20))}</MDI>')
    path = _with_metadata(tmp_path / "a.vrt", pixels, f'<Metadata domain="RPC">{"".join(lines)}</Metadata>')
    values = next(tag[3] for tag in open_picture(path).geo_tags if tag[0] == 50844)
    with rasterio.open(path) as file:
        rpc = file.rpcs
    assert values[2:12] == (
        rpc.line_off, rpc.samp_off, rpc.lat_off, rpc.long_off, rpc.height_off, rpc.line_scale, rpc.samp_scale,
        rpc.lat_scale, rpc.long_scale, rpc.height_scale,
    )  # fmt: skip
    assert values[12:32] == tuple(rpc.line_num_coeff)
    assert values[72:] == tuple(rpc.samp_den_coeff)


def test_vrt__systems_without_a_number_are_not_taken_for_their_units(tmp_path, pixels):
    crs = rasterio.CRS.from_proj4("+proj=laea +lat_0=10 +lon_0=20 +datum=WGS84").to_wkt()
    place = f"<SRS>{crs.replace(chr(34), '&quot;')}</SRS><GeoTransform>0, 1, 0, 0, 0, -1</GeoTransform>"
    picture = open_picture(_with_metadata(tmp_path / "a.vrt", pixels, place))
    assert picture.geo_tags == ()
    assert picture.about["place on earth"] == "a coordinate reference system without an EPSG number, which is left out"


@pytest.mark.parametrize(
    ("kind", "message"),
    [("palette", "indices into a palette"), ("bits", "gray levels of few bits"), ("turned", "orientation turns")],
)
def test_vrt__of_pixels_that_reading_changes_is_refused(tmp_path, pixels, kind, message):
    image = Image.fromarray(pixels)
    if kind == "turned":
        exif = Image.Exif()
        exif[274] = 3
        image.save(tmp_path / "a.png", exif=exif)
    else:
        (image.quantize(8) if kind == "palette" else image.convert("1")).save(tmp_path / "a.png")
    path = _vrt(tmp_path / "a.vrt", [("a.png", (0, 0), (0, 0), (101, 97))], (101, 97), bands=1)
    with pytest.raises(InputError, match=message):
        open_image(path)


def test_vrt__a_link_to_a_file_outside_is_refused(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    inside = tmp_path / "mosaic"
    inside.mkdir()
    tifffile.imwrite(tmp_path / "secret.tif", pixels)
    (inside / "tile.tif").symlink_to(tmp_path / "secret.tif")
    (inside / "a.vrt").write_text(
        '<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">tile.tif</SourceFilename><SourceBand>1</SourceBand>'
        '<SrcRect xOff="0" yOff="0" xSize="64" ySize="64"/><DstRect xOff="0" yOff="0" xSize="64" ySize="64"/>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(InputError, match="outside of its own folder"):
        open_image(inside / "a.vrt")
    assert np.array_equal(open_image(inside / "a.vrt", allow_outside=True).compute()[..., 0], pixels)
