"""A network as neurons and lines: which of them are drawn, where, and how bright. No drawing."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import checks

if TYPE_CHECKING:
    from .network import Network


@dataclass
class Column:
    """One layer's neurons that are drawn.

    Attributes
    ----------
    size : int
        How many neurons the layer has.
    neurons : (n,) array of int
        Which of them are drawn, from top to bottom.
    y : (n,) array of float
        Where, the middle being 0 and 1 the distance of neighbours.
    light : (n,) array of float
        In [0, 1]; 0 without an input.
    values : (n,) array or None
        Their activations.
    """

    size: int
    neurons: NDArray[np.int64]
    y: NDArray[np.float64]
    light: NDArray[np.float64]
    values: NDArray[Any] | None

    @property
    def tone(self) -> NDArray[np.float64]:
        """(n,) brightness to draw them in: from nearly black to white, the same grey if unlit."""
        return np.full(len(self.y), 0.85) if self.values is None else 0.1 + 0.9 * self.light


@dataclass
class Line:
    """A weight that is drawn: from the drawn neuron `start` of a column to `end` of the next."""

    column: int
    start: int
    end: int
    weight: float
    strength: float  # its size beside the layer's largest that is drawn, in (0, 1]


def columns(network: "Network", x: ArrayLike | None = None, most: int = 16) -> list[Column]:
    """Choose the neurons to draw: all of a layer, or `most` of them.

    Of a wider layer those are taken that differ most from 0 for the input x or, without one, whose
    weights to the next layer are largest together.
    """
    most = checks.whole("most", most, 2)
    values = [None] * len(network.sizes) if x is None else _activations(network, x)
    found = []
    for i, (size, v) in enumerate(zip(network.sizes, values, strict=True)):
        if size <= most:
            chosen = np.arange(size)
        else:
            weights = network.weights
            if v is not None:
                rank = np.abs(v).astype(np.float64)
            elif i < len(weights):
                rank = np.linalg.norm(weights[i].astype(np.float64), axis=0)
            else:
                rank = np.linalg.norm(weights[i - 1].astype(np.float64), axis=1)
            chosen = np.sort(np.argsort(-rank, kind="stable")[:most])
        y = np.arange(len(chosen), dtype=np.float64) - (len(chosen) - 1) / 2
        if size > most:  # a gap in the middle says that there are more
            y = y + np.where(y > 0, 0.5, -0.5)
        light, shown = np.zeros(len(chosen)), None
        if v is not None:
            shown = v[chosen]
            top = float(np.max(np.abs(v), initial=0.0))
            light = np.abs(shown).astype(np.float64) / top if top > 0 else light
        found.append(Column(size, chosen, y, light, shown))
    return found


def lines(network: "Network", found: list[Column], most: int = 160) -> list[Line]:
    """Choose the weights to draw between the drawn neurons: of each layer the largest."""
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


def _activations(network: "Network", x: ArrayLike) -> list[Any]:
    a = np.asarray(x)
    if a.shape != network.sizes[:1]:
        raise ValueError(f"x: expected one input of shape {network.sizes[:1]}, found {a.shape}")
    return list(network.activations(a))
