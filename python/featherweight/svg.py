"""A network as an SVG image, for notebooks: written by hand, since no library is needed for it."""

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from . import diagram

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .network import Network

_STEP, _RADIUS, _GAP, _TOP, _SIDE = 15, 5, 130, 34, 55
# positive weights are solid and orange, negative ones dashed and blue (Okabe and Ito's colours)
_UP, _DOWN = 'stroke="#D55E00"', 'stroke="#0072B2" stroke-dasharray="3 2"'


class Diagram:
    """What `Network.diagram` returns: an image that a notebook shows.

    Attributes
    ----------
    svg : str
        The image.
    """

    def __init__(self, network: "Network", x: "ArrayLike | None" = None, most: int = 16) -> None:
        self.svg = draw(network, x, most)

    def _repr_svg_(self) -> str:
        return self.svg


def draw(network: "Network", x: "ArrayLike | None" = None, most: int = 16) -> str:
    """Return an SVG image of a network, lit by an input if there is one."""
    found = diagram.columns(network, x, most)
    height = max(float(np.ptp(c.y)) for c in found) * _STEP + 2 * _TOP + 28
    width = 2 * _SIDE + _GAP * (len(found) - 1)
    middle = _TOP + (height - 2 * _TOP - 28) / 2

    def place(column: int, at: int) -> tuple[float, float]:
        return _SIDE + _GAP * column, middle + float(found[column].y[at]) * _STEP

    parts = []
    for line in reversed(diagram.lines(network, found)):
        (x1, y1), (x2, y2) = place(line.column, line.start), place(line.column + 1, line.end)
        parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" '
            f'{_UP if line.weight > 0 else _DOWN} stroke-width="{0.3 + 1.2 * line.strength:.2f}" '
            f'stroke-opacity="{0.15 + 0.6 * line.strength:.2f}"/>'
        )
    acts = ("input", *network.activation, network.output)
    for i, column in enumerate(found):
        for at, neuron in enumerate(column.neurons):
            cx, cy = place(i, at)
            tone = round(255 * float(column.tone[at]))
            value = "" if column.values is None else f": {float(column.values[at]):.4g}"
            parts.append(
                f'<circle cx="{cx:g}" cy="{cy:g}" r="{_RADIUS}" fill="rgb({tone},{tone},{tone})" '
                f'stroke="#555"><title>layer {i}, neuron {neuron}{value}</title></circle>'
            )
        if column.size > len(column.neurons):
            parts.append(_text(_SIDE + _GAP * i, middle + 4, "\N{VERTICAL ELLIPSIS}"))
        parts.append(_text(_SIDE + _GAP * i, 20, f"{column.size:,}"))
        parts.append(_text(_SIDE + _GAP * i, height - 26, acts[i]))
    total = f"{network.parameter_count:,} parameters, {network.dtype.name}"
    parts.append(_text(width / 2, height - 8, total))
    label = f"network {'-'.join(map(str, network.sizes))}, {total}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-label="{escape(label)}" '
        'font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="#222">{escape(text)}</text>'
