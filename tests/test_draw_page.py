"""The page in a real browser: digits drawn with the mouse, and what lights up."""

import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import featherweight as fw
from featherweight.draw import answers

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
if BROWSER is None:
    pytest.skip("Chromium is not installed", allow_module_level=True)


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


@pytest.fixture(scope="module")
def address():
    command = [sys.executable, "-m", "featherweight", "draw", "--no-browser"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        yield re.match(r"(http://\S+)", process.stdout.readline()).group(1)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == ""
        assert process.returncode == 0


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        b = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield b
        b.close()


@pytest.fixture(params=[(1280, 800), (390, 844)], ids=["desktop", "phone"])
def page(request, browser, address):
    width, height = request.param
    p = browser.new_page(viewport={"width": width, "height": height})
    errors = []
    p.on("pageerror", lambda e: errors.append(str(e)))
    p.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    foreign = []
    p.on("request", lambda r: None if r.url.startswith((address, "data:")) else foreign.append(r))
    p.goto(address)
    until(p, "drawn !== null && !!window.lastAnswer")
    yield p
    assert not errors
    assert not foreign
    p.close()


def draw(page, strokes):
    page.click("#clear")
    box = page.locator("#pad").bounding_box()
    for points in strokes:
        (x, y), *others = points
        page.mouse.move(box["x"] + x, box["y"] + y)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(box["x"] + x, box["y"] + y)
        page.mouse.up()
    settled(page)
    return page.evaluate("window.lastAnswer")


def until(page, condition):
    """Wait; by looking, since the page's policy forbids the evaluation of strings inside."""
    end = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(5)


def settled(page):
    until(page, "!busy && !wanted && !waiting")


def test_digits_are_read_as_they_are_drawn(page):
    found = {digit: draw(page, strokes)["digit"] for digit, strokes in DIGITS.items()}
    assert sum(a == b for a, b in found.items()) >= 9, found


def test_what_lights_up_is_the_librarys(page):
    answer = draw(page, DIGITS[2])
    net = answers.shipped()["relu"]
    pixels = np.array(answer["pixels"], np.uint8)
    layers = net.activations(pixels)[1:]
    shown = page.evaluate(
        "drawn.layers.map(l => l.map(p => [Number(p.circle.dataset.value), "
        "p.circle.getAttribute('fill')]))"
    )
    for values, parts in zip(layers, shown, strict=True):
        np.testing.assert_array_equal(np.float32([v for v, _ in parts]), values)
        bright = [int(re.match(r"rgb\((\d+)", fill).group(1)) for _, fill in parts]
        order = np.argsort(values, kind="stable")
        assert (np.diff(np.array(bright)[order]) >= 0).all()
    squares = page.evaluate("drawn.squares.map(s => s.getAttribute('fill'))")
    assert squares == [f"rgb({v},{v},{v})" for v in pixels]
    text = page.inner_text("#answer")
    assert text == f"{answer['digit']}, {100 * answer['confidence']:.0f} % sure"


def test_the_other_network_undo_and_clear(page):
    first = draw(page, DIGITS[4])
    page.check("input[value=sigmoid]")
    settled(page)
    other = page.evaluate("window.lastAnswer")
    assert other["pixels"] == first["pixels"]
    assert other["layers"] != first["layers"]
    page.click("#undo")
    settled(page)
    assert page.evaluate("window.lastAnswer.pixels") != first["pixels"]
    page.click("#clear")
    settled(page)
    assert page.inner_text("#answer") == "Nothing is drawn yet."


def test_a_test_image_and_a_neuron(page):
    page.click("#load")
    until(page, "strokes.length === 1 && !!strokes[0].pixels")
    settled(page)
    pixels = page.evaluate("window.lastAnswer.pixels")
    assert (fw.data.digits().test.images == pixels).all(axis=1).any()
    page.locator(".neuron").nth(20).dispatch_event("click")
    page.wait_for_selector("#seeks:not([hidden])")
    assert page.inner_text("#caption").startswith("layer 2, neuron 4: the image that excites")
    page.locator(".neuron").first.focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#caption').textContent.includes('weights')")


def test_by_keyboard(page):
    page.focus("#pad")
    page.keyboard.down(" ")
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    page.keyboard.up(" ")
    settled(page)
    assert page.evaluate("window.lastAnswer.digit") == 1


def test_it_fits(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
