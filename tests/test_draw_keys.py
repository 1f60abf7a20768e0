"""The page in a real browser: what one does by keys alone, and what is read aloud."""

import signal

import numpy as np
import pytest

from drawing import (
    DIGITS,
    LINES,
    PAINTED,
    drag,
    draw,
    neuron,
    served,
    settled,
    until,
)
from featherweight.draw import answers


def test_the_keys_draw_with_a_pen_that_is_seen(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "pad"
    assert page.is_visible("#pen")

    def middle():
        box, frame = (page.locator(n).bounding_box() for n in ("#pen", "#pad"))
        return box["x"] + box["width"] / 2 - frame["x"], box["y"] + box["height"] / 2 - frame["y"]

    colour = "getComputedStyle($('pen')).backgroundColor"
    blank, up = page.evaluate(PAINTED), page.evaluate(colour)
    assert middle() == pytest.approx((140, 60), abs=1)
    page.keyboard.press("ArrowRight")
    assert middle() == pytest.approx((148, 60), abs=1)
    assert page.evaluate(PAINTED) == blank
    page.keyboard.down(" ")
    assert page.evaluate(colour) != up
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    page.keyboard.up(" ")
    assert page.evaluate(colour) == up
    assert middle() == pytest.approx((148, 220), abs=1)
    settled(page)
    assert page.evaluate("latest.digit") == 1
    page.keyboard.press("Tab")
    assert page.is_hidden("#pen")
    drag(page, LINES[0])
    page.keyboard.press("ArrowDown")
    assert page.is_visible("#pen")
    drag(page, LINES[1])
    assert page.is_hidden("#pen")  # where the mouse is, the browser shows


@pytest.mark.parametrize(
    ("key", "capital", "shift", "undoes"),
    [
        ("Control+z", False, False, True),
        ("Control+Z", True, False, True),  # as Caps Lock has it
        ("Meta+z", False, False, True),
        ("Control+Shift+Z", True, True, False),
        ("Control+Shift+z", False, True, False),  # with both
        ("z", False, False, False),
    ],
)
def test_the_key_that_undoes(key, capital, shift, undoes, page):
    drag(page, LINES[0])
    page.evaluate("window.pressed = []; addEventListener('keydown', e => pressed.push(e))")
    page.keyboard.press(key)
    told = page.evaluate("(e => [e.key, e.shiftKey])(pressed.at(-1))")
    assert told == ["Z" if capital else "z", shift]
    assert page.evaluate("pressed.at(-1).defaultPrevented") == undoes
    assert page.evaluate("strokes.length") == (0 if undoes else 1)


@pytest.mark.parametrize("trouble", ["pad.blur()", "$('clear').click()", "$('load').click()"])
def test_the_pen_is_lifted(trouble, page):
    page.focus("#pad")
    page.keyboard.down(" ")
    page.keyboard.press("ArrowDown")
    page.evaluate(trouble)
    until(page, "!stroke && (!strokes.length || strokes.length === 1)")
    if "load" in trouble:
        until(page, "!!testImage()")
    page.focus("#pad")
    state = page.evaluate(PAINTED)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(PAINTED) == state
    page.keyboard.up(" ")


def test_the_tab_key_stops_once_at_the_network(page):
    def focused():
        return page.evaluate(
            "(e => e.getAttribute('aria-label') ?? e.id + (e.value ?? ''))(document.activeElement)"
        )

    stops = []
    for _ in range(6):
        page.keyboard.press("Tab")
        stops.append(focused())
    assert stops[0].startswith("Draw a digit")
    assert stops[1:] == ["clear", "undo", "load", "relu", "layer 1, neuron 0"]
    ways = {
        "ArrowDown": "layer 1, neuron 1",
        "ArrowUp": "layer 1, neuron 0",
        "ArrowRight": "layer 2, neuron 0",
        "ArrowLeft": "layer 1, neuron 0",
    }
    for key, name in ways.items():
        page.keyboard.press(key)
        assert focused() == name
    page.keyboard.press("Enter")
    until(page, "$('caption').textContent.startsWith('layer 1, neuron 0: its weights')")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert focused() == "output 0"
    page.keyboard.press("ArrowRight")
    assert focused() == "output 0"
    page.keyboard.press("Shift+Tab")
    assert focused() == "relu"
    page.keyboard.press("Tab")
    assert focused() == "output 0"


def test_what_is_read_aloud(page):
    """The answer when the hand rests, not at every point; every neuron's activation."""
    page.evaluate(
        "(() => { window.said = []; new MutationObserver(() => said.push($('said').textContent))"
        ".observe($('said'), { childList: true, characterData: true, subtree: true }) })()"
    )
    answer = draw(page, DIGITS[5])
    page.wait_for_timeout(50)
    assert page.evaluate("said") == [page.inner_text("#answer")]
    net = answers.shipped()["relu"]
    values = net.activations(np.array(answer["pixels"], np.uint8))[2]
    label = neuron(page, "layer 2, neuron 3").get_attribute("aria-label")
    assert label == f"layer 2, neuron 3: {float(f'{values[3]:.2f}'):g}"
    assert neuron(page, f"output {answer['digit']}").get_attribute("aria-label").endswith(": 1")
    page.click("#clear")
    settled(page)
    assert neuron(page, "layer 2, neuron 3").get_attribute("aria-label") == "layer 2, neuron 3"


def test_without_its_server_the_page_says_so(browser):
    errors = []
    with served() as (address, process):
        page = browser.new_page()
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(address)
        until(page, "!!latest")
        settled(page)
        process.send_signal(signal.SIGINT)
        process.wait(60)
        gone = "The server doesn't answer. Does featherweight draw still run?"
        for action in (
            lambda: drag(page, LINES[0]),
            lambda: page.click("#load"),
            lambda: neuron(page, "output 3").click(),
        ):
            page.evaluate("tell('')")
            action()
            until(
                page, f'$("answer").textContent === "{gone}" && $("said").textContent === "{gone}"'
            )
        page.close()
    assert not errors


def test_what_the_server_refuses_is_said(browser, address):
    page = browser.new_page()
    page.goto(address)
    until(page, "!!latest")
    page.evaluate("bytes = () => new Uint8Array(5)")
    drag(page, LINES[0])
    settled(page)
    assert page.inner_text("#answer") == (
        "The server refused it: drawing: expected 19600 or 784 bytes, found 5."
    )
    page.close()
