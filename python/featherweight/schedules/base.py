"""What all schedules share, and the arithmetic that gives the same rates everywhere."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..support.checks import choice
from ..support.hints import Strict

Times = NDArray[np.float64]


class Schedule(Strict):
    """The base of all schedules: `rates` is what each defines.

    What a schedule observes, or else carries from one epoch to the next, it keeps in attributes
    whose names begin with an underscore: a `Checkpoint` keeps them, too.

    Parameters
    ----------
    by : {"epoch", "step"}
        What ``t`` counts, from 0.
    """

    by: str = "epoch"

    def __init__(self, by: str = "epoch") -> None:
        self.by = choice("by", by, ("epoch", "step"))

    def rates(self, lr: float, t: Times) -> Times:
        """Return the learning rates at the times t, (n,) float64, given the optimizer's own.

        As many as times, finite and at least 0.
        """
        raise NotImplementedError

    def hyper(self, base: dict[str, float], t: Times) -> dict[str, Times]:
        """Return the hyper-parameters that it sets, (n,) each, given the optimizer's own."""
        return {"lr": self.rates(base["lr"], t)}

    def check(self, base: dict[str, float]) -> None:
        """Raise ValueError if it doesn't go with an optimizer of these hyper-parameters."""

    def observe(self, value: float) -> None:
        """Take note of what an epoch brought: the value that a plateau is seen by."""

    def reset(self) -> None:
        """Forget what was observed."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep: numbers, text, arrays, lists and dicts by name."""
        return {k: v for k, v in vars(self).items() if k.startswith("_")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; ValueError, and no change, for anything else."""
        self._check_state(state)
        vars(self).update(state)

    def _check_state(self, state: Any, network: Any = None) -> None:
        """Refuse what `state_dict` can't have returned."""
        if not isinstance(state, dict):
            raise ValueError(f"expected a dict of attributes, found {state!r}")
        ours = type(self).__module__.startswith(f"{__package__}.")
        for name in {*state, *self.state_dict()} if ours else state:
            # attributes alone, and none that is a method
            plain = isinstance(name, str) and name.startswith("_") and not name.startswith("__")
            if not plain or callable(getattr(type(self), name, None)):
                raise ValueError(f"expected names of attributes with an underscore, found {name!r}")
            if ours and name not in state:
                raise ValueError(f"expected {name}, found none")
            if ours and name not in vars(self):
                raise ValueError(f"expected {', '.join(self.state_dict())}, found {name!r}")

    def __repr__(self) -> str:
        settings = (f"{k}={v!r}" for k, v in self.__dict__.items() if not k.startswith("_"))
        return f"{type(self).__name__}({', '.join(settings)})"


# Of sums and products alone, which NumPy rounds alike everywhere, unlike its cos and power.


def power(base: float | Times, n: Times) -> Times:
    """Return base to the power of each n, a whole number of at least 0, by repeated squaring."""
    found, square, rest = np.ones_like(n), np.full_like(n, base) * 1.0, n.astype(np.int64)
    while rest.any():
        found = np.where(rest & 1, found * square, found)
        rest = rest >> 1
        square = np.where(rest > 0, square * square, square)
    return found


def _cos_pi(x: Times) -> Times:
    """Return cos(pi x) for x of at least 0, by Taylor's series: 2e-16."""
    x = np.abs((x + 1) % 2 - 1)
    y = np.where(x > 0.5, 1 - x, x) * math.pi
    z, series = y * y, np.zeros_like(y)
    for k in range(22, 0, -2):
        series = (1 - series) * z / (k * (k - 1))
    return np.where(x > 0.5, series - 1, 1 - series)


def cosine(lr: float, least: float, part: Times) -> Times:
    return least + (lr - least) * (1 + _cos_pi(part)) / 2
