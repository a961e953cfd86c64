"""Series, levels, axes and stacks of TIFFs, as tifffile and ImageJ's conventions lay them out."""

import numpy as np
import pytest
import tifffile

from dasksom import InputError, open_image, open_picture


@pytest.fixture
def stack(random):
    return random.integers(1, 4000, (2, 3, 4, 61, 50), np.uint16)


def _slide(path, pixels, **options):
    """A pyramid and two other images, as slide scanners lay them out."""
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(pixels, photometric="rgb", tile=(64, 64), subifds=2, **options)
        tiff.write(pixels[::2, ::2], photometric="rgb", tile=(64, 64), subfiletype=1, **options)
        tiff.write(pixels[::4, ::4], photometric="rgb", tile=(64, 64), subfiletype=1, **options)
        tiff.write(pixels[:40, :60], photometric="rgb")


def test_levels_and_series(tmp_path, random):
    pixels = random.integers(0, 256, (300, 260, 3), np.uint8)
    path = tmp_path / "a.tif"
    _slide(path, pixels, compression="zlib")
    for level in range(3):
        assert np.array_equal(open_image(path, level=level).compute(), pixels[:: 2**level, :: 2**level])
    assert np.array_equal(open_image(path, series=1).compute(), pixels[:40, :60])
    about = open_picture(path, level=1).about
    assert about["level"] == "1 of 0 to 2"
    assert about["images"].startswith("number 0 of 0 YXS 300 x 260 x 3; 1 YXS 40 x 60 x 3")
    with pytest.raises(InputError, match="--level 5: its levels are 0 YXS 300 x 260 x 3, 1 YXS 150 x 130 x 3, 2"):
        open_image(path, level=5)
    with pytest.raises(InputError, match=r"--series 2: its images are 0 .*; 1 YXS 40 x 60 x 3"):
        open_image(path, series=2)


def test_slide_of_jpeg_tiles_with_common_tables(tmp_path):
    """As Aperio writes .svs: RGB in JPEG, told by the description."""
    smooth = np.linspace(0, 250, 300 * 260 * 3).reshape(300, 260, 3).astype(np.uint8)
    path = tmp_path / "a.svs"
    with tifffile.TiffWriter(path) as tiff:
        options = {"photometric": "rgb", "tile": (64, 64), "compression": "jpeg", "metadata": None}
        told = "Aperio Image Library v1\n260x300 [0,0 260x300] (64x64) JPEG/RGB Q=70|AppMag = 20|MPP = 0.4990"
        tiff.write(smooth, description=told, **options)
        tiff.write(smooth[::4, ::4], photometric="rgb", description="Aperio thumbnail", metadata=None)
        tiff.write(smooth[::2, ::2], description="Aperio level", **options)
    found = open_picture(path, chunk_bytes=100 * 100 * 3)
    assert found.pixel_size == (0.499, 0.499)
    assert found.unit == "micrometer"
    assert np.array_equal(found.pixels.compute(), tifffile.imread(path))
    assert np.abs(found.pixels.compute().astype(int) - smooth).max() < 12
    lower = open_picture(path, level=1)
    assert lower.pixels.shape == (150, 130, 3)
    assert lower.pixel_size == (0.998, 0.998)


def test_images_of_one_size_leave_a_choice(tmp_path, random):
    first, second = random.integers(0, 256, (2, 40, 50, 3), np.uint8)
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(first, photometric="rgb", metadata={"Name": "left"})
        tiff.write(second, photometric="rgb", metadata={"Name": "right"})
    with pytest.raises(InputError, match=r"holds 2 images: 0 'left' YXS 40 x 50 x 3; 1 'right' .*--series NUMBER"):
        open_image(path)
    assert np.array_equal(open_image(path, series=1).compute(), second)


