import numpy as np
import pytest

from dasksom.errors import InputError
from dasksom.image.sources.selection import Selection, parse_select, plan_axes


def test_select__as_people_write_it():
    assert parse_select(["z=3", "C = 0,2", "t=1:"]) == (("z", 3), ("c", (0, 2)), ("t", slice(1, None)))
    assert parse_select({"z": 3, "c": [0, 2], "t": "0:2"}) == (("z", 3), ("c", (0, 2)), ("t", slice(0, 2)))
    assert parse_select("z=3") == (("z", 3),)
    assert parse_select(None) == ()


@pytest.mark.parametrize("given", [["z"], ["z=x"], ["=3"], ["z=1", "z=2"], {"c": "0:1:2"}, {"c": ["a"]}])
def test_select__refused(given):
    with pytest.raises(InputError):
        parse_select(given)


@pytest.mark.parametrize(
    ("axes", "shape", "select", "expected"),
    [
        ("yx", (4, 5), (), lambda a: a[..., None]),
        ("yxc", (4, 5, 3), (), lambda a: a),
        ("cyx", (3, 4, 5), (), lambda a: a.transpose(1, 2, 0)),
        ("xyc", (4, 5, 3), (), lambda a: a.transpose(1, 0, 2)),
        ("tczyx", (1, 3, 1, 4, 5), (), lambda a: a[0, :, 0].transpose(1, 2, 0)),
        ("tczyx", (2, 3, 6, 4, 5), ["t=1", "z=4"], lambda a: a[1, :, 4].transpose(1, 2, 0)),
        ("cyx", (5, 4, 6), ["c=3,0"], lambda a: a[[3, 0]].transpose(1, 2, 0)),
        ("cyx", (5, 4, 6), ["c=4,2,0"], lambda a: a[[4, 2, 0]].transpose(1, 2, 0)),
        ("cyx", (5, 4, 6), ["c=0,1,4"], lambda a: a[[0, 1, 4]].transpose(1, 2, 0)),
        ("cyx", (5, 4, 6), ["c=1:4"], lambda a: a[1:4].transpose(1, 2, 0)),
        ("cyx", (5, 4, 6), ["c=2"], lambda a: a[2:3].transpose(1, 2, 0)),
        ("zcyxs", (2, 2, 4, 5, 3), ["z=1", "c=1"], lambda a: a[1, 1]),
        ("zcyxs", (1, 1, 4, 5, 3), (), lambda a: a[0, 0]),
        ("cyxs", (2, 4, 5, 3), ["s=1"], lambda a: a[..., 1].transpose(1, 2, 0)),
        ("zyx", (1, 4, 5), (), lambda a: a[0][..., None]),
    ],
)
def test_view__reads_what_the_axes_say(axes, shape, select, expected):
    stored = np.arange(np.prod(shape)).reshape(shape)
    view = plan_axes("a", tuple(axes), shape, Selection(select=parse_select(select)))
    wanted = expected(stored)
    assert view.shape == wanted.shape
    for bands in (slice(0, view.shape[2]), slice(view.shape[2] - 1, view.shape[2])):
        found = stored
        index = view.index((slice(1, 4), slice(2, 5), bands))
        for axis in reversed(range(stored.ndim)):  # one by one: orthogonal, as Zarr's oindex
            found = found[(slice(None),) * axis + (index[axis],)]
        assert np.array_equal(view.upright(found), wanted[1:4, 2:5, bands])


@pytest.mark.parametrize(
    ("axes", "shape", "options", "message"),
    [
        (
            "zyx",
            (6, 4, 5),
            {},
            r"take one along z with --select z=0 \(0 to 5\), or say with --axes that z is the bands",
        ),
        ("tcyx", (2, 3, 4, 5), {}, r"--select t=0 \(0 to 1\)$"),
        ("cyxs", (2, 4, 5, 3), {}, "c and s may both be bands; .*--select c=0"),
        ("cyx", (3, 4, 5), {"select": ["z=1"]}, r"its axes to select along are c \(0 to 2\)"),
        ("cyx", (3, 4, 5), {"select": ["y=1"]}, "its axes to select along are c"),
        ("cyx", (3, 4, 5), {"select": ["c=3"]}, "there are places from 0 to 2"),
        ("cyx", (3, 4, 5), {"select": ["c=-1"]}, "there are places from 0 to 2"),
        ("cyx", (3, 4, 5), {"select": ["c=3:9"]}, "there are places from 0 to 2"),
        ("zcyx", (3, 2, 4, 5), {"select": ["z=0,1"]}, "takes one place, because z is not the bands"),
        ("cyx", (1 << 40, 4, 5), {}, "more bands than 65536"),
        ("czq", (3, 4, 5), {}, "an image needs y and x"),
        ("yyx", (3, 4, 5), {}, "every axis a name of its own"),
    ],
)
def test_view__refused(axes, shape, options, message):
    with pytest.raises(InputError, match=message):
        plan_axes("a", tuple(axes), shape, Selection(select=parse_select(options.get("select"))))
