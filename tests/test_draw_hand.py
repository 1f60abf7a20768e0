"""The page in a real browser: how one draws and takes back."""

import numpy as np
import pytest

import featherweight as fw
from drawing import (
    DIGITS,
    LINES,
    PAINTED,
    PHONE,
    drag,
    draw,
    on_page,
    opened,
    settled,
    until,
)
from featherweight.draw import answers


def test_clear_undo_and_the_key_for_it(page):
    states = [page.evaluate(PAINTED)]
    for line in LINES:
        drag(page, line)
        states.append(page.evaluate(PAINTED))
    assert len(set(states)) == 4
    settled(page)
    full = page.evaluate("latest")
    page.click("#clear")
    assert page.evaluate(PAINTED) == states[0]
    page.click("#undo")
    assert page.evaluate(PAINTED) == states[3]
    settled(page)
    assert page.evaluate("latest") == full
    page.keyboard.press("Control+z")
    assert page.evaluate(PAINTED) == states[2]
    for state in (states[1], states[0], states[0]):
        page.click("#undo")
        assert page.evaluate(PAINTED) == state


def test_a_test_image_replaces_a_drawing_until_undone(page):
    drag(page, LINES[0])
    before = page.evaluate(PAINTED)
    page.click("#load")
    until(page, "!!testImage()")
    settled(page)
    test = fw.data.digits().test
    [at] = np.flatnonzero((test.images == page.evaluate("latest.pixels")).all(axis=1))
    net = answers.shipped()["relu"]
    sure = 100 * net(test.images[at]).max()
    assert page.inner_text("#answer") == (
        f"{net.predict(test.images[at])}, {sure:.0f} % sure (a test image of a {test.labels[at]})"
    )
    page.click("#undo")
    assert page.evaluate(PAINTED) == before
    settled(page)
    assert "test image" not in page.inner_text("#answer")


@pytest.mark.parametrize("after", ["clear", "undo", "stroke", "load"])
def test_a_test_image_that_comes_too_late_is_dropped(after, page):
    """Nor does it end the stroke that is being drawn when it comes."""
    drag(page, LINES[0])
    page.evaluate(
        "(() => { const real = fetch; window.holding = []; window.come = 0;"
        "  window.fetch = async (path, options) => { if (path.startsWith('/digit/'))"
        "    await new Promise(done => holding.push(done));"
        "  const found = await real(path, options);"
        "  if (path.startsWith('/digit/')) setTimeout(() => come++, 100); return found } })()"
    )
    page.click("#load")
    until(page, "holding.length === 1")
    if after == "load":
        page.click("#load")
        until(page, "holding.length === 2")
        page.evaluate("holding[1]()")
        until(page, "come === 1 && !!testImage()")
    elif after == "stroke":
        first, second = on_page(page, LINES[1])
        page.mouse.move(*first)
        page.mouse.down()
    else:
        page.click("#" + after)
    state, come = page.evaluate(PAINTED), page.evaluate("come")
    page.evaluate("holding[0]()")
    until(page, f"come === {come + 1}")
    assert page.evaluate(PAINTED) == state
    if after == "stroke":
        page.mouse.move(*second)
        page.mouse.up()
        assert len(page.evaluate("strokes[1]")) == 2
    settled(page)
    assert ("test image" in page.inner_text("#answer")) == (after == "load")


@pytest.mark.parametrize("after", ["clear", "undo"])
def test_on_an_empty_pad_a_test_image_can_be_called_off(after, page):
    page.evaluate(
        "(() => { const real = fetch; window.come = 0; window.fetch = async (path, options) => {"
        "  const found = await real(path, options);"
        "  if (path.startsWith('/digit/')) setTimeout(() => come++, 100); return found } })()"
    )
    page.evaluate(f"$('load').click(); $('{after}').click()")
    until(page, "come === 1")
    assert page.evaluate("strokes") == []


def test_the_left_button_alone_draws(page):
    blank = page.evaluate(PAINTED)
    for button in ("right", "middle"):
        drag(page, LINES[0], button)
    assert page.evaluate(PAINTED) == blank
    drag(page, LINES[0])
    assert page.evaluate(PAINTED) != blank


