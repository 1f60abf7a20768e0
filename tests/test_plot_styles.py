"""Pictures on light and on dark paper: everything drawn stands out from what is behind it."""

import numpy as np
import pytest

import featherweight as fw

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")

from matplotlib import colors, text  # noqa: E402

NET = fw.Network([64, 20, 3], "tanh", rng=1)
RNG = np.random.Generator(np.random.Philox(4))
X, Y = RNG.uniform(0, 1, (60, 64)).astype(np.float32), RNG.integers(0, 3, 60)


def curves():
    def fitted():
        net = fw.Network([64, 3], rng=0)
        return net.fit(X, Y, epochs=3, progress=False, validation_data=(X, Y))

    return fw.plot.learning_curves({f"run {i}": fitted() for i in range(7)})


def curve():
    net = fw.Network([64, 3], rng=0)
    h = net.fit(X, Y, epochs=3, progress=False, validation_data=(X, Y))
    return fw.plot.learning_curves(h)


PICTURES = {
    "activations": lambda: fw.plot.activations(NET, X),
    "confusion_matrix": lambda: fw.plot.confusion_matrix(NET, X, Y),
    "diagram": lambda: fw.plot.diagram(NET),
    "diagram, lit": lambda: fw.plot.diagram(NET, X[0]),
    "excite": lambda: fw.plot.excite(NET, 0, 1),
    "learning_curves": curve,
    "learning_curves of several": curves,
    "misread": lambda: fw.plot.misread(NET, X, Y),
    "saliency": lambda: fw.plot.saliency(NET, X[0]),
    "weights": lambda: fw.plot.weights(NET),
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


def test_every_picture_is_looked_at():
    assert {name.split(",")[0].split(" ")[0] for name in PICTURES} == set(fw.plot.__all__)
