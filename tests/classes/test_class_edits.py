import numpy as np
import pytest

from dasksom import InputError
from dasksom.classes import ClassTable
from dasksom.classes.class_edits import edit_of


@pytest.fixture
def table():
    return ClassTable.of(np.array([1, 1, 2, 3, 0, 3]))


@pytest.mark.parametrize(
    ("edit", "numbers", "names"),
    [
        ({"edit": "units", "units": [2], "class": 1}, [1, 1, 1, 3, 0, 3], ["class 1", "", "class 3"]),  # merge
        ({"edit": "units", "units": [3, 5], "class": 2}, [1, 1, 2, 2, 0, 2], ["class 1", "class 2"]),
        ({"edit": "units", "units": [1], "class": None}, [1, 4, 2, 3, 0, 3], [f"class {n}" for n in (1, 2, 3, 4)]),
        ({"edit": "units", "units": [4, 4], "class": 3}, [1, 1, 2, 3, 3, 3], [f"class {n}" for n in (1, 2, 3)]),
        ({"edit": "units", "units": [0, 1], "class": 0}, [0, 0, 2, 3, 0, 3], ["", "class 2", "class 3"]),
        (
            {"edit": "name", "class": 2, "name": " Wald, naß \U0001f332"},
            None,
            ["class 1", "Wald, naß \U0001f332", "class 3"],
        ),
        ({"edit": "color", "class": 2, "color": "#00fF7f"}, None, None),
    ],
)
def test_edits(table, edit, numbers, names):
    changed = edit_of(edit, 6).apply(table)
    assert changed.numbers.tolist() == (table.numbers.tolist() if numbers is None else numbers)
    assert list(changed.names) == (list(table.names) if names is None else names)
    colors = {number: table.hexadecimal[number - 1] for number in table.used}
    if edit["edit"] == "color":
        colors[2] = "#00ff7f"
    kept = [number for number in changed.used if number in colors]
    assert [changed.hexadecimal[number - 1] for number in kept] == [colors[number] for number in kept]


def test_a_new_class_has_a_name_of_its_own(table):
    named = edit_of({"edit": "name", "class": 1, "name": "class 4"}, 6).apply(table)
    split = edit_of({"edit": "units", "units": [1], "class": None}, 6).apply(named)
    assert split.names == ("class 4", "class 2", "class 3", "class 5")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({}, "edit: None is not one of units, name, color"),
        ({"edit": ["units"]}, "is not one of"),
        ({"edit": "units", "units": [], "class": 1}, "units: not a list of numbers from 0 to 5"),
        ({"edit": "units", "units": [6], "class": 1}, "from 0 to 5"),
        ({"edit": "units", "units": [True], "class": 1}, "from 0 to 5"),
        ({"edit": "units", "units": [0], "class": 9}, "class 9: does not exist"),
        ({"edit": "units", "units": [0], "class": 1.5}, "class: 1.5 is not a number"),
        ({"edit": "units", "units": [0], "class": 10**400}, "class: 1000"),
        ({"edit": "name", "class": 9, "name": "a"}, "class 9: there are the classes 1 to 3"),
        ({"edit": "name", "class": 1, "name": "class 2"}, "class 2 is already named 'class 2'; merge the two"),
        ({"edit": "name", "class": 1, "name": "a\nb"}, "control characters"),
        ({"edit": "name", "class": 1, "name": "\ud800"}, "control characters"),
        ({"edit": "name", "class": 1, "name": "  "}, "1 to 200 characters"),
        ({"edit": "name", "class": 1, "name": 201 * "a"}, "1 to 200 characters"),
        ({"edit": "color", "class": 1, "color": "red"}, "color: 'red' is not a color such as #1f77b4"),
        ({"edit": "color", "class": 0, "color": "#000000"}, "class: 0 is not a number from 1"),
    ],
)
def test_impossible_edits_are_refused(table, edit, message):
    with pytest.raises(InputError) as refused:
        edit_of(edit, 6).apply(table)
    assert message in str(refused.value)
    assert len(str(refused.value)) < 200


def test_touched__is_what_an_edit_depends_on(table):
    merge, name = {"edit": "units", "units": [2], "class": 1}, {"edit": "name", "class": 3, "name": "water"}
    for first, second, independent in [
        (merge, name, True),
        (name, merge, True),
        (merge, {"edit": "units", "units": [2], "class": 3}, False),
        (name, {"edit": "name", "class": 3, "name": "lake"}, False),
        (name, {"edit": "color", "class": 3, "color": "#123456"}, True),
        ({"edit": "units", "units": [3, 5], "class": 1}, name, False),
        (merge, {"edit": "color", "class": 2, "color": "#123456"}, False),
    ]:
        after, later = edit_of(first, 6).apply(table), edit_of(second, 6)
        assert (later.touched(table) == later.touched(after)) is independent, (first, second)
