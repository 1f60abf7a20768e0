"""Pictures of what is seldom drawn: odd names and shapes, many classes, the ends of the numbers."""

import warnings
from collections import Counter

import numpy as np
import pytest

import featherweight as fw
from test_plot_sizes import complaints

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")


@pytest.fixture(autouse=True)
def _figures():
    pyplot.switch_backend("agg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    pyplot.close("all")


def history(level, val=True):
    h = fw.History()
    h.epoch, h.loss = [1, 2], [level, level / 2]
    if val:
        h.val_loss = [level, level / 3]
    return h


def look(line):
    return pyplot.matplotlib.colors.to_hex(line.get_color()), line.get_marker()


def key(ax):
    """What the key says, and in which colour and mark."""
    legend = ax.get_legend()
    texts = [t.get_text() for t in legend.get_texts()]
    return dict(zip(texts, map(look, legend.get_lines()), strict=True))


def curves(ax):
    """The looks of the curves, by their names."""
    return {line.get_label(): look(line) for line in ax.lines}


# ---- keys
@pytest.mark.parametrize("names", [("", "b"), ("b", ""), ("a", "", "b")])
def test_a_key_names_the_right_curve_beside_one_without_a_name(names):
    ax = fw.plot.learning_curves({n: history(i + 1) for i, n in enumerate(names)})
    drawn, said = curves(ax), key(ax)
    assert len(set(drawn.values())) == len(names)
    for name in filter(None, names):
        assert said[name] == drawn[f"{name}, training"]
    assert said["training"] == drawn["training"]
    assert said["validation"] == drawn["validation"]
    assert set(said) == {*filter(None, names), "training", "validation"}


def test_curves_drawn_later_have_looks_of_their_own():
    ax = fw.plot.learning_curves({"a": history(1)})
    before = curves(ax)
    fw.plot.learning_curves({"b": history(2)}, ax=ax)
    fw.plot.learning_curves([history(3, val=False)], ax=ax)
    drawn, said = curves(ax), key(ax)
    assert before.items() <= drawn.items()
    assert list(said) == ["a", "b", "run 1", "training", "validation"]
    assert len({drawn[f"{name}, training"] for name in ("a", "b", "run 1")}) == 3
    for name in ("a", "b", "run 1"):
        assert said[name] == drawn[f"{name}, training"]
    ax.clear()
    fw.plot.learning_curves({"c": history(1)}, ax=ax)
    assert curves(ax)["c, training"] == before["a, training"]


def test_curves_keep_off_the_looks_of_others():
    _, ax = pyplot.subplots()
    ax.plot([1, 2], [1, 1], "ko-", label="chance")
    fw.plot.learning_curves(history(1), ax=ax)
    assert len(set(curves(ax).values())) == 2
    assert list(key(ax)) == ["chance", "training", "validation"]
    for i in range(81):  # twice as many as there are looks, with those before
        fw.plot.learning_curves({f"{i}": history(i + 1, val=False)}, ax=ax)
    counts = Counter(curves(ax).values())
    assert len(counts) == 42
    assert set(counts.values()) == {2}


def test_a_run_without_the_measure_is_not_in_the_key():
    ax = fw.plot.learning_curves({"a": history(1), "b": history(1, val=False)}, "val_loss")
    assert list(key(ax)) == ["a", "validation"]


# ---- names
NAMES = ["$0-$5", r"$\foo$", r"a\$b"]


def drawn_as(figure, text):
    """Whether a text of the figure takes the room that these letters take without mathematics."""
    figure.canvas.draw()
    bare = text.replace("\\", "")
    found = [t for t in figure.findobj(pyplot.Text) if t.get_text().replace("\\", "") == bare]
    sizes = []
    for t in (t for t in found if t.get_visible()):
        given, box = t.get_text(), t.get_window_extent().size
        t.set(text=text, parse_math=False)
        sizes.append(np.allclose(t.get_window_extent().size, box, atol=0.01))
        t.set(text=given, parse_math=True)
    return bool(sizes) and all(sizes)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_drawn_as_they_are(name):
    ax = fw.plot.learning_curves({name: history(1), "b": history(2)})
    fw.plot.learning_curves({"c": history(3)}, ax=ax)
    assert drawn_as(ax.figure, name)
    assert key(ax)[name.replace("$", r"\$")] == look(ax.lines[0])
    ax.legend()  # one of the reader's own, from the labels
    assert drawn_as(ax.figure, f"{name}, training")
    h = history(1)
    vars(h)[name] = [1.0, 2.0]  # as a metric of such a name
    assert drawn_as(fw.plot.learning_curves(h, name).figure, name)
    net = fw.Network([4, 2], rng=0)
    x = np.random.Generator(np.random.Philox(1)).normal(size=(20, 4))
    y = 1 - net.predict(x)
    names = [name, "other"]
    assert drawn_as(fw.plot.confusion_matrix(net, x, y, names=names).figure, name)
    ax = fw.plot.misread(net, x, y, names=names)
    assert drawn_as(ax.figure, next(t.get_text() for t in ax.texts).replace(r"\$", "$"))


# ---- shapes and sizes
@pytest.mark.parametrize("shape", [(1, 16), (16, 1), (2, 8), (8, 2)])
def test_rows_and_columns_of_pixels(shape):
    net, x = fw.Network([16, 4, 3], rng=0), np.arange(16) / 16
    net.biases[0] = np.full(4, 0.5)
    ax = fw.plot.saliency(net, x, shape=shape)
    assert ax.images[0].get_array().shape == shape
    assert bool(ax.collections) == (min(shape) > 1)
    for draw in (
        lambda: fw.plot.weights(net, shape=shape),
        lambda: fw.plot.excite(net, 0, 0, shape=shape),
        lambda: fw.plot.misread(net, [x], [(net.predict(x) + 1) % 3], shape=shape),
    ):
        draw().figure.canvas.draw()


@pytest.mark.parametrize("letters", ["{}", "class {}"])
@pytest.mark.parametrize("size", [None, (3.3, 2.6)])
def test_a_confusion_matrix_of_many_classes(size, letters):
    n, ax = 300, None
    if size:
        _, ax = pyplot.subplots(figsize=size, layout="constrained", dpi=200)
    net = fw.Network([4, n], rng=0)
    names = [letters.format(i) for i in range(n)]
    ax = fw.plot.confusion_matrix(net, np.eye(4), [0, 1, 2, 299], names=names, ax=ax)
    assert max(ax.figure.get_size_inches()) <= 16
    assert not ax.texts
    assert not complaints(ax.figure)
    shown = [t.get_text() for t in ax.get_xticklabels()]
    assert shown == [names[i] for i in ax.get_xticks()]
    assert len(shown) > (40 if size is None else 10)
    assert [t.get_text() for t in ax.get_yticklabels()] == shown


def test_no_figure_is_larger_than_a_screen():
    net = fw.Network([4, 400, 3], rng=0)
    for draw in (
        lambda: fw.plot.weights(net, neurons=range(400)),
        lambda: fw.plot.weights(net, neurons=range(400), columns=100),
        lambda: fw.plot.diagram(net, most=300),
    ):
        assert max(draw().figure.get_size_inches()) <= 16


# ---- numbers
def large(value):
    net = fw.Network([16, 4, 3], "identity", "identity", dtype=np.float64, rng=0)
    signs = np.where(np.arange(64).reshape(4, 16) % 3, 1.0, -1.0)
    net.weights[0], net.weights[1] = value * signs, np.eye(3, 4)
    return net


PICTURES = [
    ("weights", lambda net, ax: fw.plot.weights(net, ax=ax)),
    ("activations", lambda net, ax: fw.plot.activations(net, np.eye(16), ax=ax)),
    ("gradient", lambda net, ax: fw.plot.saliency(net, np.ones(16), 0, ax=ax)),
    ("input", lambda net, ax: fw.plot.excite(
        net, 0, 0, bounds=(-np.abs(net.weights[0]).max(), 1), rate=100, ax=ax
    )),
]  # fmt: skip


@pytest.mark.parametrize(("name", "draw"), PICTURES)
@pytest.mark.parametrize("value", [1.01e300, 1e308, np.finfo(float).max])
def test_numbers_too_large_for_a_picture(name, draw, value):
    with pytest.raises(ValueError, match=rf"{name}: expected sizes up to 1e\+300 to draw them, fo"):
        draw(large(value), None)
    assert not pyplot.get_fignums()
    _, ax = pyplot.subplots()
    with pytest.raises(ValueError, match=name):
        draw(large(value), ax)
    assert not ax.get_children()[0].get_label().startswith("layer")
    assert not ax.images
    assert not ax.get_title()


@pytest.mark.parametrize(("name", "draw"), PICTURES)
def test_large_numbers_have_a_picture(name, draw):
    ax = draw(large(9e299), None)
    ax.figure.canvas.draw()
    assert ax.images[0].norm.vmin == -9e299 or name == "input"


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-320, 1e-290])
def test_numbers_too_small_for_a_scale_are_drawn_as_0(value):
    for name, draw in PICTURES[:3]:
        ax = draw(large(value), None)
        ax.figure.canvas.draw()
        ends = {(image.norm.vmin, image.norm.vmax) for image in ax.images}
        # activations are flushed to 0 where they are subnormal
        seen = value >= np.finfo(np.float64).smallest_normal or name != "activations"
        assert ends == {(-1, 1) if seen else (0, 1)}, name


