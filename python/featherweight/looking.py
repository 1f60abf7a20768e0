"""What a network looks for, and what an answer rests on: gradients with respect to the input."""

from __future__ import annotations

import math
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .model.model import Model
from .support import checks
from .support.callers import callers_level
from .support.hints import named

__all__ = ["excite", "saliency"]


def _until(network: Model, layer: int) -> Model:
    """Return a copy of the layers 0 to `layer` that gives the last one's weighted sums."""
    layers = len(network.sizes) - 1
    layer = checks.whole("layer", layer, -layers, layers - 1) % layers
    part = Model(
        network.sizes[: layer + 2],
        network.activation[:layer],
        "identity",
        dtype=network.dtype,
        input_scale=network.input_scale,
        rng=0,
        threads=network.threads,
        isa=network.isa,
    )
    for i in range(layer + 1):
        part.weights[i], part.biases[i] = network.weights[i], network.biases[i]
    return part


@named
def saliency(network: Model, x: ArrayLike, target: int | None = None) -> NDArray[Any]:
    """Return how an answer's score changes with each input: which pixels it rests on.

    The gradient of the output's weighted sum, before softmax or another activation (Simonyan,
    Vedaldi and Zisserman, "Deep inside convolutional networks", ICLR workshop 2014).

    Parameters
    ----------
    network : Network
    x : (inputs,) or (rows, inputs) array
        Of any real dtype.
    target : int, optional
        The output, from 0 on; by default each row's largest.

    Returns
    -------
    (inputs,) or (rows, inputs) array of the network's dtype
        Change of the score per unit of input.

    Raises
    ------
    TypeError, ValueError
        For rows of another length, or an output that there is not.
    """
    last = _until(network, -1)
    rows = checks.inputs(x, network.sizes[0], network.dtype)
    outputs = network.sizes[-1]
    if target is None:
        chosen = last(rows).argmax(axis=1)
    else:
        chosen = np.full(len(rows), checks.whole("target", target, 0, outputs - 1))
    found = last.backward(rows, np.eye(outputs, dtype=network.dtype)[chosen]).input
    return found[0] if np.ndim(x) == 1 else found


@named
def excite(
    network: Model,
    layer: int,
    neuron: int,
    *,
    start: ArrayLike | None = None,
    steps: int = 100,
    rate: float = 0.05,
    decay: float = 0.02,
    bounds: tuple[float, float] | None = None,
) -> NDArray[Any]:
    """Return an input that excites a neuron: gradient ascent on its weighted sum.

    Erhan, Bengio, Courville and Vincent, "Visualizing higher-layer features of a deep network",
    2009. Each step goes by `rate` of the bounds' width where the gradient is largest, elsewhere in
    proportion, and lets the input decay towards 0. Where no step finds a gradient, as from a blank
    input that leaves all relu neurons below at 0, there is a RuntimeWarning.

    Parameters
    ----------
    network : Network
    layer : int
        Of the layers with weights, the first hidden one being 0; counted from the last if negative.
    neuron : int
        From 0 on.
    start : (inputs,) array, optional
        Finite; a blank input (0) by default; noise or a real image give other ends.
    steps : int
        At least 1.
    rate : float
        Above 0.
    decay : float
        In [0, 1): which part of itself the input loses in a step (an L2 penalty).
    bounds : (low, high), optional
        What an input may be; by default between 0 and ``1 / network.input_scale``.

    Returns
    -------
    (inputs,) array of the network's dtype

    Raises
    ------
    TypeError, ValueError
        For a neuron that there is not, settings out of their ranges, or a gradient that is not
        finite.
    """
    x, moved = climb(network, layer, neuron, start, steps, rate, decay, bounds)
    if not moved:
        warnings.warn(
            f"no gradient was found that excites neuron {neuron}: another start may have one",
            RuntimeWarning,
            stacklevel=callers_level(),
        )
    return x


def climb(
    network: Model,
    layer: int,
    neuron: int,
    start: ArrayLike | None = None,
    steps: int = 100,
    rate: float = 0.05,
    decay: float = 0.02,
    bounds: tuple[float, float] | None = None,
) -> tuple[NDArray[Any], bool]:
    """Return what `excite` does, and, instead of a warning, whether any step found a gradient."""
    part = _until(network, layer)
    neuron = checks.whole("neuron", neuron, 0, part.sizes[-1] - 1)
    steps = checks.whole("steps", steps, 1)
    rate = checks.number("rate", rate, 0.0, math.inf, open_low=True)
    decay = checks.number("decay", decay, 0.0, 1.0)
    low, high = _bounds(sorted((0.0, 1.0 / network.input_scale)) if bounds is None else bounds)
    inputs = network.sizes[0]
    x = np.zeros(inputs) if start is None else checks.real_array("start", start).astype(np.float64)
    if x.shape != (inputs,):
        raise ValueError(f"start: expected shape ({inputs},), found {x.shape}")
    x = np.clip(checks.finite("start", x), low, high)
    up = np.zeros(part.sizes[-1], network.dtype)
    up[neuron] = 1
    step = min(rate * (high - low), sys.float_info.max)
    moved = False
    for _ in range(steps):
        gradient = part.backward(x.astype(network.dtype), up).input.astype(np.float64)
        most = np.abs(checks.finite("gradient", gradient)).max()
        if most > 0:
            moved = True
            with np.errstate(over="ignore"):  # what goes beyond a bound ends there
                x += step * (gradient / most)
        x = np.clip((1 - decay) * x, low, high)
    return x.astype(network.dtype), moved


def _bounds(value: Any) -> tuple[float, float]:
    checks.ordered("bounds", value)
    try:
        low, high = (math.nan, math.nan) if isinstance(value, str) else map(float, value)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"bounds: expected two finite numbers, low < high, found {checks.brief(value)}"
        )
    return low, high


if not TYPE_CHECKING:  # a type checker knows the names, and would take any then

    def __getattr__(name: str) -> Any:
        from .support.hints import module_attribute

        raise module_attribute(__name__, name)
