"""`class_weight`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight

Array = NDArray[Any]


def class_weighted(given: Any, y: Any, weights: Array | None, incremental: bool) -> Array | None:
    """Return the rows' weights, times those of their classes."""
    if given is None:
        return weights
    if incremental and given == "balanced":
        raise ValueError(
            "class_weight: expected a dict in partial_fit, which can't know how many rows of "
            "each class will come, found 'balanced'"
        )
    y = y.toarray() if hasattr(y, "toarray") else y
    found: Array = balanced(y, weights) if given == "balanced" else compute_sample_weight(given, y)
    return found if weights is None else found * weights


def balanced(y: Array, weights: Array | None) -> NDArray[np.float64]:
    """Return what each row counts, beside its weight, for all classes to count alike.

    scikit-learn's ``class_weight="balanced"`` as its classifiers have it from 1.9 on: a row of
    weight 2 is as good as two. For multilabel, (rows, labels), the product over labels.
    """
    rows = np.ones(len(y)) if weights is None else weights
    found = np.ones(len(y))
    for column in y.T if y.ndim == 2 else [y]:
        classes, of = np.unique(column, return_inverse=True)
        sums = np.bincount(of, rows, len(classes))
        there = sums > 0  # rows of no weight are as good as none
        each = np.zeros(len(classes))
        each[there] = sums.sum() / (there.sum() * sums[there])
        found *= each[of]
    return found
