"""What the page is told: numbers from the library, as JSON takes them. No web in here."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, looking
from ..diagrams.layout import columns, limit
from ..images import prepare
from ..model.outputs import BOUNDED, output_kind, pixel_factor
from ..network import Network, load
from ..support import checks

SIDE = 28
CANVAS = 140  # the drawing, as it is sent: CANVAS x CANVAS bytes, light on dark
MOST = 160  # neurons of a hidden layer that are shown
_HERE = Path(__file__).parent
_FAINT = 26  # of 255: less is the rim of a stroke that was drawn beside the pad
_GLOWING = 60  # weights that glow between two layers
_DIMMEST = 0.05  # of the largest: less isn't seen


def shipped() -> dict[str, Network]:
    """Return the two networks of the package, by name."""
    return {n: load(_HERE / f"{n}.safetensors") for n in ("relu", "sigmoid")}


def check(network: Network, name: str) -> Network:
    """Return the network if the page can show it, or say why not."""
    fits = network.sizes[0] == SIDE * SIDE and network.sizes[-1] > 1
    if not fits or output_kind(network.output) != "classifier":
        raise ValueError(
            f"{name}: expected a network of 784 inputs with 2 outputs or more, softmax or sigmoid, "
            f"found {network.sizes[0]} inputs and {network.output} with {network.sizes[-1]}"
        )
    return network


class Reader:
    """A network as the page shows it.

    Of a hidden layer of more than `MOST` neurons those are shown whose weights to the next layer
    are largest together; they stay the same for all drawings. All outputs are shown.

    Parameters
    ----------
    network : Network
        One that `check` lets pass. Its weights are copied: training it later isn't seen.

    Attributes
    ----------
    neurons : list of (n,) arrays of int
        Which neurons are shown, by layer from the first hidden one on.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.neurons = [c.neurons for c in columns(network, most=MOST)[1:]]
        self.neurons[-1] = np.arange(network.sizes[-1])  # any of them may be the answer
        below = [np.arange(SIDE * SIDE), *self.neurons]
        self._weights = [
            weights[np.ix_(to, of)]
            for weights, of, to in zip(network.weights, below, self.neurons, strict=False)
        ]

    def describe(self) -> dict[str, Any]:
        """Return what the page draws before anything is read.

        Returns
        -------
        dict
            ``sizes``, ``activation`` (names by layer), ``neurons`` and ``parameters`` (how many).
        """
        return {
            "sizes": self.network.sizes,
            "activation": [*self.network.activation, self.network.output],
            "neurons": [n.tolist() for n in self.neurons],
            "parameters": self.network.parameter_count,
        }

    def read(self, drawing: bytes) -> dict[str, Any]:
        """Return what the network makes of a drawing.

        Parameters
        ----------
        drawing : bytes
            `CANVAS` squared bytes, 0 where nothing is drawn; or 784, an image that is taken as it
            is.

        Returns
        -------
        dict
            ``pixels`` (784 ints), ``layers`` (activations of `neurons`), ``scales`` (by layer, the
            activation to show as fully lit: 1 where none can be larger, else the layer's largest,
            without its sign), ``lines`` by pair of layers from the pixels on ([from, to, share],
            from and to being places in `neurons`, the share that of the weight times the activation
            in the largest of them, the largest first), ``digit`` and ``confidence`` (the largest
            output: sigmoid ones need not add up to 1); of an empty drawing ``pixels`` alone.

        Raises
        ------
        ValueError
            For another number of bytes, or activations that are not finite.
        """
        pixels = _pixels(drawing)
        if not pixels.any():
            return {"pixels": pixels.tolist()}
        inputs, *layers = self.network.activations(_inputs(self.network, pixels))
        for i, a in enumerate(layers, 1):
            checks.finite("activations", a, f" in layer {i}")
        shown = [a[n] for a, n in zip(layers, self.neurons, strict=True)]
        kinds = (*self.network.activation, self.network.output)
        below = [inputs, *shown[:-1]]
        return {
            "pixels": pixels.tolist(),
            "layers": [a.tolist() for a in shown],
            "scales": [_scale(a, kind) for a, kind in zip(layers, kinds, strict=True)],
            "lines": [_lines(w, a) for w, a in zip(self._weights, below, strict=True)],
            "digit": int(layers[-1].argmax()),
            "confidence": float(layers[-1].max()),
        }

    def seeks(self, layer: int, neuron: int) -> dict[str, Any]:
        """Return what a neuron looks for.

        Parameters
        ----------
        layer, neuron : int
            Of the layers with weights, the first hidden one being 0.

        Returns
        -------
        dict
            ``values``, 784 numbers from -1 to 1, and their ``kind``: the ``weights`` of a neuron
            that reads pixels, the largest hundredth of them 1 or -1; of others the input that
            ``excites`` them most, or ``nothing``, if neither a blank image nor noise has a gradient
            that leads to one.

        Raises
        ------
        ValueError
            For weights or gradients that are not finite.
        """
        if layer == 0:
            found = self.network.weights[0][neuron].astype(np.float64)
            kind, most = "weights", limit(checks.finite("weights", found))
        else:
            found, moved = looking.climb(self.network, layer, neuron)
            if not moved:  # all is dead for a blank image; noise may wake something
                noise = np.random.Generator(np.random.Philox(0)).uniform(size=SIDE * SIDE)
                noise /= self.network.input_scale
                found, moved = looking.climb(self.network, layer, neuron, noise)
            if not moved:
                return {"kind": "nothing", "values": [0.0] * (SIDE * SIDE)}
            found = found.astype(np.float64)
            kind, most = "excites", float(np.abs(found).max()) or 1.0
        return {"kind": kind, "values": np.round(np.clip(found / most, -1, 1), 4).tolist()}


