"""Metrics by name, and one's own, of targets and what a network makes of the inputs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks

Array = NDArray[Any]


def _classes(a: Array) -> Array:
    if a.ndim == 2 and a.shape[1] > 1:
        found: Array = a.argmax(axis=1)
        return found
    return a if a.dtype.kind in "iu" else (a.reshape(-1) > 0.5).astype(np.int64)


def _wide(y: Array, outputs: Array) -> Array:
    return np.eye(outputs.shape[1])[y] if y.ndim == 1 else y.astype(np.float64)


def _accuracy(y: Array, outputs: Array) -> float:
    return float((_classes(y) == _classes(outputs)).mean())


def _top_5(y: Array, outputs: Array) -> float:
    best = np.argsort(-outputs, axis=1, kind="stable")[:, :5]
    return float((best == _classes(y)[:, np.newaxis]).any(axis=1).mean())


def _f1(y: Array, outputs: Array) -> float:
    truth, found = _classes(y), _classes(outputs)
    scores = []
    for c in np.union1d(truth, found):
        both = np.sum((truth == c) & (found == c))
        scores.append(2 * both / (np.sum(truth == c) + np.sum(found == c)))
    return float(np.mean(scores))


def _subset(y: Array, outputs: Array) -> float:
    return float(((_wide(y, outputs) > 0.5) == (outputs > 0.5)).all(axis=1).mean())


def _mse(y: Array, outputs: Array) -> float:
    return float(((outputs - _wide(y, outputs)) ** 2).mean())


def _mae(y: Array, outputs: Array) -> float:
    return float(np.abs(outputs - _wide(y, outputs)).mean())


def r2(y: Array, outputs: Array) -> float:
    """Return R² averaged over the outputs."""
    values = _wide(y, outputs)
    rest = ((values - outputs) ** 2).sum(axis=0)
    spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    # a constant column: 1 if it is met exactly, else 0, as scikit-learn has it
    found = np.where(spread > 0, 1 - rest / np.where(spread > 0, spread, 1), rest == 0)
    return float(found.mean())


_NAMED: dict[str, Callable[[Array, Array], float]] = {
    "accuracy": _accuracy,
    "top_5_accuracy": _top_5,
    "f1": _f1,  # of each class, the plain mean: scikit-learn's "macro"
    "subset_accuracy": _subset,  # multilabel: rows of which every output is right
    "mse": _mse,
    "rmse": lambda y, outputs: _mse(y, outputs) ** 0.5,
    "mae": _mae,
    "r2": r2,
}


class Metric:
    """A function of targets and predictions, and its name in the history.

    Parameters
    ----------
    function : callable
        ``function(y, predicted)`` returns a number; y as it was given, (rows,) or (rows, outputs).
    name : str, optional
        By default the function's own.
    outputs : bool
        Whether `predicted` is ``net(x)`` instead of ``net.predict(x)``.
    """

    def __init__(
        self, function: Callable[[Any, Any], float], name: str | None = None, outputs: bool = False
    ) -> None:
        if not callable(function):
            raise TypeError(f"function: expected a callable, found {function!r}")
        self.function = function
        self.name = str(name or getattr(function, "__name__", type(function).__name__))
        self.outputs = bool(outputs)

    def __repr__(self) -> str:
        return f"Metric({self.name})"


def check(metrics: Any) -> list[Metric]:
    """Return metrics, given by name, as callables or as `Metric`, as a list of the last."""
    given: Sequence[Any] = metrics if isinstance(metrics, (list, tuple)) else (metrics,)
    found = []
    for m in given:
        if isinstance(m, str):
            name = checks.choice("metrics", m, tuple(_NAMED))
            found.append(Metric(_NAMED[name], name, outputs=True))
        elif isinstance(m, Metric):
            found.append(m)
        elif callable(m):
            found.append(Metric(m))
        else:
            raise TypeError(f"metrics: expected names or callables, found {m!r}")
    return found
