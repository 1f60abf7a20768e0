"""Pictures of what is seldom drawn: odd names, and curves beside others."""

import warnings
from collections import Counter

import numpy as np
import pytest

import featherweight as fw

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
    setattr(h, name, [1.0, 2.0])
    assert drawn_as(fw.plot.learning_curves(h, name).figure, name)
    net = fw.Network([4, 2], rng=0)
    x = np.random.Generator(np.random.Philox(1)).normal(size=(20, 4))
    y = 1 - net.predict(x)
    names = [name, "other"]
    assert drawn_as(fw.plot.confusion_matrix(net, x, y, names=names).figure, name)
    ax = fw.plot.misread(net, x, y, names=names)
    assert drawn_as(ax.figure, next(t.get_text() for t in ax.texts).replace(r"\$", "$"))
