"""The viewer in a real browser; skipped, with a warning that says so, where there is none."""

import re
import time

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from dasksom.image.zarr import stored_labels
from dasksom.view import layers
from dasksom.view.live_scene import LiveScene
from dasksom.view.overview import ProgressiveOverview
from tests.browsing import PHONE, accessibility_findings, asked, open_page, picture, set_screen, wait
from tests.view.conftest import quantize, served

DESK = 1400


@pytest.fixture(scope="module")
def viewer(folder):
    with LiveScene(str(folder / "hexagons.zarr"), None) as live, served(live) as client:
        client.scene = live.scene
        yield client


@pytest.fixture(scope="module")
def images(folder, viewer):
    """The original, the rebuilt image, and the units of its pixels."""
    numbers = np.asarray(viewer.scene.result.labels[0])
    return (
        np.asarray(Image.open(folder / "photo.png")),
        *viewer.scene.result.rebuilt(numbers)[:1],
        numbers.astype(int) - 1,
    )


def find(browser, selector):
    return browser.find_element("css selector", selector)


def text(browser, selector):
    return find(browser, selector).text


def state(browser):
    return browser.execute_script("return document.documentElement.dataset.state")


LOOK = """
const done = arguments[0];
const places = [...document.querySelectorAll('.leaflet-map-pane, .leaflet-proxy, .leaflet-layer *')];
requestAnimationFrame(() => setTimeout(() => done([
    document.documentElement.dataset.state, document.getElementById('zoom').textContent,
    document.querySelectorAll('.leaflet-zoom-anim, .leaflet-pan-anim').length, places.length,
    places.map(one => one.style.transform).join(),
]), 60))"""
"""What moves or is still to come, one frame and a moment of the page's own time from now."""


def settled(browser, wanted="ready"):
    """Wait until a page is in a state, and nothing of it has moved for a while."""
    looks = []

    def still():
        looks.append(browser.execute_async_script(LOOK))
        return looks[-1][0] == wanted and not looks[-1][2] and looks[-3:] == 3 * looks[-1:]

    wait(still)


def show(browser, viewer, width=DESK, height=900, **screen):
    set_screen(browser, width, height, **screen)
    open_page(browser, viewer.address)
    settled(browser)


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()
    settled(browser)


def hover(browser, x, y):
    """Point at a place of the window; give the pixel of the image that is there: row, column."""
    actions = ActionChains(browser, duration=0)
    actions.w3c_actions.pointer_action.move_to_location(x, y)
    actions.perform()
    column, row = re.fullmatch(r"x (-?[\d,]+), y (-?[\d,]+)", wait(lambda: text(browser, "#status"))).groups()
    return int(row.replace(",", "")), int(column.replace(",", ""))


def click(browser, x, y):
    actions = ActionChains(browser, duration=0)
    actions.w3c_actions.pointer_action.move_to_location(x, y).click()
    actions.perform()


def drag(browser, start, end):
    actions = ActionChains(browser, duration=50)
    pointer = actions.w3c_actions.pointer_action
    pointer.move_to_location(*start).pointer_down().move_to_location(*end).pause(0.2).pointer_up()
    actions.perform()


def touch(browser, yes):
    """Give the screen fingers, or the mouse again."""
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": yes, "maxTouchPoints": 2 if yes else 1})


def pinch(browser, x, y, near, far, steps=8):
    """Put two fingers down left and right of a place, move them apart or together, and lift them."""
    touch(browser, True)
    for spread in np.linspace(near, far, steps).tolist():
        fingers = [{"x": x + side * spread, "y": y, "id": side + 1} for side in (-1, 1)]
        kind = "touchStart" if spread == near else "touchMove"
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
        time.sleep(0.03)
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    touch(browser, False)
    settled(browser)


def middle(browser, selector):
    box = find(browser, selector).rect
    return int(box["x"] + box["width"] / 2), int(box["y"] + box["height"] / 2)


def part_of(shot, x, y, image, row, column, side=24):
    """Give what is seen around a place of the window, and what the image holds there, one pixel for one."""
    seen = shot[y - side : y + side, x - side : x + side]
    return seen, image[row - side : row + side, column - side : column + side]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(PHONE, 844), (DESK, 900)])
