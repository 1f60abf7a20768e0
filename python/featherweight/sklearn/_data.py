"""Data as training takes them, the caller's own validation data among them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.utils.validation import _check_sample_weight

from .. import _core
from ..model.samples import Samples
from ..support.checks import converted
from ..support.tables import place, refuse_batches, refuse_lazy

# What a sparse matrix may take when made dense, in bytes; above, it is made so batch by batch
DENSE = 1 << 30
_ROWS = 1024


def fits(x: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a sparse matrix may be made dense as a whole."""
    return bool(x.shape[0] * x.shape[1] * dtype.itemsize <= DENSE)


def checked(estimator: Any, like: Any, x: Any, y: Any, weights: Any) -> Any:
    """Return (x, y, weights or None), given y to train on, or None where no such data are given."""
    given = {"X_val": x, "y_val": y, "sample_weight_val": weights}
    found = [name for name, value in given.items() if value is not None]
    if not found:
        return None
    if x is None or y is None:
        raise ValueError(f"X_val, y_val: expected both or neither, found {' and '.join(found)}")
    if estimator.solver == "lbfgs":
        raise ValueError("solver: expected 'sgd' or 'adam' with X_val, found 'lbfgs'")
    try:
        x = estimator._valid(x)
    except (TypeError, ValueError) as e:
        raise type(e)(f"X_val: {e}") from None
    refuse_lazy("y_val", y)
    refuse_batches("y_val", y)
    try:
        y = estimator._validation_targets(y)
    except (TypeError, ValueError) as e:
        named = str(e).startswith("y_val: ")
        raise type(e)(str(e) if named else f"y_val: {e}") from None
    if y.shape[0] != x.shape[0]:
        raise ValueError(
            f"y_val: expected as many targets as X_val has rows, {x.shape[0]}, found {y.shape[0]}"
        )
    if y.shape[1:] != like.shape[1:]:
        raise ValueError(
            f"y_val: expected shape {(x.shape[0], *like.shape[1:])}, as y, found {y.shape}"
        )
    if is_regressor(estimator) and x.shape[0] < 2:
        raise ValueError(f"X_val: expected at least 2 rows, to tell R2, found {x.shape[0]}")
    if weights is not None:
        refuse_batches("sample_weight_val", weights)
        try:
            weights = _check_sample_weight(weights, x, ensure_non_negative=True)
        except (TypeError, ValueError) as e:
            raise type(e)(f"sample_weight_val: {e}") from None
        if not weights.any():
            raise ValueError("sample_weight_val: expected a weight above 0, found only zeros")
        weights = np.array(weights)
    # copies: the scores of scikit-learn's and our loss must be of the same, whatever is changed
    return x, np.array(y), weights


class Problem(NamedTuple):
    """What is to be learned, checked and encoded."""

    x: Any  # (rows, features), an array or a sparse matrix of row after row
    labels: NDArray[np.int64] | None
    values: NDArray[Any] | None
    weights: NDArray[Any] | None

    @property
    def rows(self) -> int:
        return int(self.x.shape[0])


class Batches:
    """A sparse matrix's batches, made dense one by one."""

    def __init__(self, problem: Problem, size: int) -> None:
        self._problem, self._size = problem, size
        self.rows: NDArray[np.int64] = np.arange(problem.rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        p = self._problem
        y = p.values if p.labels is None else p.labels
        assert y is not None
        for i in range(0, len(self.rows), self._size):
            rows = self.rows[i : i + self._size]
            weights = None if p.weights is None else p.weights[rows]
            yield p.x[rows].toarray(), y[rows], weights

    def not_finite(self) -> str | None:
        """Return the first element that is NaN or infinite, and where it is, or None."""
        x = self._problem.x
        bad = np.flatnonzero(~np.isfinite(x.data))
        if not len(bad):
            return None
        row = int(np.searchsorted(x.indptr, bad[0], "right")) - 1
        return f"{x.data[bad[0]]}{place((row, int(x.indices[bad[0]])))}"


class Parts(Batches):
    """Rows of a sparse matrix to validate on, made dense some at a time."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, _ROWS)
        self.n = problem.rows
        self.head = self._samples(next(iter(self)))

    def _samples(self, part: tuple[Any, ...]) -> Samples:
        x, y, weights = part
        return (
            Samples(x, None, y, weights)
            if self._problem.labels is None
            else Samples(x, y, None, weights)
        )

    def evaluate(self, checker: Any) -> tuple[float, int]:
        """Return the loss, and how many rows are classified rightly, as the core's checker does."""
        found, total, right = 0.0, 0.0, 0
        for samples in map(self._samples, self):
            loss, correct = checker.evaluate(_core.CoreSamples(*samples))
            weight = float(samples.n if samples.weights is None else samples.weights.sum())
            right += correct
            if weight:
                found, total = found + loss * weight, total + weight
        return found / total, right


def samples(estimator: Any, x: Any, y: Any, weights: NDArray[Any] | None) -> Samples | Parts:
    """Return checked validation data as what a run takes."""
    dtype = estimator.network_.dtype
    labels, values = estimator._encoded(y, dtype)
    weights = None if weights is None else converted("sample_weight_val", weights, dtype)
    if hasattr(x, "toarray") and not fits(x, dtype):
        return Parts(Problem(x.tocsr().astype(dtype, copy=False), labels, values, weights))
    dense = x.toarray() if hasattr(x, "toarray") else x
    return Samples(converted("X_val", dense, dtype), labels, values, weights)
