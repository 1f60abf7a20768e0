"""What a notebook and a terminal show of a network: the SVG, read as a picture, and the summary."""

import copy
import pickle
import re
import threading
import weakref
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import featherweight as fw

SVG = "{http://www.w3.org/2000/svg}"


def network(sizes=(9, 5, 4, 3), hidden="tanh"):
    return fw.Network(sizes, hidden, dtype=np.float64, rng=3)


def parse(svg):
    """The tree, without its key, and the key."""
    tree = ElementTree.fromstring(svg)
    (key,) = (g for g in tree.iter(f"{SVG}g") if g.get("class") == "key")
    tree.remove(key)
    return tree, key


def circles(tree):
    """Neurons by name: where they are, and how bright."""
    found = {}
    for c in tree.iter(f"{SVG}circle"):
        name = c.find(f"{SVG}title").text.split(":")[0]
        place = float(c.get("cx")), float(c.get("cy"))
        found[name] = place, luminance(c.get("fill"))
    return found


def luminance(colour):
    return np.dot([int(colour[i : i + 2], 16) for i in (1, 3, 5)], [0.299, 0.587, 0.114])


def test_a_lit_neuron_is_brighter():
    net = network()
    net.weights[2] = 5 * net.weights[2]  # for answers that differ
    x = np.random.Generator(np.random.Philox(2)).normal(size=9)
    tree, _ = parse(net.diagram(x).svg)
    drawn = circles(tree)
    minuses = {
        ((float(m.get("x1")) + float(m.get("x2"))) / 2, float(m.get("y1")))
        for m in tree.iter(f"{SVG}line")
        if m.get("class") == "minus"
    }
    for i, values in enumerate(net.activations(x)):
        found = [drawn[f"layer {i}, neuron {j}"] for j in range(len(values))]
        top = 1.0 if i else np.abs(values).max()  # tanh and softmax: on the whole scale
        wanted = 26 + np.abs(values) / top * (213 - 26)
        np.testing.assert_allclose([tone for _, tone in found], wanted, atol=6)
        for value, (place, _) in zip(values, found, strict=True):
            assert (value < 0) == any(np.allclose(place, m) for m in minuses)
    plain, key = parse(net._repr_svg_())
    assert {tone for _, tone in circles(plain).values()} == {luminance("#ffffff")}
    assert not key.findall(f"{SVG}circle")


def test_the_svg_says_what_the_network_is():
    net = network((784, 16, 16, 10), "relu")
    tree, _ = parse(net._repr_svg_())
    texts = [t.text for t in tree.iter(f"{SVG}text")]
    for wanted in ("784", "16", "10", "relu", "softmax", "13,002 parameters, float64"):
        assert wanted in texts
    assert len(circles(tree)) == 16 + 16 + 16 + 10
    assert tree.get("aria-label").startswith("network 784-16-16-10")
    assert "max-width:100%" in tree.get("style")


def test_the_svgs_lines_tell_sign_and_size():
    net = network()
    tree, key = parse(net._repr_svg_())
    names = [t.text for t in key.findall(f"{SVG}text")]
    assert names == ["positive weight", "negative weight"]
    samples = key.findall(f"{SVG}line")
    styles = [(s.get("stroke"), s.get("stroke-dasharray")) for s in samples]
    assert styles[0][1] is None
    assert styles[1][1] is not None
    places = {place: name for name, (place, _) in circles(tree).items()}
    widths = [np.zeros(w.shape) for w in net.weights]
    for e in tree.iter(f"{SVG}line"):
        start, end = (places[float(e.get(f"x{n}")), float(e.get(f"y{n}"))] for n in (1, 2))
        (layer, i), (_, j) = (map(int, re.findall(r"\d+", name)) for name in (start, end))
        sign = int(net.weights[layer][j, i] < 0)
        assert (e.get("stroke"), e.get("stroke-dasharray")) == styles[sign]
        widths[layer][j, i] = float(e.get("stroke-width"))
    for w, width in zip(net.weights, widths, strict=True):
        order = np.argsort(np.abs(w).ravel())
        assert (np.diff(width.ravel()[order]) >= 0).all()
        assert width.max() > 3 * width.min() > 0


def test_the_svg_shows_the_image_and_names_outputs_and_inputs():
    net = network((64, 5, 3))
    x = np.zeros((8, 8))
    x[1, 2], x[6, 5] = 1.0, 0.5
    tree, _ = parse(net.diagram(x.ravel(), most=6).svg)
    image = next(tree.iter(f"{SVG}g"))
    ground, *pixels = image.findall(f"{SVG}rect")
    left, top, side = (float(ground.get(n)) for n in ("x", "y", "width"))
    found = {}
    for p in pixels:
        at = float(p.get("y")) - top, float(p.get("x")) - left
        found[tuple(round(a / side * 8) for a in at)] = luminance(p.get("fill"))
    assert set(found) == {(1, 2), (6, 5)}
    assert found[1, 2] > found[6, 5] + 50 > luminance(ground.get("fill")) + 100
    drawn = circles(tree)
    for row, column in found:
        place, _ = drawn[f"layer 0, neuron {8 * row + column}"]
        wanted = left + (column + 0.5) * side / 8, top + (row + 0.5) * side / 8
        np.testing.assert_allclose(place, wanted)
    for svg, layer, size in ((net.diagram(x.ravel()).svg, 2, 3), (net._repr_svg_(), 0, 64)):
        tree, _ = parse(svg)
        texts = {(t.text, float(t.get("y")) - 4) for t in tree.iter(f"{SVG}text")}
        drawn = circles(tree)
        there = [n for n in range(size) if f"layer {layer}, neuron {n}" in drawn]
        assert len(there) == min(size, 16)
        for n in there:
            (_, y), _ = drawn[f"layer {layer}, neuron {n}"]
            assert any(text == str(n) and abs(at - y) < 0.01 for text, at in texts)


