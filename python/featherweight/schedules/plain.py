"""The schedules that are a function of the time alone, and one after another."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..checks import number, whole
from .base import Schedule, Times, cosine, power
from .cycles import ReduceLROnPlateau


class ConstantLR(Schedule):
    """The rate times `factor` until ``t = total_iters``, and then the rate."""

    def __init__(self, factor: float = 1.0 / 3, total_iters: int = 5, by: str = "epoch") -> None:
        super().__init__(by)
        self.factor = number("factor", factor, 0.0, math.inf)
        self.total_iters = whole("total_iters", total_iters, 0)

    def rates(self, lr: float, t: Times) -> Times:
        return lr * np.where(t < self.total_iters, self.factor, 1.0)


class LinearLR(Schedule):
    """A warm-up: the rate times a factor from `start_factor` to `end_factor` over `total_iters`."""

    def __init__(
        self,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        by: str = "epoch",
    ) -> None:
        super().__init__(by)
        self.start_factor = number("start_factor", start_factor, 0.0, math.inf)
        self.end_factor = number("end_factor", end_factor, 0.0, math.inf)
        self.total_iters = whole("total_iters", total_iters, 1)

    def rates(self, lr: float, t: Times) -> Times:
        part = np.minimum(t, self.total_iters) / self.total_iters
        return lr * (self.start_factor + (self.end_factor - self.start_factor) * part)


class StepLR(Schedule):
    """The rate times ``gamma`` to the power of ``t // step_size``."""

    def __init__(self, step_size: int, gamma: float = 0.1, by: str = "epoch") -> None:
        super().__init__(by)
        self.step_size = whole("step_size", step_size, 1)
        self.gamma = number("gamma", gamma, 0.0, math.inf)

    def rates(self, lr: float, t: Times) -> Times:
        return lr * power(self.gamma, t // self.step_size)


class ExponentialLR(Schedule):
    """The rate times ``gamma`` to the power of ``t``."""

    def __init__(self, gamma: float, by: str = "epoch") -> None:
        super().__init__(by)
        self.gamma = number("gamma", gamma, 0.0, math.inf)

    def rates(self, lr: float, t: Times) -> Times:
        return lr * power(self.gamma, t)


class InverseScalingLR(Schedule):
    """The rate over ``(t + 1)`` to the power of `power`: scikit-learn's ``invscaling``, by step.

    A power other than 0.5 or a whole one is the C library's, whose last bit may differ between
    machines.
    """

    def __init__(self, power: float = 0.5, by: str = "step") -> None:
        super().__init__(by)
        self.power = number("power", power, 0.0, math.inf)

    def rates(self, lr: float, t: Times) -> Times:
        if self.power == 0.5:
            return lr / np.sqrt(t + 1)
        if self.power.is_integer():
            return lr / power(t + 1, np.full_like(t, self.power))
        return lr / (t + 1) ** self.power


class CosineAnnealingLR(Schedule):
    """Half a cosine from the rate down to `eta_min` at ``t = T_max``, and up again.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    def __init__(self, T_max: int, eta_min: float = 0.0, by: str = "epoch") -> None:
        super().__init__(by)
        self.T_max = whole("T_max", T_max, 1)
        self.eta_min = number("eta_min", eta_min, 0.0, math.inf)

    def rates(self, lr: float, t: Times) -> Times:
        return cosine(lr, self.eta_min, t / self.T_max)


class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine that begins anew after `T_0`, each time `T_mult` times as long (ibid.)."""

    def __init__(self, T_0: int, T_mult: int = 1, eta_min: float = 0.0, by: str = "epoch") -> None:
        super().__init__(by)
        self.T_0 = whole("T_0", T_0, 1)
        self.T_mult = whole("T_mult", T_mult, 1)
        self.eta_min = number("eta_min", eta_min, 0.0, math.inf)

    def rates(self, lr: float, t: Times) -> Times:
        begin, length = np.zeros_like(t), np.full_like(t, self.T_0)
        while (over := t >= begin + length).any():
            begin = np.where(over, begin + length, begin)
            length = np.where(over, length * self.T_mult, length)
        return cosine(lr, self.eta_min, (t - begin) / length)


class LambdaLR(Schedule):
    """The rate times what a callable of ``t``, an int, returns.

    A callable whose factors depend on more than ``t`` needs ``state_dict`` and ``load_state_dict``
    if training shall be resumed from a `Checkpoint`.
    """

    def __init__(self, lr_lambda: Callable[[int], float], by: str = "epoch") -> None:
        super().__init__(by)
        if not callable(lr_lambda):
            raise TypeError(f"lr_lambda: expected a callable, found {lr_lambda!r}")
        self.lr_lambda = lr_lambda

    def rates(self, lr: float, t: Times) -> Times:
        factors = [number("lr_lambda", self.lr_lambda(int(i)), 0.0, math.inf) for i in t]
        return lr * np.array(factors, np.float64)

    def state_dict(self) -> dict[str, Any]:
        own: Any = self.lr_lambda
        return {"lr_lambda": own.state_dict()} if hasattr(own, "state_dict") else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            own: Any = self.lr_lambda
            own.load_state_dict(state["lr_lambda"])


class SequentialLR(Schedule):
    """One schedule after another, the next from each of `milestones`, where it counts from 0.

    A warm-up is ``SequentialLR([LinearLR(total_iters=5), CosineAnnealingLR(95)], [5])``. All must
    count by the same.
    """

    def __init__(self, schedulers: Sequence[Schedule], milestones: Sequence[int]) -> None:
        kinds = {s.by for s in schedulers if isinstance(s, Schedule)}
        if len(kinds) != 1 or not all(isinstance(s, Schedule) for s in schedulers):
            raise ValueError(
                f"schedulers: expected schedules that all count by the same, found {schedulers!r}"
            )
        super().__init__(kinds.pop())
        if any(isinstance(s, ReduceLROnPlateau) for s in schedulers):
            raise ValueError(
                "schedulers: expected none that waits for a plateau, found ReduceLROnPlateau"
            )
        if len(milestones) != len(schedulers) - 1 or list(milestones) != sorted(set(milestones)):
            raise ValueError(
                f"milestones: expected {len(schedulers) - 1} increasing numbers, "
                f"found {milestones!r}"
            )
        self.schedulers = tuple(schedulers)
        self.milestones = tuple(whole("milestones", m, 1) for m in milestones)

    def hyper(self, base: dict[str, float], t: Times) -> dict[str, Times]:
        part = np.searchsorted(np.array(self.milestones), t, side="right")
        found: dict[str, Any] = {}
        for i, (schedule, begin) in enumerate(
            zip(self.schedulers, (0, *self.milestones), strict=True)
        ):
            here = part == i
            if here.any():
                for name, values in schedule.hyper(base, t[here] - begin).items():
                    found.setdefault(name, np.full_like(t, base[name]))[here] = values
        return found

    def rates(self, lr: float, t: Times) -> Times:
        return self.hyper({"lr": lr}, t)["lr"]

    def state_dict(self) -> dict[str, Any]:
        return {"schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for schedule, own in zip(self.schedulers, state["schedulers"], strict=True):
            schedule.load_state_dict(own)