def test_page__asks_this_machine_alone_and_complains_of_nothing(browser, viewer, width, height, scheme):
    show(browser, viewer, width, height, scheme=scheme)
    addresses = asked(browser)
    assert len(addresses) > 10
    assert all(address.startswith((viewer.address, "data:")) for address in addresses)
    assert browser.get_log("browser") == []
    assert browser.title.startswith("hexagons.zarr")
    assert text(browser, "#subtitle") == "1,100 \u00d7 700 pixels, 12 colors"
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return document.documentElement.scrollHeight") <= height
    outside = """return [...document.querySelectorAll('header *, #status, .tag, #divider span, figure')]
        .filter(element => element.getClientRects().length)
        .filter(element => element.getBoundingClientRect().right > innerWidth + 1 ||
                           element.getBoundingClientRect().left < -1).map(element => element.outerHTML)"""
    assert browser.execute_script(outside) == []
    shot = picture(browser, f"viewer-{width}-{scheme}")
    assert shot.shape == (height, width, 3)
    assert accessibility_findings(browser) == []
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) < 380) is (scheme == "dark")


def test_controls__have_names(browser, viewer):
    show(browser, viewer)
    unnamed = """return [...document.querySelectorAll('button, input, [tabindex="0"], svg, fieldset')]
        .filter(one => !(one.ariaLabel || one.textContent.trim() || one.labels?.[0]?.textContent.trim()
                         || one.getAttribute('aria-labelledby') || one.querySelector('legend')))
        .map(one => one.outerHTML)"""
    assert browser.execute_script(unnamed) == []


def test_side_by_side__shows_the_same_place_pixel_by_pixel(browser, viewer, images):
    original, rebuilt, _ = images
    show(browser, viewer)
    press(browser, "1")
    for _ in range(2):
        right, left = middle(browser, "#rebuilt .map"), middle(browser, "#original .map")
        row, column = hover(browser, *right)
        assert hover(browser, *left) == (row, column)
        shot = picture(browser)
        for place, image in ((left, original), (right, rebuilt)):
            seen, held = part_of(shot, *place, image, row, column)
            assert np.array_equal(seen, held)
        # dragged in one, the other one follows
        actions = ActionChains(browser, duration=50)
        actions.w3c_actions.pointer_action.move_to_location(*left).pointer_down().move_to_location(
            left[0] - 60, left[1] + 40
        )
        actions.w3c_actions.pointer_action.pause(0.2).pointer_up()
        actions.perform()
        settled(browser)
        after = hover(browser, *left)
        assert abs(after[0] - (row - 40)) <= 5
        assert abs(after[1] - (column + 60)) <= 5


def test_zoom__by_wheel_moves_both(browser, viewer):
    show(browser, viewer)
    place = middle(browser, "#original .map")
    before = hover(browser, *place)
    shown = float(text(browser, "#zoom").split()[0])
    actions = ActionChains(browser)
    actions.w3c_actions.wheel_action.scroll(*place, delta_y=-300)
    actions.perform()
    settled(browser)
    assert float(text(browser, "#zoom").split()[0]) > 1.3 * shown
    after = [hover(browser, *middle(browser, f"#{name} .map")) for name in ("original", "rebuilt")]
    assert np.abs(np.subtract(after, before)).max() <= 3


def test_palette__lights_up_the_pixels_of_a_color(browser, viewer, images):
    original, rebuilt, units = images
    show(browser, viewer)
    press(browser, "1")
    right, left = middle(browser, "#rebuilt .map"), middle(browser, "#original .map")
    row, column = hover(browser, *right)
    around = units[row - 24 : row + 24, column - 24 : column + 24]
    unit = int(np.bincount(around.ravel()).argmax())
    find(browser, f"#palette [data-unit='{unit}']").click()
    settled(browser)
    wait(lambda: text(browser, "#card"))
    shot = picture(browser, "viewer-lit")
    for place, image in ((left, original), (right, rebuilt)):
        seen, held = part_of(shot, *place, image, row, column)
        assert np.array_equal(seen[around == unit], held[around == unit])
        faded = seen[around != unit].astype(int)
        assert len(faded) > 50
        assert np.ptp(faded, axis=1).max() <= 1  # gray
    card = text(browser, "#card")
    assert f"{unit} (row {unit // 4}, column {unit % 4})" in card
    assert viewer.scene.about["colors"][unit] in card
    selected = browser.find_elements("css selector", "#palette [aria-selected='true']")
    assert [one.get_attribute("data-unit") for one in selected] == [str(unit)]

    press(browser, Keys.ESCAPE)
    seen, held = part_of(picture(browser), *right, rebuilt, row, column)
    assert np.array_equal(seen, held)
    assert not find(browser, "#card").is_displayed()


