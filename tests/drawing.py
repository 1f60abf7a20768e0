"""The page to draw on, driven in Debian's or another Chromium: what its tests share."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
if BROWSER is None:
    pytest.skip("Chromium is not installed", allow_module_level=True)

DESKTOP, PHONE, LANDSCAPE = (1280, 800), (390, 844), (844, 390)


def arc(cx, cy, rx, ry, start, end, n=24):
    """Points on an ellipse, by degrees, 0 to the right and 90 down."""
    t = np.deg2rad(np.linspace(start, end, n))
    return list(zip(cx + rx * np.cos(t), cy + ry * np.sin(t), strict=True))


# strokes on a pad of 280 by 280
DIGITS = {
    0: [arc(140, 140, 55, 85, -90, 270, 40)],
    1: [[(145, 55), (140, 140), (135, 225)]],
    2: [[*arc(140, 100, 50, 45, 180, 390), (90, 220), (200, 218)]],
    3: [[*arc(130, 95, 48, 42, 200, 450), *arc(130, 182, 55, 45, -90, 160)]],
    4: [[(105, 60), (90, 150), (190, 148)], [(180, 65), (172, 230)]],
    5: [[(190, 60), (105, 60), (98, 128), *arc(130, 172, 58, 50, -110, 140)]],
    6: [[(165, 50), (110, 120), *arc(140, 178, 45, 45, 200, 560, 40)]],
    7: [[(80, 70), (195, 70), (130, 225)]],
    8: [[*arc(140, 97, 40, 40, 60, -240, 40), *arc(140, 180, 48, 46, -60, 240, 40)]],
    9: [[*arc(138, 105, 42, 42, 0, -360, 40), (178, 150), (165, 230)]],
}
LINES = [[(60, 60), (60, 200)], [(200, 60), (220, 200)], [(60, 130), (220, 130)]]
PAINTED = "pad.toDataURL()"


@contextlib.contextmanager
def served(*arguments):
    """The command, running; its address and its process."""
    command = [sys.executable, "-m", "featherweight", "draw", "--no-browser", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            yield re.match(r"(http://\S+)", process.stdout.readline()).group(1), process
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60)[1] == ""
            assert process.returncode == 0
        finally:
            process.kill()


@contextlib.contextmanager
def launched():
    """A browser."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser, address, size=DESKTOP, **options):
    """The page, which asks for nothing of elsewhere and has no errors."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
    errors, asked = [], []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: asked.append(r.url))
    page.goto(address)
    until(page, "!!latest")
    settled(page)
    yield page
    assert not errors
    assert all(url.startswith((address, "data:")) for url in asked), asked
    page.close()


def until(page, condition):
    """Wait; by looking, since the page's policy forbids the evaluation of strings inside."""
    end = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(5)


def settled(page):
    """Wait until what is drawn has been read."""
    until(page, "!busy && !wanted")


def on_page(page, points):
    """Where points of the pad are on the page."""
    box = page.locator("#pad").bounding_box()
    k = box["width"] / 280
    return [(box["x"] + x * k, box["y"] + y * k) for x, y in points]


def drag(page, points, button="left"):
    """Draw one stroke with the mouse."""
    first, *others = on_page(page, points)
    page.mouse.move(*first)
    page.mouse.down(button=button)
    for p in others:
        page.mouse.move(*p)
    page.mouse.up(button=button)


def draw(page, strokes):
    """Draw on a clean pad, and return what the network answered."""
    page.click("#clear")
    for points in strokes:
        drag(page, points)
    settled(page)
    return page.evaluate("latest")


def neuron(page, name):
    """The neuron of this name, with or without its activation."""
    return page.locator(f'.neuron[aria-label="{name}"], .neuron[aria-label^="{name}:"]')
