"""Data as the core takes them: which rows there are, their classes, and what these weigh."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..support import checks
from ..support.changes import Place, expect_file, expect_place
from ..support.not_finite import refuse
from . import targets
from .outputs import Sized

NO_WEIGHT = (
    "sample_weight: expected a weight above 0, found only zeros: the array was changed while in use"
)
BLOCK = 1024  # rows that a loss is evaluated, and a metric's outputs are computed, at once


class Samples(NamedTuple):
    """Data as the core takes them; `rows`, if given, says which there are, and in which order."""

    x: NDArray[Any]
    labels: NDArray[np.int64] | None
    values: NDArray[Any] | None
    weights: NDArray[Any] | None
    rows: NDArray[np.int64] | None = None

    @classmethod
    def checked(
        cls,
        model: Sized,
        x: ArrayLike,
        y: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        loss: str,
        name: str = "",
        zeros: bool = False,
    ) -> "Samples":
        """Return data for a model and a loss, read in place if they can be; say what is wrong.

        Sentences have `name` before x, y and sample_weight; only zeros as weights are refused
        unless `zeros`.
        """
        inputs, outputs, dtype = model.sizes[0], model.sizes[-1], model.dtype
        rows = checks.inputs(x, inputs, dtype, mapped=True, name=f"{name}x")
        if hasattr(x, "columns"):  # a table, which is read column by column anyway
            refuse(f"{name}x", x, rows, dtype)
        n, y_name = rows.shape[0], f"{name}y"
        if np.ndim(x) == 1 and outputs > 1:
            single = checks.real_array(y_name, y)
            y = single[np.newaxis] if single.shape == (outputs,) else y
        labels, values = targets.check(y, n, outputs, dtype, loss, y_name)
        weights = checks.sample_weights(weight, n, dtype, zeros=zeros, name=f"{name}sample_weight")
        return cls(rows, labels, values, weights)

    @property
    def n(self) -> int:
        return len(self.x if self.rows is None else self.rows)

    @property
    def targets(self) -> NDArray[Any]:
        """Labels or values of the rows there are."""
        y = self.values if self.labels is None else self.labels
        assert y is not None
        return y if self.rows is None else y[self.rows]

    def checked_targets(self, outputs: int, what: str) -> NDArray[Any]:
        """Return the targets, class labels as a copy that is checked anew."""
        y = self.targets
        return y if self.labels is None else targets.class_labels(y.copy(), outputs, what)

    def expect_unchanged(self, what: str, places: list[Place] | None = None) -> None:
        """Refuse mapped files that became shorter, and arrays that aren't in their places.

        These are of the first four arrays; `what` is what sentences call the targets.
        """
        arrays = zip(("x", what, what, "sample_weight"), self, strict=False)
        for i, (name, a) in enumerate(arrays):
            if places:
                expect_place(name, a, places[i])
            expect_file(name, a)


def in_callers_environment(batches: Iterable[Any]) -> Iterator[Any]:
    """Give the items of an iterable of the user's, each made in the caller's environment."""
    with _core.CallersEnvironment():
        items = iter(batches)
    while True:
        with _core.CallersEnvironment():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def multilabel(samples: Samples) -> bool:
    """Whether targets are 0 and 1, and other than one of them is 1 in some row."""
    if samples.values is None or samples.values.shape[1] == 1 or _continuous(samples):
        return False
    return any(bool((block.sum(axis=1) != 1).any()) for _, block in targets.blocks(samples.values))


def classes_of(samples: Samples) -> NDArray[np.int64]:
    """Return each row's class, of all rows of x."""
    if samples.labels is not None:
        return samples.labels
    assert samples.values is not None
    if samples.values.shape[1] == 1:
        return (samples.values[:, 0] > 0.5).astype(np.int64)
    found = np.empty(len(samples.values), np.int64)
    for i, block in targets.blocks(samples.values):
        found[i : i + len(block)] = block.argmax(axis=1)
    return found


def class_weighted(
    samples: Samples, given: dict[int, float] | str, outputs: int, dtype: np.dtype[Any]
) -> Samples:
    """Return the samples with its rows' weights multiplied by those of their classes."""
    if multilabel(samples):
        raise ValueError("class_weight: expected rows of one class each, found multilabel targets")
    classes, n = classes_of(samples), max(2, outputs)
    weights = np.ones(n)
    if isinstance(given, str):
        checks.choice("class_weight", given, ("balanced",))
        counts = np.bincount(
            classes if samples.rows is None else classes[samples.rows], minlength=n
        )
        each = samples.n / (np.sum(counts > 0) * np.maximum(counts, 1))
        weights = np.where(counts > 0, each, 1.0)
    elif isinstance(given, dict):
        labels = [targets.label("class_weight", label, n) for label in given]
        if len(set(labels)) < len(labels):
            twice = max(labels, key=labels.count)
            raise ValueError(f"class_weight: expected each class once, found {twice} twice")
        for label, weight in zip(labels, given.values(), strict=True):
            weights[label] = checks.number(f"class_weight[{label}]", weight, 0.0, math.inf)
    else:
        raise TypeError(
            f"class_weight: expected a dict, 'balanced' or None, found {checks.brief(given)}"
        )
    rows = weights[classes]
    if samples.weights is not None:
        rows = rows * samples.weights
    return samples._replace(weights=checks.weights_of_rows("class_weight", rows, dtype))


def split_rows(samples: Samples, part: float, key: int) -> tuple[Samples, Samples]:
    """Return the samples' rows as those to train on and those to validate on, both in order.

    Of each class (of targets that are classes) the same part, the largest remainders rounded up.
    """
    n = samples.n
    every = np.arange(n) if samples.rows is None else samples.rows
    total = min(n - 1, max(1, round(part * n)))
    whole = samples.labels is not None or not (multilabel(samples) or _continuous(samples))
    groups = classes_of(samples) if whole else np.zeros(len(samples.x), np.int64)
    _, groups, counts = np.unique(groups[every], return_inverse=True, return_counts=True)
    exact = counts * (total / n)
    take = np.floor(exact).astype(np.int64)
    for g in np.argsort(take - exact, kind="stable")[: total - int(take.sum())]:
        take[g] += 1
    kept = np.zeros(n, bool)
    order = _core.shuffled(np.arange(n), key, 0)
    for g in range(len(counts)):
        kept[order[groups[order] == g][: take[g]]] = True
    return samples._replace(rows=every[~kept]), samples._replace(rows=every[kept])


def _continuous(samples: Samples) -> bool:
    if samples.values is None:
        return False
    return any(
        bool(((block != 0) & (block != 1)).any()) for _, block in targets.blocks(samples.values)
    )
