"""The settings of L-BFGS, whose loop is ``training.full_batch``."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..model.model import Model
from .base import Kernel, Optimizer


class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal, "On the limited memory BFGS method", Math. Programming 45, 1989).

    Full-batch, by SciPy's ``L-BFGS-B`` (the extra ``lbfgs``): `fit`'s epochs are its iterations at
    most, and `batch_size` and `shuffle` have no meaning. It has no learning rate, its state doesn't
    outlive a call of `fit`, and it keeps the activations of all rows. The same bits come out where
    SciPy's own sums are the same. SciPy's state cannot be saved: training that is resumed repeats
    its iterations from the first one's weights, without telling the callbacks again.

    Parameters
    ----------
    history_size : int
        Pairs of steps and gradients that are remembered, at least 1: each takes twice the memory
        of the parameters in float64.
    tolerance_grad : float
        Ends when no element of the gradient is larger, at least 0.
    tolerance_change : float
        Ends when the loss falls by a smaller part of itself, at least 0.
    max_eval : int, optional
        How often the loss may be computed, at least 1; by default 20 times for each iteration.

    Attributes
    ----------
    converged : bool
        Whether one of the tolerances ended the last call of `fit`.
    message : str
        SciPy's sentence on how it ended; empty before.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range.
    """

    __module__ = "featherweight.optimizers"

    lr = 1.0
    schedule = None
    full_batch = True
    _start: NDArray[Any]  # the weights before the first iteration
    _end: Any = None  # SciPy's result

    def __init__(
        self,
        history_size: int = 100,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        max_eval: int | None = None,
    ) -> None:
        self.history_size, self.max_eval = history_size, max_eval
        self.tolerance_grad, self.tolerance_change = tolerance_grad, tolerance_change

    if not TYPE_CHECKING:

        def __setattr__(self, name, value):
            if name in ("lr", "schedule") and value != getattr(self, name):
                raise AttributeError(
                    f"{name}: expected none for LBFGS, which has no learning rate, found {value!r}"
                )
            super().__setattr__(name, value)

    @property
    def converged(self) -> bool:
        return self._end is not None and self._end.status == 0

    @property
    def message(self) -> str:
        return "" if self._end is None else str(self._end.message)

    def _kernel(self) -> Kernel:
        raise TypeError("LBFGS: expected to be used by fit, which gives it all rows")

    def check(self) -> None:
        """Do nothing: there is no schedule."""

    def _described(self) -> tuple[dict[str, NDArray[Any]], int, int]:
        return {"optimizer.start": self._start}, self._steps, self._epochs

    def _expected(
        self, network: Model, settings: dict[str, Any]
    ) -> dict[str, tuple[tuple[int, ...], "np.dtype[Any]", bool]]:
        return {"optimizer.start": ((network._core.packed_size,), network.dtype, False)}

    def _restore(
        self, network: Model, tensors: dict[str, NDArray[Any]], steps: int, epochs: int
    ) -> None:
        self._start = tensors["optimizer.start"]
        self._steps, self._epochs = steps, epochs
