"""Pictures at notebook and at paper size: nothing overlaps or is cut off. And what is refused."""

from itertools import combinations

import numpy as np
import pytest

import featherweight as fw

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture(autouse=True)
def _figures():
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def net():
    net = fw.Network([784, 16, 16, 10], input_scale=1 / 255, rng=0)
    net.biases[0] = np.full(16, 0.1)  # so that a blank input has a gradient
    return net


@pytest.fixture(scope="module")
def digits():
    images, labels = fw.data.digits().test
    return images[:300], labels[:300]


@pytest.fixture(scope="module")
def pictures(net, digits):
    x, y = digits
    nets = [fw.Network([784, 4, 10], input_scale=1 / 255, rng=i) for i in range(2)]
    runs = [each.fit(x, y, epochs=5 + i) for i, each in enumerate(nets)]
    return {
        "weights": lambda ax=None: fw.plot.weights(net, ax=ax),
        "diagram": lambda ax=None: fw.plot.diagram(net, x[0], ax=ax),
        "activations": lambda ax=None: fw.plot.activations(net, x[:60], ax=ax),
        "curves": lambda ax=None: fw.plot.learning_curves(dict(a=runs[0], b=runs[1]), ax=ax),
        "confusion": lambda ax=None: fw.plot.confusion_matrix(net, x, y, ax=ax),
        "misread": lambda ax=None: fw.plot.misread(net, x, y, ax=ax),
        "excite": lambda ax=None: fw.plot.excite(net, -1, 3, steps=3, ax=ax),
        "saliency": lambda ax=None: fw.plot.saliency(net, x[0], ax=ax),
        "plain diagram": lambda ax=None: fw.plot.diagram(net, ax=ax),
        "one neuron": lambda ax=None: fw.plot.weights(net, neurons=[3], ax=ax),
        "named": lambda ax=None: fw.plot.misread(net, x, y, names=WORDS, ax=ax),
        "named confusion": lambda ax=None: fw.plot.confusion_matrix(net, x, y, names=WORDS, ax=ax),
    }


NAMES = ["weights", "diagram", "activations", "curves", "confusion", "misread", "excite",
         "saliency", "plain diagram", "one neuron", "named", "named confusion"]  # fmt: skip


def complaints(figure):
    """What can't be read in a figure: texts too small, cut off, or on one another or on images."""
    figure.canvas.draw()
    texts, bad = [], []
    for ax in figure.axes:
        drawn = [*ax.texts, ax.title]
        if ax.axison:
            drawn += [ax.xaxis.label, ax.yaxis.label]
            for axis in (ax.xaxis, ax.yaxis):
                low, high = sorted(axis.get_view_interval())
                ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
                drawn += [text for at, text in ticks if low <= at <= high]
        if ax.get_legend():
            drawn += ax.get_legend().get_texts()
        drawn = [t for t in drawn if t.get_visible() and t.get_text().strip()]
        texts += [(t.get_text(), t.get_window_extent()) for t in drawn]
        bad += [f"{t.get_text()!r}: {t.get_fontsize()}" for t in drawn if t.get_fontsize() < 5]
        for image in ax.images if len(ax.images) > 1 else ():
            box = image.get_window_extent()
            bad += [f"{t.get_text()!r} on an image" for t in ax.texts
                    if overlap(t.get_window_extent(), box)]  # fmt: skip
    for (a, box), (b, other) in combinations(texts, 2):
        if overlap(box, other):
            bad.append(f"{a!r} on {b!r}")
    page = figure.bbox
    for text, box in texts:
        if box.x0 < -1 or box.y0 < -1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1:
            bad.append(f"{text!r} is cut off")
    return bad


def overlap(a, b):
    """Whether boxes share more than a tenth of a letter's height."""
    wide = min(a.x1, b.x1) - max(a.x0, b.x0)
    high = min(a.y1, b.y1) - max(a.y0, b.y0)
    return min(wide, high) > 0.1 * min(a.height, b.height)


@pytest.mark.parametrize("name", NAMES)
def test_at_its_own_size(pictures, name):
    assert not complaints(pictures[name]().figure)


