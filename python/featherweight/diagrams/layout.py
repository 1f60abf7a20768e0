"""A network as neurons and lines: which of them are drawn, where, and how bright. No drawing."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..model.model import Model
from ..model.outputs import BOUNDED
from ..support import checks

POSITIVE, NEGATIVE = "#D55E00", "#0072B2"  # weights: Okabe and Ito's vermilion and blue
IMAGE = 12.0  # the side of an input that is drawn as an image, 1 being the distance of neurons
_SMALLEST = 8  # the side, in pixels, from which a square input is taken for an image
_DARK, _WARM, _COOL = (26, 26, 26), (255, 221, 85), (170, 221, 255)  # the last two as bright


def limit(weights: NDArray[Any]) -> float:
    """Return where the colours of weights end: so that 1 % of them, if so many, lie beyond.

    By the largest a few would leave all others nearly grey.
    """
    sizes = np.abs(weights).ravel()
    end = float(np.quantile(sizes, 0.99, method="higher")) if sizes.size else 0.0
    return end or float(sizes.max(initial=0.0)) or 1.0


@dataclass
class Column:
    """One layer's neurons that are drawn.

    Attributes
    ----------
    size : int
        How many neurons the layer has.
    neurons : (n,) array of int
        Which of them are drawn, from top to bottom.
    x, y : (n,) array of float
        Where, to the right of and below the column's middle, 1 being the distance of neighbours.
    values : (n,) array or None
        Their activations; None without an input.
    top : float
        The size of an activation that is lit most.
    image : (side, side) array or None
        The whole input beside `top`, where it is drawn as an image, `IMAGE` wide.
    """

    size: int
    neurons: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    values: NDArray[Any] | None = None
    top: float = 1.0
    image: NDArray[np.float64] | None = None

    @property
    def reach(self) -> float:
        """How far it goes to the left and right of its middle."""
        return 0.0 if self.image is None else IMAGE / 2

    @property
    def height(self) -> float:
        """From the first neuron to the last, or the image's."""
        return float(np.ptp(self.y)) if self.image is None else IMAGE

    @property
    def thinned(self) -> bool:
        """Whether only some of the layer's neurons are drawn."""
        return self.size > len(self.neurons)

    @property
    def light(self) -> NDArray[np.float64]:
        """(n,) activations beside `top`, in [-1, 1]; 0 without an input."""
        if self.values is None:
            return np.zeros(len(self.neurons))
        return self.values.astype(np.float64) / self.top

    @property
    def scale(self) -> str:
        """What the brightest neuron stands for, in words; nothing without an input."""
        if self.values is None:
            return ""
        image = np.zeros(1) if self.image is None else self.image
        signed = min(float(self.values.min()), float(image.min())) < 0
        return ("\N{PLUS-MINUS SIGN}" if signed else "0 to ") + f"{self.top:.3g}"


@dataclass
class Line:
    """A weight that is drawn: from the drawn neuron `start` of a column to `end` of the next."""

    column: int
    start: int
    end: int
    weight: float
    strength: float  # its size beside the layer's largest that is drawn, in (0, 1]


def shade(value: float) -> str:
    """Return the colour of an activation.

    Parameters
    ----------
    value : float
        In [-1, 1]; the larger its size, the brighter the colour.

    Returns
    -------
    str
        As ``#rrggbb``: dark for 0, yellow for 1, light blue for -1.
    """
    end = _WARM if value >= 0 else _COOL
    mixed = (round(d + abs(value) * (e - d)) for d, e in zip(_DARK, end, strict=True))
    return "#" + "".join(f"{c:02x}" for c in mixed)


