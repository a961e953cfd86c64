import csv

import dask.array as da
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from dasksom.classes.class_colors import class_colors
from dasksom.classes.class_table import ClassTable, lists_units, read_class_table, read_names
from dasksom.classes.table_files import as_csv
from dasksom.classes.unit_tables import describe_classes
from dasksom.errors import InputError

NUMBERS = np.array([2, 0, 1, 1, 3])


def test_colors__are_distinct_and_do_not_depend_on_their_number():
    colors = class_colors(30)
    assert np.array_equal(class_colors(9), colors[:9])
    away = deltaE_ciede2000(*np.broadcast_arrays(rgb2lab(colors / 255)[:, None], rgb2lab(colors / 255)))
    np.fill_diagonal(away, np.inf)
    assert away.min() > 10  # 1 is just noticeable side by side
    assert len(class_colors(9000)) == 9000


def test_table__of_labels():
    table = ClassTable.of(NUMBERS)
    labels = np.array([[0, 1, 4], [-1, 3, 2]])
    expected = np.array([[2, 0, 3], [0, 1, 1]], np.uint8)
    lazy = table.of_labels(da.from_array(labels, chunks=(1, 2)))
    for found in (table.of_labels(labels), lazy.compute()):
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected)


def test_table__is_read_as_it_was_written(tmp_path):
    table = ClassTable.of(NUMBERS).named(
        {1: 'water, "deep"', 3: "Wald\u00e4hnlich"}, {3: np.array([1, 2, 255], np.uint8)}
    )
    path = tmp_path / "classes.csv"
    path.write_text(table.to_csv(), encoding="utf-8")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [row["unit"] for row in rows] == list("01234")
    assert rows[4] == {"unit": "4", "class": "3", "name": "Wald\u00e4hnlich", "color": "#0102ff"}
    assert lists_units(path)
    again = read_class_table(path, 5)
    assert np.array_equal(again.numbers, NUMBERS)
    assert again.names == table.names == ('water, "deep"', "class 2", "Wald\u00e4hnlich")
    assert np.array_equal(again.colors, table.colors)
    assert ClassTable.from_json(table.as_json()).to_csv() == table.to_csv()


@pytest.mark.parametrize(
    "name",
    [
        '=HYPERLINK("http://example.org", "forest")',
        "-2+3",
        "@water",
        "\uff1dfull width",
        "'=quoted",
        "''+",
        "'plain'",
        "\u05de\u05d9\u05dd, \u0639\u0645\u064a\u0642",
        '\U0001f332\u200d; "tree"',
    ],
)
def test_names__are_no_formulas_in_a_spreadsheet(tmp_path, name):
    table = ClassTable.of(NUMBERS).named({1: name})
    path = tmp_path / "classes.csv"
    for text, read in [
        (table.to_csv(), lambda: read_class_table(path, 5)),
        (
            as_csv({"class": [1, 3], "name": [name, "b"], name: [1, 2]}),
            lambda: read_names(path, ClassTable.of(NUMBERS)),
        ),
    ]:
        path.write_text(text, encoding="utf-8")
        cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]
        assert read().names[0] == name


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_table__of_a_spreadsheet(tmp_path, separator):
    path = tmp_path / "classes.csv"
    text = "\ufeffName;Class;Unit\r\nforest;7;0\r\nforest;2;1\r\n;;2\r\nlake;4;3\r\n"
    path.write_bytes(text.replace(";", separator).encode())
    table = read_class_table(path, 5)
    assert table.numbers.tolist() == [2, 2, 0, 4, 0]  # one class for one name
    assert table.used == [2, 4]
    assert table.names == ("", "forest", "", "lake")


def test_names__of_classes(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("class,name,color\n2,grass,#00ff00\n1,water,\n")
    assert not lists_units(path)
    table = read_names(path, ClassTable.of(NUMBERS))
    assert table.names == ("water", "grass", "class 3")
    assert table.colors[1].tolist() == [0, 255, 0]
    assert np.array_equal(table.colors[0], class_colors(1)[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "its first line names the columns a, b; a table of classes has the columns unit, class"),
        ("unit,class\n", "holds no classes"),
        ("unit,class\n5,1\n", "line 2: unit '5' is not a number from 0 to 4"),
        ("unit,class\n1,1.5\n", "line 2: class '1.5' is not a number from 1 to 65535"),
        ("unit,class\n1,1\n1,2\n", "line 3: unit 1 is in class 2, and in 1 before"),
        ("unit,class,name\n1,1,a\n2,1,b\n", "line 3: class 1 is named 'b', and 'a' before"),
        ("unit,class,color\n1,1,red\n", "line 2: color 'red' is not a color such as #1f77b4"),
        ("unit,class,color\n1,1,#000000\n2,1,#000001\n", "line 3: class 1 has the color #000001, and another before"),
    ],
)
def test_table__refuses(tmp_path, text, message):
    path = tmp_path / "classes.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_class_table(path, 5)


def test_names__refuses_unknown_classes(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("class,name\n4,ice\n")
    with pytest.raises(InputError, match=r"names.csv: class 4: there are the classes 1 to 3"):
        read_names(path, ClassTable.of(NUMBERS))


def test_names__are_on_one_line(tmp_path):
    name, shown = 'ice,\r\n"blue"\x1b[31m\u2028', 'ice, "blue" [31m'
    path, table = tmp_path / "classes.csv", ClassTable.of(NUMBERS)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["unit", "class", "name"], [0, 1, name]])
    stored = {**table.as_json(), "names": [name, "b", "c"]}
    for read in (read_class_table(path, 5), table.named({1: name}), ClassTable.from_json(stored)):
        assert read.names[0] == shown


def test_describe_classes():
    table, pixels = ClassTable.of(NUMBERS), [60, 30, 10]
    for without, shares, rest in ((0, (60, 30, 10), []), (100, (30, 15, 5), ["no class: 1 unit, 50.0%"])):
        hits = np.where(NUMBERS == 0, without, 20)
        units = ["2 units", "1 unit", "1 unit"]
        lines = [f"class {n + 1}: {units[n]}, {share}.0%" for n, share in enumerate(shares)]
        assert describe_classes(table, pixels, hits) == [*lines, *rest]
    assert describe_classes(ClassTable.of(np.arange(300)), [1] * 299, np.ones(300))[-1].startswith("... and 260 more")
