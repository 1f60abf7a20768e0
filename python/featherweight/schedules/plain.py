"""The schedules that are a function of the time alone, and one after another."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..support.checks import brief, counted, number, whole
from .base import Schedule, Times, cosine, power
from .cycles import ReduceLROnPlateau


class ConstantLR(Schedule):
    """The rate times `factor` until ``t = total_iters``, and then the rate.

    Parameters
    ----------
    factor : float
        At least 0.
    total_iters : int
        At least 0.
    by : {"epoch", "step"}
        What t counts.

    Raises
    ------
    TypeError, ValueError
        If a setting is of another kind, or out of its range.
    """

    def __init__(self, factor: float = 1.0 / 3, total_iters: int = 5, by: str = "epoch") -> None:
        super().__init__(by)
        self.factor = number("factor", factor, 0.0, math.inf)
        self.total_iters = whole("total_iters", total_iters, 0)

    def rates(self, lr: float, t: Times) -> Times:
        return lr * np.where(t < self.total_iters, self.factor, 1.0)


class LinearLR(Schedule):
    """A warm-up: the rate times a factor that goes in a line from one to another.

    Parameters
    ----------
    start_factor, end_factor : float
        The factors at ``t = 0`` and from ``t = total_iters`` on, at least 0.
    total_iters : int
        At least 1.
    by : {"epoch", "step"}
        What t counts.

    Raises
    ------
    TypeError, ValueError
        If a setting is of another kind, or out of its range.
    """

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
    """The rate times ``gamma`` to the power of ``t // step_size``.

    Parameters
    ----------
    step_size : int
        At least 1.
    gamma : float
        At least 0.
    by : {"epoch", "step"}
        What t counts.

    Raises
    ------
    TypeError, ValueError
        If a setting is of another kind, or out of its range.
    """

    def __init__(self, step_size: int, gamma: float = 0.1, by: str = "epoch") -> None:
        super().__init__(by)
        self.step_size = whole("step_size", step_size, 1)
        self.gamma = number("gamma", gamma, 0.0, math.inf)

    def rates(self, lr: float, t: Times) -> Times:
        return lr * power(self.gamma, t // self.step_size)


class ExponentialLR(Schedule):
    """The rate times ``gamma`` to the power of ``t``.

    Parameters
    ----------
    gamma : float
        At least 0.
    by : {"epoch", "step"}
        What t counts.

    Raises
    ------
    TypeError, ValueError
        If a setting is of another kind, or out of its range.
    """

    def __init__(self, gamma: float, by: str = "epoch") -> None:
        super().__init__(by)
        self.gamma = number("gamma", gamma, 0.0, math.inf)

    def rates(self, lr: float, t: Times) -> Times:
        return lr * power(self.gamma, t)


class InverseScalingLR(Schedule):
    """The rate over ``(t + 1)`` to the power of `power`.

    scikit-learn's ``invscaling`` has this formula, but sets the rate once an epoch, t being the
    rows seen so far; `featherweight.sklearn` does that.

    Parameters
    ----------
    power : float
        At least 0. Of one that is neither 0.5 nor whole the last bit may differ between machines,
        as the C library's does.
    by : {"epoch", "step"}
        What t counts.

    Raises
    ------
    TypeError, ValueError
        If a setting is of another kind, or out of its range.
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

    Parameters
    ----------
    T_max : int
        At least 1.
    eta_min : float
        The least rate, at least 0.
    by : {"epoch", "step"}
        What t counts.

    Raises
    ------
    TypeError, ValueError
        If a setting is of another kind, or out of its range.
    """

    def __init__(self, T_max: int, eta_min: float = 0.0, by: str = "epoch") -> None:
        super().__init__(by)
        self.T_max = whole("T_max", T_max, 1)
        self.eta_min = number("eta_min", eta_min, 0.0, math.inf)

    def rates(self, lr: float, t: Times) -> Times:
        return cosine(lr, self.eta_min, t / self.T_max)


class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine that begins anew after `T_0`, each time `T_mult` times as long (ibid.).

    Parameters
    ----------
    T_0, T_mult : int
        At least 1.
    eta_min : float
        The least rate, at least 0.
    by : {"epoch", "step"}
        What t counts.

    Raises
    ------
    TypeError, ValueError
        If a setting is of another kind, or out of its range.
    """

    def __init__(self, T_0: int, T_mult: int = 1, eta_min: float = 0.0, by: str = "epoch") -> None:
        super().__init__(by)
        self.T_0 = whole("T_0", T_0, 1)
        self.T_mult = whole("T_mult", T_mult, 1)
        self.eta_min = number("eta_min", eta_min, 0.0, math.inf)

    def rates(self, lr: float, t: Times) -> Times:
        if self.T_mult == 1:  # all periods are alike, and there may be very many of them
            return cosine(lr, self.eta_min, t % self.T_0 / self.T_0)
        begin, length = np.zeros_like(t), np.full_like(t, self.T_0)
        while (over := t >= begin + length).any():
            begin = np.where(over, begin + length, begin)
            length = np.where(over, length * self.T_mult, length)
        return cosine(lr, self.eta_min, (t - begin) / length)


