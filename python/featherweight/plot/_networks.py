"""The network as neurons and lines."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import diagram as layout
from ._axes import axes

if TYPE_CHECKING:
    from ..network import Network

_STEP = 4.5  # between layers, in units of the distance of neurons


def diagram(
    network: "Network", x: ArrayLike | None = None, *, most: int = 16, ax: Any = None
) -> Any:
    """Draw a network as a diagram, its neurons lit by their activations for an input.

    Lines are weights, the thicker the larger: positive ones solid and orange, negative ones dashed
    and blue. Of layers wider than `most` that many neurons are drawn, with a gap, and between two
    layers the 160 largest weights.

    Parameters
    ----------
    network : Network
    x : (inputs,) array, optional
    most : int
        Neurons to a layer, at least 2.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    found = layout.columns(network, x, most)
    lines = layout.lines(network, found)
    height = max(float(np.ptp(c.y)) for c in found)
    ax = axes(ax, 1.6 * len(found) + 1, max(2.5, 0.24 * height + 1.2))
    collection = import_module("matplotlib.collections").LineCollection
    for positive, colour, style in ((True, "#D55E00", "solid"), (False, "#0072B2", "dashed")):
        some = [n for n in lines if (n.weight > 0) == positive]
        ends = [
            [
                (_STEP * n.column, -found[n.column].y[n.start]),
                (_STEP * (n.column + 1), -found[n.column + 1].y[n.end]),
            ]
            for n in some
        ]
        strength = np.array([n.strength for n in some])
        ax.add_collection(
            collection(
                ends,
                colors=colour,
                linestyles=style,
                linewidths=0.2 + 1.6 * strength,
                alpha=0.15 + 0.65 * strength if len(some) else None,
                zorder=1,
            )
        )
    for i, column in enumerate(found):
        tone = [str(t) for t in column.tone]
        at = np.full(len(tone), _STEP * i)
        ax.scatter(at, -column.y, s=46, c=tone, edgecolors="0.3", linewidths=0.8, zorder=2)
        if column.size > len(column.neurons):
            ax.text(_STEP * i, 0, "\N{VERTICAL ELLIPSIS}", ha="center", va="center", size=12)
        ax.text(_STEP * i, height / 2 + 1.4, f"{column.size:,}", ha="center")
    names = ("input", *network.activation, network.output)
    for i, name in enumerate(names):
        ax.text(_STEP * i, -height / 2 - 1.9, name, ha="center", size=8)
    ax.set(xlim=(-1.5, _STEP * (len(found) - 1) + 1.5), ylim=(-height / 2 - 2.5, height / 2 + 2.5))
    ax.set_title(f"{network.parameter_count:,} parameters")
    ax.set_axis_off()
    return ax
