"""Schedules of the learning rate: PyTorch's, by their names, and inverse scaling.

A schedule is given to an optimizer, ``fw.Adam(1e-3, schedule=fw.schedules.StepLR(30))``, and
computes each rate from the optimizer's own and from ``t``, the epochs or steps (``by``) that it has
made with its network. Rates by step are computed for a whole epoch before it begins: they cost
nothing in the loop.
"""

from typing import TYPE_CHECKING, Any

from .base import Schedule
from .cycles import OneCycleLR, ReduceLROnPlateau
from .plain import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    InverseScalingLR,
    LambdaLR,
    LinearLR,
    SequentialLR,
    StepLR,
)

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "InverseScalingLR",
    "LambdaLR",
    "LinearLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
]


if not TYPE_CHECKING:  # a type checker knows the names, and would take any then

    def __getattr__(name: str) -> Any:
        from ..support.hints import module_attribute

        raise module_attribute(__name__, name)
