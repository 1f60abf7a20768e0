"""The optimizers: small objects that hold their settings and, between calls, their state."""

import math
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _core

if TYPE_CHECKING:
    from .network import Network


def _number(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> float:
    """Return value as a float within [low, high), or (low, high) if open_low."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a real number, found {value!r}")
    number = float(value)
    if math.isfinite(number) and (low < number if open_low else low <= number) and number < high:
        return number
    interval = f"{'above' if open_low else 'at least'} {low:g}"
    if high != math.inf:
        interval += f" and below {high:g}"
    raise ValueError(f"{name}: expected a finite number {interval}, found {value!r}")


class Optimizer:
    """What the optimizers share: their state beside the parameters of one network.

    The state (moments, count of steps) belongs to the network that the optimizer last trained;
    given to another it starts afresh.
    """

    _owner: "weakref.ref[Network] | None" = None
    _slots: NDArray[Any]
    _memo: NDArray[np.float64]

    def _kernel(self) -> tuple[str, dict[str, float]]:
        """Return the compiled optimizer's name and its hyper-parameters."""
        raise NotImplementedError

    def _bind(self, network: "Network") -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Return the running scalars and the (slots, packed) state kept for `network`."""
        slots = _core.optimizer_slots(self._kernel()[0])
        shape = (slots, network.parameters.size)
        owner = None if self._owner is None else self._owner()
        if owner is not network or self._slots.shape != shape:
            self._slots = np.zeros(shape, network.dtype)
            self._memo = np.ones(2)
            self._owner = weakref.ref(network)
        return self._memo, self._slots

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings alone: the state belongs to a network that isn't pickled with it."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_owner", "_slots", "_memo")}

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in self.__getstate__().items())
        return f"{type(self).__name__}({settings})"


class SGD(Optimizer):
    """Stochastic gradient descent, with PyTorch's names and formulas.

    Parameters
    ----------
    lr : float
        Learning rate, at least 0.
    momentum : float
        In [0, 1). The velocity is ``v = momentum * v + g`` and begins as 0 (Sutskever et al., "On
        the importance of initialization and momentum in deep learning", ICML 2013).
    nesterov : bool
        Step along ``g + momentum * v`` instead of ``v``; needs a momentum above 0.
    weight_decay : float
        Adds ``weight_decay`` times the parameter to its gradient, at least 0.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    def __init__(
        self,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.lr = _number("lr", lr, 0.0, math.inf)
        self.momentum = _number("momentum", momentum, 0.0, 1.0)
        self.nesterov = bool(nesterov)
        self.weight_decay = _number("weight_decay", weight_decay, 0.0, math.inf)
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov: expected a momentum above 0 with it, found momentum=0.0")

    def _kernel(self) -> tuple[str, dict[str, float]]:
        hyper = {
            "lr": _number("lr", self.lr, 0.0, math.inf),
            "weight_decay": self.weight_decay,
            "momentum": self.momentum,
        }
        if self.momentum == 0.0:
            return "sgd", hyper
        return ("nesterov" if self.nesterov else "momentum"), hyper


class Adam(Optimizer):
    """Adam (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015).

    Parameters
    ----------
    lr : float
        Learning rate, at least 0.
    betas : tuple of two floats
        Decay of the running means of the gradient and of its square, each in [0, 1).
    eps : float
        Added to the root of the second mean, above 0.
    weight_decay : float
        Adds ``weight_decay`` times the parameter to its gradient, at least 0.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.lr = _number("lr", lr, 0.0, math.inf)
        try:
            beta1, beta2 = betas
        except (TypeError, ValueError):
            raise ValueError(f"betas: expected two numbers, found {betas!r}") from None
        self.betas = (_number("betas[0]", beta1, 0.0, 1.0), _number("betas[1]", beta2, 0.0, 1.0))
        # smaller ones would be 0 in float32, and 0 / 0 in every weight whose input is always 0
        self.eps = _number("eps", eps, 1e-37, math.inf)
        self.weight_decay = _number("weight_decay", weight_decay, 0.0, math.inf)

    def _kernel(self) -> tuple[str, dict[str, float]]:
        return "adam", {
            "lr": _number("lr", self.lr, 0.0, math.inf),
            "weight_decay": self.weight_decay,
            "beta1": self.betas[0],
            "beta2": self.betas[1],
            "eps": self.eps,
        }