def digit(number: int) -> dict[str, Any]:
    """Return one of the package's test images."""
    test = data.digits().test
    number %= len(test.labels)
    return {"pixels": test.images[number].tolist(), "label": int(test.labels[number])}


def _pixels(drawing: bytes) -> NDArray[np.uint8]:
    if len(drawing) == SIDE * SIDE:
        return np.frombuffer(drawing, np.uint8)
    if len(drawing) != CANVAS * CANVAS:
        raise ValueError(
            f"drawing: expected {CANVAS * CANVAS} or {SIDE * SIDE} bytes, found {len(drawing)}"
        )
    canvas = np.frombuffer(drawing, np.uint8).reshape(CANVAS, CANVAS)
    if canvas.max() < _FAINT:
        return np.zeros(SIDE * SIDE, np.uint8)
    return prepare(canvas, background=0)


def _inputs(network: Network, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    factor = pixel_factor(network)
    return pixels if abs(factor - 1) < 1e-6 else pixels * network.dtype.type(factor)


def _scale(layer: NDArray[Any], activation: str) -> float:
    if activation in BOUNDED:
        return 1.0
    return float(np.abs(layer).max()) or 1.0


def _lines(weights: NDArray[Any], below: NDArray[Any]) -> list[list[float]]:
    lit = np.flatnonzero(below)
    with np.errstate(over="ignore"):
        flow = weights[:, lit] * below[lit]
    size = np.abs(checks.finite("weights times activations", flow)).ravel()
    top = float(size.max(initial=0.0))
    if top == 0:
        return []
    largest = np.argpartition(-size, min(_GLOWING, size.size) - 1)[:_GLOWING]
    order = largest[np.argsort(-size[largest], kind="stable")]
    ends, starts = np.unravel_index(order, flow.shape)
    shares = np.round(flow.ravel()[order].astype(np.float64) / top, 3)
    drawn = zip(lit[starts].tolist(), ends.tolist(), shares.tolist(), strict=True)
    return [list(line) for line in drawn if abs(line[2]) >= _DIMMEST]
