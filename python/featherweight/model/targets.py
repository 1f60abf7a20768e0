"""Targets checked and converted: class labels, or values that go with the loss."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..support.checks import converted, is_mapped, real_array
from ..support.tables import column_names, place

Array = NDArray[Any]


def blocks(values: Array) -> Iterator[tuple[int, Array]]:
    """Give some rows at a time, each time with the first's number: all may be more than memory."""
    size = max(1, (1 << 18) // values.shape[1])
    for i in range(0, len(values), size):
        yield i, values[i : i + size]


def check(
    y: ArrayLike, rows: int, n: int, want: np.dtype[Any], loss: str, what: str = "y"
) -> tuple[NDArray[np.int64] | None, Array | None]:
    """Return (labels, None) or (None, values): class labels (rows,) or values (rows, n).

    Values are of the wanted dtype or, in a memory-mapped file, as they are.
    """
    a = real_array(what, y)
    if a.ndim == 0:
        a = a[np.newaxis]
    if a.ndim == 1 and n == 1:
        a = a[:, np.newaxis]
    if a.ndim == 1 and a.shape[0] == rows and n > 1:
        return class_labels(a, n, what), None
    if a.ndim != 2 or a.shape != (rows, n):
        labels = f"({rows},) of class labels or " if n > 1 else f"({rows},) or "
        raise ValueError(f"{what}: expected shape {labels}({rows}, {n}), found {a.shape}")
    if not is_mapped(y):
        a = converted(what, a, want, held=False)  # what becomes infinite is found
    for i, block in blocks(a):
        with np.errstate(over="ignore"):
            values = np.asarray(block, want)
        if hasattr(y, "columns") or hasattr(y, "column_names"):
            _check_columns(values, i, y, what)
        _check_values(values, i, loss, what)
    return None, a


def _check_columns(values: Array, first: int, table: object, what: str) -> None:
    """Refuse targets of a table that aren't finite, by their column."""
    names = column_names(table)
    bad = np.argwhere(~np.isfinite(values))
    if names is not None and len(bad):
        row, column = (int(k) for k in bad[0])
        raise ValueError(
            f"{what}: expected finite values, found {values[row, column]}"
            f"{place((first + row, column), names)}"
        )


def _check_values(values: Array, first: int, loss: str, what: str) -> None:
    """Refuse rows of targets, the first of this number, that don't go with the loss."""
    # the rows in the message are copies, as another thread may write into the array meanwhile
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"{what}: expected finite values, found {values[row].copy()} in row {first + row}"
        )
    if loss == "cross_entropy":
        bad = (values < 0).any(axis=1) | (np.abs(values.sum(axis=1) - 1) > 1e-3)
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(
                f"{what}: expected, for cross_entropy, class labels or rows of probabilities that "
                f"sum to 1, found {values[row].copy()} in row {first + row}"
            )
    elif loss == "binary_cross_entropy":
        bad = (values < 0) | (values > 1)
        if bad.any():
            raise ValueError(
                f"{what}: expected, for binary_cross_entropy, values from 0 to 1, "
                f"found {values[bad][0]}"
            )
    elif loss == "poisson":
        bad = values < 0
        if bad.any():
            raise ValueError(
                f"{what}: expected, for poisson, values of at least 0, found {values[bad][0]}"
            )


def class_labels(a: Array, n: int, what: str) -> NDArray[np.int64]:
    """Return class labels from 0 to n - 1 as int64."""
    if a.dtype.kind == "f":
        bad = ~np.isfinite(a) | (a != np.floor(a))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"{what}: expected whole class labels from 0 to {n - 1}, found {a[row]} "
                f"in row {row}"
            )
    bad = (a < 0) | (a >= n)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{what}: expected class labels from 0 to {n - 1}, found {a[row]} in row {row}"
        )
    return converted(what, a, np.int64)


def label(name: str, value: object, n: int) -> int:
    """Return a class label from 0 to n - 1: whatever equals one, of any type of numbers."""
    a = real_array(name, value)
    if a.ndim:
        raise TypeError(f"{name}: expected class labels as keys, found {value!r}")
    if not (0 <= a < n and a == np.floor(a)):
        raise ValueError(
            f"{name}: expected whole class labels from 0 to {n - 1} as keys, found {value!r}"
        )
    return int(a)
