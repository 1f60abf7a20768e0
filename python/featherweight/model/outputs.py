"""What outputs say: classes of a classifier, values of a regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ..support import checks
from ..support.imports import ensure_imported

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


BOUNDED = ("softmax", "sigmoid", "tanh")  # activations whose size is at most 1


class Sized(Protocol):
    """What is known here of a model."""

    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...


class Scaled(Protocol):
    """What is known here of a model that is given pixels."""

    @property
    def input_scale(self) -> float: ...


def pixel_factor(model: Scaled) -> float:
    """Return what to multiply pixels from 0 to 255 by before a model is given them.

    Full ink, 255, reaches the first layer as 1, whether the model was trained on 0 to 255 or on 0
    to 1.
    """
    return 1 / (255 * model.input_scale)


def output_kind(output: str) -> Literal["classifier", "regressor"]:
    """Return what predict and score make of a network with this output."""
    return "classifier" if output in ("softmax", "sigmoid") else "regressor"


def decided(y: NDArray[Any], output: str) -> Any:
    """Return the classes that a classifier's outputs say, a regressor's values."""
    one = y.shape[-1] == 1
    if output_kind(output) == "regressor":
        return y[..., 0] if one and y.ndim == 2 else y
    return (y[..., 0] > 0.5).astype(np.int64) if one else y.argmax(-1)


def refuse_nan(model: Sized, x: ArrayLike, y: NDArray[Any]) -> None:
    """Say of which row the outputs are NaN, for no class follows from them, and why."""
    ensure_imported(".support.not_finite")
    from ..support.not_finite import refuse

    rows = np.flatnonzero(np.isnan(y.reshape(-1, y.shape[-1])).any(axis=1))
    read = checks.inputs(x, model.sizes[0], model.dtype, mapped=True, name="x")
    refuse("x", x, read, model.dtype, rows)
    raise ValueError(
        f"outputs: expected numbers, found nan in row {rows[0]}, whose inputs are finite; are "
        "the weights?"
    )
