"""The page on which classes are edited, in a real browser."""

import errno
import re
import shutil

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from skimage.color import rgb2xyz

from dasksom import runs
from dasksom.classes import read_class_table
from dasksom.classes.table_files import classes_csv
from dasksom.cli.main import cli
from dasksom.storage import own_files
from dasksom.view.class_session import ClassActions
from dasksom.view.live_scene import LiveScene
from tests.browsing import accessibility_findings, picture, wait
from tests.view.conftest import served
from tests.view.test_browser import drag, find, hover, middle, press, settled, show, text

ACTIONS = ClassActions(runs.group_output, runs.write_edited_classes)


@pytest.fixture
def editor(folder, tmp_path):
    """The server of an output of 12 units without classes."""
    shutil.copytree(folder / "hexagons.zarr", tmp_path / "out.zarr")
    with LiveScene(str(tmp_path / "out.zarr"), str(folder / "photo.png"), ACTIONS) as live, served(live) as client:
        client.output, client.live, client.classes = tmp_path / "out.zarr", live, live.classes
        yield client


def state(browser, client):
    """Wait until the page shows the saved classes; give the class of each unit."""

    def saved():
        rows = browser.execute_script(
            "return [...document.querySelectorAll('#class-rows tr')].map(row => [Number(row.dataset.class), "
            "row.querySelector('[type=text]').value])"
        )
        table = client.classes.table
        return text(browser, "#saved").startswith("Saved in") and dict(rows) == {
            number: table.names[number - 1] for number in table.used
        }

    wait(saved)
    numbers = client.classes.table.numbers.tolist()
    assert read_class_table(classes_csv(str(client.output)), 12).numbers.tolist() == numbers
    return numbers


def choose(browser, *units):
    """Choose units on the palette: the first one in place of others."""
    for position, unit in enumerate(units):
        actions = ActionChains(browser)
        if position:
            actions.key_down(Keys.SHIFT)
        actions.click(find(browser, f"#palette [data-unit='{unit}']")).key_up(Keys.SHIFT).perform()
    assert browser.execute_script("return document.documentElement.dataset.lit") == ",".join(map(str, units))


