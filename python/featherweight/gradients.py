"""Gradients as arrays by layer and as one flat array, and what limits them."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .checks import number

if TYPE_CHECKING:
    from .network import Network


class Gradients(NamedTuple):
    """Gradients of a loss, plain arrays in the shapes of what they belong to."""

    weights: tuple[NDArray[Any], ...]
    biases: tuple[NDArray[Any], ...]
    input: NDArray[Any]


def check_limits(
    clip_value: float | None, clip_norm: float | None, l2: float
) -> tuple[float, float, float]:
    """Return the three as the core takes them, 0 for none."""
    value = (
        0.0
        if clip_value is None
        else number("clip_value", clip_value, 0.0, math.inf, open_low=True)
    )
    norm = (
        0.0 if clip_norm is None else number("clip_norm", clip_norm, 0.0, math.inf, open_low=True)
    )
    return value, norm, number("l2", l2, 0.0, math.inf)


def pack(network: "Network", gradients: "Gradients | NDArray[Any]") -> NDArray[Any]:
    """Return gradients as one flat array in the order of the parameters, its padding 0."""
    layers = list(zip(network.sizes, network.sizes[1:], strict=False))
    size = network.parameters.size
    if isinstance(gradients, np.ndarray):
        if gradients.shape != (size,) or gradients.dtype != network.dtype:
            raise ValueError(
                f"gradients: expected shape {(size,)} of {network.dtype}, "
                f"found {gradients.shape} of {gradients.dtype}"
            )
        flat = gradients.copy()
    else:
        flat = np.zeros(size, network.dtype)
    given = None if isinstance(gradients, np.ndarray) else gradients
    if given is not None and not (hasattr(given, "weights") and hasattr(given, "biases")):
        raise TypeError(
            f"gradients: expected those of Network.gradients or a flat array, found {given!r}"
        )
    at = 0
    for i, (n_in, n_out) in enumerate(layers):
        wide = -(-n_out // 16) * 16
        # [panel][input][16 outputs], then the biases
        w = flat[at : at + wide * n_in].reshape(wide // 16, n_in, 16)
        b = flat[at + wide * n_in : at + wide * (n_in + 1)]
        if given is not None:
            for name, part, shape in (
                ("weights", given.weights, (n_out, n_in)),
                ("biases", given.biases, (n_out,)),
            ):
                if len(part) != len(layers) or np.shape(part[i]) != shape:
                    found = np.shape(part[i]) if len(part) == len(layers) else f"{len(part)} layers"
                    raise ValueError(
                        f"gradients: expected {name}[{i}] of shape {shape}, found {found}"
                    )
            padded = np.zeros((wide, n_in), network.dtype)
            padded[:n_out] = given.weights[i]
            w[:] = padded.reshape(wide // 16, 16, n_in).transpose(0, 2, 1)
            b[:n_out] = given.biases[i]
        w[-1, :, n_out - (wide - 16) :] = 0
        b[n_out:] = 0
        at += wide * (n_in + 1)
    return flat