@pytest.mark.parametrize("name", NAMES)
def test_in_a_column_of_a_paper(pictures, name):
    figure, ax = pyplot.subplots(figsize=(3.3, 2.6), layout="constrained", dpi=200)
    pictures[name](ax)
    assert not complaints(figure)


def test_eight_on_half_a_page(pictures):
    figure, axes = pyplot.subplots(2, 4, figsize=(7, 3.5), layout="constrained", dpi=200)
    for ax, name in zip(axes.flat, NAMES[:8], strict=True):
        pictures[name](ax)
    assert not complaints(figure)
    for ax, picture in zip(axes.flat, NAMES[:8], strict=True):
        assert ax.get_window_extent().width / 200 > 0.7, picture


def test_what_can_not_be_read_would_be_noticed(pictures):
    ax = pictures["misread"]()
    for text in ax.texts:
        text.set_fontsize(16)
    assert len(complaints(ax.figure)) > 10
    ax = pictures["saliency"]()
    ax.title.set_fontsize(30)
    assert any("cut off" in c for c in complaints(ax.figure))
    ax = pictures["excite"]()
    ax.title.set_fontsize(4)
    assert len(complaints(ax.figure)) == 1


@pytest.mark.parametrize("hidden", ["relu", "tanh"])
@pytest.mark.parametrize("lit", [False, True])
def test_a_diagrams_title_stays_below_the_edge(digits, lit, hidden):
    net = fw.Network([784, 100, 50, 10], hidden, input_scale=1 / 255, rng=1)
    ax = fw.plot.diagram(net, digits[0][0] if lit else None)
    ax.figure.canvas.draw()  # the first one, as savefig takes it
    assert ax.title.get_window_extent().y1 < ax.figure.bbox.height - 3


def test_small_diagrams_number_some_of_the_outputs(pictures):
    _, ax = pyplot.subplots(figsize=(3.3, 2.6), layout="constrained")
    pictures["diagram"](ax)
    assert [t.get_text() for t in ax.texts if len(t.get_text()) == 1] == list("02468")


def test_what_is_left_out_is_said(net):
    ax = pyplot.figure(figsize=(1, 1)).subplots()
    fw.plot.weights(net, ax=ax)
    assert len(ax.images) < 16
    assert f"{len(ax.images)} of the 16" in ax.get_title().replace("\n", " ")
    wide = fw.Network([4, 100, 2], rng=0)
    assert "64 of the 100" in fw.plot.weights(wide).get_title()
    assert "what the neurons" in fw.plot.weights(wide, neurons=[3, 4]).get_title()
    ax = fw.plot.weights(wide, neurons=range(12), columns=3)
    assert len({image.get_extent()[0] for image in ax.images}) == 3


def history(seed):
    h = fw.History()
    h.epoch, h.loss = [1, 2, 3], [1 + 0.01 * seed, 0.5, 0.4 + 0.01 * seed]
    h.val_loss = [1.1, 0.7 + 0.01 * seed, 0.6]
    return h


@pytest.mark.parametrize("size", [None, (3.3, 2.6)])
@pytest.mark.parametrize("runs", [1, 2, 8, 20, 100])
def test_a_key_of_many_runs_leaves_the_axes_their_room(runs, size):
    ax = None
    if size:
        _, ax = pyplot.subplots(figsize=size, layout="constrained", dpi=200)
    ax = fw.plot.learning_curves([history(i) for i in range(runs)], ax=ax)
    figure = ax.figure
    assert not complaints(figure)
    box, key = ax.get_window_extent(), ax.get_legend().get_window_extent()
    assert box.height > 0.6 * figure.bbox.height
    assert box.width > 0.6 * figure.bbox.width
    assert box.x0 <= key.x0 <= key.x1 <= box.x1
    assert box.y0 <= key.y0 <= key.y1 <= box.y1
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    drawn = dict(zip(texts, ax.get_legend().get_lines(), strict=True))
    assert drawn["validation"].is_dashed() > drawn["training"].is_dashed()
    named = [t for t in texts if t.startswith("run")]
    if runs <= 20:
        assert named == [f"run {i}" for i in range(1, runs + 1)]
        assert len(texts) == runs + 2
    else:
        assert named[0] == "run 1"
        assert named[-1] == "run 100"
        assert f"({len(named)} of 100)" in texts
    for line in ax.lines:
        name = line.get_label().split(",")[0]
        if name in drawn:
            assert line.get_color() == drawn[name].get_color()
            assert line.get_marker() == drawn[name].get_marker()


