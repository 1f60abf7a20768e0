"""Pictures: what they show, read off the drawn images, and off the pixels."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import featherweight as fw
from featherweight.diagrams import layout as diagram

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")


@pytest.fixture(autouse=True)
def _figures():
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


def network(sizes=(16, 5, 3), **options):
    return fw.Network(sizes, "tanh", rng=1, **options)


def data(n=60):
    rng = np.random.Generator(np.random.Philox(4))
    return rng.uniform(0, 1, (n, 16)).astype(np.float32), rng.integers(0, 3, n)


def colour(ax, x, y):
    """What is seen at a point of the axes' data: red, green and blue."""
    figure = ax.figure
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float)
    column, row = ax.transData.transform((x, y))
    return pixels[int(pixels.shape[0] - row), int(column)]


def luminance(ax, x, y):
    """The same in black and white."""
    return colour(ax, x, y) @ [0.299, 0.587, 0.114]


def test_weights_have_their_extremes_where_they_belong():
    net = network()
    w = np.zeros((5, 16))
    w[1, 6], w[3, 9] = 2.0, -3.0
    net.weights[0] = w
    ax = fw.plot.weights(net)
    images = ax.images
    assert len(images) == 5
    assert {(i.norm.vmin, i.norm.vmax) for i in images} == {(-3.0, 3.0)}
    for j, image in enumerate(images):
        np.testing.assert_array_equal(image.get_array(), w[j].reshape(4, 4))

    def place(neuron, pixel):
        left, right, bottom, top = images[neuron].get_extent()
        row, column = divmod(pixel, 4)
        return left + (column + 0.5) / 4 * (right - left), top + (row + 0.5) / 4 * (bottom - top)

    zero = luminance(ax, *place(0, 0))
    assert luminance(ax, *place(1, 6)) > zero + 30  # light is above, dark below, in grey, too
    assert luminance(ax, *place(3, 9)) < zero - 30
    assert abs(luminance(ax, *place(4, 5)) - zero) < 2
    assert np.ptp(colour(ax, *place(0, 0))) < 20  # 0 is grey
    assert "neurons of layer 1" in ax.get_title()
    assert [a.get_ylabel() for a in ax.figure.axes[1:]] == ["weight"]


def test_a_few_large_weights_do_not_make_the_others_grey():
    net = fw.Network([64, 8, 3], rng=1)
    w = np.random.Generator(np.random.Philox(2)).normal(size=(8, 64))
    w[2, 9], w[5, 20] = 40.0, -30.0
    net.weights[0] = w
    ax = fw.plot.weights(net)
    (bar,) = (image.colorbar for image in ax.images if image.colorbar)
    end = np.sort(np.abs(w).ravel())[-6]  # of 512
    assert {(i.norm.vmin, i.norm.vmax) for i in ax.images} == {(-np.float32(end), np.float32(end))}
    assert bar.extend == "both"
    shown = np.array([image.cmap(image.norm(image.get_array()))[..., :3] @ [0.299, 0.587, 0.114]
                      for image in ax.images]).reshape(8, 64)  # fmt: skip
    assert shown[2, 9] == shown.max()
    assert shown[5, 20] == shown.min()
    assert (np.abs(shown - np.median(shown)) > 0.05).mean() > 0.6
    w[:] = 0
    w[0, 0] = 2  # of the others none is anything
    net.weights[0] = w
    ax = fw.plot.weights(net)
    assert ax.images[0].norm.vmax == 2
    assert ax.images[0].colorbar.extend == "neither"


def neurons(ax, layer):
    """Where a diagram's neurons are."""
    (found,) = (c for c in ax.collections if c.get_label() == f"layer {layer}")
    return found.get_offsets()


def test_a_lit_neuron_is_brighter():
    net = network()
    net.weights[1] = 5 * net.weights[1]  # for answers that differ
    x = data()[0][0] - 0.5
    ax = fw.plot.diagram(net, x)
    for i, values in enumerate(net.activations(x)):
        # beside a minus in the middle
        seen = np.array([luminance(ax, px, py + 0.12) for px, py in neurons(ax, i)])
        order = np.argsort(np.abs(values))
        assert (np.diff(seen[order]) >= -8).all()
        top = 1.0 if i else np.abs(values).max()  # tanh and softmax: on the whole scale
        wanted = 26 + np.abs(values) / top * (213 - 26)
        np.testing.assert_allclose(seen, wanted, atol=8)
        with pytest.raises(AssertionError):  # the twin: the other way round
            assert (np.diff(seen[order[::-1]]) >= -8).all()
    texts = {t.get_text() for t in ax.texts}
    assert {"tanh\n\u00b11", "softmax\n0 to 1", f"input\n\u00b1{np.abs(x).max():.3g}"} <= texts


