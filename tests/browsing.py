"""Chromium without a window, driven by its own driver, for the tests that look at pages."""

import io
import json
import os
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
    "--disable-dev-shm-usage",  # which is small in containers
)
PHONE = 390


def start(folder):
    """Start a browser that keeps its files in a folder, or skip: with a warning, and never on CI."""
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
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(120)
    driver.set_script_timeout(60)
    return driver


def set_screen(browser, width, height=900, scheme="light", density=1, motion="no-preference"):
    """Give the screen a size and a color scheme; of a phone's width it is a phone's."""
    told = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
    features = [{"name": name, "value": value} for name, value in told.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def open_page(browser, address):
    """Open a page anew; logs hold nothing older, and no older page asks a server that is gone."""
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(address)


def asked(browser):
    """Give the addresses that were asked for since the last look."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def wait(what, seconds=60):
    """Wait until a call gives something true; give it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return found


AXE = """const done = arguments[0];
axe.run(document).then(found => done(found.violations.map(({ id, nodes }) => [id, ...nodes.map(node => node.html)])))"""


def accessibility_findings(browser):
    """Give what axe-core finds on a page, where DASKSOM_AXE names its axe.min.js; else nothing."""
    path = os.environ.get("DASKSOM_AXE")
    if not path:
        return []
    browser.execute_script(Path(path).read_text(encoding="utf-8"))
    return browser.execute_async_script(AXE)


def picture(browser, name=None):
    """Give a screenshot, (height, width, 3); kept where DASKSOM_SCREENSHOTS names a folder, for a person to look at."""
    shot = browser.get_screenshot_as_png()
    folder = os.environ.get("DASKSOM_SCREENSHOTS")
    if folder and name:
        Path(folder, f"{name}.png").write_bytes(shot)
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