def test_pixel__shows_its_unit_on_the_map(browser, viewer, images):
    original, _, units = images
    show(browser, viewer)
    press(browser, "1")
    for name in ("original", "rebuilt"):
        x, y = middle(browser, f"#{name} .map")
        row, column = hover(browser, x + 30, y - 20)
        click(browser, x + 30, y - 20)
        unit = units[row, column]
        card = wait(lambda: text(browser, "#card"))
        assert f"x {column:,}, y {row:,}" in card
        assert f"{unit} (row {unit // 4}, column {unit % 4})" in card
        assert "#" + bytes(original[row, column]).hex() in card
        for drawn in ("palette", "u-matrix"):
            mark, shape = (
                find(browser, f"#{drawn} {what}").get_attribute("points") for what in (".mark", f"[data-unit='{unit}']")
            )
            assert mark == shape
        press(browser, Keys.ESCAPE)
    click(browser, x, y)
    wait(lambda: text(browser, "#card"))
    find(browser, "#light").click()
    settled(browser)
    assert browser.execute_script("return document.documentElement.dataset.lit") == str(units[hover(browser, x, y)])


def test_hexagons__lie_as_on_the_lattice(browser, viewer):
    show(browser, viewer)
    corners = find(browser, "#palette [data-unit='5']").get_attribute("points").split()
    assert len(corners) == 6
    center = np.array([corner.split(",") for corner in corners], float).mean(axis=0)
    assert center == pytest.approx(viewer.scene.lattice.positions()[5], abs=1e-3)


def test_swipe__shows_one_image_on_either_side(browser, viewer, images):
    original, rebuilt, _ = images
    show(browser, viewer)
    press(browser, "1")
    find(browser, "#modes label:nth-of-type(2)").click()
    settled(browser)
    divider = find(browser, "#divider")
    assert divider.get_attribute("aria-valuenow") == "50"
    box = find(browser, "#views").rect
    x, y = middle(browser, "#views")

    def check(edge, name=None):
        shot = picture(browser, name)
        for place, image in ((edge - 60, original), (edge + 60, rebuilt)):
            seen, held = part_of(shot, place, y + 60, image, *hover(browser, place, y + 60))
            assert np.array_equal(seen, held)

    check(x, "viewer-swipe")
    divider.send_keys(Keys.ARROW_LEFT * 5)
    assert divider.get_attribute("aria-valuenow") == "40"
    check(int(box["x"] + 0.4 * box["width"]))
    drag(browser, (int(box["x"] + 0.4 * box["width"]), y), (x + 100, y))
    check(x + 100)
    for number, image in ((3, original), (4, rebuilt)):
        find(browser, f"#modes label:nth-of-type({number})").click()
        settled(browser)
        seen, held = part_of(picture(browser), x, y, image, *hover(browser, x, y))
        assert np.array_equal(seen, held)


def test_keys__do_what_the_help_says(browser, viewer):
    show(browser, viewer)
    fitted = text(browser, "#zoom")
    press(browser, "1")
    assert text(browser, "#zoom") == "100 %"
    place = middle(browser, "#rebuilt .map")
    row, column = hover(browser, *place)
    for key, down, right in ((Keys.ARROW_DOWN, 100, 0), (Keys.ARROW_LEFT, 0, -100), (Keys.ARROW_UP, -100, 0)):
        press(browser, key)
        row, column = row + down, column + right
        assert hover(browser, *place) == (row, column)
    press(browser, "+")
    assert text(browser, "#zoom") == "200 %"
    press(browser, "-", "-")
    assert text(browser, "#zoom") == "50 %"
    for keys in ("0", "++0", "1-0"):  # also while it still zooms
        press(browser, *keys)
        wait(lambda: text(browser, "#zoom") == fitted)
    for mode in ("swipe", "original", "rebuilt", "side"):
        press(browser, "m")
        assert find(browser, "#views").get_attribute("data-mode") == mode

    press(browser, "?")
    help_ = find(browser, "#keys")
    assert help_.is_displayed()
    assert "fit the image" in help_.text
    press(browser, Keys.ESCAPE)
    assert not help_.is_displayed()

    find(browser, "#palette [tabindex='0']").send_keys(Keys.ARROW_RIGHT)
    press(browser, Keys.ARROW_DOWN, Keys.ENTER)
    assert browser.execute_script("return document.documentElement.dataset.lit") == "5"
    assert text(browser, "#zoom") == fitted  # the palette's arrows move nothing else
    press(browser, Keys.ENTER)
    assert browser.execute_script("return document.documentElement.dataset.lit") == ""

    find(browser, "#rebuilt .map").send_keys(Keys.ENTER)
    assert "Pixel" in wait(lambda: text(browser, "#card"))


