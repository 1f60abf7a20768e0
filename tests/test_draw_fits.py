"""The page in a real browser: that it fits screens and windows of all sizes."""

import re

import pytest

from drawing import DESKTOP, DIGITS, LANDSCAPE, PHONE, draw, neuron, opened, until

SMALL, FOLDED, ZOOMED = (320, 568), (280, 653), (640, 400)  # the last is 1280 x 800 at 200 %
SIDEWAYS = [(568, 320), (640, 360), (667, 375), (740, 360), LANDSCAPE]


def ends(page, name):
    """The farthest right and down that elements of this name reach."""
    boxes = [e.bounding_box() for e in page.locator(name).all()]
    return max(b["x"] + b["width"] for b in boxes), max(b["y"] + b["height"] for b in boxes)


@pytest.mark.parametrize(
    "size", [DESKTOP, ZOOMED, PHONE, SMALL, *SIDEWAYS], ids=lambda s: f"{s[0]}x{s[1]}"
)
def test_it_fits(size, browser, address):
    width, height = size
    with opened(browser, address, size, is_mobile=size not in (DESKTOP, ZOOMED)) as page:
        assert draw(page, DIGITS[7])["digit"] == 7
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(pad).touchAction") == "none"
        assert page.locator("#pad").bounding_box()["width"] >= 170
        assert page.evaluate("scrollY") == 0
        assert max(ends(page, "#pad")[1], ends(page, "#answer")[1]) <= height  # seen as one draws
        boxes = [n.bounding_box() for n in page.locator(".neuron").all()]
        assert min(min(b["width"], b["height"]) for b in boxes) >= 24
        assert all(0 <= b["x"] <= b["x"] + b["width"] <= width for b in boxes)
        places = {(round(b["x"]), round(b["y"])) for b in boxes}
        assert len(places) == 42
        scale = page.evaluate("$('network').getBoundingClientRect().width / "
                              "$('network').viewBox.baseVal.width")  # fmt: skip
        size_of = page.evaluate("getComputedStyle(document.querySelector('svg text')).fontSize")
        assert scale * float(re.match(r"[\d.]+", size_of).group()) > 10
        if width < height:
            return
        assert not page.evaluate("drawn.narrow")
        assert page.locator("#network").bounding_box()["y"] >= 0
        page.click("#load")  # the longest answer
        until(page, "$('answer').textContent.includes('test image')")
        for name in ("#pad", "#answer", "button", "#networks label", "#network"):
            assert ends(page, name)[1] <= height, name
        assert page.evaluate("scrollY") == 0
        if width > 700:
            neuron(page, "output 7").click()
            until(page, "!$('sought').hidden")
            assert page.evaluate("scrollY") == 0
            assert max(ends(page, "#sought")[1], ends(page, "#caption")[1]) <= height


def test_a_screen_narrower_than_the_drawing(browser, address):
    with opened(browser, address, FOLDED, is_mobile=True) as page:
        assert draw(page, DIGITS[3])["digit"] == 3
        assert page.evaluate("document.documentElement.scrollWidth") <= FOLDED[0]
        assert ends(page, "#pad")[0] <= FOLDED[0]
        box = page.locator("#pad").bounding_box()
        assert box["width"] == box["height"]
