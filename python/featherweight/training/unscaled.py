"""A warning of pixels that are trained on as bytes from 0 to 255."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.model import Model
from ..model.samples import Samples
from ..support.callers import callers_level

_FIRST_ROWS = 1000  # that are checked
_MOST = 31  # numbers up to this train well enough: small counts, or the 0 to 16 of small pictures


class UnscaledInputWarning(UserWarning):
    """Training reads bytes (uint8, such as pixels) far above 1 that nothing scales."""

    __module__ = "featherweight"


def warn_of_bytes(network: Model, samples: Samples | None) -> bool:
    """Warn of bytes that are read unscaled; return whether they are."""
    if samples is None or network.input_scale != 1.0:
        return False
    return _warn(
        samples.x,
        "x: expected uint8 rows with input_scale=1/255 or the like, found values up to {} and "
        "input_scale 1.0; training on unscaled bytes is slow and often fails: "
        "fw.Network(..., input_scale=1/255) scales them as they are read",
    )


def warn_of_bytes_in_table(x: Any) -> None:
    """Warn of bytes given to a scikit-learn estimator, which scales nothing."""
    if isinstance(x, np.ndarray) and x.ndim == 2:
        _warn(
            x,
            "X: expected scaled numbers, found uint8 values up to {}; training on unscaled bytes "
            "is slow and often fails: fit(X / 255, y), or put a scaler before in a pipeline",
        )


def _warn(x: NDArray[Any], sentence: str) -> bool:
    most = int(x[:_FIRST_ROWS].max(initial=0)) if x.dtype == np.uint8 else 0
    if most <= _MOST:
        return False
    warnings.warn(sentence.format(most), UnscaledInputWarning, stacklevel=callers_level())
    return True