def test_negative_activations_bear_a_mark():
    net = network()
    x = data()[0][0] - 0.5
    ax = fw.plot.diagram(net, x)
    marked = [c for c in ax.collections[2:] if not c.get_label().startswith("layer")]
    values = net.activations(x)
    wanted = [neurons(ax, i)[v < 0] for i, v in enumerate(values) if (v < 0).any()]
    assert len(wanted) == 2
    for found, places in zip(marked, wanted, strict=True):
        np.testing.assert_array_equal(found.get_offsets(), places)
    assert len(fw.plot.diagram(net, np.abs(x)).collections) < len(ax.collections)


def test_a_diagrams_lines_tell_sign_and_size():
    net = network()
    ax = fw.plot.diagram(net, most=16)
    key = dict(zip((t.get_text() for t in ax.get_legend().get_texts()),
                   ax.get_legend().get_lines(), strict=True))  # fmt: skip
    assert list(key) == ["positive weight", "negative weight"]
    places = [[tuple(p) for p in neurons(ax, i)] for i in range(3)]
    seen = {}
    for lines, positive in zip(ax.collections[:2], (True, False), strict=True):
        sample = key["positive weight" if positive else "negative weight"]
        assert sample.is_dashed() != positive
        assert (lines.get_linestyle()[0][1] is None) == positive
        np.testing.assert_array_equal(
            lines.get_edgecolor()[0][:3], pyplot.matplotlib.colors.to_rgb(sample.get_color())
        )
        for (start, end), width in zip(lines.get_segments(), lines.get_linewidth(), strict=True):
            layer = next(i for i in (0, 1) if tuple(start) in places[i])
            at = places[layer + 1].index(tuple(end)), places[layer].index(tuple(start))
            assert (net.weights[layer][at] > 0) == positive
            seen[layer, *at] = width
    for layer, w in enumerate(net.weights):
        widths = np.array([seen[layer, i, j] for i, j in np.ndindex(w.shape)])
        order = np.argsort(np.abs(w).ravel())
        assert (np.diff(widths[order]) >= 0).all()
        assert widths.max() > 3 * widths.min()


def test_a_lit_diagram_shows_the_image():
    net = fw.Network([64, 5, 3], "tanh", rng=1)
    x = np.zeros((8, 8), np.float32)
    x[1, 2], x[6, 5] = 1.0, 0.5
    ax = fw.plot.diagram(net, x.ravel(), most=6)
    (image,) = ax.images
    left, right, bottom, top = image.get_extent()

    def seen(row, column):
        at = left + (column + 0.5) / 8 * (right - left), top + (row + 0.5) / 8 * (bottom - top)
        return luminance(ax, *(np.array(at) + 0.4)), at  # beside where lines begin

    full, half, dark = (seen(*at)[0] for at in ((1, 2), (6, 5), (1, 5)))
    assert full > half + 50 > dark + 100
    places = neurons(ax, 0)
    assert {(1, 2), (6, 5)} <= {
        at for at in np.ndindex(8, 8) if np.isclose(places, seen(*at)[1]).all(axis=1).any()
    }
    assert not fw.plot.diagram(net, most=6).images
    assert not fw.plot.diagram(net, x.ravel(), most=64).images


def test_a_diagram_names_inputs_and_outputs():
    net = fw.Network([40, 5, 3], "tanh", rng=1)
    ax = fw.plot.diagram(net, most=6)
    (inputs, *_), outputs = diagram.columns(net, most=6), [0, 1, 2]
    for layer, numbers in ((0, inputs.neurons), (2, outputs)):
        for number, (_, y) in zip(numbers, neurons(ax, layer), strict=True):
            here = [t.get_text() for t in ax.texts if np.isclose(t.get_position()[1], y)]
            assert str(number) in here


def test_activations():
    net = network()
    x, _ = data()
    for layer in (0, 1, -1):
        ax = fw.plot.activations(net, x, layer)
        shown = ax.images[0].get_array()
        np.testing.assert_array_equal(shown, net.activations(x)[layer % 2 + 1].T)
    neuron, image = np.unravel_index(shown.argmax(), shown.shape)
    low = np.unravel_index(shown.argmin(), shown.shape)[::-1]
    assert luminance(ax, image, neuron) < luminance(ax, *low) - 100  # greys: white is 0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("image", "neuron")


def test_learning_curves():
    net = network()
    x, y = data()
    one = net.fit(x, y, epochs=4, validation_data=(x, y))
    two = net.fit(x, y, epochs=6)
    ax = fw.plot.learning_curves({"first": one, "second": two})
    found = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    wanted = {"first, training": one.loss, "first, validation": one.val_loss}
    assert found == wanted | {"second, training": two.loss}
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 3
    assert len({line.get_marker() for line in ax.lines}) == 2  # for who sees no colours
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")
    ax.set_title("mine")
    assert fw.plot.learning_curves(one, "accuracy", ax=ax) is ax
    assert ax.get_title() == "mine"
    ax = fw.plot.learning_curves(one, "val_loss")
    assert [(list(n.get_ydata()), n.get_linestyle()) for n in ax.lines] == [(one.val_loss, "--")]


