"""A warning of pixels that are trained on as bytes from 0 to 255."""

import sys
import warnings

import numpy as np

from ..model.model import Model
from ..model.samples import Samples

_LOOKED_AT = 1000  # rows


class UnscaledInputWarning(UserWarning):
    """Training reads bytes above 1 (uint8, such as pixels) with an `input_scale` of 1."""

    __module__ = "featherweight"


def warn_of_bytes(network: Model, samples: Samples | None) -> bool:
    """Warn of bytes that are read unscaled; return whether they are."""
    if samples is None or samples.x.dtype != np.uint8 or network.input_scale != 1.0:
        return False
    most = int(samples.x[:_LOOKED_AT].max(initial=0))
    if most <= 1:
        return False
    warnings.warn(
        "x: expected uint8 rows with input_scale=1/255 or the like, found values up to "
        f"{most} and input_scale 1.0; training on unscaled bytes is slow and often fails: "
        "fw.Network(..., input_scale=1/255) scales them as they are read",
        UnscaledInputWarning,
        stacklevel=_callers_level(),
    )
    return True


def _callers_level() -> int:
    """Return the stack level of the first caller outside the package, as `warn` counts it."""
    level, frame = 1, sys._getframe(1).f_back
    while frame is not None and f"{frame.f_globals.get('__name__')}.".startswith("featherweight."):
        level, frame = level + 1, frame.f_back
    return level + 1
