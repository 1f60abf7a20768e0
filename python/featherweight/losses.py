"""Losses by name or, where they have a parameter, as small objects."""

import math
from typing import TYPE_CHECKING, Any

from . import _core
from .support.checks import brief, choice, number
from .support.hints import Strict
from .support.imports import ensure_imported

__all__ = ["Huber", "Loss", "Quantile"]

# The output that a loss goes with, for those that go with one alone
_ENDS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp"}
_DEFAULT = {end: loss for loss, end in _ENDS.items()}


class Loss(Strict):
    """A loss by its name, with its parameter if it has one."""

    name: str
    parameter: float = 0.0

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in self.__dict__.items() if k != "name")
        return f"{type(self).__name__}({settings})"


class Named(Loss):
    """A loss without a parameter."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return repr(self.name)


class Huber(Loss):
    """Half the square of small errors, and of large ones what goes on straight (Huber 1964).

    The mean over all elements, as PyTorch's ``HuberLoss``.

    Parameters
    ----------
    delta : float
        Where an error becomes large, above 0.
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = self.parameter = number("delta", delta, 0.0, math.inf, open_low=True)


class Quantile(Loss):
    """The pinball loss, least at a quantile of the targets (Koenker and Bassett 1978).

    The mean over all elements of ``level * (y - f)`` where the target y is above the output f, of
    ``(1 - level) * (f - y)`` elsewhere.

    Parameters
    ----------
    level : float
        In (0, 1); 0.5 is half the absolute error.
    """

    name = "quantile"

    def __init__(self, level: float = 0.5) -> None:
        self.level = self.parameter = number("level", level, 0.0, 1.0, open_low=True)


def default(output: str) -> str:
    """Return the name of the loss that a network with this output takes by default."""
    return _DEFAULT.get(output, "mse")


def resolve(loss: Any, output: str) -> Loss:
    """Return the loss meant for a network with this output, or say why it can't be."""
    if loss is None:
        loss = default(output)
    if not isinstance(loss, Loss):
        if not isinstance(loss, str):
            ensure_imported(".support.synonyms")
            from .support.synonyms import hint_of_object

            raise TypeError(
                "loss: expected a name, featherweight.losses.Huber or Quantile, "
                f"found {brief(loss)}"
                f"{hint_of_object('loss', loss, _core.losses())}"
            )
        name = choice("loss", loss, _core.losses())
        loss = {"huber": Huber, "quantile": Quantile}.get(name, lambda: Named(name))()
    end = _ENDS.get(loss.name, output)
    if end != output:
        raise ValueError(f"loss: expected output={end!r} with {loss!r}, found output={output!r}")
    assert isinstance(loss, Loss)
    return loss


def check_smoothing(value: float, loss: Loss) -> float:
    """Return a rate of label smoothing that goes with the loss."""
    smoothing = number("label_smoothing", value, 0.0, 1.0)
    if smoothing and loss.name not in ("cross_entropy", "binary_cross_entropy"):
        raise ValueError(
            "label_smoothing: expected cross_entropy or binary_cross_entropy with it, "
            f"found {loss!r}"
        )
    return smoothing


if not TYPE_CHECKING:  # a type checker knows the names, and would take any then

    def __getattr__(name: str) -> Any:
        from .support.hints import module_attribute

        raise module_attribute(__name__, name)