def columns(network: Model, x: ArrayLike | None = None, most: int = 16) -> list[Column]:
    """Choose the neurons to draw: all of a layer, or `most` of them.

    Of a wider layer those are taken whose weights to the next layer, times their activations for
    the input x if there is one, are largest together. The layer's largest activation is lit by 1,
    or 1 itself where activations can't be larger (softmax, sigmoid, tanh). A square input of 8 by
    8 or more that would be thinned is drawn as an image, if it is given.

    Parameters
    ----------
    network : Network
    x : (inputs,) array, optional
    most : int
        At least 2.

    Returns
    -------
    list of Column
        The inputs, then the layers.

    Raises
    ------
    TypeError, ValueError
        For another `most`, an input of another shape, or weights or activations that are not
        finite.
    """
    most = checks.whole("most", most, 2)
    weights = [checks.finite("weights", w, f" in layer {i}") for i, w in enumerate(network.weights)]
    values = [None] * len(network.sizes) if x is None else _activations(network, x)
    names = ("input", *network.activation, network.output)
    found = []
    for i, (size, v) in enumerate(zip(network.sizes, values, strict=True)):
        chosen = np.arange(size)
        if size > most:
            rank = np.ones(size) if v is None else np.abs(v).astype(np.float64)
            if i < len(weights):
                rank = rank * np.linalg.norm(weights[i].astype(np.float64), axis=0)
            elif v is None:
                rank = np.linalg.norm(weights[-1].astype(np.float64), axis=1)
            chosen = np.sort(np.argsort(-rank, kind="stable")[:most])
        y = np.arange(len(chosen), dtype=np.float64) - (len(chosen) - 1) / 2
        if size > most:  # a gap in the middle says that there are more
            y = y + np.where(y > 0, 0.5, -0.5)
        column = Column(size, chosen, np.zeros(len(chosen)), y)
        if v is not None:
            column.values = v[chosen]
            column.top = 1.0 if names[i] in BOUNDED else float(np.abs(v).max()) or 1.0
            side = round(size**0.5)
            if i == 0 and size > most and side >= _SMALLEST and side * side == size:
                column.image = v.reshape(side, side).astype(np.float64) / column.top
                rows, across = np.divmod(chosen, side)
                column.y = (rows + 0.5) / side * IMAGE - IMAGE / 2
                column.x = (across + 0.5) / side * IMAGE - IMAGE / 2
        found.append(column)
    return found


def lines(network: Model, found: list[Column], most: int = 160) -> list[Line]:
    """Choose the weights to draw between the drawn neurons: of each layer the largest.

    Parameters
    ----------
    network : Network
    found : list of Column
        What `columns` chose.
    most : int
        How many of each layer.

    Returns
    -------
    list of Line
        Layer by layer, the largest first; weights that are 0 are left out.
    """
    drawn = []
    for i, (a, b) in enumerate(pairwise(found)):
        weights = network.weights[i][np.ix_(b.neurons, a.neurons)].astype(np.float64)
        size = np.abs(weights).ravel()
        top = float(size.max(initial=0.0))
        for at in np.argsort(-size, kind="stable")[:most]:
            if size[at] > 0:
                end, start = divmod(int(at), len(a.neurons))
                drawn.append(Line(i, start, end, float(weights[end, start]), size[at] / top))
    return drawn


def middles(found: list[Column], gap: float) -> list[float]:
    """Return where the columns' middles are, the first being 0.

    Parameters
    ----------
    found : list of Column
    gap : float
        What lies between two columns, 1 being the distance of neurons.

    Returns
    -------
    list of float
        One for each column, from left to right.
    """
    at = [0.0]
    for a, b in pairwise(found):
        at.append(at[-1] + a.reach + gap + b.reach)
    return at


def _activations(network: Model, x: ArrayLike) -> list[Any]:
    a = checks.real_array("x", x)
    if a.shape != network.sizes[:1]:
        raise ValueError(f"x: expected one input of shape {network.sizes[:1]}, found {a.shape}")
    found: list[Any] = network._plain().activations(a)
    for i, v in enumerate(found):
        checks.finite("activations", v, f" in layer {i}")
    return found
