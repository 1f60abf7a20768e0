"""What the page is told: numbers from the library, as JSON takes them. No web in here."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, files, looking
from ..images import prepare
from ..network import Network

SIDE = 28
CANVAS = 140  # the drawing, as it is sent: CANVAS x CANVAS bytes, light on dark
_HERE = Path(__file__).parent
_FAINT = 26  # of 255: less is the rim of a stroke that was drawn beside the pad
_GLOWING = 60  # weights that glow between two layers


def shipped() -> dict[str, Network]:
    """Return the two networks of the package, by name."""
    return {n: files.load(_HERE / f"{n}.safetensors") for n in ("relu", "sigmoid")}


def check(network: Network, name: str) -> Network:
    """Return the network if the page can show it, or say why not."""
    if network.sizes[0] != SIDE * SIDE or network.output != "softmax":
        raise ValueError(
            f"{name}: expected a network of 784 inputs with a softmax output, found "
            f"{network.sizes[0]} and {network.output}"
        )
    return network


def describe(network: Network) -> dict[str, Any]:
    """Return what the page draws before anything is read."""
    return {
        "sizes": network.sizes,
        "activation": [*network.activation, network.output],
        "parameters": network.parameter_count,
    }


def read(network: Network, drawing: bytes) -> dict[str, Any]:
    """Return what a network makes of a drawing.

    Parameters
    ----------
    network : Network
    drawing : bytes
        `CANVAS` squared bytes, 0 where nothing is drawn; or 784, an image that is taken as it is.

    Returns
    -------
    dict
        ``pixels`` (784 ints), ``layers`` (activations by layer, from the first hidden one),
        ``lines`` by pair of layers from the first hidden one on ([from, to, weight times
        activation], the largest first), ``digit`` and ``confidence``; of an empty drawing
        ``pixels`` alone.

    Raises
    ------
    ValueError
        For another number of bytes.
    """
    if len(drawing) == SIDE * SIDE:
        pixels: NDArray[np.uint8] = np.frombuffer(drawing, np.uint8)
    elif len(drawing) == CANVAS * CANVAS:
        canvas = np.frombuffer(drawing, np.uint8).reshape(CANVAS, CANVAS)
        blank = canvas.max() < _FAINT
        pixels = np.zeros(SIDE * SIDE, np.uint8) if blank else prepare(canvas, background=0)
    else:
        raise ValueError(
            f"drawing: expected {CANVAS * CANVAS} or {SIDE * SIDE} bytes, found {len(drawing)}"
        )
    if not pixels.any():
        return {"pixels": pixels.tolist()}
    layers = network.activations(_inputs(network, pixels))[1:]
    answer = layers[-1]
    return {
        "pixels": pixels.tolist(),
        "layers": [a.tolist() for a in layers],
        "lines": [_lines(network.weights[i + 1], a) for i, a in enumerate(layers[:-1])],
        "digit": int(answer.argmax()),
        "confidence": float(answer.max()),
    }


def seeks(network: Network, layer: int, neuron: int) -> dict[str, Any]:
    """Return what a neuron looks for, as 784 numbers from -1 to 1.

    The weights of a neuron that reads pixels; of others the input that excites them most.
    """
    if layer == 0:
        found = network.weights[0][neuron].astype(np.float64)
        kind = "weights"
    else:
        found = looking.excite(network, layer, neuron).astype(np.float64)
        kind = "excites"
    most = float(np.abs(found).max()) or 1.0
    return {"kind": kind, "values": np.round(found / most, 4).tolist()}


def digit(number: int) -> dict[str, Any]:
    """Return one of the package's test images."""
    test = data.digits().test
    number %= len(test.labels)
    return {"pixels": test.images[number].tolist(), "label": int(test.labels[number])}


def _inputs(network: Network, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    # full ink is to reach the first layer as 1, whatever the network was trained on
    factor = 1 / (255 * network.input_scale)
    return pixels if abs(factor - 1) < 1e-6 else pixels * network.dtype.type(factor)


def _lines(weights: NDArray[Any], below: NDArray[Any]) -> list[list[float]]:
    flow = (weights * below).astype(np.float64)
    top = float(np.abs(flow).max()) or 1.0
    order = np.argsort(-np.abs(flow), axis=None, kind="stable")[:_GLOWING]
    ends, starts = np.unravel_index(order, flow.shape)
    return [
        [int(i), int(j), round(float(flow[j, i]) / top, 3)]
        for j, i in zip(ends, starts, strict=True)
    ]