def test_a_diagram_in_words():
    net = network()
    assert repr(net.diagram()).startswith("<Diagram of 9-5-4-3: ")
    assert repr(net.diagram(np.ones(9))).startswith("<Diagram of 9-5-4-3, lit by an input: ")


def test_a_network_remembers_its_input_when_asked():
    net = network()
    x = np.random.Generator(np.random.Philox(5)).normal(size=(4, 9))
    plain = net._repr_svg_()
    y = net(x)
    assert net._repr_svg_() == plain  # not asked
    assert not net.remembers_input
    net.remembers_input = True
    assert net.remembers_input
    assert net._repr_svg_() == plain
    given = x.copy()
    np.testing.assert_array_equal(net(given), y)
    assert net._repr_svg_() == net.diagram(x[3]).svg != plain
    held = weakref.ref(given)
    del given
    assert held() is None  # a copy is kept, and not the caller's array
    net(x[1])
    assert net._repr_svg_() == net.diagram(x[1]).svg
    with pytest.raises(ValueError, match=r"x: expected shape \(9,\)"):
        net(x[0, :5])
    net(x[:0])
    assert net._repr_svg_() == net.diagram(x[1]).svg
    square = fw.Network([3, 3], output="identity", rng=0)
    square.remembers_input = True
    inplace = np.array([1, 2, 3], np.float32)
    wanted = square.diagram(inplace).svg
    square(inplace, out=inplace)
    assert square._repr_svg_() == wanted
    for twin in (copy.copy(net), pickle.loads(pickle.dumps(net))):
        assert twin.remembers_input
        assert twin._repr_svg_() == plain
    net.remembers_input = False
    assert type(net) is fw.Network
    net(x)
    net.remembers_input = True
    assert net._repr_svg_() == plain  # what was remembered before is forgotten
    with pytest.raises(TypeError, match="remembers_input: expected True or False, found 1"):
        net.remembers_input = 1

    class Own(fw.Network):
        pass

    with pytest.raises(TypeError, match="expected a Network, and none of a class"):
        Own([3, 2]).remembers_input = True


@pytest.mark.parametrize("place", ["weights", "input"])
def test_a_notebook_gets_no_picture_where_there_can_be_none(place):
    net = network()
    net.remembers_input = True
    if place == "input":
        net(np.full(9, np.nan))
    else:
        net.weights[0] = np.full((5, 9), np.nan)
    assert net._repr_svg_() is None  # IPython then shows the repr
    net.remembers_input = False
    assert (net._repr_svg_() is None) == (place == "weights")
    with pytest.raises(ValueError, match="expected finite numbers, found nan"):
        net.diagram([np.nan] * 9)


def test_a_notebook_gets_no_picture_while_another_thread_trains():
    net = network()
    found = []

    def show(*_):
        thread = threading.Thread(target=lambda: found.append(net._repr_svg_()))
        thread.start()
        thread.join()

    net.fit(np.ones((4, 9)), [0, 1, 2, 0], epochs=1, callbacks=[show])
    assert found == [None]
    assert net._repr_svg_().startswith("<svg")


def test_what_is_remembered_is_what_was_given_last():
    net = network()
    x = np.random.Generator(np.random.Philox(5)).normal(size=(4, 9))
    labels = np.array([0, 1, 2, 0])
    net.remembers_input = True
    for ask in (net, net.predict, net.activations):
        for rows in (x, x[1], x[:3]):
            ask(rows)
            wanted = np.atleast_2d(rows)[-1]
            assert net._repr_svg_() == net.diagram(wanted).svg
        ask(x[:0])
        assert net._repr_svg_() == net.diagram(x[2]).svg
    wanted = net.diagram(x[2]).svg
    with pytest.raises(ValueError, match=r"x: expected shape \(9,\)"):
        net.activations(x[0, :5])
    net.diagram(x[0])
    net.score(x, labels)
    net.evaluate(x, labels)
    assert net._repr_svg_() == wanted


def test_pictures_leave_what_is_remembered():
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    pyplot.switch_backend("agg")
    net = network()
    x = np.random.Generator(np.random.Philox(5)).normal(size=(4, 9))
    labels = np.array([0, 1, 2, 0])
    net.remembers_input = True
    net(x[2])
    wanted = net.diagram(x[2]).svg
    for draw in (
        lambda: fw.plot.misread(net, x, labels), lambda: fw.plot.confusion_matrix(net, x, labels),
        lambda: fw.plot.activations(net, x), lambda: fw.plot.saliency(net, x[0]),
        lambda: fw.plot.diagram(net, x[0]), lambda: fw.plot.excite(net, -1, 0),
    ):  # fmt: skip
        draw()
        assert net._repr_svg_() == wanted
    pyplot.close("all")


def test_summary():
    lines = fw.Network([784, 16, 16, 10], rng=0).summary().splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["0", "784"],
        ["1", "16", "relu", "12,560"],
        ["2", "16", "relu", "272"],
        ["3", "10", "softmax", "170"],
        ["13,002"],
    ]