def test_editor__merges_names_undoes_reloads_and_writes(browser, editor):
    show(browser, editor)
    choose(browser, 0, 1, 4)
    press(browser, "c")
    assert state(browser, editor) == [1, 1, 0, 0, 1, *7 * [0]]
    choose(browser, 11, 10)
    find(browser, "#make").click()
    assert state(browser, editor)[10:] == [2, 2]
    name = find(browser, "#class-rows tr:nth-child(2) [type='text']")
    name.send_keys(Keys.CONTROL + "a")
    name.send_keys("dark water", Keys.ENTER)
    wait(lambda: editor.classes.table.names == ("class 1", "dark water"))

    choose(browser, 0, 10)
    find(browser, "#merge").click()
    wait(lambda: len(editor.classes.table.used) == 1)
    merged = state(browser, editor)
    assert [unit for unit in range(12) if merged[unit]] == [0, 1, 4, 10, 11]
    find(browser, "#undo").click()
    wait(lambda: editor.classes.table.numbers[0] == 1 and editor.classes.table.numbers[10] == 2)

    Select(find(browser, "#target")).select_by_visible_text("No class")
    find(browser, "#move").click()
    wait(lambda: editor.classes.table.numbers[0] == 0)
    press(browser, "u")
    numbers = state(browser, editor)
    assert (numbers[0], numbers[10]) == (1, 2)

    show(browser, editor)  # reloaded
    rows = browser.find_elements("css selector", "#class-rows [type='text']")
    assert [row.get_attribute("value") for row in rows] == ["class 1", "dark water"]
    find(browser, "#write").click()
    wait(lambda: text(browser, "#saved").startswith("Written: "))
    labels = zarr.open_array(editor.output / "labels")[...]
    written = zarr.open_array(editor.output / "classes")[...]
    assert np.array_equal(written, np.array([0, *numbers])[labels])

    find(browser, "#smooth").send_keys("5")
    find(browser, "#min-area").send_keys("30")
    find(browser, "#write").click()
    wait(lambda: editor.classes.writing.state == "done" and text(browser, "#saved").startswith("Written: "))
    other = shutil.copytree(editor.output, editor.output.with_name("other.zarr"))
    names = str(classes_csv(str(editor.output)))
    command = ["classes", str(other), "--names", names, "--smooth", "5", "--min-area", "30", "--overwrite"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    tidied = [zarr.open_array(path / "classes") for path in (editor.output, other)]
    assert np.array_equal(*(array[...] for array in tidied))
    assert dict(tidied[0].attrs) == dict(tidied[1].attrs)
    assert not np.array_equal(tidied[0][...], written)
    settled(browser)
    assert browser.get_log("browser") == []


def contrast(one, other):
    """Give the contrast ratio of two sRGB colors, of WCAG 2."""
    low, high = sorted(rgb2xyz(np.reshape(color, (1, 1, 3)) / 255)[0, 0, 1] for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_editor__shows_the_colors_of_classes_and_hides_them(browser, editor):
    show(browser, editor)
    find(browser, "#count").send_keys("3")
    find(browser, "#group").click()
    numbers = state(browser, editor)
    assert max(numbers) == 3
    press(browser, "1")
    find(browser, "#coloring label:nth-of-type(2)").click()
    settled(browser)
    x, y = middle(browser, "#rebuilt .map")

    def seen():
        return picture(browser)[y - 24 : y + 24, x - 24 : x + 24].reshape(-1, 3)

    colors = {tuple(color) for color in seen().tolist()}
    assert colors <= {tuple(color) for color in editor.classes.table.colors.tolist()}
    duration = "return Math.max(...performance.getEntriesByName('repaint').map(one => one.duration))"
    assert browser.execute_script(duration) < 100
    for box in browser.find_elements("css selector", "#class-rows [type='checkbox']"):
        box.click()
    settled(browser)
    assert not {tuple(color) for color in seen().tolist()} & colors

    cells = """return [...document.querySelectorAll('#heatmap td[style]')].map(cell => [cell.style.color,
        cell.style.backgroundColor].map(color => color.match(/\\d+/g).map(Number)))"""
    ink, ground = np.moveaxis(browser.execute_script(cells), 1, 0)
    assert len(ink) == 9
    assert min(contrast(*pair) for pair in zip(ink, ground, strict=True)) >= 4.5  # WCAG 2, level AA
    assert accessibility_findings(browser) == []
    find(browser, "#heatmap tbody tr:nth-child(2) button").click()
    lit = browser.execute_script("return document.documentElement.dataset.lit")
    assert lit == ",".join(str(unit) for unit, number in enumerate(numbers) if number == 2)


def test_lasso__chooses_the_units_inside(browser, editor):
    show(browser, editor)
    boxes = [find(browser, f"#palette [data-unit='{unit}']").rect for unit in (0, 5)]
    (left, top), (right, bottom) = ((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes)
    actions = ActionChains(browser, duration=20)
    pointer = actions.w3c_actions.pointer_action
    pointer.move_to_location(int(left - 12), int(top - 12)).pointer_down()
    for corner in ((right + 12, top - 12), (right + 12, bottom + 12), (left - 12, bottom + 12)):
        pointer.move_to_location(*map(int, corner))
    pointer.pointer_up()
    actions.perform()
    lit = browser.execute_script("return document.documentElement.dataset.lit").split(",")
    assert {"0", "5"} <= {*lit}
    assert "11" not in lit
    assert "units" in text(browser, "#chosen")


def test_rectangle__chooses_the_units_of_its_pixels(browser, editor):
    """By the tool and the mouse, by Shift, by keys, and by a finger."""
    show(browser, editor)
    press(browser, "1")
    units = zarr.open_array(editor.output / "labels")[...].astype(int) - 1
    corner = np.add(middle(browser, "#original .map"), (10, 20))
    column, row = reversed(hover(browser, *corner))

    def check(area, start=(row, column)):
        (top, left), (down, across) = start, area
        expected = np.unique(units[top : top + down + 1, left : left + across + 1]).tolist()
        lit = "return document.documentElement.dataset.lit"
        wait(lambda: browser.execute_script(lit) == ",".join(map(str, expected)))
        ActionChains(browser).send_keys(Keys.ESCAPE).perform()
        wait(lambda: browser.execute_script(lit) == "")

    ActionChains(browser).key_down(Keys.SHIFT).perform()
    drag(browser, corner, np.add(corner, (40, 30)))
    ActionChains(browser).key_up(Keys.SHIFT).perform()
    check((30, 40))
    press(browser, "r")
    assert find(browser, "#rectangle").get_attribute("aria-pressed") == "true"
    drag(browser, corner, np.subtract(corner, (60, 25)))
    check((25, 60), (row - 25, column - 60))
    assert hover(browser, *corner) == (row, column)  # nothing has moved

    press(browser, Keys.ENTER, 3 * Keys.ARROW_RIGHT, 2 * Keys.ARROW_UP)
    line = r"Rectangle: x ([\d,]+) to ([\d,]+), y ([\d,]+) to ([\d,]+);"
    shown = wait(lambda: re.match(line, text(browser, "#status")))
    left, right, top, bottom = (int(number.replace(",", "")) for number in shown.groups())
    assert (right - left, bottom - top) == (31, 21)
    press(browser, Keys.ENTER)
    check((bottom - top - 1, right - left - 1), (top, left))

    for kind, end in (("touchStart", (0, 0)), ("touchMove", (20, 0)), ("touchMove", (35, 15))):
        finger = [dict(zip("xy", np.add(corner, end).tolist(), strict=True))]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": finger})
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    check((15, 35))


def test_two_pages__lose_nothing(browser, editor):
    show(browser, editor)
    first = browser.current_window_handle
    browser.switch_to.new_window("window")
    try:
        show(browser, editor)
        choose(browser, 3)
        press(browser, "c")
        assert state(browser, editor)[3] == 1
        browser.switch_to.window(first)
        choose(browser, 7)
        press(browser, "c")  # of a page that shows older classes, or has looked since
        wait(lambda: editor.classes.table.numbers[7])
        assert editor.classes.table.numbers[[3, 7]].tolist() == [1, 2]
        wait(lambda: len(browser.find_elements("css selector", "#class-rows tr")) == 2)
    finally:
        for handle in browser.window_handles:
            if handle != first:
                browser.switch_to.window(handle)
                browser.close()
        browser.switch_to.window(first)


def test_folder_that_is_full_or_moved__is_reported(browser, editor, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    show(browser, editor)
    choose(browser, 3)
    with monkeypatch.context() as patched:
        patched.setattr(own_files, "open_folder", full)
        press(browser, "c")
        wait(lambda: "cannot be saved (Read-only file system); nothing was changed" in text(browser, "#message"))
    assert not browser.find_elements("css selector", "#class-rows tr")
    moved = editor.output.rename(editor.output.with_name("moved.zarr"))
    find(browser, "#make").click()
    wait(lambda: "Cannot be shown" in text(browser, "#message") and "out.zarr" in text(browser, "#message"))
    assert not classes_csv(str(editor.output)).exists()
    moved.rename(editor.output)
    show(browser, editor)
    editor.classes = editor.live.classes  # opened again
    choose(browser, 3)
    press(browser, "c")
    assert state(browser, editor)[3] == 1


def test_bands__are_chosen(browser, many_bands):
    with LiveScene(many_bands, None) as live, served(live) as client:
        show(browser, client)
        Select(find(browser, "#red")).select_by_value("4")
        expected = live.scene.views.view((4, 1, 2)).about(live.scene.result.palette)
        wait(lambda: find(browser, "#palette [data-unit='0']").get_attribute("fill") == expected["colors"][0])
        settled(browser)
        assert "bands 4, 1 and 2 as red, green and blue" in text(browser, "#notes")
        assert browser.get_log("browser") == []