def test_undo_leaves_a_stroke_that_is_being_drawn(page):
    drag(page, [*LINES[0], (120, 220), (180, 220)])
    whole = page.evaluate(PAINTED)
    page.click("#clear")
    places = on_page(page, [*LINES[0], (120, 220), (180, 220)])
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1])
    page.keyboard.press("Control+z")
    for place in places[2:]:
        page.mouse.move(*place)
    page.mouse.up()
    assert page.evaluate(PAINTED) == whole


def test_scrolling_while_drawing_does_not_shift_the_stroke(browser, address):
    with opened(browser, address, PHONE) as page:
        (x, y), *_ = on_page(page, [(60, 120)])
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.wheel(0, 60)
        until(page, "scrollY === 60")
        page.mouse.move(x + 50, y)
        page.mouse.up()
        [stroke] = np.array(page.evaluate("strokes"))
        np.testing.assert_allclose(stroke[[0, -1]], [(60, 120), (110, 180)], atol=1)


def test_a_second_finger_does_not_draw(page):
    touch = page.context.new_cdp_session(page)
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})

    def fingers(kind, *points):
        places = enumerate(on_page(page, points))
        at = [{"x": x, "y": y, "id": i} for i, (x, y) in places]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    fingers("touchStart", (50, 50))
    fingers("touchMove", (50, 60))
    fingers("touchStart", (50, 60), (250, 200))
    fingers("touchMove", (50, 80), (250, 210))
    fingers("touchMove", (50, 100), (250, 220))
    fingers("touchEnd")
    until(page, "!stroke")
    [stroke] = np.array(page.evaluate("strokes"))
    np.testing.assert_allclose(stroke[:, 0], 50, atol=1)
    assert stroke[-1, 1] > 90


def test_along_the_edge_and_all_over(page):
    """The paper is black: ink along the edge doesn't turn it."""
    frame = [(8, 8), (272, 8), (272, 272), (8, 272), (8, 8)]
    found = draw(page, [frame])
    pixels = np.array(found["pixels"]).reshape(28, 28)
    assert pixels[14, 14] == 0
    inked = pixels[pixels.any(axis=1)][:, pixels.any(axis=0)]
    assert inked.shape == (20, 20)
    assert min(inked[0].min(), inked[:, 0].min(), inked[-1].min(), inked[:, -1].min()) > 100
    rows = range(0, 290, 14)
    scribble = [p for y in rows for p in ((0, y), (280, y), (280, y + 7), (0, y + 7))]
    found = draw(page, [[(140, 140), *scribble]])
    assert found["pixels"][14 * 28 + 14] == 255
    assert "sure" in page.inner_text("#answer")


def test_one_request_at_a_time_and_the_last_state_is_read(page, record_property):
    """And how long it takes from a stroke to its answer on the screen, for the record."""
    page.evaluate(
        "(() => { const real = fetch, painted = show; window.flying = 0; window.most = 0;"
        "  window.took = []; let moved = 0;"
        "  pad.addEventListener('pointermove', e => { moved = e.timeStamp }, true);"
        "  window.fetch = async (...a) => { most = Math.max(most, ++flying);"
        "    try { const r = await real(...a); r.since = moved; window.since = moved; return r }"
        "    finally { flying-- } };"
        "  show = found => { painted(found); const since = window.since;"
        "    requestAnimationFrame(() => setTimeout(() => took.push(performance.now() - since))) }"
        "})()"
    )
    for digit in (2, 3, 8):
        draw(page, DIGITS[digit])
    page.wait_for_timeout(100)
    assert page.evaluate("most") == 1
    took = page.evaluate("took")
    record_property("milliseconds from stroke to painted answer", float(np.median(took)))
    assert page.evaluate("latest.digit") == 8
    drawing = bytes(page.evaluate("[...bytes()]"))
    reader = answers.Reader(answers.shipped()["relu"])
    assert page.evaluate("latest.pixels") == reader.read(drawing)["pixels"]


def test_another_page_may_link_to_it_and_no_more(browser, address):
    """By what a browser says of who asks; the other page is one of localhost, another host."""
    page = browser.new_page(bypass_csp=True)
    page.goto(address.replace("127.0.0.1", "localhost"))
    until(page, "!!latest")
    for path in ("", "networks", "digit/3"):
        with page.expect_response(address + path) as response:
            page.evaluate("url => fetch(url, { mode: 'no-cors' }).catch(() => 0)", address + path)
        assert response.value.status == 403
    with page.expect_navigation():
        page.evaluate("url => { location = url }", address)
    until(page, "!!latest")
    assert page.url == address
    page.close()
