"""The report in a real browser.

Skipped, with a warning that says so, where Debian's chromium and chromium-driver are not installed; CI installs them.
"""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dasksom.cli.main import cli
from tests.browsing import PHONE, asked, open_page, picture, set_screen

DESK = 1100


@pytest.fixture(scope="module")
def page(tmp_path_factory, photograph):
    folder = tmp_path_factory.mktemp("report")
    source, output = folder / 'photo <b>"&.png', folder / "out.zarr"
    Image.fromarray(np.tile(photograph[:300, :300], (2, 2, 1))).save(source)
    made = ["quantize", source, output, "--grid", "6x7", "--topology", "hexagonal", "--epochs", "10", "--report"]
    done = CliRunner().invoke(cli, [str(word) for word in made])
    assert done.exit_code == 0, done.output
    return folder / "out.report.html"


def show(browser, page, width, scheme="light"):
    """Open a page anew; give the addresses that it asked for and what the console said."""
    set_screen(browser, width, scheme=scheme)
    open_page(browser, page.as_uri())
    return asked(browser), browser.get_log("browser")


def column(browser, number):
    cells = (
        "return [...document.querySelectorAll('#palette tbody tr')].map(row => row.cells[arguments[0]].dataset.value)"
    )
    return browser.execute_script(cells, number)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_page__asks_for_nothing_and_complains_of_nothing(browser, page, width, scheme):
    addresses, said = show(browser, page, width, scheme)
    assert addresses[0] == page.as_uri()
    assert all(address.startswith("data:") for address in addresses[1:])
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
        assert picture(browser, f"report-{width}").shape == (900, width, 3)
