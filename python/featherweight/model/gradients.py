"""Gradients as arrays by layer."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from .. import _core


class Gradients(NamedTuple):
    """Gradients of a loss, plain arrays in the shapes of what they belong to."""

    weights: tuple[NDArray[Any], ...]
    biases: tuple[NDArray[Any], ...]
    input: NDArray[Any]


Gradients.__module__ = "featherweight"


def unpacked(
    core: _core.CoreNetwork, layers: int, packed: NDArray[Any], dx: NDArray[Any]
) -> Gradients:
    """Return gradients by layer, given as a flat array in the order of the parameters."""
    return Gradients(
        tuple(core.weights(i, packed) for i in range(layers)),
        tuple(core.bias(i, packed) for i in range(layers)),
        dx,
    )
