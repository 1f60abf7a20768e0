"""A network's weights and biases, by layer."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..support import checks
from ..support.hints import Strict


class Packed(Protocol):
    """What has packed parameters: a model."""

    _core: _core.CoreNetwork

    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...


def padding(network: Packed) -> NDArray[np.bool_]:
    """Return where in the packed parameters, or an array of their order, no parameter is."""
    used = np.zeros(network._core.packed_size, network.dtype)
    for layer, (i, o) in enumerate(pairwise(network.sizes)):
        network._core.set_weights(layer, np.ones((o, i), network.dtype), used)
        network._core.set_bias(layer, np.ones(o, network.dtype), used)
    unused: NDArray[np.bool_] = used == 0
    return unused


class Parameters(Strict, Sequence[NDArray[Any]]):
    """Weights or biases by layer: reading gives a fresh read-only array, assigning stores."""

    def __init__(self, network: Packed, kind: Literal["weights", "biases"]) -> None:
        self._network = network
        self._kind = kind

    @property
    def _named(self) -> str:
        """What it is called in messages, since its class has no public name."""
        return f"net.{self._kind}"

    def __len__(self) -> int:
        return len(self._network.sizes) - 1

    def _layer(self, index: object) -> int:
        n = len(self)
        i = checks.whole(f"{self._kind} index", index, -(1 << 62))
        if not -n <= i < n:
            raise IndexError(f"{self._kind}: expected a layer from {-n} to {n - 1}, found {i}")
        return i % n

    def __getitem__(self, index: Any) -> Any:
        core, layer = self._network._core, self._layer(index)
        read = core.weights if self._kind == "weights" else core.bias
        a = read(layer, None)
        a.flags.writeable = False
        return a

    def __setitem__(self, index: int, value: ArrayLike) -> None:
        layer, network = self._layer(index), self._network
        i, o = network.sizes[layer : layer + 2]
        shape = (o, i) if self._kind == "weights" else (o,)
        a = checks.real_array(f"{self._kind}[{layer}]", value)
        if a.shape != shape:
            raise ValueError(f"{self._kind}[{layer}]: expected shape {shape}, found {a.shape}")
        a = checks.converted(f"{self._kind}[{layer}]", a, network.dtype)
        store = network._core.set_weights if self._kind == "weights" else network._core.set_bias
        store(layer, a, None)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        shapes = ", ".join(str(a.shape) for a in self)
        return f"<{self._kind} of {checks.counted(len(self), 'layer')}: {shapes}>"