class LambdaLR(Schedule):
    """The rate times what a callable returns.

    Parameters
    ----------
    lr_lambda : callable
        Of t, an int; returns a finite number of at least 0. One that depends on more than t needs
        ``state_dict`` and ``load_state_dict`` if training shall be resumed from a `Checkpoint`.
    by : {"epoch", "step"}
        What t counts.

    Raises
    ------
    TypeError, ValueError
        If `lr_lambda` can't be called or, in training, returns something else.
    """

    def __init__(self, lr_lambda: Callable[[int], float], by: str = "epoch") -> None:
        super().__init__(by)
        if not callable(lr_lambda):
            raise TypeError(f"lr_lambda: expected a callable, found {brief(lr_lambda)}")
        self.lr_lambda = lr_lambda

    def rates(self, lr: float, t: Times) -> Times:
        factors = [number("lr_lambda", self.lr_lambda(int(i)), 0.0, math.inf) for i in t]
        return lr * np.array(factors, np.float64)

    def state_dict(self) -> dict[str, Any]:
        own: Any = self.lr_lambda
        return {"lr_lambda": own.state_dict()} if hasattr(own, "state_dict") else {}

    def _check_state(self, state: Any, network: Any = None) -> None:
        names = {"lr_lambda"} if hasattr(self.lr_lambda, "state_dict") else set()
        if not isinstance(state, dict) or set(state) != names:
            raise ValueError(f"expected a dict of {names or 'nothing'}, found {state!r}")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._check_state(state)
        if state:
            own: Any = self.lr_lambda
            own.load_state_dict(state["lr_lambda"])


class SequentialLR(Schedule):
    """One schedule after another, the next from each of `milestones`, where it counts from 0.

    A warm-up is ``SequentialLR([LinearLR(total_iters=5), CosineAnnealingLR(95)], [5])``.

    Parameters
    ----------
    schedulers : sequence of Schedule
        All counting by the same, none of them a `ReduceLROnPlateau`.
    milestones : sequence of int
        Increasing, at least 1, one fewer than schedules.

    Raises
    ------
    TypeError, ValueError
        For anything else.
    """

    def __init__(self, schedulers: Sequence[Schedule], milestones: Sequence[int]) -> None:
        for name, given in (("schedulers", schedulers), ("milestones", milestones)):
            if not isinstance(given, Sequence):
                raise TypeError(f"{name}: expected a sequence, found {brief(given)}")
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
        self.schedulers = tuple(schedulers)
        self.milestones = tuple(whole("milestones", m, 1) for m in milestones)
        count = len(self.schedulers) - 1
        if len(self.milestones) != count or sorted({*self.milestones}) != [*self.milestones]:
            raise ValueError(
                f"milestones: expected {count} increasing numbers, found {milestones!r}"
            )

    def check(self, base: dict[str, float]) -> None:
        for schedule in self.schedulers:
            schedule.check(base)

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

    def _check_state(self, state: Any, network: Any = None) -> None:
        own = state.get("schedulers") if isinstance(state, dict) else None
        if not isinstance(own, list) or len(own) != len(self.schedulers):
            raise ValueError(
                f"expected states of {counted(len(self.schedulers), 'schedule')}, found {own!r}"
            )
        for schedule, part in zip(self.schedulers, own, strict=True):
            schedule._check_state(part)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._check_state(state)
        for schedule, own in zip(self.schedulers, state["schedulers"], strict=True):
            schedule.load_state_dict(own)
