"""A network as an SVG image, for notebooks: written by hand, since no library is needed for it."""

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.hints import Strict
from . import layout as diagram

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..model.model import Model

# _STEP pixels are the distance of neurons; a key needs a width of _LEAST
_STEP, _RADIUS, _GAP, _TOP, _SIDE, _LEAST = 15, 5, 130 / 15, 40, 55, 310
_UP, _DOWN = (
    f'stroke="{diagram.POSITIVE}"',
    f'stroke="{diagram.NEGATIVE}" stroke-dasharray="3 2"',
)


class Diagram(Strict):
    """What `Network.diagram` returns: an image that a notebook shows.

    Attributes
    ----------
    svg : str
        The image.
    """

    svg: str

    def __init__(self, network: "Model", x: "ArrayLike | None" = None, most: int = 16) -> None:
        self.svg = draw(network, x, most)
        self._what = f"{'-'.join(map(str, network.sizes))}{', lit by an input' * (x is not None)}"

    def __repr__(self) -> str:
        return f"<Diagram of {self._what}: a notebook shows it, its svg is the image>"

    def _repr_svg_(self) -> str:
        return self.svg


def draw(network: "Model", x: "ArrayLike | None" = None, most: int = 16) -> str:
    """Draw a network, lit by an input if there is one.

    Parameters
    ----------
    network : Network
    x : (inputs,) array, optional
    most : int
        How many neurons of a layer are drawn, at least 2.

    Returns
    -------
    str
        An SVG image, no wider than the page that shows it.

    Raises
    ------
    TypeError, ValueError
        As `diagram.columns`.
    """
    found = diagram.columns(network, x, most)
    places = diagram.middles(found, _GAP)
    left = _SIDE + _STEP * found[0].reach
    needed = left + _STEP * (places[-1] + found[-1].reach) + _SIDE
    width = max(needed, _LEAST)
    left += (width - needed) / 2
    across = [left + _STEP * at for at in places]
    tall = max(c.height for c in found) * _STEP
    middle, below = _TOP + tall / 2, _TOP + tall

    def place(column: int, at: int) -> tuple[float, float]:
        c = found[column]
        return across[column] + float(c.x[at]) * _STEP, middle + float(c.y[at]) * _STEP

    parts = [_image(c.image, across[i], middle) for i, c in enumerate(found) if c.image is not None]
    for line in reversed(diagram.lines(network, found)):
        (x1, y1), (x2, y2) = place(line.column, line.start), place(line.column + 1, line.end)
        parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" '
            f'{_UP if line.weight > 0 else _DOWN} stroke-width="{0.3 + 1.2 * line.strength:.2f}" '
            f'stroke-opacity="{0.15 + 0.6 * line.strength:.2f}"/>'
        )
    acts = ("input", *network.activation, network.output)
    last = len(found) - 1
    for i, column in enumerate(found):
        radius = _RADIUS if column.image is None else 2
        for at, neuron in enumerate(column.neurons):
            cx, cy = place(i, at)
            value = "" if column.values is None else f": {float(column.values[at]):.4g}"
            title = f"<title>layer {i}, neuron {neuron}{value}</title>"
            light = None if x is None else float(column.light[at])
            parts.append(_disc(cx, cy, light, radius, title))
            if i == last and column.size > 1:
                parts.append(_text(cx + 9, cy + 4, f"{neuron:,}", "start"))
            elif i == 0 and column.thinned and column.image is None:
                parts.append(_text(cx - 9, cy + 4, f"{neuron:,}", "end"))
        if column.thinned and column.image is None:
            parts.append(_text(across[i], middle + 4, "\N{VERTICAL ELLIPSIS}"))
        parts.append(_text(across[i], 20, f"{column.size:,}"))
        parts.append(_text(across[i], below + 24, acts[i]))
        parts.append(_text(across[i], below + 37, column.scale))
    total = f"{network.parameter_count:,} parameters, {network.dtype.name}"
    foot = below + (41 if x is None else 54)
    parts.append(_text(width / 2, foot, total))
    negative = any((c.light < 0).any() for c in found)
    parts.append(_key(width / 2, foot + 17, x is not None, negative))
    label = f"network {'-'.join(map(str, network.sizes))}, {total}"
    height = foot + (26 if x is None else 42)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" style="max-width:100%;height:auto" role="img" '
        f'aria-label="{escape(label)}" font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _image(image: "NDArray[Any]", x: float, y: float) -> str:
    """Return an input as an image around a point, whose dark pixels are left to the ground."""
    rows, columns = image.shape
    high, wide = diagram.IMAGE * _STEP / rows, diagram.IMAGE * _STEP / columns
    left, top = x - diagram.IMAGE * _STEP / 2, y - diagram.IMAGE * _STEP / 2
    ground = diagram.shade(0)
    parts = [_rectangle(left, top, wide * columns, high * rows, ground)]
    for (i, j), value in np.ndenumerate(image):
        colour = diagram.shade(float(value))
        if colour != ground:
            parts.append(_rectangle(left + j * wide, top + i * high, wide, high, colour))
    return f'<g shape-rendering="crispEdges">{"".join(parts)}</g>'


def _key(middle: float, y: float, lit: bool, negative: bool) -> str:
    """Return what the marks mean: in one line, or in two if the network is lit."""
    parts = []
    for x, style, text in (
        (middle - 130, _UP, "positive weight"),
        (middle + 10, _DOWN, "negative weight"),
    ):
        parts.append(
            f'<line x1="{x:g}" y1="{y - 4:g}" x2="{x + 24:g}" y2="{y - 4:g}" {style} '
            f'stroke-width="1.5"/>{_text(x + 30, y, text, "start")}'
        )
    discs = [(-140, 0.0, "0"), (-110, 1.0, "the end of its layer's scale"), (70, -1.0, "negative")]
    middle += 0 if negative else 40
    for x, light, text in discs[: (2 + negative) * lit]:
        parts.append(_disc(middle + x, y + 12, light, _RADIUS))
        parts.append(_text(middle + x + 9, y + 16, text, "start"))
    return f'<g class="key">{"".join(parts)}</g>'


def _disc(x: float, y: float, light: float | None, radius: float, inside: str = "") -> str:
    fill = "#ffffff" if light is None else diagram.shade(light)
    disc = f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="#555">{inside}'
    if light is None or light >= 0:
        return f"{disc}</circle>"
    half, ink = 0.55 * radius, "#000" if light < -0.5 else "#fff"
    return (
        f'{disc}</circle><line class="minus" x1="{x - half:g}" y1="{y:g}" x2="{x + half:g}" '
        f'y2="{y:g}" stroke="{ink}" stroke-width="1.3"/>'
    )


def _rectangle(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="#222">{escape(text)}</text>'
