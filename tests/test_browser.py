"""The report in a real browser: Chromium without a window, driven by its own driver.

Skipped, with a warning that says so, where Debian's chromium and chromium-driver are not installed; CI installs them.
"""

import json
import os
import shutil
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dasksom.cli import cli

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE, DESK = 390, 1100


@pytest.fixture(scope="module")
def page(tmp_path_factory, photograph):
    folder = tmp_path_factory.mktemp("report")
    source, output = folder / 'photo <b>"&.png', folder / "out.zarr"
    Image.fromarray(np.tile(photograph[:300, :300], (2, 2, 1))).save(source)
    made = ["quantize", source, output, "--grid", "6x7", "--topology", "hexagonal", "--epochs", "10", "--report"]
    done = CliRunner().invoke(cli, [str(word) for word in made])
    assert done.exit_code == 0, done.output
    return folder / "out.report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None or DRIVER is None:
        why = "no Chromium: apt-get install chromium chromium-driver; pages were NOT looked at in a browser"
        if os.environ.get("CI"):
            pytest.fail(why)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(why, stacklevel=1)
        pytest.skip(why)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def show(browser, page, width, scheme="light"):
    """Open a page anew; give the addresses that it asked for and what the console said."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [_feature("prefers-color-scheme", scheme)]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return asked, browser.get_log("browser")


def _feature(name, value):
    return {"name": name, "value": value}


def column(browser, number):
    cells = (
        "return [...document.querySelectorAll('#palette tbody tr')].map(row => row.cells[arguments[0]].dataset.value)"
    )
    return browser.execute_script(cells, number)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_page__asks_for_nothing_and_complains_of_nothing(browser, page, width, scheme):
    asked, said = show(browser, page, width, scheme)
    assert asked[0] == page.as_uri()
    assert all(address.startswith("data:") for address in asked[1:])
    assert said == []
    assert "alert" not in browser.title
    assert browser.find_element("css selector", "header p").text.endswith('photo <b>"&.png')


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_page__fits_its_width(browser, page, width):
    show(browser, page, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    outside = """
        return [...document.querySelectorAll('main *')]
            .filter(element => !element.closest('.scroll, .planes'))
            .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
            .map(element => element.outerHTML.slice(0, 80))"""
    assert browser.execute_script(outside) == []
    broken = "return [...document.images].filter(image => !image.complete || !image.naturalWidth).length"
    assert browser.execute_script(broken) == 0


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_page__follows_the_color_scheme(browser, page, scheme, dark):
    show(browser, page, DESK, scheme)
    ink = "return [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    text, paper = (sum(map(int, color[4:-1].split(","))) for color in browser.execute_script(ink))
    assert (text > paper) is dark
    drawn = "return getComputedStyle(document.querySelector('figure svg g[id*=text] g')).fill"
    assert browser.execute_script(drawn) == browser.execute_script(ink)[0]


def test_table__sorts_by_any_column(browser, page):
    show(browser, page, DESK)
    names = [head.text for head in browser.find_elements("css selector", "#palette th button")]
    assert names == ["color", "share", "pixels", "unit", "row", "column", "values"]
    share, unit = names.index("share"), names.index("unit")
    numbers = [float(value) for value in column(browser, share)]
    assert numbers == sorted(numbers, reverse=True)
    heads = browser.find_elements("css selector", "#palette th")

    heads[unit].find_element("tag name", "button").click()
    assert [int(value) for value in column(browser, unit)] == list(range(41, -1, -1))
    assert heads[unit].get_attribute("aria-sort") == "descending"
    assert heads[share].get_attribute("aria-sort") is None

    heads[unit].find_element("tag name", "button").send_keys("\ue007")  # Enter: the keyboard will do
    assert [int(value) for value in column(browser, unit)] == list(range(42))
    assert heads[unit].get_attribute("aria-sort") == "ascending"

    heads[0].find_element("tag name", "button").click()
    assert column(browser, 0) == sorted(column(browser, 0), reverse=True)
    heads[share].find_element("tag name", "button").click()
    assert [float(value) for value in column(browser, share)] == numbers


def test_page__prints(browser, page):
    show(browser, page, DESK, "dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    paper = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(paper) == "rgb(255, 255, 255)"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert browser.execute_cdp_cmd("Page.printToPDF", {})["data"].startswith("JVBERi")


def test_screenshots__are_of_the_size_asked_for(browser, page):
    """Kept where DASKSOM_SCREENSHOTS names a folder, for a person to look at."""
    for width in (PHONE, DESK):
        show(browser, page, width)
        shot = browser.get_screenshot_as_png()
        assert shot.startswith(b"\x89PNG")
        assert int.from_bytes(shot[16:20], "big") == width
        folder = os.environ.get("DASKSOM_SCREENSHOTS")
        if folder:
            with open(os.path.join(folder, f"report-{width}.png"), "wb") as file:
                file.write(shot)
