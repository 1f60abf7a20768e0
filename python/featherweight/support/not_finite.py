"""Where rows hold NaN or infinity, looked for when a result shows that some do.

All rows beforehand would cost time in each call; a loss or an output that isn't finite costs none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tables import column_names, place

_BLOCK = 1 << 18  # numbers checked at once: a memory-mapped file may be larger than memory
_PART = 1 << 16  # numbers whose flags are made at once: for all of them it would be much memory


def finite(values: NDArray[Any]) -> bool:
    """Return whether the numbers of a flat array are all finite."""
    parts = (values[i : i + _PART] for i in range(0, values.size, _PART))
    return all(bool(np.isfinite(part).all()) for part in parts)


def first(
    x: NDArray[Any],
    want: np.dtype[Any],
    dimensions: int = 2,
    rows: NDArray[np.int64] | None = None,
    columns: Sequence[Any] | None = None,
) -> str | None:
    """Return the first element that isn't a finite number of the wanted dtype, and where it is.

    Parameters
    ----------
    x : (rows, columns) array
    want : dtype
    dimensions : int
        2, or 1 if only the row is to be named.
    rows : (n,) array of int, optional
        The rows to look at.
    columns : sequence, optional
        The columns' names.

    Returns
    -------
    str or None
        Such as "nan in row 17, column 3"; None if all are finite.
    """
    if x.dtype.kind != "f":
        return None
    size = max(1, _BLOCK // max(1, x.shape[1]))
    order = None if rows is None else np.unique(rows)
    for i in range(0, len(x) if order is None else len(order), size):
        numbers = slice(i, i + size) if order is None else order[i : i + size]
        block = x[numbers]
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(np.asarray(block, want))
        if bad.any():
            r, c = (int(k) for k in np.argwhere(bad)[0])
            value = block[r, c]
            held = "" if not np.isfinite(value) else f", which {want} does not hold,"
            at = (i + r if order is None else int(order[i + r]), c)
            return f"{value}{held}{place(at[:dimensions], columns)}"
    return None


def refuse(
    name: str,
    x: Any,
    read: NDArray[Any],
    want: np.dtype[Any],
    rows: NDArray[np.int64] | None = None,
) -> None:
    """Say where rows that were given as x, and were read, hold NaN or infinity, if they do."""
    found = first(read, want, rows=rows, columns=column_names(x))
    if found is not None:
        raise ValueError(f"{name}: expected finite numbers, found {found}")
