"""What optimizers' settings, and the rates that schedules give, may be."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..schedules import LambdaLR, Schedule
from ..support.checks import brief, converted, flag, number, ordered, real_array, whole


def _positive(name: str) -> Callable[[Any], float]:
    # smaller ones would be 0 in float32, and 0 / 0 in every weight whose input is always 0
    return lambda value: number(name, value, 1e-37, math.inf)


def _at_least_0(name: str, below: float = math.inf) -> Callable[[Any], float]:
    return lambda value: number(name, value, 0.0, below)


def _betas(value: Any) -> tuple[float, float]:
    ordered("betas", value)
    try:
        beta1, beta2 = value
    except (TypeError, ValueError):
        raise ValueError(f"betas: expected two numbers, found {brief(value)}") from None
    return number("betas[0]", beta1, 0.0, 1.0), number("betas[1]", beta2, 0.0, 1.0)


def as_schedule(value: Any) -> Schedule | None:
    """Return a schedule, a callable as one, or None."""
    if value is None or isinstance(value, Schedule):
        return value
    if not callable(value) or isinstance(value, type):
        raise TypeError(f"schedule: expected a schedule, a callable or None, found {brief(value)}")
    return LambdaLR(value)


# what becomes of a setting, or why it can't be, whenever it is set
SETTINGS: dict[str, Callable[[Any], Any]] = {
    "lr": _at_least_0("lr"),
    "momentum": _at_least_0("momentum", 1.0),
    "nesterov": lambda value: flag("nesterov", value),
    "betas": _betas,
    "alpha": _at_least_0("alpha", 1.0),
    "eps": _positive("eps"),
    "weight_decay": _at_least_0("weight_decay"),
    "centered": lambda value: flag("centered", value),
    "schedule": as_schedule,
    "history_size": lambda value: whole("history_size", value, 1),
    "tolerance_grad": _at_least_0("tolerance_grad"),
    "tolerance_change": _at_least_0("tolerance_change"),
    "max_eval": lambda value: None if value is None else whole("max_eval", value, 1),
}


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


def rates(name: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a schedule's values of a hyper-parameter, one for each time that it was given."""
    a = real_array("schedule", values)
    if a.shape != shape:
        raise ValueError(f"schedule: expected {name} of shape {shape}, found {a.shape}")
    high = 1.0 if name in ("momentum", "beta1", "beta2", "alpha") else math.inf
    bad = ~((a >= 0) & (a < high))  # NaN, too
    if bad.any():
        limits = "finite and at least 0" if high == math.inf else "at least 0 and below 1"
        raise ValueError(f"schedule: expected {name} {limits}, found {a[bad][0]}")
    return converted("schedule", a, np.float64)
