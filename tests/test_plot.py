"""Pictures: what they show, read off the drawn images, and off the pixels."""

import subprocess
import sys

import numpy as np
import pytest

import featherweight as fw

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


def luminance(ax, x, y):
    """What is seen at a point of the axes' data, in black and white."""
    figure = ax.figure
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3] @ [0.299, 0.587, 0.114]
    column, row = ax.transData.transform((x, y))
    return pixels[int(pixels.shape[0] - row), int(column)]


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

    def seen(neuron, pixel):
        left, right, bottom, top = images[neuron].get_extent()
        row, column = divmod(pixel, 4)
        x = left + (column + 0.5) / 4 * (right - left)
        return luminance(ax, x, top + (row + 0.5) / 4 * (bottom - top))

    zero = seen(0, 0)
    assert seen(1, 6) > zero + 30  # light is above, dark below, also without colours
    assert seen(3, 9) < zero - 30
    assert abs(seen(4, 5) - zero) < 2
    assert "neurons of layer 1" in ax.get_title()
    assert [a.get_ylabel() for a in ax.figure.axes[1:]] == ["weight"]


def test_a_lit_neuron_is_brighter():
    net = network()
    x, _ = data()
    ax = fw.plot.diagram(net, x[0])
    for i, values in enumerate(net.activations(x[0])):
        places = ax.collections[2 + i].get_offsets()
        seen = np.array([luminance(ax, *p) for p in places])
        order = np.argsort(np.abs(values))
        assert (np.diff(seen[order]) >= -2).all()
        assert seen.max() > 250
        with pytest.raises(AssertionError):  # the twin: the other way round
            assert (np.diff(seen[order[::-1]]) >= -2).all()


def test_a_diagram_tells_signs_by_more_than_colour():
    net = network()
    positive, negative = fw.plot.diagram(net).collections[:2]
    weights = np.concatenate([w.ravel() for w in net.weights])
    assert len(positive.get_segments()) == np.sum(weights > 0)
    assert len(negative.get_segments()) == np.sum(weights < 0)
    assert positive.get_linestyle()[0] != negative.get_linestyle()[0]


def test_activations():
    net = network()
    x, _ = data()
    for layer in (0, 1, -1):
        ax = fw.plot.activations(net, x, layer)
        shown = ax.images[0].get_array()
        np.testing.assert_array_equal(shown, net.activations(x)[layer % 2 + 1].T)
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
    assert fw.plot.learning_curves(one, "accuracy", ax=ax) is ax
    with pytest.raises(ValueError, match="measure: expected one that a history has, found 'f1'"):
        fw.plot.learning_curves(one, "f1")
    with pytest.raises(TypeError, match="histories: expected a History as 'run 1'"):
        fw.plot.learning_curves([3])


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


def test_misread():
    net = network()
    x, y = data()
    read, sure = net.predict(x), net(x).max(axis=1)
    wrong = np.flatnonzero(read != y)
    wrong = wrong[np.argsort(-sure[wrong])][:6]
    ax = fw.plot.misread(net, x, y, most=6)
    captions = [t.get_text() for t in ax.texts]
    assert captions == [f"{read[i]} ({sure[i]:.0%}), is {y[i]}" for i in wrong]
    for i, image in zip(wrong, ax.images, strict=True):
        np.testing.assert_array_equal(image.get_array(), x[i].reshape(4, 4))
    assert not fw.plot.misread(net, x, read).images  # nothing to be shown


def test_excite_and_saliency():
    net = network()
    x, _ = data()
    ax = fw.plot.excite(net, -1, 2, steps=20)
    wanted = fw.looking.excite(net, -1, 2, steps=20).reshape(4, 4)
    np.testing.assert_array_equal(ax.images[0].get_array(), wanted)
    ax = fw.plot.saliency(net, x[0])
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array(), fw.looking.saliency(net, x[0]).reshape(4, 4))
    assert image.norm.vmin == -image.norm.vmax


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


def test_refusals():
    net = network()
    with pytest.raises(ValueError, match=r"shape: expected \(rows, columns\) of 16 pixels, found"):
        fw.plot.weights(net, shape=(3, 5))
    with pytest.raises(ValueError, match="of 5 pixels, found none, and no square"):
        fw.plot.weights(net, 1)
    with pytest.raises(ValueError, match="neurons: expected 0 to 4, found 5"):
        fw.plot.weights(net, neurons=[5])
    with pytest.raises(TypeError, match="ax: expected Axes of matplotlib or None, found 3"):
        fw.plot.weights(net, ax=3)
    assert not pyplot.get_fignums()


def test_it_costs_nothing_until_it_is_used():
    code = (
        "import sys, featherweight as fw; fw.Network([4, 2])._repr_svg_(); "
        "assert not {'matplotlib', 'featherweight.plot'} & set(sys.modules); "
        "fw.plot; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_show(tmp_path, monkeypatch, capsys):
    from featherweight.cli import main

    net = fw.Network([784, 16, 16, 10], input_scale=1 / 255, rng=0)
    net.save(tmp_path / "net.safetensors")
    np.save(tmp_path / "digit.npy", fw.data.digits().test.images[0])
    monkeypatch.chdir(tmp_path)
    assert main(["show", "net.safetensors", "digit.npy", "--dpi", "40"]) == 0
    written = capsys.readouterr().out.split()
    assert sorted(p.name for p in tmp_path.glob("*.png")) == sorted(w[2:] for w in written)
    assert {"diagram.png", "weights.png", "saliency.png", "excites_9.png"} <= {
        w[2:] for w in written
    }
    for name in written:
        assert pyplot.imread(name).std() > 0.01  # something is there
    assert not pyplot.get_fignums()
    assert main(["show", "none.safetensors"]) == 1
    assert main(["show", "net.safetensors", "--out", "nowhere"]) == 2
    assert main(["show", "net.safetensors", "--dpi", "3"]) == 2
    assert main(["show", "net.safetensors", "net.safetensors"]) == 1


def test_show_warns_of_neurons_that_nothing_excites(tmp_path, monkeypatch, capsys):
    from featherweight.cli import main

    monkeypatch.chdir(tmp_path)
    net = fw.Network([784, 16, 16, 10], input_scale=1 / 255, rng=0)
    net.biases[0] = np.full(16, -50.0)
    net.save("dead.safetensors")
    assert main(["show", "dead.safetensors", "--dpi", "20"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("featherweight show: warning: no gradient was found that excites")
    assert len(lines) == 10
