"""Metrics by name, and one's own, of targets and what a network makes of the inputs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..support import checks
from ..support.hints import Strict
from .history import is_taken

Array = NDArray[Any]


def _classes(a: Array) -> Array:
    if a.ndim == 2 and a.shape[1] > 1:
        found: Array = a.argmax(axis=1)
        return found
    return a if a.dtype.kind in "iu" else (a.reshape(-1) > 0.5).astype(np.int64)


def _decided(y: Array, outputs: Array, multilabel: bool) -> tuple[Array, Array]:
    """Return the truth and what was found: classes (rows,), or whether each output is on."""
    if multilabel:
        return y > 0.5, outputs > 0.5
    return _classes(y), _classes(outputs)


def _wide(y: Array, outputs: Array) -> Array:
    return np.eye(outputs.shape[1])[y] if y.ndim == 1 else y.astype(np.float64)


def accuracy(y: Array, outputs: Array, multilabel: bool) -> float:
    """Return the part of the rows whose class, or every label, is right."""
    truth, found = _decided(y, outputs, multilabel)
    right = truth == found
    return float((right.all(axis=1) if multilabel else right).mean())


def _top_5(y: Array, outputs: Array, multilabel: bool) -> float:
    best = np.argsort(-outputs, axis=1, kind="stable")[:, :5]
    return float((best == _classes(y)[:, np.newaxis]).any(axis=1).mean())


def _f1(y: Array, outputs: Array, multilabel: bool) -> float:
    truth, found = _decided(y, outputs, multilabel)
    if not multilabel:
        classes = np.union1d(truth, found)
        truth, found = truth[:, np.newaxis] == classes, found[:, np.newaxis] == classes
    both = np.sum(truth & found, axis=0)
    # a label that no row has, by truth or by finding, counts 0, as scikit-learn has it
    return float(np.mean(2 * both / np.maximum(1, truth.sum(axis=0) + found.sum(axis=0))))


def _mse(y: Array, outputs: Array, multilabel: bool) -> float:
    return float(((outputs - _wide(y, outputs)) ** 2).mean())


def _mae(y: Array, outputs: Array, multilabel: bool) -> float:
    return float(np.abs(outputs - _wide(y, outputs)).mean())


def r2(y: Array, outputs: Array, multilabel: bool = False) -> float:
    """Return R² averaged over the outputs."""
    values = _wide(y, outputs)
    rest = ((values - outputs) ** 2).sum(axis=0)
    spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    # a constant column: 1 if it is met exactly, else 0, as scikit-learn has it
    found = np.where(spread > 0, 1 - rest / np.where(spread > 0, spread, 1), rest == 0)
    return float(found.mean())


# of targets (rows,) or (rows, outputs), outputs, and whether a row may have several labels
_NAMED: dict[str, Callable[[Array, Array, bool], float]] = {
    "accuracy": accuracy,
    "top_5_accuracy": _top_5,
    "f1": _f1,  # of each class or label, the plain mean: scikit-learn's "macro"
    "subset_accuracy": lambda y, outputs, _: accuracy(_wide(y, outputs), outputs, True),
    "mse": _mse,
    "rmse": lambda y, outputs, _: _mse(y, outputs, False) ** 0.5,
    "mae": _mae,
    "r2": r2,
}


class Metric(Strict):
    """A function of targets and predictions, and its name in the history.

    Parameters
    ----------
    function : callable
        ``function(y, predicted)`` returns a number; y as it was given, (rows,) or (rows, outputs).
    name : str, optional
        By default the function's own; another than those of `History`.
    outputs : bool
        Whether `predicted` is ``net(x)`` instead of ``net.predict(x)`` or, where the targets are
        multilabel, ``net.predict(x, threshold=0.5)``.

    Raises
    ------
    TypeError
        If it can't be called.
    """

    __module__ = "featherweight"

    def __init__(
        self, function: Callable[[Any, Any], float], name: str | None = None, outputs: bool = False
    ) -> None:
        if not callable(function):
            raise TypeError(f"function: expected a callable, found {checks.brief(function)}")
        self.function = function
        self.name = str(name or getattr(function, "__name__", type(function).__name__))
        self.outputs = bool(outputs)

    def __repr__(self) -> str:
        return f"Metric({self.name})"


class _Named(Metric):
    """One of ours, which knows of multilabel targets."""

    def __init__(self, name: str) -> None:
        self.name, self.outputs = name, True


def value(metric: Metric, y: Array, outputs: Array, predicted: Array, multilabel: bool) -> Any:
    """Return what a metric says of targets, outputs and what is predicted by them."""
    if isinstance(metric, _Named):
        return _NAMED[metric.name](y, outputs, multilabel)
    return metric.function(y, outputs if metric.outputs else predicted)


def check(metrics: Any) -> list[Metric]:
    """Return metrics, given by name, as callables or as `Metric`, as a list of the last."""
    given: Sequence[Any] = metrics if isinstance(metrics, (list, tuple)) else (metrics,)
    found: list[Metric] = []
    for m in given:
        if isinstance(m, str):
            found.append(_Named(checks.choice("metrics", m, tuple(_NAMED))))
        elif isinstance(m, Metric):
            found.append(m)
        elif callable(m):
            found.append(Metric(m))
        else:
            raise TypeError(f"metrics: expected names or callables, found {checks.brief(m)}")
    names = [m.name for m in found]
    for m in found:
        if names.count(m.name) > 1 or f"val_{m.name}" in names:
            raise ValueError(
                f"metrics: expected different names, found {m.name!r} twice; "
                "Metric(function, name) gives another"
            )
        if not isinstance(m, _Named) and (is_taken(m.name) or is_taken(f"val_{m.name}")):
            raise ValueError(
                f"metrics: expected a name that the history doesn't have, found {m.name!r}; "
                "Metric(function, name) gives another"
            )
    return found


def check_multilabel(metrics: list[Metric]) -> None:
    """Refuse what has no meaning where rows have several labels."""
    if any(isinstance(m, _Named) and m.name == "top_5_accuracy" for m in metrics):
        raise ValueError(
            "metrics: expected one class to a row with top_5_accuracy, found multilabel targets"
        )