def test_phone__of_dense_pixels_shows_all_of_them(browser, viewer, images):
    show(browser, viewer, PHONE, 844, density=2)
    assert find(browser, "#views").get_attribute("data-mode") == "swipe"
    find(browser, "#actual").click()
    settled(browser)
    assert text(browser, "#zoom") == "100 %"
    find(browser, "#modes label:nth-of-type(4)").click()
    settled(browser)
    x, y = middle(browser, "#views")
    row, column = hover(browser, x, y)
    shot = picture(browser, "viewer-phone-dense")
    assert shot.shape[1] == 2 * PHONE
    seen, held = part_of(shot, 2 * x, 2 * y, images[1], row, column)
    assert (
        min(np.abs(seen.astype(int) - np.roll(held, at, (0, 1))).mean() for at in ((0, 0), (1, 0), (0, 1), (1, 1))) < 3
    )
    find(browser, "#modes label:nth-of-type(1)").click()
    settled(browser)
    upper, lower = find(browser, "#original").rect, find(browser, "#rebuilt").rect
    assert upper["y"] + upper["height"] <= lower["y"] + 1
    assert upper["width"] == lower["width"] == PHONE


def test_phone__two_fingers_zoom_at_the_place_between_them(browser, viewer):
    touch(browser, True)  # the page looks for it as it is opened
    show(browser, viewer, PHONE, 844)
    touch(browser, False)
    find(browser, "#modes label:nth-of-type(4)").click()
    settled(browser)
    place = middle(browser, "#views")
    shown, before = float(text(browser, "#zoom").split()[0]), hover(browser, *place)
    pinch(browser, *place, 30, 90)
    closer = float(text(browser, "#zoom").split()[0])
    assert 2 * shown < closer < 4.5 * shown
    assert np.abs(np.subtract(hover(browser, *place), before)).max() <= 3
    pinch(browser, *place, 90, 30)
    assert float(text(browser, "#zoom").split()[0]) < closer / 2


def test_no_motion__for_those_who_want_none(browser, viewer):
    show(browser, viewer, motion="reduce")
    browser.execute_script("document.getElementById('in').click()")
    settled(browser)
    assert browser.execute_script("return document.querySelectorAll('.leaflet-zoom-anim').length") == 0


def test_overview__is_shown_as_it_grows(browser, viewer, folder, monkeypatch):
    fill = ProgressiveOverview._fill

    def slow(survey, down, across):
        time.sleep(0.25)
        fill(survey, down, across)

    monkeypatch.setattr(stored_labels, "_CHUNK_BYTES", 1 << 14)
    monkeypatch.setattr(layers, "TILE_BYTES", 1 << 15)
    monkeypatch.setattr(layers, "_CORNER", 1)
    monkeypatch.setattr(ProgressiveOverview, "_fill", slow)
    output = quantize(folder / "photo.png", folder / "chunks.zarr", "--chunk", "128")
    with LiveScene(output, None) as live, served(live) as client:
        set_screen(browser, DESK)
        open_page(browser, client.address)
        settled(browser, "partial")
        told = wait(lambda: re.fullmatch(r"Reading the image once for its overview: (\d+) %", text(browser, "#status")))
        assert int(told[1]) < 100
        x, y = middle(browser, "#rebuilt .map")
        wait(lambda: state(browser) == "ready", 60)
        assert text(browser, "#status") == ""
        shot = picture(browser)[y - 30 : y + 30, x - 30 : x + 30].reshape(-1, 3)
        # made smaller, colors are mixed: most are still the palette's
        assert np.isin(shot @ [65536, 256, 1], live.scene.result.palette.astype(int) @ [65536, 256, 1]).mean() > 0.2
        assert browser.get_log("browser") == []


def test_without_an_original__the_rebuilt_image_is_shown_alone(browser, tmp_path, photograph):
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    output = quantize(tmp_path / "photo.png", tmp_path / "out.zarr")
    (tmp_path / "photo.png").unlink()
    with LiveScene(output, None) as live, served(live) as client:
        show(browser, client)
        assert browser.get_log("browser") == []
        assert not find(browser, "#modes").is_displayed()
        assert not find(browser, "#original").is_displayed()
        assert "cannot be read any more" in text(browser, "#notes")
        assert find(browser, "#rebuilt").rect["width"] > 1000


def test_a_server_that_is_gone_is_told(browser, folder):
    with LiveScene(str(folder / "levels.ome.zarr"), None) as live:
        with served(live) as client:
            show(browser, client)
        ActionChains(browser).send_keys("1").perform()
        wait(lambda: find(browser, "#message").is_displayed())
        assert "does not answer" in text(browser, "#message")
        picture(browser, "viewer-gone")
    browser.get("data:,")