@pytest.mark.parametrize("options", [{}, {"tile": (32, 32)}, {"compression": "zlib", "rowsperstrip": 7}])
def test_ome_tiff__planes_and_channels(tmp_path, stack, options):
    path = tmp_path / "a.ome.tif"
    metadata = {"axes": "TCZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    metadata |= {"PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(path, stack, photometric="minisblack", ome=True, metadata=metadata, **options)
    with pytest.raises(InputError, match=r"its axes are t=2, c=3, z=4, y=61, x=50: .* --select t=0"):
        open_image(path)
    found = open_picture(path, select={"t": 1, "z": 2}, chunk_bytes=3000)
    assert np.array_equal(found.pixels.compute(), stack[1, :, 2].transpose(1, 2, 0))
    assert found.pixel_size == (0.25, 0.5)
    assert np.array_equal(
        open_image(path, select={"t": 0, "z": 0, "c": (2, 0)}).compute(), stack[0, [2, 0], 0].transpose(1, 2, 0)
    )


def test_ome_tiff__rgb_planes(tmp_path, random):
    pixels = random.integers(0, 256, (4, 61, 50, 3), np.uint8)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", ome=True, metadata={"axes": "ZYXS"})
    assert np.array_equal(open_image(path, select=["z=2"]).compute(), pixels[2])
    assert np.array_equal(open_image(path, select=["z=2", "s=1"]).compute(), pixels[2, ..., 1:2])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_tiff__of_several_files(tmp_path, stack, compression):
    names = [f"a_c{channel}.ome.tif" for channel in range(3)]
    uuids = [f"urn:uuid:0000000{channel}-0000-0000-0000-000000000000" for channel in range(3)]
    places = "".join(
        f'<TiffData FirstC="{c}" PlaneCount="1"><UUID FileName="{name}">{uuid}</UUID></TiffData>'
        for c, (name, uuid) in enumerate(zip(names, uuids, strict=True))
    )
    for channel, (name, uuid) in enumerate(zip(names, uuids, strict=True)):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="50" SizeY="61" SizeC="3" SizeZ="1" '
            f'SizeT="1">{places}</Pixels></Image></OME>'
        )
        told = {"description": xml, "metadata": None, "compression": compression}
        tifffile.imwrite(tmp_path / name, stack[0, channel, 0], **told)
    image = open_image(tmp_path / names[0])
    assert np.array_equal(image.compute(), stack[0, :, 0].transpose(1, 2, 0))
    (tmp_path / names[2]).unlink()
    with pytest.raises(InputError, match="is missing"):
        open_image(tmp_path / names[0])


def test_imagej_hyperstack__planes_behind_one_header(tmp_path, stack):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack[0].transpose(1, 0, 2, 3), imagej=True, metadata={"axes": "ZCYX"})
    image = open_image(path, select=["z=3"], chunk_bytes=2000)
    assert image.npartitions > 3
    assert np.array_equal(image.compute(), stack[0, :, 3].transpose(1, 2, 0))


def test_three_hundred_bands(tmp_path, random):
    cube = random.integers(1, 4000, (300, 41, 30), np.uint16)
    tifffile.imwrite(tmp_path / "pages.tif", cube, photometric="minisblack")
    tifffile.imwrite(tmp_path / "compressed.tif", cube, photometric="minisblack", compression="zlib", tile=(16, 16))
    tifffile.imwrite(tmp_path / "planar.tif", cube, photometric="minisblack", planarconfig="separate")
    with pytest.raises(InputError, match=r"q=300.*say with --axes that q is the bands"):
        open_image(tmp_path / "pages.tif")
    for name, axes in (("pages", "cyx"), ("compressed", "cyx"), ("planar", None)):
        image = open_image(tmp_path / f"{name}.tif", axes=axes)
        assert np.array_equal(image.compute(), cube.transpose(1, 2, 0))
    chosen = open_image(tmp_path / "planar.tif", select=["s=7,299"])
    assert np.array_equal(chosen.compute(), cube[[7, 299]].transpose(1, 2, 0))
    with pytest.raises(InputError, match=r"--axes: rows and columns of a TIFF are those of its pages: \.\.\.yx"):
        open_image(tmp_path / "pages.tif", axes="yxc")


def test_strips__no_task_for_each(tmp_path, random):
    pixels = random.integers(0, 256, (4000, 100, 3), np.uint8)
    for compression in (None, "zlib"):
        path = tmp_path / f"{compression}.tif"
        tifffile.imwrite(path, pixels, photometric="rgb", rowsperstrip=1, compression=compression)
        image = open_image(path, chunk_bytes=300_000)
        assert image.npartitions == 4
        assert np.array_equal(image.compute(), pixels)


def test_refused__zero_bytes_in_a_tile(tmp_path, random):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, random.integers(0, 256, (128, 128, 3), np.uint8), photometric="rgb", tile=(64, 64))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tag = tiff.pages[0].tags["TileByteCounts"]
        tag.overwrite((*tag.value[:2], 0, tag.value[3]))
    with pytest.raises(InputError, match="1 of its 4 tiles or strips are missing, the first one number 2"):
        open_image(path)