def test_a_key_cuts_long_names_and_keeps_what_was_there():
    _, ax = pyplot.subplots(figsize=(3.3, 2.6), layout="constrained")
    ax.plot([1, 3], [1, 1], "k:", label="chance")
    fw.plot.learning_curves({"a long name " * 20: history(0), "b": history(1)}, ax=ax)
    assert not complaints(ax.figure)
    first, *others = [t.get_text() for t in ax.get_legend().get_texts()]
    assert first.startswith("a long name a long")
    assert first.endswith("\N{HORIZONTAL ELLIPSIS}")
    assert others == ["b", "chance", "training", "validation"]
    box, key = ax.get_window_extent(), ax.get_legend().get_window_extent()
    assert box.x0 <= key.x0 <= key.x1 <= box.x1


# ---- refusals
def broken(**values):
    """A network one of whose first weights is what is said."""
    net = fw.Network([16, 4, 3], rng=0)
    w = net.weights[0].copy()
    w[0, 0] = values["weight"]
    net.weights[0] = w
    return net


P = fw.plot
NET = fw.Network([16, 4, 3], rng=0)
X, Y = np.ones((5, 16), np.float32), np.array([0, 1, 2, 0, 1])
NAN = np.where(np.arange(80).reshape(5, 16) == 20, np.nan, X)
HISTORY = fw.History()
HISTORY.epoch, HISTORY.loss = [1, 2], [0.5, 0.4]
REFUSALS = [
    (lambda ax: P.weights(NET, shape=(3, 5), ax=ax), ValueError,
     r"shape: expected \(rows, columns\) of 16 pixels, found \(3, 5\)"),
    (lambda ax: P.weights(NET, shape=(-4, -4), ax=ax), ValueError, "shape: expected at least 1"),
    (lambda ax: P.weights(NET, shape=16, ax=ax), TypeError, r"shape: expected \(rows, columns\)"),
    (lambda ax: P.weights(NET, shape=(4.0, 4), ax=ax), TypeError, "shape: expected a whole"),
    (lambda ax: P.weights(fw.Network([4, 5, 2]), 1, ax=ax), ValueError,
     "of 5 pixels, found none, and no square"),
    (lambda ax: P.weights(NET, neurons=[4], ax=ax), ValueError, "neurons: expected 0 to 3"),
    (lambda ax: P.weights(NET, neurons=3, ax=ax), TypeError, "neurons: expected a sequence"),
    (lambda ax: P.weights(NET, neurons=[], ax=ax), ValueError, "neurons: expected at least one"),
    (lambda ax: P.weights(NET, columns=0, ax=ax), ValueError, "columns: expected at least 1"),
    (lambda ax: P.weights(NET, 2, ax=ax), ValueError, "layer: expected -2 to 1, found 2"),
    (lambda ax: P.weights(broken(weight=np.nan), ax=ax), ValueError,
     "weights: expected finite numbers, found nan in layer 0"),
    (lambda ax: P.diagram(broken(weight=np.nan), ax=ax), ValueError,
     "weights: expected finite numbers, found nan in layer 0"),
    (lambda ax: P.diagram(NET, NAN[1], ax=ax), ValueError,
     "activations: expected finite numbers, found nan in layer 0"),
    (lambda ax: P.diagram(NET, np.ones(15), ax=ax), ValueError, "x: expected one input of shape"),
    (lambda ax: P.diagram(NET, most=1, ax=ax), ValueError, "most: expected at least 2"),
    (lambda ax: P.activations(NET, X[0], ax=ax), ValueError,
     r"x: expected shape \(rows, 16\) and at least one row, found \(16,\)"),
    (lambda ax: P.activations(NET, X[:0], ax=ax), ValueError, "at least one row"),
    (lambda ax: P.activations(NET, NAN, ax=ax), ValueError, "activations: expected finite"),
    (lambda ax: P.confusion_matrix(NET, X, Y, names=["a", "b"], ax=ax), ValueError,
     "names: expected 3, one for each class, found 2"),
    (lambda ax: P.confusion_matrix(NET, X, Y, names="abc", ax=ax), TypeError,
     "names: expected a sequence of 3 names, found 'abc'"),
    (lambda ax: P.confusion_matrix(NET, X[0], Y[:1], ax=ax), ValueError,
     r"x: expected shape \(rows, 16\)"),
    (lambda ax: P.confusion_matrix(NET, NAN, Y, ax=ax), ValueError, "outputs: expected finite"),
    (lambda ax: P.confusion_matrix(NET, X, Y + 1, ax=ax), ValueError, "labels: expected class"),
    (lambda ax: P.misread(NET, X, Y, names=["a"], ax=ax), ValueError, "names: expected 3"),
    (lambda ax: P.misread(NET, X[0], Y[:1], ax=ax), ValueError, r"x: expected shape \(rows"),
    (lambda ax: P.misread(NET, NAN, Y, ax=ax), ValueError, "outputs: expected finite"),
    (lambda ax: P.misread(NET, X, Y, most=0, ax=ax), ValueError, "most: expected at least 1"),
    (lambda ax: P.misread(NET, X, Y, shape=(2, 2), ax=ax), ValueError, "shape: expected"),
    (lambda ax: P.misread(fw.Network([16, 3], output="sigmoid"), X, Y, ax=ax), ValueError,
     "network: expected a softmax output, found 'sigmoid'"),
    (lambda ax: P.excite(NET, 0, 4, ax=ax), ValueError, "neuron: expected 0 to 3, found 4"),
    (lambda ax: P.excite(NET, 0, 0, shape=(3, 3), ax=ax), ValueError, "shape: expected"),
    (lambda ax: P.saliency(NET, X, ax=ax), ValueError, "x: expected one input of shape"),
    (lambda ax: P.saliency(NET, X[0], 3, ax=ax), ValueError, "target: expected 0 to 2"),
    (lambda ax: P.learning_curves(3, ax=ax), TypeError, "histories: expected a History, or"),
    (lambda ax: P.learning_curves([3], ax=ax), TypeError,
     "histories: expected a History as 'run 1', found 3"),
    (lambda ax: P.learning_curves([], ax=ax), ValueError, "histories: expected at least one"),
    (lambda ax: P.learning_curves(HISTORY, None, ax=ax), TypeError, "measure: expected a list's"),
    (lambda ax: P.learning_curves(HISTORY, "f1", ax=ax), ValueError,
     "measure: expected one that a history has, found 'f1'"),
    (lambda ax: P.learning_curves(HISTORY, "val_loss", ax=ax), ValueError, "found 'val_loss'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "sentence"), REFUSALS)
def test_refusals_leave_nothing_behind(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call(None)
    assert not pyplot.get_fignums()
    figure, ax = pyplot.subplots(figsize=(2, 2), dpi=40)
    figure.canvas.draw()
    before = np.asarray(figure.canvas.buffer_rgba()).copy()
    with pytest.raises(kind, match=sentence):
        call(ax)
    figure.canvas.draw()
    np.testing.assert_array_equal(np.asarray(figure.canvas.buffer_rgba()), before)


def test_axes_that_are_none():
    with pytest.raises(TypeError, match="ax: expected Axes of matplotlib or None, found 3"):
        fw.plot.weights(NET, ax=3)
    with pytest.raises(TypeError, match=r"ax: expected Axes of matplotlib or None, found <Axes3D"):
        fw.plot.weights(NET, ax=pyplot.figure().add_subplot(projection="3d"))
