from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

_Array = NDArray[Any]

__version__: str

def activations() -> tuple[str, ...]: ...
def losses() -> tuple[str, ...]: ...
def optimizers() -> tuple[str, ...]: ...
def optimizer_slots(name: str) -> int: ...
def isas() -> tuple[str, ...]:
    """Return the instruction sets that can run here, slowest first."""

def check_isa(name: str) -> str: ...
def build_info() -> dict[str, str]: ...
def fma_limit(isa: str, double_precision: bool) -> float:
    """Return the FLOP/s of one core in a loop of fused multiply-adds."""

def read_limit(isa: str, bytes: int) -> float:
    """Return the bytes/s at which one core reads so many bytes over and over."""

def to_float32(a: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """Return an aligned float64 array in C order as float32; None if it can't hold a number."""

class OurEnvironment:
    """Round to nearest, subnormal numbers flushed to 0, for Python's own arithmetic."""

    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *args: object) -> None: ...

class CallersEnvironment:
    """What the caller had set before OurEnvironment, for code of the user's."""

    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *args: object) -> None: ...

class CoreNetwork:
    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        softmax: bool,
        double_precision: bool,
        input_scale: float,
        isa: str,
        threads: int,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def packed_size(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @threads.setter
    def threads(self, arg1: int) -> None: ...
    def initialize(self, key: int, limits: Sequence[float]) -> None: ...
    def parameters(self) -> _Array: ...
    def forward(self, x: _Array, out: _Array, check: bool = False) -> bool: ...
    def activations(self, x: _Array) -> list[_Array]: ...
    def weights(self, layer: int, packed: _Array | None) -> _Array: ...
    def bias(self, layer: int, packed: _Array | None) -> _Array: ...
    def set_weights(self, layer: int, value: _Array, packed: _Array | None) -> None: ...
    def set_bias(self, layer: int, value: _Array, packed: _Array | None) -> None: ...
    def set_parameters(self, values: _Array) -> None:
        """Set all parameters at once, in their packed order: no reader sees only some of them."""

    def clear_padding(self) -> None:
        """Set the lanes of panels beyond a layer's outputs to 0."""

    def finite_parameters(self) -> bool:
        """Whether all weights and biases are finite, whatever the padding holds."""

    def begin_fit(self) -> None: ...
    def end_fit(self) -> None: ...

@disjoint_base
class ForwardCall:
    _core: CoreNetwork
    def __call__(
        self, x: ArrayLike, *, out: NDArray[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]: ...

class CoreSamples:
    """Inputs, labels or values, row weights, and which rows of them."""

    def __init__(
        self,
        x: _Array,
        labels: _Array | None,
        values: _Array | None,
        weights: _Array | None,
        rows: NDArray[np.int64] | None = None,
    ) -> None: ...

class CoreOptimizer:
    """An optimizer's settings and state for one call."""

    def __init__(
        self,
        name: str,
        hyper: dict[str, Any],
        limits: tuple[float, float, float],
        scalar_state: NDArray[np.float64],
        slots: _Array,
    ) -> None: ...

class CoreTrainer:
    def __init__(
        self,
        network: CoreNetwork,
        loss: str,
        batch: int,
        parameter: float = ...,
        smoothing: float = ...,
        output_weights: Sequence[float] = ...,
    ) -> None: ...
    def drop(self, rates: Sequence[float], key: int) -> None: ...
    def count_rows(self) -> None: ...
    def epoch(
        self,
        samples: CoreSamples,
        optimizer: CoreOptimizer,
        *,
        key: int | None,
        number: int,
        poll: Callable[[int, float, int], bool],
        seen: NDArray[np.int64],
        every_step: bool = False,
        position: int = 0,
    ) -> tuple[float, int, int, int, float, float, str | None]: ...
    def epochs(
        self,
        samples: CoreSamples,
        optimizer: CoreOptimizer,
        *,
        key: int | None,
        number: int,
        count: int,
        poll: Callable[[int, int, float, int], bool],
        seen: _Array,
        results: _Array,
        good: _Array,
    ) -> tuple[int, str | None]: ...
    def backward(self, x: _Array, dy: _Array, packed: _Array, input: _Array | None) -> None: ...
    def gradients(
        self, samples: CoreSamples, packed: _Array, input: _Array | None
    ) -> tuple[float, int]: ...
    def evaluate(self, samples: CoreSamples) -> tuple[float, int]: ...

def shuffled(rows: NDArray[np.int64], key: int, stream: int) -> NDArray[np.int64]:
    """Return row numbers in the order of one of the generator's streams."""

def optimizer_step(network: CoreNetwork, optimizer: CoreOptimizer, gradient: _Array) -> None: ...
