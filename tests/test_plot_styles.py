"""Pictures on light and on dark paper: everything drawn stands out from what is behind it."""

import numpy as np
import pytest

import featherweight as fw

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")

from matplotlib import colors, text  # noqa: E402

NET = fw.Network([64, 20, 3], "tanh", rng=1)
RNG = np.random.Generator(np.random.Philox(4))
X, Y = RNG.uniform(0, 1, (60, 64)).astype(np.float32), RNG.integers(0, 3, 60)


def curves(ax=None):
    def fitted():
        net = fw.Network([64, 3], rng=0)
        return net.fit(X, Y, epochs=3, progress=False, validation_data=(X, Y))

    return fw.plot.learning_curves({f"run {i}": fitted() for i in range(7)}, ax=ax)


def curve(ax=None):
    net = fw.Network([64, 3], rng=0)
    h = net.fit(X, Y, epochs=3, progress=False, validation_data=(X, Y))
    return fw.plot.learning_curves(h, ax=ax)


PICTURES = {
    "activations": lambda ax=None: fw.plot.activations(NET, X, ax=ax),
    "confusion_matrix": lambda ax=None: fw.plot.confusion_matrix(NET, X, Y, ax=ax),
    "diagram": lambda ax=None: fw.plot.diagram(NET, ax=ax),
    "diagram, lit": lambda ax=None: fw.plot.diagram(NET, X[0], ax=ax),
    "excite": lambda ax=None: fw.plot.excite(NET, 0, 1, ax=ax),
    "learning_curves": curve,
    "learning_curves of several": curves,
    "misread": lambda ax=None: fw.plot.misread(NET, X, Y, ax=ax),
    "saliency": lambda ax=None: fw.plot.saliency(NET, X[0], ax=ax),
    "weights": lambda ax=None: fw.plot.weights(NET, ax=ax),
}


def luminance(colour):
    r = np.array(colors.to_rgb(colour))
    return np.where(r <= 0.03928, r / 12.92, ((r + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]


def contrast(a, b):
    """As the Web Content Accessibility Guidelines measure it, from 1 to 21."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def behind(ax, artist):
    """The colour on which a text lies: of a matrix's cell, or of the axes or the figure."""
    x, y = artist.get_position()
    for image in ax.images if artist in ax.texts and len(ax.images) == 1 else ():
        left, right, bottom, top = image.get_extent()
        if left <= x <= right and min(bottom, top) <= y <= max(bottom, top):
            cell = image.to_rgba(image.get_array())[round(y), round(x)]
            return cell[:3] if cell[3] else ax.get_facecolor()
    return ax.get_facecolor()


def drawn(ax):
    """Colours of lines, edges and letters, and what each is drawn on."""
    for axes in ax.figure.axes:
        paper = axes.get_facecolor()
        key = axes.get_legend()
        for line in [*axes.lines, *(key.get_lines() if key else ())]:
            if line.get_linestyle() != "None":
                yield line.get_color(), paper
            elif line.get_marker() not in ("None", ""):
                yield line.get_markeredgecolor(), paper
        for collection in axes.collections if axes is ax and not axes.images else ():
            for edge in np.unique(collection.get_edgecolor(), axis=0):
                yield edge[:3], paper
        for found in axes.findobj(text.Text):
            if found.get_visible() and found.get_text():
                yield found.get_color(), behind(axes, found)


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("name", PICTURES)
def test_everything_stands_out(name, style):
    with pyplot.style.context(style):
        pyplot.switch_backend("agg")
        ax = PICTURES[name]()
        ax.figure.canvas.draw()
        found = list(drawn(ax))
        assert found
        for colour, paper in found:
            assert contrast(colour, paper) > 2, (colour, paper)
        pyplot.close("all")


def over(*parts):
    """The colour that is seen of several, the first on top, each with its opacity."""
    seen = np.zeros(3)
    for part in reversed(parts):
        r = np.array(colors.to_rgba(part))
        seen = r[3] * r[:3] + (1 - r[3]) * seen
    return seen


def on_paper(ax):
    """What is drawn and what it is really on: the axes, or the figure around them."""
    for axes in ax.figure.axes:
        around = over(axes.figure.get_facecolor())
        shown = axes.axison and axes.get_frame_on()
        paper = over(axes.get_facecolor(), around) if shown else around
        key = axes.get_legend()
        if key:
            back = over(key.get_frame().get_facecolor(), paper) if key.get_frame_on() else around
            for line in key.get_lines():
                if line.get_linestyle() != "None":
                    yield line.get_color(), back
                elif line.get_marker() not in ("None", ""):
                    yield line.get_markeredgecolor(), back
            yield from ((t.get_color(), back) for t in key.get_texts())
        yield from ((line.get_color(), paper) for line in axes.lines)
        for collection in axes.collections if axes is ax and not axes.images else ():
            yield from ((e[:3], paper) for e in np.unique(collection.get_edgecolor(), axis=0))
        for t in axes.texts:
            yield t.get_color(), over(behind(axes, t), paper) if axes.images and shown else paper
        letters = [axes.title]
        if axes.axison:
            letters += [axes.xaxis.label, axes.yaxis.label]
            for axis in (axes.xaxis, axes.yaxis):
                letters += [axis.offsetText, *axis.get_ticklabels()]
                if any(label.get_text() for label in axis.get_ticklabels()):
                    yield from ((t.get_color(), around) for t in axis.get_ticklines())
            for spine in axes.spines.values():
                if spine.get_visible():
                    yield spine.get_edgecolor(), around
        yield from ((t.get_color(), around) for t in letters if t.get_text())


@pytest.mark.parametrize(
    ("figure", "axes"),
    [
        ("white", "black"), ("black", "none"), ("black", "white"), ("black", "black"),
        ("white", "0.5"), ("0.45", "none"), ("navy", (1, 1, 1, 0.1)), ("white", "#E69F00"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("name", PICTURES)
def test_everything_stands_out_from_given_axes(name, style, figure, axes):
    with pyplot.style.context(style):
        pyplot.switch_backend("agg")
        _, ax = pyplot.subplots(facecolor=figure, figsize=(7, 6))
        ax.set_facecolor(axes)
        PICTURES[name](ax)
        ax.figure.canvas.draw()
        found = list(on_paper(ax))
        assert found
        for colour, paper in found:
            assert contrast(colour, paper) > 1.95, (colour, paper)
        pyplot.close("all")


def test_colours_are_the_styles_where_they_stand_out():
    """Also where nothing is known of what is behind, and of twins, which have no background."""
    pyplot.switch_backend("agg")
    _, ax = pyplot.subplots(facecolor="none")
    ax.set_facecolor("none")
    ax.xaxis.label.set_color("white")
    line = curve(ax).lines[0]
    assert line.get_color() == "black"
    assert ax.xaxis.label.get_color() == "white"
    _, ax = pyplot.subplots()
    ax.set_facecolor("black")
    twin = curve(ax.twinx())
    assert colors.to_hex(twin.lines[0].get_color()) == "#ffffff"
    looks = [(line.get_color(), line.get_marker()) for line in (*curve(ax).lines, *curve(ax).lines)]
    assert len(set(looks)) == 2
    pyplot.close("all")


def test_every_picture_is_looked_at():
    assert {name.split(",")[0].split(" ")[0] for name in PICTURES} == set(fw.plot.__all__)
