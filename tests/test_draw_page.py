"""The page in a real browser: digits drawn with the mouse, and what lights up."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

import featherweight as fw
from drawing import (
    DESKTOP,
    DIGITS,
    LANDSCAPE,
    PHONE,
    drag,
    draw,
    neuron,
    opened,
    served,
    settled,
    until,
)
from featherweight.draw import answers

LUMA = [0.299, 0.587, 0.114]
YELLOW, BLUE = (255, 216, 102), (86, 180, 233)


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request, browser, address):
    with opened(browser, address, request.param) as page:
        yield page


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A network of one's own, wide and of both signs."""
    net = fw.Network([784, 200, 12, 10], ["gelu", "tanh"], rng=0, input_scale=1 / 255)
    path = tmp_path_factory.mktemp("own") / "own.safetensors"
    net.save(path)
    return net, path


def canvas(page, name):
    """A canvas's RGBA values."""
    url = page.evaluate(f"$('{name}').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))), int)


def fills(page):
    """Of each layer's neurons (activation, red, green, blue, whether its edge is dashed)."""
    return [
        np.array(layer)
        for layer in page.evaluate(
            "drawn.layers.map(l => l.map(p => { const s = getComputedStyle(p.circle); return "
            "[p.value, ...s.fill.match(/\\d+/g).map(Number), s.strokeDasharray !== 'none'] }))"
        )
    ]


def test_digits_are_read_as_they_are_drawn(page):
    found = {digit: draw(page, strokes)["digit"] for digit, strokes in DIGITS.items()}
    assert sum(a == b for a, b in found.items()) >= 9, found


def test_what_lights_up_is_the_librarys(page):
    answer = draw(page, DIGITS[2])
    net = answers.shipped()["relu"]
    pixels = np.array(answer["pixels"], np.uint8)
    layers = net.activations(pixels)[1:]
    for values, shown in zip(layers, fills(page), strict=True):
        np.testing.assert_array_equal(shown[:, 0].astype(np.float32), values)
        full = 1 if values is layers[-1] else values.max()
        np.testing.assert_allclose(shown[:, 1], 255 * values / full, atol=0.51)
        assert (shown[:, 1:2] == shown[:, 1:4]).all()
        assert not shown[:, 4].any()
    image = canvas(page, "pixels")
    assert (image[..., :3] == pixels.reshape(28, 28, 1)).all()
    text = page.inner_text("#answer")
    assert text == f"{answer['digit']}, {100 * answer['confidence']:.0f} % sure"
    digits = page.evaluate(
        "drawn.layers.at(-1).map(p => [p.text.textContent, getComputedStyle(p.text).fontWeight])"
    )
    assert digits == [[str(i), "700" if i == answer["digit"] else "400"] for i in range(10)]


def test_the_leading_weights_glow(page):
    """Those that the library names, where they belong; by colour and dashes, width and light."""
    answer = draw(page, DIGITS[3])
    reader = answers.Reader(answers.shipped()["relu"])
    assert answer["lines"] == reader.read(bytes(answer["pixels"]))["lines"]
    assert canvas(page, "glow")[..., 3].any()

    def line(layer, of, to, share):
        page.evaluate(f"shine([0, 1, 2].map(l => l === {layer} ? [[{of}, {to}, {share}]] : []))")
        ends = page.evaluate(
            f"(() => {{ const p = drawn.pixels, e = drawn.layers[{layer}][{to}];"
            f"const b = {layer} ? drawn.layers[{layer} - 1][{of}] : {{ cx: p.x + p.size * "
            f"({of} % 28 + .5) / 28, cy: p.y + p.size * (Math.floor({of} / 28) + .5) / 28 }};"
            "return [b.cx, b.cy, e.cx, e.cy] })()"
        )
        x, y = 2 * np.linspace(ends[:2], ends[2:], 400)[5:-5].T
        shown = canvas(page, "glow")
        along = shown[y.astype(int), x.astype(int)]
        far = shown[..., 3] > 0
        rows, columns = np.nonzero(far)
        for at, ends_at in ((columns, x), (rows, y)):  # and nowhere else
            assert abs(at.min() - ends_at.min()) < 10
            assert abs(at.max() - ends_at.max()) < 10
        return along, far.sum()

    for layer, of, to in ((0, 784 // 2 + 10, 0), (1, 2, 15), (2, 15, 3)):
        full, area = line(layer, of, to, 1)
        assert (full[:, 3] > 0).all()
        assert np.abs(full[:, :3] - YELLOW).max() < 12
        against, _ = line(layer, of, to, -1)
        inked = against[:, 3] > 60
        assert 0.4 < inked.mean() < 0.8  # dashed
        assert np.abs(against[inked, :3] - BLUE).max() < 12
        faint, faint_area = line(layer, of, to, 0.1)
        assert faint[:, 3].mean() < full[:, 3].mean() / 2
        assert faint_area < 0.75 * area  # thinner
    draw(page, [])
    assert not canvas(page, "glow").any()


def test_the_other_network(page):
    first = draw(page, DIGITS[4])
    page.check("input[value=sigmoid]")
    settled(page)
    other = page.evaluate("latest")
    assert other["pixels"] == first["pixels"]
    assert other["layers"] != first["layers"]
    shown = fills(page)[0]
    np.testing.assert_allclose(shown[:, 1], 255 * shown[:, 0], atol=0.51)
    draw(page, [])
    assert page.inner_text("#answer") == "Nothing is drawn yet."
    assert not any(layer[:, 1].any() for layer in fills(page))


def test_what_a_neuron_looks_for(page):
    reader = answers.Reader(answers.shipped()["relu"])
    draw(page, DIGITS[5])

    def sought(name, words):
        until(page, f"$('caption').textContent.startsWith('{name}: {words}')")
        box = page.locator("#seeks").bounding_box()
        assert page.is_visible("#sought")
        assert box["y"] > -1
        assert box["y"] + box["height"] < page.viewport_size["height"] + 1
        assert page.inner_text("#said") == page.inner_text("#caption")
        chosen = page.locator(".neuron.chosen")
        assert chosen.count() == 1
        assert chosen.get_attribute("aria-label").startswith(name)
        ring = "getComputedStyle(document.querySelector('.chosen circle:last-child')).stroke"
        assert page.evaluate(ring) == f"rgb{YELLOW}"
        return canvas(page, "sought")[..., :3].reshape(784, 3)

    neuron(page, "layer 1, neuron 3").click()
    weights = np.array(reader.seeks(0, 3)["values"])
    image = sought("layer 1, neuron 3", "its weights")
    order = np.argsort(weights)
    brightness = (image @ LUMA)[order]
    assert (np.diff(brightness) > -2).all()  # without colour, too
    assert brightness[-1] - brightness[0] > 80
    assert np.ptp(image[np.abs(weights) < 0.01], axis=1).max() < 10  # grey
    assert image[weights.argmax()].argmin() == 2
    assert image[weights.argmin()].argmax() == 2
    neuron(page, "layer 2, neuron 4").click()
    image = sought("layer 2, neuron 4", "the image that excites")
    values = np.array(reader.seeks(1, 4)["values"])
    np.testing.assert_allclose(image, np.tile(255 * values[:, None], 3), atol=0.51)


def test_an_answer_that_comes_too_late_is_not_shown(page):
    page.evaluate(
        "(() => { const real = fetch; window.late = 0; window.fetch = async (path, options) => {"
        "  const slow = path.endsWith('/0/3');"
        "  if (slow) await new Promise(done => { window.release = done });"
        "  const found = await real(path, options); if (slow) setTimeout(() => late++, 50);"
        "  return found } })()"
    )
    neuron(page, "layer 1, neuron 3").click()
    neuron(page, "output 7").click()
    until(page, "document.querySelector('#caption').innerText.startsWith('output 7: ')")
    page.evaluate("release()")
    until(page, "late === 1")
    assert page.inner_text("#caption").startswith("output 7: ")
    neuron(page, "layer 1, neuron 3").click()
    page.check("input[value=sigmoid]")
    until(page, "document.querySelector('#caption').innerText.startsWith('Click a neuron')")
    page.evaluate("release()")
    until(page, "late === 2")
    assert page.inner_text("#caption") == "Click a neuron to see what it looks for."
    assert page.locator(".chosen").count() == 0
    assert page.is_hidden("#sought")


def test_an_answer_of_the_network_before_is_not_shown(page):
    page.evaluate(
        "(() => { const real = fetch, painted = show; window.shown = [];"
        "  show = found => { shown.push(found); painted(found) };"
        "  const held = new Promise(done => { window.release = done });"
        "  window.fetch = async (path, options) => { if (path === '/read/relu')"
        "    await held; return real(path, options) } })()"
    )
    drag(page, DIGITS[1][0])
    page.check("input[value=sigmoid]")
    page.evaluate("release()")
    settled(page)
    shown = page.evaluate("shown")
    sigmoid = answers.Reader(answers.shipped()["sigmoid"])
    right = sigmoid.read(bytes(page.evaluate("[...bytes()]")))["layers"]
    assert shown
    assert all(found["layers"] == right for found in shown)


def test_a_network_of_ones_own(browser, own):
    """Which neurons of a wide layer, how many of them; scaled by the layer, signs told apart."""
    net, path = own
    with served(path) as (address, _), opened(browser, address) as page:
        answer = draw(page, DIGITS[8])
        labels = page.locator("#network > text").all_text_contents()
        assert "160 of 200 gelu" in labels
        assert "12 tanh" in labels
        activations = net.activations(np.array(answer["pixels"], np.uint8))[1:]
        chosen = answers.Reader(net).neurons
        for values, which, shown in zip(activations, chosen, fills(page), strict=True):
            np.testing.assert_array_equal(shown[:, 0].astype(np.float32), values[which])
            full = np.abs(values).max() if len(values) == 200 else 1
            np.testing.assert_allclose(
                shown[:, 3] / (255 + (values[which] < 0) * (233 - 255)),
                np.abs(values[which]) / full,
                atol=0.003,
            )
            np.testing.assert_array_equal(shown[:, 4], values[which] < 0)
            minus = (values[which] < 0) & (shown[:, 3] > 20)
            assert (shown[minus, 3] > 1.5 * shown[minus, 1]).all()  # blue
        assert fills(page)[1][:, 4].any()
        at = int(np.flatnonzero(chosen[0] > 170)[0])
        name = f"layer 1, neuron {chosen[0][at]}"
        neuron(page, name).click()
        until(page, f"$('caption').textContent.startsWith('{name}: its weights')")
        weights = np.array(answers.Reader(net).seeks(0, int(chosen[0][at]))["values"])
        image = canvas(page, "sought")[..., :3].reshape(784, 3) @ LUMA
        assert weights[image.argmax()] > 0.98
        assert weights[image.argmin()] < weights.min() + 0.02


def test_sigmoid_outputs_are_stated_as_they_are(browser, tmp_path):
    """They need not add up to 1, so there is no word of per cents."""
    net = fw.Network([784, 8, 10], output="sigmoid", rng=0)
    net.save(tmp_path / "lesson.safetensors")
    with served(tmp_path / "lesson.safetensors") as (address, _), opened(browser, address) as page:
        found = draw(page, DIGITS[3])
        wanted = f"{found['digit']}, whose output is {found['confidence']:.2f}"
        assert page.inner_text("#answer") == wanted


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_many_outputs_and_dead_neurons(browser, size, tmp_path):
    """The answer alone bears its number, where there is no room for all; nothing is sought."""
    net = fw.Network([784, 12, 200], rng=0, input_scale=1 / 255)
    net.biases[0] = np.full(12, -1e4)
    net.biases[1] = np.eye(200)[187] * 9
    net.save(tmp_path / "many.safetensors")
    with (
        served(tmp_path / "many.safetensors") as (address, _),
        opened(browser, address, size) as page,
    ):
        assert draw(page, DIGITS[1])["digit"] == 187
        seen = [t for t in page.locator("#network > text").all() if t.is_visible()]
        assert [t.text_content() for t in seen if t.text_content().isdecimal()] == ["187"]
        neuron(page, "output 3").click()
        until(page, "$('caption').textContent === 'output 3: no image was found that excites it.'")
        assert page.is_hidden("#sought")


def test_many_layers_stand_closer_together(browser, tmp_path):
    fw.Network([784, *[12] * 12, 10], rng=0).save(tmp_path / "deep.safetensors")
    with served(tmp_path / "deep.safetensors") as (address, _), opened(browser, address) as page:
        draw(page, DIGITS[1])
        boxes = [n.bounding_box() for n in page.locator(".neuron").all()]
        assert min(b["width"] for b in boxes) > 14
        assert all(b["x"] + b["width"] <= DESKTOP[0] for b in boxes)


def test_turned_it_is_arranged_anew(browser, address):
    with opened(browser, address, PHONE) as page:
        before = draw(page, DIGITS[6])
        neuron(page, "output 6").click()
        until(page, "!$('sought').hidden")
        tall = page.locator("#network").bounding_box()
        page.set_viewport_size({"width": LANDSCAPE[0], "height": LANDSCAPE[1]})
        until(page, "!drawn.narrow")
        wide = page.locator("#network").bounding_box()
        assert tall["height"] > tall["width"]
        assert wide["width"] > wide["height"]
        for values, shown in zip(before["layers"], fills(page), strict=True):
            np.testing.assert_array_equal(shown[:, 0], values)
        assert page.locator(".chosen").count() == 1
