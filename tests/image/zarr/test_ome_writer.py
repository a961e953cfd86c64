import json
import warnings

import numpy as np
import pytest
import zarr
from ome_zarr_models import v04, v05
from ome_zarr_models.v04.image import Image
from ome_zarr_models.v04.image_label import ImageLabel
from ome_zarr_models.v04.labels import Labels
from pydantic_zarr import v2
from scipy.spatial.distance import pdist

from dasksom.errors import InputError
from dasksom.image import Options, Output, Picture, check_format, create_writer
from dasksom.image.writers.palettes import label_colors
from dasksom.som.color_spaces import oklab_of_rgb
from tests.image.writes import halved_colors, halved_labels, write

# ome-zarr-models 1.6 imports names for type checkers only; pydantic from 2.14 on needs them
for model in (Image, ImageLabel, Labels):
    model.model_rebuild(_types_namespace=vars(v2))


@pytest.fixture
def scene(random):
    """Labels and palette of 9 colors; odd sides."""
    return random.integers(0, 9, (301, 423), np.uint8), random.integers(0, 256, (9, 3), np.uint8)


def _levels(group):
    return [np.asarray(group[str(level)][...]) for level in range(sum(name.isdigit() for name in group.array_keys()))]


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("nodata", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_writes__levels_of_image_and_labels(tmp_path, scene, version, nodata, dtype):
    labels, palette = scene
    palette = (palette + 1).astype(dtype)
    if nodata:
        labels[:37, :41] = 200
        labels[100:, 300:] = 9
    options = Options(chunk=64, ome_version=version)
    write(tmp_path / "a.ome.zarr", labels, palette, (128, 192), nodata=nodata, options=options)
    root = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    assert root.metadata.zarr_format == (3 if version == "0.5" else 2)
    numbers = np.where(labels < 9, labels + 1, 0)
    colors, present = np.append(palette, palette[:1] * 0, axis=0)[np.minimum(labels, 9)], labels < 9
    found = list(zip(_levels(root), _levels(root["labels/som"]), strict=True))
    assert [image.shape for image, _ in found] == [(3, 301, 423), (3, 151, 212), (3, 76, 106), (3, 38, 53)]
    for image, som in found:
        assert (image.dtype, som.dtype) == (np.dtype(dtype), np.uint8)
        assert np.array_equal(som, numbers)
        expected = np.moveaxis(colors, -1, 0)
        expected = np.where(present, expected, np.nan if dtype == "f4" else 0).astype(dtype)
        np.testing.assert_allclose(image, expected, rtol=1e-6)
        numbers = halved_labels(numbers)
        colors, present = halved_colors(colors, present)


@pytest.mark.parametrize("chunks", [(301, 423), (64, 64), (192, 128), (64, 423), (256, 256)])
def test_writes__the_same_pyramid_for_any_chunks(tmp_path, scene, chunks):
    labels, palette = scene
    labels[:50, :50] = 9
    for name, way in (("a.ome.zarr", (301, 423)), ("b.ome.zarr", chunks)):
        write(tmp_path / name, labels, palette, way, nodata=True, options=Options(chunk=64))
    one, other = (zarr.open_group(tmp_path / name, mode="r") for name in ("a.ome.zarr", "b.ome.zarr"))
    for group in ("", "labels/som/"):
        for level in range(4):
            assert np.array_equal(one[f"{group}{level}"][...], other[f"{group}{level}"][...]), (group, level)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize(("bands", "units"), [(3, 9), (5, 300)])
def test_writes__labels_without_the_image_as_a_label_image(tmp_path, random, version, bands, units):
    labels = random.integers(0, units + 1, (301, 423), np.uint16)
    palette = random.normal(0, 100, (units, bands))
    options = Options(chunk=64, ome_version=version)
    path = tmp_path / "a.ome.zarr"
    write(path, labels, palette, (128, 192), nodata=True, with_image=False, options=options)
    root = zarr.open_group(path, mode="r")
    numbers = np.where(labels < units, labels + 1, 0)
    for level in _levels(root):
        assert level.dtype == np.min_scalar_type(units)
        assert np.array_equal(level, numbers)
        numbers = halved_labels(numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ome_zarr.io import parse_url
        from ome_zarr.reader import Label, Reader

        models = v05 if version == "0.5" else v04
        models.ImageLabel.from_zarr(root)
        assert models.Image.from_zarr(root).labels is not None
        [node, _] = Reader(parse_url(path))()
    assert any(isinstance(spec, Label) for spec in node.specs), "napari-ome-zarr makes a layer of labels of it"
    assert [data.shape for data in node.data] == [(301, 423), (151, 212), (76, 106), (38, 53)]
    assert [values["unit"] for values in node.metadata["properties"].values()] == list(range(units))
    assert np.allclose(node.metadata["color"][units], [*label_colors(palette)[-1] / 255, 1])


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize(("bands", "units"), [(3, 9), (1, 300), (5, 2)])
def test_writes__what_the_standard_says(tmp_path, random, version, bands, units):
    palette = random.integers(0, 256, (units, bands), np.uint8)
    labels = random.integers(0, units, (200, 300), np.uint16)
    options = Options(chunk=64, ome_version=version)
    write(
        tmp_path / "a.ome.zarr",
        labels,
        palette,
        (128, 128),
        options=options,
        picture=Picture(None, pixel_size=(0.5, 0.25), unit="micrometer"),
    )
    models = v05 if version == "0.5" else v04
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the judge's own libraries
        image = models.Image.from_zarr(zarr.open_group(tmp_path / "a.ome.zarr", mode="r"))
        som = models.ImageLabel.from_zarr(zarr.open_group(tmp_path / "a.ome.zarr/labels/som", mode="r"))
    told = image.ome_attributes if version == "0.5" else image.attributes
    multiscale = told.multiscales[0]
    assert [(axis.name, axis.type, axis.unit) for axis in multiscale.axes] == [
        ("c", "channel", None),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    second = multiscale.datasets[1].coordinateTransformations
    assert second[0].scale == [1, 1.0, 0.5]
    assert second[1].translation == [0, 0.25, 0.125]
    assert (getattr(told, "omero", None) is not None) == (bands == 3)
    labeled = som.ome_attributes.image_label if version == "0.5" else som.attributes.image_label
    assert [color.label_value for color in labeled.colors] == list(range(1, units + 1))
    if bands == 3:
        assert [tuple(color.rgba) for color in labeled.colors] == [(*color, 255) for color in palette.tolist()]
    assert image.labels is not None


def test_writes__read_by_ome_zarr_py(tmp_path, scene):
    labels, palette = scene
    write(tmp_path / "a.ome.zarr", labels, palette, (192, 192), options=Options(chunk=64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ome_zarr.io import parse_url
        from ome_zarr.reader import Reader

        nodes = list(Reader(parse_url(tmp_path / "a.ome.zarr"))())
    image, som = (
        next(node for node in nodes if (node.zarr.path.endswith("som")) == wanted) for wanted in (False, True)
    )
    assert np.array_equal(image.data[0].compute(), np.moveaxis(palette[labels], -1, 0))
    assert np.array_equal(np.asarray(som.data[0]).reshape(labels.shape), labels + 1)
    assert som.metadata["color"][3][:3] == pytest.approx([channel / 255 for channel in palette[2]])
    assert len(image.data) == len(som.data) == 4


@pytest.mark.parametrize(
    ("options", "chunk", "shard"),
    [
        (Options(chunk=64), (1, 64, 64), (3, 128, 192)),
        (Options(chunk=64, shard=64), (1, 64, 64), (3, 64, 64)),
        (Options(chunk=64, shard=0), (1, 64, 64), None),
        (Options(), (1, 301, 423), (3, 301, 423)),
    ],
)
def test_writes__chunks_and_shards(tmp_path, scene, options, chunk, shard):
    labels, palette = scene
    chunks = (301, 423) if options.chunk is None else (128, 192)
    write(tmp_path / "a.ome.zarr", labels, palette, chunks, options=options)
    array = zarr.open_array(tmp_path / "a.ome.zarr", path="0", mode="r")
    assert (array.chunks, array.shards) == (chunk, shard)


@pytest.mark.parametrize("codec", ["zstd", "blosc", "gzip", "none"])
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_writes__codecs(tmp_path, scene, codec, version):
    labels, palette = scene
    options = Options(chunk=64, shard=0 if version == "0.5" else None, codec=codec, ome_version=version)
    write(tmp_path / "a.ome.zarr", labels, palette, (128, 128), options=options)
    array = zarr.open_array(tmp_path / "a.ome.zarr", path="labels/som/0", mode="r")
    assert np.array_equal(array[...], labels + 1)
    if version == "0.5":  # a bit that flips is noticed
        path = tmp_path / "a.ome.zarr/labels/som/0/c/0/0"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(Exception, match=r"(?i)checksum|corrupt|invalid|error|crc"):
            array[...]


def test_writes__flat(tmp_path, scene):
    labels, palette = scene
    write(tmp_path / "a.ome.zarr", labels, palette, (64, 64), options=Options(chunk=64, layout="flat"))
    assert sorted(zarr.open_group(tmp_path / "a.ome.zarr", mode="r").array_keys()) == ["0", "palette"]


def test_refused__pieces_of_chunks(tmp_path, scene):
    labels, palette = scene
    with pytest.raises(InputError, match=r"chunks of 100 rows cannot be written, only multiples of 64"):
        write(tmp_path / "a.ome.zarr", labels, palette, (100, 128), options=Options(chunk=64))
    with pytest.raises(InputError, match=r"chunks of 192 rows .* only multiples of 128"):
        write(tmp_path / "a.ome.zarr", labels, palette, (192, 128), options=Options(chunk=64, shard=128))
    writer = create_writer(
        Output(
            tmp_path / "b.ome.zarr",
            height=301,
            width=423,
            chunks=(128, 128),
            palette=palette,
            metadata={},
            options=Options(chunk=64),
        )
    )
    with pytest.raises(RuntimeError, match="internal error"):
        writer.encode(labels[:100, :100], (0, 0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"chunk": 100}, "chunk: 100 pixels; multiples of 16 from 64"),
        ({"chunk": 64, "shard": 100}, "shard: 100 pixels; .* multiples of 64"),
        ({"shard": 1024, "ome_version": "0.4"}, "0.4 has no shards"),
        ({"codec": "lzma"}, "codec: 'lzma' .* zstd, blosc, gzip, none"),
        ({"layout": "cog"}, "'cog' is a kind of TIFF"),
        ({"layout": "tower"}, "layout: 'tower' is not one of auto, flat"),
        ({"pixels": "palette"}, r"pixels \(--pixels\) has no meaning for this format; it is for \.png, \.tif, \.tiff"),
        ({"ome_version": "0.6"}, "ome_version: '0.6' is not one of 0.5, 0.4"),
    ],
)
def test_refused__options(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        check_format(tmp_path / "a.ome.zarr", shape=(9, 9, 3), dtype=np.dtype("u1"), units=4, options=Options(**given))
    assert not list(tmp_path.iterdir())


def test_writes__metadata_is_kept(tmp_path, scene):
    labels, palette = scene
    write(tmp_path / "a.ome.zarr", labels, palette, (301, 423), metadata={"epochs": [1, 2]})
    kept = json.loads((tmp_path / "a.ome.zarr/zarr.json").read_text())["attributes"]
    assert kept["dasksom"] == {"units": 9, "metadata": {"epochs": [1, 2]}}
    assert np.array_equal(zarr.open_array(tmp_path / "a.ome.zarr", path="palette", mode="r")[...], palette)


NAPARI_SCALARS = (str, int, float, bool)


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_labels__as_napari_takes_them(tmp_path, random, bands, version):
    """Build the layer's data as napari-ome-zarr does, through ome-zarr-py's reader."""
    labels, palette = random.integers(0, 40, (96, 80)).astype(np.uint8), random.normal(0, 100, (40, bands))
    write(tmp_path / "a.ome.zarr", labels, palette, (96, 80), options=Options(ome_version=version))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ome_zarr.io import parse_url
        from ome_zarr.reader import Reader

        som = next(node for node in Reader(parse_url(tmp_path / "a.ome.zarr"))() if node.zarr.path.endswith("som"))
    properties = som.metadata["properties"]
    assert list(properties) == list(range(1, 41))
    names = {tuple(values) for values in properties.values()}
    assert len(names) == 1, "napari makes one column of each name"
    columns = {name: [values[name] for values in properties.values()] for name in next(iter(names))}
    for name, column in columns.items():
        assert all(isinstance(value, NAPARI_SCALARS) for value in column), name
        assert np.asarray(column).shape == (40,)
    assert columns["unit"] == list(range(40))
    assert np.allclose([columns[f"band {band}"] for band in range(bands)], palette.T)
    colors = np.array([som.metadata["color"][label] for label in properties])
    assert colors.shape == (40, 4)
    if bands > 3:
        oklab = oklab_of_rgb(np.rint(colors[:, :3] * 255).astype(np.uint8))
        assert pdist(np.asarray(oklab, np.float64)).min() > 2, "just noticeable differences are about 2"


@pytest.mark.filterwarnings("default")  # of napari's own dependencies
@pytest.mark.parametrize(("with_image", "som"), [(True, "labels/som"), (False, "")])
def test_labels__open_in_the_layer_of_napari(tmp_path, random, with_image, som):
    """Make the layer from what napari-ome-zarr passes to it: the levels, properties by name, and colors."""
    layers = pytest.importorskip("napari.layers")
    from napari.utils.colormaps import DirectLabelColormap

    labels, palette = random.integers(0, 41, (700, 520)).astype(np.uint8), random.normal(0, 100, (40, 5))
    form = {"with_image": with_image, "options": Options(chunk=128)}
    write(tmp_path / "a.ome.zarr", labels, palette, (700, 520), nodata=True, **form)
    group = zarr.open_group(tmp_path / "a.ome.zarr" / som, mode="r")
    image_label = group.attrs["ome"]["image-label"]
    levels = [group[row["path"]] for row in group.attrs["ome"]["multiscales"][0]["datasets"]]
    rows = [{"label-value": 0, "unit": -1}, *image_label["properties"]]
    properties = {"index": [row["label-value"] for row in rows], "unit": [row["unit"] for row in rows]}
    colors = {row["label-value"]: np.array(row["rgba"]) / 255 for row in image_label["colors"]}
    layer = layers.Labels(
        [np.asarray(level) for level in levels],
        properties=properties,
        colormap=DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", **colors}),
    )
    units = np.where(labels < 40, labels.astype(int) + 1, 0)
    assert np.array_equal(np.asarray(layer.data[0]), units)
    assert layer.features["unit"].tolist() == [-1, *range(40)]
    for unit in (0, 39):
        assert np.allclose(layer.get_color(unit + 1), colors[unit + 1], atol=1 / 255)


def test_labels__of_many_bands_have_the_same_colors_everywhere():
    few, many = label_colors(np.zeros((16, 5))), label_colors(np.ones((1000, 40), np.uint16))
    assert np.array_equal(few, many[:16])
    assert len(np.unique(many, axis=0)) == 1000


@pytest.mark.parametrize("dtype", ["q", "Q", "l", "L", "longlong", "ulonglong", ">u8", "<i8"])
@pytest.mark.parametrize("name", ["a.zarr", "a.ome.zarr"])
def test_writes__every_type_of_64_bits(tmp_path, random, name, dtype):
    palette = random.integers(0, 1 << 60, (9, 3)).astype(dtype)
    labels = random.integers(0, 9, (64, 64)).astype(np.uint8)
    write(tmp_path / name, labels, palette, (64, 64))
    group = zarr.open_group(tmp_path / name, mode="r")
    assert np.array_equal(group["palette"][...], palette)