def test_an_outline_of_large_inputs():
    ax = fw.plot.saliency(large(1e-3), np.where(np.arange(16) == 5, 1.7e308, 1.5e308), 0)
    outline = np.concatenate([p.vertices for p in ax.collections[-1].get_paths()])
    assert len(outline)
    assert (np.abs(outline - (1, 1)) <= 0.5).all()


# ---- scales
@pytest.mark.parametrize("which", ["x", "y"])
@pytest.mark.parametrize("scale", ["log", "symlog"])
def test_pictures_need_linear_axes(which, scale):
    net = fw.Network([16, 4, 3], rng=0)
    x, y = np.ones((3, 16)), [0, 1, 2]
    _, ax = pyplot.subplots()
    ax.set(**{f"{which}scale": scale})
    for draw in (
        lambda: fw.plot.weights(net, ax=ax), lambda: fw.plot.diagram(net, ax=ax),
        lambda: fw.plot.activations(net, x, ax=ax), lambda: fw.plot.saliency(net, x[0], ax=ax),
        lambda: fw.plot.excite(net, 0, 0, ax=ax), lambda: fw.plot.misread(net, x, y, ax=ax),
        lambda: fw.plot.confusion_matrix(net, x, y, ax=ax),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"ax: expected linear .*, found '{scale}' of {which}"):
            draw()
    assert not ax.images
    assert not ax.get_title()
    assert fw.plot.learning_curves(history(1), ax=ax) is ax  # losses are often drawn so
    assert getattr(ax, f"get_{which}scale")() == scale
