"""Gradients as arrays by layer and as one flat array, and what limits them."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..support import checks
from ..support.checks import number

if TYPE_CHECKING:
    from ..network import Network


class Gradients(NamedTuple):
    """Gradients of a loss, plain arrays in the shapes of what they belong to."""

    weights: tuple[NDArray[Any], ...]
    biases: tuple[NDArray[Any], ...]
    input: NDArray[Any]


Gradients.__module__ = "featherweight"


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
    """Return gradients as a new flat array in the order of the parameters, its padding 0."""
    flat = np.zeros_like(network.parameters)
    if isinstance(gradients, np.ndarray):
        native = gradients.dtype.newbyteorder("=")
        if gradients.shape != flat.shape or native != flat.dtype:
            raise ValueError(
                f"gradients: expected shape {flat.shape} of {flat.dtype}, "
                f"found {gradients.shape} of {gradients.dtype}"
            )
        given = checks.converted("gradients", gradients, flat.dtype)
        gradients = network._unpacked(given, flat)  # what the caller has in the padding stays there
    elif not isinstance(gradients, Gradients):
        raise TypeError(
            "gradients: expected those of Network.gradients or Network.backward, or a flat array, "
            f"found {gradients!r}"
        )
    sizes, core = network.sizes, network._core
    n = len(sizes) - 1
    for name, parts, store in (
        ("weights", gradients.weights, core.set_weights),
        ("biases", gradients.biases, core.set_bias),
    ):
        if len(parts) != n:
            raise ValueError(f"gradients: expected {n} {name}, found {len(parts)}")
        for i, part in enumerate(parts):
            shape = (sizes[i + 1], sizes[i])[: 2 if name == "weights" else 1]
            a = checks.real_array(f"gradients.{name}[{i}]", part)
            if a.shape != shape:
                raise ValueError(
                    f"gradients: expected {name}[{i}] of shape {shape}, found {a.shape}"
                )
            store(i, checks.converted(f"gradients.{name}[{i}]", a, flat.dtype), flat)
    return flat
