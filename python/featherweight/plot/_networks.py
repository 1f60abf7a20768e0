"""The network as neurons and lines."""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..diagrams import layout
from ..support.hints import named
from . import _colours
from ._axes import LEAST, axes, label, points, size

if TYPE_CHECKING:
    from ..network import Network

_EDGE = "0.5"  # of neurons: a grey that stands out from white and from black, and most colours
_GAP = 9.0  # between layers, 1 being the distance of neurons


@named
def diagram(network: Network, x: ArrayLike | None = None, *, most: int = 16, ax: Any = None) -> Any:
    """Draw a network as a diagram, its neurons lit by their activations for an input.

    Lines are weights, the thicker the larger: positive ones solid and orange, negative ones dashed
    and blue. Neurons are the brighter, the larger their activations beside the end of the scale
    that stands below their layer: dark at 0, yellow above, and light blue with a minus below. Of
    layers wider than `most` that many neurons are drawn, with a gap, and between two layers the 160
    largest weights. A square input of more pixels, of 8 by 8 or more, is drawn as an image.

    Parameters
    ----------
    network : Network
    x : (inputs,) array, optional
        Finite, of any real dtype.
    most : int
        Neurons to a layer, at least 2.
    ax : Axes, optional
        To draw in; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        For another `most`, an input of another shape, or weights or activations that are not
        finite.
    ImportError
        Without matplotlib.
    """
    found = layout.columns(network, x, most)
    lines = layout.lines(network, found)
    height = max(c.height for c in found)
    across = layout.middles(found, _GAP)
    left, right = -found[0].reach - 3.5, across[-1] + found[-1].reach + 3.5
    tall = 0.6 if x is None else 1.1  # the key of one that is lit has more lines
    ax = axes(ax, 0.18 * (right - left) + 0.4, max(2.5, 0.18 * (height + 8) + tall))
    ax.set_axis_off()
    ink = _colours.text(ax)
    wide, high = points(ax)
    unit = min(wide / (right - left), high / (height + 8))  # a neuron's room, in points
    letters = max(LEAST, min(size(ax, "legend.fontsize"), 1.1 * unit))
    names = ("input", *network.activation, network.output)
    texts = [f"{n}\n{c.scale}".strip() for n, c in zip(names, found, strict=True)]
    longest = max(len(line) for text in texts for line in text.split("\n"))
    turned = longest * 0.6 * letters > _GAP * unit
    foot = 1 + (longest * 0.6 if turned else 2.6) * letters / unit
    for column, middle in zip(found, across, strict=True):
        if column.image is not None:
            _image(ax, column.image, middle)
    _lines(ax, found, lines, across, min(1.0, unit / 8))
    for i, (column, middle) in enumerate(zip(found, across, strict=True)):
        _neurons(ax, column, middle, unit, f"layer {i}")
        if column.thinned and column.image is None:
            ax.text(
                middle,
                0,
                "\N{VERTICAL ELLIPSIS}",
                ha="center",
                va="center",
                size=letters,
                color=ink,
            )
        named = column.thinned and column.image is None if i == 0 else column.size > 1
        if named and i in (0, len(found) - 1):
            every = math.ceil(1.1 * LEAST / unit)  # of small ones only some have room for a number
            for neuron, y in zip(column.neurons[::every], column.y[::every], strict=True):
                ax.text(
                    middle + (-0.7 if i == 0 else 0.7), -y, f"{neuron:,}", va="center", color=ink,
                    ha="right" if i == 0 else "left", size=max(LEAST, min(letters, unit)),
                )  # fmt: skip
        ax.text(middle, height / 2 + 1, f"{column.size:,}", ha="center", size=letters, color=ink)
        ax.text(
            middle, -height / 2 - 0.9, texts[i], ha="center", va="top", size=letters,
            rotation=90 if turned else 0, color=ink,
        )  # fmt: skip
    label(ax, f"{network.parameter_count:,} parameters")
    _key(ax, found, letters, x is not None)
    ax.set(xlim=(left, right), ylim=(-height / 2 - foot, height / 2 + 2.5), aspect="equal")
    return ax


def _image(ax: Any, image: Any, middle: float) -> None:
    colour = import_module("matplotlib.colors").to_rgb
    half = layout.IMAGE / 2
    ax.imshow(
        [[colour(layout.shade(float(v))) for v in row] for row in image],
        extent=(middle - half, middle + half, -half, half), interpolation="nearest",
    )  # fmt: skip


def _shown(ax: Any, colour: str) -> Any:
    return _colours.readable(colour, _colours.inside(ax), _colours.LINES)


def _neurons(ax: Any, column: layout.Column, middle: float, unit: float, name: str) -> None:
    disc = max(2.0, 0.62 * unit) if column.image is None else max(1.0, 0.2 * unit)
    light, x = column.light, middle + column.x
    fill = "w" if column.values is None else [layout.shade(float(v)) for v in light]
    ax.scatter(
        x, -column.y, s=disc**2, c=fill, edgecolors=_shown(ax, _EDGE), linewidths=0.08 * disc,
        zorder=2, label=name,
    )  # fmt: skip
    minus = light < 0
    if minus.any():
        ink = np.where(light[minus] < -0.5, "k", "w")
        ax.scatter(
            x[minus], -column.y[minus], s=0.25 * disc**2, c=ink, marker="_",
            linewidths=0.15 * disc, zorder=3,
        )  # fmt: skip


def _lines(
    ax: Any,
    found: list[layout.Column],
    lines: list[layout.Line],
    across: list[float],
    thickness: float,
) -> None:
    """Draw the positive weights, then the negative ones."""
    collection = import_module("matplotlib.collections").LineCollection

    def place(column: int, at: int) -> tuple[float, float]:
        c = found[column]
        return across[column] + float(c.x[at]), -float(c.y[at])

    for positive in (True, False):
        some = [n for n in lines if (n.weight > 0) == positive]
        ends = [(place(n.column, n.start), place(n.column + 1, n.end)) for n in some]
        strength = np.array([n.strength for n in some])
        ax.add_collection(
            collection(
                ends,
                colors=_shown(ax, layout.POSITIVE if positive else layout.NEGATIVE),
                linestyles="solid" if positive else "dashed",
                linewidths=thickness * (0.2 + 1.6 * strength),
                alpha=0.15 + 0.65 * strength if len(some) else None,
                zorder=1,
            )
        )


def _key(ax: Any, found: list[layout.Column], letters: float, lit: bool) -> None:
    """Say below the picture what lines and brightness mean."""
    make = import_module("matplotlib.lines").Line2D
    marks = [
        make([], [], color=_shown(ax, layout.POSITIVE), label="positive weight"),
        make(
            [], [], color=_shown(ax, layout.NEGATIVE), linestyle="dashed", label="negative weight"
        ),
    ]
    disc = dict(
        marker="o", linestyle="", markeredgecolor=_shown(ax, _EDGE), markersize=0.7 * letters
    )
    if lit:
        marks.append(make([], [], markerfacecolor=layout.shade(0), label="0", **disc))
        end = "end of the layer's scale"
        marks.append(make([], [], markerfacecolor=layout.shade(1), label=end, **disc))
    if any((c.light < 0).any() for c in found):
        marks.append(
            make(
                [], [], markerfacecolor=layout.shade(-1), label="negative (\N{MINUS SIGN})", **disc
            )
        )
    columns = 2 if points(ax)[0] > 32 * letters else 1
    ax.legend(
        handles=marks, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=columns,
        fontsize=letters, frameon=False, borderaxespad=0.0, labelspacing=0.3,
        labelcolor=_colours.text(ax),
    )  # fmt: skip
