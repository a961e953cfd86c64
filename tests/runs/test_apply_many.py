import pytest

from dasksom.runs.apply_many import _outputs


@pytest.mark.parametrize(
    ("image", "output"),
    [
        ("a.tif", "a.png"),
        ("scans/a.ome.tif", "a.png"),
        ("a.ome.zarr", "a.png"),
        ("a.zarr.zip", "a.png"),
        ("a.ozx", "a.png"),
        ("a.b.jpg", "a.b.png"),
    ],
)
def test_outputs__replace_all_suffixes_of_the_image(image, output):
    assert [*_outputs([(image,)], "out", ".png")] == [f"out/{output}"]