def test_learning_curves_of_one_epoch_and_of_many_runs():
    x, y = data()
    net = network()
    one = net.fit(x, y, epochs=1)
    ax = fw.plot.learning_curves(one)
    assert luminance(ax, 1, one.loss[0]) < 50  # there is something to be seen
    ax = fw.plot.learning_curves([one] * 42)
    styles = {(line.get_color(), line.get_marker()) for line in ax.lines}
    assert len(styles) == 42
    assert "None" not in {line.get_marker() for line in ax.lines}
    for epochs in (1, 3):
        ax = fw.plot.learning_curves(net.fit(x, y, epochs=epochs))
        assert all(tick == round(tick) for tick in ax.get_xticks())


def test_confusion_matrix():
    net = network()
    x, y = data()
    ax = fw.plot.confusion_matrix(net, x, y, names=["a", "b", "c"])
    read = net.predict(x)
    found = {tuple(map(int, t.get_position())): int(t.get_text()) for t in ax.texts}
    wanted = {(r, t): int(np.sum((read == r) & (y == t))) for r in range(3) for t in range(3)}
    assert found == {k: n for k, n in wanted.items() if n}
    assert found != {k[::-1]: n for k, n in wanted.items() if n}  # the twin: turned round
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("read as", "is")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c"]
    counts = {k: n for k, n in wanted.items() if k[0] != k[1]}
    shades = {k: luminance(ax, k[0] - 0.4, k[1] - 0.4) for k in wanted}
    order = sorted(counts, key=counts.get)
    assert all(shades[a] >= shades[b] for a, b in pairwise(order))
    assert shades[order[-1]] < 10
    assert min(shades[k, k] for k in range(3)) > 250  # the diagonal is left out


def test_misread():
    net = network()
    x, y = data()
    read, sure = net.predict(x), net(x).max(axis=1)
    wrong = np.flatnonzero(read != y)
    wrong = wrong[np.argsort(-sure[wrong])][:6]
    ax = fw.plot.misread(net, x, y, most=6)
    captions = [t.get_text() for t in ax.texts]
    assert captions == [f"{read[i]} ({sure[i]:.0%})\nis {y[i]}" for i in wrong]
    assert f"{np.sum(read != y)} of 60 misread" in ax.get_title()
    for i, image in zip(wrong, ax.images, strict=True):
        np.testing.assert_array_equal(image.get_array(), x[i].reshape(4, 4))
        left, right, bottom, top = image.get_extent()
        row, column = np.divmod([x[i].argmax(), x[i].argmin()], 4)
        places = zip(left + (column + 0.5) / 4 * (right - left),
                     top + (row + 0.5) / 4 * (bottom - top), strict=True)  # fmt: skip
        seen = [colour(ax, *place) for place in places]
        assert seen[0].max() < 5  # ink is black, and paper is white
        assert seen[1].min() > 250
    assert not fw.plot.misread(net, x, read).images  # nothing to be shown


def test_excite_and_saliency():
    net = network()
    ax = fw.plot.excite(net, -1, 2, steps=20)
    wanted = fw.looking.excite(net, -1, 2, steps=20).reshape(4, 4)
    np.testing.assert_array_equal(ax.images[0].get_array(), wanted)
    assert luminance(ax, *np.divmod(wanted.argmax(), 4)[::-1]) < 10
    one = np.zeros((4, 4), np.float32)
    one[0, 1] = 1
    ax = fw.plot.saliency(net, one.ravel(), 2)
    image = ax.images[0]
    wanted = fw.looking.saliency(net, one.ravel(), 2).reshape(4, 4)
    np.testing.assert_array_equal(image.get_array(), wanted)
    assert image.norm.vmin == -image.norm.vmax
    high, low = (np.divmod(at, 4)[::-1] for at in (wanted.argmax(), wanted.argmin()))
    assert luminance(ax, *high) > luminance(ax, *low) + 50
    outline = np.concatenate([p.vertices for p in ax.collections[-1].get_paths()])
    assert (np.abs(outline - (1, 0)) <= 0.5).all()  # around that pixel: column 1, row 0
    assert [a.get_ylabel() for a in ax.figure.axes[1:]] == ["score per unit of input"]


def test_axes_given_are_used_and_nothing_else_is_made():
    net = network()
    x, y = data()
    history = net.fit(x, y, epochs=2)
    figure, ax = pyplot.subplots()
    for draw in (
        lambda: fw.plot.weights(net, ax=ax), lambda: fw.plot.diagram(net, ax=ax),
        lambda: fw.plot.activations(net, x, ax=ax), lambda: fw.plot.saliency(net, x[0], ax=ax),
        lambda: fw.plot.learning_curves(history, ax=ax), lambda: fw.plot.excite(net, 0, 0, ax=ax),
        lambda: fw.plot.confusion_matrix(net, x, y, ax=ax),
        lambda: fw.plot.misread(net, x, y, ax=ax),
    ):  # fmt: skip
        assert draw() is ax
    assert pyplot.get_fignums() == [figure.number]


def test_it_costs_nothing_until_it_is_used():
    code = (
        "import sys, featherweight as fw; fw.Network([4, 2])._repr_svg_(); "
        "assert not {'matplotlib', 'featherweight.plot'} & set(sys.modules); "
        "fw.plot; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
